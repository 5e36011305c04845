package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/report"
)

func newSchema(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Look at the schema of the forest",
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "Say whether the schema and the functional levels are ready for Cloud Sync",
		Long: `Schema check looks at the schema version, the class of gMSAs, the attribute
msDS-ExternalDirectoryObjectId with the classes that may hold it, and the functional
levels. The exit code is 3 where something is missing or cannot be seen.`,
		Example: `  gmsactl schema check --from demo`,
		Args:    args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.schemaCheck(cmd.Context())
		},
	})
	return cmd
}

func (a *app) schemaCheck(ctx context.Context) error {
	var rep *audit.SchemaReport
	err := a.read(ctx, purpose{}, func(r directory.Reader) (err error) {
		rep, err = audit.LoadSchemaReport(ctx, r)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.show(rep, func() error { return report.Schema(a.stdout, rep, a.style()) }); err != nil {
		return err
	}
	return findings(rep.Clean())
}
