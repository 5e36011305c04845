package acl

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

func condition(t testing.TB, text string) sddl.Condition {
	t.Helper()
	c, err := sddl.ParseConditionText("("+words.Replace(text)+")", sddl.Aliases{})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return c
}

// claimsOf is one claim for each text; none at all is not the same as nil.
func claimsOf(t testing.TB, texts ...string) []sddl.Claim {
	t.Helper()
	claims := []sddl.Claim{}
	for _, text := range texts {
		c, err := sddl.ParseClaimText(words.Replace(text), sddl.Aliases{})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		claims = append(claims, c)
	}
	return claims
}

// someClaims knows nothing of the device.
func someClaims(t testing.TB) Claims {
	return Claims{
		Groups: token,
		User: claimsOf(t,
			`("dept",TS,0,"Sales")`, `("exact",TS,0x2,"Sales")`, `("empty",TS,0,"")`, `("colors",TS,0,"red","Blue")`, `("one",TS,0,"red")`,
			`("exactColors",TS,0x2,"red","RED")`,
			`("five",TI,0,5)`, `("zero",TI,0,0)`, `("minus",TI,0,-5)`, `("nums",TI,0,1,2,3)`,
			`("ufive",TU,0,5)`, `("huge",TU,0,18446744073709551615)`,
			`("yes",TB,0,1)`, `("no",TB,0,0)`, `("both",TB,0,0,1)`,
			`("sid",TD,0,<group>)`, `("octets",TX,0,0102)`,
			`("off",TI,0x10,5)`, `("denyOnly",TI,0x4,5)`,
			`("twice",TI,0,7,7)`, `("twiceText",TS,0,"a","A")`,
			`("double",TI,0,1)`, `("DOUBLE",TI,0,1)`, `("half",TI,0x10,1)`, `("half",TI,0,2)`,
			`("ß",TS,0,"ß")`, `("ς",TS,0,"ς")`, `("twiceς",TS,0,"ς","Σ")`, `("ж",TS,0,"ж")`, `("high",TS,0,"𐀀")`,
		),
		Resource: claimsOf(t, `("dept",TS,0,"SALES")`, `("exact",TS,0x2,"SALES")`, `("colors",TS,0,"BLUE","green")`, `("five",TU,0,5)`,
			`("minus",TI,0,-5)`, `("octets",TX,0,0103)`, `("shorter",TX,0,02)`, `("sid",TD,0,<group>)`, `("yes",TB,0,1)`, `("twice",TI,0,7,7)`,
			`("off",TI,0x10,5)`, `("denyOnly",TI,0x4,5)`, `("nums",TI,0,3,2,1)`, `("ς",TS,0,"Σ")`),
		Local: claimsOf(t, `("hour",TI,0,9)`),
	}
}

