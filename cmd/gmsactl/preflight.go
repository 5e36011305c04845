package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/preflight"
	"github.com/gmsactl/gmsactl/internal/report"
)

func newPreflight(a *app) *cobra.Command {
	var asked preflight.Asked
	var tlsReg, local bool
	var export string
	var network networking
	cmd := &cobra.Command{
		Use:   "preflight [ACCOUNT]",
		Short: "Check the prerequisites of Microsoft Entra Cloud Sync, one by one",
		Long: `Preflight goes through the published prerequisites of Microsoft Entra Cloud Sync. What
the directory shows is judged: schema, domain controllers, functional levels, KDS root
key, the service account, the agents' hosts, the scope, and your own rights. What it
does not show is listed as manual, with what to look at. Each check has what was seen,
what is wanted, the source, and the next step. Nothing but the domain controller is
contacted, unless --network is given.

Agent hosts are those of --agent-host or, where none is named, those that may have the
password of ACCOUNT. --scope names the organizational units and groups that are to be
synchronized.

On an agent's host, --local judges its registry instead: TLS 1.2, .NET, the execution
policy, NTLM, Server Core and the agent's service. --registry FILE.reg does so with an
export, on any machine; what the export does not hold is unknown. Neither asks a
directory.

--network contacts the published addresses of the public cloud, or of --cloud usgov, from
here: names, ports, TLS, certificates, through --proxy where one is named. Of most only
a suffix is published: --endpoint names hosts of yours behind one. It sends
nothing but requests for a page, and asks no directory. --tls-reg prints the .reg file that enables TLS 1.2 on such a host, and does
nothing else.

The exit code is 3 where a check fails or something could not be seen.`,
		Example: `  gmsactl preflight 'provAgentgMSA$' --dc dc1.corp.example --user admin
  gmsactl preflight --agent-host AGENT1 --scope OU=Sync,DC=corp,DC=example
  gmsactl preflight --registry agent1.reg
  gmsactl preflight --tls-reg > tls12.reg`,
		Args: args("[ACCOUNT]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				asked.Account = args[0]
			}
			if network.on {
				if local || export != "" || tlsReg || len(args)+len(asked.Hosts)+len(asked.Scope) > 0 || a.connect.from != "" {
					return errors.New("--network looks at the network by itself: leave the rest out, or run it twice")
				}
				p, err := network.probe(a.connect.timeout, cmd.Flags().Changed("proxy"))
				if err != nil {
					return err
				}
				return a.preflightNetwork(cmd.Context(), p)
			}
			if cmd.Flags().Changed("proxy") || cmd.Flags().Changed("cloud") || len(network.hosts) > 0 {
				return errors.New("--proxy, --cloud and --endpoint go with --network: without it nothing is contacted")
			}
			if local || export != "" {
				if local && export != "" || len(asked.Hosts)+len(asked.Scope) > 0 || tlsReg || a.connect.from != "" {
					return errors.New("--local and --registry judge one host by itself: leave the rest out, or run it twice")
				}
				return a.preflightHost(export, asked.Account)
			}
			if tlsReg {
				if len(args) > 0 || len(asked.Hosts)+len(asked.Scope) > 0 {
					return errors.New("--tls-reg prints a file and checks nothing: leave the rest out")
				}
				_, err := io.WriteString(a.stdout, preflight.TLSRegistry())
				return err
			}
			for _, dn := range asked.Scope {
				if !directory.LooksLikeDN(dn) {
					return fmt.Errorf("--scope %q: want a DN such as OU=Sync,DC=corp,DC=example", dn)
				}
			}
			return a.preflight(cmd.Context(), asked)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&asked.Hosts, "agent-host", nil, "`computer` that the agent is, or will be, on; repeat for several")
	flags.StringArrayVar(&asked.Scope, "scope", nil, "`DN` of an organizational unit or group that is to be synchronized; repeat for several")
	network.register(cmd)
	flags.BoolVar(&local, "local", false, "judge the registry of this machine, an agent's host, and ask no directory")
	flags.StringVar(&export, "registry", "", "`file`.reg of an agent's host to judge, and ask no directory")
	flags.BoolVar(&tlsReg, "tls-reg", false, "print the .reg file that enables TLS 1.2, and do nothing else")
	return cmd
}

func (a *app) preflight(ctx context.Context, asked preflight.Asked) error {
	asked.Live = a.connect.from == ""
	var rep *preflight.Report
	err := a.read(ctx, purpose{}, func(r directory.Reader) (err error) {
		rep, err = preflight.Run(ctx, r, asked)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.show(rep, func() error { return report.Preflight(a.stdout, rep, a.style()) }); err != nil {
		return err
	}
	return findings(rep.Clean())
}
