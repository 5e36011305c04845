package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/whoami"
)

// bindAs is somebody with a password.
func bindAs(t *testing.T, lab *labtest.Lab, name, password string) *user {
	u := &user{t: t, dir: t.TempDir()}
	file := u.file("password")
	if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	u.flags = []string{"--dc", lab.DC, "--user", name, "--password-file", file}
	return u
}

func (u *user) whoami(code int, targets ...string) *whoami.Report {
	u.t.Helper()
	args := []string{"whoami", "-o", "json"}
	for _, dn := range targets {
		args = append(args, "--target", dn)
	}
	got := u.want(code, args...)
	var r whoami.Report
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil {
		u.t.Fatal(err)
	}
	return &r
}

func TestLabWhoAmI(t *testing.T) {
	lab := labtest.Require(t)
	const password = "Lab-Secret-1."
	ou := lab.CreateOU(t, "whoami")
	plain := lab.CreateUser(t, "plain", password)
	owner := lab.CreateUser(t, "owner", password)
	lab.Run(t, "samba-tool", "dsacl", "set", "-H", database, "--objectdn="+ou, "--sddl=(A;;WD;;;"+owner.SID+")")
	accounts := "CN=Managed Service Accounts," + lab.BaseDN
	gmsa := "7b8b558a-93a5-4af7-adca-c017e67f1057" // schemaIDGUID of msDS-GroupManagedServiceAccount. [MS-ADSC] 2.165
	lab.Run(t, "samba-tool", "dsacl", "set", "-H", database, "--objectdn="+accounts, "--sddl=(OA;;CC;"+gmsa+";;"+owner.SID+")")
	t.Cleanup(func() {
		lab.Run(t, "samba-tool", "dsacl", "delete", "-H", database, "--objectdn="+accounts, "--sddl=(OA;;CC;"+gmsa+";;"+owner.SID+")")
	})

	t.Run("the administrator", func(t *testing.T) {
		u := administrator(t, lab)
		r := u.whoami(exitOK, lab.BaseDN, ou)
		if r.DC.Host != lab.DC || !strings.HasSuffix(r.DC.Address, ":389") || r.DC.Site == "" || !r.DC.Writable || r.DC.PDC != whoami.Yes ||
			r.DC.Level.Number != 7 || !strings.Contains(r.DC.OperatingSystem, "Samba") {
			t.Errorf("the domain controller is %+v", r.DC)
		}
		if r.Session.Mechanism != "GSS-SPNEGO" || r.Session.RoundTrips != 4 || r.Session.BindTime <= 0 || !strings.Contains(r.Session.Protection, "sealed") {
			t.Errorf("the session is %+v", r.Session)
		}
		if r.Ticket.SessionKey != "aes256-cts-hmac-sha1-96" || time.Until(r.Ticket.Ends) < time.Hour || time.Since(r.Ticket.Starts) > time.Hour {
			t.Errorf("the ticket is %+v", r.Ticket)
		}
		// Both clocks are this machine's.
		if c := r.Clock; c == nil || max(c.Ahead, -c.Ahead) > c.Within+0.001 || c.Within > 5 {
			t.Errorf("the clocks: %+v", c)
		}
		id := r.Identity
		if !strings.EqualFold(id.Principal, lab.User+"@"+lab.Domain) || id.Source != whoami.FromSession || !strings.HasSuffix(id.SID, "-500") || id.Unseen != "" {
			t.Errorf("bound is %+v", id)
		}
		privileged := 0
		for _, g := range id.Groups {
			if g.Name == "" {
				t.Errorf("%s has no name", g.SID)
			}
			if g.Privileged {
				privileged++
			}
		}
		if privileged < 4 {
			t.Errorf("%d privileged groups in %+v", privileged, id.Groups)
		}
		for _, x := range r.Targets {
			if x.Descriptor.Word != whoami.Yes || x.WriteDACL.Word != whoami.Yes || x.WriteDACL.Server != whoami.Yes || x.WriteDACL.Effect != "granted" {
				t.Errorf("on %s: %+v", x.DN, x)
			}
		}
		if r.GMSA.Container != accounts || r.GMSA.Word != whoami.Yes || r.GMSA.Server != whoami.Yes || r.RootKeys.Word != whoami.Yes || len(r.Notes) != 0 {
			t.Errorf("a gMSA: %+v, root keys: %+v, notes: %q", r.GMSA, r.RootKeys, r.Notes)
		}
	})
	t.Run("over TLS", func(t *testing.T) {
		u := administrator(t, lab)
		u.flags = append(u.flags, "--transport", "ldaps", "--ca-file", lab.CAFile)
		s := u.whoami(exitOK).Session
		if s.Transport != "ldaps" || s.TLS == nil || s.TLS.Version != "TLS 1.3" || !strings.HasPrefix(s.TLS.CipherSuite, "TLS_") || s.TLS.ChannelBinding != "tls-server-end-point" {
			t.Errorf("the session is %+v, %+v", s, s.TLS)
		}
	})
	t.Run("somebody without rights", func(t *testing.T) {
		r := bindAs(t, lab, plain.SAMAccountName, password).whoami(exitOK, lab.BaseDN, ou)
		if r.Identity.SID != plain.SID || r.Identity.DN != plain.DN {
			t.Errorf("bound is %+v", r.Identity)
		}
		for _, g := range r.Identity.Groups {
			if g.Privileged {
				t.Errorf("%+v", g)
			}
		}
		for _, x := range r.Targets {
			if x.Descriptor.Word != whoami.Yes || x.WriteDACL.Word != whoami.No || x.WriteDACL.Server != whoami.No || x.WriteDACL.Effect != "not-granted" {
				t.Errorf("on %s: %+v", x.DN, x)
			}
		}
		if r.GMSA.Word != whoami.No || r.GMSA.Server != whoami.No || r.RootKeys.Word == whoami.No {
			t.Errorf("a gMSA: %+v, root keys: %+v", r.GMSA, r.RootKeys)
		}
	})
	t.Run("somebody who was given them", func(t *testing.T) {
		r := bindAs(t, lab, owner.SAMAccountName, password).whoami(exitOK, lab.BaseDN, ou)
		if x := r.Targets[0]; x.WriteDACL.Word != whoami.No {
			t.Errorf("on %s: %+v", x.DN, x)
		}
		if x := r.Targets[1]; x.DN != ou || x.WriteDACL.Word != whoami.Yes || x.WriteDACL.Server != whoami.Yes || x.WriteDACL.Effect != "granted" {
			t.Errorf("on %s: %+v", x.DN, x)
		}
		if r.GMSA.Word != whoami.Yes || r.GMSA.Server != whoami.Yes {
			t.Errorf("a gMSA: %+v", r.GMSA)
		}
	})
	t.Run("an object that is not there", func(t *testing.T) {
		u := bindAs(t, lab, plain.SAMAccountName, password)
		if r := u.whoami(exitFindings, "OU=nowhere,"+lab.BaseDN); r.Targets[0].Descriptor.Word != whoami.Unknown || r.Targets[0].WriteDACL.Word != whoami.Unknown {
			t.Errorf("%+v", r.Targets)
		}
		got := u.want(exitFindings, "whoami", "--target", "OU=nowhere,"+lab.BaseDN)
		says(t, got.stdout, "unknown  read the permissions of OU=nowhere")
	})
	t.Run("a group since the ticket was made", func(t *testing.T) {
		cache := holder(t, lab, plain.SAMAccountName, password)
		lab.Run(t, "samba-tool", "group", "addmembers", "DnsAdmins", plain.SAMAccountName)
		r := cache.whoami(exitOK)
		if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "not in this session: "+strings.ToUpper(strings.Split(lab.Domain, ".")[0])+`\DnsAdmins.`) {
			t.Errorf("notes: %q", r.Notes)
		}
	})
}

// holder is somebody with a credential cache of now.
func holder(t *testing.T, lab *labtest.Lab, name, password string) *user {
	t.Helper()
	u := &user{t: t, dir: t.TempDir()}
	b := lab.RunInput(t, password+"\n", "sh", "-c", `set -e; d=$(mktemp -d); trap 'rm -r $d' EXIT; export KRB5CCNAME=FILE:$d/cc
kinit "$1" >/dev/null; kvno "ldap/$2" >/dev/null; cat $d/cc`, "_", name, lab.DC)
	if err := os.WriteFile(u.file("cc"), []byte(b), 0o600); err != nil {
		t.Fatal(err)
	}
	u.flags = []string{"--dc", lab.DC, "--ccache", u.file("cc")}
	return u
}
