package explain

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/sddl"
)

// RightError says why a text is no RIGHT, and what may have been meant.
type RightError struct {
	Right   string
	Why     string
	Similar []string
}

func (e *RightError) Error() string {
	text := fmt.Sprintf("right %q: %s", e.Right, e.Why)
	if len(e.Similar) > 0 {
		text += "; did you mean " + strings.Join(e.Similar, " or ") + "?"
	}
	return text
}

// verb is what of a RIGHT stands before the colon.
type verb string

const (
	verbRead        verb = "read"
	verbWrite       verb = "write"
	verbValidated   verb = "validated-write"
	verbExtended    verb = "extended"
	verbCreate      verb = "create"
	verbDeleteChild verb = "delete-child"
	verbDelete      verb = "delete"
	verbDeleteTree  verb = "delete-tree"
	verbList        verb = "list"
	verbReadPerms   verb = "read-permissions"
	verbWriteDACL   verb = "write-dacl"
	verbWriteOwner  verb = "write-owner"
	verbFull        verb = "full-control"
)

// verbs are the RIGHTs in the order of the help, and what stands after the colon.
var verbs = []struct {
	verb  verb
	takes string
}{
	{verbRead, "ATTR"}, {verbWrite, "ATTR"}, {verbValidated, "ATTR"}, {verbExtended, "NAME"},
	{verbCreate, "CLASS"}, {verbDeleteChild, "CLASS"},
	{verbDelete, ""}, {verbDeleteTree, ""}, {verbList, ""}, {verbReadPerms, ""},
	{verbWriteDACL, ""}, {verbWriteOwner, ""}, {verbFull, ""},
}

// Rights are the forms of a RIGHT.
func Rights() []string {
	var out []string
	for _, v := range verbs {
		form := string(v.verb)
		if v.takes != "" {
			form += ":" + v.takes
		}
		out = append(out, form)
	}
	return out
}

// request is a RIGHT with its name looked up: one of the four, or none.
type request struct {
	text      string
	verb      verb
	attribute *directory.AttributeSchema
	right     *directory.ControlAccessRight // a property set, an extended right or a validated write
	class     *directory.Class

	nature  nature   // of an attribute that is to be written, or a class that is to be created
	applies []string // the classes that an extended right is about, in lower case; nil: not shown
}

// nature is what of a definition matters to who writes the attribute or creates the class.
// [MS-ADTS] 3.1.1.2.3, 3.1.1.2.4.8.
type nature struct {
	known       bool // the reader shows all of it
	systemOnly  bool
	constructed bool
	backLink    bool
}

// splitRight takes a RIGHT apart. It needs no directory.
func splitRight(text string) (verb, string, error) {
	word, name, named := strings.Cut(text, ":")
	name = strings.TrimSpace(name)
	for _, v := range verbs {
		if !strings.EqualFold(string(v.verb), word) {
			continue
		}
		switch {
		case v.takes == "" && named:
			return "", "", &RightError{Right: text, Why: fmt.Sprintf("%s takes no name", v.verb)}
		case v.takes != "" && name == "":
			return "", "", &RightError{Right: text, Why: fmt.Sprintf("%s needs a name, %s:%s", v.verb, v.verb, v.takes)}
		}
		return v.verb, name, nil
	}
	var words []string
	for _, v := range verbs {
		words = append(words, string(v.verb))
	}
	if near := similar(word, words); near != nil {
		return "", "", &RightError{Right: text, Why: fmt.Sprintf("there is no right %q", word), Similar: near}
	}
	return "", "", &RightError{Right: text, Why: "want one of " + strings.Join(Rights(), ", ")}
}

// CheckRight says whether a text has the form of a RIGHT; its names are not looked up.
func CheckRight(text string) error {
	_, _, err := splitRight(text)
	return err
}

// request looks up the names of a RIGHT: as lDAPDisplayName, cn, display name or GUID.
func (e *Explainer) request(ctx context.Context, text string) (*request, error) {
	if q := e.requests[text]; q != nil {
		return q, nil
	}
	v, name, err := splitRight(text)
	if err != nil {
		return nil, err
	}
	q := &request{text: text, verb: v}
	s := e.schema
	guid, guidErr := sddl.ParseGUID(strings.Trim(name, "{}"))
	isGUID := guidErr == nil
	byCN := ""
	if name != "" && !isGUID {
		if byCN, err = e.schemaName(ctx, name); err != nil {
			return nil, err
		}
	}
	attribute := func() *directory.AttributeSchema {
		if isGUID {
			return live(s.AttributeOf(guid))
		}
		if a := live(s.Attribute(name)); a != nil {
			return a
		}
		return live(s.Attribute(byCN))
	}
	right := func(access sddl.Mask) *directory.ControlAccessRight {
		if isGUID {
			return s.RightOf(guid, access)
		}
		return s.Right(name, access)
	}
	const properties = sddl.ReadProperty | sddl.WriteProperty
	switch v {
	case verbRead, verbWrite:
		if q.attribute = attribute(); q.attribute == nil {
			if q.right = right(properties); q.right == nil {
				return nil, e.noSuch(text, "attribute or property set", name, slices.Concat(s.AttributeNames(), s.RightNames(properties)))
			}
		}
	case verbValidated:
		if q.right = right(sddl.WriteSelf); q.right == nil {
			a := attribute()
			if a == nil {
				return nil, e.noSuch(text, "attribute or validated write", name, slices.Concat(s.AttributeNames(), s.RightNames(sddl.WriteSelf)))
			}
			if q.right = s.RightOf(a.GUID, sddl.WriteSelf); q.right == nil {
				return nil, &RightError{Right: text, Why: fmt.Sprintf("attribute %s has no validated write", a.Name),
					Similar: []string{"write:" + a.Name}}
			}
		}
		q.attribute = live(s.AttributeOf(q.right.GUID))
	case verbExtended:
		if q.right = right(sddl.ControlAccess); q.right == nil {
			return nil, e.noSuch(text, "extended right", name, s.RightNames(sddl.ControlAccess))
		}
	case verbCreate, verbDeleteChild:
		if isGUID {
			q.class = s.ClassOf(guid)
		} else if q.class = s.Class(name); q.class == nil {
			q.class = s.Class(byCN)
		}
		if q.class == nil || q.class.Defunct {
			return nil, e.noSuch(text, "class", name, s.ClassNames())
		}
	}
	if v == verbWrite && q.attribute != nil {
		if q.nature, err = e.nature(ctx, q.attribute.Name, q.attribute.GUID); err != nil {
			return nil, err
		}
	}
	if v == verbCreate {
		if q.nature, err = e.nature(ctx, q.class.Name, q.class.GUID); err != nil {
			return nil, err
		}
	}
	if v == verbExtended {
		if q.applies, err = e.applies(ctx, q.right); err != nil {
			return nil, err
		}
	}
	if len(e.requests) >= cacheSize {
		clear(e.requests)
	}
	e.requests[text] = q
	return q, nil
}

