package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/acl"
	"github.com/gmsactl/gmsactl/internal/baseschema"
	"github.com/gmsactl/gmsactl/internal/byhand"
	"github.com/gmsactl/gmsactl/internal/demo"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/report"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// showing is how policy show shows.
type showing struct {
	form, account, target string
	params                []string
}

func newPolicyShow(a *app) *cobra.Command {
	var s showing
	cmd := &cobra.Command{
		Use:   "show POLICY",
		Short: "Show what a policy asks for, or the commands that grant it by hand",
		Long: `Show prints the rules of a built-in policy, or of a file, and of those that it
includes, with their notes: as the table of the Windows permission dialog, as SDDL, or
as commands for those who must grant by hand: dsacls, or a script for Windows
PowerShell that goes by GUID and so is the same in any language.

Names are looked up in the schema of Windows Server 2019, or, with --dc, --domain or
--from, in that of the forest. Commands are for --account, on --target; objects that a
rule names itself are taken to be where a new domain has them.`,
		Example: `  gmsactl policy show cloud-sync-password-hash-sync
  gmsactl policy show cloud-sync-all --form powershell --account 'CORP\provAgentgMSA$' --target DC=corp,DC=example
  gmsactl policy show adfs-dkm --param guid=2f8d3c5e-1111-4a4a-8b8b-0123456789ab --form sddl`,
		Args: args("POLICY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.policyShow(cmd.Context(), args[0], &s, namesForest(cmd))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&s.form, "form", "table", "`form` of the rules: table, sddl, dsacls or powershell")
	flags.StringVar(&s.account, "account", "", "`account` that commands are for: DOMAIN\\name or a SID")
	flags.StringVar(&s.target, "target", "", "`DN` that commands are for, where a rule does not name its own")
	flags.StringArrayVar(&s.params, "param", nil, "`NAME=VALUE` of a parameter of the policy; repeat for several")
	return cmd
}

func newPolicyValidate(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "validate FILE",
		Short: "Say what is wrong with a policy file",
		Long: `Validate reads a policy and those that it includes, and, where they can be read, looks
their names up in the schema of Windows Server 2019, or, with --dc, --domain or --from,
in that of the forest. Mistakes come together, the first one of each rule, with file,
line and column; the exit code is 1 then.`,
		Example: `  gmsactl policy validate ./mine.yaml
  gmsactl policy validate ./mine.yaml --dc dc1.corp.example --user admin`,
		Args: args("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.policyValidate(cmd.Context(), args[0], namesForest(cmd))
		},
	}
	return cmd
}

// namesForest says whether the command line names a forest to look names up in. What the
// environment says is for commands that need one.
func namesForest(cmd *cobra.Command) bool {
	return slices.ContainsFunc([]string{"dc", "domain", "from"}, cmd.Flags().Changed)
}

// schemaFor is the schema of the forest that is named, or else that of Windows Server 2019.
func (a *app) schemaFor(ctx context.Context, named bool) (s *directory.Schema, what string, err error) {
	load := func(r directory.Reader) error {
		d, err := directory.LoadDomain(ctx, r)
		if err != nil {
			return err
		}
		what = "that of " + d.DNS
		s, err = directory.LoadSchema(ctx, r, d)
		return err
	}
	if named {
		return s, what, a.read(ctx, purpose{}, load)
	}
	c, err := demo.Capture()
	if err != nil {
		return nil, "", err
	}
	if err = load(c); err != nil {
		return nil, "", err
	}
	// The demo's forest shows its own names for rights.
	s.Rename(func(g sddl.GUID, accesses sddl.Mask) string {
		switch {
		case accesses&sddl.ControlAccess != 0:
			return baseschema.Display(g, baseschema.ExtendedRight)
		case accesses&sddl.WriteSelf != 0:
			return baseschema.Display(g, baseschema.ValidatedWrite)
		}
		return baseschema.Display(g, baseschema.PropertySet)
	})
	return s, "Windows Server 2019", nil
}

// noAccount is the SID of no account: what entries are for is put in its place.
var noAccount = sddl.MustParseSID("S-1-5-21-1-1-1-1")

func (a *app) policyShow(ctx context.Context, name string, s *showing, named bool) error {
	commands := s.form == "dsacls" || s.form == "powershell"
	switch {
	case !commands && s.form != "table" && s.form != "sddl":
		return fmt.Errorf("--form %q: want table, sddl, dsacls or powershell", s.form)
	case commands && s.account == "":
		return &hintedError{fmt.Errorf("--form %s needs --account", s.form), `name whom it is for, such as --account 'CORP\provAgentgMSA$' or a SID`}
	case commands && s.target == "":
		return &hintedError{fmt.Errorf("--form %s needs --target", s.form), "name where it is for, such as --target DC=corp,DC=example"}
	case commands && a.output == "json":
		return &hintedError{fmt.Errorf("--form %s is text, and --output json is not", s.form), "leave one of them out; the JSON of --form sddl has the entries"}
	case s.target != "" && !directory.LooksLikeDN(s.target):
		return fmt.Errorf("--target %q: want a DN such as OU=Sync,DC=corp,DC=example", s.target)
	}
	values, err := parameters(s.params)
	if err != nil {
		return err
	}
	list, err := s.load(name, values, commands)
	if err != nil {
		return err
	}
	schema, what, err := a.schemaFor(ctx, named)
	if err != nil {
		return err
	}
	if commands {
		return a.byHand(s, list, schema, what)
	}
	who, trustee := s.account, "<account>"
	if who == "" {
		who = trustee
	}
	if sid, err := sddl.ParseSID(s.account); err == nil {
		trustee = sid.String()
	}
	view := &report.PolicyView{Format: 1, Kind: "PolicyView", Schema: what}
	for _, p := range list {
		rows, err := policyRows(p, schema, trustee)
		if err != nil {
			return err
		}
		view.Policies = append(view.Policies, *rows)
	}
	return a.show(view, func() error {
		if s.form == "sddl" {
			return report.PolicySDDL(a.stdout, view, a.style())
		}
		return report.Policies(a.stdout, view, who, a.style())
	})
}

// load reads the policy: commands need a value for every parameter, a table shows those without one as they are
// written.
func (s *showing) load(name string, values map[string]string, whole bool) ([]*policy.Policy, error) {
	if whole {
		return policy.Load([]string{name}, values, openPolicy)
	}
	list, err := policy.LoadUnbound([]string{name}, openPolicy)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for i := range list {
		for name := range list[i].Parameters {
			known[name] = true
		}
		if list[i], err = list[i].BindKnown(values); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !known[name] {
			return nil, fmt.Errorf("--param %s: the policy has no such parameter", name)
		}
	}
	return list, nil
}

// policyRows are the rules of a policy with the entries for the trustee that they ask for.
func policyRows(p *policy.Policy, schema *directory.Schema, trustee string) (*report.PolicyRows, error) {
	out := &report.PolicyRows{
		Name: p.Name, Title: p.Title, Source: p.Source, Include: p.Include, Parameters: p.Values, Notes: p.Notes, Rules: []report.PolicyRow{},
	}
	reqs, err := p.ResolveAll(schema)
	if err != nil {
		return nil, err
	}
	resolved := map[*policy.Rule]*policy.Requirement{}
	for i := range reqs {
		resolved[reqs[i].Rule] = &reqs[i]
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		req := resolved[r]
		if req == nil { // it names a parameter that has no value
			req = &policy.Requirement{Rule: r}
		}
		row := report.PolicyRow{
			Rule: r.ID, Type: report.RuleType(r), Access: accessOf(req, schema), AppliesTo: r.AppliesTo(), Target: "on " + r.Aim().String(), Severity: string(policy.SeverityError),
			Verification: string(p.Certainty(r)), Why: r.Why, Source: r.Source, NotApplicable: req.NotApplicable,
		}
		if r.Aim().IsZero() {
			row.Target = "on the target of the audit"
		}
		if r.Severity != "" {
			row.Severity = string(r.Severity)
		}
		for _, one := range req.Any {
			row.SDDL = append(row.SDDL, entriesFor(schema, one, trustee)...)
		}
		if r.DACL != nil {
			row.SDDL, row.May, row.Protected = r.DACL.Entries, r.DACL.May, r.DACL.Protected
		}
		for _, g := range r.AnyOf {
			one := *req
			one.Rule = &policy.Rule{Grant: g}
			row.AnyOf = append(row.AnyOf, report.PolicyGrant{Access: accessOf(&one, schema), AppliesTo: g.AppliesTo()})
		}
		out.Rules = append(out.Rules, row)
	}
	return out, nil
}

// accessOf is what a rule asks for, with rights as dialogs show them.
func accessOf(req *policy.Requirement, schema *directory.Schema) string {
	shown := *req.Rule
	display := func(g *policy.Grant, access sddl.Mask) {
		if r := schema.Right(g.Object, access); r != nil && r.DisplayName != "" {
			g.Object = r.DisplayName
		}
	}
	grants := append([]policy.Grant{}, shown.AnyOf...)
	shown.AnyOf = grants
	if len(grants) == 0 {
		shown.AnyOf = nil
	}
	for _, g := range append([]*policy.Grant{&shown.Grant}, pointers(grants)...) {
		switch {
		case slices.Contains(g.Rights, "extended-right"):
			display(g, sddl.ControlAccess)
		case slices.Contains(g.Rights, "validated-write"):
			display(g, sddl.WriteSelf)
		}
	}
	return shown.Access()
}

func pointers(grants []policy.Grant) []*policy.Grant {
	var out []*policy.Grant
	for i := range grants {
		out = append(out, &grants[i])
	}
	return out
}

// entriesFor are the entries for one permission, on an object without any, in SDDL.
func entriesFor(schema *directory.Schema, one acl.Requirement, trustee string) []string {
	var out []string
	for _, a := range acl.MissingACEs(&sddl.ACL{}, noAccount, []acl.Requirement{one}, schema.PropertySetOf) {
		out = append(out, strings.TrimSuffix(a.String(), noAccount.String()+")")+trustee+")")
	}
	return out
}

// grants are the entries that the policies ask for on each of their targets, the fewest that will do, and what whoever
// runs the commands should know: what they do not grant, and why, and the notes of the policies.
func (s *showing) grants(list []*policy.Policy, schema *directory.Schema, what string) (grants []byhand.Grant, notes []string, err error) {
	type target struct {
		dn    string
		asked []acl.Requirement
	}
	var targets []*target
	said := map[string]bool{}
	note := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !said[text] {
			said[text] = true
			notes = append(notes, text)
		}
	}
	for _, p := range list {
		reqs, err := p.Resolve(schema)
		if err != nil {
			return nil, nil, err
		}
		for i := range reqs {
			req := &reqs[i]
			rule := p.Name + "/" + req.Rule.ID
			if req.NotApplicable != "" {
				note("%s is not applicable by the schema of %s: %s", rule, strings.TrimPrefix(what, "that of "), req.NotApplicable)
				continue
			}
			if len(req.Asked()) == 0 {
				note("%s is no grant: %s", rule, req.Rule.Access())
				continue
			}
			if req.Rule.Severity == policy.SeverityWarning {
				note("%s is advice: %s, %s", rule, req.Rule.Access(), req.Rule.AppliesTo())
				continue
			}
			dn, err := s.where(req.Rule)
			if err != nil {
				return nil, nil, fmt.Errorf("%s: %w", rule, err)
			}
			if domain := domainByDN(dn); directory.SameDN(dn, policy.AdminSDHolder.UsualDN(domain)) {
				note("%s is left out: it is about AdminSDHolder, whose entries every protected account and group takes over; gmsactl plan --write-adminsdholder grants it", rule)
				continue
			}
			if req.Rule.Aim().Place == policy.EveryDomain {
				note("%s is about every domain of the forest, and is granted on %s only; repeat it with the --target of each other one", rule, dn)
			}
			at := slices.IndexFunc(targets, func(t *target) bool { return directory.SameDN(t.dn, dn) })
			if at < 0 {
				at, targets = len(targets), append(targets, &target{dn: dn})
			}
			targets[at].asked = append(targets[at].asked, req.Asked()[0])
		}
	}
	for _, p := range list {
		for _, text := range p.Notes {
			note("Note: %s", text)
		}
	}
	for _, t := range targets {
		for _, a := range acl.MissingACEs(&sddl.ACL{}, noAccount, t.asked, schema.PropertySetOf) {
			grants = append(grants, byhand.Grant{DN: t.dn, ACE: a})
		}
	}
	return grants, notes, nil
}

