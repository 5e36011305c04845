// Package policies holds the built-in policies: which permissions an account needs, as
// published, each row with its source. It only embeds them; package policy reads them.
package policies

import "embed"

// Files are the built-in policies, NAME.yaml each.
//
//go:embed *.yaml
var Files embed.FS
