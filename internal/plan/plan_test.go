package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

func written(t testing.TB, p *Plan) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// demoPlan is a plan to spoil; each has its own memory.
func demoPlan(t testing.TB) *Plan {
	t.Helper()
	p := build(t, snapshot(t, newForest(t), head, sales))
	p.Created, p.Tool = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "gmsactl test"
	return p
}

func TestReadIsWriteBackwards(t *testing.T) {
	p := demoPlan(t)
	text := written(t, p)
	again, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := written(t, again); got != text {
		t.Errorf("written again it is\n%s\nwas\n%s", got, text)
	}
	if _, err := Read(strings.NewReader(text + "\n \n")); err != nil {
		t.Errorf("blank lines at the end: %v", err)
	}
}

// What is shown must be what is written: a file that says otherwise is refused, whoever
// changed it and however well.
func TestReadRefuses(t *testing.T) {
	text := func(change func(string) string) func(testing.TB, *Plan) string {
		return func(t testing.TB, p *Plan) string { return change(written(t, p)) }
	}
	replace := func(old, new string) func(testing.TB, *Plan) string {
		return text(func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("%q is not there to be replaced", old)
			}
			return strings.Replace(s, old, new, 1)
		})
	}
	change := func(edit func(c *Change)) func(testing.TB, *Plan) string {
		return func(t testing.TB, p *Plan) string { edit(&p.Changes[0]); return written(t, p) }
	}
	// after edits what would be written, before what it claims to be made from.
	after := func(edit func(*sddl.Descriptor)) func(testing.TB, *Plan) string {
		return change(func(c *Change) { c.After = edited(t, c.After, edit) })
	}
	before := func(edit func(*sddl.Descriptor)) func(testing.TB, *Plan) string {
		return change(func(c *Change) { c.Before = edited(t, c.Before, edit); c.BeforeSHA256 = digest(c.Before) })
	}
	everyone := ace("(A;;RP;;;WD)").SID
	for _, c := range []struct {
		name string
		file func(testing.TB, *Plan) string
		why  string
	}{
		{"an empty file", text(func(string) string { return "" }), "not a file of gmsactl"},
		{"null", text(func(string) string { return "null" }), "kind"},
		{"a list", text(func(string) string { return "[]" }), "not a file of gmsactl"},
		{"half a file", text(func(s string) string { return s[:len(s)/2] }), "not a file of gmsactl"},
		{"something after its end", text(func(s string) string { return s + "x" }), "after top-level value"},
		{"a second plan after its end", text(func(s string) string { return s + s }), "after top-level value"},
		{"a key nobody knows", replace(`"kind"`, `"remark": "", "kind"`), "remark"},
		{"a key nobody knows in a change", replace(`"objectGUID"`, `"force": true, "objectGUID"`), "force"},
		{"another kind", replace(`"kind": "Plan"`, `"kind": "Backup"`), `kind is "Backup"`},
		{"no kind", replace(`"kind": "Plan",`, ``), `kind is ""`},
		{"a later format", replace(`"format": 1`, `"format": 2`), "format is 2"},
		{"an accept that there is not", replace(`"accept": "groups"`, `"accept": "all"`), "all"},
		{"bytes that are not base64", replace(`"after": "`, `"after": "!`), "not a file of gmsactl"},
		{"an objectGUID that is none", change(func(c *Change) { c.ObjectGUID = "x" }), "objectGUID"},
		{"another digest", change(func(c *Change) { c.BeforeSHA256 = digest(nil) }), "beforeSHA256"},
		{"the digest in capitals", change(func(c *Change) { c.BeforeSHA256 = strings.ToUpper(c.BeforeSHA256) }), "beforeSHA256"},
		{"another before under the old digest", change(func(c *Change) { c.Before = c.After }), "beforeSHA256"},
		{"a before that is none", change(func(c *Change) { c.Before = []byte("x"); c.BeforeSHA256 = digest(c.Before) }), "before:"},
		{"a before without a DACL", before(func(d *sddl.Descriptor) { d.DACL = nil }), "before has no DACL"},
		{"a before that had the entries already", before(func(d *sddl.Descriptor) { d.DACL.ACEs = slices.Insert(d.DACL.ACEs, 0, ace("(A;;RP;;;<me>)")) }), "what its bytes do"},
		{"an after that is none", change(func(c *Change) { c.After = []byte("x") }), "after:"},
		{"an empty after", change(func(c *Change) { c.After = nil }), "after:"},
		{"an after with no DACL", after(func(d *sddl.Descriptor) { d.DACL = nil }), "has no DACL"},
		{"an after that says it has no DACL", after(func(d *sddl.Descriptor) { d.DACL, d.Control = nil, sddl.SelfRelative }), "has no DACL"},
		{"an after with an owner", after(func(d *sddl.Descriptor) { d.Owner = everyone }), "more than a DACL"},
		{"an after with a group", after(func(d *sddl.Descriptor) { d.Group = everyone }), "more than a DACL"},
		{"an after with a SACL", after(func(d *sddl.Descriptor) { d.SACL = &sddl.ACL{Revision: 2} }), "more than a DACL"},
		{"inheritance blocked on the quiet", after(func(d *sddl.Descriptor) { d.Control |= sddl.DACLProtected }), "control bits"},
		{"a SACL bit", after(func(d *sddl.Descriptor) { d.Control |= sddl.SACLProtected }), "control bits"},
		{"other resource manager bits", after(func(d *sddl.Descriptor) { d.Sbz1 ^= 1 }), "not its before with another DACL"},
		{"bytes after its end", change(func(c *Change) { c.After = append(c.After, 0) }), "not its before with another DACL"},
		{"an owner where no offset points", change(func(c *Change) { c.After = append(c.After, everyone.Bytes()...) }), "not its before with another DACL"},
		{"one more entry", after(func(d *sddl.Descriptor) { d.DACL.ACEs = slices.Insert(d.DACL.ACEs, 0, ace("(A;;GA;;;WD)")) }), "what its bytes do"},
		{"the same entry once more", after(func(d *sddl.Descriptor) { d.DACL.ACEs = slices.Insert(d.DACL.ACEs, 0, d.DACL.ACEs[0]) }), "what its bytes do"},
		{"one entry less", after(func(d *sddl.Descriptor) { d.DACL.ACEs = d.DACL.ACEs[1:] }), "what its bytes do"},
		{"an entry for somebody else", after(func(d *sddl.Descriptor) { d.DACL.ACEs[indexOfMine(d)].SID = everyone }), "what its bytes do"},
		{"an entry with more rights", after(func(d *sddl.Descriptor) { d.DACL.ACEs[indexOfMine(d)].Mask ^= sddl.WriteOwner }), "what its bytes do"},
		{"an entry that reaches further", after(func(d *sddl.Descriptor) { d.DACL.ACEs[indexOfMine(d)].Flags ^= sddl.InheritOnly }), "what its bytes do"},
		{"an entry with a condition", after(func(d *sddl.Descriptor) { d.DACL.ACEs[indexOfMine(d)].Data = "\x00\x00\x00\x00" }), "what its bytes do"},
		{"a deny moved behind the allows", after(func(d *sddl.Descriptor) {
			first := d.DACL.ACEs[0]
			if !first.Type.IsDeny() {
				t.Fatal("the head of the demo does not begin with a deny")
			}
			rest := d.DACL.ACEs[1:]
			end := len(rest)
			if at := slices.IndexFunc(rest, sddl.ACE.IsInherited); at >= 0 {
				end = at
			}
			d.DACL.ACEs = slices.Insert(rest, end, first)
		}), "canonical order"},
		{"an entry for somebody else, and it says so", change(func(c *Change) {
			c.After = edited(t, c.After, func(d *sddl.Descriptor) {
				d.DACL.ACEs = slices.Insert(d.DACL.ACEs, indexOfMine(d), ace("(A;CI;GA;;;WD)"))
			})
			say(t, c)
		}), "for somebody else"},
		{"an inherited entry, and it says so", change(func(c *Change) {
			c.After = edited(t, c.After, func(d *sddl.Descriptor) {
				d.DACL.ACEs = append(d.DACL.ACEs, ace("(A;CIID;GA;;;<me>)"))
			})
			say(t, c)
		}), "it is inherited"},
		{"an allow in front of a deny, where the order was lost before", change(func(c *Change) {
			lost := func(d *sddl.Descriptor) {
				d.DACL.ACEs = slices.Insert(d.DACL.ACEs, 0, ace("(A;;RP;;;WD)"))
			}
			c.Before = edited(t, c.Before, lost)
			c.BeforeSHA256 = digest(c.Before)
			c.After = edited(t, c.After, lost)
			c.After = edited(t, c.After, func(d *sddl.Descriptor) {
				d.DACL.ACEs = slices.Insert(d.DACL.ACEs, 0, ace("(A;;WP;;;<me>)"))
			})
			say(t, c)
		}), "order"},
		{"a deny, and it says so", change(func(c *Change) {
			c.After = edited(t, c.After, func(d *sddl.Descriptor) {
				d.DACL.ACEs = slices.Insert(d.DACL.ACEs, 0, ace("(D;;RP;;;<me>)"))
			})
			say(t, c)
		}), "not an unconditional allow"},
		{"an entry less, and it says so", change(func(c *Change) {
			c.After = edited(t, c.After, func(d *sddl.Descriptor) { d.DACL.ACEs = d.DACL.ACEs[1:] })
			say(t, c)
		}), "takes entries away"},
		{"two entries that it keeps in another order", after(func(d *sddl.Descriptor) {
			d.DACL.ACEs[1], d.DACL.ACEs[2] = d.DACL.ACEs[2], d.DACL.ACEs[1]
		}), "do not stand where they belong"},
		{"a change of what is no target", func(t testing.TB, p *Plan) string {
			p.Targets = p.Targets[:0]
			return written(t, p)
		}, "not a target of the plan"},
		{"an entry missing in what it says it adds", change(func(c *Change) { c.Add = c.Add[1:] }), "what its bytes do"},
		{"an entry too many in what it says it adds", change(func(c *Change) { c.Add = append(c.Add, c.Add[0]) }), "what its bytes do"},
		{"another entry in what it says it adds", change(func(c *Change) { c.Add[0].SDDL = "(A;;RP;;;WD)" }), "what its bytes do"},
		{"an entry in what it says it removes", change(func(c *Change) { c.Remove = c.Add[:1] }), "what its bytes do"},
		{"one object twice", func(t testing.TB, p *Plan) string {
			p.Changes = append(p.Changes, p.Changes[0])
			return written(t, p)
		}, "changed twice"},
		{"one object twice in another spelling", func(t testing.TB, p *Plan) string {
			p.Changes[1] = p.Changes[0]
			p.Changes[1].DN = strings.ToLower(strings.ReplaceAll(p.Changes[0].DN, ",", " , "))
			return written(t, p)
		}, "changed twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := demoPlan(t)
			slices.Reverse(p.Changes) // the head first: it has a deny
			got, err := Read(strings.NewReader(c.file(t, p)))
			if err == nil || got != nil || !strings.Contains(err.Error(), c.why) {
				t.Errorf("%v, %v, want an error with %q", got != nil, err, c.why)
			}
			// A backup is held to the same: it is written, too.
			if wrong := checkChanges(p.Changes); wrong != nil {
				if b, err := ReadBackup(strings.NewReader(asBackup(t, p))); b != nil || err == nil || err.Error() != wrong.Error() {
					t.Errorf("as a backup: %v, %v, want %v", b != nil, err, wrong)
				}
			}
		})
	}
}

