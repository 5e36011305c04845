package sddl

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/gmsactl/gmsactl/internal/labtest"
)

// sambaRules are all the ways in which Samba is known to differ from this package, which
// follows Windows and [MS-DTYP], with the reason for the difference.
var sambaRules = map[string]string{
	// What text becomes.
	"revision 4 always":                               "Windows gives revision 4 only to an ACL with object ACEs in its text",
	"object ACEs without GUIDs stay object ACEs":      "Windows stores them as plain ones and leaves the room for their flags",
	"integers of claims that are not negative are TU": "the text names their type",
	"hex authorities in lower case":                   "Windows prints them in upper case, and a claim stores what is printed",

	// What is read and written anew.
	"no bytes behind the last part":     "Samba refuses them, also where they are slack that an ACL counts as its own",
	"no slack":                          "anywhere else Samba leaves it out",
	"the count of ACEs has 32 bits":     "[MS-DTYP] 2.4.5 has 16 bits of it and Sbz2",
	"no padding behind a SID":           "[MS-DTYP] 2.4.4 has application data there; Samba leaves it out",
	"no resource manager control byte":  "Samba writes a zero in its place; [MS-DTYP] 2.4.6 has it where RM is set",
	"claims are laid out anew":          "their offsets may point anywhere; Samba has an order of its own",
	"strings of claims that do not end": "[MS-DTYP] 2.4.10.1 wants a zero at the end; Samba takes the end of the ACE too",
	"empty names of claims":             "[MS-DTYP] 2.5.1.1 wants a character",
	"no claim, no descriptor":           "Samba reads nothing where a claim is not well-formed, and prints nothing where it has no words",
	"no halves of characters":           "Samba keeps text in UTF-8, which cannot have them; this package keeps UTF-16",
	"no condition in type 0x0e":         "Samba takes it for no callback; [MS-DTYP] 2.4.4.1 says that it is one",
	"no GUIDs in type 0x10":             "Samba takes them for the SID; [MS-DTYP] 2.4.4.1 says that it is an object ACE",
	"SIDs of any revision":              "[MS-DTYP] 2.4.2 knows revision 1 only",

	// What is printed.
	"types without a name are printed as others": "Samba takes the numbers of types for bits",
	"no unknown flags":                           "Samba prints nothing of a descriptor with one",
	"unknown object flags are not printed":       "this package prints them, so that its text does not say something else",
	"no domain within conditions and claims":     "Samba prints SIDs there without aliases of the domain, and crashes where it reads one",
	"octets in upper case":                       "no specification says which; all other digits are in lower case",
	"unsigned integers of claims with a sign":    "the other integers have none, and it is read back as another text",
	"no condition, no descriptor":                "Samba prints nothing of a descriptor with a condition that is not well-formed or has no words",
	"small integers in their range":              "[MS-DTYP] 2.4.4.17.5 gives all widths 64 bits; Samba refuses those that do not fit",
	"padding of at most three bytes":             "Samba takes a condition with more for none",
	"what is read as another condition":          "this package prints hex where a literal or an attribute stands in a place of the other",
	"truth values compared without parentheses":  "without them (!(a) == 1) is read as another condition",
	"local attributes of any name":               "what Samba prints of them nobody reads, or reads as something else",
	"SIDs of claims in text only":                "[MS-DTYP] 2.4.10.1 says so, but it is clear what bytes mean",
	"empty octet strings of claims":              "Samba prints nothing between the commas, which nobody reads",
	"claims without values":                      "Samba prints (null), which nobody reads",
	"every truth is 1":                           "[MS-DTYP] 2.4.10.1 knows 0 and 1",

	// What is printed and read.
	"no null ACL":                  "Samba neither reads NO_ACCESS_CONTROL nor prints an ACL that is present and nothing",
	"no ML, SP and TL":             "Samba has no names for these types",
	"no names of a label's rights": "nor for these rights",
	"no KA, KR, KW and KX":         "nor for these masks",
	"no alias HO":                  "nor for User Mode Hardware Operators",
	"unsigned integers of 63 bits": "[MS-DTYP] 2.5.1.1 and 2.4.10.1 have 64",

	// What is read only here.
	"blanks between ACEs":                                "AD's own default descriptors have them",
	"no blank before a condition":                        "examples of [MS-DTYP] 2.5.1 have it",
	"no blanks between parentheses and a literal":        "[MS-DTYP] 2.5.1.1 has wspace there",
	"no blanks within claims":                            "there are blanks everywhere else",
	"no odd number of digits in claims":                  "this package takes the first one for an octet",
	"no @ in the names of local attributes":              "[MS-DTYP] 2.5.1.1 has it in attr-name1",
	"numbers of at most as many digits as they can need": "zeros in front change nothing",

	// What is read only there.
	"leading zeros mean nothing in SIDs": "Windows reads octal numbers; this package does so leniently and takes none strictly",
	"every type of ACE in every ACL":     "[MS-DTYP] 2.5.1.1 has others in the DACL and in the SACL",
	"GUIDs in every type of ACE":         "Samba drops those of types that have none, so that a right on one property becomes one on all",
	"what a word says may be compared":   "[MS-DTYP] 2.5.1.1 compares attributes only",
	"blanks behind the name of a claim":  "[MS-DTYP] 2.5.1.1 has none between the quotation marks",
	"masks with a + or a blank before":   "[MS-DTYP] 2.5.1.1 has neither",
	"membership of anything":             "[MS-DTYP] 2.5.1.1 has SIDs there",
	"binary numbers":                     "[MS-DTYP] 2.5.1.1 has none; Samba's C library does",
}

