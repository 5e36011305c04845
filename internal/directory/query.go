// Package directory holds what a directory said and makes sense of it: entries, the
// schema, an account with its groups, a target with its descriptor. It asks through a
// Reader and never speaks LDAP itself, so that a capture answers as a server does.
package directory

import (
	"context"
	"iter"
	"strings"
)

// Scope is how far below its base a Query looks. RFC 4511, 4.5.1.2.
type Scope int

// The scopes.
const (
	Base Scope = iota
	OneLevel
	Subtree
)

// Match is the assertion that an attribute has a value. Value is the raw value, not
// escaped.
type Match struct{ Attr, Value string }

// Query is one question to a directory.
type Query struct {
	Base       string // DN; empty for the rootDSE
	Scope      Scope
	Any        []Match  // objects for which any of these holds; empty: every object
	Attrs      []string // by name; what is not asked for is not answered
	Descriptor bool     // also nTSecurityDescriptor, with owner, group and DACL
	Extended   bool     // DNs in values with the SID of the object, see SplitExtended
	Deleted    bool     // also what is deleted, and the container that it is in
}

// Reader answers queries: a server or a capture. Entries come in no particular order.
// The sequence ends after the first error. A base that does not exist is a
// *NotFoundError.
type Reader interface {
	Read(ctx context.Context, q Query) iter.Seq2[Entry, error]
}

// NotFoundError says that the base of a query does not exist, or that the reader may
// not see it: a server does not tell the two apart.
type NotFoundError struct {
	DN      string
	Matched string // the longest part of DN that does exist; may be empty
}

func (e *NotFoundError) Error() string { return "no object " + e.DN + " is visible here" }

// Entry is what the directory said of one object.
type Entry struct {
	DN    string
	Attrs []Attribute
}

// Attribute is a name and its raw values.
type Attribute struct {
	Name   string
	Values [][]byte
}

// Values are the values of an attribute, whose name is matched without regard to case;
// nil when there are none.
func (e Entry) Values(name string) [][]byte {
	for _, a := range e.Attrs {
		if strings.EqualFold(a.Name, name) {
			return a.Values
		}
	}
	return nil
}

// Value is the first value of an attribute; nil when there is none.
func (e Entry) Value(name string) []byte {
	if v := e.Values(name); len(v) > 0 {
		return v[0]
	}
	return nil
}

// Text is the first value of an attribute as text; empty when there is none.
func (e Entry) Text(name string) string { return string(e.Value(name)) }

// Texts are all values of an attribute as text.
func (e Entry) Texts(name string) []string {
	var out []string
	for _, v := range e.Values(name) {
		out = append(out, string(v))
	}
	return out
}

// Collect reads a whole sequence into a slice.
func Collect(seq iter.Seq2[Entry, error]) ([]Entry, error) {
	var out []Entry
	for e, err := range seq {
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}
