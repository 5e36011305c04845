package ldapx

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/gmsactl/gmsactl/internal/directory"
)

var _ directory.Reader = (*Session)(nil)

// pageSize is the most that a domain controller gives by default, MaxPageSize: far below
// what it has ready in its 120 s, and a few megabytes.
const pageSize = 1000

const descriptorAttr = "nTSecurityDescriptor"

// The controls, and the parts of a descriptor that one of them selects. [MS-ADTS]
// 3.1.1.3.4.1.11, 3.1.1.3.4.1.20.
const (
	oidSDFlags     = "1.2.840.113556.1.4.801"
	oidDomainScope = "1.2.840.113556.1.4.1339"

	sdOwner = 1
	sdGroup = 2
	sdDACL  = 4
)

// sdFlags asks for, or writes, these parts. It is critical: without it a domain controller
// includes the SACL, and then shows most readers nothing and takes the writer's.
func sdFlags(parts byte) ldap.Control {
	return ldap.NewControlString(oidSDFlags, true, string([]byte{0x30, 3, 2, 1, parts}))
}

// Read answers a query, a page of 1000 objects at a time; the next page is under way while the
// loop is at this one. Values that the server hands out in ranges are fetched to the last one. Where it stops early, at a limit or by a referral, the
// error is a *ResultError: entries that came before it are not all there are. Entries of
// other servers (continuation references) are left out. The loop over the sequence may ask
// other queries, and may be left at any time. RFC 4511, 4.5; RFC 2696.
func (s *Session) Read(ctx context.Context, q directory.Query) iter.Seq2[directory.Entry, error] {
	return func(yield func(directory.Entry, error) bool) {
		if err := s.read(ctx, q, yield); err != nil {
			yield(directory.Entry{}, err)
		}
	}
}

func (s *Session) read(ctx context.Context, q directory.Query, yield func(directory.Entry, error) bool) error {
	request, err := searchRequest(q)
	if err != nil {
		return fmt.Errorf("read %s: %w", name(q.Base), err)
	}
	if q.Scope == directory.Base {
		result, err := s.search(ctx, request)
		if err != nil {
			return err
		}
		_, err = s.each(ctx, q, result, yield, func() {})
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("read %s: %w", name(q.Base), err)
	}
	paging := ldap.NewControlPaging(pageSize)
	request.Controls = append(request.Controls, paging)
	// A page that was asked for ahead and that nobody waits for any more is let come: only the
	// end of the connection would stop it, and the connection is for others, too.
	ahead, abandon := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { abandon(ctx.Err()) })
	defer stop()
	for next := s.fetch(ahead, request); next != nil; {
		page := <-next
		next = nil
		switch err := ctx.Err(); {
		case err != nil && page.err != nil:
			return &ConnectionError{Op: "read", DN: request.BaseDN, Err: err}
		case err != nil:
			return fmt.Errorf("read %s: %w", name(q.Base), err)
		case page.err != nil:
			return page.err
		}
		cookie := []byte(nil)
		if answer, ok := ldap.FindControl(page.result.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging); ok {
			cookie = answer.Cookie
		}
		// Not before the loop has come back once: many are left at the first object.
		ask := func() {
			if next == nil && len(cookie) > 0 {
				paging.SetCookie(cookie)
				next = s.fetch(ahead, request)
			}
		}
		if more, err := s.each(ctx, q, page.result, yield, ask); err != nil || !more {
			return err
		}
		ask()
	}
	return nil
}

// each passes on the entries of a result; ask is called when the loop wants more than the
// first. more is false where the loop was left.
func (s *Session) each(ctx context.Context, q directory.Query, result *ldap.SearchResult, yield func(directory.Entry, error) bool, ask func()) (more bool, err error) {
	for i, found := range result.Entries {
		result.Entries[i] = nil
		if err := ctx.Err(); err != nil {
			return false, fmt.Errorf("read %s: %w", name(q.Base), err)
		}
		entry, err := s.entry(ctx, q, found)
		if err != nil {
			return false, err
		}
		if !yield(entry, nil) {
			return false, nil
		}
		ask()
	}
	return true, nil
}

// page is the answer to one request of a search.
type page struct {
	result *ldap.SearchResult
	err    error
}

// fetch asks for a page, and does not wait for it. The request may be changed when it came.
func (s *Session) fetch(ctx context.Context, request *ldap.SearchRequest) <-chan page {
	answer := make(chan page, 1)
	go func() {
		result, err := s.search(ctx, request)
		answer <- page{result, err}
	}()
	return answer
}

func (s *Session) search(ctx context.Context, request *ldap.SearchRequest) (*ldap.SearchResult, error) {
	var result *ldap.SearchResult
	err := s.do(ctx, "read", request.BaseDN, func() (err error) {
		result, err = s.ldap.Search(request)
		return err
	})
	var refused *ResultError
	if errors.As(err, &refused) && refused.Code == ldap.LDAPResultNoSuchObject {
		return nil, &directory.NotFoundError{DN: request.BaseDN, Matched: refused.Matched}
	}
	return result, err
}