func TestEvaluate(t *testing.T) {
	claims := someClaims(t)
	for _, c := range []struct {
		name, condition string
		want            Truth
	}{
		// Strings.
		{"equal strings", `@User.dept == "Sales"`, True},
		{"equal but for case", `@User.dept == "sALES"`, True},
		{"other strings", `@User.dept == "Sale"`, False},
		{"other strings, inverse", `@User.dept != "Sale"`, True},
		{"equal strings, inverse", `@User.dept != "SALES"`, False},
		{"a case-sensitive claim, same case", `@User.exact == "Sales"`, True},
		{"a case-sensitive claim, other case", `@User.exact == "SALES"`, False},
		{"two claims without the flag", `@User.dept == @Resource.dept`, True},
		{"two claims with the flag", `@User.exact == @Resource.exact`, False},
		{"one claim with the flag, where it matters", `@User.exact == @Resource.dept`, Undecided},
		{"the other with the flag, where it matters", `@User.dept == @Resource.exact`, Undecided},
		{"one claim with the flag, where it does not matter", `@User.exact != @Resource.colors`, True},
		{"a string is less", `@User.dept < "Salf"`, True},
		{"a prefix is less", `@User.dept < "Sales2"`, True},
		{"it is not less than itself", `@User.dept < "sales"`, False},
		{"but less or equal", `@User.dept <= "sales"`, True},
		{"and greater or equal", `@User.dept >= "sales"`, True},
		{"greater than a prefix", `@User.dept > "sale"`, True},
		{"not greater", `@User.dept > "salf"`, False},
		{"letters are before _, in upper case", `@User.dept < "_"`, True},
		{"letters are before _, case-sensitive too", `@User.exact < "_"`, True},
		{"small letters are after it where case matters", `@User.exactColors Contains "red"`, True},
		{"a letter beyond ASCII folds", `@User.ж == "Ж"`, True},
		{"a letter whose capital is young does not", `@User.ß == "SS"`, False},
		{"and is not its capital", `@User.ß == "ẞ"`, False},
		{"a letter that shares its capital leaves it open", `@User.ς == "Σ"`, Undecided},
		{"inverse too", `@User.ς != "Σ"`, Undecided},
		{"between claims too", `@User.ς == @Resource.ς`, Undecided},
		{"where it does not matter it does not", `@User.ς == "ς"`, True},
		{"nor here", `@User.ς == "x"`, False},
		{"UTF-16 units are compared, not characters", "@User.high < \"\uf900\" && @User.high > \"\ud7fb\"", True},

		// Numbers.
		{"equal numbers", `@User.five == 5`, True},
		{"however they are written", `@User.five == +0x5`, True},
		{"other numbers", `@User.five == 6`, False},
		{"not equal", `@User.five != 6`, True},
		{"less", `@User.five < 6`, True},
		{"not less", `@User.five < 5`, False},
		{"less or equal", `@User.five <= 5`, True},
		{"greater", `@User.five > 4`, True},
		{"not greater", `@User.five > 5`, False},
		{"greater or equal", `@User.five >= 5`, True},
		{"not greater or equal", `@User.five >= 6`, False},
		{"negative ones", `@User.minus < -4`, True},
		{"negative ones, equal", `@User.minus == -5`, True},
		{"negative and positive", `@User.minus < 4`, True},
		{"positive and negative", `@User.five > -6`, True},
		{"unsigned and literal", `@User.ufive == 5`, True},
		{"an unsigned one is not negative", `@User.huge > 5`, True},
		{"an unsigned one is not -1", `@User.huge == -1`, False},
		{"of a literal of all 64 bits nobody says whether it is -1", `@User.huge == 0xffffffffffffffff`, Undecided},
		{"it is more than -1", `@User.huge > -1`, True},
		{"signed and unsigned", `@User.five == @Resource.five`, True},
		{"unsigned and signed", `@User.huge > @Resource.minus`, True},
		{"signed less than unsigned", `@User.minus < @Resource.five`, True},

		// Booleans.
		{"a boolean is one", `@User.yes == 1`, True},
		{"a boolean is zero", `@User.no == 0`, True},
		{"it is not zero", `@User.yes == 0`, False},
		{"inverse", `@User.yes != 0`, True},
		{"two is no boolean", `@User.yes == 2`, Undecided},
		{"inverse of two", `@User.yes != 2`, Undecided},
		{"booleans have no order", `@User.yes > 0`, Undecided},
		{"a boolean and a boolean", `@User.yes == @Resource.yes`, True},
		{"a boolean and a number", `@User.yes == @Resource.five`, Undecided},
		{"a boolean and a set of numbers", `@User.yes Any_of {1}`, Undecided},

		// SIDs and octets.
		{"a SID", `@User.sid == SID(<group>)`, True},
		{"another SID", `@User.sid == SID(<me>)`, False},
		{"SIDs of claims", `@User.sid == @Resource.sid`, True},
		{"SIDs have no order", `@User.sid <= @Resource.sid`, Undecided},
		{"octets", `@User.octets == #0102`, True},
		{"other octets", `@User.octets == #010200`, False},
		{"octets are less", `@User.octets < @Resource.octets`, True},
		{"and less than longer ones", `@User.octets < #010200`, True},
		{"whether a later but shorter one is less is not said", `@User.octets < @Resource.shorter`, Undecided},
		{"nor whether it is greater", `@User.octets >= @Resource.shorter`, Undecided},

		// Sets.
		{"equal sets", `@User.colors == {"red", "blue"}`, True},
		{"in another order", `@User.colors == {"BLUE", "RED"}`, True},
		{"a part is not equal", `@User.colors == {"red"}`, False},
		{"more is not equal", `@User.colors == {"red", "blue", "green"}`, False},
		{"a part is not equal, inverse", `@User.colors != {"red"}`, True},
		{"a single value is not equal to a set", `@User.colors == "red"`, False},
		{"a single value is a set of one", `@User.one == {"Red"}`, True},
		{"a set is not empty", `@User.one != {}`, True},
		{"of a literal with a value twice nobody knows", `@User.colors == {"red", "blue", "red"}`, Undecided},
		{"inverse, neither", `@User.colors != {"red", "blue", "red"}`, Undecided},
		{"equal sets of claims", `@User.nums == @Resource.nums`, True},
		{"other sets of claims", `@User.colors == @Resource.colors`, False},
		{"sets have no order", `@User.nums < 4`, Undecided},
		{"nor to the right", `@User.five < @Resource.nums`, Undecided},
		{"nor has a set of one", `@User.five <= {5}`, Undecided},
		{"contains one", `@User.colors Contains "BLUE"`, True},
		{"contains all", `@User.colors Contains {"blue", "red", "red"}`, True},
		{"contains not all", `@User.colors Contains {"blue", "green"}`, False},
		{"inverse", `@User.colors Not_Contains {"blue", "green"}`, True},
		{"contains, inverse", `@User.colors Not_Contains {"blue"}`, False},
		{"a single value contains itself", `@User.five Contains 5`, True},
		{"and nothing else", `@User.five Contains {5, 6}`, False},
		{"contains those of a claim", `@User.nums Contains @Resource.five`, False},
		{"contains the set of a claim", `@User.nums Contains @Resource.nums`, True},
		{"contains nothing", `@User.colors Contains {}`, Undecided},
		{"contains nothing, inverse", `@User.colors Not_Contains {}`, Undecided},
		{"any of", `@User.colors Any_of {"green", "blue"}`, True},
		{"any of others", `@User.colors Any_of {"green"}`, False},
		{"inverse of any", `@User.colors Not_Any_of {"green"}`, True},
		{"any, inverse", `@User.colors Not_Any_of {"red", "green"}`, False},
		{"any of a claim", `@User.colors Any_of @Resource.colors`, True},
		{"a single one is any of a claim", `@User.one Any_of @Resource.colors`, False},
		{"any of the single value of a claim", `@User.nums Any_of @Resource.five`, False},
		{"any of a single literal", `@User.colors Any_of "red"`, Undecided},
		{"none of a single literal", `@User.colors Not_Any_of "green"`, Undecided},
		{"any of nothing", `@User.colors Any_of {}`, Undecided},
		{"case matters in sets", `@User.exactColors == {"red", "RED"}`, True},
		{"and both count", `@User.exactColors == {"red"}`, False},
		{"a set of numbers", `@User.nums Any_of {9, 3}`, True},
		{"a set of SIDs", `@User.sid Any_of {SID(<me>), SID(<group>)}`, True},
		{"a set of octets", `@User.octets Any_of {#01, #0102}`, True},

		// Types that do not fit make the whole undecided.
		{"a string and a number", `@User.dept == 5`, Undecided},
		{"a number and a string", `@User.five != "5"`, Undecided},
		{"a number and a set of strings", `@User.five Any_of {"5"}`, Undecided},
		{"a set of many kinds", `@User.five Any_of {5, "5"}`, Undecided},
		{"a set of many kinds, after a match", `@User.five Contains {6, "5"}`, Undecided},
		{"a set of many kinds, one of them first", `@User.five Any_of {"5", 5}`, Undecided},
		{"a SID and a string", `@User.sid == "S-1-1-0"`, Undecided},
		{"octets and a string", `@User.octets == "0102"`, Undecided},
		{"claims of two types", `@User.five == @Resource.dept`, Undecided},
		{"an error and true or", `@User.five == "5" || Member_of SID(<me>)`, Undecided},
		{"true and an error or", `Member_of SID(<me>) || @User.five == "5"`, Undecided},
		{"an error and false and", `Member_of SID(<other>) && @User.five == "5"`, Undecided},

		// Absent attributes.
		{"absent to the left", `@User.absent == 5`, Undecided},
		{"absent, inverse", `@User.absent != 5`, Undecided},
		{"absent to the right", `@User.five == @Resource.absent`, Undecided},
		{"absent, order", `@User.absent < 5`, Undecided},
		{"absent contains", `@User.absent Contains {5}`, Undecided},
		{"absent is any", `@User.absent Any_of {5}`, Undecided},
		{"absent is none", `@User.absent Not_Any_of {5}`, Undecided},
		{"absent alone", `@User.absent`, Undecided},
		{"absent or true", `@User.absent == 5 || @User.five == 5`, True},
		{"absent and false", `@User.absent == 5 && @User.five == 6`, False},

		// Classes nobody knows: they may even be of another type.
		{"unseen", `@Device.five == 5`, Undecided},
		{"unseen or true", `@Device.five == 5 || @User.five == 5`, Undecided},
		{"unseen and false", `@Device.five == 5 && @User.five == 6`, Undecided},
		{"unseen to the right", `@User.five == @Device.five || @User.five == 5`, Undecided},
		{"unseen alone or true", `@Device.five || @User.five == 5`, True},
		{"unseen alone and false", `@Device.five && @User.five == 6`, False},
		{"unseen alone", `@Device.five`, Undecided},

		// Exists.
		{"a local attribute exists", `Exists hour`, True},
		{"by any case of its name", `Exists HOUR`, True},
		{"another does not", `Exists minute`, False},
		{"inverse", `Not_Exists minute`, True},
		{"exists, inverse", `Not_Exists hour`, False},
		{"an attribute of the resource exists", `Exists @Resource.dept`, True},
		{"another does not", `Exists @Resource.absent`, False},
		{"inverse", `Not_Exists @Resource.absent`, True},
		{"a disabled one does not", `Exists @Resource.off`, False},
		{"one for denying does not where access is allowed", `Exists @Resource.denyOnly`, False},
		{"of one with a value twice nobody knows", `Exists @Resource.twice`, Undecided},
		{"inverse, neither", `Not_Exists @Resource.twice`, Undecided},
		{"one of the user exists", `Exists @User.dept`, True},
		{"another of the user does not", `Not_Exists @User.absent`, True},

		// Attributes alone.
		{"a number", `@User.five`, True},
		{"zero", `@User.zero`, False},
		{"an unsigned number", `@User.huge`, True},
		{"a negative number", `@User.minus`, True},
		{"a string", `@User.dept`, True},
		{"an empty string", `@User.empty`, False},
		{"a boolean", `@User.yes`, True},
		{"a false boolean", `@User.no`, False},
		{"several values", `@User.nums`, Undecided},
		{"several booleans", `@User.both`, Undecided},
		{"a SID alone", `@User.sid`, Undecided},
		{"octets alone", `@User.octets`, Undecided},
		{"a local one", `hour`, True},
		{"not", `!(@User.zero)`, True},
		{"not true", `!(@User.five)`, False},
		{"not absent", `!(@User.absent)`, Undecided},
		{"not several", `!(@User.nums)`, Undecided},
		{"two and", `@User.five && @User.yes`, True},
		{"two or", `@User.zero || @User.no`, False},

		// What Windows was seen not to decide.
		{"not, while an attribute waits", `@User.five && !(@User.zero)`, Undecided},
		{"the other way round", `!(@User.zero) && @User.five`, True},
		{"not of a result, while an attribute waits", `@User.five && !(@User.zero || @User.zero)`, True},
		{"not, while a result waits", `@User.five == 5 && !(@User.zero)`, True},
		{"not, while one waits further down", `@User.five && (@User.five == 5 && !(@User.zero))`, Undecided},

		// Which claims count.
		{"names match in any case", `@User.DEPT == "sales"`, True},
		{"a disabled claim does not count", `@User.off == 5`, Undecided},
		{"a claim for denying does not count where access is allowed", `@User.denyOnly == 5`, Undecided},
		{"a claim with a value twice", `@User.twice == 7`, Undecided},
		{"twice but for case", `@User.twiceText Contains "a"`, Undecided},
		{"twice but for a letter in doubt", `@User.twiceς Any_of {"Σ"}`, Undecided},
		{"two claims of one name", `@User.double == 1`, Undecided},
		{"two claims, one of them disabled", `@User.half == 2`, True},
		{"a name that matches only perhaps", `@User.Σ == "ς"`, Undecided},
		{"a claim of the user is not one of the resource", `@Resource.zero == 0`, Undecided},

		// Groups.
		{"the account itself", `Member_of SID(<me>)`, True},
		{"a group", `Member_of {SID(<group>)}`, True},
		{"all groups", `Member_of {SID(<group>), SID(<me>), SID(WD)}`, True},
		{"not all groups", `Member_of {SID(<group>), SID(<other>)}`, False},
		{"not all, inverse", `Not_Member_of {SID(<group>), SID(<other>)}`, True},
		{"all, inverse", `Not_Member_of {SID(<group>)}`, False},
		{"any group", `Member_of_Any {SID(<group>), SID(<other>)}`, True},
		{"no group", `Member_of_Any {SID(<other>), SID(BA)}`, False},
		{"no group, inverse", `Not_Member_of_Any {SID(<other>)}`, True},
		{"any, inverse", `Not_Member_of_Any {SID(<other>), SID(<group>)}`, False},
		{"who logs on from where nobody knows", `Not_Member_of {SID(NU)}`, Undecided},
		{"nor whether claims are valid", `Not_Member_of {SID(S-1-5-21-0-0-0-497)}`, Undecided},
		{"but all are decided by one", `Member_of {SID(NU), SID(<other>)}`, False},
		{"and any are", `Member_of_Any {SID(NU), SID(<group>)}`, True},
		{"the device's groups are not known", `Device_Member_of {SID(<group>)}`, Undecided},
		{"inverse, neither", `Not_Device_Member_of {SID(<group>)}`, Undecided},
		{"nor any", `Device_Member_of_Any {SID(<group>)}`, Undecided},
		{"nor none", `Not_Device_Member_of_Any {SID(<group>)}`, Undecided},
		{"unknown or true", `Device_Member_of {SID(<group>)} || Member_of {SID(<group>)}`, True},
		{"unknown and false", `Member_of {SID(<other>)} && Device_Member_of {SID(<group>)}`, False},
		{"unknown and true", `Member_of {SID(<me>)} && Device_Member_of {SID(<group>)}`, Undecided},
		{"unknown or false", `Device_Member_of {SID(<group>)} || Member_of {SID(<other>)}`, Undecided},
		{"not unknown", `!(Device_Member_of {SID(<group>)})`, Undecided},

		// The example of [MS-DTYP] 2.4.4.17.9, as far as it is known.
		{"the example", `(@User.five >= @Resource.five) || (Member_of {SID(BA)})`, True},
	} {
		if got := Evaluate(condition(t, c.condition), claims, false); got != c.want {
			t.Errorf("%s: %s is %v, want %v", c.name, c.condition, got, c.want)
		}
	}
}