// domainByDN is the domain that an object is in, by its DN alone; empty where that does not say. The zones of DNS are
// objects called DC, too, and their partitions are no domains.
func domainByDN(dn string) string {
	domain := ""
	for rest := dn; rest != ""; rest = directory.ParentDN(rest) {
		attr, _, _ := strings.Cut(rest, "=")
		switch {
		case !strings.EqualFold(strings.TrimSpace(attr), "DC"):
			domain = ""
		case domain == "":
			domain = rest
		}
	}
	if name := strings.ToLower(directory.NameOfDN(domain)); name == "domaindnszones" || name == "forestdnszones" {
		return ""
	}
	return domain
}

// where is the object that a rule is about, in the domain of --target.
func (s *showing) where(r *policy.Rule) (string, error) {
	domain := domainByDN(s.target)
	t := r.Aim()
	switch {
	case t.IsZero():
		return s.target, nil
	case domain == "":
		return "", fmt.Errorf("--target %s is in no domain, and the rule is about %s", s.target, t)
	case t.Place != "":
		if dn := t.Place.UsualDN(domain); dn != "" {
			return dn, nil
		}
		return "", fmt.Errorf("the rule is about %s, which has no place that every forest has; gmsactl plan finds it", t)
	}
	dn := policy.Replace(t.DN, map[string]string{"domain.dn": domain})
	if t.Under != "" {
		dn += "," + t.Under.UsualDN(domain)
	}
	if strings.Contains(dn, "${") || strings.HasSuffix(dn, ",") {
		return "", fmt.Errorf("where %s is, only gmsactl plan finds out", t)
	}
	return dn, nil
}

