package sspi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/alexbrainman/sspi"
	"golang.org/x/sys/windows"
)

// kerberos is the only package that is asked: Negotiate may choose NTLM, which proves no server.
const kerberos = "Kerberos"

// The flags of GSS-API that a context may be asked to have. RFC 2744, appendix A.
const (
	gssMutual   = 0x02
	gssReplay   = 0x04
	gssSequence = 0x08
	gssConf     = 0x10
	gssInteg    = 0x20
)

// What a context must never be: one that lends the tickets to the server, or has nobody in it.
const never = sspi.ISC_REQ_DELEGATE | 0x40000 // ISC_RET_NULL_SESSION

// requirements turns flags of GSS-API into those of SSPI, which answers with the same bits.
func requirements(flags uint32) uint32 {
	var r uint32
	for _, f := range []struct{ gss, sspi uint32 }{
		{gssMutual, sspi.ISC_REQ_MUTUAL_AUTH},
		{gssConf, sspi.ISC_REQ_CONFIDENTIALITY},
		{gssInteg, sspi.ISC_REQ_INTEGRITY},
		{gssReplay, sspi.ISC_REQ_REPLAY_DETECT},
		{gssSequence, sspi.ISC_REQ_SEQUENCE_DETECT},
	} {
		if flags&f.gss != 0 {
			r |= f.sspi
		}
	}
	// Where no message is protected there is none to number, and to ask for that may be taken
	// as asking for signatures.
	if flags&(gssConf|gssInteg) == 0 {
		r &^= sspi.ISC_REQ_REPLAY_DETECT | sspi.ISC_REQ_SEQUENCE_DETECT
	}
	return r
}

// handles are what Windows holds for a context.
type handles struct {
	credentials sspi.CredHandle
	context     sspi.CtxtHandle
	begun       bool // there is a context
}

func (h *handles) release() {
	if h.begun {
		sspi.DeleteSecurityContext(&h.context)
	}
	sspi.FreeCredentialsHandle(&h.credentials)
}

// Context is a security context of who is logged on. Wrap and Unwrap may be used at the same
// time by one writer and one reader. What Windows holds for it is released when nothing
// refers to it any more.
type Context struct {
	*handles
	target   *uint16
	binding  []byte
	require  uint32
	maxToken uint32
	expiry   windows.Filetime
	layout   layout
}

// New makes a context with a service, named as ldap/dc1.corp.example, that has these flags of
// GSS-API. With the application data of a channel binding it is bound to that.
func New(service string, flags uint32, binding []byte) (*Context, error) {
	target, err := windows.UTF16PtrFromString(service)
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", service, err)
	}
	name, err := windows.UTF16PtrFromString(kerberos)
	if err != nil {
		return nil, err
	}
	var info *sspi.SecPkgInfo
	if err := failure("find the Kerberos package", sspi.QuerySecurityPackageInfo(name, &info)); err != nil {
		return nil, err
	}
	c := &Context{handles: new(handles), target: target, require: requirements(flags), maxToken: info.MaxToken}
	sspi.FreeContextBuffer((*byte)(unsafe.Pointer(info)))
	if binding != nil {
		c.binding = channelBindings(binding)
	}
	if err := failure("use the current logon", sspi.AcquireCredentialsHandle(nil, name,
		sspi.SECPKG_CRED_OUTBOUND, nil, nil, 0, 0, &c.credentials, nil)); err != nil {
		return nil, err
	}
	runtime.AddCleanup(c, (*handles).release, c.handles)
	return c, nil
}

func failure(op string, ret syscall.Errno) error {
	if ret == sspi.SEC_E_OK {
		return nil
	}
	return &Error{Op: op, Status: Status(ret), Text: strings.TrimRight(ret.Error(), ".\r\n ")}
}

// channelBindings is a SEC_CHANNEL_BINDINGS without addresses: of its eight numbers only the
// last two are not zero, the length of the application data and where it begins.
func channelBindings(application []byte) []byte {
	const header = 8 * 4
	b := make([]byte, 6*4, header+len(application))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(application)))
	b = binary.LittleEndian.AppendUint32(b, header)
	return append(b, application...)
}

