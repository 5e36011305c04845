package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

func demoSchema(t testing.TB) *directory.Schema {
	t.Helper()
	c, err := demo.Capture()
	if err != nil {
		t.Fatal(err)
	}
	d, err := directory.LoadDomain(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s, err := directory.LoadSchema(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const header = "name: n\ntitle: T\nsource: s\nrules:\n"

func TestParseRefuses(t *testing.T) {
	rule := func(keys string) string { return header + "  - {id: a, source: s, " + keys + "}\n" }
	limit := func(keys string) string { return rule("limits: [{attribute: a, " + keys + "}]") }
	with := func(parameters, keys string) string {
		return "name: n\ntitle: T\nsource: s\nparameters: " + parameters + "\nrules:\n  - {id: a, source: s, " + keys + "}\n"
	}
	const plain = "  - {id: a, rights: [delete], scope: this-object, source: s}\n"
	const system = "entries: ['(A;;GA;;;SY)']"
	for _, c := range []struct{ name, text, at, want string }{
		{"nothing", "", "", "p.yaml:1: there is nothing in it; want a mapping with name, title, source and rules"},
		{"a comment", "# name: n\n", "", "p.yaml:1: there is nothing in it"},
		{"a document of nothing", "---\n", "", "p.yaml:1: there is nothing in it"},
		{"a list", "- a\n", "-", "policy: want a mapping with name, title, source"},
		{"text", "a\n", "a", "policy: want a mapping with name, title, source"},
		{"a null", "~\n", "~", `key "policy" is empty`},
		{"no YAML", "name: [\n", "", "p.yaml:2: did not find expected node content"},
		{"a list that is not closed", "title: T\nnotes:\n  - a\n  - [b\nname: n\n", "", "p.yaml:4: did not find expected ',' or ']'"},
		{"a tab", "name: n\n\ttitle: T\n", "", "p.yaml:2: found a tab character that violates indentation"},
		{"Latin-1", "name: n\ntitle: f\xfcr alle\n", "\xfc", "this is no UTF-8"},
		{"a control character", "name: n\ntitle: \x01\n", "", "p.yaml: control characters are not allowed"},
		{"a second document", header + plain + "---\nname: m\n", "---", "a second document follows"},
		{"a second document that is broken", header + plain + "---\nname: {\n", "", "p.yaml:8: did not find expected node content"},
		{"a second document that is empty", header + plain + "---\n", "---", "a second document follows"},
		{"more than a policy has", strings.Repeat("#", MaxText) + "\n", "", "p.yaml: longer than 1048576 bytes"},
		{"an unknown key", "name: n\ntitel: T\n", "titel", `key: unknown "titel" (did you mean "title"?)`},
		{"a key that is like none", "name: n\nzzzzzz: T\n", "zzzzzz", `key: unknown "zzzzzz", want one of include, name, notes, parameters, rules, source, title, verification`},
		{"a merge key", "name: n\n<<: {title: T}\n", "<", "merge keys are not read, write it out"},
		{"a merge key among parameters", "name: n\nparameters:\n  <<: {description: D}\n", "<", "merge keys are not read, write it out"},
		{"a key by reference", "notes: [&name x]\n*name : n\n", "*", `key "name": anchors and aliases are not read`},
		{"a parameter by reference", "notes: [&x x]\nparameters:\n  *x : {description: D}\n", "*", `key "x": anchors and aliases are not read`},
		{"a key with an anchor", "&x name: n\n", "&", `key "name": anchors and aliases are not read`},
		{"a key that is a list", "? [name]\n: n\n", "[", "a key is one text"},
		{"a key with a tag", "!!binary name: n\n", "!", "a key is one text"},
		{"a key twice", "name: n\nname: m\n", "name: m", `key "name" stands here twice`},
		{"a parameter twice", "name: n\nparameters:\n  x: {description: D}\n  x: {description: E}\n", "x: {description: E", `key "x" stands here twice`},
		{"no name", "title: T\nsource: s\nrules: []\n", "title", `key "name" is missing`},
		{"no title", "name: n\nsource: s\nrules: []\n", "name", `key "title" is missing`},
		{"no source", "name: n\ntitle: T\nrules: []\n", "name", `key "source" is missing`},
		{"no rules", "name: n\ntitle: T\nsource: s\n", "name", "a policy without rules asks for nothing"},
		{"an empty list of rules", "name: n\ntitle: T\nsource: s\nrules: []\n", "[", "rules: the list is empty"},
		{"rules that are no list", "name: n\ntitle: T\nsource: s\nrules: all\n", "all", "rules: want a list"},
		{"rules by reference", "notes: &n [a]\nrules: *n\n", "*", "rules: anchors and aliases are not read"},
		{"an anchor that nothing refers to", "notes: &n [a]\n", "&", "notes: anchors and aliases are not read"},
		{"a name that is a list", "name: [n]\n", "[", "name: want one text"},
		{"a name of two words", "name: a b\ntitle: T\nsource: s\ninclude: [x]\n", "a ", `name "a b": want letters, digits, - and _`},
		{"a name that looks like a file", "name: a.yaml\ntitle: T\nsource: s\ninclude: [x]\n", "a.yaml", `name "a.yaml": want letters`},
		{"a text with a tag", "name: !!binary bg==\n", "!", "name: the tag !!binary is not read"},
		{"a list with a tag", "notes: !!set [a]\n", "!", "notes: the tag !!set is not read"},
		{"a title of two lines", "title: |\n  a\n  b\n", "|", `title: want one line without control characters, found '\n'`},
		{"an escape of the terminal", `title: "a\e[2J"` + "\n", "\"", `title: want one line without control characters, found '\x1b'`},
		{"notes that are no list", "name: n\ntitle: T\nsource: s\nnotes: x\n", "x", "notes: want a list"},
		{"a verification that there is not", "verification: publishd\n", "publishd", `verification: unknown "publishd" (did you mean "published"?)`},
		{"one policy included twice", "name: n\ntitle: T\nsource: s\ninclude: [x, y, x]\n", "x]", "include: x is there twice"},

		{"no parameters", "parameters: {}\n", "{", "parameters: the mapping is empty"},
		{"parameters that are a list", "parameters: [x]\n", "[", "parameters: want a mapping from names to what they are"},
		{"a parameter that is text", "parameters: {x: y}\n", "y", "x: want a mapping with description"},
		{"a parameter that nobody describes", "parameters:\n  x: {kind: dn}\n", "{", `key "description" is missing`},
		{"a kind that there is not", "parameters: {x: {description: D, kind: nam}}\n", "nam", `kind: unknown "nam" (did you mean "name"?)`},
		{"a parameter of two words", with("{a b: {description: D}}", "rights: [delete], scope: this-object"), "{description", `parameter "a b": want letters, digits, - and _`},
		{"a parameter that nothing uses", with("{x: {description: D}}", "rights: [delete], scope: this-object"), "{description", "parameter x: no rule of this policy uses ${x}"},
		{"a default that is no DN", with("{x: {description: D, kind: dn, default: nowhere}}", "rights: [delete], scope: this-object, target: {dn: '${x}'}"), "nowhere", `parameter x: "nowhere" is no DN`},
		{"a default that is two components", with("{x: {description: D, kind: name, default: 'a,OU=b'}}", "rights: [delete], scope: this-object, target: {dn: 'CN=${x}'}"), "'", `parameter x: "a,OU=b" is not one plain component of a DN`},
		{"a default that refers to another one", with("{x: {description: D, default: '${y}'}}", "rights: [create-child], object: '${x}', scope: this-object"), "'", `parameter x: "${y}" refers to another one`},
		{"an unknown parameter", with("{contact: {description: D}}", "rights: [create-child, delete-child], object: '${contcat}', scope: this-object"), "'", `rule a: unknown parameter "contcat" (did you mean "contact"?); declare it under parameters`},
		{"an unknown parameter for a class", rule("rights: [delete], class: '${x}', scope: descendants"), "'", `rule a: unknown parameter "x"; declare it under parameters`},
		{"an unknown parameter in a target", rule("rights: [delete], scope: this-object, target: {dn: 'CN=x,${domain.dm}'}"), "{dn", `rule a: unknown parameter "domain.dm" (did you mean "domain.dn"?)`},
		{"an unknown parameter in a limit", limit("equals: '${x}'"), "'", `rule a: unknown parameter "x"`},
		{"an unknown parameter in the second value of a limit", limit("one-of: [y, '${x}']"), "'", `rule a: unknown parameter "x"`},
		{"an unknown parameter in what must be among values", limit("contains: '${x}'"), "'", `rule a: unknown parameter "x"`},
		{"an unknown parameter in what must not be among values", limit("without: '${x}'"), "'", `rule a: unknown parameter "x"`},
		{"an unknown parameter in an alternative", rule("any-of: [{rights: [delete], scope: this-object}, {rights: [create-child], object: '${x}', scope: this-object}]"), "'", `rule a: unknown parameter "x"`},
		{"what an audit knows is no class", rule("rights: [delete], class: '${account.name}', scope: descendants"), "'", `rule a: unknown parameter "account.name"`},
		{"a parameter that does not end", limit("equals: 'x${account.dn'"), "'", `rule a: "x${account.dn" begins a parameter and does not end it`},
		{"a parameter within a parameter", limit("equals: '${a${account.dn}}'"), "'", `rule a: "${a${account.dn}}" begins a parameter and does not end it`},
		{"free text in a DN", with("{x: {description: D}}", "rights: [delete], scope: this-object, target: {dn: 'CN=${x},${domain.dn}'}"), "{dn", "rule a: parameter x is part of a DN, so its kind is to be name or dn"},

		{"a rule that is text", header + "  - delete\n", "delete", "rules: want a mapping with id, source"},
		{"a rule by reference", header + "  - &a {id: a, rights: [delete], scope: this-object, source: s}\n  - *a\n", "&", "rules: anchors and aliases are not read, write it out"},
		{"an unknown key in a rule", header + "  - id: a\n    right: [delete]\n", "right", `key: unknown "right" (did you mean "rights"?)`},
		{"a key in a rule twice", header + "  - id: a\n    id: b\n", "id: b", `key "id" stands here twice`},
		{"a rule without a scope", header + "  - {id: a, rights: [delete], source: s}\n", "{", `rule a: key "scope" is missing`},
		{"a rule without a source", header + "  - {id: a, rights: [delete], scope: this-object}\n", "{", `key "source" is missing`},
		{"a rule without an id", header + "  - {source: s, rights: [delete], scope: this-object}\n", "{", `key "id" is missing`},
		{"an empty id", header + "  - {id: '', rights: [delete], scope: this-object, source: s}\n", "'", "key \"id\" is empty"},
		{"an id of two words", header + "  - {id: a b, rights: [delete], scope: this-object, source: s}\n", "a ", "rule a b: want an id of letters, digits, - and _"},
		{"an id with a line end", header + "  - {id: \"a\\n\", rights: [delete], scope: this-object, source: s}\n", "\"", "id: want one line"},
		{"an id twice", header + plain + "\n" + plain, "", `p.yaml:7:10: rule "a" was there already in line 5`},
		{"an id twice but for case", header + plain + "\n" + strings.Replace(plain, "id: a", "id: A", 1), "", `p.yaml:7:10: rule "A" was there already in line 5`},
		{"an id of letters that look like others", header + strings.Replace(plain, "id: a", "id: \u0430", 1), "", "p.yaml:5:10: rule \u0430: want an id of letters, digits, - and _"},
		{"a rule that asks for nothing", header + "  - {id: a, source: s}\n", "{", `rule a: key "rights" is missing, or one of any-of, limits, dacl in its place`},
		{"a rule of two kinds", rule("limits: [{attribute: a, absent: true}], rights: [delete], scope: this-object"), "[", "rule a: rights and limits are two rules"},
		{"a rule of alternatives and a DACL", rule("any-of: [{rights: [delete], scope: this-object}], dacl: {" + system + "}"), "{entries", "rule a: any-of and dacl are two rules"},
		{"no rights", rule("rights: [], scope: this-object"), "[", "rights: the list is empty"},
		{"rights that are no list", rule("rights: delete, scope: this-object"), "delete", "rights: want a list"},
		{"a right that there is not", rule("rights: [flyyyyyyyyy], scope: this-object"), "flyyyyyyyyy", `rights: unknown "flyyyyyyyyy", want one of full-control, read-all-properties, `},
		{"a right that was mistyped", rule("rights: [delete, write-propery], scope: this-object"), "write-propery", `rights: unknown "write-propery" (did you mean "write-property"?)`},
		{"a right in capitals", rule("rights: [Delete], scope: this-object"), "Delete", `rights: unknown "Delete" (did you mean "delete"?)`},
		{"a right that is nothing", rule("rights: [~], scope: this-object"), "~", "key \"rights\" is empty"},
		{"a right that is nothing beside one", rule("rights: [delete, ~], scope: this-object"), "~", "key \"rights\" is empty"},
		{"a right twice", rule("rights: [delete, delete], scope: this-object"), "delete]", "rule a: delete is there twice"},
		{"a class that was left blank", rule("rights: [delete], scope: descendants, class: "), "}", "key \"class\" is empty"},
		{"a class of blanks", rule("rights: [delete], scope: descendants, class: ' '"), "'", "key \"class\" is empty"},
		{"a class with a line end", rule(`rights: [delete], scope: descendants, class: "us\ner"`), "\"", "class: want one line"},
		{"a scope that there is not", rule("rights: [delete], scope: everywhere"), "everywhere", `scope: unknown "everywhere", want one of this-object, this-object-and-descendants, descendants, children`},
		{"a scope that was mistyped", rule("rights: [delete], scope: descendents"), "descendents", `scope: unknown "descendents" (did you mean "descendants"?)`},
		{"a scope of the dialog for another class", rule("rights: [delete], scope: Descendant user objects, class: group"), "group", `rule a: scope "Descendant user objects" is about user objects, class about group`},
		{"rights that take different objects", rule("rights: [create-child, write-property], object: user, scope: this-object"), "write-property", "rule a: create-child and write-property take different objects, make them two rules"},
		{"rights with and without an object", rule("rights: [delete, create-child], object: user, scope: this-object"), "create-child", "rule a: delete and create-child take different objects"},
		{"an object where none is taken", rule("rights: [delete], object: user, scope: this-object"), "user", "rule a: delete takes no object"},
		{"no object where one is needed", rule("rights: [create-child], scope: this-object"), "[", "rule a: create-child needs an object"},
		{"a class for the object itself", rule("rights: [delete], scope: this-object, class: user"), "user", "rule a: scope this-object takes no class, for it reaches the target itself"},
		{"a class for the object and below", rule("rights: [delete], scope: this-object-and-descendants, class: user"), "user", "rule a: scope this-object-and-descendants takes no class"},
		{"a class for the object itself in the words of the dialog", rule("rights: [delete], scope: This object only, class: user"), "user", "rule a: scope this-object takes no class"},
		{"an optional that is not yes or no", rule("rights: [create-child], object: user, scope: this-object, optional: perhaps"), "perhaps", "optional: want true or false"},
		{"an optional in quotes", rule("rights: [create-child], object: user, scope: this-object, optional: 'true'"), "'", "optional: want true or false"},
		{"an optional rule that names nothing", rule("rights: [delete], scope: this-object, optional: true"), "true", "rule a: optional says nothing, for the rule names nothing that a schema may lack"},
		{"an optional DACL", rule("optional: true, dacl: {" + system + "}"), "true", "rule a: optional says nothing"},
		{"a severity that there is not", rule("rights: [delete], scope: this-object, severity: warn"), "warn", `severity: unknown "warn", want one of error, warning`},
		{"a severity that was mistyped", rule("rights: [delete], scope: this-object, severity: eror"), "eror", `severity: unknown "eror" (did you mean "error"?)`},
		{"a verification of a rule that there is not", rule("rights: [delete], scope: this-object, verification: infered"), "infered", `verification: unknown "infered" (did you mean "inferred"?)`},

		{"one alternative", rule("any-of: [{rights: [delete], scope: this-object}]"), "[", "rule a: one alternative is none"},
		{"an alternative without rights", rule("any-of: [{scope: this-object}, {rights: [delete], scope: this-object}]"), "{scope", `rule a: key "rights" is missing`},
		{"an alternative without a scope", rule("any-of: [{rights: [delete], scope: this-object}, {rights: [delete]}]"), "{rights: [delete]}", `rule a: key "scope" is missing`},
		{"an alternative that is wrong", rule("any-of: [{rights: [delete], scope: this-object}, {rights: [delete], object: x, scope: this-object}]"), "x", "rule a: delete takes no object"},
		{"a class beside alternatives", rule("any-of: [{rights: [delete], scope: this-object}, {rights: [list-object], scope: this-object}], class: user"), "user", "rule a: class does not go with any-of"},
		{"a scope beside limits", rule("scope: this-object, limits: [{attribute: a, absent: true}]"), "this-object", "rule a: scope does not go with limits"},
		{"an object beside a DACL", rule("object: user, dacl: {" + system + "}"), "user", "rule a: object does not go with dacl"},
		{"forbidden alternatives", rule("forbidden: true, any-of: [{rights: [delete], scope: this-object}, {rights: [list-object], scope: this-object}]"), "true", "rule a: only rights can be forbidden"},
		{"forbidden limits", rule("forbidden: true, limits: [{attribute: a, absent: true}]"), "true", "rule a: only rights can be forbidden"},
		{"forbidden full control", rule("forbidden: true, rights: [full-control], scope: this-object"), "[", "rule a: forbidden full-control would let everything but one right pass"},

		{"a target that there is not", rule("rights: [delete], scope: this-object, target: domain-rot"), "domain-rot", `rule a: target: unknown "domain-rot" (did you mean "domain-root"?), or a mapping with dn`},
		{"a target that is a DN", rule("rights: [delete], scope: this-object, target: 'DC=corp,DC=example'"), "'", `rule a: target: unknown "DC=corp,DC=example", want one of domain-root, every-domain, `},
		{"a target that is a list", rule("rights: [delete], scope: this-object, target: [system]"), "[system", "target: want a mapping with dn, place, under"},
		{"an empty target", rule("rights: [delete], scope: this-object, target: {}"), "{}", "target: the mapping is empty"},
		{"a place in a mapping that there is not", rule("rights: [delete], scope: this-object, target: {place: sytem}"), "sytem", `place: unknown "sytem" (did you mean "system"?)`},
		{"under a place that there is not", rule("rights: [delete], scope: this-object, target: {dn: CN=x, under: sytem}"), "sytem", `under: unknown "sytem" (did you mean "system"?)`},
		{"two targets", rule("rights: [delete], scope: this-object, target: {place: system, dn: CN=x}"), "{place", "rule a: target: place and dn are two targets"},
		{"a place under another one", rule("rights: [delete], scope: this-object, target: {place: system, under: domain-root}"), "{place", "rule a: target: place and dn are two targets"},
		{"under without a dn", rule("rights: [delete], scope: this-object, target: {under: system}"), "{under", "rule a: target: under without dn"},
		{"under every domain", rule("rights: [delete], scope: this-object, target: {dn: CN=x, under: every-domain}"), "{dn", "rule a: target: nothing is under every-domain"},
		{"a target that is no DN", rule("rights: [delete], scope: this-object, target: {dn: nowhere}"), "{dn", `rule a: target: dn "nowhere" is no DN`},
		{"a target without the name of an attribute", rule("rights: [delete], scope: this-object, target: {dn: '=x', under: system}"), "{dn", `rule a: target: dn "=x" is no DN`},

		{"limits that are a mapping", rule("limits: {attribute: a}"), "{attribute", "limits: want a list"},
		{"a limit without an attribute", rule("limits: [{absent: true}]"), "{absent", `key "attribute" is missing`},
		{"an attribute that is none", rule("limits: [{attribute: '${x}', absent: true}]"), "'", `rule a: ${x}: "${x}" is no lDAPDisplayName`},
		{"a key of a limit that there is not", limit("bit-set: 1"), "bit-set", `key: unknown "bit-set" (did you mean "bits-set"?)`},
		{"a limit that says nothing", rule("limits: [{attribute: a}]"), "{attribute", "rule a: a: the limit says nothing"},
		{"a limit that says no", limit("absent: false"), "{attribute", "rule a: a: the limit says nothing"},
		{"absent and present", limit("absent: true, present: true"), "true", "rule a: a: without a value, nothing else can hold"},
		{"absent and without bits", limit("absent: true, bits-clear: 1"), "true", "rule a: a: without a value, nothing else can hold"},
		{"absent and without a value of its own", limit("absent: true, without: x"), "true", "rule a: a: without a value, nothing else can hold"},
		{"equals and one-of", limit("equals: x, one-of: [x, y]"), "[x", "rule a: a: equals says which one already"},
		{"equals and contains", limit("equals: x, contains: y"), "x", "rule a: a: equals says all that the others could"},
		{"one-of and at-least", limit("one-of: [1, 2], at-least: 3"), "[1", "rule a: a: one-of says all that the others could"},
		{"contains and without", limit("contains: x, without: X"), "X", "rule a: a: contains says the contrary"},
		{"more than at most", limit("at-least: 3, at-most: 2"), "2", "rule a: a: nothing is at least 3 and at most 2"},
		{"bits that are set and clear", limit("bits-set: 6, bits-clear: 0x3"), "0x3", "rule a: a: bits 0x2 are to be set and clear"},
		{"no bits that are set", limit("bits-set: 0"), "0", "rule a: a: want bits such as 0x2, found 0"},
		{"no bits that are clear", limit("bits-clear: 0"), "0", "rule a: a: want bits such as 0x2, found 0"},
		{"bits below nothing", limit("bits-set: -1"), "-1", "rule a: a: want bits such as 0x2, found -1"},
		{"a number that is text", limit("at-least: many"), "many", "at-least: want a whole number"},
		{"a number in quotes", limit("at-least: '5'"), "'", "at-least: want a whole number"},
		{"a number with a point", limit("at-least: 1.5"), "1.5", "at-least: want a whole number"},
		{"a number that is eight or ten", limit("at-least: 010"), "010", "at-least: want a whole number"},
		{"a number of 65 bits", limit("at-least: 0x8000000000000000"), "0x8000000000000000", "at-least: want a whole number"},
		{"an empty value of one", limit("one-of: [a, '']"), "'", `key "one-of" is empty`},

		{"a DACL without entries", rule("dacl: {protected: true}"), "{protected", `key "entries" is missing`},
		{"an entry that is no SDDL", rule("dacl: {entries: ['(A;;GA;;;SY)', all]}"), "all", "rule a: entry all: SDDL, byte 0: "},
		{"two entries in one", rule("dacl: {entries: ['(A;;GA;;;SY)(A;;GA;;;BA)']}"), "'", "rule a: entry (A;;GA;;;SY)(A;;GA;;;BA): SDDL, byte 12: "},
		{"the flags of a DACL", rule("dacl: {entries: ['P(A;;GA;;;SY)']}"), "'", "rule a: entry P(A;;GA;;;SY): SDDL, byte 0: "},
		{"a variable in an entry", rule("dacl: {entries: ['(A;;GA;;;${account.sid})']}"), "'", "rule a: entry (A;;GA;;;${account.sid}): SDDL, byte "},
		{"an entry that denies", rule("dacl: {entries: ['(D;;GA;;;SY)']}"), "'", "rule a: entry (D;;GA;;;SY): want an entry that allows without a condition"},
		{"an entry with a condition", rule("dacl: {entries: ['(XA;;GA;;;SY;(Exists a))']}"), "'", "rule a: entry (XA;;GA;;;SY;(Exists a)): want an entry that allows without a condition"},
		{"an inherited entry", rule("dacl: {entries: ['(A;ID;GA;;;SY)']}"), "'", "rule a: entry (A;ID;GA;;;SY): an inherited entry is none of the explicit ones"},
		{"an entry for nothing", rule("dacl: {entries: ['(A;;;;;SY)']}"), "'", "rule a: entry (A;;;;;SY): it allows nothing"},
		{"an entry twice", rule("dacl: {entries: ['(A;;GA;;;SY)', '(A;;GA;;;SY)']}"), "'(A;;GA;;;SY)']", "rule a: entry (A;;GA;;;SY): it is there twice"},
		{"whoever may be that is no trustee", rule("dacl: {" + system + ", may: [PS, nobody]}"), "nobody", "rule a: may nobody: want a SID or an alias of SDDL such as PS"},
		{"whoever may be with a group", rule("dacl: {" + system + ", may: ['SYG:BA']}"), "'SYG", "rule a: may SYG:BA: want one SID or alias"},
		{"whoever may be with a DACL", rule("dacl: {" + system + ", may: ['SYD:(A;;GA;;;WD)']}"), "'SYD", "rule a: may SYD:(A;;GA;;;WD): want one SID or alias"},

		{"an empty condition", rule("rights: [delete], scope: this-object, when: {}"), "{}", "when: the mapping is empty"},
		{"a condition that is none", rule("rights: [delete], scope: this-object, when: {exchange: false}"), "{exchange", "rule a: the condition is empty"},
		{"a condition that nothing can be", rule("rights: [delete], scope: this-object, when: {schema: [user, '${x}']}"), "'", `rule a: when: "${x}" is no lDAPDisplayName`},
		{"a condition that there is not", rule("rights: [delete], scope: this-object, when: {exchang: true}"), "exchang", `key: unknown "exchang" (did you mean "exchange"?)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.want
			if c.at != "" {
				before, _, found := strings.Cut(c.text, c.at)
				if !found {
					t.Fatalf("%q is not there", c.at)
				}
				want = fmt.Sprintf("p.yaml:%d:%d: %s", strings.Count(before, "\n")+1, len(before)-strings.LastIndex(before, "\n"), want)
			}
			p, err := Parse("p.yaml", []byte(c.text))
			var at *Error
			if p != nil || !errors.As(err, &at) || at.File != "p.yaml" {
				t.Fatalf("%+v, %v", p, err)
			}
			if !slices.ContainsFunc(strings.Split(err.Error(), "\n"), func(line string) bool { return strings.HasPrefix(line, want) }) {
				t.Errorf("%v\nwant %s", err, want)
			}
		})
	}
}

// Who wrote a policy sees all that is wrong with it at once, in the order of the file.
func TestParseSaysAllThatIsWrong(t *testing.T) {
	text := `name: n
titel: T
rules:
  - id: a
    rights: [delte, delete]
    scope: evrywhere
  - id: b
    source: s
    optional: maybe
    limits: [{absent: yes}]
`
	want := `p.yaml:1:1: key "title" is missing
p.yaml:1:1: key "source" is missing
p.yaml:2:1: key: unknown "titel" (did you mean "title"?)
p.yaml:4:5: key "source" is missing
p.yaml:5:14: rights: unknown "delte" (did you mean "delete"?)
p.yaml:6:12: scope: unknown "evrywhere", want one of this-object, this-object-and-descendants, descendants, children
p.yaml:9:15: optional: want true or false
p.yaml:10:14: key "attribute" is missing
p.yaml:10:23: absent: want true or false`
	if _, err := Parse("p.yaml", []byte(text)); err == nil || err.Error() != want {
		t.Errorf("got:\n%v\nwant:\n%s", err, want)
	}

	// Contradictions are told once everything could be read, of every rule.
	text = `name: n n
title: T
source: s
parameters:
  z: {description: D}
  y: {description: D}
rules:
  - {id: a, source: s, rights: [delete], scope: children, object: user}
  - {id: b, source: s, limits: [{attribute: a}]}
  - {id: c, source: s, rights: [create-child], object: '${x}', scope: this-object}
`
	want = `p.yaml:1:7: name "n n": want letters, digits, - and _
p.yaml:5:6: parameter z: no rule of this policy uses ${z}
p.yaml:6:6: parameter y: no rule of this policy uses ${y}
p.yaml:8:67: rule a: delete takes no object
p.yaml:9:33: rule b: a: the limit says nothing
p.yaml:10:56: rule c: unknown parameter "x"; declare it under parameters`
	for range 10 {
		if _, err := Parse("p.yaml", []byte(text)); err == nil || err.Error() != want {
			t.Fatalf("got:\n%v\nwant:\n%s", err, want)
		}
	}
}

// What is small and stands for much, or is much, is refused in little time and with few words.
func TestParseBombs(t *testing.T) {
	laughs := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 30 {
		laughs += fmt.Sprintf("a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i+1, i+1, i, i, i, i, i, i, i, i, i, i)
	}
	pair := "  - {id: a%d, source: s, %srights: [list-object, create-child], object: x, scope: this-object}\n"
	many := header
	for i := range 3000 {
		many += fmt.Sprintf(pair, 2*i, "") + fmt.Sprintf(pair, 2*i+1, "forbidden: true, ")
	}
	for _, c := range []struct{ name, text string }{
		{"aliases of aliases", laughs + "notes: *a30\n"},
		{"an alias of itself", "notes: &a [*a]\n"},
		{"lists in lists", "notes: " + strings.Repeat("[", 500_000) + "\n"},
		{"mappings in mappings", strings.Repeat("{notes: ", 100_000) + "\n"},
		{"unknown keys", strings.Repeat("a:\n", 100_000)},
		{"wrong rules", header + strings.Repeat("- a\n", 20_000)},
		{"rules that take what they do not", many},
		{"variables", header + "  - {id: a, source: s, limits: [{attribute: a, equals: '" + strings.Repeat("${account.dn}", 70_000) + "${'}]}\n"},
		{"a long word", "name: n\n" + strings.Repeat("n", 100_000) + ": x\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			begun := time.Now()
			_, err := Parse("p.yaml", []byte(c.text))
			if took := time.Since(begun); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			var at *Error
			if !errors.As(err, &at) || at.File != "p.yaml" {
				t.Fatal(err)
			}
			if lines := strings.Count(err.Error(), "\n") + 1; lines > maxErrors+1 {
				t.Errorf("%d errors", lines)
			}
		})
	}
	_, err := Parse("p.yaml", []byte(many))
	if err == nil || !strings.HasPrefix(err.Error(), "p.yaml:5:47: rule a0: ") || !strings.HasSuffix(err.Error(), "\np.yaml: and 5950 more") {
		t.Errorf("%v", err)
	}
	_, err = Parse("p.yaml", []byte(header+strings.Repeat("- a\n", 60)))
	if err == nil || !strings.HasSuffix(err.Error(), "\np.yaml: and 10 more") {
		t.Errorf("%v", err)
	}
}

func TestParseWindowsText(t *testing.T) {
	text := header + "  - {id: a, rights: [delete], scope: this-object, source: s}\n"
	wide := []byte{0xff, 0xfe}
	for _, r := range utf16.Encode([]rune(text)) {
		wide = append(wide, byte(r), byte(r>>8))
	}
	for _, c := range []struct{ name, text string }{
		{"a mark of UTF-8", "\ufeff" + text},
		{"ends of lines of Windows", strings.ReplaceAll(text, "\n", "\r\n")},
		{"UTF-16 with its mark", string(wide)},
	} {
		if p, err := Parse("p.yaml", []byte(c.text)); err != nil || p.Name != "n" || p.Rules[0].ID != "a" {
			t.Errorf("%s: %+v, %v", c.name, p, err)
		}
	}
}

func TestParse(t *testing.T) {
	text := `# a comment
name: n
title: T
source: s
verification: inferred
notes: [one, two]
include: [cloud-sync-custom-gmsa]
parameters:
  container:
    description: Where.
    kind: dn
    default: OU=x,DC=corp,DC=example
rules:
  - id: a
    rights: [create-child, delete-child]
    object: user
    scope: this-object-and-descendants
    target: {dn: "${container}"}
    when: {exchange: true, schema: [user, mail]}
    optional: true
    severity: warning
    verification: unverified
    why: >
      because
      of that
    source: row 1
  - {id: b, rights: [full-control], scope: descendants, class: group, target: every-domain, source: row 2}
  - id: c
    any-of:
      - {rights: [delete], scope: this-object}
      - {rights: [delete-child], object: user, scope: this-object}
    target: {dn: "CN=x", under: system}
    source: row 3
  - {id: d, forbidden: true, rights: [modify-owner], scope: children, source: row 4}
  - id: e
    limits:
      - {attribute: one, absent: true}
      - {attribute: two, present: true}
      - {attribute: three, equals: 5}
      - {attribute: four, one-of: [x, "${account.dn}"]}
      - {attribute: five, contains: x, without: y}
      - {attribute: six, at-least: -1, at-most: 2, bits-set: 0x10, bits-clear: 3}
    source: row 5
  - id: f
    dacl:
      protected: true
      entries: ["(A;;GA;;;DA)", "(OA;CIIO;RP;;bf967aba-0de6-11d0-a285-00aa003049e2;EA)"]
      may: [PS, S-1-5-18]
    target: {place: account}
    source: row 6
`
	p, err := Parse("p.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "n" || p.Title != "T" || p.Source != "s" || p.Verification != Inferred || !slices.Equal(p.Notes, []string{"one", "two"}) ||
		!slices.Equal(p.Include, []string{"cloud-sync-custom-gmsa"}) || string(p.Text) != text || len(p.Rules) != 6 {
		t.Fatalf("%+v", p)
	}
	if c := p.Parameters["container"]; c == nil || c.Description != "Where." || c.Kind != DNParameter || c.Default != "OU=x,DC=corp,DC=example" {
		t.Errorf("%+v", c)
	}
	a, b, c, d, e, f := p.Rules[0], p.Rules[1], p.Rules[2], p.Rules[3], p.Rules[4], p.Rules[5]
	if a.ID != "a" || !slices.Equal(a.Rights, []RightName{"create-child", "delete-child"}) || a.Object != "user" ||
		a.Scope != "this-object-and-descendants" || a.Class != "" || !a.Optional || a.Why != "because of that" || a.Source != "row 1" ||
		a.Severity != SeverityWarning || a.Verification != Unverified || a.Target != (Target{DN: "${container}"}) ||
		!a.When.Exchange || !slices.Equal(a.When.Schema, []string{"user", "mail"}) {
		t.Errorf("%+v", a)
	}
	if b.ID != "b" || b.Class != "group" || b.Optional || b.Object != "" || b.Target != (Target{Place: EveryDomain}) || b.When != nil || b.Severity != "" {
		t.Errorf("%+v", b)
	}
	if len(c.AnyOf) != 2 || c.Rights != nil || c.AnyOf[1].Object != "user" || c.Target != (Target{DN: "CN=x", Under: System}) {
		t.Errorf("%+v", c)
	}
	if !d.Forbidden || d.Scope != "children" {
		t.Errorf("%+v", d)
	}
	six := e.Limits[5]
	if len(e.Limits) != 6 || !e.Limits[0].Absent || !e.Limits[1].Present || e.Limits[2].Equals != "5" || !slices.Equal(e.Limits[3].OneOf, []string{"x", "${account.dn}"}) ||
		e.Limits[4].Contains != "x" || e.Limits[4].Without != "y" || *six.AtLeast != -1 || *six.AtMost != 2 || *six.BitsSet != 16 || *six.BitsClear != 3 {
		t.Errorf("%+v", e.Limits)
	}
	if !f.DACL.Protected || len(f.DACL.Entries) != 2 || !slices.Equal(f.DACL.May, []string{"PS", "S-1-5-18"}) || f.Target != (Target{Place: AccountItself}) {
		t.Errorf("%+v", f.DACL)
	}
	// Attributes and DACLs are looked at where nothing is said on the account, rights where the audit looks.
	e.Target = Target{}
	for _, x := range []struct {
		rule *Rule
		want Target
	}{{&a, Target{DN: "${container}"}}, {&d, Target{}}, {&e, Target{Place: AccountItself}}, {&f, Target{Place: AccountItself}}} {
		if got := x.rule.Aim(); got != x.want {
			t.Errorf("%s looks at %+v, want %+v", x.rule.ID, got, x.want)
		}
	}
}

// Every alias that an audit can know may stand in a DACL, and none that it cannot.
func TestAliasesInDACL(t *testing.T) {
	for _, c := range []struct {
		trustee string
		known   bool
	}{{"SY", true}, {"DA", true}, {"EA", true}, {"S-1-5-21-1-2-3-500", true}, {"LA", false}, {"ZZ", false}} {
		for _, dacl := range []string{"entries: ['(A;;GA;;;" + c.trustee + ")']", "entries: ['(A;;GA;;;SY)'], may: [" + c.trustee + "]"} {
			if _, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, dacl: {"+dacl+"}}\n")); (err == nil) != c.known {
				t.Errorf("%s: %v", dacl, err)
			}
		}
	}
}

// One rule that forbids what another one asks for can never pass beside it.
func TestContradictions(t *testing.T) {
	const (
		delete   = "rights: [delete], scope: this-object"
		noDelete = "forbidden: true, " + delete
	)
	for _, c := range []struct {
		name, yes, no string
		contradicts   bool
	}{
		{"the same", delete, noDelete, true},
		{"one of two", "rights: [delete, list-object], scope: this-object", noDelete, true},
		{"another right", "rights: [list-object], scope: this-object", noDelete, false},
		{"another target", delete + ", target: system", noDelete, false},
		{"the same target", delete + ", target: system", noDelete + ", target: system", true},
		{"full control", "rights: [full-control], scope: this-object", noDelete, true},
		{"full control and a part of an object", "rights: [full-control], scope: this-object", "forbidden: true, rights: [write-property], object: member, scope: this-object", true},
		{"every property and one", "rights: [write-all-properties], scope: this-object", "forbidden: true, rights: [write-property], object: member, scope: this-object", true},
		{"one property and every one", "rights: [write-property], object: member, scope: this-object", "forbidden: true, rights: [write-all-properties], scope: this-object", true},
		{"one property and another", "rights: [write-property], object: member, scope: this-object", "forbidden: true, rights: [write-property], object: mail, scope: this-object", false},
		{"a property in other letters", "rights: [write-property], object: member, scope: this-object", "forbidden: true, rights: [write-property], object: Member, scope: this-object", true},
		{"reading and writing", "rights: [read-property], object: member, scope: this-object", "forbidden: true, rights: [write-property], object: member, scope: this-object", false},
		{"the target and below", "rights: [delete], scope: descendants", noDelete, false},
		{"the target and children", "rights: [delete], scope: children", noDelete, false},
		{"children and all below", "rights: [delete], scope: children", "forbidden: true, rights: [delete], scope: descendants", true},
		{"the target and below, and the target", "rights: [delete], scope: this-object-and-descendants", noDelete, true},
		{"children, and the target and below", "rights: [delete], scope: children", "forbidden: true, rights: [delete], scope: this-object-and-descendants", true},
		{"scopes of the dialog", "rights: [delete], scope: Child objects", "forbidden: true, rights: [delete], scope: Descendant user objects", true},
		{"two classes", "rights: [delete], scope: descendants, class: user", "forbidden: true, rights: [delete], scope: descendants, class: group", false},
		{"a class and every one", "rights: [delete], scope: descendants, class: user", "forbidden: true, rights: [delete], scope: descendants", true},
		{"every alternative", "any-of: [{" + delete + "}, {rights: [full-control], scope: this-object}]", noDelete, true},
		{"one alternative", "any-of: [{" + delete + "}, {rights: [delete-subtree], scope: this-object}]", noDelete, false},
		{"both forbidden", noDelete, noDelete, false},
		{"attributes", "limits: [{attribute: a, absent: true}]", noDelete, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, "+c.yes+"}\n  - {id: b, source: s, "+c.no+"}\n"))
			if !c.contradicts {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), "p.yaml:6:") || !strings.HasSuffix(err.Error(), ": rule b: rule a in line 5 asks for what this one forbids") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestScopesOfTheDialog(t *testing.T) {
	for _, c := range []struct {
		said, scope, class string
	}{
		{"This object only", "this-object", ""},
		{"this object only", "this-object", ""},
		{"This object and all descendant objects", "this-object-and-descendants", ""},
		{"Descendant objects", "descendants", ""},
		{"All descendant objects", "descendants", ""},
		{"Descendant user objects", "descendants", "user"},
		{"Descendant InetOrgPerson objects", "descendants", "InetOrgPerson"},
		{"Descendant msDS-GroupManagedServiceAccount objects", "descendants", "msDS-GroupManagedServiceAccount"},
		{"Descendant Organizational Unit objects", "descendants", "Organizational Unit"},
		{"Child objects", "children", ""},
		{"All child objects only", "children", ""},
		{"Children only", "children", ""},
		{"Child computer objects", "children", "computer"},
		{"descendants", "descendants", ""},
		{"Descendants of all kinds", "", ""},
		{"This object", "", ""},
		{"Descendant objects of class user", "", ""},
	} {
		p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, rights: [delete], scope: "+c.said+"}\n"))
		if c.scope == "" {
			if err == nil || !strings.Contains(err.Error(), "p.yaml:5:49: scope: unknown ") {
				t.Errorf("%s: %v", c.said, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.said, err)
			continue
		}
		if r := p.Rules[0]; r.Scope != ScopeName(c.scope) || r.Class != c.class {
			t.Errorf("%s: scope %s of %q", c.said, r.Scope, r.Class)
		}
	}
	p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, rights: [delete], scope: Descendant User objects, class: user}\n"))
	if err != nil || p.Rules[0].Class != "user" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestRuleInWords(t *testing.T) {
	for _, c := range []struct{ rule, access, where string }{
		{"rights: [full-control], scope: descendants, class: group", "Full control", "Descendant group objects"},
		{"rights: [full-control], scope: descendants", "Full control", "Descendant objects"},
		{"rights: [create-child, delete-child], object: user, scope: this-object-and-descendants", "Create user objects, Delete user objects", "This object and all descendant objects"},
		{"rights: [read-property, write-property], object: member, scope: children, class: group", "Read member, Write member", "Child group objects"},
		{"rights: [extended-right], object: DS-Replication-Get-Changes, scope: this-object", "DS-Replication-Get-Changes", "This object only"},
		{"rights: [validated-write], object: Validated-DNS-Host-Name, scope: this-object", "Validated write to Validated-DNS-Host-Name", "This object only"},
		{"rights: [read-all-properties, list-contents, delete-subtree], scope: this-object", "Read all properties, List contents, Delete subtree", "This object only"},
		{"rights: [create-child], object: 100%s, scope: this-object", "Create 100%s objects", "This object only"},
		{"rights: [delete], scope: children, class: 100%s", "Delete", "Child 100%s objects"},
		{"forbidden: true, rights: [modify-owner], scope: this-object", "Not: Modify owner", "This object only"},
		{"any-of: [{rights: [delete], scope: this-object}, {rights: [delete-child], object: user, scope: this-object}]", "Delete or Delete user objects", "This object only"},
		{"any-of: [{rights: [delete], scope: children}, {rights: [delete], scope: descendants}]", "Delete", "Child objects or Descendant objects"},
		{"limits: [{attribute: a, absent: true}, {attribute: b, present: true, without: x}]", "a without a value, b with a value and has not x", "This object only"},
		{"limits: [{attribute: a, equals: x}, {attribute: b, one-of: [x, y]}, {attribute: c, contains: x}]", "a is x, b is one of x, y, c has x", "This object only"},
		{"limits: [{attribute: a, at-least: 1, at-most: 2, bits-set: 16, bits-clear: 32}]", "a is at least 1 and is at most 2 and has bits 0x10 and has no bits of 0x20", "This object only"},
		{"dacl: {entries: ['(A;;GA;;;SY)']}", "no explicit entries but 1 listed ones", "This object only"},
		{"dacl: {protected: true, entries: ['(A;;GA;;;SY)']}", "no explicit entries but 1 listed ones, inheritance blocked", "This object only"},
	} {
		p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, "+c.rule+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Rules[0].Access(); got != c.access {
			t.Errorf("%s: access %q, want %q", c.rule, got, c.access)
		}
		if got := p.Rules[0].AppliesTo(); got != c.where {
			t.Errorf("%s: applies to %q, want %q", c.rule, got, c.where)
		}
	}
}

func TestTargetInWords(t *testing.T) {
	for _, c := range []struct {
		target Target
		want   string
	}{
		{Target{}, ""},
		{Target{Place: System}, "system"},
		{Target{DN: "CN=x"}, "CN=x"},
		{Target{DN: "CN=x", Under: System}, "CN=x under system"},
	} {
		if got := c.target.String(); got != c.want || c.target.IsZero() != (c.want == "") {
			t.Errorf("%+v: %q", c.target, got)
		}
	}
}

const bound = `name: n
title: T
source: s
parameters:
  base: {description: Where it looks., kind: dn, default: "OU=x,DC=corp,DC=example"}
  box: {description: The name of the container., kind: name}
  class: {description: What it makes}
rules:
  - {id: a, source: s, rights: [create-child], object: "${class}", scope: this-object, target: {dn: "CN=${box},${base}"}}
  - {id: b, source: s, rights: [delete], scope: descendants, class: "x-${class}-${class}", target: {dn: "CN=${box},${domain.dn}"}}
  - {id: c, source: s, any-of: [{rights: [create-child], object: "${class}", scope: this-object}, {rights: [delete], scope: this-object}]}
  - {id: d, source: s, limits: [{attribute: a, equals: "${class} of ${account.name}"}, {attribute: b, one-of: ["${box}", "y"]}, {attribute: c, contains: "${base}", without: "$${class}"}]}
`

func TestBind(t *testing.T) {
	p, err := Parse("p.yaml", []byte(bound))
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Bind(map[string]string{"box": "Box $& 1", "class": "user", "other": "is another policy's"})
	if err != nil {
		t.Fatal(err)
	}
	a, b, c, d := got.Rules[0], got.Rules[1], got.Rules[2], got.Rules[3]
	for _, x := range []struct{ got, want string }{
		{a.Object, "user"},
		{a.Target.DN, "CN=Box $& 1,OU=x,DC=corp,DC=example"},
		{b.Class, "x-user-user"},
		{b.Target.DN, "CN=Box $& 1,${domain.dn}"},
		{c.AnyOf[0].Object, "user"},
		{d.Limits[0].Equals, "user of ${account.name}"},
		{d.Limits[1].OneOf[0], "Box $& 1"},
		{d.Limits[2].Contains, "OU=x,DC=corp,DC=example"},
		{d.Limits[2].Without, "$user"},
		{fmt.Sprint(got.Values), "map[base:OU=x,DC=corp,DC=example box:Box $& 1 class:user]"},
		{string(got.Text), bound},
	} {
		if x.got != x.want {
			t.Errorf("got %q, want %q", x.got, x.want)
		}
	}
	// The policy itself can be bound again, to something else.
	if again, err := p.Bind(map[string]string{"box": "2", "class": "group"}); err != nil || again.Rules[0].Object != "group" || again.Rules[2].AnyOf[0].Object != "group" ||
		again.Rules[3].Limits[1].OneOf[0] != "2" || again.Rules[3].Limits[0].Equals != "group of ${account.name}" || p.Values != nil {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestBindRefuses(t *testing.T) {
	p, err := Parse("p.yaml", []byte(bound))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		values map[string]string
		want   string
	}{
		{"none", nil, "policy n: parameter box has no value: The name of the container; give it with --param box=VALUE\npolicy n: parameter class has no value: What it makes; give it with --param class=VALUE"},
		{"an empty one", map[string]string{"box": "b", "class": ""}, "policy n: parameter class: the value is empty"},
		{"an empty one for a default", map[string]string{"box": "b", "class": "c", "base": ""}, "policy n: parameter base: the value is empty"},
		{"blanks", map[string]string{"box": "b", "class": " "}, "policy n: parameter class: the value is empty"},
		{"another component in a name", map[string]string{"box": "b,OU=Domain Controllers", "class": "c"}, `policy n: parameter box: "b,OU=Domain Controllers" is not one plain component of a DN`},
		{"another attribute in a name", map[string]string{"box": "b+OU=x", "class": "c"}, `policy n: parameter box: "b+OU=x" is not one plain component of a DN`},
		{"blanks that would have to be escaped", map[string]string{"box": " b"}, `policy n: parameter box: " b" is not one plain component of a DN`},
		{"an escape in a name", map[string]string{"box": `b\`, "class": "c"}, `policy n: parameter box: "b\\" is not one plain component of a DN`},
		{"a quote in a name", map[string]string{"box": `b"`, "class": "c"}, `policy n: parameter box: "b\"" is not one plain component of a DN`},
		{"no DN", map[string]string{"box": "b", "class": "c", "base": "Sync"}, `policy n: parameter base: "Sync" is no DN such as OU=Sync,DC=corp,DC=example`},
		{"a variable in a value", map[string]string{"box": "b", "class": "${account.dn}"}, `policy n: parameter class: "${account.dn}" refers to another one`},
		{"the beginning of a variable", map[string]string{"box": "b${", "class": "c"}, `policy n: parameter box: "b${" refers to another one`},
		{"the end of a line", map[string]string{"box": "b\nc", "class": "c"}, `policy n: parameter box: "b\nc" has control characters`},
		{"an escape of the terminal", map[string]string{"box": "b", "class": "\u009b2J"}, `policy n: parameter class: "\u009b2J" has control characters`},
		{"no UTF-8", map[string]string{"box": "b\xff", "class": "c"}, `policy n: parameter box: "b\xff" has control characters or is no UTF-8`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := p.Bind(c.values); err == nil || got != nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%+v, %v\nwant %s", got, err, c.want)
			}
		})
	}

	// A DN that becomes one by its value alone.
	for _, target := range []string{"{dn: '${x}'}", "{dn: '${x}', under: system}"} {
		p, err = Parse("p.yaml", []byte("name: n\ntitle: T\nsource: s\nparameters: {x: {description: D, kind: name}}\nrules:\n  - {id: a, source: s, rights: [delete], scope: this-object, target: "+target+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Bind(map[string]string{"x": "nowhere"})
		if at := (*Error)(nil); !errors.As(err, &at) || err.Error() != `p.yaml:6:70: rule a: "nowhere" is no DN` {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// A rule that still has a parameter is left out where somebody looks at a policy, and never where one is judged by it.
func TestResolveUnbound(t *testing.T) {
	s := demoSchema(t)
	const parameters = "name: n\ntitle: T\nsource: s\nparameters: {x: {description: D, kind: name}, y: {description: D, kind: name, default: group}}\nrules:\n"
	for _, c := range []struct {
		rule, want string
		shown      int // rules that are resolved without a value
	}{
		{"rights: [create-child], object: '${x}', scope: this-object", "p.yaml:6:56: rule a: parameter x has no value", 0},
		{"rights: [delete], scope: descendants, class: '${x}'", "p.yaml:6:69: rule a: parameter x has no value", 0},
		{"rights: [delete], scope: this-object, target: {dn: 'CN=${x}'}", "p.yaml:6:70: rule a: parameter x has no value", 1},
		{"limits: [{attribute: adminCount, one-of: ['0', '${x}']}]", "p.yaml:6:71: rule a: parameter x has no value", 1},
	} {
		text := parameters + "  - {id: a, source: s, " + c.rule + "}\n  - {id: b, source: s, rights: [create-child], object: '${y}', scope: this-object, target: {dn: 'CN=x,${domain.dn}'}}\n"
		p, err := Parse("p.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		known, err := p.BindKnown(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, given := known.Values["x"]; given || known.Values["y"] != "group" {
			t.Errorf("%s: values %v", c.rule, known.Values)
		}
		if reqs, err := known.Resolve(s); err == nil || reqs != nil || err.Error() != c.want {
			t.Errorf("%s: %+v, %v", c.rule, reqs, err)
		}
		if reqs, err := known.ResolveAll(s); err != nil || len(reqs) != 1+c.shown || reqs[len(reqs)-1].Rule.ID != "b" || reqs[len(reqs)-1].Any == nil {
			t.Errorf("%s: %+v, %v", c.rule, reqs, err)
		}
		bound, err := p.Bind(map[string]string{"x": "group"})
		if err != nil {
			t.Fatal(err)
		}
		if reqs, err := bound.Resolve(s); err != nil || len(reqs) != 2 {
			t.Errorf("%s: %+v, %v", c.rule, reqs, err)
		}
	}
}

// Whoever has a policy checked sees every name that the schema lacks.
func TestResolveAll(t *testing.T) {
	p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, rights: [create-child], object: nobodyyy, scope: this-object}\n"+
		"  - {id: b, source: s, rights: [delete], scope: this-object}\n  - {id: c, source: s, limits: [{attribute: nothingatall, absent: true}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "p.yaml:5:56: rule a: the schema has no class \"nobodyyy\"\np.yaml:7:45: rule c: the schema has no attribute \"nothingatall\""
	if reqs, err := p.ResolveAll(demoSchema(t)); err == nil || err.Error() != want || len(reqs) != 1 || reqs[0].Rule.ID != "b" {
		t.Errorf("%+v, %v", reqs, err)
	}
}

// Only what people read may have several lines.
func TestParseProse(t *testing.T) {
	p, err := Parse("p.yaml", []byte(header+"  - id: a\n    rights: [delete]\n    scope: |\n      descendants\n    class: >-\n      user\n    why: |\n      one\n      two\n    source: |\n      three\n\n      four\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r := p.Rules[0]; r.Scope != "descendants" || r.Class != "user" || r.Why != "one\ntwo" || r.Source != "three\n\nfour" {
		t.Errorf("%+v", r)
	}
}

func TestReplace(t *testing.T) {
	values := map[string]string{"a": "1", "b": "${a}", "": "nothing"}
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"a ${a} ${a}", "a 1 1"},
		{"${b}", "${a}"}, // a value is not looked into
		{"${c}", "${c}"},
		{"${a", "${a"},
		{"$a {a} $${a}", "$a {a} $1"},
		{"${}", "nothing"},
	} {
		if got := Replace(c.text, values); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
	if got := Replace("${a}", nil); got != "${a}" {
		t.Errorf("got %q", got)
	}
}

// files are policies by the name of their file.
func files(list map[string]string) func(string) (*Policy, error) {
	return func(file string) (*Policy, error) {
		text, ok := list[file]
		if !ok {
			return nil, &fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}
		}
		return Parse(file, []byte(text))
	}
}

func including(name, include string) string {
	return "name: " + name + "\ntitle: T\nsource: s\ninclude: [" + include + "]\nrules:\n  - {id: a, rights: [delete], scope: this-object, source: s}\n"
}

func alone(name string) string {
	return "name: " + name + "\ntitle: T\nsource: s\nrules:\n  - {id: a, rights: [delete], scope: this-object, source: s}\n"
}

func asking(name, parameters string) string {
	out := "name: " + name + "\ntitle: T\nsource: s\nparameters:\n"
	rules := "rules:\n"
	for i, p := range strings.Fields(parameters) {
		out += "  " + p + ": {description: D}\n"
		rules += fmt.Sprintf("  - {id: a%d, rights: [create-child], object: '${%s}', scope: this-object, source: s}\n", i, p)
	}
	return out + rules
}

func TestLoad(t *testing.T) {
	on := files(map[string]string{
		"a.yaml":                    including("a", "./b.yaml, sub/c.yaml"),
		"b.yaml":                    alone("b"),
		"sub/c.yaml":                including("c", "../b.yaml, d.yaml, cloud-sync-custom-gmsa"),
		"sub/d.yaml":                alone("d"),
		"/etc/e.yaml":               including("e", "f.yaml, /etc/g.yaml, /opt/h.yaml"),
		"/etc/f.yaml":               alone("f"),
		"/etc/g.yaml":               alone("g"),
		"/opt/h.yaml":               alone("h"),
		`C:\policies\i.yaml`:        including("i", `./j.yaml, C:\k.yaml, \\server\share\l.yaml`),
		"C:/policies/j.yaml":        alone("j"),
		`C:\k.yaml`:                 alone("k"),
		`\\server\share\l.yaml`:     including("l", "sub/m.yaml"),
		"//server/share/sub/m.yaml": alone("m"),
		"p.yaml":                    asking("p", "one two"),
		"q.yaml":                    asking("q", "two"),
	})
	for _, c := range []struct {
		name   string
		names  []string
		values map[string]string
		want   string
	}{
		{"nothing", nil, nil, ""},
		{"one of a file", []string{"b.yaml"}, nil, "b"},
		{"one that is built in", []string{"cloud-sync-custom-gmsa"}, nil, "cloud-sync-custom-gmsa"},
		{"what is included stands behind what includes it, once", []string{"./a.yaml", "b.yaml"}, nil, "a b c d cloud-sync-custom-gmsa"},
		{"what is asked for first stands first", []string{"b.yaml", "a.yaml"}, nil, "b a c d cloud-sync-custom-gmsa"},
		{"twice the same", []string{"b.yaml", "./b.yaml"}, nil, "b"},
		{"paths from the root", []string{"/etc/e.yaml"}, nil, "e f g h"},
		{"paths of Windows", []string{`C:\policies\i.yaml`}, nil, "i j k l m"},
		{"values for several", []string{"p.yaml", "q.yaml"}, map[string]string{"one": "1", "two": "2"}, "p q"},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := Load(c.names, c.values, func(file string) (*Policy, error) { return on(strings.TrimPrefix(file, "./")) })
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range list {
				got = append(got, p.Name)
				if p.Values == nil {
					t.Errorf("%s is not bound", p.Name)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %s", got, c.want)
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	deep := map[string]string{}
	for i := range maxPolicies + 2 {
		deep[fmt.Sprintf("%d.yaml", i)] = including(fmt.Sprint("p", i), fmt.Sprintf("%d.yaml", i+1))
	}
	for _, c := range []struct {
		name   string
		files  map[string]string
		values map[string]string
		want   string
	}{
		{"a file that is not there", nil, nil, "open a.yaml: file does not exist"},
		{"an included file that is not there", map[string]string{"a.yaml": including("a", "b.yaml")}, nil, "a.yaml:4:11: open b.yaml: file does not exist"},
		{"an included file that is not there, the second", map[string]string{"a.yaml": including("a", "b.yaml, c.yaml"), "b.yaml": alone("b")}, nil, "a.yaml:4:19: open c.yaml: file does not exist"},
		{"an included policy that is not built in", map[string]string{"a.yaml": including("a", "cloud-sync-custom-gsma")}, nil, `a.yaml:4:11: no built-in policy "cloud-sync-custom-gsma" (did you mean "cloud-sync-custom-gmsa"?)`},
		{"an included file that is wrong", map[string]string{"a.yaml": including("a", "b.yaml"), "b.yaml": "nmae: b\n"}, nil, `b.yaml:1:1: key: unknown "nmae" (did you mean "name"?)`},
		{"itself", map[string]string{"a.yaml": including("a", "./a.yaml")}, nil, "a.yaml:4:11: policy a includes itself, by a, a"},
		{"itself, by another one", map[string]string{"a.yaml": including("a", "b.yaml"), "b.yaml": including("b", "c.yaml"), "c.yaml": including("c", "b.yaml")}, nil, "c.yaml:4:11: policy b includes itself, by a, b, c, b"},
		{"two of one name", map[string]string{"a.yaml": including("a", "b.yaml, c.yaml"), "b.yaml": alone("b"), "c.yaml": including("b", "b.yaml")}, nil, `c.yaml:1:7: another policy is named "b", too: b.yaml`},
		{"two of one name but for case", map[string]string{"a.yaml": including("a", "b.yaml, c.yaml"), "b.yaml": alone("b"), "c.yaml": alone("B")}, nil, `c.yaml:1:7: another policy is named "B", too: b.yaml`},
		{"one of the name of one that is built in", map[string]string{"a.yaml": including("a", "cloud-sync-custom-gmsa, b.yaml"), "b.yaml": alone("cloud-sync-custom-gmsa")}, nil, `b.yaml:1:7: another policy is named "cloud-sync-custom-gmsa", too: cloud-sync-custom-gmsa.yaml`},
		{"more than anybody follows", map[string]string{"a.yaml": including("a", "0.yaml")}, nil, "99.yaml:4:11: policy 100.yaml: more than 100 policies include each other"},
		{"a parameter without a value", map[string]string{"a.yaml": asking("a", "x")}, nil, "policy a: parameter x has no value: D; give it with --param x=VALUE"},
		{"a parameter that nobody has", map[string]string{"a.yaml": alone("a")}, map[string]string{"x": "1"}, `no policy has a parameter "x", nor any other`},
		{"a parameter that was mistyped", map[string]string{"a.yaml": asking("a", "class")}, map[string]string{"class": "1", "clas": "2"}, `parameter: unknown "clas" (did you mean "class"?)`},
		{"a parameter that is like none", map[string]string{"a.yaml": asking("a", "one two")}, map[string]string{"one": "1", "two": "2", "zzzzzz": "3"}, `parameter: unknown "zzzzzz", want one of one, two`},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := map[string]string{}
			maps.Copy(all, deep)
			maps.Copy(all, c.files)
			list, err := Load([]string{"a.yaml"}, c.values, func(file string) (*Policy, error) { return files(all)(strings.TrimPrefix(file, "./")) })
			if err == nil || list != nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("%v, %v\nwant %s", list, err, c.want)
			}
		})
	}
	if _, err := Load([]string{"cloud-sync-custom-gsma"}, nil, nil); err == nil || !strings.HasPrefix(err.Error(), `no built-in policy "cloud-sync-custom-gsma" (did you mean "cloud-sync-custom-gmsa"?)`) {
		t.Error(err)
	}
}

// Policies that include each other crosswise are read once a mention, not once a path.
func TestLoadFollowsNoPathTwice(t *testing.T) {
	all := map[string]string{}
	for i := range 40 {
		all[fmt.Sprintf("%d.yaml", i)] = including(fmt.Sprint("p", i), fmt.Sprintf("%d.yaml, ./%d.yaml", i+1, i+1))
	}
	all["40.yaml"] = alone("p40")
	read := 0
	list, err := Load([]string{"0.yaml"}, nil, func(file string) (*Policy, error) { read++; return files(all)(file) })
	if err != nil || len(list) != 41 || read > 100 {
		t.Errorf("%d policies, %d read, %v", len(list), read, err)
	}
}

func TestLooksLikeFile(t *testing.T) {
	for name, want := range map[string]bool{"cloud-sync-all": false, "": false, "a.yaml": true, "./a": true, `sub\a`: true, "/a": true} {
		if got := LooksLikeFile(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}

func TestResolve(t *testing.T) {
	s := demoSchema(t)
	guid := func(text string) sddl.GUID {
		if text == "" {
			return sddl.GUID{}
		}
		g, err := sddl.ParseGUID(text)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	const (
		user  = "bf967aba-0de6-11d0-a285-00aa003049e2"
		group = "bf967a9c-0de6-11d0-a285-00aa003049e2"
		ou    = "bf967aa5-0de6-11d0-a285-00aa003049e2"
		link  = "5b47d60f-6090-40b2-9f37-2a4de88f3063"
	)
	for _, c := range []struct {
		name, rule    string
		mask          sddl.Mask
		kind          acl.ObjectKind
		object        string
		scope         acl.Scope
		class         string
		notApplicable string
		err           string
	}{
		{name: "rights on the whole object", rule: "rights: [read-all-properties, list-contents], scope: this-object", mask: sddl.ReadProperty | sddl.ListContents},
		{name: "a class of descendants", rule: "rights: [full-control], scope: descendants, class: group", mask: sddl.FullControl, scope: acl.Descendants, class: group},
		{name: "a class in other letters", rule: "rights: [full-control], scope: children, class: GROUP", mask: sddl.FullControl, scope: acl.Children, class: group},
		{name: "a class by its cn", rule: "rights: [full-control], scope: children, class: Organizational-Unit", mask: sddl.FullControl, scope: acl.Children, class: ou},
		{name: "a class by the dialog", rule: "rights: [full-control], scope: Descendant Organizational Unit objects", mask: sddl.FullControl, scope: acl.Descendants, class: ou},
		{name: "a class by its GUID", rule: "rights: [full-control], scope: children, class: " + ou, mask: sddl.FullControl, scope: acl.Children, class: ou},
		{name: "children of a class", rule: "rights: [create-child, delete-child], object: user, scope: this-object-and-descendants", mask: 3, kind: acl.ChildClass, object: user, scope: acl.ThisObjectAndDescendants},
		{name: "children of a class by its GUID", rule: "rights: [create-child], object: " + user + ", scope: this-object", mask: 1, kind: acl.ChildClass, object: user},
		{name: "an attribute", rule: "rights: [read-property, write-property], object: member, scope: this-object", mask: 0x30, kind: acl.Attribute, object: "bf9679c0-0de6-11d0-a285-00aa003049e2"},
		{name: "an attribute by its lDAPDisplayName", rule: "rights: [write-property], object: msDS-KeyCredentialLink, scope: this-object", mask: 0x20, kind: acl.Attribute, object: link},
		{name: "an attribute by its cn", rule: "rights: [write-property], object: ms-DS-Key-Credential-Link, scope: this-object", mask: 0x20, kind: acl.Attribute, object: link},
		{name: "an attribute by its GUID", rule: "rights: [write-property], object: " + strings.ToUpper(link) + ", scope: this-object", mask: 0x20, kind: acl.Attribute, object: link},
		{name: "a property set", rule: "rights: [write-property], object: General-Information, scope: this-object", mask: 0x20, kind: acl.PropertySet, object: "59ba2f42-79a2-11d0-9020-00c04fc2d3cf"},
		{name: "a property set by its display name", rule: "rights: [write-property], object: General Information, scope: this-object", mask: 0x20, kind: acl.PropertySet, object: "59ba2f42-79a2-11d0-9020-00c04fc2d3cf"},
		{name: "a property set by its GUID", rule: "rights: [write-property], object: 59ba2f42-79a2-11d0-9020-00c04fc2d3cf, scope: this-object", mask: 0x20, kind: acl.PropertySet, object: "59ba2f42-79a2-11d0-9020-00c04fc2d3cf"},
		{name: "an extended right", rule: "rights: [extended-right], object: DS-Replication-Get-Changes, scope: this-object", mask: 0x100, kind: acl.ExtendedRight, object: "1131f6aa-9c07-11d1-f79f-00c04fc2dcd2"},
		{name: "an extended right by its display name", rule: "rights: [extended-right], object: User Force Change Password, scope: descendants, class: user", mask: 0x100, kind: acl.ExtendedRight, object: "00299570-246d-11d0-a768-00aa006e0529", scope: acl.Descendants, class: user},
		{name: "a validated write", rule: "rights: [validated-write], object: Validated-DNS-Host-Name, scope: this-object", mask: 8, kind: acl.ValidatedWrite, object: "72e39547-7b18-11d1-adef-00c04fd8d5cd"},

		{name: "an attribute is not a class", rule: "rights: [create-child], object: member, scope: this-object", err: `p.yaml:5:56: rule a: the schema has no class "member"`},
		{name: "a class is not an attribute", rule: "rights: [read-property], object: user, scope: this-object", err: `p.yaml:5:57: rule a: the schema has no attribute or property set "user"`},
		{name: "an extended right is not a property set", rule: "rights: [read-property], object: DS-Replication-Get-Changes, scope: this-object", err: `p.yaml:5:57: rule a: the schema has no attribute or property set "DS-Replication-Get-Changes"`},
		{name: "a property set is not an extended right", rule: "rights: [extended-right], object: General-Information, scope: this-object", err: `p.yaml:5:58: rule a: the schema has no extended right "General-Information"`},
		{name: "an attribute is not a validated write", rule: "rights: [validated-write], object: member, scope: this-object", err: `p.yaml:5:59: rule a: the schema has no validated write "member"`},
		{name: "a class of descendants that there is not", rule: "rights: [delete], scope: descendants, class: nobodyyy", err: `p.yaml:5:69: rule a: the schema has no class "nobodyyy"`},
		{name: "a class that was mistyped", rule: "rights: [delete], scope: descendants, class: gruop", err: `p.yaml:5:69: rule a: the schema has no class "gruop" (did you mean "group"?)`},
		{name: "a class of the dialog that was mistyped", rule: "rights: [delete], scope: Descendant gruop objects", err: `p.yaml:5:49: rule a: the schema has no class "gruop" (did you mean "group"?)`},
		{name: "an attribute that was mistyped", rule: "rights: [read-property], object: membr, scope: this-object", err: `p.yaml:5:57: rule a: the schema has no attribute or property set "membr" (did you mean "member"?)`},
		{name: "a property set that was mistyped", rule: "rights: [read-property], object: General-Informaton, scope: this-object", err: `p.yaml:5:57: rule a: the schema has no attribute or property set "General-Informaton" (did you mean "General-Information"?)`},
		{name: "an extended right that was mistyped", rule: "rights: [extended-right], object: DS-Replication-Get-Change, scope: this-object", err: `p.yaml:5:58: rule a: the schema has no extended right "DS-Replication-Get-Change" (did you mean "DS-Replication-Get-Changes"?)`},
		{name: "a GUID that is nothing's", rule: "rights: [read-property], object: 00000000-0000-0000-0000-000000000001, scope: this-object", err: `p.yaml:5:57: rule a: the schema has no attribute or property set "00000000-0000-0000-0000-000000000001"`},
		{name: "the descriptor as an attribute", rule: "rights: [read-property], object: nTSecurityDescriptor, scope: this-object", err: `p.yaml:5:57: rule a: nTSecurityDescriptor goes by read-permissions and modify-permissions`},

		{name: "an optional rule is not applicable instead", rule: "rights: [delete], scope: descendants, class: nobody, optional: true", notApplicable: `the schema has no class "nobody"`},
		{name: "an optional attribute, too", rule: "rights: [read-property], object: nothing, scope: this-object, optional: true", notApplicable: `the schema has no attribute or property set "nothing"`},
		{name: "optional says nothing where the name is there", rule: "rights: [create-child], object: user, scope: this-object, optional: true", mask: 1, kind: acl.ChildClass, object: user},

		{name: "a condition that holds", rule: "rights: [delete], scope: this-object, when: {schema: [user, mail, ms-DS-Key-Credential-Link]}", mask: sddl.Delete},
		{name: "a condition that does not", rule: "rights: [delete], scope: this-object, when: {schema: [user, nothing]}", notApplicable: `the schema has no class or attribute "nothing"`},
		{name: "Exchange, which is not there", rule: "rights: [delete], scope: this-object, when: {exchange: true}", notApplicable: "the schema has not been extended for Exchange: it has no attribute msExchRecipientTypeDetails"},
		{name: "names are not looked for where the condition does not hold", rule: "rights: [read-property], object: msExchMailboxGuid, scope: this-object, when: {exchange: true}", notApplicable: "the schema has not been extended for Exchange: it has no attribute msExchRecipientTypeDetails"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, "+c.rule+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Resolve(s)
			if c.err != "" {
				if at := (*Error)(nil); !errors.As(err, &at) || got != nil || err.Error() != c.err {
					t.Errorf("%v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var want []acl.Requirement
			if c.notApplicable == "" {
				want = []acl.Requirement{{Right: acl.Right{Mask: c.mask, Object: guid(c.object), Kind: c.kind}, Scope: c.scope, Class: guid(c.class)}}
			}
			if len(got) != 1 || !slices.Equal(got[0].Any, want) || !slices.Equal(got[0].Asked(), want) || got[0].NotApplicable != c.notApplicable || got[0].Rule != &p.Rules[0] {
				t.Errorf("%+v, want %+v, %q", got, want, c.notApplicable)
			}
		})
	}
}

// Reading a confidential attribute takes control access too. [MS-ADTS] 3.1.1.4.4.
func TestResolveConfidential(t *testing.T) {
	s := demoSchema(t)
	s.Attribute("member").SearchFlags |= 0x80
	for right, want := range map[string]sddl.Mask{"read-property": sddl.ReadProperty | sddl.ControlAccess, "write-property": sddl.WriteProperty} {
		p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, rights: ["+right+"], object: member, scope: this-object}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Resolve(s); err != nil || got[0].Any[0].Right.Mask != want {
			t.Errorf("%s: %+v, %v", right, got, err)
		}
	}
}

func TestResolveForbiddenRightsOneByOne(t *testing.T) {
	s := demoSchema(t)
	p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, forbidden: true, rights: [modify-permissions, modify-owner, delete], scope: descendants, class: user}\n"))
	if err != nil {
		t.Fatal(err)
	}
	reqs, err := p.Resolve(s)
	if err != nil || len(reqs) != 1 {
		t.Fatalf("%+v, %v", reqs, err)
	}
	var got []sddl.Mask
	for _, one := range reqs[0].Any {
		got = append(got, one.Right.Mask)
		if one.Scope != acl.Descendants || one.Class != s.Class("user").GUID {
			t.Errorf("%+v", one)
		}
	}
	if want := []sddl.Mask{sddl.WriteDACL, sddl.WriteOwner, sddl.Delete}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if asked := reqs[0].Asked(); asked != nil {
		t.Errorf("what is forbidden is asked for: %+v", asked)
	}
	if len(p.Rules[0].Rights) != 3 {
		t.Errorf("the rule itself has become %+v", p.Rules[0])
	}
}

func TestResolveAlternatives(t *testing.T) {
	s := demoSchema(t)
	const (
		has   = "{rights: [write-property], object: member, scope: this-object}"
		lacks = "{rights: [write-property], object: nothingatall, scope: this-object}"
		never = "{rights: [create-child], object: nobodyatall, scope: this-object}"
	)
	for _, c := range []struct {
		name, rule, notApplicable, err string
		want                           int
	}{
		{"all are there", "any-of: [" + has + ", {rights: [delete], scope: this-object}]", "", "", 2},
		{"one is not there", "optional: true, any-of: [" + lacks + ", " + has + "]", "", "", 1},
		{"none is there", "optional: true, any-of: [" + lacks + ", " + never + "]", `the schema has no attribute or property set "nothingatall"`, "", 0},
		{"one is not there, and nobody said that it may not be", "any-of: [" + has + ", " + lacks + "]", "", `p.yaml:5:132: rule a: the schema has no attribute or property set "nothingatall"`, 0},
		{"one that is no permission", "optional: true, any-of: [" + has + ", {rights: [read-property], object: nTSecurityDescriptor, scope: this-object}]", "", "p.yaml:5:147: rule a: nTSecurityDescriptor goes by read-permissions and modify-permissions", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, "+c.rule+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			reqs, err := p.Resolve(s)
			if c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Errorf("%v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := reqs[0]; len(got.Any) != c.want || len(got.Asked()) != c.want || got.NotApplicable != c.notApplicable {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestResolveLimits(t *testing.T) {
	s := demoSchema(t)
	for _, c := range []struct{ name, rule, notApplicable, err string }{
		{"attributes that are there", "limits: [{attribute: userAccountControl, bits-clear: 2}, {attribute: ADMINCOUNT, absent: true}]", "", ""},
		{"one that was mistyped", "limits: [{attribute: adminCount, absent: true}, {attribute: userAcountControl, bits-clear: 2}]", "", `p.yaml:5:84: rule a: the schema has no attribute "userAcountControl" (did you mean "userAccountControl"?)`},
		{"one by its cn", "limits: [{attribute: ms-DS-Key-Credential-Link, absent: true}]", "", `p.yaml:5:45: rule a: the schema has no attribute "ms-DS-Key-Credential-Link" (did you mean "msDS-KeyCredentialLink"?)`},
		{"one that there is not", "limits: [{attribute: nothingatall, absent: true}]", "", `p.yaml:5:45: rule a: the schema has no attribute "nothingatall"`},
		{"one that need not be there", "optional: true, limits: [{attribute: nothingatall, absent: true}]", `the schema has no attribute "nothingatall"`, ""},
		{"a class", "limits: [{attribute: user, absent: true}]", "", `p.yaml:5:45: rule a: the schema has no attribute "user"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, "+c.rule+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			reqs, err := p.Resolve(s)
			if c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Errorf("%v, want %s", err, c.err)
				}
				return
			}
			if err != nil || reqs[0].NotApplicable != c.notApplicable || reqs[0].Any != nil || reqs[0].Asked() != nil {
				t.Errorf("%+v, %v", reqs, err)
			}
		})
	}
}

