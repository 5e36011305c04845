package audit

import (
	"context"
	"fmt"
	"strconv"

	"github.com/gmsactl/gmsactl/internal/directory"
)

// SchemaReport says whether a forest's schema is ready for Microsoft Entra Cloud Sync.
type SchemaReport struct {
	Format int     `json:"format"`
	Kind   string  `json:"kind"` // SchemaReport
	Domain Domain  `json:"domain"`
	Checks []Check `json:"checks"`
}

// Check is one thing that was looked at.
type Check struct {
	ID     string  `json:"id"`
	Title  string  `json:"title"`
	Result Verdict `json:"result"`
	Seen   string  `json:"seen"`
	Want   string  `json:"want"`
	Source string  `json:"source"`
}

// Verdict is what a check came to. The zero value is Unknown on purpose.
type Verdict int

// The verdicts.
const (
	Unknown Verdict = iota
	Fail
	Warn
	Pass
)

var verdictNames = []string{"unknown", "fail", "warn", "pass"}

func (v Verdict) String() string { return verdictNames[v] }

// MarshalText is the word for the verdict.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Clean says whether nothing failed or could not be seen. Warnings are clean.
func (r *SchemaReport) Clean() bool {
	for _, c := range r.Checks {
		if c.Result == Fail || c.Result == Unknown {
			return false
		}
	}
	return len(r.Checks) > 0
}

// The attribute that ties an object to its counterpart in Microsoft Entra ID.
// [MS-ADA2] 2.307.
const (
	externalID       = "msDS-ExternalDirectoryObjectId"
	externalIDOID    = "1.2.840.113556.1.4.2310"
	unicodeSyntax    = "2.5.5.12"
	unicodeSyntaxOM  = 64
	schemaGMSA       = 56 // Windows Server 2012
	schemaExternalID = 87 // Windows Server 2016
	levelGMSA        = 5  // Windows Server 2012
)

const (
	sourcePrerequisites = "https://learn.microsoft.com/en-us/entra/identity/hybrid/cloud-sync/how-to-prerequisites"
	sourceVersions      = "https://learn.microsoft.com/en-us/windows-server/identity/ad-ds/deploy/find-active-directory-schema"
	sourceGMSA          = "https://learn.microsoft.com/en-us/windows-server/security/group-managed-service-accounts/getting-started-with-group-managed-service-accounts"
	sourceExternalID    = "https://learn.microsoft.com/en-us/windows/win32/adschema/a-msds-externaldirectoryobjectid"
)

// LoadSchemaReport reads the schema and judges it.
func LoadSchemaReport(ctx context.Context, r directory.Reader) (*SchemaReport, error) {
	d, err := directory.LoadDomain(ctx, r)
	if err != nil {
		return nil, err
	}
	s, err := directory.LoadSchema(ctx, r, d)
	if err != nil {
		return nil, err
	}
	return EvaluateSchema(d, s), nil
}

// EvaluateSchema judges a schema and the functional levels.
func EvaluateSchema(d *directory.Domain, s *directory.Schema) *SchemaReport {
	r := &SchemaReport{
		Format: 1, Kind: "SchemaReport",
		Domain: Domain{DNS: d.DNS, DN: d.DN, SID: d.SID.String(), DC: d.Host},
	}
	r.Checks = append(r.Checks, checkVersion(s), checkGMSAClass(s), checkExternalID(s))
	for _, class := range []string{"user", "group", "contact", "inetOrgPerson"} {
		r.Checks = append(r.Checks, checkHolder(s, class))
	}
	r.Checks = append(r.Checks,
		checkLevel("domain-functional-level", "Domain functional level", d.DomainLevel),
		checkLevel("forest-functional-level", "Forest functional level", d.ForestLevel))
	return r
}

// schemaVersions are the values of objectVersion that Microsoft shipped.
var schemaVersions = []struct {
	version int
	name    string
}{
	{13, "Windows 2000"}, {30, "Windows Server 2003"}, {31, "Windows Server 2003 R2"},
	{44, "Windows Server 2008"}, {47, "Windows Server 2008 R2"}, {56, "Windows Server 2012"},
	{69, "Windows Server 2012 R2"}, {87, "Windows Server 2016"}, {88, "Windows Server 2019 and 2022"},
	{91, "Windows Server 2025"},
}

// SchemaVersion says what a value of objectVersion means.
func SchemaVersion(version int) string {
	before := ""
	for _, v := range schemaVersions {
		switch {
		case v.version == version:
			return v.name
		case v.version > version && before != "":
			return "between " + before + " and " + v.name
		case v.version > version:
			return "older than " + v.name
		}
		before = v.name
	}
	return "newer than " + before
}

