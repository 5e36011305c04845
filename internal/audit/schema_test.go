package audit

import (
	"slices"
	"strings"
	"testing"

	"github.com/gmsactl/gmsactl/internal/directory"
)

const schemaDN = "CN=Schema,CN=Configuration,DC=corp,DC=example"

func TestEvaluateSchema(t *testing.T) {
	// nowhere takes an attribute out of every class.
	nowhere := func(attr string) edit {
		return func(e *directory.Entry) bool {
			for i := range e.Attrs {
				if strings.HasSuffix(strings.ToLower(e.Attrs[i].Name), "contain") {
					e.Attrs[i].Values = slices.DeleteFunc(slices.Clone(e.Attrs[i].Values), func(v []byte) bool { return strings.EqualFold(string(v), attr) })
				}
			}
			return true
		}
	}
	for _, c := range []struct {
		name  string
		edit  edit
		check string
		want  Verdict
		seen  string // a part of it
	}{
		{"the demo", nil, "schema-version", Pass, "objectVersion 88 (Windows Server 2019 and 2022)"},
		{"2025", with(schemaDN, "objectVersion", "91"), "schema-version", Pass, "91 (Windows Server 2025)"},
		{"later than is known", with(schemaDN, "objectVersion", "99"), "schema-version", Pass, "newer than Windows Server 2025"},
		{"2016 is enough", with(schemaDN, "objectVersion", "87"), "schema-version", Pass, "Windows Server 2016"},
		{"2012 R2 has gMSAs but not the attribute", with(schemaDN, "objectVersion", "69"), "schema-version", Warn, "Windows Server 2012 R2"},
		{"2012 is the first with gMSAs", with(schemaDN, "objectVersion", "56"), "schema-version", Warn, "Windows Server 2012"},
		{"2008 R2 has no gMSAs", with(schemaDN, "objectVersion", "47"), "schema-version", Fail, "Windows Server 2008 R2"},
		{"one below 2012", with(schemaDN, "objectVersion", "55"), "schema-version", Fail, "between Windows Server 2008 R2 and Windows Server 2012"},
		{"the version is not shown", with(schemaDN, "objectVersion"), "schema-version", Unknown, "not readable"},
		{"the version is no number", with(schemaDN, "objectVersion", "new"), "schema-version", Unknown, "not readable"},

		{"the demo", nil, "gmsa-class", Pass, "in the schema"},
		{"no class of gMSAs", hiding(directory.ClassGMSA), "gmsa-class", Fail, "not in the schema"},
		{"the class of gMSAs is defunct", with(directory.ClassGMSA, "isDefunct", "TRUE"), "gmsa-class", Fail, "defunct"},

		{"the demo", nil, "external-directory-object-id", Pass, "OID 1.2.840.113556.1.4.2310, syntax 2.5.5.12/64"},
		{"no such attribute", hiding(externalID), "external-directory-object-id", Fail, "not in the schema"},
		{"the attribute is defunct", with(externalID, "isDefunct", "TRUE"), "external-directory-object-id", Fail, "defunct"},
		{"another attribute of that name", with(externalID, "attributeID", "1.2.3.4"), "external-directory-object-id", Fail, "OID 1.2.3.4"},
		{"another syntax", with(externalID, "attributeSyntax", "2.5.5.10"), "external-directory-object-id", Fail, "syntax 2.5.5.10/64"},
		{"another syntax of OM", with(externalID, "oMSyntax", "4"), "external-directory-object-id", Fail, "syntax 2.5.5.12/4"},
		{"its OID is not shown", with(externalID, "attributeID"), "external-directory-object-id", Unknown, "not readable in full"},
		{"its syntax is not shown", with(externalID, "attributeSyntax"), "external-directory-object-id", Unknown, "not readable in full"},
		{"its OM syntax is not shown", with(externalID, "oMSyntax"), "external-directory-object-id", Unknown, "not readable in full"},

		{"the demo", nil, "holder-user", Pass, "it may"},
		{"the demo", nil, "holder-group", Pass, "it may"},
		{"the demo", nil, "holder-contact", Pass, "it may"},
		{"the demo", nil, "holder-inetOrgPerson", Pass, "it may"},
		{"no class has it", nowhere(externalID), "holder-user", Fail, "it may not"},
		{"no class has it", nowhere(externalID), "holder-group", Fail, "it may not"},
		{"no such class", hiding("inetOrgPerson"), "holder-inetOrgPerson", Fail, "no such class"},
		{"the class is defunct", with("contact", "isDefunct", "TRUE"), "holder-contact", Fail, "the class is defunct"},
		{"there is nothing to hold", hiding(externalID), "holder-user", Fail, "there is no such attribute"},
		{"what it would hold is defunct", with(externalID, "isDefunct", "TRUE"), "holder-user", Fail, "there is no such attribute"},

		{"the demo", nil, "domain-functional-level", Pass, "7 (Windows Server 2016)"},
		{"2012", with("", "domainFunctionality", "5"), "domain-functional-level", Pass, "5 (Windows Server 2012)"},
		{"2008 R2", with("", "domainFunctionality", "4"), "domain-functional-level", Warn, "4 (Windows Server 2008 R2)"},
		{"2000", with("", "domainFunctionality", "0"), "domain-functional-level", Warn, "0 (Windows 2000)"},
		{"2025", with("", "domainFunctionality", "10"), "domain-functional-level", Pass, "10 (Windows Server 2025)"},
		{"a level without a name", with("", "domainFunctionality", "8"), "domain-functional-level", Pass, "8"},
		{"not shown", with("", "domainFunctionality"), "domain-functional-level", Unknown, "does not say"},
		{"the forest", nil, "forest-functional-level", Pass, "7 (Windows Server 2016)"},
		{"an old forest", with("", "forestFunctionality", "3"), "forest-functional-level", Warn, "3 (Windows Server 2008)"},
		{"a forest that does not say", with("", "forestFunctionality"), "forest-functional-level", Unknown, "does not say"},
	} {
		t.Run(c.name+"/"+c.check, func(t *testing.T) {
			r := directory.Reader(demoCapture(t))
			if c.edit != nil {
				r = edited{r, c.edit}
			}
			report, err := LoadSchemaReport(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(report.Checks, func(k Check) bool { return k.ID == c.check })
			if at < 0 {
				t.Fatalf("no check %s", c.check)
			}
			got := report.Checks[at]
			if got.Result != c.want || !strings.Contains(got.Seen, c.seen) || got.Want == "" || got.Source == "" || got.Title == "" {
				t.Errorf("%+v, want %s, %q", got, c.want, c.seen)
			}
			bad := slices.ContainsFunc(report.Checks, func(k Check) bool { return k.Result == Fail || k.Result == Unknown })
			if report.Clean() == bad {
				t.Errorf("clean %v: %+v", report.Clean(), report.Checks)
			}
			if c.edit == nil && !report.Clean() {
				t.Error("the demo is not clean")
			}
		})
	}
}

func TestSchemaVersion(t *testing.T) {
	for _, c := range []struct {
		version int
		want    string
	}{
		{0, "older than Windows 2000"}, {13, "Windows 2000"}, {14, "between Windows 2000 and Windows Server 2003"},
		{30, "Windows Server 2003"}, {31, "Windows Server 2003 R2"}, {44, "Windows Server 2008"}, {47, "Windows Server 2008 R2"},
		{52, "between Windows Server 2008 R2 and Windows Server 2012"}, {56, "Windows Server 2012"}, {69, "Windows Server 2012 R2"},
		{87, "Windows Server 2016"}, {88, "Windows Server 2019 and 2022"}, {90, "between Windows Server 2019 and 2022 and Windows Server 2025"},
		{91, "Windows Server 2025"}, {92, "newer than Windows Server 2025"},
	} {
		if got := SchemaVersion(c.version); got != c.want {
			t.Errorf("%d is %q, want %q", c.version, got, c.want)
		}
	}
}

func TestSchemaReportClean(t *testing.T) {
	for _, c := range []struct {
		name   string
		checks []Verdict
		want   bool
	}{
		{"nothing was looked at", nil, false},
		{"all pass", []Verdict{Pass, Pass}, true},
		{"a warning is clean", []Verdict{Pass, Warn}, true},
		{"one fails", []Verdict{Pass, Fail}, false},
		{"one could not be seen", []Verdict{Pass, Unknown}, false},
		{"a check that came to nothing could not be seen", make([]Verdict, 1), false},
	} {
		r := &SchemaReport{}
		for _, v := range c.checks {
			r.Checks = append(r.Checks, Check{Result: v})
		}
		if got := r.Clean(); got != c.want {
			t.Errorf("%s: clean %v, want %v", c.name, got, c.want)
		}
	}
	if got := asJSON(t, []Verdict{Unknown, Fail, Warn, Pass}); got != `["unknown","fail","warn","pass"]` {
		t.Errorf("written %s", got)
	}
}
