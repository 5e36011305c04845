// Package gmsa knows group managed service accounts: what their names may be, where they go,
// who may have their password, who can take them over, and what they ought to be. It reads
// through a directory.Reader and writes nothing.
package gmsa

import "github.com/gmsactl/gmsactl/internal/sddl"

// The GUIDs of what is special about these accounts. [MS-ADA2], [MS-ADTS] 5.1.3.2.1.
var (
	resetPassword = sddl.MustParseGUID("00299570-246d-11d0-a768-00aa006e0529")
)