// samba compares with Samba, and counts the rules that it took.
type samba struct {
	lab  *labtest.Lab
	ctx  Aliases
	seed uint64
	mu   sync.Mutex
	uses map[string]int
}

func (s *samba) use(rules ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rule := range rules {
		if sambaRules[rule] == "" {
			panic("there is no rule " + rule)
		}
		s.uses[rule]++
	}
}

// asWindows makes of an ACE of Samba's what Windows would have made of the same text.
func (s *samba) asWindows(theirs, ours *ACE, in *ACL) {
	if stored := theirs.AsStored(); stored != *theirs {
		s.use("object ACEs without GUIDs stay object ACEs")
		*theirs = stored
		in.Slack += "\x00\x00\x00\x00"
	}
	if (ours.Type == MandatoryLabel || ours.Type == ScopedPolicyID || ours.Type == ProcessTrustLabel) && theirs.Type == Audit {
		theirs.Type = ours.Type
	}
	if theirs.Type != ResourceAttribute || ours.Type != ResourceAttribute {
		return
	}
	claim, err := DecodeClaim(theirs.Data)
	if err != nil {
		return
	}
	wanted, err := DecodeClaim(ours.Data)
	if err != nil {
		return
	}
	if claim.Type == ClaimUint64 && (wanted.Type == ClaimInt64 && !slices.ContainsFunc(claim.Values, func(v Token) bool { return v.Int < 0 }) || wanted.Type == ClaimBool) ||
		claim.Type == ClaimInt64 && wanted.Type == ClaimInt64 {
		s.use("integers of claims that are not negative are TU")
		b := []byte(theirs.Data)
		binary.LittleEndian.PutUint16(b[4:], uint16(wanted.Type))
		theirs.Data = string(b)
	}
	if claim.Type == ClaimSID && theirs.Data != ours.Data && lowerHexDigits(theirs.Data) == lowerHexDigits(ours.Data) {
		s.use("hex authorities in lower case")
		theirs.Data = ours.Data
	}
}

func lowerHexDigits(data string) string {
	b := []byte(data)
	for i := range b {
		if b[i] >= 'A' && b[i] <= 'F' {
			b[i] |= 0x20
		}
	}
	return string(b)
}

var hexAuthority = regexp.MustCompile(`S-1-0x[0-9A-Fa-f]+`)

// asPlain is an opaque ACE read as one with a mask and a SID, which is how Samba reads it.
func asPlain(a ACE) (ACE, error) {
	b := a.Append(nil)
	b[0] = byte(Allow)
	plain, _, err := parseACE(string(b))
	return plain, err
}

