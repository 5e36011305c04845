package acl

import (
	"testing"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

var (
	readAll     = Right{Mask: sddl.ReadProperty}
	writeAll    = Right{Mask: sddl.WriteProperty}
	readMember  = Right{sddl.ReadProperty, memberAttr, Attribute}
	writeMember = Right{sddl.WriteProperty, memberAttr, Attribute}
	readWrite   = Right{Mask: sddl.ReadProperty | sddl.WriteProperty}
	reset       = Right{sddl.ControlAccess, resetPassword, ExtendedRight}
	createUser  = Right{sddl.CreateChild, userClass, ChildClass}
	selfMember  = Right{sddl.WriteSelf, memberAttr, ValidatedWrite}
	readACL     = Right{Mask: sddl.ReadControl}
	deleteIt    = Right{Mask: sddl.Delete}
	fullControl = Right{Mask: sddl.FullControl}
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name  string
		dacl  string
		right Right
		want  Effect
	}{
		// [MS-ADTS] 5.1.3.3.1
		{"an absent DACL grants everything", "O:<other>", fullControl, Granted},
		{"D: with NO_ACCESS_CONTROL is an absent DACL", "D:NO_ACCESS_CONTROL", fullControl, Granted},
		{"an empty DACL grants nothing", "D:", readAll, NotGranted},
		{"the owner reads the DACL even where it is empty", "O:<me>D:", Right{Mask: sddl.ReadControl | sddl.WriteDACL}, Granted},
		{"the owner gets no more than that", "O:<me>D:", Right{Mask: sddl.WriteOwner}, NotGranted},
		{"a group that owns the object counts as the owner", "O:<group>D:", readACL, Granted},
		{"a deny does not take from the owner what is implicit", "O:<me>D:(D;;RC;;;WD)", readACL, Granted},
		{"OWNER RIGHTS entries replace what is implicit", "O:<me>D:(A;;RP;;;OW)", readACL, NotGranted},
		{"OWNER RIGHTS entries apply to the owner", "O:<me>D:(A;;RP;;;OW)", readAll, Granted},
		{"OWNER RIGHTS entries apply to nobody else", "O:<other>D:(A;;RP;;;OW)", readAll, NotGranted},
		{"an OWNER RIGHTS entry that is inherit only replaces nothing", "O:<me>D:(A;CIIO;RP;;;OW)", readACL, Granted},
		{"OWNER RIGHTS may deny the owner everything", "O:<me>D:(D;;RCWD;;;OW)(A;;RC;;;<me>)", readACL, Denied},

		// [MS-ADTS] 5.1.3.3.2
		{"an allow grants", "D:(A;;RP;;;<me>)", readAll, Granted},
		{"an allow for a group grants", "D:(A;;RP;;;<group>)", readAll, Granted},
		{"an allow for somebody else does not", "D:(A;;RP;;;<other>)", readAll, NotGranted},
		{"bits may come from several entries", "D:(A;;RP;;;<me>)(A;;WP;;;<group>)", readWrite, Granted},
		{"some of the bits are partial", "D:(A;;RP;;;<me>)", readWrite, Partial},
		{"a deny before the allow wins", "D:(D;;RP;;;<me>)(A;;RP;;;<me>)", readAll, Denied},
		{"an explicit allow beats an inherited deny", "D:(A;;RP;;;<me>)(D;ID;RP;;;<me>)", readAll, Granted},
		{"a deny of other bits does not matter", "D:(D;;WP;;;<me>)(A;;RP;;;<me>)", readAll, Granted},
		{"one denied bit beats the granted ones", "D:(D;;WP;;;<me>)(A;;RPWP;;;<me>)", readWrite, Denied},
		{"a deny for Claims Valid, which the KDC may add, leaves it open", "D:(D;;RP;;;S-1-5-21-0-0-0-497)(A;;RP;;;<me>)", readAll, Unknown},
		{"so does one for Compounded Authentication", "D:(D;;RP;;;S-1-5-21-0-0-0-496)(A;;RP;;;<me>)", readAll, Unknown},
		{"an allow for Claims Valid is no grant", "D:(A;;RP;;;S-1-5-21-0-0-0-497)", readAll, Unknown},
		{"nor does a deny for it that comes too late matter", "D:(A;;RP;;;<me>)(D;ID;RP;;;S-1-5-21-0-0-0-497)", readAll, Granted},
		{"inherit only entries do not count on the object", "D:(A;CIIO;RP;;;<me>)", readAll, NotGranted},
		{"inherit only denies do not count on the object", "D:(D;CIIO;RP;;;<me>)(A;;RP;;;<me>)", readAll, Granted},
		{"an InheritedObjectType does not keep an entry from the object itself", "D:(OA;CI;RP;;<computer>;<me>)", readAll, Granted},
		{"nor a deny", "D:(OD;CI;RP;;<computer>;<me>)(A;;RP;;;<me>)", readAll, Denied},
		{"generic rights are mapped", "D:(A;;GR;;;<me>)", Right{Mask: sddl.ReadControl | sddl.ListContents | sddl.ReadProperty | sddl.ListObject}, Granted},
		{"generic read is not more than that", "D:(A;;GR;;;<me>)", writeAll, NotGranted},
		{"generic all is full control", "D:(A;;GA;;;<me>)", fullControl, Granted},
		{"all bits are full control", "D:(A;;0xffffffff;;;<me>)", fullControl, Granted},
		{"generic rights may be asked for", "D:(A;;0xf01ff;;;<me>)", Right{Mask: sddl.GenericAll}, Granted},
		{"SELF is the object", "D:(A;;RP;;;PS)", readAll, NotGranted},
		{"CREATOR OWNER is nobody", "O:<me>D:(A;;RP;;;CO)", readAll, NotGranted},

		// [MS-ADTS] 5.1.3.3.3
		{"an entry without GUID grants every attribute", "D:(A;;RP;;;<me>)", readMember, Granted},
		{"an entry for the attribute grants it", "D:(OA;;RP;<member>;;<me>)", readMember, Granted},
		{"an entry for its property set grants it", "D:(OA;;RP;<set:member>;;<me>)", readMember, Granted},
		{"an entry for the class grants it", "D:(OA;;RP;<class-group>;;<me>)", readMember, Granted},
		{"an entry for another class does not", "D:(OA;;RP;<user>;;<me>)", readMember, NotGranted},
		{"an entry for another attribute does not", "D:(OA;;RP;<mail>;;<me>)", readMember, NotGranted},
		{"an entry for another property set does not", "D:(OA;;RP;<set:general>;;<me>)", readMember, NotGranted},
		{"a set that shares its GUID with an attribute covers the others in it", "D:(OA;;WP;<hostName>;;<me>)", Right{sddl.WriteProperty, moreNamesAttr, Attribute}, Granted},
		{"an attribute is not the whole object", "D:(OA;;RP;<member>;;<me>)", readAll, Partial},
		{"a deny for an attribute denies the whole object", "D:(OD;;RP;<member>;;<me>)(A;;RP;;;<me>)", readAll, Denied},
		{"a deny for an attribute denies its property set", "D:(OD;;RP;<member>;;<me>)(A;;RP;;;<me>)", Right{sddl.ReadProperty, memberSet, PropertySet}, Denied},
		{"a deny for an attribute leaves other attributes", "D:(OD;;RP;<member>;;<me>)(A;;RP;;;<me>)", Right{sddl.ReadProperty, mailAttr, Attribute}, Granted},
		{"a deny for a property set denies its attributes", "D:(OD;;RP;<set:member>;;<me>)(A;;RP;;;<me>)", readMember, Denied},
		{"a deny for an attribute the class has not is skipped", "D:(OD;;RP;4828cc14-1437-45bc-9b07-ad6f015e5f28;;<me>)(A;;RP;;;<me>)", readAll, Granted},
		{"a deny for an attribute after the allow comes too late", "D:(A;;RP;;;<me>)(OD;;RP;<member>;;<me>)", readAll, Granted},
		{"all attributes of a set are the set", "D:(OA;;RP;<member>;;<me>)", Right{sddl.ReadProperty, memberSet, PropertySet}, Granted},
		{"all sets and all attributes without one are the whole object", "D:(OA;;RP;<set:member>;;<me>)(OA;;RP;<set:general>;;<me>)(OA;;RP;<mail>;;<me>)(OA;;RP;<hostName>;;<me>)(OA;;RP;<lockoutTime>;;<me>)", readAll, Granted},
		{"all but one are not", "D:(OA;;RP;<set:member>;;<me>)(OA;;RP;<set:general>;;<me>)(OA;;RP;<mail>;;<me>)(OA;;RP;<hostName>;;<me>)", readAll, Partial},
		{"an object ACE without GUIDs is as a plain one", "D:(OA;;RP;;;<me>)", readAll, Granted},
		{"a GUID of zeros that is there allows nothing", "D:(OA;;RP;<zero>;;<me>)", readAll, NotGranted},
		{"a GUID of zeros that is there denies", "D:(OD;;RP;<zero>;;<me>)(A;;RP;;;<me>)", readMember, Denied},
		{"a deny for an attribute denies its own bits only", "D:(OD;;WP;<member>;;<me>)(A;;RP;;;<me>)", readAll, Granted},
		{"a confidential attribute takes both rights", "D:(OA;;RP;<member>;;<me>)", Right{sddl.ReadProperty | sddl.ControlAccess, memberAttr, Attribute}, Partial},
		{"an attribute the class has not has no answer", "D:(A;;RP;;;<me>)", Right{sddl.ReadProperty, resetPassword, Attribute}, Unknown},

		// [MS-ADTS] 5.1.3.3.4
		{"an extended right by its GUID", "D:(OA;;CR;<reset>;;<me>)", reset, Granted},
		{"not by that of another", "D:(OA;;CR;<changes>;;<me>)", reset, NotGranted},
		{"by all extended rights", "D:(OA;;CR;;<user>;<me>)", reset, Granted},
		{"by full control in a plain entry", "D:(A;;GA;;;<me>)", reset, Granted},
		{"not by reading and writing properties", "D:(OA;;RPWP;<reset>;;<me>)", reset, NotGranted},
		{"the first entry for it decides", "D:(OD;;CR;<reset>;;WD)(A;;GA;;;<me>)", reset, Denied},
		{"a deny for another right does not matter", "D:(OD;;CR;<changes>;;WD)(A;;GA;;;<me>)", reset, Granted},
		{"all extended rights are not there when one is denied", "D:(OD;;CR;<reset>;;WD)(A;;GA;;;<me>)", Right{Mask: sddl.ControlAccess}, Denied},
		{"one is not all", "D:(OA;;CR;<reset>;;<me>)", Right{Mask: sddl.ControlAccess}, Partial},

		// [MS-ADTS] 5.1.3.3.5
		{"a validated write by its GUID", "D:(OA;;SW;<member>;;<me>)", selfMember, Granted},
		{"a validated write is not a write", "D:(OA;;SW;<member>;;<me>)", writeMember, NotGranted},
		{"a write is not called a validated write", "D:(OA;;WP;<member>;;<me>)", selfMember, NotGranted},
		{"the property set does not stand in for a validated write", "D:(OA;;SW;<set:member>;;<me>)", selfMember, NotGranted},

		// [MS-ADTS] 3.1.1.5.2.1
		{"creating a child by its class", "D:(OA;;CC;<user>;;<me>)", createUser, Granted},
		{"creating a child of any class", "D:(A;;CC;;;<me>)", createUser, Granted},
		{"creating a user is not creating a computer", "D:(OA;;CC;<user>;;<me>)", Right{sddl.CreateChild, computerClass, ChildClass}, NotGranted},
		{"creating is not deleting", "D:(OA;;CC;<user>;;<me>)", Right{sddl.CreateChild | sddl.DeleteChild, userClass, ChildClass}, Partial},
		{"an InheritedObjectType does not limit the children", "D:(OA;CI;CC;;<class-group>;<me>)", createUser, Granted},
		{"one class is not all classes", "D:(OA;;CC;<user>;;<me>)", Right{Mask: sddl.CreateChild}, Partial},

		// [MS-ADTS] 5.1.3.2: each right is its own
		{"deleting the object", "D:(A;;SD;;;<me>)", deleteIt, Granted},
		{"deleting the object is not deleting what is below", "D:(A;;SD;;;<me>)", Right{Mask: sddl.DeleteTree}, NotGranted},
		{"deleting the tree", "D:(A;;DT;;;<me>)", Right{Mask: sddl.DeleteTree}, Granted},
		{"deleting the tree is not deleting the object", "D:(A;;DT;;;<me>)", deleteIt, NotGranted},
		{"deleting children is not deleting the object", "D:(A;;DC;;;<me>)", deleteIt, NotGranted},
		{"deleting a child by its class", "D:(OA;;DC;<user>;;<me>)", Right{sddl.DeleteChild, userClass, ChildClass}, Granted},
		{"listing the contents is not listing the object", "D:(A;;LC;;;<me>)", Right{Mask: sddl.ListObject}, NotGranted},
		{"listing the object is not listing its contents", "D:(A;;LO;;;<me>)", Right{Mask: sddl.ListContents}, NotGranted},
		{"writing the DACL is not writing the owner", "D:(A;;WD;;;<me>)", Right{Mask: sddl.WriteOwner}, NotGranted},
		{"reading properties is not reading the descriptor", "D:(A;;RP;;;<me>)", readACL, NotGranted},
		{"generic write is properties, validated writes and reading the descriptor", "D:(A;;GW;;;<me>)", Right{Mask: sddl.WriteProperty | sddl.WriteSelf | sddl.ReadControl}, Granted},
		{"generic write does not create", "D:(A;;GW;;;<me>)", createUser, NotGranted},
		{"generic write does not write the DACL", "D:(A;;GW;;;<me>)", Right{Mask: sddl.WriteDACL}, NotGranted},
		{"generic execute is listing and reading the descriptor", "D:(A;;GX;;;<me>)", Right{Mask: sddl.ListContents | sddl.ReadControl}, Granted},
		{"generic execute does not read", "D:(A;;GX;;;<me>)", readAll, NotGranted},
		{"generic rights are mapped where they are denied", "D:(D;;GR;;;<me>)(A;;RP;;;<me>)", readAll, Denied},
		{"bits that a directory has not do not matter", "D:(A;;0x200;;;<me>)", fullControl, NotGranted},

		// OWNER RIGHTS, [MS-DTYP] 2.4.2.4
		{"an inherited OWNER RIGHTS entry replaces what is implicit too", "O:<me>D:(A;ID;RP;;;OW)", readACL, NotGranted},
		{"so does one about an attribute", "O:<me>D:(OA;;RP;<member>;;OW)", readACL, NotGranted},
		{"and one with a condition", "O:<me>D:(XA;;RP;;;OW)", readACL, NotGranted},
		{"OWNER RIGHTS are those of a group that owns", "O:<group>D:(A;;RP;;;OW)", readAll, Granted},
		{"an OWNER RIGHTS deny comes in its turn", "O:<me>D:(A;;RP;;;<me>)(D;;RP;;;OW)", readAll, Granted},
		{"what is implicit is for the owner of an object with entries too", "O:<me>D:(A;;RP;;;<other>)", Right{Mask: sddl.WriteDACL}, Granted},
		{"CREATOR GROUP is nobody", "O:<me>G:<group>D:(A;;RP;;;CG)", readAll, NotGranted},
		{"a deny for CREATOR OWNER is for nobody on the object itself", "O:<me>D:(D;;RP;;;CO)(A;;RP;;;<me>)", readAll, Granted},

		// the object tree, [MS-ADTS] 5.1.3.3.3
		{"a deny without GUID in an object ACE denies everything", "D:(OD;;RP;;;<me>)(A;;RP;;;<me>)", readMember, Denied},
		{"a deny for the class denies everything", "D:(OD;;RP;<class-group>;;<me>)(A;;RP;;;<me>)", readMember, Denied},
		{"a deny for another class does not matter", "D:(OD;;RP;<user>;;<me>)(A;;RP;;;<me>)", readAll, Granted},
		{"a deny for a property set denies the whole object", "D:(OD;;RP;<set:member>;;<me>)(A;;RP;;;<me>)", readAll, Denied},
		{"a deny for a property set leaves other sets", "D:(OD;;RP;<set:member>;;<me>)(A;;RP;;;<me>)", Right{sddl.ReadProperty, generalSet, PropertySet}, Granted},
		{"an allowed attribute stays allowed when its set is denied later", "D:(OA;;RP;<member>;;<me>)(OD;;RP;<set:member>;;<me>)", readMember, Granted},
		{"a property set is a part of the object", "D:(OA;;RP;<set:general>;;<me>)", readAll, Partial},
		{"an attribute is a part of its set", "D:(OA;;WP;<hostName>;;<me>)", Right{sddl.WriteProperty, hostNameSet, PropertySet}, Granted},
		{"one attribute of several is a part of its set", "D:(OA;;WP;<moreNames>;;<me>)", Right{sddl.WriteProperty, hostNameSet, PropertySet}, Partial},
		{"parts of several entries for several bits", "D:(OA;;RP;<member>;;<me>)(OA;;WP;<set:member>;;<group>)", Right{sddl.ReadProperty | sddl.WriteProperty, memberAttr, Attribute}, Granted},
		{"parts add up after a deny of the whole that came too late for them", "D:(OA;;RP;<member>;;<me>)(OA;;RP;<set:general>;;<me>)(OA;;RP;<mail>;;<me>)(OA;;RP;<hostName>;;<me>)(OA;;RP;<lockoutTime>;;<me>)(D;;RP;;;<me>)", readAll, Granted},
		{"a part that was allowed before it was denied, and then the whole", "D:(OA;;RP;<set:general>;;<me>)(OD;;RP;<set:general>;;WD)(A;;RP;;;<me>)", readAll, Granted},
		{"a part that was denied keeps it from being all", "D:(OD;;RP;<set:general>;;WD)(OA;;RP;<set:general>;;<me>)(A;;RP;;;<me>)", readAll, Denied},
		{"a right to the object as such is not given by an entry for a part", "D:(OA;;SDWD;<member>;;<me>)", deleteIt, Partial},
		{"one for the class gives it", "D:(OA;;SD;<class-group>;;<me>)", deleteIt, Granted},
		{"a deny of it on a part denies it", "D:(OD;;SD;<member>;;<me>)(A;;SD;;;<me>)", deleteIt, Denied},
		{"an extended right's GUID is no part of the object", "D:(OD;;SD;<reset>;;<me>)(A;;SD;;;<me>)", deleteIt, Granted},
		{"a confidential attribute by two entries", "D:(OA;;RP;<set:member>;;<me>)(OA;;CR;<member>;;<group>)", Right{sddl.ReadProperty | sddl.ControlAccess, memberAttr, Attribute}, Granted},
		{"a confidential attribute by its set", "D:(OA;;RPCR;<set:member>;;<me>)", Right{sddl.ReadProperty | sddl.ControlAccess, memberAttr, Attribute}, Granted},
		{"a confidential attribute by full control", "D:(A;;GA;;;<me>)", Right{sddl.ReadProperty | sddl.ControlAccess, memberAttr, Attribute}, Granted},
		{"reading everything does not read what is confidential", "D:(A;;RP;;;<me>)", Right{sddl.ReadProperty | sddl.ControlAccess, memberAttr, Attribute}, Partial},

		// one GUID, several meanings: the bit decides
		{"a set's GUID with CR is no extended right of another GUID", "D:(OA;;CR;<set:member>;;<me>)", reset, NotGranted},
		{"writing the attribute of a validated write's GUID", "D:(OA;;WP;<hostName>;;<me>)", Right{sddl.WriteProperty, hostNameAttr, Attribute}, Granted},
		{"is not the validated write", "D:(OA;;WP;<hostName>;;<me>)", Right{sddl.WriteSelf, hostNameAttr, ValidatedWrite}, NotGranted},
		{"all validated writes by an entry without GUID", "D:(A;;SW;;;<me>)", selfMember, Granted},
		{"one of them denied", "D:(OD;;SW;<member>;;<me>)(A;;SW;;;<me>)", selfMember, Denied},
		{"is all of them denied", "D:(OD;;SW;<member>;;<me>)(A;;SW;;;<me>)", Right{Mask: sddl.WriteSelf}, Denied},
		{"and leaves another", "D:(OD;;SW;<member>;;<me>)(A;;SW;;;<me>)", Right{sddl.WriteSelf, hostNameAttr, ValidatedWrite}, Granted},
		{"the class's GUID is no extended right", "D:(OA;;CR;<class-group>;;<me>)", reset, NotGranted},
		{"the class's GUID is no child class of its own", "D:(OA;;CC;<class-group>;;<me>)", createUser, NotGranted},
		{"creating a user is not creating a gMSA", "D:(OA;;CC;<user>;;<me>)", Right{sddl.CreateChild, gmsaClass, ChildClass}, NotGranted},
		{"a deny for one class leaves another", "D:(OD;;CC;<user>;;<me>)(A;;CC;;;<me>)", Right{sddl.CreateChild, gmsaClass, ChildClass}, Granted},
		{"and all classes are not there", "D:(OD;;CC;<user>;;<me>)(A;;CC;;;<me>)", Right{Mask: sddl.CreateChild}, Denied},
		{"a GUID of zeros denies every class", "D:(OD;;CC;<zero>;;<me>)(A;;CC;;;<me>)", createUser, Denied},
		{"a GUID of zeros is no extended right", "D:(OA;;CR;<zero>;;<me>)", reset, NotGranted},

		// conditions and what nobody understands
		{"a condition never grants", "D:(XA;;RP;;;<me>)", readAll, Conditional},
		{"an allow after the condition does", "D:(XA;;RP;;;<me>)(A;;RP;;;<me>)", readAll, Granted},
		{"a conditional deny may deny", "D:(XD;;RP;;;<me>)(A;;RP;;;<me>)", readAll, Conditional},
		{"a conditional deny after the allow comes too late", "D:(A;;RP;;;<me>)(XD;;RP;;;<me>)", readAll, Granted},
		{"a conditional deny for OWNER RIGHTS of another", "O:<other>D:(XD;;RP;;;OW)(A;;RP;;;<me>)", readAll, Granted},
		{"a conditional entry about another attribute does not matter", "D:(XOD;;RP;<mail>;;<me>)(A;;RP;;;<me>)", readMember, Granted},
		{"a conditional entry that is inherit only does not matter", "D:(XD;CIIO;RP;;;<me>)(A;;RP;;;<me>)", readAll, Granted},
		{"two conditions do not make a certainty", "D:(XA;;RP;;;<me>)(XA;;RP;;;<group>)", readAll, Conditional},
		{"a conditional deny of nothing granted is still nothing", "D:(XD;;RP;;;<me>)", readAll, NotGranted},
		{"a certain deny is one whatever the condition", "D:(XD;;RP;;;<me>)(D;;RP;;;WD)(A;;RP;;;<me>)", readAll, Denied},
		{"a conditional allow before the deny may save it", "D:(XA;;RP;;;<me>)(D;;RP;;;WD)", readAll, Conditional},
		{"a conditional entry for the attribute", "D:(XOA;;RP;<member>;;<me>)", readMember, Conditional},
		{"a conditional deny for an attribute may deny the whole", "D:(XOD;;RP;<member>;;<me>)(A;;RP;;;<me>)", readAll, Conditional},
		{"a condition for somebody else does not matter", "D:(XA;;RP;;;<other>)", readAll, NotGranted},
		{"some bits by condition, others not at all", "D:(XA;;RP;;;<me>)", readWrite, Partial},
		{"an unknown type hides everything after it", "D:(Q;;RP;;;<me>)(A;;RP;;;<me>)", readAll, Unknown},
		{"but not what was decided before", "D:(A;;RP;;;<me>)(Q;;RP;;;<me>)", readAll, Granted},
		{"a deny of other bits before it settles nothing", "D:(D;;RP;;;<me>)(Q;;RP;;;<me>)", readACL, Unknown},
		{"a deny before an unknown type stands", "D:(D;;RC;;;<me>)(Q;;RC;;;<me>)", readACL, Denied},
		{"an unknown type that is inherit only does not matter", "D:(Q;CIIO;RP;;;<me>)(A;;RP;;;<me>)", readAll, Granted},
		{"an unknown type may be for OWNER RIGHTS", "O:<me>D:(Q;;RP;;;<me>)", readACL, Unknown},

		// what makes no sense is not answered
		{"no bits", "D:(A;;GA;;;<me>)", Right{}, Unknown},
		{"a bit that comes by privilege only", "D:(A;;GA;;;<me>)", Right{Mask: sddl.SystemSecurity}, Unknown},
		{"a GUID of no kind", "D:(A;;GA;;;<me>)", Right{Mask: sddl.ReadProperty, Object: memberAttr}, Unknown},
		{"reading an extended right", "D:(A;;GA;;;<me>)", Right{sddl.ReadProperty, resetPassword, ExtendedRight}, Unknown},
		{"an attribute without GUID", "D:(A;;GA;;;<me>)", Right{Mask: sddl.ReadProperty, Kind: Attribute}, Unknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := descriptor(t, c.dacl)
			got := Check(d.DACL, d.Owner, token, sddl.SID{}, testClass, c.right)
			if got.Effect != c.want {
				t.Errorf("%s: got %v, want %v: %+v", c.dacl, got.Effect, c.want, got)
			}
			if got.Granted&got.Denied|got.Granted&got.Missing|got.Denied&got.Missing != 0 ||
				got.Granted|got.Denied|got.Missing != c.right.Mask.MapGeneric() {
				t.Errorf("%s: the parts of %#x do not add up: %+v", c.dacl, c.right.Mask, got)
			}
			if (got.Effect == Granted) != (got.Missing|got.Denied == 0 && c.right.Mask != 0) {
				t.Errorf("%s: effect %v does not fit %+v", c.dacl, got.Effect, got)
			}
		})
	}
}

