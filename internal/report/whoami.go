package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/whoami"
)

// WhoAmI writes who a session is, what it talks to, and what it may do there.
func WhoAmI(w io.Writer, r *whoami.Report, style Style) error {
	p := &printer{w: w}
	const indent = "         "
	field := func(name, text string) { p.wrapped(fmt.Sprintf("%-9s", name), indent, text) }

	id := r.Identity
	name := id.Name
	if name == "" {
		name = id.AuthzID
	}
	p.printf("Identity %s\n", style.strong(name))
	if id.DN != "" {
		p.printf(indent+"%s\n"+indent+"%s\n", id.DN, id.SID)
	}
	field("", fmt.Sprintf("%s to the KDC, %s to the server", orNot(id.Principal), orNot(id.AuthzID)))
	field("Server", fmt.Sprintf("%s (%s)", r.DC.Host, r.DC.Address))
	field("", serverText(r))
	field("", fmt.Sprintf("functional levels: DC %s, domain %s, forest %s", levelText(r.DC.Level), levelText(r.DC.DomainLevel), levelText(r.DC.ForestLevel)))
	field("Session", fmt.Sprintf("%s, %s", r.Session.Transport, r.Session.Protection))
	if t := r.Session.TLS; t != nil {
		field("", "channel binding "+t.ChannelBinding)
	}
	field("", fmt.Sprintf("bound by %s in %s and %.0f ms", r.Session.Mechanism, count(int(r.Session.RoundTrips), "round trip", "round trips"), r.Session.BindTime))
	if t := r.Ticket; t != nil {
		field("Ticket", fmt.Sprintf("session key %s, service key %s", t.SessionKey, t.ServiceKey))
		renew := "not renewable"
		if t.Renew != nil {
			renew = "renewable until " + moment(*t.Renew)
		}
		switch {
		case t.Ends.IsZero():
			field("", "kept by the system")
		case t.Starts.IsZero():
			field("", "kept by the system until "+moment(t.Ends))
		default:
			field("", fmt.Sprintf("%s to %s, %s", moment(t.Starts), moment(t.Ends), renew))
		}
	} else {
		field("Ticket", "kept by the system")
	}
	if c := r.Clock; c != nil {
		side := "ahead of"
		ahead := c.Ahead
		if ahead < 0 {
			side, ahead = "behind", -ahead
		}
		field("Clock", fmt.Sprintf("the server's is %.3f s %s the one here, to within %.3f s", ahead, side, c.Within))
	} else {
		field("Clock", "the server tells no time")
	}

	from := "of this session"
	switch id.Source {
	case whoami.FromObject:
		from = "of the account, for the server does not show those of the session"
	case whoami.Unknown.String():
		from = "unknown"
	}
	p.printf("\n")
	field("Groups", fmt.Sprintf("%d, %s", len(id.Groups), from))
	for _, g := range id.Groups {
		mark := painted("           ")
		if g.Privileged {
			mark = style.doubt("privileged ")
		}
		label := g.SID
		if g.Name != "" {
			label = g.Name + " (" + g.SID + ")"
		}
		p.printf("  %s%s\n", mark, label)
	}

	p.printf("\nMAY IT\n")
	for _, t := range r.Targets {
		mayText(p, style, t.Descriptor, "read the permissions of "+t.DN)
		mayText(p, style, t.WriteDACL.Answer, "modify the permissions of "+t.DN)
	}
	where := ""
	if r.GMSA.Container != "" {
		where = " in " + r.GMSA.Container
	}
	mayText(p, style, r.GMSA.Answer, "create a group managed service account"+where)
	mayText(p, style, r.RootKeys, "see KDS root keys, from which the passwords of gMSAs are made")
	if len(r.Notes) > 0 {
		p.printf("\n")
	}
	for _, note := range r.Notes {
		p.wrapped("Note: ", "      ", note)
	}
	return p.err
}

func serverText(r *whoami.Report) string {
	parts := []string{"site " + orNot(r.DC.Site), "writable"}
	if !r.DC.Writable {
		parts[1] = "read-only"
	}
	for _, role := range []struct {
		word whoami.Word
		name string
	}{{r.DC.PDC, "PDC emulator"}, {r.DC.GlobalCatalog, "global catalog"}} {
		switch role.word {
		case whoami.Yes:
			parts = append(parts, role.name)
		case whoami.No:
			parts = append(parts, "not the "+role.name)
		default:
			parts = append(parts, role.name+": unknown")
		}
	}
	if r.DC.OperatingSystem != "" {
		parts = append(parts, r.DC.OperatingSystem)
	}
	return strings.Join(parts, ", ")
}

func mayText(p *printer, style Style, a whoami.Answer, what string) {
	word := fmt.Sprintf("%-9s", a.Word)
	mark := style.doubt(word)
	switch a.Word {
	case whoami.Yes:
		mark = style.good(word)
	case whoami.No:
		mark = style.bad(word)
	}
	p.marked(mark, word, "         ", what)
	if a.Why != "" {
		p.wrapped("         why: ", "              ", a.Why)
	}
}

func levelText(l whoami.Level) string {
	switch {
	case l.Number < 0:
		return "unknown"
	case l.Name == "":
		return fmt.Sprint(l.Number)
	}
	return strings.TrimPrefix(l.Name, "Windows Server ")
}

func orNot(text string) string {
	if text == "" {
		return "not known"
	}
	return text
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }
