package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"time"

	"github.com/gmsactl/gmsactl/internal/directory"
	"github.com/gmsactl/gmsactl/internal/gss"
	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/ldapx"
	"github.com/gmsactl/gmsactl/internal/plan"
	"github.com/gmsactl/gmsactl/internal/policy"
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
		refused  *krb5.Error
		result   *ldapx.ResultError
		expired  *krb5.ExpiredError
		unreach  *ldapx.DialError
		kdc      *krb5.DialError
		broken   *ldapx.ConnectionError
		ended    *ldapx.TicketEndedError
		other    *ldapx.OtherServerError
		notFound *directory.NotFoundError
		account  *directory.AccountError
		stale    *plan.StaleError
		domain   *plan.WrongDomainError
		partly   *partlyError
		pol      *policy.Error
		capture  *captureError
		hinted   *hintedError
		without  *directory.NotRecordedError
		kind     *krb5.CacheTypeError
	)
	switch {
	case errors.As(err, &usage):
		return fmt.Sprintf("%s --help", usage.command)
	case errors.As(err, &hinted) && hinted.hint != "":
		return hinted.hint
	case errors.Is(err, errNoDC):
		return "name one with --dc dc1.corp.example or GMSACTL_DC, or use --from demo to try gmsactl without a directory"
	case errors.Is(err, errNoPassword):
		return "give --password-file, --password-stdin, --keytab or --ccache; kinit and no --user uses the tickets that you have"
	case errors.Is(err, errNoTerminal):
		return "look at it with gmsactl plan first, then repeat with --yes"
	case isMutualAuth(err):
		return "stop: this is the wrong host, or an attack; compare --dc with the name of the domain controller and look at DNS"
	case protectionHint(err) != "":
		return protectionHint(err)
	case errors.As(err, &partly):
		switch {
		case partly.backup != "" && errors.As(err, &broken):
			return fmt.Sprintf("see what is there with gmsactl audit; gmsactl rollback %s puts back what was written", partly.backup)
		case partly.backup != "":
			return fmt.Sprintf("gmsactl rollback %s puts back what was written", partly.backup)
		}
		return "see what is there with gmsactl audit"
	case errors.As(err, &kind):
		return fmt.Sprintf("fill a file with kinit -c FILE:cc, or from the tickets that you have with kvno --out-cache FILE:cc %s, and name it with --ccache FILE:cc",
			kind.Service.Name.PrincipalNameString())
	case errors.As(err, &ended):
		return "get a ticket that lasts longer with kinit, and run it again"
	case errors.As(err, &other):
		return "run it again; --dc must name one domain controller, not several behind one name"
	case errors.As(err, &expired):
		return "get a new ticket with kinit"
	case errors.As(err, &refused):
		return kerberosHint(refused)
	case errors.As(err, &unreach), errors.As(err, &kdc):
		return "check that --dc is a domain controller and that TCP ports 88 and 389 (636 with --transport ldaps) are open from here"
	case errors.As(err, &stale):
		return "look at what has changed with gmsactl audit, and make a new plan with gmsactl plan"
	case errors.As(err, &domain):
		return "name a domain controller of the plan's domain with --dc"
	case errors.As(err, &without):
		return "make the capture again with gmsactl collect --reach"
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

// kerberosHint follows the error and the NTSTATUS that a KDC of AD adds. RFC 4120 7.5.9,
// [MS-ERREF] 2.3.1.
func kerberosHint(e *krb5.Error) string {
	switch e.Code {
	case krb5.ClientUnknown:
		return "the domain does not know --user; look at the spelling, and use user@suffix for a UPN with another suffix"
	case krb5.ServiceUnknown:
		return "--dc must be the DNS name of the domain controller, not an address or an alias"
	case krb5.PreauthFailed:
		return "the password is wrong, or the keytab is older than the last change of it; one attempt was counted"
	case krb5.ClientRevoked:
		switch e.Status {
		case 0xC0000234:
			return "the account is locked out; do not try again before it is unlocked"
		case 0xC0000072:
			return "the account is disabled"
		case 0xC0000193:
			return "the account has expired"
		}
		return "the account is disabled, locked out, expired or not allowed to log on now"
	case krb5.PasswordExpired:
		return "the password must be changed first"
	case krb5.ClockSkew:
		return fmt.Sprintf("the clock here is %s the domain controller's; set it", offset(e.Skew))
	case krb5.Policy:
		return "a policy of the domain refuses this logon; get the ticket with kinit or kvno and give it with --ccache"
	case krb5.NoCommonEtype:
		return "the account has no AES key: set its password once, or set msDS-SupportedEncryptionTypes; --allow-rc4 takes RC4 until then"
	case krb5.Modified:
		return "the name in --dc points at another machine, or its service name is registered twice (setspn -X)"
	case krb5.TicketExpired:
		return "get a new ticket with kinit"
	}
	return ""
}

// offset says how far one clock is from another.
func offset(ahead time.Duration) string {
	word := "ahead of"
	if ahead < 0 {
		ahead, word = -ahead, "behind"
	}
	return ahead.Round(time.Second).String() + " " + word
}

// resultHint follows the result code of LDAP. RFC 4511, 4.1.9.
func resultHint(e *ldapx.ResultError) string {
	switch e.Code {
	case ldapx.CodeInsufficientAccess:
		return "bind as an identity that may read permissions and modify permissions (WRITE_DAC) there"
	case ldapx.CodeReferral:
		return "name a writable domain controller with --dc"
	case ldapx.CodeBusy, ldapx.CodeUnavailable:
		return "the domain controller is busy; run it again later or name another one with --dc"
	case ldapx.CodeTimeLimit, ldapx.CodeSizeLimit, ldapx.CodeAdminLimit:
		return "the domain controller stopped at a limit of its query policy; read less at once with --target"
	case ldapx.CodeInvalidDN:
		return "a DN looks like OU=Sync,DC=corp,DC=example; a comma in a name is written \\,"
	}
	if strings.HasPrefix(e.Message, "00000057") {
		return "the domain controller does not keep as many searches as are under way; run it again later, with --connections 1"
	}
	if strings.Contains(e.Message, "data 52e") {
		return "the domain controller did not accept the ticket; look at the clocks and at replication"
	}
	return ""
}
