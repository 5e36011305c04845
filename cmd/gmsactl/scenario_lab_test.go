package main

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/labtest"
	"github.com/gmsactl/gmsactl/internal/ldapx"
)

const (
	firstPassword = "Corr3ct-horse-battery"
	laterPassword = "An0ther-horse-battery"
)

// stage is where an account does what a policy is for. Below its OU there are a user, a group, a contact and a computer,
// and more of them that are to go.
type stage struct {
	t      *testing.T
	lab    *labtest.Lab
	ou     string
	number string // of the stage, in names that must be unique
	name   string // of the account
	self   string
	guid   string // of the keys
}

func (s *stage) at(rdn string) string { return rdn + "," + s.ou }

// deed is something that an account may not do before apply and does after it.
type deed struct {
	what string
	do   func(*ldapx.Session) error
	late bool // it is done to what another deed makes
}

// errNotShown is the answer of a directory to whoever may not read.
var errNotShown = errors.New("it is not shown")

func (s *stage) write(rdn, attr string, values ...string) deed {
	return deed{what: "write " + attr + " of " + rdn, do: func(c *ldapx.Session) error {
		change := ldap.NewModifyRequest(s.at(rdn), nil)
		change.Replace(attr, values)
		return c.LDAP().Modify(change)
	}}
}

func (s *stage) create(rdn, class string, attrs ...string) deed {
	return deed{what: "create " + class, do: func(c *ldapx.Session) error {
		add := ldap.NewAddRequest(s.at(rdn), nil)
		add.Attribute("objectClass", []string{class})
		for _, a := range attrs {
			name, value, _ := strings.Cut(a, ": ")
			add.Attribute(name, []string{value})
		}
		return c.LDAP().Add(add)
	}}
}

func (s *stage) remove(rdn string) deed {
	return deed{what: "delete " + rdn, do: func(c *ldapx.Session) error { return c.LDAP().Del(ldap.NewDelRequest(s.at(rdn), nil)) }}
}

func (d deed) afterwards() deed {
	d.late = true
	return d
}

func (s *stage) read(rdn, attr string) deed {
	return deed{what: "read " + attr + " of " + rdn, do: func(c *ldapx.Session) error {
		found, err := c.LDAP().Search(ldap.NewSearchRequest(s.at(rdn), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{attr}, nil))
		switch {
		case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
			return errNotShown
		case err != nil:
			return err
		case len(found.Entries) == 0 || found.Entries[0].GetAttributeValue(attr) == "":
			return errNotShown
		}
		return nil
	}}
}

// reset gives a user another password, with which the user then can log on. [MS-ADTS] 3.1.1.3.1.5.1.
func (s *stage) reset(rdn, name string) deed {
	return deed{what: "reset the password of " + rdn, do: func(c *ldapx.Session) error {
		change := ldap.NewModifyRequest(s.at(rdn), nil)
		change.Replace("unicodePwd", []string{unicodePwd(laterPassword)})
		if err := c.LDAP().Modify(change); err != nil {
			return err
		}
		dialAs(s.t, s.lab, name, laterPassword)
		return nil
	}}
}

