package krb5

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// world is a number of realms, each with one KDC, that trust each other in a chain or in any
// other way. A KDC knows what a real one does: the accounts and services of its realm, and to
// which realm to send the rest.
type world struct {
	realms map[string]*realm
	asked  []string // "REALM what" of each request
}

type realm struct {
	name     string
	kdc      *kdc              // its account
	services []string          // its services
	accounts map[string]string // the realm of accounts of other realms, by UPN suffix
	routes   map[string]string // the next realm, by service or krbtgt/REALM
	unknown  bool              // realms of other accounts are known in enterprise names only
	reply    func(*messages.TGSRep, *messages.EncKDCRepPart)
}

// inside is what a ticket holds, in the clear: it is the tests' own.
type inside struct {
	Key           []byte
	For           []string
	CRealm, CName string
}

func newWorld(names ...string) *world {
	w := &world{realms: map[string]*realm{}}
	for _, name := range names {
		k := newKDC()
		k.realm, k.salt = name, name+"bob"
		k.info = types.ETypeInfo2{{EType: 18, Salt: k.salt}}
		w.realms[name] = &realm{name: name, kdc: k, accounts: map[string]string{}, routes: map[string]string{}}
	}
	return w
}

// client asks the KDC of a realm first.
func (w *world) client(home string) *Client {
	return &Client{
		Realm: home, Address: home, Timeout: 5 * time.Second,
		Others: func(_ context.Context, name string) ([]string, error) {
			if w.realms[name] == nil {
				return nil, errors.New("unknown")
			}
			return []string{name}, nil
		},
		Dial: func(_ context.Context, _, name string) (net.Conn, error) {
			here, there := net.Pipe()
			go func() {
				defer there.Close()
				req, err := readReply(there)
				if err != nil {
					return
				}
				b, err := w.answer(w.realms[name], req)
				if err != nil {
					panic(err)
				}
				there.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
			}()
			return here, nil
		},
	}
}

