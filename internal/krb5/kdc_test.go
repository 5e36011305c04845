package krb5

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// kdc is a KDC of one realm and one account, that can be told to answer wrongly.
type kdc struct {
	realm    string
	user     string
	password string
	salt     string
	info     types.ETypeInfo2 // what it asks for
	noPA     bool             // the account needs no pre-authentication
	methods  types.PADataSequence

	asReply  func(*messages.ASRep, *messages.EncKDCRepPart)
	tgsReply func(*messages.TGSRep, *messages.EncKDCRepPart)
	raw      func(req []byte) []byte // instead of all else, length included

	asked  []messages.ASReq
	served []messages.TGSReq

	session types.EncryptionKey
}

func newKDC() *kdc {
	return &kdc{
		realm: "CORP.EXAMPLE", user: "bob", password: "Secret1.", salt: "CORP.EXAMPLEbob",
		info:    types.ETypeInfo2{{EType: 18, Salt: "CORP.EXAMPLEbob"}},
		session: types.EncryptionKey{KeyType: 18, KeyValue: []byte("0123456789abcdef0123456789abcdef")},
	}
}

func (k *kdc) client() *Client {
	return &Client{Address: "kdc:88", Timeout: 5 * time.Second, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			req, err := readReply(there)
			if err != nil {
				return
			}
			if k.raw != nil {
				there.Write(k.raw(req))
				return
			}
			b, err := k.answer(req)
			if err != nil {
				panic(err)
			}
			there.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...))
		}()
		return here, nil
	}}
}

func (k *kdc) key(etype int32) types.EncryptionKey {
	known, _ := encryptionOf(etype)
	key, err := Password(k.password).key(Principal{}, []keyParams{{etype, k.salt, known.rounds}})
	if err != nil {
		panic(err)
	}
	return key
}

