package directory

import (
	"context"
	"fmt"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Caller is whoever is bound, by the SIDs of the access token on the domain controller. Without
// SIDs nobody knows who it is.
type Caller struct{ SIDs []sddl.SID }

// WhoReads is the token of whoever is bound, which the rootDSE shows. [MS-ADTS] 3.1.1.3.2.26.
func WhoReads(ctx context.Context, r Reader, d *Domain) (*Caller, error) {
	root, err := Collect(r.Read(ctx, Query{Attrs: []string{"tokenGroups"}}))
	if err != nil {
		return nil, fmt.Errorf("read who is bound to %s: %w", d.Host, err)
	}
	c := &Caller{}
	for _, e := range root {
		for _, v := range e.Values("tokenGroups") {
			sid, err := sddl.ParseSIDBytes(v)
			if err != nil {
				return nil, fmt.Errorf("read who is bound to %s: tokenGroups: %w", d.Host, err)
			}
			c.SIDs = append(c.SIDs, sid)
		}
	}
	return c, nil
}
