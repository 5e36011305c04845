package sddl

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestConditionIsPrintedAsWindowsPrintsIt(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an attribute", "(a)", "(a)"},
		{"parentheses", "(((a)))", "(a)"},
		{"blanks", " (\t@User.a\n==\r\v\f1 ) ", "(@USER.a == 1)"},
		{"no blanks", "(a==1&&b!=2||!(c))", "(((a == 1) && (b != 2)) || (!(c)))"},
		{"&& before ||", "(a || b && c)", "((a) || ((b) && (c)))"},
		{"! before &&", "(!(a) && b)", "((!(a)) && (b))"},
		{"== before !", "(!(a) == 1)", "(!(a == 1))"},
		{"== before ! and &&", "(!@User.a == 1 && b)", "((!(@USER.a == 1)) && (b))"},
		{"from left to right", "(a && b && c)", "(((a) && (b)) && (c))"},
		{"|| from left to right", "(a || b || c)", "(((a) || (b)) || (c))"},
		{"parentheses that matter", "(a && (b || c))", "((a) && ((b) || (c)))"},
		{"relations in a row", "(@User.a == @User.b == 3)", "((@USER.a == @USER.b) == 3)"},
		{"a relation with a truth value", "((!@User.a == 1) == 2)", "((!(@USER.a == 1)) == 2)"},
		{"a relation with existence", "((Exists a) == 1)", "((Exists a) == 1)"},
		{"no blank before @", "(Exists@User.a && b Any_of@User.c)", "((Exists @USER.a) && (b Any_of @USER.c))"},
		{"every relation", "(a == 1 && a != 1 && a < 1 && a <= 1 && a > 1 && a >= 1)",
			"((((((a == 1) && (a != 1)) && (a < 1)) && (a <= 1)) && (a > 1)) && (a >= 1))"},
		{"every relation of lists", "(a Contains {1} && a Not_Contains 1 && a Any_of {1, 2} && a Not_Any_of @Resource.b)",
			"((((a Contains {1}) && (a Not_Contains 1)) && (a Any_of {1, 2})) && (a Not_Any_of @RESOURCE.b))"},
		{"every membership", "(Member_of {SID(BA)} || Member_of_Any {SID(BA)} || Not_Member_of {SID(BA)} || Not_Member_of_Any {SID(BA)})",
			"((((Member_of {SID(BA)}) || (Member_of_any {SID(BA)})) || (Not_Member_of {SID(BA)})) || (Not_Member_of_Any {SID(BA)}))"},
		{"every membership of devices", "(Device_Member_of SID(BA) || Device_Member_of_Any SID(BA) || Not_Device_Member_of SID(BA) || Not_Device_Member_of_Any SID(BA))",
			"((((Device_Member_of SID(BA)) || (Device_Member_of_Any SID(BA))) || (Not_Device_Member_of SID(BA))) || (Not_Device_Member_of_Any SID(BA)))"},
		{"no blank after the operator", "(Member_of{SID(BA)}&&Exists a)", "((Member_of {SID(BA)}) && (Exists a))"},
		{"existence", "(Exists a && Not_Exists @Device.b)", "((Exists a) && (Not_Exists @DEVICE.b))"},
		{"names in another case", "(eXISTS a && b ANY_OF {1} && MEMBER_OF SID(BA) && @uSER.x)", "((((Exists a) && (b Any_of {1})) && (Member_of SID(BA))) && (@USER.x))"},
		{"an attribute named as an operator of two", "(Contains Contains 1)", "(Contains Contains 1)"},
		{"an attribute that begins as an operator", "(Member_offer == 1)", "(Member_offer == 1)"},
		{"an attribute that is a number", "(17 == 17)", "(17 == 17)"},
		{"every character of a local name", "(aZ09:./_@ == 1)", "(aZ09:./_@ == 1)"},
		{"escapes", "(@User.a%0020b%00e4%003D == 1)", "(@USER.a%0020b%00e4%003d == 1)"},
		{"a name that is not ASCII", "(@User.ä😀 == 1)", "(@USER.%00e4%d83d%de00 == 1)"},
		{"half a character in a name", "(@User.%d83d == 1)", "(@USER.%d83d == 1)"},
		{"a name that is an operator elsewhere", "(Exists Member_of && !(Not_Exists exists))", "((Exists Member_of) && (!(Not_Exists exists)))"},
		{"characters that stand for themselves", "(@User.#$'*+-;?@[\\]^_`{}~:/., == 1)", "(@USER.#$'*+-;?@[\\]^_`{}~:/., == 1)"},
		{"integers as they were written", "(a == {0, 1, +1, -1, 010, +010, -010, 0x10, +0x1F, -0X1f, -0, 00})", "(a == {0, 1, +1, -1, 010, +010, -010, 0x10, +0x1f, -0x1f, -0, 00})"},
		{"the largest integers", "(a == {9223372036854775807, -9223372036854775808, 0x7fffffffffffffff, -0x8000000000000000, -01000000000000000000000})",
			"(a == {9223372036854775807, -9223372036854775808, 0x7fffffffffffffff, -0x8000000000000000, -01000000000000000000000})"},
		{"all 64 bits", "(a == {0xffffffffffffffff, 01777777777777777777777})", "(a == {0xffffffffffffffff, 01777777777777777777777})"},
		{"strings", `(a == {"", "x y", "ä😀", "a)b;c%0020"})`, `(a == {"", "x y", "ä😀", "a)b;c%0020"})`},
		{"octets", "(a == {#, #0102, #1#2#3###, #aBcD})", "(a == {#, #0102, #10203000, #abcd})"},
		{"SIDs", "(a == {SID(BA), SID(S-1-5-32-544), SID(DA), SID(S-1-5-21-1-2-3-512)})", "(a == {SID(BA), SID(BA), SID(DA), SID(S-1-5-21-1-2-3-512)})"},
		{"an empty list", "(a == {})", "(a == {})"},
		{"blanks in a list", "(a == { 1 ,2,\t3 })", "(a == {1, 2, 3})"},
		{"a literal in parentheses", "(a == (1) && Member_of ({SID(BA)}))", "((a == 1) && (Member_of {SID(BA)}))"},
	} {
		t.Run(c.name, func(t *testing.T) {
			condition, err := ParseConditionText(c.text, corp)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := condition.Text(corp); err != nil || got != c.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, c.want)
			}
			data := condition.Append(nil)
			if len(data)%4 != 0 {
				t.Errorf("%d bytes are not padded", len(data))
			}
			again, err := DecodeCondition(string(data))
			if err != nil {
				t.Fatalf("%x: %v", data, err)
			}
			if got, err := again.Text(corp); err != nil || got != c.want {
				t.Errorf("from bytes: got  %s, %v\nwant %s", got, err, c.want)
			}
		})
	}
}