// A name of the demo's schema may be defunct elsewhere.
func TestResolveDoesNotTakeWhatIsDefunct(t *testing.T) {
	s := demoSchema(t)
	s.Class("contact").Defunct = true
	s.Attribute("member").Defunct = true
	for _, c := range []struct {
		rule       string
		applicable bool // an error, rather than nothing to do
	}{
		{"rights: [delete], scope: descendants, class: contact", true},
		{"rights: [create-child], object: contact, scope: this-object", true},
		{"rights: [write-property], object: member, scope: this-object", true},
		{"limits: [{attribute: member, absent: true}]", true},
		{"rights: [delete], scope: this-object, when: {schema: [contact]}", false},
		{"rights: [delete], scope: this-object, when: {schema: [member]}", false},
	} {
		p, err := Parse("p.yaml", []byte(header+"  - {id: a, source: s, "+c.rule+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Resolve(s); (err == nil) == c.applicable || err == nil && got[0].NotApplicable == "" {
			t.Errorf("%s: %+v, %v", c.rule, got, err)
		}
	}
}

func TestBuiltin(t *testing.T) {
	names := BuiltinNames()
	if !slices.Contains(names, "cloud-sync-custom-gmsa") || !slices.IsSorted(names) {
		t.Errorf("names %q", names)
	}
	for _, name := range []string{"", "none", "../policies/cloud-sync-custom-gmsa", "cloud-sync-custom-gmsa.yaml", "/", "policies.go"} {
		if p, err := Builtin(name); err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("no built-in policy %q", name)) {
			t.Errorf("%q: %+v, %v", name, p, err)
		}
	}
}

// Whatever the text is, Parse either says what is wrong with it, and where, or has rules that make
// sense, and that can be bound, loaded and resolved.
func FuzzParse(f *testing.F) {
	for _, name := range BuiltinNames() {
		p, err := Builtin(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.Text)
	}
	for _, text := range []string{
		"", "a", "- a", "&a {<<: *a}", "name: [", "name: n\n---\nname: m\n", "a: &a [*a]\n", bound, including("a", "b, ./c.yaml"),
		header + "  - {id: a, rights: [create-child], object: user, scope: children, class: group, optional: yes, why: w, source: s}\n",
		header + "  - &a {id: a, rights: &r [delete], scope: this-object, source: s}\n  - {id: b, rights: *r, scope: this-object, source: s}\n",
		header + "  - {id: a, source: s, forbidden: true, rights: [delete, modify-owner], scope: Descendant user objects, target: {dn: 'CN=x', under: system}}\n",
		header + "  - {id: a, source: s, limits: [{attribute: a, equals: '${account.dn}'}, {attribute: b, bits-set: 0x10, at-least: -5, one-of: [a, b]}]}\n",
		header + "  - {id: a, source: s, dacl: {protected: true, entries: ['(A;;GA;;;SY)', '(OA;CIIO;RP;;bf967aba-0de6-11d0-a285-00aa003049e2;EA)'], may: [PS]}}\n",
		header + "  - {id: a, source: s, any-of: [{rights: [delete], scope: this-object}, {rights: [extended-right], object: x, scope: children}], when: {exchange: true, schema: [user]}, severity: warning}\n",
	} {
		f.Add([]byte(text))
	}
	s := demoSchema(f)
	none := errors.New("no files here")
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse("p.yaml", text)
		if err != nil {
			all, ok := err.(interface{ Unwrap() []error })
			list := []error{err}
			if ok {
				list = all.Unwrap()
			}
			for _, one := range list {
				if at, ok := one.(*Error); !ok || p != nil || at.File != "p.yaml" || at.Why == "" || at.Line < 0 || at.Column < 0 {
					t.Errorf("%+v, %v", p, err)
				}
			}
			return
		}
		if len(p.Rules) == 0 && len(p.Include) == 0 {
			t.Errorf("accepted: %+v", p)
		}
		for i := range p.Rules {
			r := &p.Rules[i]
			if r.ID == "" || r.Access() == "" || r.AppliesTo() == "" || strings.Contains(fmt.Sprint(r.Access(), r.AppliesTo()), "%!") && !bytes.Contains(text, []byte("%!")) {
				t.Errorf("accepted: %+v", r)
			}
		}
		values := map[string]string{}
		for name, param := range p.Parameters {
			values[name] = "OU=x,DC=example"
			if param.Kind == NameParameter {
				values[name] = "x"
			}
		}
		bound, err := p.Bind(values)
		if err == nil {
			reqs, err := bound.Resolve(s)
			for _, req := range reqs {
				if err == nil && req.NotApplicable == "" && len(req.Any) == 0 && len(req.Rule.Grants()) > 0 {
					t.Errorf("asks for nothing: %+v", req)
				}
			}
		}
		if list, err := Load([]string{"p.yaml"}, values, func(file string) (*Policy, error) {
			if file == "p.yaml" {
				return p, nil
			}
			return nil, none
		}); err == nil && (len(list) == 0 || list[0].Name != p.Name) {
			t.Errorf("loaded %+v", list)
		}
	})
}
