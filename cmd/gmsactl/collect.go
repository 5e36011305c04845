package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/explain"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/plan"
	"github.com/gmsactl/gmsactl/internal/preflight"
	"github.com/gmsactl/gmsactl/internal/reach"
)

func newCollect(a *app) *cobra.Command {
	var out string
	var targets []string
	var sweep, groups bool
	cmd := &cobra.Command{
		Use:   "collect [ACCOUNT]...",
		Short: "Save what the other commands read, to be judged elsewhere",
		Long: `Collect reads the schema, every gMSA of the domain and the accounts that are named,
and the descriptors of the head of the domain, of every organizational unit and
container and of the targets that are named; of computers, groups, domain controllers
and root keys what gmsa show and preflight ask, and no secret of any of them. It writes them as LDIF (compressed where
the name ends in .gz), which --from takes instead of a domain controller.
With --reach it writes every object at and below the targets as well, or below the head
of the domain where no target is named: what audit --reach and --excess read.
The file holds descriptors; only its owner may read it.`,
		Example: `  gmsactl collect --out corp.ldif --dc dc1.corp.example --user admin
  gmsactl audit 'provAgentgMSA$' --from corp.ldif`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, accounts []string) error {
			return a.collect(cmd.Context(), accounts, targets, out, sweep, groups)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "new `file` to write")
	cmd.Flags().StringArrayVar(&targets, "target", nil, "`DN` to read as well; repeat for several")
	cmd.Flags().BoolVar(&sweep, "reach", false, "write every object below the targets, too, for audit --reach and --excess")
	cmd.Flags().BoolVar(&groups, "groups", false, "write the domain-local groups with their members, too, by which accounts of other domains are judged")
	return cmd
}

func (a *app) collect(ctx context.Context, accounts, targets []string, out string, sweep, groups bool) error {
	if out == "" {
		return errors.New("--out is missing: name the file to write")
	}
	objects, swept := 0, 0
	err := a.read(ctx, purpose{}, func(r directory.Reader) (err error) {
		objects, swept, err = a.record(ctx, r, accounts, targets, out, sweep, groups)
		return err
	})
	if err != nil {
		return err
	}
	answer := struct {
		Format  int    `json:"format"`
		Kind    string `json:"kind"` // Capture
		File    string `json:"file"`
		Objects int    `json:"objects"`
		Swept   int    `json:"swept,omitempty"` // of these, written for a sweep
	}{1, "Capture", out, objects + swept, swept}
	return a.show(answer, func() error {
		_, err := fmt.Fprintf(a.stdout, "%d objects in %s\n", answer.Objects, answer.File)
		return err
	})
}

// record writes a capture, and says how many objects are in it and how many more were written for a sweep. Where it cannot be
// written whole, nothing is left of it.
func (a *app) record(ctx context.Context, r directory.Reader, accounts, targets []string, out string, sweep, groups bool) (objects, swept int, err error) {
	capture, err := audit.Collect(ctx, r, accounts, targets)
	if err != nil {
		return 0, 0, err
	}
	if err := explain.Collect(ctx, capture, accounts, targets); err != nil {
		return 0, 0, err
	}
	if err := gmsa.CollectAll(ctx, capture); err != nil {
		return 0, 0, err
	}
	if err := preflight.Collect(ctx, capture); err != nil {
		return 0, 0, err
	}
	if groups {
		d, err := directory.LoadDomain(ctx, capture)
		if err != nil {
			return 0, 0, err
		}
		if err := directory.CollectLocalGroups(ctx, capture, d); err != nil {
			return 0, 0, err
		}
	}
	write := func(w io.Writer) error {
		_, err := capture.WriteTo(w)
		return err
	}
	if sweep {
		if targets, err = sweepBases(ctx, capture, targets); err != nil {
			return 0, 0, err
		}
		write = func(w io.Writer) (err error) {
			progress, erase := a.progress(0)
			defer erase()
			swept, err = capture.WriteSweeps(ctx, w, targets, sweepAttrs(), progress)
			return err
		}
	}
	if err := writeNew(out, write); err != nil {
		return 0, 0, fmt.Errorf("save the capture: %w", err)
	}
	return capture.Len(), swept, nil
}

// sweepAttrs are the attributes of every object that a sweep reads, and those that explain
// reads of one.
func sweepAttrs() []string {
	attrs := append(reach.Query("").Attrs, "objectGUID")
	for _, name := range explain.ObjectAttrs() {
		if !slices.Contains(attrs, name) {
			attrs = append(attrs, name)
		}
	}
	return attrs
}

// sweepBases are the DNs below which every object is to be written. It records, too, what
// a sweep asks for elsewhere.
func sweepBases(ctx context.Context, capture *directory.Recorder, targets []string) ([]string, error) {
	d, err := directory.LoadDomain(ctx, capture)
	if err != nil {
		return nil, err
	}
	root, err := directory.Collect(capture.Read(ctx, directory.Query{Attrs: []string{"namingContexts"}}))
	if err != nil {
		return nil, fmt.Errorf("read the rootDSE: %w", err)
	}
	heads := []string{reach.AdminSDHolder(d.DN)}
	for _, e := range root {
		heads = append(heads, e.Texts("namingContexts")...)
	}
	for _, dn := range heads {
		q := reach.Query(dn)
		q.Scope = directory.Base
		q.Attrs = sweepAttrs()
		_, err := directory.Collect(capture.Read(ctx, q))
		// What this identity does not see will not be seen in the capture, either.
		if missing := (*directory.NotFoundError)(nil); err != nil && !errors.As(err, &missing) {
			return nil, err
		}
	}
	if len(targets) == 0 {
		targets = []string{d.DN}
	}
	return targets, nil
}

// writeNew writes a new file that only its owner may read, compressed where its name says
// so. What is not whole does not stay.
func writeNew(path string, content func(io.Writer) error) error {
	return plan.StreamNew(path, func(w io.Writer) error {
		if !strings.HasSuffix(path, ".gz") {
			return content(w)
		}
		zip := gzip.NewWriter(w)
		if err := content(zip); err != nil {
			return err
		}
		return zip.Close()
	})
}