// refusal is the rule by which Samba does not read the bytes; empty where it does.
func refusal(b []byte) string {
	// Where an offset is, Samba reads it, also where the bit says that it means nothing.
	all := bytes.Clone(b)
	end := descriptorHeader
	for _, part := range [...]struct {
		field int
		bit   Control
	}{{saclOffset, SACLPresent}, {daclOffset, DACLPresent}} {
		if binary.LittleEndian.Uint32(b[part.field:]) != 0 {
			binary.LittleEndian.PutUint16(all[2:], binary.LittleEndian.Uint16(all[2:])|uint16(part.bit))
		}
	}
	d, err := Parse(all)
	if err != nil {
		return ""
	}
	for field, size := range map[int]int{ownerOffset: d.Owner.Len(), groupOffset: d.Group.Len()} {
		end = max(end, int(binary.LittleEndian.Uint32(b[field:]))+size)
	}
	for _, l := range [...]struct {
		field int
		acl   *ACL
	}{{saclOffset, d.SACL}, {daclOffset, d.DACL}} {
		if l.acl == nil {
			continue
		}
		end = max(end, int(binary.LittleEndian.Uint32(b[l.field:]))+l.acl.Len()-len(l.acl.Slack))
		if l.acl.Sbz2 != 0 {
			return "the count of ACEs has 32 bits"
		}
		for i := range l.acl.ACEs {
			a := &l.acl.ACEs[i]
			if a.Type == AlarmCallbackObject {
				return "no GUIDs in type 0x10"
			}
			if a.Type != ResourceAttribute {
				continue
			}
			c, err := DecodeClaim(a.Data)
			if err != nil && len(a.Data) > 6 && ClaimType(le16(a.Data, 4)) == ClaimSID {
				// Only when it is to print a SID Samba looks whether it is one.
				c, err = DecodeClaim(asOctets(a.Data))
			}
			if err != nil && err.Error() == "claim has no name" {
				return "empty names of claims"
			}
			if err != nil && strings.Contains(err.Error(), "does not end in it") {
				return "strings of claims that do not end"
			}
			if err != nil {
				return "no claim, no descriptor"
			}
			if halfCharacters(c.Values) || halfCharacters([]Token{{Text: c.Name}}) {
				return "no halves of characters"
			}
		}
	}
	if end < len(b) {
		return "no bytes behind the last part"
	}
	return ""
}

// outcome is whether Samba prints anything.
type outcome int

const (
	said outcome = iota
	either
	unsaid
)

// asOctets is a claim of SIDs as one of octets.
func asOctets(data string) string { return data[:4] + string([]byte{byte(ClaimOctets), 0}) + data[6:] }

// say is what Samba prints of d: our text, changed by sambaRules. It says whether by one
// of them Samba prints nothing.
func (s *samba) say(d *Descriptor) (text string, result outcome) {
	ours, used := "", []string{}
	part := func(letter string, sid SID) {
		if sid.IsZero() {
			return
		}
		mine := string(s.ctx.appendSID(nil, sid))
		ours += letter + mine
		text += letter + s.saySID(mine, &used)
	}
	part("O:", d.Owner)
	part("G:", d.Group)
	acl := func(letter string, acl *ACL, present bool, control Control) {
		if acl == nil && !present {
			return
		}
		start := appendACLText([]byte(letter), &ACL{}, control, s.ctx)
		if acl == nil {
			used = append(used, "no null ACL")
			ours += string(start) + nullACL
			return
		}
		ours += string(start)
		text += string(start)
		for i := range acl.ACEs {
			mine := acl.ACEs[i].Text(s.ctx)
			ours += mine
			theirs, o := s.sayACE(mine, acl.ACEs[i], &used)
			text += theirs
			result = max(result, o)
		}
	}
	acl("D:", d.DACL, d.Control.Has(DACLPresent), d.Control)
	acl("S:", d.SACL, d.Control.Has(SACLPresent), d.Control>>1)
	s.use(used...)
	if got := d.Text(s.ctx); got != ours {
		return fmt.Sprintf("parts of %s, which are %s", got, ours), said
	}
	if result != said {
		text = ""
	}
	return text, result
}

func (s *samba) saySID(mine string, used *[]string) string {
	if mine == "HO" {
		*used = append(*used, "no alias HO")
		return "S-1-5-32-584"
	}
	return s.lowerHex(mine, used)
}

func (s *samba) lowerHex(mine string, used *[]string) string {
	theirs := hexAuthority.ReplaceAllStringFunc(mine, func(sid string) string { return "S-1-0x" + strings.ToLower(sid[len("S-1-0x"):]) })
	if theirs != mine {
		*used = append(*used, "hex authorities in lower case")
	}
	return theirs
}

