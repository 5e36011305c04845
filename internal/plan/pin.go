package plan

import (
	"fmt"
	"strings"

	"github.com/gmsactl/gmsactl/internal/directory"
)

// Server pins the domain controller that a plan was made from, or that was written to, as it was then. What is empty was
// not shown.
type Server struct {
	Host         string `json:"dnsHostName"`
	NTDS         string `json:"dsServiceName,omitempty"`
	InvocationID string `json:"invocationId,omitempty"`
	USN          int64  `json:"highestCommittedUSN,omitempty"`
}

// serverOf pins the domain controller that a domain was read from.
func serverOf(d *directory.Domain) *Server {
	out := &Server{Host: d.Host, NTDS: d.Server.NTDS, USN: d.Server.USN}
	if !d.Server.InvocationID.IsZero() {
		out.InvocationID = d.Server.InvocationID.String()
	}
	return out
}

// Pinned is the DNS name of the domain controller that the plan was made from.
func (p *Plan) Pinned() string { return pinned(p.Server, p.Domain) }

// Pinned is the DNS name of the domain controller that was written to.
func (b *Backup) Pinned() string { return pinned(b.Server, b.Domain) }

// pinned knows files from before a server was in them.
func pinned(s *Server, d Domain) string {
	if s != nil && s.Host != "" {
		return s.Host
	}
	return d.DC
}

// moved says in what a domain controller is not the one that was pinned, or not the copy of the directory that it was.
// Nothing of that makes a plan wrong, for every object is compared before it is written; it may explain what one finds.
func (s *Server) moved(now *Server) []string {
	switch {
	case s == nil || s.Host == "":
		return nil
	case !strings.EqualFold(s.Host, now.Host):
		return []string{fmt.Sprintf("This was made from %s and goes to %s, which may not know yet all that the other one knew.", s.Host, now.Host)}
	case s.InvocationID == "" || now.InvocationID == "":
		return nil
	case s.InvocationID != now.InvocationID:
		return []string{fmt.Sprintf("%s has been restored or made anew since (its invocationId is another one): what it had been told before may be gone.", now.Host)}
	case now.USN > 0 && now.USN < s.USN:
		return []string{fmt.Sprintf("%s has gone back since, from change %d to %d, under the same invocationId: a copy of its disk was put back, and others will not replicate with it rightly. Look after it before anything is written to it.", now.Host, s.USN, now.USN)}
	}
	return nil
}
