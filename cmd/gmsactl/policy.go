package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

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
	}, newPolicyShow(a), newPolicyValidate(a), &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of policy files, for editors",
		Long: `Schema prints the JSON Schema of policy files, by which editors complete and check
them. Save it, and begin a policy with the line

  # yaml-language-server: $schema=./policy.schema.json`,
		Example: `  gmsactl policy schema > policy.schema.json`,
		Args:    args(),
		RunE: func(*cobra.Command, []string) error {
			text, err := policy.JSONSchema()
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	})
	return cmd
}

func (a *app) policyList() error {
	type line struct {
		Name       string            `json:"name"`
		Title      string            `json:"title"`
		Source     string            `json:"source"`
		Rules      int               `json:"rules"`
		Include    []string          `json:"include,omitempty"`
		Parameters map[string]string `json:"parameters,omitempty"` // what they are
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
		l := line{Name: p.Name, Title: p.Title, Source: p.Source, Rules: len(p.Rules), Include: p.Include}
		for name, param := range p.Parameters {
			if l.Parameters == nil {
				l.Parameters = map[string]string{}
			}
			l.Parameters[name] = param.Description
		}
		list.Policies = append(list.Policies, l)
	}
	if a.output == "json" {
		return report.JSON(a.stdout, list)
	}
	for _, p := range list.Policies {
		if _, err := fmt.Fprintf(a.stdout, "%s\n  %s\n", p.Name, p.Title); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
			if _, err := fmt.Fprintf(a.stdout, "  --param %s=VALUE\n", name); err != nil {
				return err
			}
		}
	}
	return nil
}

// openPolicy reads the policy in a file, of which more than a policy may have is not read.
func openPolicy(file string) (*policy.Policy, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, policy.MaxText+1))
	if err != nil {
		return nil, err
	}
	return policy.Parse(file, text)
}
