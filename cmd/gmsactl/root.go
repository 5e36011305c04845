package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/report"
)

// version is set by the linker: make build.
var version = "devel"

// app is what every command shares: the streams, and the flags of the root.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	output  string
	debug   bool
	told    ldapx.Trace // what --debug goes to, once it was asked for
	kept    []byte      // the password, where several domains are asked for it
	connect connection
	logon   ldapx.Logon // one for all domain controllers that are tried

	dial          func(ctx context.Context, network, address string) (net.Conn, error) // nil: the network's
	progressEvery time.Duration                                                        // how often progress is shown; 0: as people read it
}

const envPrefix = "GMSACTL_"

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "gmsactl",
		Short: "Audit and grant the Active Directory permissions of a service account",
		Long: `gmsactl says whether a service account has the rights in Active Directory that it
needs, writes what is missing, and takes it back. Its first use is a custom gMSA for
Microsoft Entra Cloud Sync.

Every flag but --yes has an environment variable: --password-file is
GMSACTL_PASSWORD_FILE. A flag beats the environment. GMSACTL_PASSWORD may hold the
password itself; there is no flag for that, for others can see a command line.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := fromEnvironment(cmd.Flags()); err != nil {
				return err
			}
			if a.output != "text" && a.output != "json" {
				return fmt.Errorf("--output %q: want text or json", a.output)
			}
			return a.connect.settle(cmd)
		},
	}
	root.SetVersionTemplate("gmsactl {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	flags := root.PersistentFlags()
	flags.StringVarP(&a.output, "output", "o", "text", "`form` of the answer: text or json")
	flags.BoolVar(&a.debug, "debug", false, "tell on standard error what goes over the wire, without its secrets")
	a.connect.register(flags)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err, cmd.CommandPath()}
	})
	root.AddCommand(
		newAudit(a), newExplain(a), newPlan(a), newApply(a), newRollback(a), newGMSA(a), newPreflight(a), newSchema(a), newWhoAmI(a), newCollect(a), newPolicy(a), newSDDL(a),
		newVersion(a), newExitCodes(a),
	)
	return root
}

// usageError is a command line that was not understood.
type usageError struct {
	err     error
	command string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// args checks the number of arguments and names them in what it complains about.
func args(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, got []string) error {
		least := 0
		for _, name := range names {
			if !strings.HasPrefix(name, "[") {
				least++
			}
		}
		switch {
		case len(got) < least:
			return &usageError{fmt.Errorf("%s is missing", names[len(got)]), cmd.CommandPath()}
		case len(got) > len(names):
			return &usageError{fmt.Errorf("%q is one argument too many", got[len(names)]), cmd.CommandPath()}
		}
		return nil
	}
}

// fromEnvironment gives flags that were not set the value of their variable. A list is
// separated by line ends, for DNs have commas.
func fromEnvironment(flags *pflag.FlagSet) error {
	var errs []error
	credentialGiven := slices.ContainsFunc(credentialFlags, flags.Changed)
	flags.VisitAll(func(f *pflag.Flag) {
		// A credential on the command line beats another kind of it in the environment.
		if credentialGiven && slices.Contains(credentialFlags, f.Name) {
			return
		}
		if f.Changed || f.Name == "help" || f.Name == "version" || f.Name == "yes" {
			return
		}
		name := envPrefix + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if !ok || value == "" {
			return
		}
		values := []string{value}
		if f.Value.Type() == "stringArray" {
			values = strings.Split(value, "\n")
		}
		for _, v := range values {
			err := f.Value.Set(v)
			switch {
			case err == nil:
			case slices.Contains(credentialFlags, f.Name):
				// What is in the wrong variable may be the password itself.
				errs = append(errs, fmt.Errorf("%s: want a value as --%s takes it", name, f.Name))
			default:
				errs = append(errs, fmt.Errorf("%s=%q: %w", name, v, err))
			}
		}
	})
	return errors.Join(errs...)
}

// style is how text is marked on standard output.
func (a *app) style() report.Style {
	return report.Style{Color: isTerminal(a.stdout) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && obeysEscapes(a.stdout.(*os.File))}
}

// isTerminal says whether a stream is one.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// show writes an answer in the form that was asked for.
func (a *app) show(v any, text func() error) error {
	if a.output == "json" {
		return report.JSON(a.stdout, v)
	}
	return text()
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  args(),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "gmsactl %s\n", version)
			return err
		},
	}
}

// newExitCodes is a help topic: a command without a run.
func newExitCodes(*app) *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long: `0    clean, or done
1    an error or misuse; nothing was written
3    findings, or changes pending
4    partly applied, or applied and not verified
5    the server failed mutual authentication, or what it sent was tampered with
130  interrupted before anything was written`,
	}
}
