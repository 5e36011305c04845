package report

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/whoami"
)

func administrator() *whoami.Report {
	renew := time.Date(2026, 1, 9, 3, 4, 5, 0, time.UTC)
	level := whoami.Level{Number: 7, Name: "Windows Server 2016"}
	yes := whoami.Answer{Word: whoami.Yes}
	return &whoami.Report{
		Format: 1, Kind: "WhoAmI",
		Domain: audit.Domain{DNS: "corp.example", DN: head, SID: "S-1-5-21-1-2-3", DC: "dc1.corp.example"},
		DC: whoami.DC{
			Host: "dc1.corp.example", Address: "192.0.2.1:636", Site: "Paris", Writable: true, PDC: whoami.Yes, GlobalCatalog: whoami.Yes,
			OperatingSystem: "Windows Server 2022 Datacenter 10.0 (20348)", Level: level, DomainLevel: level, ForestLevel: level,
		},
		Session: whoami.Session{
			Transport: "ldaps", Mechanism: "GSS-SPNEGO", Protection: "TLS 1.3 (TLS_AES_128_GCM_SHA256), Kerberos (GSS-SPNEGO) bound to its certificate", RoundTrips: 4, BindTime: 12.3,
			TLS: &whoami.TLS{Version: "TLS 1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", ChannelBinding: "tls-server-end-point"},
		},
		Ticket: &whoami.Ticket{
			SessionKey: "aes256-cts-hmac-sha1-96", ServiceKey: "aes256-cts-hmac-sha1-96",
			Starts: renew.AddDate(0, 0, -7), Ends: renew.AddDate(0, 0, -7).Add(10 * time.Hour), Renew: &renew,
		},
		Identity: whoami.Identity{
			AuthzID: `u:CORP\admin`, Principal: "admin@CORP.EXAMPLE", Name: `CORP\admin`, DN: "CN=admin,CN=Users," + head, SID: "S-1-5-21-1-2-3-1000",
			Source: whoami.FromSession, Groups: []whoami.Group{
				{SID: "S-1-5-21-1-2-3-512", Name: `CORP\Domain Admins`, Privileged: true},
				{SID: "S-1-5-11", Name: "Authenticated Users"},
				{SID: "S-1-5-21-9-9-9-9"},
			},
		},
		Clock:   &whoami.Clock{Server: renew.AddDate(0, 0, -7), Ahead: -0.25, Within: 0.063},
		Targets: []whoami.Target{{DN: head, Descriptor: yes, WriteDACL: whoami.Judged{Answer: yes, Server: whoami.Yes, Effect: "granted"}}},
		GMSA: whoami.Creation{
			Container: "CN=Managed Service Accounts," + head,
			Judged:    whoami.Judged{Answer: yes, Server: whoami.Yes, Effect: "granted"},
		},
		RootKeys: whoami.Answer{Word: whoami.Yes, Why: "1 shown"},
	}
}

// stranger has what an administrator has not, and text that a terminal would obey.
func stranger() *whoami.Report {
	r := administrator()
	unknown := whoami.Level{Number: -1}
	r.DC = whoami.DC{Host: "dc2.corp.example", Address: "[2001:db8::1]:389", Level: whoami.Level{Number: 42}, DomainLevel: unknown, ForestLevel: unknown}
	r.Session = whoami.Session{Transport: "ldap", Mechanism: "GSSAPI", Protection: "sealed by Kerberos (GSSAPI)", RoundTrips: 1}
	r.Ticket, r.Clock = nil, nil
	r.Identity = whoami.Identity{AuthzID: "u:OTHER\\b\x1b[31mob", Source: "unknown", Unseen: "its object", Groups: []whoami.Group{}}
	no := whoami.Judged{Answer: whoami.Answer{Word: whoami.No, Why: "no entry grants it to the account or to a group that it is in"}, Server: whoami.No, Effect: "not-granted"}
	r.Targets = []whoami.Target{{DN: sales, Descriptor: whoami.Answer{Word: whoami.No, Why: "the security descriptor is not readable to this identity"}, WriteDACL: no}}
	r.GMSA = whoami.Creation{Judged: whoami.Judged{Answer: whoami.Answer{Why: "the server says yes, and by the descriptor it is denied: a deny entry"}, Server: whoami.Yes, Effect: "denied"}}
	r.RootKeys = whoami.Answer{Why: "none is shown to this identity"}
	r.Notes = []string{"dc2.corp.example is a read-only domain controller: what it says of writing holds on writable ones only as far as they agree."}
	return r
}

func TestWhoAmI(t *testing.T) {
	for name, r := range map[string]*whoami.Report{"whoami": administrator(), "whoami-odd": stranger()} {
		var text, json bytes.Buffer
		if err := errors.Join(WhoAmI(&text, r, Style{}), JSON(&json, r)); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", text.Bytes())
		golden(t, name+".json", json.Bytes())
	}
}
