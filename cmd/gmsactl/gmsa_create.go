package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/plan"
	"github.com/gmsactl/gmsactl/internal/policy"
)

// creating is what gmsa create is told.
type creating struct {
	judging
	writing
	retrievers
	name, container, dnsName, description, encTypes, out string
	interval                                             int

	sam, cn string
	types   int
}

func newGMSACreate(a *app) *cobra.Command {
	var c creating
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a group managed service account, and grant it what policies ask for",
		Long: `Create makes a group managed service account: in the domain's container of managed
service accounts or in --container, with AES keys only, without a service principal
name, its password for the hosts and groups that are named and for nobody else. With
--policy the same plan grants what those policies ask for on the targets.

It is a plan like any other: shown, confirmed, and read back; --out saves it for apply
instead. First the account is made with nothing but what it must have, then the rest is
set, who may have the password last, then rights are granted: in that order it takes no
right that the protection from CVE-2021-42291 has taken away. Where it stops half way
it says what exists; run again, it goes on from there.

A forest without a KDS root key, or with one that is too new, is refused.`,
		Example: `  gmsactl gmsa create provAgentgMSA --host AGENT1 --host AGENT2 --dc dc1.corp.example
  gmsactl gmsa create provAgentgMSA --group 'Sync Agents' --policy cloud-sync-custom-gmsa --out plan.json`,
		Args: args("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.name = args[0]
			if err := c.check(a); err != nil {
				return err
			}
			return a.gmsaCreate(cmd.Context(), &c)
		},
	}
	c.judging.register(cmd)
	cmd.Flags().Lookup("policy").Usage = "`name` of a policy, built in or a file, whose rights are granted, too; repeat for several"
	c.writing.register(cmd)
	c.retrievers.register(cmd)
	flags := cmd.Flags()
	flags.StringVar(&c.container, "container", "", "`DN` to make it in (default: the domain's container of managed service accounts)")
	flags.StringVar(&c.dnsName, "dns-name", "", "its DNS host `name` (default: NAME and the domain)")
	flags.StringVar(&c.description, "description", "", "its description")
	flags.StringVar(&c.encTypes, "enctypes", "aes", "Kerberos `keys` that it has: aes, or aes,rc4 for hosts that know no other")
	flags.IntVar(&c.interval, "interval", 30, "`days` after which its password changes; it cannot be changed later")
	flags.StringVar(&c.out, "out", "", "new `file` to save the plan in, instead of writing to the directory")
	return cmd
}

// check refuses what is wrong before anything is dialed.
func (c *creating) check(a *app) (err error) {
	if c.sam, c.cn, err = gmsa.CheckName(c.name); err != nil {
		return err
	}
	switch {
	case !c.given():
		return &hintedError{errors.New("nobody is named who may have the password"), "name the agents' computers with --host, or a group of them with --group"}
	case c.interval < 1 || c.interval > 365*3:
		return fmt.Errorf("--interval %d: want 1 to 1095 days", c.interval)
	case c.container != "" && !directory.LooksLikeDN(c.container):
		return fmt.Errorf("--container %q: want a DN such as CN=Managed Service Accounts,DC=corp,DC=example", c.container)
	case len(c.targets) > 0 && len(c.policies) == 0:
		return errors.New("--target goes with --policy: it says where its rights are granted")
	}
	switch strings.ReplaceAll(strings.ToLower(c.encTypes), " ", "") {
	case "aes":
		c.types = gmsa.EncTypesAES
	case "aes,rc4", "rc4,aes":
		c.types = gmsa.EncTypesAES | gmsa.EncTypeRC4
	default:
		return fmt.Errorf("--enctypes %q: want aes, or aes,rc4", c.encTypes)
	}
	if c.dnsName != "" {
		if err := gmsa.CheckDNSName(c.dnsName); err != nil {
			return fmt.Errorf("--dns-name: %w", err)
		}
	}
	return c.checkOut(a, c.out)
}

func (a *app) gmsaCreate(ctx context.Context, c *creating) error {
	var policies []*policy.Policy
	accept := audit.AcceptGroups
	if len(c.policies) > 0 {
		var err error
		if policies, accept, err = c.load(); err != nil {
			return err
		}
	}
	build := func(ctx context.Context, r directory.Reader) (*plan.Plan, error) {
		return a.planCreation(ctx, r, c, policies, accept)
	}
	return a.planAccount(ctx, c.out, &c.writing, build, func(s *ldapx.Session, p *plan.Plan) judge {
		if len(policies) == 0 {
			return nil
		}
		return judgeCreated(s, p, c.targets, policies, accept)
	})
}