func TestConditionIsStoredInPostfix(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a string", `(@User.level=="High")`, "61727478 f9 0a000000 6c006500760065006c00 10 08000000 4800690067006800 80"},
		{"membership", "(Member_of{SID(BA)})", "61727478 50 15000000 51 10000000 01020000000000052000000020020000 89"},
		{"an integer", "(a < -0x10)", "61727478 f8 02000000 6100 04 f0ffffffffffffff 02 03 82"},
		{"logic", "(a && !(b) || c)", "61727478 f8 02000000 6100 f8 02000000 6200 a2 a0 f8 02000000 6300 a1"},
		{"octets", "(a Any_of #0a0b)", "61727478 f8 02000000 6100 18 02000000 0a0b 88"},
	} {
		condition, err := ParseConditionText(c.text, corp)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		want := strings.ReplaceAll(c.want, " ", "")
		want += strings.Repeat("0", (8-len(want)%8)%8)
		if got := hex.EncodeToString(condition.Append(nil)); got != want {
			t.Errorf("%s: got  %s\nwant %s", c.name, got, want)
		}
	}
}

func TestConditionThatIsRefused(t *testing.T) {
	for _, c := range []struct {
		name, text string
		offset     int
		want       string
	}{
		{"nothing", "", 0, "want a condition"},
		{"no parentheses", "a == 1", 0, "want a condition"},
		{"empty", "()", 1, "want an attribute"},
		{"no end", "(a == 1", 7, "want the rest"},
		{"too few )", "((a == 1)", 9, "want the rest"},
		{"too many )", "(a == 1))", 8, "want the end"},
		{"two conditions", "(a)(b)", 3, "want the end"},
		{"no operator", "(a b)", 3, "want an operator"},
		{"no operator before (", "(a (b))", 3, "want an operator"},
		{"no left side", "(== 1)", 1, "want an attribute"},
		{"no right side", "(a ==)", 5, "want a number"},
		{"a literal on the left", `("x" == a)`, 1, "want an attribute"},
		{"a local attribute on the right", "(a == b)", 6, "want a number"},
		{"a relation on the right", "(a == (b == 1))", 7, "want a number"},
		{"a relation after a literal", "(a == 1 == 2)", 8, "want &&, || or )"},
		{"one &", "(a & b)", 3, "want an operator"},
		{"one =", "(a = 1)", 3, "want an operator"},
		{"an unknown operator", "(a Contain 1)", 3, "want an operator"},
		{"an operator of one operand", "(a Exists b)", 3, "want an operator"},
		{"! before a word", "(!a)", 2, "want ( or an attribute"},
		{"! before an operator", "(!Exists a)", 2, "want ( or an attribute"},
		{"! twice", "(!!(a))", 2, "want ( or an attribute"},
		{"! last", "(a && !)", 7, "want ( or an attribute"},
		{"&& last", "(a &&)", 5, "want an attribute"},
		{"&& first", "(&& a)", 1, "want an attribute"},
		{"existence of nothing", "(Exists)", 7, "want the name"},
		{"existence of an expression", "(Exists (a))", 8, "want the name"},
		{"existence of existence", "(Exists Exists a)", 15, "want &&, || or )"},
		{"membership of a number", "(Member_of 1)", 11, "want SID(...)"},
		{"membership of one number of several", "(Member_of {SID(BA), 1})", 11, "want SID(...)"},
		{"membership of an attribute", "(Member_of @User.a)", 11, "want a number"},
		{"membership of a bare SID", "(Member_of BA)", 11, "want a number"},
		{"parentheses around a list", "(a Contains (1))", 12, "want a number"},
		{"a list in a list", "(a == {1, {2}})", 10, "want a number"},
		{"a list that does not end", "(a == {1, 2", 11, "want ','"},
		{"a list that ends with a comma", "(a == {1,})", 9, "want a number"},
		{"a list that begins with a comma", "(a == {,1})", 7, "want a number"},
		{"an attribute in a list", "(a == {@User.b})", 7, "want a number"},
		{"a claim behind a local name", "(a@User.b == 1)", 2, "want an operator"},
		{"an unknown prefix", "(@Group.a == 1)", 1, "want @User."},
		{"a prefix alone", "(@User. == 1)", 7, "want the name"},
		{"half an escape", "(@User.a%00", 8, "four hexadecimal digits"},
		{"an escape that is none", "(@User.a%00zz == 1)", 8, "four hexadecimal digits"},
		{"a needless escape", "(@User.%0041 == 1)", 7, "'A' must stand for itself"},
		{"a zero escape", "(@User.%0000 == 1)", 7, "zero character"},
		{"a name that is not UTF-8", "(@User.\xff == 1)", 7, "not UTF-8"},
		{"a local name with an escape", "(a%0020 == 1)", 2, "want an operator"},
		{"a local name that is not ASCII", "(ä == 1)", 1, "want an attribute"},
		{"a string that does not end", `(a == "x)`, 6, "does not end"},
		{"a string that is not UTF-8", "(a == \"\xff\")", 6, "not UTF-8"},
		{"an odd octet string", "(a == #123)", 7, "even number"},
		{"an integer of too many bits", "(a == 9223372036854775808)", 6, "at most 64 bits"},
		{"a negative integer of too many bits", "(a == -9223372036854775809)", 6, "at most 64 bits"},
		{"a signed integer of too many bits", "(a == +0xffffffffffffffff)", 6, "at most 64 bits"},
		{"a hex integer of too many bits", "(a == 0x1ffffffffffffffff)", 6, "at most 64 bits"},
		{"a number and more", "(a == 17p)", 8, "end of the number"},
		{"a number that is not octal", "(a == 08)", 6, "want an integer"},
		{"a sign alone", "(a == -)", 6, "want an integer"},
		{"two signs", "(a == --1)", 6, "want an integer"},
		{"hex without digits", "(a == 0x)", 7, "end of the number"},
		{"a SID without SID", "(a == BA)", 6, "want a number"},
		{"an unknown SID", "(a == SID(XX))", 10, "want a SID"},
		{"a SID that does not end", "(a == SID(BA", 10, "want a SID and )"},
		{"SID in lower case", "(a == sid(BA))", 6, "want a number"},
		{"longer than an ACL", "(a == \"" + strings.Repeat("x", 40000) + "\")", 40008, "longer than an ACL"},
		{"a list longer than an ACL", "(a == {" + strings.Repeat("1,", 20000), 26222, "longer than an ACL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			condition, err := ParseConditionText(c.text, corp)
			if err == nil {
				text, _ := condition.Text(corp)
				t.Fatalf("read as %s", text)
			}
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("%T: %v", err, err)
			}
			if syntax.Offset != c.offset || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got offset %d, %q\nwant offset %d, %q", syntax.Offset, err, c.offset, c.want)
			}
		})
	}
}