func (s *samba) sayACE(mine string, a ACE, used *[]string) (theirs string, result outcome) {
	use := func(rule string) { *used = append(*used, rule) }
	if a.IsOpaque() {
		plain, err := asPlain(a)
		if err != nil {
			return "", unsaid
		}
		plain.Type = Allow
		mine = strings.Replace(plain.Text(s.ctx), "(A;", "(0x;", 1)
		a.Mask, a.SID, a.Data = plain.Mask, plain.SID, plain.Data
	}
	f := strings.SplitN(strings.TrimSuffix(strings.TrimPrefix(mine, "("), ")"), ";", 7)
	if name, _, cut := strings.Cut(f[0], ":"); cut {
		use("unknown object flags are not printed")
		f[0] = name
	}
	named, exact, ok := sambaType(a.Type)
	switch {
	case !ok:
		use("types without a name are printed as others")
		return "", unsaid
	case !exact:
		use("types without a name are printed as others")
		f[0] = named
	}
	if strings.HasPrefix(f[1], "0x") {
		use("no unknown flags")
		return "", unsaid
	}
	if a.Type == MandatoryLabel && f[2] != a.Mask.String() {
		use("no names of a label's rights")
		f[2] = a.Mask.String()
	}
	if strings.HasPrefix(f[2], "K") {
		use("no KA, KR, KW and KX")
		f[2] = rightsOf(a.Mask)
	}
	f[5] = s.saySID(f[5], used)
	switch {
	case a.Type == AlarmCallback:
		use("no condition in type 0x0e")
		f = f[:6]
	case a.Type.IsCallback():
		if f[6], result = s.sayCondition(a, used); result != said {
			return "", result
		}
	case a.Type == ResourceAttribute:
		if f[6], result = s.sayClaim(a, used); result != said {
			return "", result
		}
	case len(f) == 7:
		use("no padding behind a SID")
		f = f[:6]
	}
	return "(" + strings.Join(f, ";") + ")", said
}

// sambaType is what Samba prints for a type. It has these names, and where none of them is
// it, it prints those whose bits are among those that are left.
func sambaType(t ACEType) (name string, exact, ok bool) {
	names := [...]string{"AU", "AL", "OA", "OD", "OU", "OL", "A", "D", "XA", "XD", "ZA", "XU", "RA"}
	types := [...]ACEType{Audit, Alarm, AllowObject, DenyObject, AuditObject, AlarmObject, Allow, Deny, AllowCallback, DenyCallback, AllowCallbackObject, AuditCallback, ResourceAttribute}
	if i := slices.Index(types[:], t); i >= 0 {
		return names[i], true, true
	}
	for i := range names {
		if t&types[i] != 0 {
			name += names[i]
			t &^= types[i]
		}
	}
	return name, false, t == 0
}

func (s *samba) sayCondition(a ACE, used *[]string) (string, outcome) {
	use := func(rule string) { *used = append(*used, rule) }
	c, err := DecodeCondition(a.Data)
	if err != nil && strings.Contains(err.Error(), "SID revision") {
		use("SIDs of any revision")
		return "", either
	}
	if err != nil {
		use("no condition, no descriptor")
		return "", unsaid
	}
	if halfCharacters(c) {
		use("no halves of characters")
		return "", unsaid
	}
	if padding := a.Data[len(strings.TrimRight(a.Data, "\x00")):]; len(a.Data)-len(c.Append(nil)) > 3 && len(padding) > 3 {
		use("padding of at most three bytes")
		return "", unsaid
	}
	if smallOverflow(c) {
		use("small integers in their range")
		return "", unsaid
	}
	c = slices.Clone(c)
	for i := range c {
		name, _ := DecodeWide(c[i].Text)
		isOperator := unaryOperator(name) != 0 && (i+1 == len(c) || c[i+1].Code != TokenExists && c[i+1].Code != TokenNotExists)
		if c[i].Code == TokenLocalAttribute && (!isLocalName(name) || isOperator) {
			use("local attributes of any name")
			c[i].Code, c[i].Text = TokenUserAttribute, EncodeWide("\ue000")+c[i].Text
		}
	}
	words, err := c.appendWords(nil, Aliases{}, func(operator, operand TokenCode) bool {
		if parenthesised(operator, operand) && !operator.isLogic() && !operand.wantsParentheses() {
			use("truth values compared without parentheses")
			return false
		}
		return parenthesised(operator, operand)
	})
	if err != nil {
		use("no condition, no descriptor")
		return "", unsaid
	}
	if _, err := c.Text(s.ctx); err != nil {
		use("what is read as another condition")
	}
	text := string(words)
	text = strings.ReplaceAll(text, "@USER.%e000", "")
	if mine, err := c.Text(s.ctx); err == nil && mine != text {
		use("no domain within conditions and claims")
	}
	if strings.Contains(text, "SID(HO)") {
		use("no alias HO")
		text = strings.ReplaceAll(text, "SID(HO)", "SID(S-1-5-32-584)")
	}
	if upper := octets.ReplaceAllStringFunc(text, func(found string) string {
		if found[0] == '#' {
			return strings.ToUpper(found)
		}
		return found
	}); upper != text {
		use("octets in upper case")
		text = upper
	}
	return s.lowerHex(text, used), said
}