// byHand prints the commands, and what they do not do as comments.
func (a *app) byHand(s *showing, list []*policy.Policy, schema *directory.Schema, what string) error {
	grants, notes, err := s.grants(list, schema, what)
	if err != nil {
		return err
	}
	comment, script := byhand.PowerShellComment, ""
	if s.form == "dsacls" {
		comment = byhand.DsaclsComment
		lines, err := byhand.Dsacls(s.account, grants, schema)
		if err != nil {
			return &hintedError{err, "--form powershell goes by GUID and quotes anything"}
		}
		script = strings.Join(lines, "\n") + "\n"
	} else if script, err = byhand.PowerShell(s.account, grants, schema.NameOf); err != nil {
		return err
	}
	for _, text := range notes {
		for _, line := range comment(text) {
			if _, err := fmt.Fprintln(a.stdout, line); err != nil {
				return err
			}
		}
	}
	if len(grants) == 0 {
		return errors.New("the policy has nothing that commands could grant; see it with --form table")
	}
	_, err = fmt.Fprint(a.stdout, script)
	return err
}

func (a *app) policyValidate(ctx context.Context, name string, named bool) error {
	if !policy.LooksLikeFile(name) {
		return &hintedError{fmt.Errorf("%q is no file", name), "write ./" + name + " for a file in this folder"}
	}
	list, err := policy.LoadUnbound([]string{name}, openPolicy)
	if err != nil {
		return err
	}
	schema, what, err := a.schemaFor(ctx, named)
	if err != nil {
		return err
	}
	type valid struct {
		Name          string   `json:"name"`
		Rules         int      `json:"rules"`
		NotApplicable []string `json:"notApplicable,omitempty"`
		NotLookedUp   []string `json:"notLookedUp,omitempty"` // rules that name a parameter without a value
	}
	answer := struct {
		Format   int     `json:"format"`
		Kind     string  `json:"kind"` // PolicyValidation
		Schema   string  `json:"schema"`
		Policies []valid `json:"policies"`
	}{Format: 1, Kind: "PolicyValidation", Schema: what}
	var errs []error
	for _, p := range list {
		p, err := p.BindKnown(nil)
		if err != nil {
			return err
		}
		reqs, err := p.ResolveAll(schema)
		errs = append(errs, err)
		v := valid{Name: p.Name, Rules: len(p.Rules)}
		for _, req := range reqs {
			if req.NotApplicable != "" {
				v.NotApplicable = append(v.NotApplicable, req.Rule.ID+": "+req.NotApplicable)
			}
		}
		for i := range p.Rules {
			if !slices.ContainsFunc(reqs, func(req policy.Requirement) bool { return req.Rule == &p.Rules[i] }) {
				v.NotLookedUp = append(v.NotLookedUp, p.Rules[i].ID)
			}
		}
		answer.Policies = append(answer.Policies, v)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return a.show(answer, func() error {
		for _, v := range answer.Policies {
			if _, err := fmt.Fprintf(a.stdout, "%s: %d rules, names as in the schema of %s\n", report.Printable(v.Name), v.Rules, report.Printable(strings.TrimPrefix(what, "that of "))); err != nil {
				return err
			}
			for _, text := range v.NotApplicable {
				if _, err := fmt.Fprintf(a.stdout, "  not applicable there: %s\n", report.Printable(text)); err != nil {
					return err
				}
			}
			for _, id := range v.NotLookedUp {
				if _, err := fmt.Fprintf(a.stdout, "  not looked up: %s: its object or class is a parameter without a value\n", report.Printable(id)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
