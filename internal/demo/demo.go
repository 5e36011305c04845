// Package demo is a capture of a real forest inside the binary, to try gmsactl on: its
// gMSA provAgentgMSA$ lacks some rights, has one that is too broad and one denied.
package demo

import (
	"bytes"
	"compress/gzip"
	_ "embed"

	"github.com/gmsactl/gmsactl/internal/directory"
)

// capture is what make demo-capture collects from the lab.
//
//go:embed demo.ldif.gz
var capture []byte

// Capture is the forest.
func Capture() (*directory.Capture, error) {
	r, err := gzip.NewReader(bytes.NewReader(capture))
	if err != nil {
		return nil, err
	}
	return directory.ReadCapture(r)
}
