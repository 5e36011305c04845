package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/plan"
)

func newCollect(a *app) *cobra.Command {
	var out string
	var targets []string
	cmd := &cobra.Command{
		Use:   "collect [ACCOUNT]...",
		Short: "Save what audit, plan and schema check read, to be judged elsewhere",
		Long: `Collect reads the schema, every gMSA of the domain and the accounts that are named,
and the descriptors of the head of the domain, of every organizational unit and
container and of the targets that are named. It writes them as LDIF (compressed where
the name ends in .gz), which --from takes instead of a domain controller.
The file holds descriptors; only its owner may read it.`,
		Example: `  gmsactl collect --out corp.ldif --dc dc1.corp.example --user admin
  gmsactl audit 'provAgentgMSA$' --from corp.ldif`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, accounts []string) error {
			return a.collect(cmd.Context(), accounts, targets, out)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "new `file` to write")
	cmd.Flags().StringArrayVar(&targets, "target", nil, "`DN` to read as well; repeat for several")
	return cmd
}

func (a *app) collect(ctx context.Context, accounts, targets []string, out string) error {
	if out == "" {
		return errors.New("--out is missing: name the file to write")
	}
	r, done, err := a.reader(ctx)
	if err != nil {
		return err
	}
	defer done()
	capture, err := audit.Collect(ctx, r, accounts, targets)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if strings.HasSuffix(out, ".gz") {
		zip := gzip.NewWriter(&text)
		if _, err = capture.WriteTo(zip); err == nil {
			err = zip.Close()
		}
	} else {
		_, err = capture.WriteTo(&text)
	}
	if err != nil {
		return err
	}
	if err := plan.WriteNew(out, text.Bytes()); err != nil {
		return fmt.Errorf("save the capture: %w", err)
	}
	answer := struct {
		Format  int    `json:"format"`
		Kind    string `json:"kind"` // Capture
		File    string `json:"file"`
		Objects int    `json:"objects"`
	}{1, "Capture", out, capture.Len()}
	return a.show(answer, func() error {
		_, err := fmt.Fprintf(a.stdout, "%d objects in %s\n", answer.Objects, answer.File)
		return err
	})
}