func (w *world) answer(r *realm, b []byte) ([]byte, error) {
	if b[0] == 0x6c {
		return w.tgs(r, b)
	}
	var req messages.ASReq
	if err := req.Unmarshal(b); err != nil {
		return nil, err
	}
	what := "AS"
	if len(req.PAData) > 0 {
		what = "AS with proof"
	}
	w.asked = append(w.asked, r.name+" "+what)
	user := req.ReqBody.CName.NameString[0]
	elsewhere := ""
	if i := strings.LastIndexByte(user, '@'); i >= 0 && req.ReqBody.CName.NameType == 10 {
		elsewhere = r.accounts[user[i+1:]]
	} else if req.ReqBody.Realm != r.name {
		if r.unknown {
			return r.kdc.refuse(ClientUnknown, nil)
		}
		elsewhere = r.accounts[req.ReqBody.Realm]
	}
	if elsewhere != "" {
		e := messages.NewKRBError(types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", r.name}}, r.name, WrongRealm, "")
		e.CRealm = elsewhere
		return e.Marshal()
	}
	r.kdc.asReply = func(rep *messages.ASRep, part *messages.EncKDCRepPart) {
		rep.Ticket = r.ticket(inside{part.Key.KeyValue, part.SName.NameString, r.name, "bob"})
	}
	return r.kdc.answer(b)
}

func (r *realm) ticket(in inside) messages.Ticket {
	b, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	return messages.Ticket{TktVNO: 5, Realm: r.name, SName: types.PrincipalName{NameType: 2, NameString: in.For},
		EncPart: types.EncryptedData{EType: 18, KVNO: 1, Cipher: b}}
}

func (w *world) tgs(r *realm, b []byte) ([]byte, error) {
	var req messages.TGSReq
	if err := req.Unmarshal(b); err != nil {
		return nil, err
	}
	want := req.ReqBody.SName.PrincipalNameString()
	w.asked = append(w.asked, r.name+" "+want)
	var ap messages.APReq
	if err := ap.Unmarshal(req.PAData[0].PADataValue); err != nil {
		return nil, err
	}
	var in inside
	if err := json.Unmarshal(ap.Ticket.EncPart.Cipher, &in); err != nil {
		return nil, err
	}
	session := types.EncryptionKey{KeyType: 18, KeyValue: in.Key}
	if err := ap.DecryptAuthenticator(session); err != nil {
		return nil, err
	}
	switch {
	case !slices.Equal(in.For, []string{"krbtgt", r.name}), req.ReqBody.Realm != r.name:
		return r.kdc.refuse(errorcode.KRB_AP_ERR_NOT_US, nil)
	case ap.Authenticator.CRealm != in.CRealm || ap.Authenticator.CName.PrincipalNameString() != in.CName:
		return r.kdc.refuse(errorcode.KRB_AP_ERR_BADMATCH, nil)
	}
	sname := req.ReqBody.SName
	if !slices.Contains(r.services, want) {
		next, ok := r.routes[want]
		if !ok {
			return r.kdc.refuse(ServiceUnknown, nil)
		}
		sname = types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", next}}
	}
	key := bytes.Repeat([]byte{byte(len(w.asked))}, 32) // each ticket another
	part := messages.EncKDCRepPart{
		Key: types.EncryptionKey{KeyType: 18, KeyValue: key}, LastReqs: []messages.LastReq{{LRValue: time.Now().UTC()}},
		Nonce: req.ReqBody.Nonce, Flags: types.NewKrbFlags(), AuthTime: time.Now().UTC(),
		EndTime: time.Now().Add(time.Hour).UTC(), SRealm: r.name, SName: sname,
	}
	rep := messages.TGSRep{KDCRepFields: messages.KDCRepFields{
		PVNO: 5, MsgType: 13, CRealm: in.CRealm, CName: ap.Authenticator.CName,
		Ticket: r.ticket(inside{key, sname.NameString, in.CRealm, in.CName}),
	}}
	if r.reply != nil {
		r.reply(&rep, &part)
	}
	plain, err := asn1.Marshal(part)
	if err != nil {
		return nil, err
	}
	if rep.EncPart, err = crypto.GetEncryptedData(asn1tools.AddASNAppTag(plain, 26), session, keyusage.TGS_REP_ENCPART_SESSION_KEY, 0); err != nil {
		return nil, err
	}
	return rep.Marshal()
}

const target = "ldap/dc1.c.example"

// chain is a world in which bob is of A.EXAMPLE, the service of C.EXAMPLE, and B.EXAMPLE
// stands between them.
func chain() *world {
	w := newWorld("A.EXAMPLE", "B.EXAMPLE", "C.EXAMPLE")
	w.realms["A.EXAMPLE"].routes = map[string]string{target: "B.EXAMPLE", "krbtgt/C.EXAMPLE": "B.EXAMPLE"}
	w.realms["B.EXAMPLE"].routes = map[string]string{target: "C.EXAMPLE", "krbtgt/C.EXAMPLE": "C.EXAMPLE"}
	w.realms["C.EXAMPLE"].services = []string{target}
	for _, r := range []string{"B.EXAMPLE", "C.EXAMPLE"} {
		w.realms[r].accounts = map[string]string{"a.example": "A.EXAMPLE", "A": "A.EXAMPLE", "mail.example": "A.EXAMPLE"}
	}
	return w
}

func TestReferrals(t *testing.T) {
	service := ServicePrincipal("ldap", "dc1.c.example", "C.EXAMPLE")
	tests := []struct {
		name   string
		user   string
		change func(*world)
		want   []string // what is asked, in order
	}{
		{"a UPN of the realm", "bob@a.example", nil, []string{
			"C.EXAMPLE AS", "A.EXAMPLE AS", "A.EXAMPLE AS with proof",
			"A.EXAMPLE " + target, "B.EXAMPLE " + target, "C.EXAMPLE " + target}},
		{"a UPN of another suffix", "bob@mail.example", nil, []string{
			"C.EXAMPLE AS", "A.EXAMPLE AS", "A.EXAMPLE AS with proof",
			"A.EXAMPLE " + target, "B.EXAMPLE " + target, "C.EXAMPLE " + target}},
		{"a short domain name", `A\bob`, nil, []string{
			"C.EXAMPLE AS", "A.EXAMPLE AS", "A.EXAMPLE AS with proof",
			"A.EXAMPLE " + target, "B.EXAMPLE " + target, "C.EXAMPLE " + target}},
		{"the DNS name of the domain", `a.example\bob`, nil, []string{
			"A.EXAMPLE AS", "A.EXAMPLE AS with proof",
			"A.EXAMPLE " + target, "B.EXAMPLE " + target, "C.EXAMPLE " + target}},
		{"a short domain name that the KDC knows in an enterprise name only", `A\bob`, func(w *world) {
			w.realms["C.EXAMPLE"].unknown = true
		}, []string{
			"C.EXAMPLE AS", "C.EXAMPLE AS", "A.EXAMPLE AS", "A.EXAMPLE AS with proof",
			"A.EXAMPLE " + target, "B.EXAMPLE " + target, "C.EXAMPLE " + target}},
		{"by way of a realm that knows better", "bob@a.example", func(w *world) {
			w.realms["C.EXAMPLE"].accounts["a.example"] = "B.EXAMPLE"
		}, []string{
			"C.EXAMPLE AS", "B.EXAMPLE AS", "A.EXAMPLE AS", "A.EXAMPLE AS with proof",
			"A.EXAMPLE " + target, "B.EXAMPLE " + target, "C.EXAMPLE " + target}},
		{"realms that know no service of others, but the realm", `a.example\bob`, func(w *world) {
			delete(w.realms["A.EXAMPLE"].routes, target)
			delete(w.realms["B.EXAMPLE"].routes, target)
		}, []string{
			"A.EXAMPLE AS", "A.EXAMPLE AS with proof", "A.EXAMPLE " + target,
			"A.EXAMPLE krbtgt/C.EXAMPLE", "B.EXAMPLE krbtgt/C.EXAMPLE", "C.EXAMPLE " + target}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := chain()
			if tt.change != nil {
				tt.change(w)
			}
			client, err := UserPrincipal(tt.user, "C.EXAMPLE")
			if err != nil {
				t.Fatal(err)
			}
			c := w.client("C.EXAMPLE")
			tgt, err := c.Login(t.Context(), client, Password("Secret1."))
			if err != nil {
				t.Fatal(err)
			}
			if tgt.Client.String() != "bob@A.EXAMPLE" || tgt.Server.String() != "krbtgt/A.EXAMPLE@A.EXAMPLE" {
				t.Errorf("logged in as %s with a ticket for %s", tgt.Client, tgt.Server)
			}
			ticket, err := c.Service(t.Context(), tgt, service)
			if err != nil {
				t.Fatal(err)
			}
			if ticket.Client.String() != "bob@A.EXAMPLE" || ticket.Server.String() != target+"@C.EXAMPLE" {
				t.Errorf("got a ticket of %s for %s", ticket.Client, ticket.Server)
			}
			if !slices.Equal(w.asked, tt.want) {
				t.Errorf("asked\n%s\nwant\n%s", strings.Join(w.asked, "\n"), strings.Join(tt.want, "\n"))
			}
			if got := c.Exchanges(); got != int64(len(tt.want)) {
				t.Errorf("%d exchanges, want %d", got, len(tt.want))
			}
			if bytes.Equal(tgt.Key.KeyValue, make([]byte, 32)) {
				t.Error("the caller's ticket-granting ticket was zeroed")
			}
		})
	}
}