func (k *kdc) refuse(code int32, edata []byte) ([]byte, error) {
	e := messages.NewKRBError(types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", k.realm}}, k.realm, code, "")
	e.EData = edata
	return e.Marshal()
}

func (k *kdc) answer(b []byte) ([]byte, error) {
	if b[0] == 0x6c {
		return k.tgs(b)
	}
	var req messages.ASReq
	if err := req.Unmarshal(b); err != nil {
		return nil, err
	}
	k.asked = append(k.asked, req)
	info, err := asn1.Marshal(k.info)
	if err != nil {
		return nil, err
	}
	methods := types.PADataSequence{{PADataType: 19, PADataValue: info}, {PADataType: 2}, {PADataType: 16}}
	if k.methods != nil {
		methods = k.methods
	}
	if !k.noPA {
		if len(req.PAData) == 0 {
			edata, err := asn1.Marshal(methods)
			if err != nil {
				return nil, err
			}
			return k.refuse(PreauthRequired, edata)
		}
		var ed types.EncryptedData
		if err := ed.Unmarshal(req.PAData[0].PADataValue); err != nil {
			return nil, err
		}
		if _, err := crypto.DecryptEncPart(ed, k.key(ed.EType), keyusage.AS_REQ_PA_ENC_TIMESTAMP); err != nil {
			return k.refuse(PreauthFailed, nil)
		}
	}
	part := messages.EncKDCRepPart{
		Key: k.session, LastReqs: []messages.LastReq{{LRValue: time.Now().UTC()}}, Nonce: req.ReqBody.Nonce,
		Flags: types.NewKrbFlags(), AuthTime: time.Now().UTC(), EndTime: time.Now().Add(time.Hour).UTC(),
		SRealm: k.realm, SName: types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", k.realm}},
	}
	rep := messages.ASRep{KDCRepFields: messages.KDCRepFields{
		PVNO: 5, MsgType: 11, CRealm: k.realm, CName: types.PrincipalName{NameType: 1, NameString: []string{k.user}},
		Ticket: k.ticket(part.SName),
	}}
	if k.noPA {
		rep.PAData = types.PADataSequence{{PADataType: 19, PADataValue: info}}
	}
	if k.asReply != nil {
		k.asReply(&rep, &part)
	}
	plain, err := part.Marshal()
	if err != nil {
		return nil, err
	}
	if rep.EncPart, err = crypto.GetEncryptedData(plain, k.key(k.info[0].EType), keyusage.AS_REP_ENCPART, 1); err != nil {
		return nil, err
	}
	return rep.Marshal()
}

func (k *kdc) ticket(sname types.PrincipalName) messages.Ticket {
	return messages.Ticket{TktVNO: 5, Realm: k.realm, SName: sname,
		EncPart: types.EncryptedData{EType: 18, KVNO: 1, Cipher: []byte("opaque")}}
}

func (k *kdc) tgs(b []byte) ([]byte, error) {
	var req messages.TGSReq
	if err := req.Unmarshal(b); err != nil {
		return nil, err
	}
	k.served = append(k.served, req)
	var ap messages.APReq
	if err := ap.Unmarshal(req.PAData[0].PADataValue); err != nil {
		return nil, err
	}
	if err := ap.DecryptAuthenticator(k.session); err != nil {
		return nil, err
	}
	body, err := req.ReqBody.Marshal()
	if err != nil {
		return nil, err
	}
	et, err := crypto.GetEtype(k.session.KeyType)
	if err != nil {
		return nil, err
	}
	if !et.VerifyChecksum(k.session.KeyValue, body, ap.Authenticator.Cksum.Checksum, 6) {
		return nil, errors.New("the request's checksum is wrong")
	}
	part := messages.EncKDCRepPart{
		Key: k.session, LastReqs: []messages.LastReq{{LRValue: time.Now().UTC()}}, Nonce: req.ReqBody.Nonce,
		Flags: types.NewKrbFlags(), AuthTime: time.Now().UTC(), EndTime: time.Now().Add(time.Hour).UTC(),
		SRealm: k.realm, SName: req.ReqBody.SName,
	}
	rep := messages.TGSRep{KDCRepFields: messages.KDCRepFields{
		PVNO: 5, MsgType: 13, CRealm: ap.Authenticator.CRealm, CName: ap.Authenticator.CName, Ticket: k.ticket(req.ReqBody.SName),
	}}
	if k.tgsReply != nil {
		k.tgsReply(&rep, &part)
	}
	plain, err := asn1.Marshal(part)
	if err != nil {
		return nil, err
	}
	plain = asn1tools.AddASNAppTag(plain, 26)
	if rep.EncPart, err = crypto.GetEncryptedData(plain, k.session, keyusage.TGS_REP_ENCPART_SESSION_KEY, 0); err != nil {
		return nil, err
	}
	return rep.Marshal()
}

func bob(t *testing.T) Principal {
	t.Helper()
	p, err := UserPrincipal("bob", "CORP.EXAMPLE")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLoginAndService(t *testing.T) {
	for _, noPA := range []bool{false, true} {
		k := newKDC()
		k.noPA = noPA
		c := k.client()
		tgt, err := c.Login(t.Context(), bob(t), Password("Secret1."))
		if err != nil {
			t.Fatal(err)
		}
		service := ServicePrincipal("ldap", "dc1.corp.example", "CORP.EXAMPLE")
		ticket, err := c.Service(t.Context(), tgt, service)
		if err != nil {
			t.Fatal(err)
		}
		if got := ticket.Server.String(); got != "ldap/dc1.corp.example@CORP.EXAMPLE" {
			t.Errorf("ticket for %s", got)
		}
		if got := ticket.Client.String(); got != "bob@CORP.EXAMPLE" {
			t.Errorf("ticket of %s", got)
		}
		if got := k.asked[0].ReqBody.EType; !slices.Equal(got, []int32{20, 18, 19, 17}) {
			t.Errorf("asked for encryption types %v", got)
		}
	}
}

func TestEachEncryptionType(t *testing.T) {
	service := ServicePrincipal("ldap", "dc1.corp.example", "CORP.EXAMPLE")
	for _, etype := range EncryptionTypes(true) {
		for _, noPA := range []bool{false, true} {
			t.Run(fmt.Sprint(EncryptionName(etype), noPA), func(t *testing.T) {
				k := newKDC()
				k.noPA = noPA
				k.info[0].EType = etype
				k.session = types.EncryptionKey{KeyType: etype, KeyValue: []byte("0123456789abcdef0123456789abcdef")[:KeySize(etype)]}
				c := k.client()
				c.Types = []int32{etype}
				tgt, err := c.Login(t.Context(), bob(t), Password("Secret1."))
				if err != nil {
					t.Fatal(err)
				}
				ticket, err := c.Service(t.Context(), tgt, service)
				if err != nil {
					t.Fatal(err)
				}
				if got := ticket.Key.KeyType; got != etype {
					t.Errorf("session key of type %d, want %d", got, etype)
				}
				if got := k.served[0].ReqBody.EType; !slices.Equal(got, []int32{etype}) {
					t.Errorf("asked for encryption types %v", got)
				}
			})
		}
	}
}

func TestRC4IsTakenOnlyWhereItIsAllowed(t *testing.T) {
	if slices.Contains(EncryptionTypes(false), RC4) || !slices.Contains(EncryptionTypes(true), RC4) {
		t.Fatal("RC4 is asked for unasked, or not at all")
	}
	rc4 := types.EncryptionKey{KeyType: RC4, KeyValue: []byte("0123456789abcdef")}
	service := ServicePrincipal("ldap", "dc1.corp.example", "CORP.EXAMPLE")
	t.Run("the account's key", func(t *testing.T) {
		k := newKDC()
		k.info[0].EType = RC4
		_, err := k.client().Login(t.Context(), bob(t), Password("Secret1."))
		var none *Error
		if !errors.As(err, &none) || none.Code != NoCommonEtype || len(k.asked) != 1 {
			t.Errorf("got %v after %d requests", err, len(k.asked))
		}
	})
	t.Run("the session key of the first ticket", func(t *testing.T) {
		k := newKDC()
		k.session = rc4
		_, err := k.client().Login(t.Context(), bob(t), Password("Secret1."))
		var weak *WeakError
		if !errors.As(err, &weak) || weak.EType != RC4 {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the session key of the second", func(t *testing.T) {
		k := newKDC()
		k.tgsReply = func(_ *messages.TGSRep, p *messages.EncKDCRepPart) { p.Key = rc4 }
		c := k.client()
		tgt, err := c.Login(t.Context(), bob(t), Password("Secret1."))
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Service(t.Context(), tgt, service)
		var weak *WeakError
		if !errors.As(err, &weak) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a ticket from elsewhere", func(t *testing.T) {
		k := newKDC()
		tgt := &Ticket{Key: rc4, Client: bob(t), Server: ServicePrincipal("krbtgt", "CORP.EXAMPLE", "CORP.EXAMPLE")}
		_, err := k.client().Service(t.Context(), tgt, service)
		var weak *WeakError
		if !errors.As(err, &weak) || len(k.served) != 0 {
			t.Errorf("got %v after %d requests", err, len(k.served))
		}
	})
}

func TestWrongPasswordIsSentOnce(t *testing.T) {
	k := newKDC()
	_, err := k.client().Login(t.Context(), bob(t), Password("guess"))
	var e *Error
	if !errors.As(err, &e) || e.Code != PreauthFailed {
		t.Fatalf("got %v, want code %d", err, PreauthFailed)
	}
	if len(k.asked) != 2 || len(k.asked[0].PAData) != 0 || len(k.asked[1].PAData) != 1 {
		t.Errorf("%d requests, want one without and one with the password", len(k.asked))
	}
}

// A key that the KDC refuses is named by its version, and asked for by its type alone.
func TestOldKeytab(t *testing.T) {
	keytab, err := parseKeytab(file{5, 2}.keytabKey("CORP.EXAMPLE", "bob", 7, 18, key32))
	if err != nil {
		t.Fatal(err)
	}
	k := newKDC()
	_, err = k.client().Login(t.Context(), bob(t), keytab)
	var old *OldKeyError
	var e *Error
	if !errors.As(err, &old) || !errors.As(err, &e) || old.Version != 7 || e.Code != PreauthFailed {
		t.Errorf("got %v", err)
	}
	if len(k.asked) != 2 || !slices.Equal(k.asked[0].ReqBody.EType, []int32{18}) {
		t.Errorf("%d requests, the first for %v", len(k.asked), k.asked[0].ReqBody.EType)
	}
}

// A KDC that wants more than the proof says what, and gets no other.
func TestProofThatIsNotEnough(t *testing.T) {
	k := newKDC()
	n := 0
	k.raw = func(req []byte) []byte {
		n++
		edata, err := asn1.Marshal(types.PADataSequence{{PADataType: 19, PADataValue: mustMarshal(k.info)}, {PADataType: 2}, {PADataType: 136}})
		if err != nil {
			panic(err)
		}
		b, err := k.refuse(PreauthRequired, edata)
		if err != nil {
			panic(err)
		}
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
	}
	_, err := k.client().Login(t.Context(), bob(t), Password("Secret1."))
	var more *PreauthError
	if !errors.As(err, &more) || !slices.Contains(more.Offered, 136) || n != 2 {
		t.Errorf("%d requests, got %v", n, err)
	}
}

func mustMarshal(v any) []byte {
	b, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func TestEnterpriseNameIsCanonicalized(t *testing.T) {
	k := newKDC()
	p, err := UserPrincipal("bob.alias@mail.example", "CORP.EXAMPLE")
	if err != nil {
		t.Fatal(err)
	}
	tgt, err := k.client().Login(t.Context(), p, Password("Secret1."))
	if err != nil {
		t.Fatal(err)
	}
	req := k.asked[0].ReqBody
	if req.CName.NameType != 10 || req.CName.NameString[0] != "bob.alias@mail.example" || !types.IsFlagSet(&req.KDCOptions, 15) {
		t.Errorf("asked for %+v with options %x", req.CName, req.KDCOptions.Bytes)
	}
	if tgt.Client.String() != "bob@CORP.EXAMPLE" {
		t.Errorf("ticket of %s", tgt.Client)
	}
}

func TestLoginRefusesWhatTheKDCSays(t *testing.T) {
	iterations := func(n uint32) func(*kdc) {
		return func(k *kdc) { k.info[0].S2KParams = binary.BigEndian.AppendUint32(nil, n) }
	}
	tests := []struct {
		name string
		make func(*kdc)
		as   any // pointer to an error type, or nil
	}{
		{"one round for the password", iterations(1), nil},
		{"2^32 rounds for the password", iterations(0), nil},
		{"4e9 rounds for the password", iterations(0xffffffff), nil},
		{"only RC4", func(k *kdc) { k.info[0].EType = 23 }, new(*Error)},
		{"no encryption type", func(k *kdc) { k.info = types.ETypeInfo2{} }, new(*Error)},
		{"only certificates", func(k *kdc) {
			k.methods = types.PADataSequence{{PADataType: 16}, {PADataType: 136}}
		}, new(*PreauthError)},
		{"another nonce", func(k *kdc) {
			k.asReply = func(_ *messages.ASRep, p *messages.EncKDCRepPart) { p.Nonce++ }
		}, nil},
		{"another client", func(k *kdc) {
			k.asReply = func(r *messages.ASRep, _ *messages.EncKDCRepPart) { r.CName.NameString[0] = "eve" }
		}, nil},
		{"another realm", func(k *kdc) {
			k.asReply = func(r *messages.ASRep, _ *messages.EncKDCRepPart) { r.CRealm = "EVIL.EXAMPLE" }
		}, nil},
		{"a ticket for another realm's KDC", func(k *kdc) {
			k.asReply = func(_ *messages.ASRep, p *messages.EncKDCRepPart) { p.SName.NameString[1] = "EVIL.EXAMPLE" }
		}, nil},
		{"a ticket of another realm", func(k *kdc) {
			k.asReply = func(_ *messages.ASRep, p *messages.EncKDCRepPart) {
				p.SRealm, p.SName.NameString[1] = "EVIL.EXAMPLE", "EVIL.EXAMPLE"
			}
		}, nil},
		{"a ticket for something else", func(k *kdc) {
			k.asReply = func(_ *messages.ASRep, p *messages.EncKDCRepPart) { p.SName.NameString[0] = "cifs" }
		}, nil},
		{"a session key of RC4", func(k *kdc) {
			k.asReply = func(_ *messages.ASRep, p *messages.EncKDCRepPart) {
				p.Key = types.EncryptionKey{KeyType: 23, KeyValue: make([]byte, 16)}
			}
		}, nil},
		{"a session key that is too short", func(k *kdc) {
			k.asReply = func(_ *messages.ASRep, p *messages.EncKDCRepPart) { p.Key.KeyValue = p.Key.KeyValue[:5] }
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKDC()
			tt.make(k)
			start := time.Now()
			ticket, err := k.client().Login(t.Context(), bob(t), Password("Secret1."))
			if err == nil {
				t.Fatalf("got a ticket for %s", ticket.Server)
			}
			if tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("got %T: %v", err, err)
			}
			if d := time.Since(start); d > 3*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
}

func TestServiceRefusesWhatTheKDCSays(t *testing.T) {
	tests := []struct {
		name  string
		reply func(*messages.TGSRep, *messages.EncKDCRepPart)
		as    any
	}{
		{"another nonce", func(_ *messages.TGSRep, p *messages.EncKDCRepPart) { p.Nonce++ }, nil},
		{"another service", func(_ *messages.TGSRep, p *messages.EncKDCRepPart) {
			p.SName.NameString = []string{"ldap", "evil.example"}
		}, nil},
		{"another service in the ticket", func(r *messages.TGSRep, _ *messages.EncKDCRepPart) {
			r.Ticket.SName.NameString = []string{"ldap", "evil.example"}
		}, nil},
		{"another realm", func(_ *messages.TGSRep, p *messages.EncKDCRepPart) { p.SRealm = "EVIL.EXAMPLE" }, nil},
		{"another client", func(r *messages.TGSRep, _ *messages.EncKDCRepPart) { r.CName.NameString = []string{"eve"} }, nil},
		{"a referral out of the service's realm", func(r *messages.TGSRep, p *messages.EncKDCRepPart) {
			p.SName.NameString = []string{"krbtgt", "OTHER.EXAMPLE"}
			r.Ticket.SName = p.SName
		}, new(*ReferralError)},
		{"a ticket for itself", func(r *messages.TGSRep, p *messages.EncKDCRepPart) {
			p.SName.NameString = []string{"krbtgt", "CORP.EXAMPLE"}
			r.Ticket.SName = p.SName
		}, nil},
		{"a referral with the ticket of something else", func(_ *messages.TGSRep, p *messages.EncKDCRepPart) {
			p.SName.NameString = []string{"krbtgt", "OTHER.EXAMPLE"}
		}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKDC()
			k.tgsReply = tt.reply
			c := k.client()
			tgt, err := c.Login(t.Context(), bob(t), Password("Secret1."))
			if err != nil {
				t.Fatal(err)
			}
			ticket, err := c.Service(t.Context(), tgt, ServicePrincipal("ldap", "dc1.corp.example", "CORP.EXAMPLE"))
			if err == nil {
				t.Fatalf("got a ticket for %s", ticket.Server)
			}
			if tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("got %T: %v", err, err)
			}
		})
	}
}

func TestHostileReplies(t *testing.T) {
	tests := []struct {
		name  string
		reply []byte
	}{
		{"none", nil},
		{"half a length", []byte{0, 0}},
		{"a length of zero", []byte{0, 0, 0, 0}},
		{"a length of 4 GiB", []byte{0xff, 0xff, 0xff, 0xff, 0x6b}},
		{"a length of more than 1 MiB", []byte{0, 0x10, 0, 1, 0x6b}},
		{"cut", []byte{0, 0, 0, 9, 0x6b, 3}},
		{"garbage", []byte{0, 0, 0, 4, 1, 2, 3, 4}},
		{"an empty AS-REP", []byte{0, 0, 0, 2, 0x6b, 0}},
		{"an empty KRB-ERROR", []byte{0, 0, 0, 2, 0x7e, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKDC()
			k.raw = func([]byte) []byte { return tt.reply }
			if _, err := k.client().Login(t.Context(), bob(t), Password("Secret1.")); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestSilentKDC(t *testing.T) {
	silent := func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go io.Copy(io.Discard, there)
		return here, nil
	}
	t.Run("the timeout ends it", func(t *testing.T) {
		c := &Client{Address: "kdc:88", Timeout: 30 * time.Millisecond, Dial: silent}
		_, err := c.Login(t.Context(), bob(t), Password("x"))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("the context ends it", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(30*time.Millisecond, cancel)
		c := &Client{Address: "kdc:88", Dial: silent}
		_, err := c.Login(ctx, bob(t), Password("x"))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("nobody there", func(t *testing.T) {
		c := &Client{Address: "kdc:88", Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("refused")
		}}
		_, err := c.Login(t.Context(), bob(t), Password("x"))
		var dial *DialError
		if !errors.As(err, &dial) || dial.Address != "kdc:88" {
			t.Errorf("got %v", err)
		}
	})
}

func TestErrorKeepsStatusAndClock(t *testing.T) {
	server := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	status := []byte{0x34, 0x02, 0x00, 0xc0, 0, 0, 0, 0, 1, 0, 0, 0}
	list, err := asn1.Marshal(types.PADataSequence{{PADataType: 3, PADataValue: status}})
	if err != nil {
		t.Fatal(err)
	}
	one, err := asn1.Marshal(types.PAData{PADataType: 3, PADataValue: status})
	if err != nil {
		t.Fatal(err)
	}
	for name, edata := range map[string][]byte{"a list": list, "one": one} {
		t.Run(name, func(t *testing.T) {
			m := messages.NewKRBError(types.PrincipalName{NameString: []string{"krbtgt"}}, "CORP.EXAMPLE", ClientRevoked, "locked")
			m.STime, m.Susec, m.EData = server, 250000, edata
			b, err := m.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			e, err := ParseError(b, server.Add(602*time.Second+250*time.Millisecond))
			if err != nil {
				t.Fatal(err)
			}
			if e.Code != ClientRevoked || e.Status != 0xc0000234 || e.Text != "locked" || e.Skew != 602*time.Second {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestPasswordStaysOutOfMessages(t *testing.T) {
	p := Password("Secret1.")
	for _, verb := range []string{"%v", "%s", "%+v", "%#v", "%q"} {
		if got := fmt.Sprintf(verb, p); got != "password" && got != `"password"` {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func FuzzReply(f *testing.F) {
	k := newKDC()
	req, err := messages.NewASReq("CORP.EXAMPLE", settings(EncryptionTypes(false)), types.PrincipalName{NameType: 1, NameString: []string{"bob"}},
		types.PrincipalName{NameType: 2, NameString: []string{"krbtgt", "CORP.EXAMPLE"}})
	if err != nil {
		f.Fatal(err)
	}
	b, err := req.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	refusal, err := k.answer(b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(refusal)
	k.noPA = true
	reply, err := k.answer(b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(reply)
	f.Fuzz(func(t *testing.T, b []byte) {
		// Whatever it is, it must end in a ticket that is ours or in an error.
		k := newKDC()
		k.raw = func([]byte) []byte { return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...) }
		if _, err := k.client().Login(t.Context(), Principal{types.PrincipalName{NameString: []string{"bob"}}, "CORP.EXAMPLE"}, &Keytab{}); err == nil {
			t.Fatal("a ticket")
		}
		if reply, err := parseTGSReply(b, time.Now()); err == nil {
			if _, err := decrypt(reply.EncPart, k.session, 8); err == nil {
				t.Fatal("a part that nobody encrypted")
			}
		}
	})
}

func FuzzError(f *testing.F) {
	k := newKDC()
	for _, edata := range [][]byte{nil, {0x30, 0x00}} {
		b, err := k.refuse(ClientRevoked, edata)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	edata, err := asn1.Marshal(types.PADataSequence{{PADataType: 3, PADataValue: []byte{0x34, 2, 0, 0xc0, 0, 0, 0, 0, 1, 0, 0, 0}}})
	if err != nil {
		f.Fatal(err)
	}
	b, err := k.refuse(ClientRevoked, edata)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(edata)
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := ParseError(b, time.Now()); err == nil && e.Error() == "" {
			t.Fatal("an error that says nothing")
		}
		if s := status(b); s != 0 && s>>28 != 0xc {
			t.Fatalf("status %08X is no error", s)
		}
	})
}

func FuzzMethodData(f *testing.F) {
	info, err := asn1.Marshal(types.ETypeInfo2{{EType: 18, Salt: "CORP.EXAMPLEbob", S2KParams: []byte{0, 0, 0x10, 0}}, {EType: 23}})
	if err != nil {
		f.Fatal(err)
	}
	methods, err := asn1.Marshal(types.PADataSequence{{PADataType: 19, PADataValue: info}, {PADataType: 2}, {PADataType: 16}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(methods)
	f.Add(info)
	client := Principal{types.PrincipalName{NameString: []string{"bob"}}, "CORP.EXAMPLE"}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := preauthKey(b, client, &Keytab{}, EncryptionTypes(true)); err == nil {
			t.Fatal("a key from an empty keytab")
		}
		params, err := parseParams(types.PADataSequence{{PADataType: 19, PADataValue: b}}, client, EncryptionTypes(true))
		if err != nil {
			return
		}
		for _, p := range params {
			if KeySize(p.etype) == 0 || p.iter > maxIterations {
				t.Fatalf("%+v", p)
			}
		}
	})
}
