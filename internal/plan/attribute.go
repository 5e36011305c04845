package plan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
	"github.com/gmsactl/gmsactl/internal/words"
)

// AttributeChange gives an attribute of the plan's account other values. Before pins what it
// was made from.
type AttributeChange struct {
	DN         string   `json:"dn"`
	ObjectGUID string   `json:"objectGUID,omitempty"` // empty: the account that the plan creates
	Name       string   `json:"attribute"`
	Before     [][]byte `json:"before"` // raw values; none: it has none
	After      [][]byte `json:"after"`
	Was        []string `json:"was,omitempty"` // Before for people, a descriptor as SDDL
	Becomes    []string `json:"becomes,omitempty"`
	Words      []string `json:"words,omitempty"` // what a descriptor among After grants, entry by entry
}

// settable are the attributes that a plan may write, all of them of a service account, and
// how their values are shown. A plan that names another one was not made by gmsactl.
var settable = map[string]func([]byte) (string, error){
	"msDS-GroupMSAMembership":       descriptorText,
	"msDS-SupportedEncryptionTypes": numberText,
	"dNSHostName":                   plainText,
	"description":                   plainText,
	"displayName":                   plainText,
}

func descriptorText(value []byte) (string, error) {
	d, err := sddl.Parse(value)
	if err != nil {
		return "", err
	}
	if d.DACL == nil {
		return "", errors.New("a descriptor without a DACL lets everybody in")
	}
	return d.Text(sddl.Aliases{}), nil
}

func numberText(value []byte) (string, error) {
	n, err := strconv.ParseInt(string(value), 10, 32)
	if err != nil || strconv.FormatInt(n, 10) != string(value) {
		return "", fmt.Errorf("%q is not a number of 32 bits", value)
	}
	return string(value), nil
}

func plainText(value []byte) (string, error) {
	if len(value) == 0 || !utf8.Valid(value) {
		return "", fmt.Errorf("%q is not text", value)
	}
	return string(value), nil
}

// NewAttributeChange is the change of an attribute from some values to others. objectGUID is
// empty for an account that the same plan creates.
func NewAttributeChange(dn, objectGUID, name string, before, after [][]byte, names words.Names) (AttributeChange, error) {
	c := AttributeChange{DN: dn, ObjectGUID: objectGUID, Name: name, Before: before, After: after}
	if err := c.describe(names); err != nil {
		return c, fmt.Errorf("change %s of %s: %w", name, dn, err)
	}
	return c, c.check()
}

// describe shows what the bytes say.
func (c *AttributeChange) describe(names words.Names) (err error) {
	if c.Was, err = c.texts(c.Before); err != nil {
		// What was there may be damaged; it is to be replaced, and must be shown all the same.
		c.Was = nil
		for _, v := range c.Before {
			c.Was = append(c.Was, fmt.Sprintf("%x", v))
		}
	}
	if c.Becomes, err = c.texts(c.After); err != nil {
		return err
	}
	c.Words = nil
	if c.Name == "msDS-GroupMSAMembership" {
		for _, v := range c.After {
			d, err := sddl.Parse(v)
			if err != nil {
				return err
			}
			for _, a := range d.DACL.ACEs {
				c.Words = append(c.Words, mayRetrieve(a, names))
			}
		}
	}
	return nil
}

// mayRetrieve says what an entry of a membership comes to.
func mayRetrieve(a sddl.ACE, names words.Names) string {
	who := names.SID(a.SID)
	if who == "" {
		who = a.SID.String()
	}
	if a.Type == sddl.Allow && a.Mask.MapGeneric()&sddl.ReadProperty != 0 {
		return who + " may have the password"
	}
	return words.ACE(a, names)
}