// Init takes the service's token, nil at first, and returns the next one for it. It is done
// when the service has proven itself and the context is what was asked for.
func (c *Context) Init(token []byte) (reply []byte, done bool, err error) {
	const op = "make a context with the service"
	var in [2]sspi.SecBuffer
	n := 0
	if token != nil {
		in[n].Set(sspi.SECBUFFER_TOKEN, token)
		n++
	}
	if c.binding != nil {
		in[n].Set(sspi.SECBUFFER_CHANNEL_BINDINGS, c.binding)
		n++
	}
	var input *sspi.SecBufferDesc
	if n > 0 {
		input = sspi.NewSecBufferDesc(in[:n])
	}
	reply = make([]byte, c.maxToken)
	var out [1]sspi.SecBuffer
	out[0].Set(sspi.SECBUFFER_TOKEN, reply)
	var old *sspi.CtxtHandle
	if c.begun {
		old = &c.context
	}
	var attributes uint32
	var expiry syscall.Filetime
	ret := sspi.InitializeSecurityContext(&c.credentials, old, c.target, c.require, 0, sspi.SECURITY_NATIVE_DREP,
		input, 0, &c.context, sspi.NewSecBufferDesc(out[:]), &attributes, &expiry)
	runtime.KeepAlive(c)
	if ret != sspi.SEC_E_OK && ret != sspi.SEC_I_CONTINUE_NEEDED {
		return nil, false, failure(op, ret)
	}
	c.begun = true
	reply = reply[:out[0].BufferSize]
	if ret == sspi.SEC_I_CONTINUE_NEEDED {
		return reply, false, nil
	}
	c.expiry = windows.Filetime(expiry)
	if err := c.check(attributes); err != nil {
		return nil, false, fmt.Errorf("%s: %w", op, err)
	}
	c.layout, err = c.newLayout()
	return reply, true, err
}

// check refuses a context that is less than what was asked for, or not of Kerberos.
func (c *Context) check(attributes uint32) error {
	if missing := c.require &^ attributes; missing != 0 {
		return fmt.Errorf("it lacks %#x of what was asked for", missing)
	}
	if attributes&never != 0 {
		return fmt.Errorf("it has %#x, which was not asked for", attributes&never)
	}
	var negotiated struct {
		info  *sspi.SecPkgInfo
		state uint32
	}
	if err := c.query("ask for the package of the context", attrNegotiationInfo, unsafe.Pointer(&negotiated)); err != nil {
		return err
	}
	defer sspi.FreeContextBuffer((*byte)(unsafe.Pointer(negotiated.info)))
	if name := windows.UTF16PtrToString(negotiated.info.Name); name != kerberos {
		return fmt.Errorf("it is of %s, not of %s", name, kerberos)
	}
	return nil
}

// What can be asked about a context.
const (
	attrSizes           = 0
	attrNegotiationInfo = 12
	attrNativeNames     = 13
)

func (c *Context) query(op string, attribute uint32, to unsafe.Pointer) error {
	ret := sspi.QueryContextAttributes(&c.context, attribute, (*byte)(to))
	runtime.KeepAlive(c)
	return failure(op, ret)
}

// Client is the principal that is logged on; empty where the system does not say.
func (c *Context) Client() string {
	var names struct{ client, server *uint16 }
	if c.query("ask for the names", attrNativeNames, unsafe.Pointer(&names)) != nil {
		return ""
	}
	for _, name := range []*uint16{names.client, names.server} {
		defer sspi.FreeContextBuffer((*byte)(unsafe.Pointer(name)))
	}
	if names.client == nil {
		return ""
	}
	return windows.UTF16PtrToString(names.client)
}

// Ends is when the ticket does; zero where the system does not say.
func (c *Context) Ends() time.Time {
	ticks := int64(c.expiry.HighDateTime)<<32 | int64(c.expiry.LowDateTime)
	if ticks <= 0 || ticks >= math.MaxInt64>>1 {
		return time.Time{}
	}
	// SSPI has local time where all else has UTC.
	t := time.Unix(0, c.expiry.Nanoseconds()).UTC()
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.Local)
}

// signedOnly is the quality of protection of a message that is not sealed: SECQOP_WRAP_NO_ENCRYPT.
const signedOnly = 0x80000001

// Wrap seals a message, or else only signs it.
func (c *Context) Wrap(message []byte, sealed bool) ([]byte, error) {
	var qop uint32
	if !sealed {
		qop = signedOnly
	}
	token, err := c.layout.encrypt(c, message, qop)
	runtime.KeepAlive(c)
	return token, err
}

// Unwrap opens what was sealed, or else what was only signed, and refuses the other.
func (c *Context) Unwrap(token []byte, sealed bool) ([]byte, error) {
	message, qop, err := c.layout.decrypt(c, token)
	runtime.KeepAlive(c)
	if err != nil {
		return nil, err
	}
	if sealed && qop != 0 || !sealed && qop != signedOnly {
		return nil, errors.New("open message: it is protected in another way")
	}
	return message, nil
}
