package ldapx

import (
	"bytes"
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
	oidShowDeleted = "1.2.840.113556.1.4.417"
	oidSDFlags     = "1.2.840.113556.1.4.801"
	oidDomainScope = "1.2.840.113556.1.4.1339"
	oidExtendedDN  = "1.2.840.113556.1.4.529"

	sdOwner = 1
	sdGroup = 2
	sdDACL  = 4
)

// showDeleted asks for what is deleted, too. It is critical: without it an object that is there would look as if it
// were not. [MS-ADTS] 3.1.1.3.4.1.14.
func showDeleted() ldap.Control { return ldap.NewControlString(oidShowDeleted, true, "") }

// sdFlags asks for, or writes, these parts. It is critical: without it a domain controller
// includes the SACL, and then shows most readers nothing and takes the writer's.
func sdFlags(parts byte) ldap.Control {
	return ldap.NewControlString(oidSDFlags, true, string([]byte{0x30, 3, 2, 1, parts}))
}

// extendedDN asks for DNs with the GUID and the SID of the object in front, as text. It is
// critical: values without them would be taken for those of objects that have none.
// [MS-ADTS] 3.1.1.3.4.1.5.
func extendedDN() ldap.Control {
	return ldap.NewControlString(oidExtendedDN, true, string([]byte{0x30, 3, 2, 1, 1}))
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
	if q.Scope == directory.Base {
		request, err := searchRequest(q)
		if err != nil {
			return fmt.Errorf("read %s: %w", name(q.Base), err)
		}
		found, err := s.search(ctx, request)
		if err != nil {
			return err
		}
		_, err = s.each(ctx, q, found, yield, func() {})
		return err
	}
	for page, err := range s.pages(ctx, q, pageSize) {
		if err != nil {
			return err
		}
		if more, err := s.each(ctx, q, page.found, yield, page.ahead); err != nil || !more {
			return err
		}
	}
	return nil
}

// page is the answer to one request of a search.
type page struct {
	*found
	err error

	// ahead asks for the next page, if nobody has. It is asked for anyhow when the loop comes back.
	ahead func()
}

// maxEmpty is how many pages without an entry may come one after the other. A server may have
// spent its time on objects that the filter leaves out.
const maxEmpty = 1000

// pages reads so many objects at a time. A page that was asked for ahead and that nobody waits
// for any more is let come: only the end of the connection would stop it, and the connection
// is for others, too.
func (s *Session) pages(ctx context.Context, q directory.Query, size uint32) iter.Seq2[*page, error] {
	return func(yield func(*page, error) bool) {
		request, err := searchRequest(q)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(nil, fmt.Errorf("read %s: %w", name(q.Base), err))
			return
		}
		paging := ldap.NewControlPaging(size)
		request.Controls = append(request.Controls, paging)
		ahead, abandon := context.WithCancelCause(context.WithoutCancel(ctx))
		stop := context.AfterFunc(ctx, func() { abandon(ctx.Err()) })
		defer stop()
		var last *found
		empty := 0
		for next := s.fetch(ahead, request); next != nil; {
			p := <-next
			next = nil
			switch err := ctx.Err(); {
			case err != nil && p.err != nil:
				p.err = &ConnectionError{Op: "read", DN: request.BaseDN, Err: err}
			case err != nil:
				p.err = fmt.Errorf("read %s: %w", name(q.Base), err)
			case p.err == nil && p.repeats(last):
				p.err = fmt.Errorf("read %s: %w", name(q.Base), errNoEnd)
			case p.err == nil && len(p.entries) == 0:
				if empty++; empty > maxEmpty {
					p.err = fmt.Errorf("read %s: %w", name(q.Base), errNoEnd)
				}
			default:
				empty = 0
			}
			if p.err != nil {
				yield(nil, p.err)
				return
			}
			last = &found{first: p.first, cookie: p.cookie}
			cookie := p.cookie
			p.ahead = func() {
				if next == nil && len(cookie) > 0 {
					paging.SetCookie(cookie)
					next = s.fetch(ahead, request)
				}
			}
			if !yield(&p, nil) {
				return
			}
			p.ahead()
		}
	}
}

// errNoEnd is a server that would answer for ever.
var errNoEnd = errors.New("the server sends the same page again and again, or pages with nothing in them")

// found is what answered a search.
type found struct {
	entries []directory.Entry
	first   string // DN of the first one
	cookie  []byte // for the next page; empty where there is none
}

// repeats says whether the page is the one before it.
func (f *found) repeats(last *found) bool {
	return last != nil && len(f.cookie) > 0 && len(f.entries) > 0 && f.first == last.first && bytes.Equal(f.cookie, last.cookie)
}

