package waiver

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const whole = `- rule: cloud-sync/read-user
  target: OU=Sync,DC=corp,DC=example
  why: Users are read through a group.
  until: 2027-06-30
- {rule: write-user, target: "*", why: Not wanted here., until: 2026-12-31}
`

func TestParse(t *testing.T) {
	got, err := Parse("w.yaml", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := []Waiver{
		{"cloud-sync", "read-user", "OU=Sync,DC=corp,DC=example", "Users are read through a group.", time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC), 1},
		{"", "write-user", "*", "Not wanted here.", time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC), 5},
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if none, err := Parse("w.yaml", []byte("[]")); err != nil || len(none) != 0 {
		t.Errorf("an empty list: %v, %v", none, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"an empty file", "", "w.yaml:1: want a list of waivers"},
		{"a mapping", "rule: a\n", "w.yaml:1: want a list of waivers"},
		{"a list of texts", "- a\n", "w.yaml:1:3: want a mapping"},
		{"a waiver without a day", "- {rule: a, target: '*', why: b}\n", `w.yaml:1:3: key "until" is missing`},
		{"a waiver without a reason", "- {rule: a, target: '*', until: 2027-01-01}\n", `w.yaml:1:3: key "why" is missing`},
		{"a blank reason", "- {rule: a, target: '*', why: ' ', until: 2027-01-01}\n", `w.yaml:1:31: key "why" is empty`},
		{"a reason of nothing", "- {rule: a, target: '*', why: , until: 2027-01-01}\n", `key "why" is empty`},
		{"a day that no calendar has", "- {rule: a, target: '*', why: b, until: 2027-02-30}\n", `w.yaml:1:41: until: "2027-02-30" is not a day`},
		{"a time of the day", "- {rule: a, target: '*', why: b, until: 2027-02-03T10:00:00Z}\n", `is not a day`},
		{"a key with a slip", "- {rul: a, target: '*', why: b, until: 2027-01-01}\n", `w.yaml:1:4: unknown key "rul" (did you mean "rule"?), want one of rule, target, why, until`},
		{"a key from elsewhere", "- {severity: a}\n", `unknown key "severity", want one of`},
		{"a key twice", "- {rule: a, rule: b, target: '*', why: b, until: 2027-01-01}\n", `key "rule" stands here twice`},
		{"a list of rules", "- {rule: [a], target: '*', why: b, until: 2027-01-01}\n", "rule: want one text"},
		{"a rule of a rule", "- {rule: a/b/c, target: '*', why: b, until: 2027-01-01}\n", `"a/b/c" is neither RULE nor POLICY/RULE`},
		{"a rule of no policy", "- {rule: /b, target: '*', why: b, until: 2027-01-01}\n", `"/b" is neither`},
		{"a target that is no DN", "- {rule: a, target: everything, why: b, until: 2027-01-01}\n", `w.yaml:1:21: target: "everything" is neither a DN`},
		{"a star that YAML takes for an alias", "- rule: a\n  target: *\n", "w.yaml:2: "},
		{"the same waiver twice, spelt otherwise", whole + "- {rule: cloud-sync/read-user, target: 'ou=sync, dc=corp, dc=example', why: b, until: 2027-01-01}\n", "is waived on ou=sync, dc=corp, dc=example already in line 1"},
		{"a second document", whole + "---\n[]\n", "a second document follows"},
		{"a broken second document", whole + "---\n[\n", "w.yaml:"},
	} {
		got, err := Parse("w.yaml", []byte(test.text))
		var want *Error
		if !errors.As(err, &want) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, %v, want an error with %q", test.name, got, err, test.want)
		}
	}
}

func TestExpiredAfterItsLastDay(t *testing.T) {
	w := Waiver{Until: time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC)}
	for _, test := range []struct {
		name string
		now  time.Time
		want bool
	}{
		{"the day before", time.Date(2027, 6, 29, 12, 0, 0, 0, time.UTC), false},
		{"the last second of the last day", time.Date(2027, 6, 30, 23, 59, 59, 0, time.UTC), false},
		{"the first moment after it", time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC), true},
		{"the last day of UTC, though it is over in Kiribati", time.Date(2027, 7, 1, 1, 0, 0, 0, time.FixedZone("", 14*3600)), false},
	} {
		if got := w.Expired(test.now); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("- {rule: a/b, target: '*', why: b, until: 2027-01-01}\n"))
	f.Add([]byte("- &a [*a]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := Parse("w.yaml", text)
		if err != nil {
			if want := (*Error)(nil); !errors.As(err, &want) {
				t.Fatalf("%v is no *Error", err)
			}
			return
		}
		for _, w := range list {
			if w.Rule == "" || w.Target == "" || strings.TrimSpace(w.Why) == "" || w.Until.IsZero() && w.Day() != "0001-01-01" || w.Line < 1 {
				t.Fatalf("a waiver lacks something: %+v", w)
			}
		}
	})
}