func TestCheckWithWhatIsNotKnown(t *testing.T) {
	closed := &Class{Name: "group", GUID: groupClass}
	for _, c := range []struct {
		name  string
		dacl  string
		token Token
		class *Class
		right Right
		want  Effect
	}{
		{"an unseen group might be denied", "D:(D;;RP;;;<other>)(A;;RP;;;<me>)", partialToken, testClass, readAll, Unknown},
		{"unless the allow comes first", "D:(A;;RP;;;<me>)(D;;RP;;;<other>)", partialToken, testClass, readAll, Granted},
		{"an unseen group might be allowed", "D:(A;;RP;;;<other>)", partialToken, testClass, readAll, Unknown},
		{"where nothing allows anybody, no group helps", "D:(A;;WP;;;<other>)", partialToken, testClass, readAll, NotGranted},
		{"a deny of one's own stands", "D:(D;;RP;;;<me>)(A;;RP;;;<other>)", partialToken, testClass, readAll, Denied},
		{"unless an unseen group is allowed before it", "D:(A;;RP;;;<other>)(D;;RP;;;<me>)", partialToken, testClass, readAll, Unknown},
		{"the owner might be an unseen group", "O:<other>D:", partialToken, testClass, readACL, Unknown},
		{"CREATOR OWNER is no group", "O:<other>D:(A;;RP;;;CO)", partialToken, testClass, readAll, NotGranted},
		{"a condition for an unseen group takes two maybes", "D:(XA;;RP;;;<other>)", partialToken, testClass, readAll, Unknown},
		{"a condition that an unseen group could overrule", "D:(XA;;RP;;;<me>)(A;;RP;;;<other>)", partialToken, testClass, readAll, Conditional},

		{"without a class an entry without GUID still decides", "D:(A;;RP;;;<me>)", token, nil, readMember, Granted},
		{"without a class the attribute's entry still decides", "D:(OA;;RP;<member>;;<me>)", token, nil, readMember, Granted},
		{"without a class another GUID may be its property set", "D:(OA;;RP;<set:member>;;<me>)", token, nil, readMember, Unknown},
		{"without a class another GUID may deny", "D:(OD;;RP;<set:member>;;<me>)(A;;RP;;;<me>)", token, nil, readMember, Unknown},
		{"without a class a deny may be for a part of the object", "D:(OD;;RP;<member>;;<me>)(A;;RP;;;<me>)", token, nil, readAll, Unknown},
		{"without attributes the class itself is known", "D:(OA;;RP;<class-group>;;<me>)", token, closed, readMember, Granted},
		{"extended rights need no class", "D:(OD;;CR;<changes>;;<me>)(OA;;CR;<reset>;;<me>)", token, nil, reset, Granted},

		{"an unknown owner may be the one who is denied", "D:(D;;RP;;;CO)(A;;RP;;;<me>)", token, testClass, readAll, Unknown},
		{"by OWNER RIGHTS too", "D:(D;;RP;;;OW)(A;;RP;;;<me>)", token, testClass, readAll, Unknown},
		{"nothing is granted to an unknown owner", "D:(A;;RP;;;CO)(A;;RP;;;OW)", token, testClass, readAll, NotGranted},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := descriptor(t, c.dacl)
			if got := Check(d.DACL, d.Owner, c.token, sddl.SID{}, c.class, c.right); got.Effect != c.want {
				t.Errorf("%s: got %v, want %v: %+v", c.dacl, got.Effect, c.want, got)
			}
		})
	}
}