func unicodePwd(password string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// changes reads what DirSync gives to those only who may replicate the domain. [MS-ADTS] 3.1.1.3.4.1.3.
func (s *stage) changes() deed {
	return deed{what: "read the changes of the domain", do: func(c *ldapx.Session) error {
		search := ldap.NewSearchRequest(s.lab.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(sAMAccountName="+s.name+")", []string{"sAMAccountName"}, nil)
		found, err := c.LDAP().DirSync(search, 0, 0, nil)
		if err == nil && len(found.Entries) != 1 {
			return fmt.Errorf("%d objects have changed", len(found.Entries))
		}
		return err
	}}
}

// secrets replicates one user, password hash and all. [MS-DRSR] 4.1.10.
func (s *stage) secrets(rdn string) deed {
	return deed{what: "replicate the password hash of " + rdn, do: func(*ldapx.Session) error {
		switch out := strings.TrimSpace(s.lab.RunInput(s.t, replicateOne, "python3", "-", s.lab.DC, s.lab.Domain, s.name, firstPassword, s.at(rdn))); out {
		case "hash":
			return nil
		case "denied":
			return ldap.NewError(ldap.LDAPResultInsufficientAccessRights, errors.New(out))
		default:
			return fmt.Errorf("it ended with %s", out)
		}
	}}
}

const replicateOne = `
import sys
from samba import WERRORError, werror
from samba.credentials import Credentials
from samba.dcerpc import drsuapi, misc
from samba.drs_utils import drs_DsBind
from samba.param import LoadParm
dc, domain, user, password, dn = sys.argv[1:]
lp = LoadParm(); lp.load_default()
creds = Credentials(); creds.guess(lp)
creds.set_username(user); creds.set_password(password); creds.set_domain(""); creds.set_realm(domain.upper())
drs = drsuapi.drsuapi("ncacn_ip_tcp:%s[seal]" % dc, lp, creds)
handle, _ = drs_DsBind(drs)
req = drsuapi.DsGetNCChangesRequest8()
req.destination_dsa_guid = req.source_dsa_invocation_id = misc.GUID("00000000-0000-0000-0000-000000000001")
req.naming_context = drsuapi.DsReplicaObjectIdentifier(); req.naming_context.dn = dn
req.highwatermark = drsuapi.DsReplicaHighWaterMark()
req.replica_flags = drsuapi.DRSUAPI_DRS_INIT_SYNC | drsuapi.DRSUAPI_DRS_WRIT_REP
req.max_object_count = 1
req.max_ndr_size = 402116
req.extended_op = drsuapi.DRSUAPI_EXOP_REPL_OBJ
try:
    _, ctr = drs.DsGetNCChanges(handle, 8, req)
    attrs = [a.attid for a in ctr.first_object.object.attribute_ctr.attributes]
    print("hash" if drsuapi.DRSUAPI_ATTID_unicodePwd in attrs else "no hash")
except WERRORError as e:
    print("denied" if e.args[0] == werror.WERR_DS_DRA_ACCESS_DENIED else e)
`

// key is a value of msDS-KeyCredentialLink. [MS-ADTS] 2.2.20.
func (s *stage) key(rdn string) string {
	blob := binary.LittleEndian.AppendUint32(nil, 0x200)
	for _, e := range []struct {
		id    byte
		value []byte
	}{{1, make([]byte, 32)}, {2, make([]byte, 32)}, {3, []byte("key")}, {4, []byte{1}}, {5, []byte{0}}} {
		blob = append(binary.LittleEndian.AppendUint16(blob, uint16(len(e.value))), e.id)
		blob = append(blob, e.value...)
	}
	return fmt.Sprintf("B:%d:%X:%s", 2*len(blob), blob, s.at(rdn))
}

// props adds what the deeds are done to.
func (s *stage) props(c *cast, place string) {
	password := "unicodePwd:: " + base64.StdEncoding.EncodeToString([]byte(unicodePwd(firstPassword)))
	c.add(s.self, "objectClass: user", "sAMAccountName: "+s.name, "userAccountControl: 512", password)
	var descriptor []string
	if place == closed {
		const admins = "CCDCLCSWRPWPDTLOCRSDRCWDWO"
		c.add(s.ou, "objectClass: organizationalUnit", "nTSecurityDescriptor: O:DAG:DAD:P(A;CI;"+admins+";;;DA)(A;CI;"+admins+";;;SY)(A;;LC;;;AU)")
		descriptor = []string{"nTSecurityDescriptor: O:DAG:DAD:(A;;" + admins + ";;;DA)(A;;" + admins + ";;;SY)"}
	} else {
		c.add(s.ou, "objectClass: organizationalUnit")
	}
	add := func(rdn, class string, lines ...string) {
		c.add(s.at(rdn), append(append([]string{"objectClass: " + class}, lines...), descriptor...)...)
	}
	for _, name := range []string{"user", "leaver"} {
		add("CN="+name, "user", "sAMAccountName: "+name+s.number, "userAccountControl: 512", "department: here", password)
	}
	for _, name := range []string{"group", "old"} {
		add("CN="+name, "group", "sAMAccountName: "+name+s.number, "description: here")
	}
	for _, name := range []string{"pc", "scrap"} {
		add("CN="+name, "computer", "sAMAccountName: "+name+s.number+"$", "userAccountControl: 4096", "location: here")
	}
	add("CN=contact", "contact", "description: here")
	add("CN=person", "inetOrgPerson", "sAMAccountName: person"+s.number, "userAccountControl: 514", "description: here")
	if place == keys {
		s.ou = dkmDN(s.lab, s.guid)
		add("CN=key", "contact", "thumbnailPhoto: old")
	}
}

// Where policies are tried, but for an OU as any other.
const (
	closed = "closed" // nobody but administrators has rights to objects there by default
	keys   = "keys"   // where AD FS keeps its own
)

// What each policy is for: the account is refused it before apply, and does it after.
func TestWhatPoliciesAreFor(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	guid := dkm(t, lab)
	readEach := func(s *stage) []deed {
		return []deed{s.read("CN=user", "department"), s.read("CN=group", "description"), s.read("CN=contact", "description"), s.read("CN=person", "description"), s.read("CN=pc", "location")}
	}
	writeback := func(s *stage) []deed {
		return []deed{s.reset("CN=user", "user"+s.number), s.write("CN=user", "lockoutTime", "0"), s.write("CN=user", "pwdLastSet", "0"), s.write("CN=user", "pwdLastSet", "-1")}
	}
	replicate := func(s *stage) []deed { return []deed{s.changes(), s.secrets("CN=user")} }
	exchange := func(s *stage) []deed {
		return []deed{s.write("CN=user", "proxyAddresses", "smtp:user@corp.example"), s.write("CN=contact", "proxyAddresses", "smtp:contact@corp.example"),
			s.write("CN=person", "proxyAddresses", "smtp:person@corp.example"), s.write("CN=user", "msDS-ExternalDirectoryObjectId", "User_1")}
	}
	exchangeAll := func(s *stage) []deed {
		return append(exchange(s), s.write("CN=group", "proxyAddresses", "smtp:group@corp.example"), s.write("CN=group", "member", s.at("CN=user")))
	}
	groups := func(s *stage) []deed {
		return []deed{s.write("CN=group", "member", s.at("CN=user")), s.write("CN=group", "info", "written back"), s.remove("CN=old")}
	}
	makeUser := func(s *stage) []deed {
		return []deed{s.create("CN=new", "user", "sAMAccountName: new"+s.number), s.remove("CN=new").afterwards(), s.remove("CN=leaver")}
	}
	makeGroup := func(s *stage) []deed {
		return []deed{s.create("CN=newgroup", "group", "sAMAccountName: newgroup"+s.number, "groupType: -2147483640"), s.remove("CN=old")}
	}
	anchor := func(s *stage) []deed { return []deed{s.write("CN=user", "mS-DS-ConsistencyGuid", "0123456789abcdef")} }
	computers := func(s *stage) []deed {
		return []deed{s.create("CN=joined", "computer", "sAMAccountName: joined"+s.number+"$", "userAccountControl: 4096")}
	}
	scenes := []struct {
		policy, name string
		place        string
		deeds        func(*stage) []deed
	}{
		{"cloud-sync-basic-read", "objects that only administrators may read are read", closed, readEach},
		{"connect-sync-basic-read", "objects that only administrators may read are read", closed, readEach},
		{"cloud-sync-password-writeback", "a password is reset and a user unlocked", "", writeback},
		{"connect-sync-password-writeback", "a password is reset and a user unlocked", "", writeback},
		{"cloud-sync-password-hash-sync", "the domain is replicated", "", replicate},
		{"connect-sync-password-hash-sync", "the domain is replicated", "", replicate},
		{"cloud-sync-hybrid-exchange", "addresses are written, and members", "", exchangeAll},
		{"connect-sync-exchange-hybrid", "addresses are written, and members", "", exchangeAll},
		{"cloud-sync-hybrid-exchange-least", "addresses are written", "", exchange},
		{"cloud-sync-consistency-guid", "the source anchor is written", "", func(s *stage) []deed {
			return append(anchor(s), s.write("CN=group", "mS-DS-ConsistencyGuid", "0123456789abcdef"))
		}},
		{"connect-sync-consistency-guid", "the source anchor is written", "", anchor},
		{"cloud-sync-key-credential-link", "a key is added", "", func(s *stage) []deed {
			return []deed{s.write("CN=user", "msDS-KeyCredentialLink", s.key("CN=user"))}
		}},
		{"cloud-sync-user-group-create-delete", "users and groups come and go", "", func(s *stage) []deed { return append(makeUser(s), makeGroup(s)...) }},
		{"cloud-sync-provision-to-ad", "users and groups come, are written and go", "", func(s *stage) []deed {
			return append(append(makeUser(s), makeGroup(s)...), s.write("CN=group", "member", s.at("CN=user")), s.write("CN=group", "msDS-ExternalDirectoryObjectId", "Group_1"),
				s.write("CN=user", "msDS-ExternalDirectoryObjectId", "User_1"), s.remove("CN=group"))
		}},
		{"cloud-sync-group-writeback", "a group is written and another deleted", "", groups},
		{"connect-sync-group-writeback", "a group is written and another deleted", "", groups},
		{"cloud-sync-user-group-create-delete-table", "users and groups are written", "", func(s *stage) []deed {
			return []deed{s.write("CN=user", "department", "there"), s.write("CN=group", "member", s.at("CN=user"))}
		}},
		{"cloud-sync-custom-gmsa", "users come and go, and groups are written", "", func(s *stage) []deed { return append(makeUser(s), groups(s)...) }},
		{"defender-for-identity-action", "a user is disabled", "", func(s *stage) []deed {
			return []deed{s.reset("CN=user", "user"+s.number), s.write("CN=user", "pwdLastSet", "0"), s.write("CN=user", "userAccountControl", "514"),
				s.write("CN=group", "member", s.at("CN=user")), s.write("CN=group", "member")}
		}},
		{"intune-connector-msa", "a computer is joined", "", computers},
		{"intune-connector", "a computer is joined, and another one changed and deleted", "", func(s *stage) []deed {
			return append(computers(s), s.write("CN=pc", "location", "there"), s.remove("CN=scrap"))
		}},
		{"adfs-dkm", "keys are made and renewed", keys, func(s *stage) []deed {
			return []deed{s.create("CN=CryptoPolicy", "contact"), s.write("CN=key", "thumbnailPhoto", "new"), s.write("CN=key", "description", "new")}
		}},
	}
	stages := make([]*stage, len(scenes))
	var c cast
	base, tag := lab.CreateOU(t, "stages"), labtest.Unique("")
	for i, scene := range scenes {
		number := fmt.Sprintf("%s%02d", tag, i)
		stages[i] = &stage{lab: lab, ou: "OU=" + scene.policy + "," + base, number: number, name: "who" + number, self: "CN=who" + number + "," + base, guid: guid}
		stages[i].props(&c, scene.place)
	}
	c.make(t, lab)

	for i, scene := range scenes {
		t.Run(scene.policy+": "+scene.name, func(t *testing.T) {
			s := stages[i]
			s.t = t
			u := &user{t: t, dir: t.TempDir(), flags: u.flags}
			deeds := scene.deeds(s)
			c := dialAs(t, lab, s.name, firstPassword)
			for _, d := range deeds {
				if d.late {
					continue
				}
				if err := d.do(c); !errors.Is(err, errNotShown) && !ldap.IsErrorWithCode(err, ldap.LDAPResultInsufficientAccessRights) {
					t.Errorf("before apply, %s: %v, want insufficient access rights", d.what, err)
				}
			}
			t.Cleanup(func() {
				if t.Failed() {
					disown(t, lab, lab.BaseDN, sidOf(t, lab, s.self))
				}
			})
			args := append([]string{"apply", "--yes", "--backup", u.file("backup.json"), "--account", s.self}, aims(t, scene.policy, map[string]string{"ou": s.ou, "guid": guid})...)
			u.want(exitOK, args...)
			for _, d := range deeds {
				if err := d.do(c); err != nil {
					t.Errorf("after apply, %s: %v", d.what, err)
				}
			}
			u.want(exitOK, "rollback", "--yes", u.file("backup.json"), "--backup", u.file("undo.json"))
		})
	}
}

// Nobody can grant anything on the container of deleted objects before he owns it; then the account sees what was deleted.
func TestDeletedObjectsOnceOwned(t *testing.T) {
	lab := labtest.Require(t)
	u := administrator(t, lab)
	account := lab.CreateUser(t, "dsa", firstPassword)
	gone := labtest.Unique("gone")
	lab.Run(t, "samba-tool", "group", "add", gone)
	lab.Run(t, "samba-tool", "group", "delete", gone)
	container := "CN=Deleted Objects," + lab.BaseDN
	shown := func() int {
		t.Helper()
		c := dialAs(t, lab, account.SAMAccountName, firstPassword)
		search := ldap.NewSearchRequest(container, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, "(sAMAccountName="+gone+")", []string{"sAMAccountName"},
			[]ldap.Control{ldap.NewControlMicrosoftShowDeleted()})
		found, err := c.LDAP().Search(search)
		if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
			return 0
		}
		if err != nil {
			t.Fatal(err)
		}
		return len(found.Entries)
	}
	args := []string{account.SAMAccountName, "--policy", "defender-for-identity-dsa"}

	says(t, u.want(exitFindings, append([]string{"audit"}, args...)...).stdout, "0 of 1 pass, 0 fail, 1 unknown")
	refused := u.want(exitFindings, append([]string{"apply", "--yes", "--account"}, args...)...)
	says(t, refused.stdout, "the security descriptor is not readable to this identity")
	says(t, refused.stdout, "Nothing to write.")
	if n := shown(); n != 0 {
		t.Fatalf("%d deleted objects are shown before anything is granted", n)
	}

	own(t, lab, container)
	says(t, u.want(exitFindings, append([]string{"audit"}, args...)...).stdout, "0 of 1 pass, 1 fail, 0 unknown")
	u.want(exitFindings, append([]string{"plan", "--out", u.file("plan.json")}, args...)...)
	if n := shown(); n != 0 {
		t.Errorf("%d deleted objects are shown to whoever was granted nothing", n)
	}
	applied := u.want(exitOK, "apply", "--yes", u.file("plan.json"), "--backup", u.file("backup.json"))
	says(t, applied.stdout, "+ (A;;LCRP;;;"+account.SID+")")
	says(t, applied.stdout, "Judged again: 1 of 1 pass")
	says(t, u.want(exitOK, append([]string{"audit"}, args...)...).stdout, "1 of 1 pass")
	if n := shown(); n != 1 {
		t.Errorf("after apply, %d deleted objects are shown, want the one", n)
	}
	u.want(exitOK, "rollback", "--yes", u.file("backup.json"), "--backup", u.file("undo.json"))
	if n := shown(); n != 0 {
		t.Errorf("after rollback, %d deleted objects are shown", n)
	}
}

// own gives an object to Domain Admins until the test ends, as dsacls /takeOwnership does; then its descriptor is what it
// was.
func own(t *testing.T, lab *labtest.Lab, dn string) {
	t.Helper()
	const script = inDatabase + `
from samba.dcerpc import security
from samba.ndr import ndr_pack, ndr_unpack
dn, before = (sys.argv[1:] + [""])[:2]
domain = security.dom_sid(db.get_domain_sid())
sd = ndr_unpack(security.descriptor, db.search(dn, scope=ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"], controls=["show_deleted:1"])[0]["nTSecurityDescriptor"][0])
print(sd.as_sddl(domain))
if before:
    sd = security.descriptor.from_sddl(before, domain)
else:
    sd.owner_sid = security.dom_sid(str(domain) + "-512")
m = ldb.Message(); m.dn = ldb.Dn(db, dn)
m["x"] = ldb.MessageElement(ndr_pack(sd), ldb.FLAG_MOD_REPLACE, "nTSecurityDescriptor")
db.modify(m, ["sd_flags:1:5", "show_deleted:1"])
`
	before := strings.TrimSpace(lab.RunInput(t, script, "python3", "-", dn))
	t.Cleanup(func() { lab.RunInput(t, script, "python3", "-", dn, before) })
}