// judgeCreated judges the account of a plan that made it, by the SID that it has now.
func judgeCreated(s *ldapx.Session, p *plan.Plan, targets []string, policies []*policy.Policy, accept audit.Accept) judge {
	return func(ctx context.Context, done *plan.Result) (*audit.Report, error) {
		sid := p.Account.SID
		if done.Created != nil {
			sid = done.Created.SID
		}
		snapshot, err := audit.Load(ctx, s, sid, targets, policies...)
		if err != nil {
			return nil, err
		}
		return audit.Evaluate(snapshot, policies, accept)
	}
}

// planCreation reads all that the account depends on, refuses what cannot be, and plans the
// rest.
func (a *app) planCreation(ctx context.Context, r directory.Reader, c *creating, policies []*policy.Policy, accept audit.Accept) (*plan.Plan, error) {
	d, err := directory.LoadDomain(ctx, r)
	if err != nil {
		return nil, err
	}
	if a.connect.from == "" {
		if err := a.needWritable(ctx, d); err != nil {
			return nil, err
		}
	}
	who, err := gmsa.Retrievers(ctx, r, d, c.hosts, c.groups)
	if err != nil {
		return nil, err
	}
	membership, err := gmsa.Membership(who)
	if err != nil {
		return nil, err
	}
	keys, err := gmsa.RootKeys(ctx, r, d)
	if err != nil {
		return nil, err
	}
	notes, err := keys.Check()
	if err != nil {
		return nil, err
	}
	for _, p := range who {
		if p.Note != "" {
			notes = append(notes, p.Note)
		}
	}
	dn := c.container
	if dn == "" {
		if dn, err = gmsa.DefaultContainer(ctx, r, d); err != nil {
			return nil, err
		}
	}
	snapshot, err := audit.LoadFuture(ctx, r, gmsa.DNFor(c.cn, dn), c.sam, c.targets, policies...)
	if err != nil {
		return nil, err
	}
	container, err := gmsa.FindContainer(ctx, r, d, snapshot.Schema, dn)
	if err != nil {
		return nil, err
	}
	wanted := &gmsa.Wanted{
		DN: gmsa.DNFor(c.cn, container.DN), SAMAccountName: c.sam, IntervalDays: c.interval,
		DNSHostName: c.dnsName, EncTypes: c.types, Description: c.description, Membership: membership,
	}
	if wanted.DNSHostName == "" {
		wanted.DNSHostName = strings.ToLower(c.cn + "." + d.DNS)
	}
	elsewhere, done, note := a.restOfForest(ctx, d)
	defer done()
	if note != "" {
		notes = append(notes, note)
	}
	have, err := gmsa.Look(ctx, r, d, wanted, elsewhere)
	if err != nil {
		return nil, err
	}
	switch {
	case have != nil:
		if snapshot, err = audit.Load(ctx, r, have.SID.String(), c.targets, policies...); err != nil {
			return nil, err
		}
		notes = append(notes, fmt.Sprintf("%s exists: what it lacks is planned, and nothing else.", have.DN))
	case a.connect.from == "" && !container.MayCreate:
		return nil, &gmsa.ContainerError{DN: container.DN, Why: "whoever is bound may not create service accounts there"}
	}
	nameRetrievers(snapshot, who)
	p, err := plan.CreateAccount(snapshot, wanted, have, policies, accept)
	if err != nil {
		return nil, err
	}
	p.Notes = slices.Concat(notes, p.Notes)
	a.sign(p)
	return p, nil
}

// restOfForest reads names in the other domains, by the global catalog of the same domain
// controller, until done is called; a note says why that is not looked at. Where there is no other
// domain there is neither.
func (a *app) restOfForest(ctx context.Context, d *directory.Domain) (r directory.Reader, done func(), note string) {
	var others []string
	for _, p := range d.Forest {
		if !directory.SameDN(p.DN, d.DN) {
			others = append(others, p.DNS)
		}
	}
	done = func() {}
	if len(others) == 0 {
		return nil, done, ""
	}
	why := "a capture is of one domain"
	if a.connect.from == "" {
		s, err := a.catalog(ctx, d)
		if err == nil {
			return s, func() { s.Close() }, ""
		}
		why = oneLine(err.Error())
	}
	return nil, done, fmt.Sprintf("The name must be unique in the forest and was looked for in %s only (%s): see that no account of %s has it.", d.DNS, why, strings.Join(others, ", "))
}

// catalog binds to the global catalog of the domain controller that a domain was read from.
func (a *app) catalog(ctx context.Context, d *directory.Domain) (*ldapx.Session, error) {
	to := candidate{host: d.Host, located: a.connect.dc == "", dial: a.dial}
	if a.connect.dns != "" {
		l, err := a.locator()
		if err != nil {
			return nil, err
		}
		to.dial = l.DialContext
	}
	config, err := a.config(to, d.DNS)
	if err != nil {
		return nil, err
	}
	config.GlobalCatalog = true
	return ldapx.Dial(ctx, config)
}