// octets are the octet strings of a condition, and strings and names, in which the same
// characters mean something else.
var octets = regexp.MustCompile(`"[^"]*"|@[A-Z]+\.[^ !&()<>=|"]*|#[0-9a-f]+`)

// smallOverflow says whether an integer is larger than its token says.
func smallOverflow(tokens []Token) bool {
	return slices.ContainsFunc(tokens, func(t Token) bool {
		bits := map[TokenCode]int{TokenInt8: 8, TokenInt16: 16, TokenInt32: 32}[t.Code]
		return bits > 0 && t.Int<<(64-bits)>>(64-bits) != t.Int || smallOverflow(t.List)
	})
}

// halfCharacters says whether a text of a condition or claim is not valid UTF-16.
func halfCharacters(tokens []Token) bool {
	return slices.ContainsFunc(tokens, func(t Token) bool {
		_, valid := DecodeWide(t.Text)
		return !valid || halfCharacters(t.List)
	})
}

var otherRevision = regexp.MustCompile(`S-([02-9]|1[0-9])`)

var leadingZero = regexp.MustCompile(`SID "S-[0-9-]*-0[0-9]`)

// emptyOctets stands for the octets of none while a claim is printed.
const emptyOctets = "nothing at all"

func (s *samba) sayClaim(a ACE, used *[]string) (string, outcome) {
	use := func(rule string) { *used = append(*used, rule) }
	c, err := DecodeClaim(a.Data)
	if err != nil && strings.Contains(err.Error(), "want S-1-authority") && otherRevision.MatchString(a.Data) {
		use("SIDs of any revision")
		return "", either
	}
	if err != nil && leadingZero.MatchString(err.Error()) {
		use("leading zeros mean nothing in SIDs")
		return "", either
	}
	if err != nil {
		use("no claim, no descriptor")
		return "", unsaid
	}
	if named, err := (Claim{Name: c.Name, Type: c.Type, Flags: c.Flags, Values: []Token{{Code: TokenInt64}}}).Text(Aliases{}); err == nil && len(c.Values) == 0 {
		use("claims without values")
		return strings.TrimSuffix(named, "0)") + "(null))", said
	}
	if c.Type == ClaimBool {
		for i := range c.Values {
			if uint64(c.Values[i].Int) > 1 {
				use("every truth is 1")
				c.Values[i].Int = 1
			}
		}
	}
	for i := range c.Values {
		if c.Values[i].Code == TokenOctets && c.Values[i].Octets == "" {
			use("empty octet strings of claims")
			c.Values[i].Octets = emptyOctets
		}
	}
	text, err := c.Text(Aliases{})
	if err != nil {
		use("no claim, no descriptor")
		return "", unsaid
	}
	if mine, err := c.Text(s.ctx); err == nil && mine != text {
		use("no domain within conditions and claims")
	}
	if c.Type == ClaimSID && slices.ContainsFunc(c.Values, func(v Token) bool { return !strings.Contains(strings.ToLower(a.Data), strings.ToLower(v.SID.String())) }) {
		use("SIDs of claims in text only")
		return "", unsaid
	}
	if c.Type == ClaimUint64 && slices.ContainsFunc(c.Values, func(v Token) bool { return v.Int < 0 }) {
		use("unsigned integers of 63 bits")
		return "", unsaid
	}
	_, values, _ := strings.Cut(text, fmt.Sprintf(`",%v,0x%x,`, c.Type, c.Flags))
	head := text[:len(text)-len(values)]
	switch c.Type {
	case ClaimUint64:
		use("unsigned integers of claims with a sign")
		values = "+" + strings.ReplaceAll(values, ",", ",+")
	case ClaimOctets:
		if upper := strings.ToUpper(values); upper != values {
			use("octets in upper case")
			values = upper
		}
		values = strings.ReplaceAll(values, strings.ToUpper(hex.EncodeToString([]byte(emptyOctets))), "")
	case ClaimSID:
		if strings.Contains(","+values, ",HO") {
			use("no alias HO")
			values = strings.ReplaceAll(values, "HO", "S-1-5-32-584")
		}
		values = s.lowerHex(values, used)
	}
	return head + values, said
}