func TestEvaluateForDeny(t *testing.T) {
	claims := someClaims(t)
	for text, want := range map[string]Truth{
		`@User.denyOnly == 5`:       True,
		`Exists @Resource.denyOnly`: True,
		`@User.off == 5`:            Undecided,
		`Exists @Resource.off`:      False,
		`@User.five == 5`:           True,
	} {
		if got := Evaluate(condition(t, text), claims, true); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}

// The tables of the logical operators, each operand being what it is in three ways.
func TestLogicalOperators(t *testing.T) {
	claims := someClaims(t)
	terms := map[Truth][]string{
		True:      {`@User.five == 5`, `@User.five`, `Member_of {SID(<me>)}`},
		False:     {`@User.five == 6`, `@User.zero`, `Exists minute`},
		Undecided: {`@User.absent == 1`, `@Device.x`, `Device_Member_of {SID(<me>)}`},
	}
	and := map[[2]Truth]Truth{
		{True, True}: True, {True, False}: False, {True, Undecided}: Undecided,
		{False, True}: False, {False, False}: False, {False, Undecided}: False,
		{Undecided, True}: Undecided, {Undecided, False}: False, {Undecided, Undecided}: Undecided,
	}
	or := map[[2]Truth]Truth{
		{True, True}: True, {True, False}: True, {True, Undecided}: True,
		{False, True}: True, {False, False}: False, {False, Undecided}: Undecided,
		{Undecided, True}: True, {Undecided, False}: Undecided, {Undecided, Undecided}: Undecided,
	}
	not := map[Truth]Truth{True: False, False: True, Undecided: Undecided}
	for operator, table := range map[string]map[[2]Truth]Truth{" && ": and, " || ": or} {
		for of, want := range table {
			for _, l := range terms[of[0]] {
				for _, r := range terms[of[1]] {
					text := l + operator + r
					if got := Evaluate(condition(t, text), claims, false); got != want {
						t.Errorf("%s is %v, want %v", text, got, want)
					}
					if got := Evaluate(condition(t, "!("+text+")"), claims, false); got != not[want] {
						t.Errorf("!(%s) is %v, want %v", text, got, not[want])
					}
				}
			}
		}
	}
}

func TestTruthInWords(t *testing.T) {
	for truth, want := range map[Truth]string{Undecided: "unknown", False: "false", True: "true", 9: "unknown"} {
		if got := truth.String(); got != want {
			t.Errorf("%d is %s, want %s", truth, got, want)
		}
	}
}

func TestGroupsThatMayBeMore(t *testing.T) {
	claims := Claims{Groups: partialToken, DeviceGroups: Token{Complete: true, SIDs: map[sddl.SID]Via{group: Group}}}
	for text, want := range map[string]Truth{
		`Member_of {SID(<group>)}`:                                     True,
		`Member_of {SID(<other>)}`:                                     Undecided,
		`Not_Member_of {SID(<other>)}`:                                 Undecided,
		`Member_of {SID(<group>), SID(<other>)}`:                       Undecided,
		`Member_of_Any {SID(<group>), SID(<other>)}`:                   True,
		`Not_Member_of_Any {SID(<group>), SID(<other>)}`:               False,
		`Device_Member_of {SID(<group>)}`:                              True,
		`Device_Member_of {SID(<group>), SID(<me>)}`:                   False,
		`Device_Member_of_Any {SID(<group>), SID(<me>)}`:               True,
		`Not_Device_Member_of {SID(<group>), SID(<me>)}`:               True,
		`Not_Device_Member_of_Any {SID(<group>), SID(<me>)}`:           False,
		`Not_Device_Member_of_Any {SID(<other>), SID(<me>)}`:           True,
		`Device_Member_of {SID(<me>)} || Member_of {SID(<group>)}`:     True,
		`Device_Member_of {SID(<me>)} || Not_Member_of {SID(<other>)}`: Undecided,
	} {
		if got := Evaluate(condition(t, text), claims, false); got != want {
			t.Errorf("%s is %v, want %v", text, got, want)
		}
	}
}

// Conditions and claims that no text says.
func TestEvaluateWhatIsMalformed(t *testing.T) {
	number := func(n int64) sddl.Token { return sddl.Token{Code: sddl.TokenInt64, Int: n} }
	text := func(s string) sddl.Token { return sddl.Token{Code: sddl.TokenString, Text: sddl.EncodeWide(s)} }
	list := func(list ...sddl.Token) sddl.Token { return sddl.Token{Code: sddl.TokenComposite, List: list} }
	user := func(s string) sddl.Token {
		return sddl.Token{Code: sddl.TokenUserAttribute, Text: sddl.EncodeWide(s)}
	}
	op := func(code sddl.TokenCode) sddl.Token { return sddl.Token{Code: code} }
	me := sddl.Token{Code: sddl.TokenSID, SID: account}
	memberOfMe := []sddl.Token{me, op(sddl.TokenMemberOf)}
	claims := someClaims(t)
	claims.User = append(claims.User,
		sddl.Claim{Name: sddl.EncodeWide("untyped"), Values: []sddl.Token{number(5)}},
		sddl.Claim{Name: sddl.EncodeWide("newType"), Type: 0x04, Values: []sddl.Token{text("x")}},
		sddl.Claim{Name: sddl.EncodeWide("wrongType"), Type: sddl.ClaimInt64, Values: []sddl.Token{text("x")}},
		sddl.Claim{Name: sddl.EncodeWide("mixed"), Type: sddl.ClaimInt64, Values: []sddl.Token{number(5), text("x")}},
		sddl.Claim{Name: sddl.EncodeWide("two"), Type: sddl.ClaimBool, Values: []sddl.Token{number(2)}},
		sddl.Claim{Name: sddl.EncodeWide("noValues"), Type: sddl.ClaimInt64},
		sddl.Claim{Name: sddl.EncodeWide("odd"), Type: sddl.ClaimString, Values: []sddl.Token{{Code: sddl.TokenString, Text: "abc"}}},
		sddl.Claim{Name: sddl.EncodeWide("noSID"), Type: sddl.ClaimSID, Values: []sddl.Token{{Code: sddl.TokenSID}}},
	)
	claims.Local = append(claims.Local, sddl.Claim{Name: sddl.EncodeWide("noValues"), Type: sddl.ClaimInt64})
	for _, c := range []struct {
		name string
		c    sddl.Condition
	}{
		{"nothing", nil},
		{"no operands", sddl.Condition{op(sddl.TokenAnd)}},
		{"one operand for two", sddl.Condition{user("five"), op(sddl.TokenOr)}},
		{"no operand for one", sddl.Condition{op(sddl.TokenNot)}},
		{"two values left", sddl.Condition{user("five"), user("five")}},
		{"a literal alone", sddl.Condition{number(1)}},
		{"a string alone", sddl.Condition{text("x")}},
		{"a SID alone", sddl.Condition{me}},
		{"a set alone", sddl.Condition{list(number(1))}},
		{"not a literal", sddl.Condition{number(0), op(sddl.TokenNot)}},
		{"a literal and true, or", slices.Concat(sddl.Condition{number(1)}, memberOfMe, sddl.Condition{op(sddl.TokenOr)})},
		{"true and a literal, or", slices.Concat(memberOfMe, sddl.Condition{number(1), op(sddl.TokenOr)})},
		{"true and a literal, and", slices.Concat(memberOfMe, sddl.Condition{number(0), op(sddl.TokenAnd)})},
		{"a literal to the left", sddl.Condition{number(5), number(5), op(sddl.TokenEqual)}},
		{"a literal to the left of an attribute", sddl.Condition{number(5), user("five"), op(sddl.TokenEqual)}},
		{"a result to the left", slices.Concat(memberOfMe, sddl.Condition{number(1), op(sddl.TokenEqual)})},
		{"a result to the right", slices.Concat(sddl.Condition{user("yes")}, memberOfMe, sddl.Condition{op(sddl.TokenEqual)})},
		{"a result to the right of nothing", slices.Concat(sddl.Condition{user("absent")}, memberOfMe, sddl.Condition{op(sddl.TokenEqual)})},
		{"a literal exists", sddl.Condition{text("x"), op(sddl.TokenExists)}},
		{"a result exists", slices.Concat(memberOfMe, sddl.Condition{op(sddl.TokenExists)})},
		{"member of a number", sddl.Condition{number(1), op(sddl.TokenMemberOf)}},
		{"member of a number, inverse", sddl.Condition{number(1), op(sddl.TokenNotMemberOf)}},
		{"member of an attribute", sddl.Condition{user("sid"), op(sddl.TokenMemberOf)}},
		{"member of a result", slices.Concat(memberOfMe, sddl.Condition{op(sddl.TokenMemberOf)})},
		{"member of nothing", sddl.Condition{list(), op(sddl.TokenMemberOf)}},
		{"member of any of nothing, inverse", sddl.Condition{list(), op(sddl.TokenNotMemberOfAny)}},
		{"member of a set with a number", sddl.Condition{list(me, number(1)), op(sddl.TokenMemberOfAny)}},
		{"member of no SID", sddl.Condition{{Code: sddl.TokenSID}, op(sddl.TokenNotMemberOf)}},
		{"a set in a set", sddl.Condition{user("five"), list(list(number(5))), op(sddl.TokenAnyOf)}},
		{"an attribute in a set", sddl.Condition{user("five"), list(user("five")), op(sddl.TokenAnyOf)}},
		{"an unknown token", sddl.Condition{{Code: 0x77}}},
		{"padding", sddl.Condition{{Code: sddl.TokenPadding}}},
		{"an unknown token below an operator", slices.Concat(sddl.Condition{{Code: 0xff}}, memberOfMe, sddl.Condition{op(sddl.TokenOr)})},
		{"half a UTF-16 unit", sddl.Condition{user("dept"), {Code: sddl.TokenString, Text: "a"}, op(sddl.TokenNotEqual)}},
		{"half a UTF-16 unit in a name", sddl.Condition{{Code: sddl.TokenLocalAttribute, Text: "a"}, number(1), op(sddl.TokenNotEqual)}},
		{"a claim of no type", sddl.Condition{user("untyped"), number(5), op(sddl.TokenEqual)}},
		{"a claim of no type alone", sddl.Condition{user("untyped")}},
		{"a claim of a new type", sddl.Condition{user("newType"), text("x"), op(sddl.TokenEqual)}},
		{"a claim that is not of its type", sddl.Condition{user("wrongType"), text("x"), op(sddl.TokenEqual)}},
		{"a claim that is not of its type, alone", sddl.Condition{user("wrongType")}},
		{"a claim of two types", sddl.Condition{user("mixed"), number(5), op(sddl.TokenContains)}},
		{"a boolean of two", sddl.Condition{user("two")}},
		{"a claim without values", sddl.Condition{user("noValues"), number(5), op(sddl.TokenNotEqual)}},
		{"a claim without values exists", sddl.Condition{{Code: sddl.TokenLocalAttribute, Text: sddl.EncodeWide("noValues")}, op(sddl.TokenExists)}},
		{"a claim with half a unit", sddl.Condition{user("odd"), text("x"), op(sddl.TokenNotEqual)}},
		{"a claim with no SID", sddl.Condition{user("noSID"), me, op(sddl.TokenNotEqual)}},
	} {
		for _, deny := range []bool{false, true} {
			if got := Evaluate(c.c, claims, deny); got != Undecided {
				t.Errorf("%s is %v", c.name, got)
			}
		}
	}
	if got := Evaluate(slices.Concat(memberOfMe), Claims{}, false); got != Undecided {
		t.Errorf("without any claims: %v", got)
	}
}

// A letter in doubt decides nothing; those not in doubt were there before Unicode 5.2.
func TestLettersInDoubt(t *testing.T) {
	for unit := rune(0x80); unit <= 0xffff; unit++ {
		up := unicode.ToUpper(unit)
		if up != unit && unicode.ToLower(up) != unit && !unicode.Is(doubtful, unit) {
			t.Errorf("%U shares its capital %U", unit, up)
		}
	}
	for _, c := range []struct {
		l, r string
		want Truth
	}{
		{"ćàț", "ĆÀȚ", True}, {"ḽ", "Ḽ", True}, {"ⅸ", "Ⅸ", True}, {"ꙭ", "Ꙭ", True}, {"ⱦ", "Ⱦ", True}, {"ԛԣ", "ԚԢ", True}, {"ｆｏｏ", "ＦＯＯ", True}, {"ÿ", "Ÿ", True},
		{"ⳬ", "Ⳬ", Undecided}, {"ʞ", "Ʞ", Undecided}, {"ꞧ", "Ꞧ", Undecided}, {"ɜ", "Ɜ", Undecided}, {"ı", "I", Undecided}, {"ſ", "S", Undecided},
		{"µ", "Μ", Undecided}, {"ǅ", "Ǆ", Undecided}, {"ა", "Ა", Undecided}, {"ꭰ", "Ꭰ", Undecided},
		{"𐐨", "𐐀", False}, // units are folded, not characters
		{"ɜ", "x", False}, {"ɜa", "ɜA", True},
	} {
		claims := Claims{User: []sddl.Claim{{Name: sddl.EncodeWide("x"), Type: sddl.ClaimString, Values: []sddl.Token{{Code: sddl.TokenString, Text: sddl.EncodeWide(c.l)}}}}}
		if got := Evaluate(condition(t, `@User.x == "`+c.r+`"`), claims, false); got != c.want {
			t.Errorf("%s == %s is %v, want %v", c.l, c.r, got, c.want)
		}
		if got := Evaluate(condition(t, `@User.x Any_of {"`+c.r+`"}`), claims, false); got != c.want {
			t.Errorf("%s Any_of {%s} is %v, want %v", c.l, c.r, got, c.want)
		}
	}
}

// A condition as long as an ACE can be, that names a claim as large as one can be as
// often as it can, ends soon.
func TestEvaluateIsBounded(t *testing.T) {
	big := sddl.Claim{Name: sddl.EncodeWide("a"), Type: sddl.ClaimInt64}
	for i := range int64(8000) {
		big.Values = append(big.Values, sddl.Token{Code: sddl.TokenInt64, Int: i})
	}
	attribute := sddl.Token{Code: sddl.TokenResourceAttribute, Text: big.Name}
	var relations, negations sddl.Condition
	for i := range 4000 {
		relations = append(relations, attribute, attribute, sddl.Token{Code: sddl.TokenEqual})
		if i > 0 {
			relations = append(relations, sddl.Token{Code: sddl.TokenAnd})
		}
	}
	negations = append(negations, sddl.Token{Code: sddl.TokenSID, SID: account}, sddl.Token{Code: sddl.TokenMemberOf})
	for range 60_000 {
		negations = append(negations, sddl.Token{Code: sddl.TokenNot})
	}
	literal := sddl.Condition{attribute, {Code: sddl.TokenComposite, List: big.Values}, {Code: sddl.TokenEqual}}
	claims := Claims{Resource: []sddl.Claim{big}, Groups: token}
	start := time.Now()
	for _, c := range []struct {
		name string
		c    sddl.Condition
		want Truth
	}{{"relations", relations, Undecided}, {"negations", negations, True}, {"one large set", literal, True}} {
		if got := Evaluate(c.c, claims, false); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// Checks do not evaluate: whatever a condition says, its entry is not certain.
func TestConditionalEntriesAreNotGranted(t *testing.T) {
	for _, text := range []string{`Member_of {SID(<me>)}`, `Not_Exists minute`, `Member_of {SID(<other>)}`} {
		d := dacl(t, "D:(XA;;RP;;;<me>)")
		d.ACEs[0].Data = string(condition(t, text).Append(nil))
		if got := Check(d, stranger, token, sddl.SID{}, testClass, readAll).Effect; got != Conditional {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// term is a condition as a tree, for the oracle.
type term struct {
	token sddl.Token
	of    []*term
}

func (n *term) postfix(c sddl.Condition) sddl.Condition {
	for _, o := range n.of {
		c = o.postfix(c)
	}
	return append(c, n.token)
}

// conditionOracle evaluates trees slowly and obviously. It knows claims of every class
// but those of unseen, in ASCII, without flags, each name once.
type conditionOracle struct {
	claims Claims
	failed bool
}

func (o *conditionOracle) fail() Truth { o.failed = true; return Undecided }

func (o *conditionOracle) claim(n *term) (c *sddl.Claim, seen bool) {
	list := map[sddl.TokenCode][]sddl.Claim{sddl.TokenUserAttribute: o.claims.User, sddl.TokenDeviceAttribute: o.claims.Device,
		sddl.TokenResourceAttribute: o.claims.Resource, sddl.TokenLocalAttribute: o.claims.Local}[n.token.Code]
	for i := range list {
		if list[i].Name == n.token.Text {
			return &list[i], true
		}
	}
	return nil, list != nil
}

func oracleSame(a, b sddl.Token, unsignedA, unsignedB bool) (same, fits bool) {
	switch {
	case a.Code.IsInt() && b.Code.IsInt():
		return oracleNumber(a, unsignedA).Cmp(oracleNumber(b, unsignedB)) == 0, true
	case a.Code != b.Code:
		return false, false
	case a.Code == sddl.TokenString:
		return strings.EqualFold(a.Text, b.Text), true // ASCII in UTF-16 is ASCII with zeros
	}
	return a.Octets == b.Octets && a.SID == b.SID, true
}

func oracleNumber(t sddl.Token, unsigned bool) *big.Int {
	if unsigned {
		return new(big.Int).SetUint64(uint64(t.Int))
	}
	return big.NewInt(t.Int)
}

func (o *conditionOracle) eval(n *term, waiting bool) Truth {
	code := n.token.Code
	logical := func(t *term, waiting bool) Truth {
		if len(t.of) > 0 {
			return o.eval(t, waiting)
		}
		if !t.token.Code.IsAttribute() {
			return o.fail()
		}
		c, _ := o.claim(t)
		if c == nil || len(c.Values) != 1 {
			return Undecided
		}
		switch v := c.Values[0]; v.Code {
		case sddl.TokenInt64:
			return truth(v.Int != 0)
		case sddl.TokenString:
			return truth(len(v.Text) > 0)
		}
		return Undecided
	}
	isAttribute := func(t *term) bool { return t.token.Code.IsAttribute() }
	if len(n.of) == 0 {
		return logical(n, false)
	}
	switch code {
	case sddl.TokenAnd, sddl.TokenOr:
		l := logical(n.of[0], waiting)
		r := logical(n.of[1], waiting || isAttribute(n.of[0]))
		for _, decisive := range []Truth{map[sddl.TokenCode]Truth{sddl.TokenAnd: False, sddl.TokenOr: True}[code], Undecided} {
			if l == decisive || r == decisive {
				return decisive
			}
		}
		return l
	case sddl.TokenNot:
		if isAttribute(n.of[0]) && waiting {
			return o.fail()
		}
		return []Truth{Undecided: Undecided, True: False, False: True}[logical(n.of[0], waiting)]
	case sddl.TokenExists, sddl.TokenNotExists:
		if !isAttribute(n.of[0]) {
			return o.fail()
		}
		c, seen := o.claim(n.of[0])
		if !seen {
			return Undecided
		}
		return truth((c != nil) == (code == sddl.TokenExists))
	}
	for _, operand := range n.of {
		if len(operand.of) > 0 { // it is evaluated before what is made of it fails
			o.eval(operand, waiting)
			return o.fail()
		}
	}
	values := func(t *term) (list []sddl.Token, unsigned bool, kind sddl.ClaimType) {
		if isAttribute(t) {
			c, _ := o.claim(t)
			return c.Values, c.Type == sddl.ClaimUint64, c.Type
		}
		if t.token.Code == sddl.TokenComposite {
			return t.token.List, false, 0
		}
		return []sddl.Token{t.token}, false, 0
	}
	if code.IsMemberOf() {
		var list []sddl.Token
		if !isAttribute(n.of[0]) {
			list, _, _ = values(n.of[0])
		}
		if len(list) == 0 {
			return o.fail()
		}
		name := strings.ToLower(code.String())
		asker := &o.claims.Groups
		if strings.Contains(name, "device") {
			asker = &o.claims.DeviceGroups
		}
		has, hasNot, maybe := 0, 0, 0
		for _, v := range list {
			switch {
			case v.Code != sddl.TokenSID:
				return o.fail()
			case asker.Via(v.SID) != NotHeld:
				has++
			case asker.Complete:
				hasNot++
			default:
				maybe++
			}
		}
		yes, no := hasNot == 0, hasNot > 0
		if strings.HasSuffix(name, "any") {
			yes, no = has > 0, has == 0
			if !yes && maybe > 0 {
				no = false
			}
		} else if maybe > 0 {
			yes = false
		}
		if strings.HasPrefix(name, "not_") {
			yes, no = no, yes
		}
		switch {
		case yes:
			return True
		case no:
			return False
		}
		return Undecided
	}
	if !isAttribute(n.of[0]) {
		return o.fail()
	}
	absent := false
	for _, operand := range n.of {
		if isAttribute(operand) {
			c, seen := o.claim(operand)
			if !seen {
				return o.fail()
			}
			absent = absent || c == nil
		}
	}
	if absent {
		return Undecided
	}
	l, lu, lkind := values(n.of[0])
	r, ru, rkind := values(n.of[1])
	literalSet := n.of[1].token.Code == sddl.TokenComposite
	if rkind == 0 && !literalSet && (code == sddl.TokenAnyOf || code == sddl.TokenNotAnyOf) {
		return o.fail()
	}
	boolean := func(k sddl.ClaimType) bool { return k == sddl.ClaimBool }
	if boolean(lkind) != boolean(rkind) && len(r) > 0 {
		equality := code == sddl.TokenEqual || code == sddl.TokenNotEqual
		if !boolean(lkind) || rkind != 0 || literalSet || !equality || !r[0].Code.IsInt() || r[0].Int != 0 && r[0].Int != 1 {
			return o.fail()
		}
	}
	in := func(v sddl.Token, vu bool, list []sddl.Token, lu bool) (found bool) {
		for _, w := range list {
			same, fits := oracleSame(v, w, vu, lu)
			if !fits {
				o.failed = true
			}
			found = found || same
		}
		return found
	}
	all, any := true, false
	for _, v := range r {
		found := in(v, ru, l, lu)
		all, any = all && found, any || found
	}
	back := true
	for _, v := range l {
		back = in(v, lu, r, ru) && back
	}
	if o.failed {
		return Undecided
	}
	switch code {
	case sddl.TokenEqual, sddl.TokenNotEqual:
		for i, v := range r {
			if in(v, ru, r[:i], ru) {
				return o.fail()
			}
		}
		return truth((all && back) == (code == sddl.TokenEqual))
	}
	if len(r) == 0 {
		return o.fail()
	}
	switch code {
	case sddl.TokenContains, sddl.TokenNotContains:
		return truth(all == (code == sddl.TokenContains))
	case sddl.TokenAnyOf, sddl.TokenNotAnyOf:
		return truth(any == (code == sddl.TokenAnyOf))
	}
	if len(l) != 1 || len(r) != 1 || literalSet || boolean(lkind) || l[0].Code == sddl.TokenSID {
		return o.fail()
	}
	var order int
	switch l[0].Code {
	case sddl.TokenInt64:
		order = oracleNumber(l[0], lu).Cmp(oracleNumber(r[0], ru))
	case sddl.TokenString:
		order = strings.Compare(strings.ToUpper(l[0].Text), strings.ToUpper(r[0].Text))
	default:
		order = strings.Compare(l[0].Octets, r[0].Octets)
	}
	return truth(map[sddl.TokenCode]bool{sddl.TokenLess: order < 0, sddl.TokenLessOrEqual: order <= 0,
		sddl.TokenGreater: order > 0, sddl.TokenGreaterOrEqual: order >= 0}[code])
}

// literal is of the kind, 0 to 3, or of any.
func (d dice) literal(kind int) sddl.Token {
	switch kind {
	case 0:
		return sddl.Token{Code: sddl.TokenInt64, Int: pick(d, int64(-1), 0, 1, 2)}
	case 1:
		return sddl.Token{Code: sddl.TokenString, Text: sddl.EncodeWide(pick(d, "", "a", "A", "b", "_"))}
	case 2:
		return sddl.Token{Code: sddl.TokenSID, SID: pick(d, account, group, stranger)}
	}
	return sddl.Token{Code: sddl.TokenOctets, Octets: pick(d, "\x01", "\x02", "\x03")}
}

func (d dice) claims() []sddl.Claim {
	list := []sddl.Claim{}
	for _, name := range []string{"p", "q", "r"} {
		if d.IntN(4) == 0 {
			continue
		}
		kind := pick(d, 0, 0, 0, 1, 1, 2, 3)
		c := sddl.Claim{Name: sddl.EncodeWide(name), Type: []sddl.ClaimType{sddl.ClaimInt64, sddl.ClaimString, sddl.ClaimSID, sddl.ClaimOctets}[kind]}
		if kind == 0 {
			c.Type = pick(d, sddl.ClaimInt64, sddl.ClaimInt64, sddl.ClaimUint64, sddl.ClaimBool)
		}
		for range pick(d, 1, 1, 2, 3) {
			v := d.literal(kind)
			fits := c.Type != sddl.ClaimBool || v.Int == 0 || v.Int == 1
			for _, w := range c.Values {
				if same, _ := oracleSame(v, w, false, false); same {
					fits = false
				}
			}
			if fits {
				c.Values = append(c.Values, v)
			}
		}
		if len(c.Values) > 0 {
			list = append(list, c)
		}
	}
	return list
}

func (d dice) term(depth int) *term {
	if depth > 0 && d.IntN(3) > 0 {
		code := pick(d, sddl.TokenAnd, sddl.TokenOr, sddl.TokenAnd, sddl.TokenOr, sddl.TokenNot)
		n := &term{token: sddl.Token{Code: code}}
		for range code.Operands() {
			n.of = append(n.of, d.term(depth-1))
		}
		return n
	}
	attribute := func() *term {
		return &term{token: sddl.Token{Code: pick(d, sddl.TokenUserAttribute, sddl.TokenResourceAttribute, sddl.TokenDeviceAttribute, sddl.TokenLocalAttribute),
			Text: sddl.EncodeWide(pick(d, "p", "q", "r"))}}
	}
	literal := func(kind int) *term {
		t := d.literal(kind)
		if d.IntN(2) == 0 {
			t = sddl.Token{Code: sddl.TokenComposite}
			for range d.IntN(4) {
				if d.IntN(20) == 0 {
					kind = d.IntN(4)
				}
				t.List = append(t.List, d.literal(kind))
			}
		}
		return &term{token: t}
	}
	code := pick(d, sddl.TokenEqual, sddl.TokenNotEqual, sddl.TokenLess, sddl.TokenLessOrEqual, sddl.TokenGreater, sddl.TokenGreaterOrEqual,
		sddl.TokenContains, sddl.TokenNotContains, sddl.TokenAnyOf, sddl.TokenNotAnyOf, sddl.TokenExists, sddl.TokenNotExists,
		sddl.TokenMemberOf, sddl.TokenMemberOfAny, sddl.TokenNotMemberOf, sddl.TokenNotMemberOfAny,
		sddl.TokenDeviceMemberOf, sddl.TokenDeviceMemberOfAny, sddl.TokenNotDeviceMemberOf, sddl.TokenNotDeviceMemberOfAny, 0)
	n := &term{token: sddl.Token{Code: code}}
	switch {
	case code == 0:
		return attribute()
	case code.IsMemberOf():
		n.of = []*term{literal(2)}
	case code == sddl.TokenExists, code == sddl.TokenNotExists:
		n.of = []*term{attribute()}
	default:
		n.of = []*term{attribute(), pick(d, attribute(), literal(pick(d, 0, 0, 1, 2, 3)))}
	}
	if d.IntN(60) == 0 {
		n.of[0] = pick(d, literal(0), d.term(0), attribute())
	}
	return n
}

// Random small conditions; and what is proven with less known stays so with more known.
func TestEvaluateAgainstTheOracle(t *testing.T) {
	cases := 100_000
	if testing.Short() {
		cases = 10_000
	}
	outcomes, proven := map[Truth]int{}, 0
	for seed := range cases {
		d := dice{rand.New(rand.NewPCG(uint64(seed), 11))}
		full := Claims{User: d.claims(), Device: d.claims(), Resource: d.claims(), Local: d.claims(), Groups: token,
			DeviceGroups: Token{Complete: true, SIDs: map[sddl.SID]Via{pick(d, group, stranger): Group}}}
		less := full
		for _, class := range []*[]sddl.Claim{&less.User, &less.Device, &less.Resource, &less.Local} {
			if d.IntN(3) == 0 {
				*class = nil
			}
		}
		less.Groups.Complete = d.IntN(2) == 0
		less.DeviceGroups = pick(d, less.DeviceGroups, Token{})
		n := d.term(pick(d, 0, 0, 1, 2, 3))
		c := n.postfix(nil)
		var got [2]Truth
		for i, claims := range []Claims{full, less} {
			o := conditionOracle{claims: claims}
			want := o.eval(n, false)
			if o.failed {
				want = Undecided
			}
			if got[i] = Evaluate(c, claims, d.IntN(2) == 0); got[i] != want {
				t.Fatalf("seed %d: %+v\nwith %+v\nis %v, want %v", seed, c, claims, got[i], want)
			}
		}
		if got[1] != Undecided {
			proven++
			if got[0] != got[1] {
				t.Fatalf("seed %d: %+v is %v with less known and %v with more", seed, c, got[1], got[0])
			}
		}
		outcomes[got[0]]++
	}
	for truth := Undecided; truth <= True; truth++ {
		if outcomes[truth] < cases/20 {
			t.Errorf("only %d of %d cases were %v", outcomes[truth], cases, truth)
		}
	}
	if proven < cases/20 {
		t.Errorf("only %d of %d cases were proven with less known", proven, cases)
	}
}

// Whatever an entry has for a condition, evaluating it ends; not of the whole is the
// opposite; and knowing nothing proves nothing that more knowledge refutes.
func FuzzEvaluate(f *testing.F) {
	claims := someClaims(f)
	for _, text := range []string{
		`(@User.five >= @Resource.five) || (Member_of {SID(BA)})`, `@User.dept == "sales" && !(@Device.x)`, `Exists hour`, `@User.nums Any_of {1, 5}`,
		`@User.octets Contains @Resource.octets || @User.sid == SID(<group>)`, `Not_Device_Member_of_Any {SID(<me>)} || Member_of SID(<me>)`, `@User.ς == "Σ"`,
	} {
		f.Add(condition(f, text).Append(nil))
	}
	f.Add([]byte("artx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := sddl.DecodeCondition(string(bytes.Clone(b)))
		if err != nil {
			return
		}
		for _, deny := range []bool{false, true} {
			got := Evaluate(c, claims, deny)
			if not := Evaluate(append(c[:len(c):len(c)], sddl.Token{Code: sddl.TokenNot}), claims, deny); not != got.not() {
				t.Errorf("it is %v, and its opposite %v", got, not)
			}
			if blind := Evaluate(c, Claims{}, deny); blind != Undecided && blind != got {
				t.Errorf("it is %v, and %v without any knowledge", got, blind)
			}
		}
	})
}
