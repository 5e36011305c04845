// Command forest writes a capture of a large forest that does not exist: the demo's, with
// any number of objects below the head of its domain, and the few thousand distinct
// descriptors of a real one. The same seed gives the same file. It is for measuring:
//
//	go run ./lab/forest -objects 1000000 -out forest.ldif
//	gmsactl audit 'provAgentgMSA$' --from forest.ldif --reach
package main

import (
	"compress/gzip"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/gmsactl/gmsactl/internal/audit"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "forest: error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("forest", flag.ContinueOnError)
	objects := flags.Int("objects", 1_000_000, "how many objects are below the head of the domain, with it")
	seed := flags.Uint64("seed", 1, "which forest")
	out := flags.String("out", "", "new `file` to write; compressed where it ends in .gz")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *out == "" || *objects < 1 || flags.NArg() > 0 {
		return fmt.Errorf("want -out FILE, and at least one object")
	}
	file, err := os.OpenFile(*out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := write(ctx, file, strings.HasSuffix(*out, ".gz"), *objects, *seed); err != nil {
		file.Close()
		os.Remove(*out)
		return err
	}
	return file.Close()
}

func write(ctx context.Context, w io.Writer, compressed bool, objects int, seed uint64) error {
	f, err := newForest(ctx, objects, seed)
	if err != nil {
		return err
	}
	recorded, err := audit.Collect(ctx, f, nil, nil)
	if err != nil {
		return err
	}
	if compressed {
		zip := gzip.NewWriter(w)
		if _, err := recorded.WriteSweeps(ctx, zip, []string{f.domain.DN}, sweepAttrs, nil); err != nil {
			return err
		}
		return zip.Close()
	}
	_, err = recorded.WriteSweeps(ctx, w, []string{f.domain.DN}, sweepAttrs, nil)
	return err
}

// sweepAttrs are the attributes that gmsactl collect --reach writes.
var sweepAttrs = []string{"objectClass", "objectGUID", "objectSid", "adminCount"}
