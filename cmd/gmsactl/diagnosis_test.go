package main

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/locate"
)

var update = flag.Bool("update", false, "rewrite the golden files; git diff reviews them")

var arrival = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// krbError is a KRB-ERROR as a domain controller sends it, whose clock is behind by skew; a
// status comes in a KERB-ERROR-DATA. [MS-KILE] 2.2.2.
func krbError(code int32, status uint32, skew time.Duration, change ...func(*messages.KRBError)) []byte {
	m := messages.NewKRBError(types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", "CORP.EXAMPLE"}}, "CORP.EXAMPLE", code, "")
	m.STime, m.Susec = arrival.Add(-skew), 0
	if status != 0 {
		b := binary.LittleEndian.AppendUint32(nil, status)
		b = append(b, 0, 0, 0, 0, 1, 0, 0, 0)
		edata, err := asn1.Marshal(types.PAData{PADataType: 3, PADataValue: b})
		if err != nil {
			panic(err)
		}
		m.EData = edata
	}
	for _, c := range change {
		c(&m)
	}
	b, err := m.Marshal()
	if err != nil {
		panic(err)
	}
	return b
}

func principal(name string) krb5.Principal {
	p, err := krb5.UserPrincipal(name, "CORP.EXAMPLE")
	if err != nil {
		panic(err)
	}
	return p
}

// Every way in which a bind or a request is known to fail has its sentence and its next step.
func TestDiagnosis(t *testing.T) {
	kdc := func(code int32, status uint32, skew time.Duration, change ...func(*messages.KRBError)) error {
		e, err := krb5.ParseError(krbError(code, status, skew, change...), arrival)
		if err != nil {
			t.Fatal(err)
		}
		return &ldapx.BindError{Stage: ldapx.StageTicket, Err: e}
	}
	ticket := func(err error) error { return &ldapx.BindError{Stage: ldapx.StageTicket, Err: err} }
	credentials := func(err error) error { return &ldapx.BindError{Stage: ldapx.StageCredentials, Err: err} }
	bind := func(code uint16, message string) error {
		return &ldapx.BindError{Stage: ldapx.StageBind, Err: &ldapx.ResultError{Op: "bind", Code: code, Message: message}}
	}
	accept := func(data string) error {
		return bind(49, "8009030C: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data "+data+", v4563")
	}
	result := func(op string, code uint16, message string) error {
		return &ldapx.ResultError{Op: op, DN: "OU=Sync,DC=corp,DC=example", Code: code, Message: message}
	}
	tls := func(reason ldapx.TrustReason, err error) error {
		return &ldapx.BindError{Stage: ldapx.StageTLS, Err: &ldapx.TrustError{Host: "dc1.corp.example", Reason: reason, Err: err}}
	}
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	service := krb5.ServicePrincipal("ldap", "dc1.corp.example", "CORP.EXAMPLE")

	rows := []struct {
		name string
		err  error
	}{
		{"DNS does not know the domain controller", &ldapx.DialError{Address: "dc1.corp.example:88",
			Err: &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "dc1.corp.example", IsNotFound: true}}}},
		{"nobody listens", &ldapx.DialError{Address: "dc1.corp.example:88", Err: refused}},
		{"the KDC does not answer", ticket(fmt.Errorf("ask KDC dc1.corp.example:88: %w", context.DeadlineExceeded))},
		{"no KDC of another realm is reached", ticket(&krb5.UnreachableError{Realm: "OLD.EXAMPLE", Tried: []*krb5.DialError{
			{Address: "dc1.old.example:88", Err: refused}, {Address: "dc2.old.example:88", Err: context.DeadlineExceeded}}})},
		{"no KDC of another realm is known", ticket(&krb5.RealmError{Realm: "OLD.EXAMPLE", Err: errors.New("no records")})},
		{"no KDC of another realm is in DNS", ticket(&krb5.RealmError{Realm: "OLD.EXAMPLE", Err: &locate.NoRecordsError{Domain: "old.example", Name: "_kerberos._tcp.old.example"}})},
		{"the domain controller is of another realm", ticket(&krb5.ReferralError{From: "CORP.EXAMPLE", Realm: "OLD.EXAMPLE", Why: "in which the service is, it says"})},

		{"KDC_ERR_C_PRINCIPAL_UNKNOWN", kdc(6, 0, 0)},
		{"KDC_ERR_S_PRINCIPAL_UNKNOWN", kdc(7, 0, 0)},
		{"KDC_ERR_POLICY", kdc(12, 0, 0)},
		{"KDC_ERR_POLICY, authentication firewall", kdc(12, 0xc0000413, 0)},
		{"KDC_ERR_ETYPE_NOSUPP", kdc(14, 0, 0)},
		{"KDC_ERR_CLIENT_REVOKED", kdc(18, 0, 0)},
		{"KDC_ERR_CLIENT_REVOKED, restriction", kdc(18, 0xc000006e, 0)},
		{"KDC_ERR_CLIENT_REVOKED, hours", kdc(18, 0xc000006f, 0)},
		{"KDC_ERR_CLIENT_REVOKED, workstation", kdc(18, 0xc0000070, 0)},
		{"KDC_ERR_CLIENT_REVOKED, disabled", kdc(18, 0xc0000072, 0)},
		{"KDC_ERR_CLIENT_REVOKED, expired", kdc(18, 0xc0000193, 0)},
		{"KDC_ERR_CLIENT_REVOKED, locked", kdc(18, 0xc0000234, 0)},
		{"KDC_ERR_KEY_EXPIRED", kdc(23, 0, 0)},
		{"KDC_ERR_KEY_EXPIRED, expired", kdc(23, 0xc0000071, 0)},
		{"KDC_ERR_KEY_EXPIRED, must change", kdc(23, 0xc0000224, 0)},
		{"KDC_ERR_PREAUTH_FAILED", kdc(24, 0, 0)},
		{"KDC_ERR_PREAUTH_FAILED, with a keytab", ticket(&krb5.OldKeyError{Path: "/etc/k", Client: principal("bob"), Version: 3, Err: &krb5.Error{Code: 24}})},
		{"KDC_ERR_PREAUTH_REQUIRED, with nothing that can be done", ticket(&krb5.PreauthError{Offered: []int32{16, 15, 17, 136, 138, 19, 150}})},
		{"KDC_ERR_SVC_UNAVAILABLE", kdc(29, 0, 0)},
		{"KRB_AP_ERR_TKT_EXPIRED", kdc(32, 0, 0)},
		{"KRB_AP_ERR_TKT_NYV", kdc(33, 0, -10*time.Minute)},
		{"KRB_AP_ERR_BADMATCH", kdc(36, 0, 0)},
		{"KRB_AP_ERR_SKEW, ahead", kdc(37, 0, 10*time.Minute+2*time.Second)},
		{"KRB_AP_ERR_SKEW, behind", kdc(37, 0, -26*time.Hour)},
		{"KRB_AP_ERR_MODIFIED, from the service", &ldapx.BindError{Stage: ldapx.StageBind, Err: fmt.Errorf("%w; %w", &krb5.Error{Code: 41},
			&ldapx.ResultError{Op: "bind", Code: 49, Message: "8009030C: LdapErr: DSID-0C090569, comment: AcceptSecurityContext error, data 52e, v4563"})}},
		{"KRB_ERR_GENERIC", kdc(60, 0, 0, func(m *messages.KRBError) { m.EText = "PROCESS_TGS" })},
		{"KDC_ERR_WRONG_REALM", kdc(68, 0, 0, func(m *messages.KRBError) { m.CRealm = "OLD.EXAMPLE" })},
		{"a code that is not known", kdc(99, 0, 0)},

		{"no credential cache", credentials(fmt.Errorf("read credential cache: %w", &fs.PathError{Op: "open", Path: "/tmp/krb5cc_1000", Err: fs.ErrNotExist}))},
		{"a credential cache that is no file", credentials(&krb5.CacheTypeError{Name: "KCM:1000", Service: service})},
		{"a credential cache without a ticket", credentials(&ldapx.NoTicketError{Path: "/tmp/cc", Client: principal("bob"), Service: service})},
		{"a ticket that has expired", credentials(&krb5.ExpiredError{Path: "/tmp/cc", Server: service, Ended: arrival})},
		{"a keytab of somebody else", ticket(&krb5.NoKeyError{Path: "/etc/k", Client: principal("bob"), Wanted: []int32{18, 17}})},
		{"a keytab without the encryption type", ticket(&krb5.NoKeyError{Path: "/etc/k", Client: principal("bob"), Wanted: []int32{18, 17}, Held: []int32{23}})},

		{"no proof from the server", &ldapx.BindError{Stage: ldapx.StageBind, Err: fmt.Errorf("%w: its time is not ours", gss.ErrMutualAuth)}},
		{"the connection is cut during the bind", &ldapx.BindError{Stage: ldapx.StageBind, Err: fmt.Errorf("read bind answer: %w", io.EOF)}},
		{"LDAP 8, Windows", bind(8, `00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity checking if SSL\TLS are not already active on the connection, data 0, v4563`)},
		{"LDAP 8, Samba", bind(8, "SASL:[GSSAPI]: Sign or Seal are required.")},
		{"LDAP 49 525", accept("525")},
		{"LDAP 49 52e", accept("52e")},
		{"LDAP 49 52f", accept("52f")},
		{"LDAP 49 530", accept("530")},
		{"LDAP 49 531", accept("531")},
		{"LDAP 49 532", accept("532")},
		{"LDAP 49 533", accept("533")},
		{"LDAP 49 569", accept("569")},
		{"LDAP 49 701", accept("701")},
		{"LDAP 49 773", accept("773")},
		{"LDAP 49 775", accept("775")},
		{"LDAP 49 without a reason", accept("0")},
		{"LDAP 49, Samba's channel binding", bind(49, "80090346: LdapErr: DSID-0C090711, comment: AcceptSecurityContext error, data 35b, v1db1")},
		{"LDAP 49, Windows' channel binding", bind(49, "80090346: LdapErr: DSID-0C090597, comment: AcceptSecurityContext error, data 80090346, v4563")},
		{"LDAP 49, another Windows' channel binding", bind(49, "80090346: LdapErr: DSID-0C0906B8, comment: AcceptSecurityContext error, data 57, v4f7c")},
		{"LDAP 53 to a bind", bind(53, "Sign or Seal are not allowed if TLS is used")},

		{"LDAP 1", result("read", 1, "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v4563")},
		{"LDAP 3", result("read", 3, "")},
		{"LDAP 4", result("read", 4, "")},
		{"LDAP 10", result("write", 10, "0000202B: RefErr: DSID-03100835, data 0, 1 access points")},
		{"LDAP 11", result("read", 11, "")},
		{"LDAP 12", result("read", 12, "00000057: LdapErr: DSID-0C090A7D, comment: Error processing control, data 0, v4563")},
		{"LDAP 16", result("write", 16, "")},
		{"LDAP 19", result("write", 19, "")},
		{"LDAP 20", result("write", 20, "")},
		{"LDAP 32", &directory.NotFoundError{DN: "OU=Sync,DC=corp,DC=example", Matched: "DC=corp,DC=example"}},
		{"LDAP 34", result("read", 34, "")},
		{"LDAP 50 to a read", result("read", 50, "00002098: SecErr: DSID-03152D2C, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0")},
		{"LDAP 50 to a write", result("write", 50, "00002098: SecErr: DSID-031514A0, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0")},
		{"LDAP 51", result("read", 51, "")},
		{"LDAP 52", result("read", 52, "")},
		{"LDAP 53, a cookie that was forgotten", result("read", 53, "00000057: LdapErr: DSID-0C090A7D, comment: Error processing control, data 0, v4563")},
		{"LDAP 65", result("write", 65, "")},
		{"LDAP 68", result("write", 68, "")},
		{"the ticket ends", &ldapx.TicketEndedError{Identity: "bob@CORP.EXAMPLE", Ended: arrival}},
		{"the connection breaks", &ldapx.ConnectionError{Op: "read", DN: "DC=corp,DC=example", Err: io.EOF}},

		{"a certificate of nobody", tls(ldapx.TrustAuthority, x509.UnknownAuthorityError{})},
		{"a certificate for another name", tls(ldapx.TrustHost, x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"dc2.corp.example"}}, Host: "dc1.corp.example"})},
		{"a certificate without a name", tls(ldapx.TrustNoName, errors.New("it names no host"))},
		{"a certificate with a negative serial number", tls(ldapx.TrustSerial, errors.New("x509: negative serial number"))},
		{"a certificate that has expired", tls(ldapx.TrustExpired, x509.CertificateInvalidError{Reason: x509.Expired, Detail: "since yesterday"})},
		{"no TLS at all", &ldapx.BindError{Stage: ldapx.StageTLS, Err: io.EOF}},
	}
	var got strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&got, "%s\n  error: %s\n", r.name, oneLine(r.err.Error()))
		if hint := hintFor(r.err); hint != "" {
			fmt.Fprintf(&got, "  hint:  %s\n", hint)
		}
	}
	const golden = "testdata/diagnosis.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got.String(), want)
	}
}