func live(a *directory.AttributeSchema) *directory.AttributeSchema {
	if a == nil || a.Defunct {
		return nil
	}
	return a
}

func (e *Explainer) noSuch(text, kind, name string, names []string) error {
	return &RightError{Right: text, Why: fmt.Sprintf("the schema has no %s %q", kind, name), Similar: similar(name, names)}
}

// schemaName is the lDAPDisplayName of the schema object of that cn; empty for none.
func (e *Explainer) schemaName(ctx context.Context, cn string) (string, error) {
	if e.schema.Attribute(cn) != nil || e.schema.Class(cn) != nil {
		return "", nil
	}
	dn := "CN=" + escape.Replace(cn) + "," + e.domain.SchemaDN
	found, err := directory.Collect(e.reader.Read(ctx, directory.Query{Base: dn, Attrs: []string{"lDAPDisplayName"}}))
	switch {
	case notShown(err), err == nil && len(found) != 1:
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read the schema: %w", err)
	}
	return found[0].Text("lDAPDisplayName"), nil
}

// escape is for a value in a DN. RFC 4514, 2.4.
var escape = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `+`, `\+`, `"`, `\"`, `<`, `\<`, `>`, `\>`, `;`, `\;`, `=`, `\=`, "\x00", `\00`, "#", `\#`)

// natureQuery asks for what LoadSchema does not: only a few questions need it.
func natureQuery(d *directory.Domain, any ...directory.Match) directory.Query {
	return directory.Query{
		Base: d.SchemaDN, Scope: directory.OneLevel, Any: any,
		Attrs: []string{"lDAPDisplayName", "schemaIDGUID", "systemOnly", "systemFlags", "linkID", attrWitness},
	}
}

func (e *Explainer) nature(ctx context.Context, name string, guid sddl.GUID) (nature, error) {
	var n nature
	for found, err := range e.reader.Read(ctx, natureQuery(e.domain, directory.Match{Attr: "lDAPDisplayName", Value: name})) {
		if err != nil {
			return n, fmt.Errorf("read the schema of %s: %w", name, err)
		}
		if g, err := sddl.ParseGUIDBytes(found.Value("schemaIDGUID")); err != nil || g != guid {
			continue
		}
		flags, _ := strconv.ParseInt(found.Text("systemFlags"), 10, 64)
		link, _ := strconv.Atoi(found.Text("linkID"))
		n = nature{
			known:      found.Value(attrWitness) != nil,
			systemOnly: strings.EqualFold(found.Text("systemOnly"), "TRUE"),
			// FLAG_ATTR_IS_CONSTRUCTED. [MS-ADTS] 2.2.10.
			constructed: flags&4 != 0,
			backLink:    link%2 == 1,
		}
	}
	return n, nil
}

// rightQuery asks which classes extended rights are about.
func rightQuery(d *directory.Domain, any directory.Match) directory.Query {
	return directory.Query{
		Base: "CN=Extended-Rights," + d.ConfigurationDN, Scope: directory.OneLevel,
		Any: []directory.Match{any}, Attrs: []string{"cn", "appliesTo"},
	}
}

// applies are the classes that a right is about. [MS-ADTS] 5.1.3.2.1.
func (e *Explainer) applies(ctx context.Context, r *directory.ControlAccessRight) ([]string, error) {
	var out []string
	for found, err := range e.reader.Read(ctx, rightQuery(e.domain, directory.Match{Attr: "cn", Value: r.Name})) {
		if err != nil {
			return nil, fmt.Errorf("read the right %s: %w", r.Name, err)
		}
		for _, text := range found.Texts("appliesTo") {
			g, err := sddl.ParseGUID(text)
			if err != nil {
				continue
			}
			if c := e.schema.ClassOf(g); c != nil {
				out = append(out, strings.ToLower(c.Name))
			}
		}
	}
	return out, nil
}