// sambaExamples are texts that Samba reads differently, in ways that changes hardly make.
var sambaExamples = []string{
	`D:NO_ACCESS_CONTROL`, `O:BAD:PNO_ACCESS_CONTROLS:(AU;SA;RP;;;WD)`,
	`D:(A;;RP;;;WD) (D;;RP;;;WD) S:`, `D:P (A;;RP;;;WD)`, `D:(A;;RP;;;WD) `,
	`D:(XA;;RP;;;WD; (a))`, `D:(XA;;RP;;;WD;(a == ( 1 )))`, `D:(XA;;RP;;;WD;(Member_of ( {SID(BA)} )))`,
	`S:(RA;;;;;WD;( "a" , TI , 0 , 1 ) )`, `S:(RA;;;;;WD;("a",TX,0,1,0102,abc))`,
	`S:(ML;;NWNRNX;;;LW)(SP;;;;;S-1-17-1)(TL;;RP;;;WD)`, `D:(A;;KAKR;;;WD)(A;;KWKX;;;HO)`, `O:HOG:HOD:(XA;;RP;;;HO;(Member_of {SID(HO)}))`,
	`D:(XA;;RP;;;WD;(a@b == 1))`, `D:(XA;;RP;;;WD;(@User.%d800 == 1))`, `S:(RA;;;;;WD;("%dc00",TI,0,1))`,
	`D:(XA;;RP;;;WD;(a == 0x8000000000000000))`, `D:(XA;;RP;;;WD;(a == {01777777777777777777777}))`,
	`S:(RA;;;;;WD;("a",TU,0,18446744073709551615))`, `S:(RA;;;;;WD;("a",TI,0,0xffffffffffffffff))`,
	`O:S-1-0x0000000000005-18`, `D:(A;;0x000000000001;;;WD)`, `D:(A;;0000000000000017;;;WD)`,
	`O:S-2-5-18`, `O:S-255-5-32-544`, `O:S-01-5-18`, `O:S-1-5-032-0544`, `D:(A;;RP;;;s-1-05-018)`, `D:(XA;;RP;;;WD;(a == SID(S-1-5-032)))`,
	`D:(AU;SA;RP;;;WD)`, `S:(A;;RP;;;WD)`, `D:(RA;;;;;WD;("a",TI,0,1))`,
	`D:(A;;RP;bf967aba-0de6-11d0-a285-00aa003049e2;;WD)`, `D:(XA;;RP;;bf967aba-0de6-11d0-a285-00aa003049e2;WD;(a))`,
	`D:(XA;;RP;;;WD;(Exists a == 1))`, `D:(XA;;RP;;;WD;(Not_Exists @User.a < 1))`,
	`S:(RA;;;;;WD;("a ",TI,0,1))`, `D:(A;;+1;;;WD)`, `D:(A;; 0x1;;;WD)`,
	`D:(XA;;RP;;;WD;(Member_of 1))`, `D:(XA;;RP;;;WD;(Member_of {SID(BA), "x"}))`,
	`D:(XA;;RP;;;WD;(a Any_of@User.b))`, `D:(XA;;RP;;;WD;(@User.a Contains@User.b))`,
	`D:(XA;;RP;;;WD;(a == 0b11))`, `S:(RA;;;;;WD;("a",TI,0,0b1))`,
}

// leadingZeros are SIDs with a number that begins with 0 and has more digits.
var leadingZeros = regexp.MustCompile(`(?i)(^|[;:(,]|[ \t-\r])S-[0-9a-fx-]*-0[0-9][0-9a-fx-]*`)

func withoutLeadingZeros(sid string) string {
	numbers := strings.Split(sid, "-")
	for i := range numbers {
		for len(numbers[i]) > 1 && numbers[i][0] == '0' && numbers[i][1] >= '0' && numbers[i][1] <= '9' {
			numbers[i] = numbers[i][1:]
		}
	}
	return strings.Join(numbers, "-")
}