func TestDataThatIsNoCondition(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"nothing", "", "does not begin with artx"},
		{"another signature", "61727479", "does not begin with artx"},
		{"an unknown token", "617274787f", "0x7f is unknown"},
		{"a cut off integer", "61727478" + "04 0000000000000000 03", "cut off"},
		{"an integer without sign", "61727478" + "04 0000000000000000 0002", "sign 0"},
		{"an integer without base", "61727478" + "04 0000000000000000 0304", "base 4"},
		{"no length", "61727478" + "10 000000", "longer than the condition"},
		{"a length that is too much", "61727478" + "10 ffffffff 00", "longer than the condition"},
		{"a string of an odd length", "61727478" + "10 01000000 61", "length is odd"},
		{"an attribute without name", "61727478" + "f8 00000000", "has no name"},
		{"a SID that is none", "61727478" + "51 08000000 02000000 00000005", "SID revision"},
		{"a SID and more", "61727478" + "51 0c000000 01000000 00000005 00000000", "longer than its SID"},
		{"a list in a list", "61727478" + "50 05000000 50 00000000", "out of place"},
		{"an operator in a list", "61727478" + "50 01000000 87", "out of place"},
		{"a token longer than its list", "61727478" + "50 05000000 10 02000000 6100", "longer than the condition"},
		{"padding and more", "61727478" + "f8 02000000 6100 00 87", "after its padding"},
		{"no operand", "61727478" + "a2", "too few operands"},
		{"one operand of two", "61727478" + "f8 02000000 6100 80", "too few operands"},
		{"two expressions", "61727478" + "f8 02000000 6100 f8 02000000 6100", "leaves 2 values"},
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(c.data, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeCondition(string(b)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		// Nobody can say it, but it stays as it is.
		ace := ACE{Type: AllowCallback, Mask: ReadProperty, SID: world, Data: string(b)}
		if got, want := ace.String(), "(XA;;RP;;;WD;#"+hex.EncodeToString(b)+")"; got != want {
			t.Errorf("%s: got %s, want %s", c.name, got, want)
		}
	}
}