// indexOfMine is where the account's first explicit entry stands.
func indexOfMine(d *sddl.Descriptor) int {
	return slices.IndexFunc(d.DACL.ACEs, func(a sddl.ACE) bool { return a.SID.String() == accountSID && !a.IsInherited() })
}

func asBackup(t testing.TB, p *Plan) string {
	t.Helper()
	b, err := json.Marshal(&Backup{Format: format, Kind: kindBackup, Domain: p.Domain, Account: p.Account, Changes: p.Changes})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestReadBackupRefusesPlans(t *testing.T) {
	for name, text := range map[string]string{
		"a plan":           `{"format": 1, "kind": "Plan", "changes": []}`,
		"a later format":   `{"format": 2, "kind": "Backup", "changes": []}`,
		"an unknown key":   `{"format": 1, "kind": "Backup", "policies": []}`,
		"something behind": `{"format": 1, "kind": "Backup", "changes": []} {}`,
		"nothing":          ``,
	} {
		if b, err := ReadBackup(strings.NewReader(text)); err == nil || b != nil {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
}

func TestWriteNew(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "new.json")
	if err := WriteNew(path, []byte("first")); err != nil {
		t.Fatal(err)
	}
	is := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("holds %q, %v, want %q", got, err, want)
		}
	}
	is("first")
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && stat.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600: it holds descriptors", stat.Mode())
	}
	if err := WriteNew(path, []byte("second")); !os.IsExist(err) {
		t.Errorf("over an existing file: %v", err)
	}
	is("first")
	link := filepath.Join(dir, "link.json")
	err = os.Symlink(filepath.Join(dir, "elsewhere"), link)
	// Wine makes none, and says that it did.
	if _, missing := os.Lstat(link); err == nil && missing == nil {
		if err := WriteNew(link, nil); !os.IsExist(err) {
			t.Errorf("through a link to nowhere: %v", err)
		}
	}
	if err := WriteNew(filepath.Join(dir, "none", "new.json"), nil); !os.IsNotExist(err) {
		t.Errorf("into a directory that there is not: %v", err)
	}
}