// refusedBySamba is the rule by which Samba refuses a text that says d, and cannot be told
// the same in other words; empty if there is none.
func refusedBySamba(d *Descriptor) string {
	for _, acl := range [...]*ACL{d.SACL, d.DACL} {
		if acl == nil {
			continue
		}
		for _, a := range acl.ACEs {
			if c, err := a.Condition(); err == nil {
				for _, t := range append(slices.Clone(c), slices.Concat(lists(c)...)...) {
					name, valid := DecodeWide(t.Text)
					switch {
					case !valid:
						return "no halves of characters"
					case t.Code == TokenLocalAttribute && strings.Contains(name, "@"):
						// Exists@User.a is the name of an attribute, and to Samba it is not.
						return "no @ in the names of local attributes"
					case t.Code.IsInt() && t.Sign == SignNone && t.Int < 0:
						return "unsigned integers of 63 bits"
					}
				}
			}
			if c, err := a.Claim(); err == nil {
				if _, valid := DecodeWide(c.Name); !valid {
					return "no halves of characters"
				}
				if c.Type == ClaimUint64 && slices.ContainsFunc(c.Values, func(v Token) bool { return v.Int < 0 }) {
					return "unsigned integers of 63 bits"
				}
			}
		}
	}
	return ""
}

func lists(c Condition) (all [][]Token) {
	for i := range c {
		all = append(all, c[i].List)
	}
	return all
}

// forSamba is a text that ParseText reads as Samba reads it.
func (s *samba) forSamba(text string) string {
	var kept []string
	text = quotedText.ReplaceAllStringFunc(text, func(found string) string {
		kept = append(kept, found)
		return fmt.Sprintf("\x00%d\x00", len(kept)-1)
	})
	for _, r := range onlyWeTake {
		for {
			changed := r.in.ReplaceAllStringFunc(text, func(found string) string { return r.out(r.in.FindStringSubmatch(found)) })
			if changed == text {
				break
			}
			s.use(r.rule)
			text = changed
		}
	}
	for i := range kept {
		text = strings.Replace(text, fmt.Sprintf("\x00%d\x00", i), kept[i], 1)
	}
	return text
}

var quotedText = regexp.MustCompile(`"[^"]*"`)

const space = `[ \t-\r]`

// onlyWeTake is what Samba refuses, and what it takes instead.
var onlyWeTake = []struct {
	rule string
	in   *regexp.Regexp
	out  func([]string) string
}{
	{"no null ACL", regexp.MustCompile(`[DS]: *[PARI]* *NO_ACCESS_CONTROL *`), func([]string) string { return "" }},
	{"blanks between ACEs", regexp.MustCompile(`\) +(\(|[OGDS]:|$)`), func(m []string) string { return ")" + m[1] }},
	{"blanks between ACEs", regexp.MustCompile(`([DS]: *[PARI]+) +(\(|[OGDS]:|$)`), func(m []string) string { return m[1] + m[2] }},
	{"no blank before a condition", regexp.MustCompile(`;` + space + `+\(`), func([]string) string { return ";(" }},
	{"no blanks between parentheses and a literal", regexp.MustCompile(`(?i)((?:[=<>]|_of|_any)` + space + `*\()` + space + `+`), func(m []string) string { return m[1] }},
	{"no blanks between parentheses and a literal", regexp.MustCompile(`(?i)((?:[=<>]|_of|_any)` + space + `*\((?:[^()]|SID\([^()]*\))*?)` + space + `+\)`), func(m []string) string { return m[1] + ")" }},
	{"no blanks within claims", regexp.MustCompile(`\(` + space + `+(\x00[0-9]+\x00)`), func(m []string) string { return "(" + m[1] }},
	{"no blanks within claims", regexp.MustCompile(`\((\x00[0-9]+\x00)(?:` + space + `+,|,` + space + `+)(` + space + `*T)`), func(m []string) string { return "(" + m[1] + "," + m[2] }},
	{"no blanks within claims", regexp.MustCompile(`\((\x00[0-9]+\x00),(T[IUSDXB])(?:` + space + `+,|,` + space + `+)`), func(m []string) string { return "(" + m[1] + "," + m[2] + "," }},
	{"no blanks within claims", regexp.MustCompile(`\((\x00[0-9]+\x00),(T[IUSDXB],[^,; \t-\r]+)` + space + `+,`), func(m []string) string { return "(" + m[1] + "," + m[2] + "," }},
	{"no blanks within claims", regexp.MustCompile(`(,T[IUSDXB],[^()]*\))` + space + `+\)`), func(m []string) string { return m[1] + ")" }},
	{"no odd number of digits in claims", regexp.MustCompile(`(,TX,[^(),]*,)([^()]*)\)`), func(m []string) string {
		return m[1] + digitRun.ReplaceAllStringFunc(m[2], func(digits string) string { return strings.Repeat("0", len(digits)%2) + digits }) + ")"
	}},
	{"no ML, SP and TL", regexp.MustCompile(`\((?:ML|SP|TL);`), func([]string) string { return "(AU;" }},
	{"no names of a label's rights", regexp.MustCompile(`(\(AU;[A-Z]*;(?:[A-Z]{2})*)(NW|NR|NX)`), func(m []string) string {
		return m[1] + map[string]string{"NW": "CC", "NR": "DC", "NX": "LC"}[m[2]]
	}},
	{"no KA, KR, KW and KX", regexp.MustCompile(`(\([A-Z]+;[A-Z]*;(?:[A-Z]{2})*)(K[ARWX])`), func(m []string) string {
		for i := range wholeMasks {
			if wholeMasks[i].name == m[2] {
				return m[1] + rightsOf(wholeMasks[i].mask)
			}
		}
		return m[0]
	}},
	{"no alias HO", regexp.MustCompile(`(;|[OG]:|SID\(|,` + space + `*)HO([,);]|` + space + `|[DSGO]:|$)`), func(m []string) string { return m[1] + "S-1-5-32-584" + m[2] }},
	{"numbers of at most as many digits as they can need", regexp.MustCompile(`(?i)(S-1-0+x)0+([0-9a-f]{12})`), func(m []string) string { return m[1] + m[2] }},
	{"numbers of at most as many digits as they can need", regexp.MustCompile(`(?i)(\([A-Z]+;[A-Z]*;0x?)0+([0-9a-f]{11};)`), func(m []string) string { return m[1] + m[2] }},
}

