package acl

import (
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

func sid(text string) sddl.SID {
	s, err := sddl.ParseSID(text)
	if err != nil {
		panic(err)
	}
	return s
}

func guid(text string) sddl.GUID {
	g, err := sddl.ParseGUID(text)
	if err != nil {
		panic(err)
	}
	return g
}

// The account under test, a group it is in, one it may be in for all that is known, and
// somebody else.
var (
	account  = sid("S-1-5-21-1000-2000-3000-1105")
	group    = sid("S-1-5-21-1000-2000-3000-1200")
	stranger = sid("S-1-5-21-1000-2000-3000-1300")
	everyone = sid("S-1-1-0")

	token = Token{Account: account, Complete: true, SIDs: map[sddl.SID]Via{
		account: Own, group: Group, everyone: WellKnown, sid("S-1-5-11"): WellKnown}}
	partialToken = Token{Account: account, SIDs: token.SIDs}
)

// GUIDs of the schema every forest has. [MS-ADSC], [MS-ADA1] to [MS-ADA3].
var (
	userClass     = guid("bf967aba-0de6-11d0-a285-00aa003049e2")
	groupClass    = guid("bf967a9c-0de6-11d0-a285-00aa003049e2")
	computerClass = guid("bf967a86-0de6-11d0-a285-00aa003049e2")
	gmsaClass     = guid("7b8b558a-93a5-4af7-adca-c017e67f1057")
	ouClass       = guid("bf967aa5-0de6-11d0-a285-00aa003049e2")

	memberAttr      = guid("bf9679c0-0de6-11d0-a285-00aa003049e2")
	displayNameAttr = guid("bf967953-0de6-11d0-a285-00aa003049e2")
	mailAttr        = guid("bf967961-0de6-11d0-a285-00aa003049e2")
	lockoutTimeAttr = guid("28630ebf-41d5-11d1-a9c1-0000f80367c1")
	hostNameAttr    = guid("72e39547-7b18-11d1-adef-00c04fd8d5cd")
	moreNamesAttr   = guid("80863791-dbe9-4eb8-837e-7f0ab55d9ac7")

	generalSet  = guid("59ba2f42-79a2-11d0-9020-00c04fc2d3cf")
	publicSet   = guid("e48d0154-bcf8-11d1-8702-00c04fb96050")
	memberSet   = guid("bc0ac240-79a9-11d0-9020-00c04fc2d4cf")
	hostNameSet = hostNameAttr // one GUID for the set, an attribute in it and a validated write

	resetPassword = guid("00299570-246d-11d0-a768-00aa006e0529")
	getChanges    = guid("1131f6aa-9c07-11d1-f79f-00c04fc2dcd2")
)

var testClass = &Class{Name: "group", GUID: groupClass, Attributes: map[sddl.GUID]sddl.GUID{
	memberAttr:      memberSet,
	displayNameAttr: generalSet,
	mailAttr:        publicSet,
	lockoutTimeAttr: {},
	hostNameAttr:    hostNameSet,
	moreNamesAttr:   hostNameSet,
}}

func setOfTest(a sddl.GUID) sddl.GUID { return testClass.Attributes[a] }

// words stand for long SIDs and GUIDs in the SDDL of the tests.
var words = strings.NewReplacer(
	"<me>", account.String(), "<group>", group.String(), "<other>", stranger.String(),
	"<user>", userClass.String(), "<class-group>", groupClass.String(), "<computer>", computerClass.String(),
	"<gmsa>", gmsaClass.String(), "<ou>", ouClass.String(),
	"<member>", memberAttr.String(), "<displayName>", displayNameAttr.String(), "<mail>", mailAttr.String(),
	"<lockoutTime>", lockoutTimeAttr.String(), "<hostName>", hostNameAttr.String(), "<moreNames>", moreNamesAttr.String(),
	"<set:general>", generalSet.String(), "<set:public>", publicSet.String(), "<set:member>", memberSet.String(),
	"<reset>", resetPassword.String(), "<changes>", getChanges.String(),
	"<zero>", sddl.GUID{}.String(),
)

// descriptor reads SDDL in which XA and XD stand for conditional entries, XOA and XOD
// for those with GUIDs, Q for one of a type that nobody knows.
func descriptor(t testing.TB, text string) *sddl.Descriptor {
	t.Helper()
	var types []string
	text = words.Replace(text)
	plain := text
	for {
		i := strings.IndexByte(text, '(')
		if i < 0 {
			break
		}
		text = text[i+1:]
		types = append(types, text[:strings.IndexByte(text, ';')])
	}
	plain = strings.NewReplacer("(XOA;", "(OA;", "(XOD;", "(OD;", "(XA;", "(A;", "(XD;", "(D;", "(Q;", "(A;").Replace(plain)
	d, err := sddl.ParseText(plain, sddl.Aliases{})
	if err != nil {
		t.Fatalf("%s: %v", plain, err)
	}
	if d.DACL == nil {
		return d
	}
	for i := range d.DACL.ACEs {
		a := &d.DACL.ACEs[i]
		switch types[i] {
		case "XA":
			a.Type, a.Data = sddl.AllowCallback, "artx"
		case "XD":
			a.Type, a.Data = sddl.DenyCallback, "artx"
		case "XOA":
			a.Type, a.Data = sddl.AllowCallbackObject, "artx"
		case "XOD":
			a.Type, a.Data = sddl.DenyCallbackObject, "artx"
		case "Q":
			*a = sddl.ACE{Type: 0x40, Flags: a.Flags, Data: "????"}
		}
		// SDDL cannot say that a GUID of all zeros is there.
		if a.Type.IsObject() && strings.Contains(plain, ";"+sddl.GUID{}.String()+";") && a.ObjectType.IsZero() {
			a.ObjectFlags |= sddl.ObjectTypePresent
		}
	}
	return d
}

func dacl(t testing.TB, text string) *sddl.ACL {
	t.Helper()
	return descriptor(t, text).DACL
}