func TestConditionThatSDDLCannotSay(t *testing.T) {
	one := Token{Code: TokenInt64, Int: 1, Sign: SignNone, Base: BaseDecimal}
	for _, c := range []struct {
		name string
		c    Condition
	}{
		{"a quotation mark", Condition{{Code: TokenString, Text: EncodeWide(`a"b`)}}},
		{"a zero character", Condition{{Code: TokenString, Text: EncodeWide("a\x00b")}}},
		{"half a character", Condition{{Code: TokenString, Text: "\x00\xd8"}}},
		{"a local name with a blank", Condition{{Code: TokenLocalAttribute, Text: EncodeWide("a b")}}},
		{"a local name that begins with @", Condition{{Code: TokenLocalAttribute, Text: EncodeWide("@a")}}},
		{"a local name that is an operator", Condition{{Code: TokenLocalAttribute, Text: EncodeWide("member_OF")}}},
		{"a name with a zero character", Condition{{Code: TokenUserAttribute, Text: EncodeWide("a\x00")}}},
		{"+ of a negative integer", Condition{{Code: TokenInt64, Int: -1, Sign: SignPlus, Base: BaseDecimal}}},
		{"- of a positive integer", Condition{{Code: TokenInt64, Int: 1, Sign: SignMinus, Base: BaseDecimal}}},
		{"too few operands", Condition{one, {Code: TokenEqual}}},
		{"no operand", Condition{{Code: TokenNot}}},
		{"two expressions", Condition{one, one}},
		{"a number where only an attribute is read", Condition{{Code: TokenUserAttribute, Text: EncodeWide("a")}, one, {Code: TokenAnd}}},
		{"an attribute where only a number is read", Condition{{Code: TokenUserAttribute, Text: EncodeWide("a")}, {Code: TokenLocalAttribute, Text: EncodeWide("1")}, {Code: TokenEqual}}},
		{"in a list", Condition{{Code: TokenComposite, List: []Token{one, {Code: TokenString, Text: EncodeWide(`"`)}}}}},
	} {
		if text, err := c.c.Text(corp); err == nil {
			t.Errorf("%s: said as %s", c.name, text)
		}
	}
}