func TestCheckReplacesSelf(t *testing.T) {
	d := dacl(t, "D:(A;;RP;;;PS)")
	for _, c := range []struct {
		name string
		self sddl.SID
		want Effect
	}{
		{"the object is the account", account, Granted},
		{"the object is a group of the account", group, Granted},
		{"the object is another", stranger, NotGranted},
		{"the object has no SID", sddl.SID{}, NotGranted},
	} {
		if got := Check(d, sddl.SID{}, token, c.self, testClass, readAll); got.Effect != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got.Effect, c.want)
		}
	}
}

func TestCheckNamesTheEntriesThatDecide(t *testing.T) {
	type decided struct {
		index int
		mask  sddl.Mask
		deny  bool
		via   Via
	}
	for _, c := range []struct {
		name  string
		dacl  string
		right Right
		want  []decided
	}{
		{"an own entry", "D:(A;;WP;;;<other>)(A;;RP;;;<me>)(A;;RP;;;WD)", readAll, []decided{{1, sddl.ReadProperty, false, Own}}},
		{"one for each bit", "D:(A;;RP;;;<group>)(A;;RPWP;;;WD)", readWrite,
			[]decided{{0, sddl.ReadProperty, false, Group}, {1, sddl.WriteProperty, false, WellKnown}}},
		{"the deny", "D:(D;;WP;;;WD)(A;;RPWP;;;<me>)", readWrite,
			[]decided{{0, sddl.WriteProperty, true, WellKnown}, {1, sddl.ReadProperty, false, Own}}},
		{"the last of the parts that add up", "D:(OA;;RP;<member>;;<me>)", Right{sddl.ReadProperty, memberSet, PropertySet},
			[]decided{{0, sddl.ReadProperty, false, Own}}},
		{"the conditional deny and the allow it may overrule", "D:(XD;;RP;;;<me>)(A;;RP;;;<me>)", readAll,
			[]decided{{0, sddl.ReadProperty, true, Own}, {1, sddl.ReadProperty, false, Own}}},
	} {
		got := Check(dacl(t, c.dacl), sddl.SID{}, token, sddl.SID{}, testClass, c.right)
		if len(got.Deciding) != len(c.want) {
			t.Errorf("%s: got %+v, want %+v", c.name, got.Deciding, c.want)
			continue
		}
		for i, d := range got.Deciding {
			if (decided{d.Index, d.Mask, d.Deny, d.Via}) != c.want[i] {
				t.Errorf("%s: got %+v, want %+v", c.name, d, c.want[i])
			}
		}
	}
}

func TestImplicit(t *testing.T) {
	for _, c := range []struct {
		name  string
		dacl  string
		right Right
		want  bool
	}{
		{"an absent DACL", "O:<other>", readAll, true},
		{"the owner's rights", "O:<me>D:(A;;RP;;;<me>)", Right{Mask: sddl.ReadControl | sddl.ReadProperty}, true},
		{"rights of entries", "O:<me>D:(A;;RP;;;<me>)", readAll, false},
	} {
		d := descriptor(t, c.dacl)
		if got := Check(d.DACL, d.Owner, token, sddl.SID{}, testClass, c.right); got.Implicit != c.want || got.Effect != Granted {
			t.Errorf("%s: got %+v, want implicit %v", c.name, got, c.want)
		}
	}
}