func TestReferralsThatLeadNowhere(t *testing.T) {
	far := func(w *world) {
		for i := range 20 {
			name := fmt.Sprintf("R%d.EXAMPLE", i)
			r := newWorld(name).realms[name]
			r.routes[target] = fmt.Sprintf("R%d.EXAMPLE", i+1)
			r.accounts["a.example"] = fmt.Sprintf("R%d.EXAMPLE", i+1)
			w.realms[name] = r
		}
	}
	tests := []struct {
		name   string
		change func(*world)
		as     any
		want   string
	}{
		{"a client referral back", func(w *world) {
			w.realms["A.EXAMPLE"].accounts["a.example"] = "C.EXAMPLE"
		}, new(*ReferralError), "the KDC of A.EXAMPLE refers to realm C.EXAMPLE, which was asked before"},
		{"a client referral to itself, in another case", func(w *world) {
			w.realms["C.EXAMPLE"].accounts["a.example"] = "c.example"
		}, new(*ReferralError), "the KDC of C.EXAMPLE refers to realm c.example, which was asked before"},
		{"client referrals without end", func(w *world) {
			far(w)
			w.realms["C.EXAMPLE"].accounts["a.example"] = "R0.EXAMPLE"
		}, new(*ReferralError), "the KDC of R7.EXAMPLE refers to realm R8.EXAMPLE, after too many others"},
		{"a client referral to a realm that is not found", func(w *world) {
			w.realms["C.EXAMPLE"].accounts["a.example"] = "X.EXAMPLE"
		}, new(*RealmError), "find a KDC of realm X.EXAMPLE: unknown"},
		{"a referral back", func(w *world) {
			w.realms["B.EXAMPLE"].routes[target] = "A.EXAMPLE"
		}, new(*ReferralError), "the KDC of B.EXAMPLE refers to realm A.EXAMPLE, which was asked before"},
		{"referrals without end", func(w *world) {
			far(w)
			w.realms["B.EXAMPLE"].routes[target] = "R0.EXAMPLE"
		}, new(*ReferralError), "the KDC of R6.EXAMPLE refers to realm R7.EXAMPLE, after too many others"},
		{"a referral to a realm that is not found", func(w *world) {
			w.realms["B.EXAMPLE"].routes[target] = "X.EXAMPLE"
		}, new(*RealmError), "ask realm X.EXAMPLE: find a KDC of realm X.EXAMPLE: unknown"},
		{"a realm on the way that knows neither the service nor the realm", func(w *world) {
			clear(w.realms["B.EXAMPLE"].routes)
		}, new(*Error), "ask realm B.EXAMPLE: kerberos error (7) KDC_ERR_S_PRINCIPAL_UNKNOWN Server not found in Kerberos database"},
		{"a service of that name in a realm on the way", func(w *world) {
			w.realms["B.EXAMPLE"].services = []string{target}
		}, nil, "read TGS-REP: the ticket is for " + target + "@B.EXAMPLE"},
		{"a ticket for another service on the way", func(w *world) {
			w.realms["B.EXAMPLE"].reply = func(r *messages.TGSRep, p *messages.EncKDCRepPart) {
				p.SName.NameString = []string{"ldap", "evil.example"}
				r.Ticket.SName = p.SName
			}
		}, nil, "ask realm B.EXAMPLE: read TGS-REP: the ticket is for ldap/evil.example@B.EXAMPLE"},
		{"a referral in another realm's name", func(w *world) {
			w.realms["B.EXAMPLE"].reply = func(r *messages.TGSRep, p *messages.EncKDCRepPart) { p.SRealm = "C.EXAMPLE" }
		}, nil, "ask realm B.EXAMPLE: read TGS-REP: the ticket is for krbtgt/C.EXAMPLE@C.EXAMPLE"},
		{"another client on the way", func(w *world) {
			w.realms["B.EXAMPLE"].reply = func(r *messages.TGSRep, _ *messages.EncKDCRepPart) { r.CName.NameString = []string{"eve"} }
		}, nil, "ask realm B.EXAMPLE: read TGS-REP: it is for eve@A.EXAMPLE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := chain()
			tt.change(w)
			client, err := UserPrincipal("bob@a.example", "C.EXAMPLE")
			if err != nil {
				t.Fatal(err)
			}
			c := w.client("C.EXAMPLE")
			ticket, err := c.Login(t.Context(), client, Password("Secret1."))
			if err == nil {
				ticket, err = c.Service(t.Context(), ticket, ServicePrincipal("ldap", "dc1.c.example", "C.EXAMPLE"))
			}
			switch {
			case err == nil:
				t.Fatalf("got a ticket for %s", ticket.Server)
			case err.Error() != tt.want:
				t.Errorf("got  %v\nwant %s", err, tt.want)
			case tt.as != nil && !errors.As(err, tt.as):
				t.Errorf("got %T", err)
			}
			proofs := 0
			for _, what := range w.asked {
				if strings.HasSuffix(what, " with proof") {
					proofs++
				}
			}
			if proofs > 1 {
				t.Errorf("the password was used %d times", proofs)
			}
		})
	}
}

