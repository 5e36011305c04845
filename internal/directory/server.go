package directory

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Server is one domain controller and how far its copy of the directory had come. What is empty or zero was not shown, as
// in a capture from before it was asked for.
type Server struct {
	NTDS         string    // dsServiceName: DN of its nTDSDSA object
	InvocationID sddl.GUID // of its copy; another one after it was restored. [MS-ADTS] 3.1.1.1.9
	USN          int64     // highestCommittedUSN: its last change when it was asked. [MS-ADTS] 3.1.1.3.2
}

// serverAttrs are those of the rootDSE that say which domain controller answers.
var serverAttrs = []string{"dsServiceName", "highestCommittedUSN"}

// loadServer reads more of who answers, and whether that is a read-only one: its object is of another category then. [MS-ADTS]
// 3.1.1.4.5.30.
func loadServer(ctx context.Context, r Reader, root Entry) (s Server, readOnly bool, err error) {
	s.NTDS = root.Text("dsServiceName")
	if usn, err := strconv.ParseInt(root.Text("highestCommittedUSN"), 10, 64); err == nil && usn > 0 {
		s.USN = usn
	}
	if s.NTDS == "" {
		return s, false, nil
	}
	settings, err := Collect(r.Read(ctx, Query{Base: s.NTDS, Attrs: []string{"objectCategory", "invocationId"}}))
	var hidden *NotFoundError
	var unasked *NotRecordedError
	if errors.As(err, &hidden) || errors.As(err, &unasked) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("read %s: %w", s.NTDS, err)
	}
	if len(settings) != 1 {
		return s, false, nil
	}
	if id, err := sddl.ParseGUIDBytes(settings[0].Value("invocationId")); err == nil {
		s.InvocationID = id
	}
	return s, SameDN(settings[0].Text("objectCategory"), "CN=NTDS-DSA-RO,"+root.Text("schemaNamingContext")), nil
}