func TestBackupSave(t *testing.T) {
	p := demoPlan(t)
	b := &Backup{Format: format, Kind: kindBackup, Created: p.Created, Tool: p.Tool, Domain: p.Domain, Account: p.Account, Changes: p.Changes}
	path := filepath.Join(t.TempDir(), "b.json")
	if err := b.Save(path); err != nil {
		t.Fatal(err)
	}
	if err := (&Backup{}).Save(path); !os.IsExist(err) {
		t.Errorf("over an existing backup: %v", err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := ReadBackup(f)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := asJSON(t, got), asJSON(t, b); a != b {
		t.Errorf("read back it is\n%s\nwas\n%s", a, b)
	}
}

func asJSON(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A plan or backup that Read accepts does what it says, whatever else it may be.
func FuzzReadPlan(f *testing.F) {
	f.Add(written(f, demoPlan(f)))
	for _, p := range accountPlans(f) {
		f.Add(written(f, p))
	}
	for _, text := range seeds(f) {
		f.Add(strings.ReplaceAll(text, "KIND", kindPlan))
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Read(strings.NewReader(text))
		if (p == nil) != (err != nil) {
			t.Fatalf("%v, %v", p, err)
		}
		if err == nil {
			checkAccepted(t, p.Changes)
			checkAcceptedAttributes(t, p.Attributes, p.Account.DN)
			if p.Create != nil && !strings.HasSuffix(p.Account.SID, "-0") {
				t.Error("it makes an account, and is for one that is there")
			}
			if again, err := Read(strings.NewReader(written(t, p))); err != nil || written(t, again) != written(t, p) {
				t.Errorf("written again it is another: %v", err)
			}
		}
	})
}

func FuzzReadBackup(f *testing.F) {
	f.Add(asBackup(f, demoPlan(f)))
	for _, p := range accountPlans(f) {
		for i := range p.Attributes {
			p.Attributes[i].ObjectGUID = sddl.GUID{1}.String()
		}
		b := &Backup{Format: format, Kind: kindBackup, Domain: p.Domain, Account: p.Account, Attributes: p.Attributes, Changes: p.Changes, Made: &Created{DN: newDN, SID: newSID}}
		f.Add(asJSON(f, b))
	}
	for _, text := range seeds(f) {
		f.Add(strings.ReplaceAll(text, "KIND", kindBackup))
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ReadBackup(strings.NewReader(text))
		if (b == nil) != (err != nil) {
			t.Fatalf("%v, %v", b, err)
		}
		if err == nil {
			checkAccepted(t, b.Changes)
			checkAcceptedAttributes(t, b.Attributes, b.Account.DN)
		}
	})
}

// accountPlans make an account, and harden one.
func accountPlans(f *testing.F) []*Plan {
	made := creation(f, newForest(f))
	s, object := accountObject(f, newForest(f))
	hard, err := Harden(s, object, nil, wanted(f).Membership, false)
	if err != nil {
		f.Fatal(err)
	}
	return []*Plan{made, hard}
}

// checkAcceptedAttributes holds what was accepted to what may be written: an attribute of the
// account, of the list, that lets not everybody in.
func checkAcceptedAttributes(t *testing.T, list []AttributeChange, account string) {
	t.Helper()
	for _, c := range list {
		if settable[c.Name] == nil || !directory.SameDN(c.DN, account) || len(c.After) > 1 {
			t.Errorf("accepted: %s of %s with %d values, in a plan for %s", c.Name, c.DN, len(c.After), account)
		}
		for _, v := range c.After {
			if d, err := sddl.Parse(v); c.Name == gmsa.AttrMembership && (err != nil || d.DACL == nil) {
				t.Errorf("accepted: a membership that lets everybody in: %x", v)
			}
		}
	}
}

// seeds are small files, which fuzzing gets further with than with real ones.
func seeds(f *testing.F) []string {
	d, err := sddl.ParseText("O:BAG:BAD:(D;;WP;;;WD)(A;;RP;;;WD)(A;ID;RP;;;BA)", sddl.Aliases{})
	if err != nil {
		f.Fatal(err)
	}
	raw, err := d.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	dacl, err := d.DACL.WithAllows(ace("(A;;LC;;;<me>)"))
	if err != nil {
		f.Fatal(err)
	}
	if d, err = sddl.Parse(raw); err != nil {
		f.Fatal(err)
	}
	c, err := newChange(&directory.Target{DN: "OU=a", GUID: sddl.GUID{1}, Raw: raw, Descriptor: d}, dacl, "", snapshot(f, newForest(f)))
	if err != nil {
		f.Fatal(err)
	}
	return []string{
		`{"format":1,"kind":"KIND","changes":[` + asJSON(f, c) + `]}`,
		`{"format":1,"kind":"KIND","changes":[` + asJSON(f, c) + `,` + asJSON(f, c) + `]}`,
		`{"format":1,"kind":"KIND","changes":[],"changes":[{}]}`,
		`{"format":1,"kind":"KIND","changes":null}`,
		`{"format":1,"kind":"KIND","changes":[{"dn":"","objectGUID":"","before":"","beforeSHA256":"","after":""}]}`,
	}
}

func checkAccepted(t *testing.T, changes []Change) {
	t.Helper()
	for i := range changes {
		c := &changes[i]
		if err := c.check(); err != nil {
			t.Fatalf("accepted, and yet: %v", err)
		}
		before, after, err := c.parse()
		if err != nil {
			t.Fatal(err)
		}
		var had, has []string
		for _, a := range before.DACL.ACEs {
			had = append(had, a.String())
		}
		for _, a := range after.DACL.ACEs {
			has = append(has, a.String())
		}
		for _, a := range c.Add {
			had = append(had, a.SDDL)
		}
		for _, a := range c.Remove {
			has = append(has, a.SDDL)
		}
		slices.Sort(had)
		slices.Sort(has)
		if !slices.Equal(had, has) {
			t.Errorf("%s: before and what is added are %q, after and what is removed are %q", c.DN, had, has)
		}
		if before.DACL.Canonical() == nil && after.DACL.Canonical() != nil {
			t.Errorf("%s: the order is worse than before", c.DN)
		}
	}
}

// say has a change tell what its bytes do.
func say(t testing.TB, c *Change) {
	t.Helper()
	if err := c.describe(words.Names{}); err != nil {
		t.Fatal(err)
	}
}

// Whatever words a file has, what is shown is what its bytes mean.
func TestDescribeSaysItAnew(t *testing.T) {
	f := newForest(t)
	s := snapshot(t, f, head, sales)
	p := build(t, s)
	p.Domain.DNS, p.Domain.DC, p.Account.Name = "other.example", "dc9.other.example", `OTHER\somebody`
	p.Notes = []string{"Reviewed and approved."}
	p.Blocked = []Blocked{{DN: head, Why: "nothing to see"}}
	for i := range p.Changes {
		p.Changes[i].DN = "<GUID=" + p.Changes[i].ObjectGUID + ">"
		p.Changes[i].Add[0].Words = "Allow nothing"
	}
	if err := p.Describe(s); err != nil {
		t.Fatal(err)
	}
	again := build(t, s)
	again.Blocked = nil // a file's word for it; the judgement after the write says it anew
	if got, want := written(t, p), written(t, again); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	p.Changes[0].ObjectGUID = "00112233-4455-6677-8899-aabbccddeeff"
	stale := (*StaleError)(nil)
	if err := p.Describe(s); !errors.As(err, &stale) {
		t.Errorf("an object that is none of the targets: %v", err)
	}
}

func TestParsePoliciesKnowsTheRules(t *testing.T) {
	p := demoPlan(t)
	if got, err := p.ParsePolicies(); err != nil || len(got) != len(p.Policies) {
		t.Fatalf("%d policies, %v", len(got), err)
	}
	p.Changes[0].Rules = append(p.Changes[0].Rules, Rule{Policy: p.Policies[0].Name, Rule: "approved"})
	if _, err := p.ParsePolicies(); err == nil || !strings.Contains(err.Error(), "have no rule") {
		t.Errorf("a rule that there is not: %v", err)
	}
}

// A backup's own words reach neither the screen nor the name of the next backup.
func TestUndoNamesWhatTheDirectoryNames(t *testing.T) {
	f := newForest(t)
	p := build(t, snapshot(t, f, sales))
	var backup *Backup
	if _, err := Apply(t.Context(), f, p, func(b *Backup) (string, error) { backup = b; return "b", nil }); err != nil {
		t.Fatal(err)
	}
	want := p.Domain
	backup.Domain.DNS, backup.Domain.DC, backup.Account.Name = "../../elsewhere", "dc9", `OTHER\somebody`
	undo, err := backup.Undo(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if undo.Domain != want || undo.Account != p.Account {
		t.Errorf("got %+v and %+v, want %+v and %+v", undo.Domain, undo.Account, want, p.Account)
	}
}