// What a KDC says comes through to the user: here as bytes from a network that answers
// everything with one message.
func TestDiagnosisOfWhatTheKDCSends(t *testing.T) {
	for _, tt := range []struct {
		name  string
		reply []byte
		want  string
	}{
		{"locked out", krbError(18, 0xc0000234, 0), "the account is locked out; do not try again"},
		{"hours", krbError(18, 0xc000006f, 0), "may not log on at this hour"},
		{"unknown", krbError(6, 0, 0), "the domain does not know --user"},
		{"not an error at all", []byte("HTTP/1.1 400 Bad Request"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("GMSACTL_PASSWORD", "Secret1.")
			t.Setenv("KRB5CCNAME", "")
			var stdout, stderr strings.Builder
			a := &app{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, dial: func(context.Context, string, string) (net.Conn, error) {
				here, there := net.Pipe()
				go func() {
					defer there.Close()
					var head [4]byte
					if _, err := io.ReadFull(there, head[:]); err != nil {
						return
					}
					if _, err := io.CopyN(io.Discard, there, int64(binary.BigEndian.Uint32(head[:]))); err != nil {
						return
					}
					there.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(tt.reply))), tt.reply...))
				}()
				return here, nil
			}}
			if code := a.run(t.Context(), []string{"audit", "x", "--dc", "dc1.corp.example", "--user", "bob"}); code != exitError {
				t.Errorf("exit code %d", code)
			}
			says(t, stderr.String(), "gmsactl: error: get ticket: ")
			says(t, stderr.String(), tt.want)
			if strings.Contains(stderr.String(), "Secret1.") {
				t.Errorf("the password is in %s", stderr.String())
			}
		})
	}
}
