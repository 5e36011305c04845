package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Creation makes a group managed service account with no more than an object of its class must
// have; the rest of it are attribute changes. In that order a delegate needs no right that
// CVE-2021-42291 took away: [MS-ADTS] 3.1.1.5.2.1.1 asks of what comes with an add for rights
// that its creator does not have yet.
type Creation struct {
	DN             string `json:"dn"`
	SAMAccountName string `json:"sAMAccountName"` // with its $
	IntervalDays   int    `json:"managedPasswordIntervalDays"`
}

// workstationTrust is the userAccountControl of an enabled service account.
// [MS-SAMR] 2.2.1.13.
const workstationTrust = "4096"

// Attributes are what the object is made with.
func (c *Creation) Attributes() []directory.Attribute {
	one := func(name, value string) directory.Attribute {
		return directory.Attribute{Name: name, Values: [][]byte{[]byte(value)}}
	}
	return []directory.Attribute{
		one("objectClass", directory.ClassGMSA),
		one("sAMAccountName", c.SAMAccountName),
		one("userAccountControl", workstationTrust),
		one("msDS-ManagedPasswordInterval", strconv.Itoa(c.IntervalDays)),
	}
}

func (c *Creation) check() error {
	switch {
	case !strings.HasSuffix(c.SAMAccountName, "$") || len(c.SAMAccountName) < 2 || !directory.LooksLikeDN(c.DN):
		return fmt.Errorf("creation of %s: %q is no name of a service account", c.DN, c.SAMAccountName)
	case c.IntervalDays < 1:
		return fmt.Errorf("creation of %s: an interval of %d days", c.DN, c.IntervalDays)
	}
	return nil
}

// Created is the account that a plan has made.
type Created struct {
	DN         string `json:"dn"`
	ObjectGUID string `json:"objectGUID"`
	SID        string `json:"sid"`
}

func (c *Creation) target() string { return c.DN }
func (c *Creation) what() string   { return "create" }

// look reads what stands where the account is to be; nil where nothing does. A reason says
// why it is not the account of this plan.
func (c *Creation) look(ctx context.Context, r directory.Reader) (made *Created, reason string, err error) {
	found, err := directory.Collect(r.Read(ctx, directory.Query{Base: c.DN, Attrs: []string{
		"objectClass", "objectGUID", "objectSid", "sAMAccountName", "msDS-ManagedPasswordInterval"}}))
	if gone := (*directory.NotFoundError)(nil); errors.As(err, &gone) || err == nil && len(found) == 0 {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	e := found[0]
	guid, errGUID := sddl.ParseGUIDBytes(e.Value("objectGUID"))
	sid, errSID := sddl.ParseSIDBytes(e.Value("objectSid"))
	switch isGMSA := slices.ContainsFunc(e.Texts("objectClass"), func(class string) bool { return strings.EqualFold(class, directory.ClassGMSA) }); {
	case !isGMSA:
		return nil, c.DN + " is there already, and is no group managed service account", nil
	case !strings.EqualFold(e.Text("sAMAccountName"), c.SAMAccountName):
		return nil, fmt.Sprintf("%s is there already, as %q", c.DN, e.Text("sAMAccountName")), nil
	case e.Text("msDS-ManagedPasswordInterval") != strconv.Itoa(c.IntervalDays):
		return nil, fmt.Sprintf("%s is there already, with an interval of %q days", c.DN, e.Text("msDS-ManagedPasswordInterval")), nil
	case errGUID != nil || errSID != nil:
		return nil, c.DN + " is there already, and does not show who it is", nil
	}
	return &Created{DN: e.DN, ObjectGUID: guid.String(), SID: sid.String()}, "", nil
}

func (c *Creation) examine(ctx context.Context, r directory.Reader) (done bool, reason string, err error) {
	made, reason, err := c.look(ctx, r)
	return made != nil, reason, err
}

func (c *Creation) write(ctx context.Context, d Directory) error {
	return d.Add(ctx, c.DN, c.Attributes())
}

func (c *Creation) verify(ctx context.Context, r directory.Reader) error {
	made, reason, err := c.look(ctx, r)
	switch {
	case err != nil:
		return fmt.Errorf("read back: %w", err)
	case reason != "":
		return errors.New("read back: " + reason)
	case made == nil:
		return fmt.Errorf("read back: %s is not there", c.DN)
	}
	return nil
}

// withAccount is the plan with the account that it has made in place of the one that was to
// be: in the entries for it, and in what pins its attributes.
func (p *Plan) withAccount(made *Created) (*Plan, error) {
	future, err := sddl.ParseSID(p.Account.SID)
	if err != nil {
		return nil, err
	}
	sid, err := sddl.ParseSID(made.SID)
	if err != nil {
		return nil, err
	}
	out := *p
	out.Account.SID = made.SID
	out.Attributes = slices.Clone(p.Attributes)
	for i := range out.Attributes {
		if a := &out.Attributes[i]; a.ObjectGUID == "" {
			a.ObjectGUID = made.ObjectGUID
		}
	}
	out.Changes = slices.Clone(p.Changes)
	for i := range out.Changes {
		c := &out.Changes[i]
		_, after, err := c.parse()
		if err != nil {
			return nil, fmt.Errorf("change of %s: %w", c.DN, err)
		}
		dacl := *after.DACL
		dacl.ACEs = slices.Clone(dacl.ACEs)
		for k := range dacl.ACEs {
			if dacl.ACEs[k].SID == future {
				dacl.ACEs[k].SID = sid
			}
		}
		if c.After, err = after.WithDACL(&dacl).Append(nil); err != nil {
			return nil, fmt.Errorf("change of %s: %w", c.DN, err)
		}
		// The words are the plan's, which was shown; only the SID in them was not known.
		c.Add = slices.Clone(c.Add)
		for k := range c.Add {
			c.Add[k].SDDL = strings.ReplaceAll(c.Add[k].SDDL, future.String(), made.SID)
			c.Add[k].Words = strings.ReplaceAll(c.Add[k].Words, future.String(), made.SID)
		}
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("change of %s: %w", c.DN, err)
		}
	}
	return &out, nil
}

// pinNew makes what the server has given the new account by itself what the attribute changes
// are made from: nobody else has written to it yet.
func (p *Plan) pinNew(ctx context.Context, r directory.Reader) error {
	for i := range p.Attributes {
		c := &p.Attributes[i]
		have, reason, err := c.values(ctx, r)
		switch {
		case err != nil:
			return fmt.Errorf("read %s: %w", c.DN, err)
		case reason != "":
			return &StaleError{[]string{reason}}
		case len(have) == 0:
			continue
		}
		c.Before, c.Was = have, nil
		if was, err := c.texts(have); err == nil {
			c.Was = was
		}
	}
	return nil
}
