package report

import (
	"bytes"
	"testing"
)

// everyRule has each kind of rule, and what somebody could write into a policy.
func everyRule() *PolicyView {
	const user = "bf967aba-0de6-11d0-a285-00aa003049e2"
	allow := PolicyRow{
		Type: "Allow", Access: "Read all properties", AppliesTo: "Descendant user objects", Target: "on the target of the audit",
		Severity: "error", Verification: "published", Source: "row 1",
	}
	with := func(change func(*PolicyRow)) PolicyRow {
		r := allow
		change(&r)
		return r
	}
	return &PolicyView{Format: 1, Kind: "PolicyView", Schema: "Windows Server 2019", Policies: []PolicyRows{
		{
			Name: "mine", Title: "A title that is so long that it does not fit into the eighty columns that a line of text has", Source: "https://example.com/",
			Include: []string{"cloud-sync-custom-gmsa", "./odd.yaml"}, Parameters: map[string]string{"ou": "OU=Sync,DC=corp,DC=example", "kind": "computer"},
			Notes: []string{"A note that is so long that it does not fit into the eighty columns that a line of text has."},
			Rules: []PolicyRow{
				with(func(r *PolicyRow) {
					r.Rule, r.Why, r.SDDL = "read", "It reads.", []string{"(OA;CIIO;RP;;" + user + ";<account>)"}
				}),
				with(func(r *PolicyRow) {
					r.Rule, r.Severity, r.Verification = "either", "warning", "inferred"
					r.Access, r.AppliesTo = "Write description or Write displayName", "Descendant user objects or Descendant group objects"
					r.AnyOf = []PolicyGrant{{"Write description", "Descendant user objects"}, {"Write displayName", "Descendant group objects"}}
					r.SDDL = []string{"(OA;CIIO;WP;bf967950-0de6-11d0-a285-00aa003049e2;" + user + ";<account>)", "(OA;CIIO;WP;bf967953-0de6-11d0-a285-00aa003049e2;bf967a9c-0de6-11d0-a285-00aa003049e2;<account>)"}
				}),
				with(func(r *PolicyRow) {
					r.Rule, r.Access, r.NotApplicable = "lacking", "Write msExchSafeSendersHash", `the schema has no attribute or property set "msExchSafeSendersHash"`
				}),
				with(func(r *PolicyRow) {
					r.Rule, r.Type, r.Access, r.AppliesTo, r.Target = "no-takeover", "Forbidden", "Not: Modify permissions, Modify owner", "This object only", "on adminsdholder"
					r.SDDL = []string{"(A;;WD;;;<account>)", "(A;;WO;;;<account>)"}
				}),
				with(func(r *PolicyRow) {
					r.Rule, r.Type, r.Access, r.AppliesTo, r.Target = "tight", "Attributes", "userAccountControl has no bits of 0x80000", "This object only", "on account"
				}),
				with(func(r *PolicyRow) {
					r.Rule, r.Type, r.AppliesTo, r.Target = "locked", "DACL", "This object only", "on account"
					r.Access, r.Protected, r.May = "no explicit entries but 2 listed ones, inheritance blocked", true, []string{"PS", "SY"}
					r.SDDL = []string{"(A;;GA;;;SY)", "(A;;GR;;;ED)"}
				}),
			},
		},
		{
			Name: "odd", Title: "\x1b[2Jpass\r\u202e \uff06 <b>&", Source: "one\ntwo", Notes: []string{"a\nb \x1b]0;t\a"}, Parameters: map[string]string{"p": "\x9b\u2028"},
			Rules: []PolicyRow{
				with(func(r *PolicyRow) {
					r.Rule, r.Access, r.Target = "odd\x1b[31m", "Write \x1b[31mred\x1b[0m\n\u202eabc", "on OU=\x1b[2J"+"x,DC=corp"
					r.AppliesTo = "Descendant \u200bzero-width objects"
				}),
				with(func(r *PolicyRow) {
					r.Rule, r.Type, r.SDDL, r.May = "dacl", "DACL", []string{"(A;;GA;;;\x1b[2J)"}, []string{"\x1b[2J"}
				}),
			},
		},
		{Name: "nothing", Title: "One that only includes", Source: "here", Include: []string{"mine"}, Rules: []PolicyRow{}},
	}}
}

func TestPolicyGolden(t *testing.T) {
	for _, c := range []struct {
		name   string
		render func(*bytes.Buffer) error
	}{
		{"policy.txt", func(b *bytes.Buffer) error { return Policies(b, everyRule(), "<account>", Style{}) }},
		{"policy-colour.txt", func(b *bytes.Buffer) error { return Policies(b, everyRule(), "CORP\\agent\x1b[1m$", colour) }},
		{"policy-sddl.txt", func(b *bytes.Buffer) error { return PolicySDDL(b, everyRule(), Style{}) }},
		{"policy-sddl-colour.txt", func(b *bytes.Buffer) error { return PolicySDDL(b, everyRule(), colour) }},
		{"policy.json", func(b *bytes.Buffer) error { return JSON(b, everyRule()) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := c.render(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, c.name, b.Bytes())
		})
	}
}