func checkVersion(s *directory.Schema) Check {
	c := Check{
		ID: "schema-version", Title: "Schema version", Source: sourceVersions,
		Want: fmt.Sprintf("%d (%s) or later; gMSAs need %d (%s)", schemaExternalID, SchemaVersion(schemaExternalID), schemaGMSA, SchemaVersion(schemaGMSA)),
	}
	if s.Version == 0 {
		c.Seen = "objectVersion is not readable"
		return c
	}
	c.Seen = fmt.Sprintf("objectVersion %d (%s)", s.Version, SchemaVersion(s.Version))
	switch {
	case s.Version >= schemaExternalID:
		c.Result = Pass
	case s.Version >= schemaGMSA:
		// The attribute itself decides, and has a check of its own: other products bring it too.
		c.Result = Warn
	default:
		c.Result = Fail
	}
	return c
}

func checkGMSAClass(s *directory.Schema) Check {
	c := Check{ID: "gmsa-class", Title: "Class of gMSAs", Want: directory.ClassGMSA, Source: sourcePrerequisites}
	switch class := s.Class(directory.ClassGMSA); {
	case class == nil:
		c.Result, c.Seen = Fail, "not in the schema"
	case class.Defunct:
		c.Result, c.Seen = Fail, "defunct"
	default:
		c.Result, c.Seen = Pass, "in the schema"
	}
	return c
}

func checkExternalID(s *directory.Schema) Check {
	c := Check{
		ID: "external-directory-object-id", Title: externalID, Source: sourceExternalID,
		Want: fmt.Sprintf("OID %s, syntax %s/%d", externalIDOID, unicodeSyntax, unicodeSyntaxOM),
	}
	a := s.Attribute(externalID)
	if a == nil {
		c.Result, c.Seen = Fail, "not in the schema"
		return c
	}
	c.Seen = fmt.Sprintf("OID %s, syntax %s/%d", a.OID, a.Syntax, a.OMSyntax)
	switch {
	case a.Defunct:
		c.Result, c.Seen = Fail, c.Seen+", defunct"
	case a.OID == "" || a.Syntax == "" || a.OMSyntax == 0:
		c.Seen = "its definition is not readable in full"
	case a.OID != externalIDOID || a.Syntax != unicodeSyntax || a.OMSyntax != unicodeSyntaxOM:
		c.Result = Fail
	default:
		c.Result = Pass
	}
	return c
}

func checkHolder(s *directory.Schema, class string) Check {
	c := Check{
		ID: "holder-" + class, Title: fmt.Sprintf("%s may hold it", class), Source: sourceExternalID,
		Want: fmt.Sprintf("%s among the attributes of %s", externalID, class),
	}
	attr := s.Attribute(externalID)
	switch definition := s.Class(class); {
	case definition == nil:
		c.Result, c.Seen = Fail, "the schema has no such class"
	case definition.Defunct:
		c.Result, c.Seen = Fail, "the class is defunct"
	case attr == nil || attr.Defunct:
		c.Result, c.Seen = Fail, "there is no such attribute"
	default:
		for _, a := range s.Attributes(class) {
			if a == attr {
				c.Result, c.Seen = Pass, "it may"
				return c
			}
		}
		c.Result, c.Seen = Fail, "it may not"
	}
	return c
}

// functionalLevels are the names of [MS-ADTS] 6.1.4.
var functionalLevels = map[int]string{
	0: "Windows 2000", 1: "Windows Server 2003 interim", 2: "Windows Server 2003", 3: "Windows Server 2008",
	4: "Windows Server 2008 R2", 5: "Windows Server 2012", 6: "Windows Server 2012 R2", 7: "Windows Server 2016",
	10: "Windows Server 2025",
}

// FunctionalLevel is the name of a functional level; empty where it is not known.
func FunctionalLevel(level int) string { return functionalLevels[level] }

func checkLevel(id, title string, level int) Check {
	c := Check{ID: id, Title: title, Source: sourceGMSA, Want: fmt.Sprintf("%d (%s) or higher, by the documentation of gMSAs", levelGMSA, functionalLevels[levelGMSA])}
	if level < 0 {
		c.Seen = "the rootDSE does not say"
		return c
	}
	c.Seen = strconv.Itoa(level)
	if name := functionalLevels[level]; name != "" {
		c.Seen += " (" + name + ")"
	}
	c.Result = Pass
	if level < levelGMSA {
		// The documentation of Cloud Sync asks for the schema only, that of gMSAs for the level.
		c.Result = Warn
	}
	return c
}