// each passes on the entries of a result; ask is called when the loop wants more than the
// first: many are left at the first object. more is false where the loop was left.
func (s *Session) each(ctx context.Context, q directory.Query, found *found, yield func(directory.Entry, error) bool, ask func()) (more bool, err error) {
	for i, e := range found.entries {
		found.entries[i] = directory.Entry{}
		if err := ctx.Err(); err != nil {
			return false, fmt.Errorf("read %s: %w", name(q.Base), err)
		}
		var extra []ldap.Control
		if q.Deleted {
			extra = append(extra, showDeleted())
		}
		if q.Extended {
			e.DN = directory.PlainDN(e.DN)
			extra = append(extra, extendedDN())
		}
		entry, err := s.whole(ctx, e, extra)
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

// fetch asks for a page, and does not wait for it. The request may be changed when it came.
func (s *Session) fetch(ctx context.Context, request *ldap.SearchRequest) <-chan page {
	answer := make(chan page, 1)
	go func() {
		found, err := s.search(ctx, request)
		answer <- page{found: found, err: err}
	}()
	return answer
}

// search asks a server that is busy again, a few times. Along with a result other than success
// come the entries before it.
func (s *Session) search(ctx context.Context, request *ldap.SearchRequest) (*found, error) {
	for try := 0; ; try++ {
		var f *found
		err := s.do(ctx, "read", request.BaseDN, func() (err error) {
			f, err = s.find(request)
			return err
		})
		var refused *ResultError
		if !errors.As(err, &refused) {
			return f, err
		}
		switch {
		case refused.Code == ldap.LDAPResultNoSuchObject:
			return nil, &directory.NotFoundError{DN: request.BaseDN, Matched: refused.Matched}
		case (refused.Code == CodeBusy || refused.Code == CodeUnavailable) && try < len(s.backoff) && wait(ctx, s.backoff[try]) == nil:
			continue
		}
		return f, err
	}
}

// find sends a search and waits for all of its answer. RFC 4511, 4.5.2.
func (s *Session) find(request *ldap.SearchRequest) (*found, error) {
	id, answers, err := s.wire.expect()
	if err != nil {
		return nil, err
	}
	defer s.wire.forget(id)
	message, err := encodeSearch(id, request)
	if err != nil {
		return nil, err
	}
	if _, err := s.wire.Write(message); err != nil {
		return nil, err
	}
	f := &found{}
	for {
		messages, err := answers.take()
		if err != nil {
			return nil, err
		}
		for i, m := range messages {
			messages[i] = nil
			_, b, _ := openMessage(m)
			op, content, controls, ok := element(b)
			if !ok {
				return nil, errMalformed
			}
			switch op {
			case tagSearchEntry:
				e, ok := parseEntry(content, request.Attributes)
				if !ok {
					return nil, errMalformed
				}
				f.entries = append(f.entries, e)
			case tagSearchReference:
			case tagSearchDone:
				result, _, ok := parseResult(content)
				if !ok {
					return nil, errMalformed
				}
				if result.ResultCode != ldap.LDAPResultSuccess {
					return f, result
				}
				if f.cookie, ok = parseCookie(controls); !ok {
					return nil, errMalformed
				}
				if len(f.entries) > 0 {
					f.first = f.entries[0].DN
				}
				return f, nil
			default:
				return nil, errMalformed
			}
		}
	}
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
	if q.Extended {
		request.Controls = append(request.Controls, extendedDN())
	}
	if q.Deleted {
		request.Controls = append(request.Controls, showDeleted())
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

// entry fetches what the server held back of an entry's values.
func (s *Session) entry(ctx context.Context, e directory.Entry) (directory.Entry, error) {
	return s.whole(ctx, e, nil)
}

// whole is entry, with the controls that values were asked for with.
func (s *Session) whole(ctx context.Context, e directory.Entry, extra []ldap.Control) (directory.Entry, error) {
	attrs := e.Attrs[:0]
	for _, a := range e.Attrs {
		if len(a.Values) == 0 {
			continue // stands beside the attribute with the range
		}
		if strings.IndexByte(a.Name, ';') >= 0 {
			attr, r, err := parseRange(a.Name)
			if err == nil && r.ranged && !r.last {
				a.Values, err = s.rest(ctx, e.DN, attr, r, a.Values, extra)
			}
			if gone := (*directory.NotFoundError)(nil); errors.As(err, &gone) {
				err = errGone
			}
			if err != nil {
				return directory.Entry{}, fmt.Errorf("read %s: %s: %w", name(e.DN), a.Name, err)
			}
			a.Name = attr
		}
		attrs = append(attrs, a)
	}
	e.Attrs = attrs
	return e, nil
}

// errGone is an object that was removed or renamed after it was found. It is no
// directory.NotFoundError, which is about the base of a query.
var errGone = errors.New("it was removed or renamed before all of its values were read")

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
func (s *Session) rest(ctx context.Context, dn, attr string, r valueRange, values [][]byte, extra []ldap.Control) ([][]byte, error) {
	if r.low != 0 || len(values) != r.high+1 {
		return nil, errors.New("the range does not fit the values")
	}
	for !r.last {
		next := len(values)
		found, err := s.search(ctx, &ldap.SearchRequest{
			BaseDN:       dn,
			Scope:        ldap.ScopeBaseObject,
			DerefAliases: ldap.NeverDerefAliases,
			Filter:       "(objectClass=*)",
			Attributes:   []string{fmt.Sprintf("%s;range=%d-*", attr, next)},
			Controls:     append([]ldap.Control{ldap.NewControlString(oidDomainScope, false, "")}, extra...),
		})
		if err != nil {
			return nil, err
		}
		more, came, err := pick(found.entries, attr)
		if err != nil {
			return nil, err
		}
		r = came
		if r.low != next || len(more) == 0 || !r.last && len(more) != r.high-r.low+1 {
			return nil, errors.New("the server left the range that was asked for")
		}
		values = append(values, more...)
	}
	return values, nil
}

func pick(entries []directory.Entry, attr string) ([][]byte, valueRange, error) {
	if len(entries) == 1 {
		for _, a := range entries[0].Attrs {
			got, r, err := parseRange(a.Name)
			if err != nil {
				return nil, r, err
			}
			if r.ranged && strings.EqualFold(got, attr) {
				return a.Values, r, nil
			}
		}
	}
	return nil, valueRange{}, errors.New("the server gave no more of a range")
}