// The KDC that answers a proof with a referral does not get the password sent on.
func TestReferralAfterTheProof(t *testing.T) {
	w := chain()
	n := 0
	c := w.client("C.EXAMPLE")
	dial := c.Dial
	c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if n++; n == 3 {
			w.realms["A.EXAMPLE"].accounts["a.example"] = "B.EXAMPLE"
		}
		return dial(ctx, network, address)
	}
	client, _ := UserPrincipal("bob@a.example", "C.EXAMPLE")
	_, err := c.Login(t.Context(), client, Password("Secret1."))
	var e *Error
	if !errors.As(err, &e) || e.Code != WrongRealm {
		t.Errorf("got %v", err)
	}
	if want := []string{"C.EXAMPLE AS", "A.EXAMPLE AS", "A.EXAMPLE AS with proof"}; !slices.Equal(w.asked, want) {
		t.Errorf("asked %q, want %q", w.asked, want)
	}
}

// Every KDC of a realm is tried, and what each said is kept.
func TestUnreachableKDCs(t *testing.T) {
	w := chain()
	c := w.client("C.EXAMPLE")
	dial := c.Dial
	c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "dead") {
			return nil, errors.New("refused")
		}
		return dial(ctx, network, address)
	}
	addresses := []string{"dead1", "dead2", "A.EXAMPLE"}
	c.Others = func(context.Context, string) ([]string, error) { return addresses, nil }
	client, _ := UserPrincipal(`a.example\bob`, "C.EXAMPLE")
	if _, err := c.Login(t.Context(), client, Password("Secret1.")); err != nil {
		t.Errorf("the third KDC answers: %v", err)
	}
	addresses = addresses[:2]
	_, err := c.Login(t.Context(), client, Password("Secret1."))
	var none *UnreachableError
	var one *DialError
	if !errors.As(err, &none) || !errors.As(err, &one) || none.Realm != "A.EXAMPLE" || len(none.Tried) != 2 {
		t.Fatalf("got %v", err)
	}
	if want := "no KDC of realm A.EXAMPLE can be reached: connect to KDC dead1: refused; connect to KDC dead2: refused"; err.Error() != want {
		t.Errorf("got %v", err)
	}
	addresses = addresses[:1]
	if _, err := c.Login(t.Context(), client, Password("Secret1.")); !errors.As(err, &none) || none.Realm != "A.EXAMPLE" {
		t.Errorf("the only KDC of another realm: got %v", err)
	}
	addresses = nil
	var unknown *RealmError
	if _, err := c.Login(t.Context(), client, Password("Secret1.")); !errors.As(err, &unknown) {
		t.Errorf("no KDC: got %v", err)
	}
	c.Others = nil
	if _, err := c.Login(t.Context(), client, Password("Secret1.")); !errors.As(err, &unknown) {
		t.Errorf("nobody to ask: got %v", err)
	}
}

// Whoever answers at port 88 has proven nothing, and does not fill a terminal.
func TestTheTextOfARefusalIsCapped(t *testing.T) {
	m := messages.NewKRBError(types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", "CORP.EXAMPLE"}}, "CORP.EXAMPLE", Generic, strings.Repeat("x", 100_000))
	b, err := m.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	e, err := ParseError(b, time.Now())
	if err != nil || len(e.Text) > 2000 || len(e.Text) < 100 {
		t.Errorf("%d bytes of text, %v", len(e.Text), err)
	}
}
