package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/gmsactl/gmsactl/internal/audit"
	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gmsa"
	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/plan"
	"github.com/gmsactl/gmsactl/internal/policy"
	"github.com/gmsactl/gmsactl/internal/waiver"
)

// isMutualAuth says whether the server did not prove that it is the one asked for, with the
// bind or with anything that it sent later.
func isMutualAuth(err error) bool {
	return errors.Is(err, gss.ErrMutualAuth) || errors.Is(err, gss.ErrIntegrity)
}

// hintFor is the next step after an error; empty where the error says all there is.
func hintFor(err error) string {
	var (
		usage    *usageError
		realm    *krb5.RealmError
		result   *ldapx.ResultError
		broken   *ldapx.ConnectionError
		ended    *ldapx.TicketEndedError
		other    *ldapx.OtherServerError
		notFound *directory.NotFoundError
		account  *directory.AccountError
		stale    *plan.StaleError
		domain   *plan.WrongDomainError
		partly   *partlyError
		pol      *policy.Error
		waive    *waiver.Error
		capture  *captureError
		hinted   *hintedError
		without  *directory.NotRecordedError
		noRule   *audit.NoRuleError
	)
	switch {
	case errors.As(err, &usage):
		return fmt.Sprintf("%s --help", usage.command)
	case errors.As(err, &hinted) && hinted.hint != "":
		return hinted.hint
	case errors.Is(err, errNoDC):
		return "name the domain with --domain corp.example, or one domain controller with --dc dc1.corp.example, or use --from demo to try gmsactl without a directory"
	case errors.Is(err, errNoPassword):
		return "give --password-file, --password-stdin, --keytab or --ccache; kinit and no --user uses the tickets that you have"
	case errors.Is(err, errNoTerminal):
		return "look at it with gmsactl plan first, then repeat with --yes"
	case isMutualAuth(err):
		return "stop: this is the wrong host, or an attack; compare --dc with the name of the domain controller and look at DNS"
	case logonHint(err) != "":
		return logonHint(err)
	case protectionHint(err) != "":
		return protectionHint(err)
	case errors.As(err, &realm):
		return connectHint(err) // not one of finding a domain controller, which is inside
	case locateHint(err) != "":
		return locateHint(err)
	case errors.As(err, &partly):
		switch {
		case partly.backup != "" && errors.As(err, &broken):
			return fmt.Sprintf("see what is there with gmsactl audit; gmsactl rollback %s puts back what was written", partly.backup)
		case partly.backup != "":
			return fmt.Sprintf("gmsactl rollback %s puts back what was written", partly.backup)
		}
		return "see what is there with gmsactl audit"
	case errors.As(err, &ended):
		return "get a ticket that lasts longer with kinit, and run it again"
	case errors.As(err, &other):
		return "run it again; --dc must name one domain controller, not several behind one name"
	case connectHint(err) != "":
		return connectHint(err)
	case errors.As(err, &noRule):
		return "leave --target out, or add a policy whose rules have no target of their own"
	case errors.As(err, &stale):
		return "look at what has changed with gmsactl audit, and make a new plan with gmsactl plan"
	case errors.As(err, &domain):
		return "name a domain controller of the plan's domain with --dc"
	case errors.As(err, &without):
		return "make the capture again with gmsactl collect --reach"
	case gmsaHint(err) != "":
		return gmsaHint(err)
	case errors.As(err, &account):
		return "look at the spelling; a DN or a SID is never ambiguous. A capture holds the gMSAs and the accounts named to gmsactl collect only"
	case errors.As(err, &notFound):
		hint := "look at the spelling, and whether this identity may list it"
		if notFound.Matched != "" {
			hint += "; what exists is " + notFound.Matched
		}
		return hint + ". A capture holds the targets named to gmsactl collect, and containers"
	case errors.As(err, &pol):
		return "gmsactl policy list names the built-in policies; docs/policies.md has the keys of a policy file"
	case errors.As(err, &waive):
		return "docs/waivers.md has the keys of a file of waivers"
	case errors.As(err, &capture):
		return "make it again with gmsactl collect --out FILE"
	case errors.As(err, &result):
		return resultHint(result)
	case errors.As(err, &broken):
		return "look at the network and the domain controller, then run it again; a longer --timeout helps a slow one"
	case errors.Is(err, syscall.ENOSPC):
		return "make room, or name a file on another disk with --backup or --out"
	case errors.Is(err, fs.ErrExist):
		return "name a file that does not exist: gmsactl overwrites none"
	}
	return ""
}

// gmsaHint is the next step where a service account cannot be made or changed.
func gmsaHint(err error) string {
	var (
		name      *gmsa.NameError
		taken     *gmsa.TakenError
		container *gmsa.ContainerError
		principal *gmsa.PrincipalError
		key       *gmsa.KeyError
		lockout   *gmsa.LockoutError
	)
	switch {
	case errors.As(err, &name):
		return "take one to fifteen letters, digits, hyphens and underscores, such as provAgentgMSA"
	case errors.As(err, &taken):
		return fmt.Sprintf("look at it with gmsactl gmsa show %q; another name is free, and gmsactl gmsa harden --host changes who may have its password", taken.DN)
	case errors.As(err, &container):
		return "name a container or an organizational unit with --container, in which you may create service accounts; gmsactl explain says who may"
	case errors.As(err, &principal):
		return "look at the spelling; a DN or a SID is never ambiguous"
	case errors.As(err, &key) && key.From.IsZero():
		return "Add-KdsRootKey -EffectiveImmediately makes one, as an Enterprise Admin; it may be used ten hours later"
	case errors.As(err, &key):
		return fmt.Sprintf("run it again after %s", key.From.Local().Format("2006-01-02 15:04 MST"))
	case errors.As(err, &lockout):
		return "run it as a member of Domain Admins; where an entry denies it to them, look at it with gmsactl explain, or give --drop-denies"
	}
	return ""
}