// allBits are hexadecimal and octal integers of claims above 2^63-1 without a sign.
var allBits = regexp.MustCompile(`(?i),T[IUB],[^()]*,` + space + `*(0x0*[89a-f][0-9a-f]{15}|0+1[0-7]{21})` + space + `*[,)]`)

var digitRun = regexp.MustCompile(`[0-9A-Fa-f#]+`)

// onlySambaTakes is what this package refuses also leniently, by what it says of it and by
// what the text has.
var onlySambaTakes = []struct {
	rule      string
	why, text *regexp.Regexp
}{
	{"every type of ACE in every ACL", regexp.MustCompile(`ACEs of this type belong in the`), regexp.MustCompile(``)},
	{"GUIDs in every type of ACE", regexp.MustCompile(`an ACE of a type without GUIDs has one`), regexp.MustCompile(``)},
	{"binary numbers", regexp.MustCompile(`found "0?[Bb][01]|SID "`), regexp.MustCompile(`0[Bb][01]`)},
	{"what a word says may be compared", regexp.MustCompile(`want &&, \|\| or \)`), regexp.MustCompile(`(?i)(Exists|_of|_any)`)},
	{"blanks behind the name of a claim", regexp.MustCompile(`want '"'`), regexp.MustCompile(`\("[^"]*` + space + `"`)},
	{"masks with a + or a blank before", regexp.MustCompile(`two letters of a right`), regexp.MustCompile(`;` + space + `*\+?[0-9]`)},
	{"membership of anything", regexp.MustCompile(`want SID\(\.\.\.\) or a list`), regexp.MustCompile(`(?i)Member_of`)},
	{"SIDs of any revision", regexp.MustCompile(`want S-1-authority`), regexp.MustCompile(`(?i)S-([02-9]|1[0-9])`)},
}

// innerAlias is an alias of the domain, followed by what cannot be a part of a SID, where
// Samba would read one within a condition or claim.
var innerAlias = regexp.MustCompile(`(SID\(|,[ \t-\r]*)(LA|LG|D[AUGCD]|CA|PA|CN|AP|KA|RS|RO|SA|EA|EK)`)

// withoutInnerAliases is text with SIDs in the place of what makes Samba crash.
func withoutInnerAliases(text string) string {
	return innerAlias.ReplaceAllStringFunc(text, func(found string) string {
		alias := found[len(found)-2:]
		for i := range relative {
			if relative[i].name == alias {
				return found[:len(found)-2] + corp.Domain.WithRID(relative[i].rid).String()
			}
		}
		return found
	})
}
