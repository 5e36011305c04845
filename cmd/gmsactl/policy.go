package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/report"
)

func newPolicy(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Look at the policies that audits judge by",
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List the built-in policies",
		Args:  args(),
		RunE:  func(*cobra.Command, []string) error { return a.policyList() },
	})
	return cmd
}

func (a *app) policyList() error {
	type line struct {
		Name   string `json:"name"`
		Title  string `json:"title"`
		Source string `json:"source"`
	}
	list := struct {
		Format   int    `json:"format"`
		Kind     string `json:"kind"`
		Policies []line `json:"policies"`
	}{Format: 1, Kind: "PolicyList"}
	for _, name := range policy.BuiltinNames() {
		p, err := policy.Builtin(name)
		if err != nil {
			return err
		}
		list.Policies = append(list.Policies, line{p.Name, p.Title, p.Source})
	}
	if a.output == "json" {
		return report.JSON(a.stdout, list)
	}
	for _, p := range list.Policies {
		if _, err := fmt.Fprintf(a.stdout, "%s\n  %s\n  %s\n", p.Name, p.Title, p.Source); err != nil {
			return err
		}
	}
	return nil
}