func searchRequest(q directory.Query) (*ldap.SearchRequest, error) {
	filter, err := filter(q.Any)
	if err != nil {
		return nil, err
	}
	request := &ldap.SearchRequest{
		BaseDN:       q.Base,
		DerefAliases: ldap.NeverDerefAliases,
		Filter:       filter,
	}
	switch q.Scope {
	case directory.Base:
		request.Scope = ldap.ScopeBaseObject
	case directory.OneLevel:
		request.Scope = ldap.ScopeSingleLevel
	case directory.Subtree:
		request.Scope = ldap.ScopeWholeSubtree
	default:
		return nil, fmt.Errorf("scope %d", q.Scope)
	}
	descriptor := q.Descriptor
	for _, a := range q.Attrs {
		if strings.EqualFold(a, descriptorAttr) {
			descriptor = true
			continue
		}
		request.Attributes = append(request.Attributes, a)
	}
	if descriptor {
		request.Attributes = append(request.Attributes, descriptorAttr)
		request.Controls = append(request.Controls, sdFlags(sdOwner|sdGroup|sdDACL))
	}
	if len(request.Attributes) == 0 {
		request.Attributes = []string{"1.1"} // none; an empty list is all. RFC 4511, 4.5.1.8
	}
	if q.Base != "" {
		request.Controls = append(request.Controls, ldap.NewControlString(oidDomainScope, false, ""))
	}
	return request, nil
}

// filter matches objects for which any of the assertions holds. RFC 4515.
func filter(any []directory.Match) (string, error) {
	if len(any) == 0 {
		return "(objectClass=*)", nil
	}
	var b strings.Builder
	for _, m := range any {
		if !isAttribute(m.Attr) {
			return "", fmt.Errorf("attribute name %q", m.Attr)
		}
		b.WriteString("(" + m.Attr + "=" + ldap.EscapeFilter(m.Value) + ")")
	}
	if len(any) == 1 {
		return b.String(), nil
	}
	return "(|" + b.String() + ")", nil
}

// isAttribute tells whether s is an attribute's name or OID. RFC 4512, 2.5.
func isAttribute(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == ';':
		default:
			return false
		}
	}
	return s != ""
}

// entry copies an entry, and fetches what the server held back of its values.
func (s *Session) entry(ctx context.Context, q directory.Query, found *ldap.Entry) (directory.Entry, error) {
	e := directory.Entry{DN: found.DN}
	for _, a := range found.Attributes {
		if len(a.ByteValues) == 0 {
			continue // stands beside the attribute with the range
		}
		values := a.ByteValues
		attr, r, err := parseRange(a.Name)
		if err == nil && r.ranged && !r.last {
			values, err = s.rest(ctx, found.DN, attr, r, values)
		}
		if err != nil {
			return directory.Entry{}, fmt.Errorf("read %s: %s: %w", name(found.DN), a.Name, err)
		}
		e.Attrs = append(e.Attrs, directory.Attribute{Name: attr, Values: values})
	}
	return e, nil
}

// valueRange is the part of an attribute's values that an answer has. [MS-ADTS] 3.1.1.3.1.3.3.
type valueRange struct {
	ranged    bool
	last      bool // to the end
	low, high int
}

// parseRange takes the range option off an attribute's name.
func parseRange(s string) (attr string, r valueRange, err error) {
	attr, options, ok := strings.Cut(s, ";")
	if !ok {
		return attr, r, nil
	}
	for option := range strings.SplitSeq(options, ";") {
		if len(option) < 6 || !strings.EqualFold(option[:6], "range=") {
			attr += ";" + option
			continue
		}
		low, high, ok := strings.Cut(option[6:], "-")
		if !ok || r.ranged {
			return "", r, errors.New("malformed range")
		}
		r.ranged = true
		if r.low, err = strconv.Atoi(low); err != nil || r.low < 0 {
			return "", r, errors.New("malformed range")
		}
		if high == "*" {
			r.last = true
			continue
		}
		if r.high, err = strconv.Atoi(high); err != nil || r.high < r.low {
			return "", r, errors.New("malformed range")
		}
	}
	return attr, r, nil
}

// rest fetches the values from r.high+1 on. Their order is fixed on one connection.
func (s *Session) rest(ctx context.Context, dn, attr string, r valueRange, values [][]byte) ([][]byte, error) {
	if r.low != 0 || len(values) != r.high+1 {
		return nil, errors.New("the range does not fit the values")
	}
	for !r.last {
		next := len(values)
		result, err := s.search(ctx, &ldap.SearchRequest{
			BaseDN:       dn,
			Scope:        ldap.ScopeBaseObject,
			DerefAliases: ldap.NeverDerefAliases,
			Filter:       "(objectClass=*)",
			Attributes:   []string{fmt.Sprintf("%s;range=%d-*", attr, next)},
			Controls:     []ldap.Control{ldap.NewControlString(oidDomainScope, false, "")},
		})
		if err != nil {
			return nil, err
		}
		more, found, err := pick(result.Entries, attr)
		if err != nil {
			return nil, err
		}
		r = found
		if r.low != next || len(more) == 0 || !r.last && len(more) != r.high-r.low+1 {
			return nil, errors.New("the server left the range that was asked for")
		}
		values = append(values, more...)
	}
	return values, nil
}

func pick(entries []*ldap.Entry, attr string) ([][]byte, valueRange, error) {
	if len(entries) == 1 {
		for _, a := range entries[0].Attributes {
			got, r, err := parseRange(a.Name)
			if err != nil {
				return nil, r, err
			}
			if r.ranged && strings.EqualFold(got, attr) {
				return a.ByteValues, r, nil
			}
		}
	}
	return nil, valueRange{}, errors.New("the server gave no more of a range")
}