func (c *AttributeChange) texts(values [][]byte) (out []string, err error) {
	show := settable[c.Name]
	if show == nil {
		return nil, fmt.Errorf("attribute %q is none that a plan may write", c.Name)
	}
	for _, v := range values {
		text, err := show(v)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// check holds the change to its own words.
func (c *AttributeChange) check() error {
	fault := func(why string) error { return fmt.Errorf("change of %s of %s: %s", c.Name, c.DN, why) }
	if c.ObjectGUID != "" {
		if _, err := sddl.ParseGUID(c.ObjectGUID); err != nil {
			return fault("objectGUID: " + err.Error())
		}
	}
	becomes, err := c.texts(c.After)
	switch {
	case err != nil:
		return fault(err.Error())
	case sameValues(c.Before, c.After):
		return fault("it changes nothing")
	case len(c.After) > 1:
		return fault("it has one value, not several")
	case !slices.Equal(becomes, c.Becomes):
		return fault("what it says it becomes is not what its bytes say")
	}
	if was, err := c.texts(c.Before); err == nil && !slices.Equal(was, c.Was) {
		return fault("what it says it was is not what its bytes say")
	}
	return nil
}

// sameValues compares values as sets: a directory has no order.
func sameValues(a, b [][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for _, v := range a {
		if !slices.ContainsFunc(b, func(w []byte) bool { return bytes.Equal(v, w) }) {
			return false
		}
	}
	return true
}

// same says whether values in the directory are the ones of the change. A server may lay
// out a descriptor anew.
func (c *AttributeChange) same(have, want [][]byte) bool {
	if sameValues(have, want) {
		return true
	}
	if len(have) != 1 || len(want) != 1 {
		return false
	}
	x, errX := sddl.Parse(have[0])
	y, errY := sddl.Parse(want[0])
	return errX == nil && errY == nil && x.DACL != nil && y.DACL != nil && x.Owner == y.Owner && slices.Equal(x.DACL.ACEs, y.DACL.ACEs)
}

func (c *AttributeChange) target() string { return c.DN }
func (c *AttributeChange) what() string   { return c.Name }

func (c *AttributeChange) values(ctx context.Context, r directory.Reader) (values [][]byte, reason string, err error) {
	found, err := directory.Collect(r.Read(ctx, directory.Query{Base: c.DN, Attrs: []string{"objectGUID", c.Name}}))
	if gone := (*directory.NotFoundError)(nil); errors.As(err, &gone) || err == nil && len(found) != 1 {
		return nil, c.DN + " is not there any more", nil
	}
	if err != nil {
		return nil, "", err
	}
	if c.ObjectGUID != "" {
		guid, err := sddl.ParseGUIDBytes(found[0].Value("objectGUID"))
		if err != nil || guid.String() != c.ObjectGUID {
			return nil, c.DN + " is another object now", nil
		}
	}
	return found[0].Values(c.Name), "", nil
}

func (c *AttributeChange) examine(ctx context.Context, r directory.Reader) (done bool, reason string, err error) {
	have, reason, err := c.values(ctx, r)
	switch {
	case err != nil || reason != "":
		return false, reason, err
	case c.same(have, c.After):
		return true, "", nil
	case !sameValues(have, c.Before):
		return false, fmt.Sprintf("%s of %s is not what the plan was made from", c.Name, c.DN), nil
	}
	return false, "", nil
}

func (c *AttributeChange) write(ctx context.Context, d Directory) error {
	return d.WriteAttribute(ctx, c.DN, c.Name, c.Before, c.After)
}

func (c *AttributeChange) verify(ctx context.Context, r directory.Reader) error {
	have, reason, err := c.values(ctx, r)
	switch {
	case err != nil:
		return fmt.Errorf("read back: %w", err)
	case reason != "":
		return errors.New("read back: " + reason)
	case !c.same(have, c.After):
		return fmt.Errorf("read back %s: its %s is not what was written", c.DN, c.Name)
	}
	return nil
}

// undo is the change back; nil where it was never made, or is undone already.
func (c *AttributeChange) undo(ctx context.Context, r directory.Reader, names words.Names) (back *AttributeChange, reason string, err error) {
	have, reason, err := c.values(ctx, r)
	switch {
	case err != nil || reason != "":
		return nil, reason, err
	case c.same(have, c.Before):
		return nil, "", nil
	case !c.same(have, c.After):
		return nil, fmt.Sprintf("%s of %s is not what apply left", c.Name, c.DN), nil
	}
	undone := AttributeChange{DN: c.DN, ObjectGUID: c.ObjectGUID, Name: c.Name, Before: have, After: c.Before}
	if err := undone.describe(names); err != nil {
		return nil, "", fmt.Errorf("change %s of %s: %w", c.Name, c.DN, err)
	}
	return &undone, "", undone.check()
}