func TestDeepConditionsNeedNoStack(t *testing.T) {
	const depth = 60000
	data := conditionSignature + "\xf8\x02\x00\x00\x00a\x00" + strings.Repeat("\xa2", depth)
	c, err := DecodeCondition(data)
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.Text(corp)
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("(!", depth) + "(a)" + strings.Repeat(")", depth); text != want {
		t.Errorf("%d bytes, want %d", len(text), len(want))
	}
	again, err := ParseConditionText(text, corp)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(again, c, func(a, b Token) bool { return a.Code == b.Code && a.Text == b.Text }) {
		t.Error("printed and read, it is another condition")
	}
	if _, err := ParseConditionText(strings.Repeat("(", 1<<20), corp); err == nil {
		t.Error("a million parentheses are a condition")
	}
}

func TestConditionOfAnotherACE(t *testing.T) {
	if _, err := (ACE{Type: Allow, Data: conditionSignature}).Condition(); err == nil {
		t.Error("an ordinary ACE has a condition")
	}
	c, err := (ACE{Type: DenyCallbackObject, Data: conditionSignature + "\xf8\x02\x00\x00\x00a\x00"}).Condition()
	if err != nil || len(c) != 1 || c[0].Code != TokenLocalAttribute {
		t.Errorf("got %v, %v", c, err)
	}
}

func FuzzParseConditionText(f *testing.F) {
	addCorpus(f, func(input string) { f.Add(input) })
	for _, text := range []string{
		"(a)", "(@User.a%0020b == {1, +0x2, -017, \"x\", #01, SID(DA)} || !(Exists b) && Not_Member_of_Any {SID(BA)})",
		"(a == (1) && Member_of ({SID(BA)}))", "(@User.a == @Device.b == 3)", "(!@Resource.a)", "((a) Contains {})", "(a == 0xffffffffffffffff)",
		"(@User.%d83d Any_of \"ä😀\")", "(17 < 017)", "(((", "(a@ != #)", "(Not_Exists @User.Not_Exists)",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConditionText(text, child)
		if err != nil {
			return
		}
		printed, err := c.Text(child)
		if err != nil {
			t.Fatalf("%q was read and cannot be said: %v", text, err)
		}
		decoded, err := DecodeCondition(string(c.Append(nil)))
		if err != nil {
			t.Fatalf("%q is %x: %v", text, c.Append(nil), err)
		}
		if got, err := decoded.Text(child); err != nil || got != printed {
			t.Fatalf("%q is printed as %q, and from its bytes as %q, %v", text, printed, got, err)
		}
		again, err := ParseConditionText(printed, child)
		if err != nil {
			t.Fatalf("%q is printed as %q: %v", text, printed, err)
		}
		if string(again.Append(nil)) != string(c.Append(nil)) {
			t.Fatalf("%q is %x; printed as %q it is %x", text, c.Append(nil), printed, again.Append(nil))
		}
	})
}

func FuzzDecodeCondition(f *testing.F) {
	addCorpus(f, func(input string) { f.Add([]byte(input)) })
	for _, text := range []string{"(a)", "(@User.a == {1, -017, \"x\", #01, SID(BA)} || !(Exists b) && Not_Member_of_Any {SID(BA)})", "(a == 0xffffffffffffffff)"} {
		c, err := ParseConditionText(text, child)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(c.Append(nil))
	}
	f.Add([]byte("artx"))
	f.Add([]byte("artx\xf8\x02\x00\x00\x00a\x00\xa2\xa2"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeCondition(string(data))
		if err != nil {
			return
		}
		encoded := c.Append(nil)
		if trimmed := strings.TrimRight(string(data), "\x00"); !strings.HasPrefix(string(encoded), trimmed) {
			t.Fatalf("%x is encoded as %x", data, encoded)
		}
		text, err := c.Text(child)
		if err != nil {
			return
		}
		// SDDL cannot say everything that bytes can, but it never says something else.
		again, err := ParseConditionText(text, child)
		if err != nil {
			return
		}
		if got, err := again.Text(child); err != nil || got != text || !sameTokens(again, c) {
			t.Fatalf("%x is printed as %q, which is read as %q, %v", data, text, got, err)
		}
	})
}
