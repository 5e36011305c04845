package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"time"

	"github.com/gmsactl/gmsactl/internal/krb5"
	"github.com/gmsactl/gmsactl/internal/ldapx"
)

// connectHint is the next step where no session came about: the credential, the way to a KDC,
// the KDC's refusal, the way to the domain controller, and the domain controller's refusal, in
// this order. It is empty for other errors.
func connectHint(err error) string {
	var (
		bind    *ldapx.BindError
		none    *ldapx.NoTicketError
		kind    *krb5.CacheTypeError
		expired *krb5.ExpiredError
		key     *krb5.NoKeyError
		old     *krb5.OldKeyError
		preauth *krb5.PreauthError
		realm   *krb5.RealmError
		refers  *krb5.ReferralError
		away    *krb5.UnreachableError
		refused *krb5.Error
		unreach *ldapx.DialError
		kdc     *krb5.DialError
		name    *net.DNSError
		file    *fs.PathError
	)
	switch {
	case errors.As(err, &kind):
		return fmt.Sprintf("fill a file with kinit -c FILE:cc, or from the tickets that you have with kvno --out-cache FILE:cc %s, and name it with --ccache FILE:cc",
			kind.Service.Name.PrincipalNameString())
	case errors.As(err, &expired):
		return "get a new ticket with kinit"
	case errors.As(err, &none):
		return fmt.Sprintf("get a ticket with kinit, or with kvno %s", none.Service.Name.PrincipalNameString())
	case errors.As(err, &key) && len(key.Held) == 0:
		return "name an account of the keytab with --user (klist -k lists them), or make a keytab for this one"
	case errors.As(err, &key):
		return "make the keytab again with a key of that encryption type; on Windows ktpass /crypto AES256-SHA1"
	case errors.As(err, &old):
		return "the account's password, or its name, was changed after the keytab was made: make it again; one attempt was counted"
	case errors.As(err, &preauth):
		return "get the ticket with kinit, which may know how, and give it with --ccache"
	case errors.As(err, &realm):
		return fmt.Sprintf("name its KDCs in krb5.conf ([realms] %s = { kdc = ... }), or ask a DNS server that has _kerberos._tcp.%s", realm.Realm, strings.ToLower(realm.Realm))
	case errors.As(err, &refers):
		return fmt.Sprintf("if the domain controller is of %s, say so with --domain %s; else bind with an account of its own domain", refers.Realm, strings.ToLower(refers.Realm))
	case errors.As(err, &away):
		return fmt.Sprintf("TCP port 88 of one of the KDCs of %s must be open from here; krb5.conf may name others", away.Realm)
	case errors.As(err, &refused):
		return kerberosHint(refused)
	case (errors.As(err, &unreach) || errors.As(err, &kdc)) && errors.As(err, &name) && name.IsNotFound:
		return "DNS does not know this name: look at its spelling, and whether this machine asks a DNS server of the domain"
	case errors.As(err, &unreach), errors.As(err, &kdc):
		return "check that --dc is a domain controller and that TCP ports 88 and 389 (636 with --transport ldaps) are open from here"
	case !errors.As(err, &bind):
		return ""
	case bind.Stage == ldapx.StageCredentials && errors.As(err, &file) && errors.Is(file.Err, fs.ErrNotExist):
		return "get a ticket with kinit (on macOS kinit -c FILE:cc, and --ccache FILE:cc), or name an account with --user"
	case bind.Stage == ldapx.StageTicket && errors.Is(err, context.DeadlineExceeded):
		return "the KDC took the request and does not answer: look at TCP port 88, and at what stands between"
	case bind.Stage == ldapx.StageBind && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return "the connection was cut during the bind: look at what stands between here and the domain controller"
	}
	return ""
}

// kerberosHint follows the error and the NTSTATUS that a KDC of AD adds. RFC 4120, 7.5.9;
// [MS-ERREF] 2.3.1.
func kerberosHint(e *krb5.Error) string {
	if hint := statusHint(e.Status); hint != "" {
		return hint
	}
	switch e.Code {
	case krb5.ClientUnknown:
		return "the domain does not know --user; look at the spelling, and use user@suffix for a UPN with another suffix"
	case krb5.ServiceUnknown:
		return "--dc must be the DNS name of the domain controller, not an address or an alias; if it is, look for a service name that is registered twice (setspn -X)"
	case krb5.PreauthFailed:
		return "the password is wrong; one attempt was counted"
	case krb5.ClientRevoked:
		return "the account is disabled, locked out, expired or not allowed to log on now; do not try again before it is known which"
	case krb5.PasswordExpired:
		return "the password must be changed first"
	case krb5.ClockSkew:
		return fmt.Sprintf("the clock here is %s the domain controller's; set it", offset(e.Skew))
	case krb5.TicketNotYet:
		return fmt.Sprintf("the ticket is not valid yet; the clock here is %s the domain controller's", offset(e.Skew))
	case krb5.Policy:
		return "a policy of the domain refuses this logon (FAST or an authentication silo, perhaps); get the ticket with kinit or kvno and give it with --ccache"
	case krb5.NoCommonEtype:
		return "the account has no AES key: set its password once, or set msDS-SupportedEncryptionTypes; --allow-rc4 takes RC4 until then"
	case krb5.Unavailable:
		return "the KDC cannot answer now; try again later, or name another domain controller with --dc"
	case krb5.Modified:
		return "the name in --dc points at another machine, or its service name is registered twice (setspn -X)"
	case krb5.WrongClient:
		return "the ticket is another account's: get a new one with kinit, or bind with an account of the domain controller's own domain"
	case krb5.TicketExpired:
		return "get a new ticket with kinit"
	case krb5.WrongRealm:
		return "the account, or the domain controller, is of another domain: write the account as user@its.domain, and name the domain controller's with --domain"
	case krb5.Generic:
		return "the domain controller says no more; its event log does"
	}
	return ""
}

// statusHint follows an NTSTATUS of a logon.
func statusHint(status uint32) string {
	switch status {
	case krb5.StatusLockedOut:
		return "the account is locked out; do not try again before it is unlocked"
	case krb5.StatusAccountDisabled:
		return "the account is disabled"
	case krb5.StatusAccountExpired:
		return "the account has expired"
	case krb5.StatusInvalidLogonHours:
		return "the account may not log on at this hour"
	case krb5.StatusInvalidWorkstation:
		return "the account may not log on from this machine (userWorkstations)"
	case krb5.StatusPasswordExpired:
		return "the password has expired and must be changed first"
	case krb5.StatusPasswordMustChange:
		return "the password must be changed before the first logon"
	case krb5.StatusAccountRestriction:
		return "the account is restricted: a blank password, or a logon that its policy does not allow"
	case krb5.StatusLogonTypeDenied:
		return "the account may not log on in this way (user rights of the domain controller)"
	case krb5.StatusFirewall:
		return "an authentication policy, or selective authentication of the trust, refuses this logon; use an account that is allowed there"
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

// logonStatus is the NTSTATUS of the Win32 error with which a domain controller refuses a bind.
var logonStatus = map[uint32]uint32{
	0x52f: krb5.StatusAccountRestriction,
	0x530: krb5.StatusInvalidLogonHours,
	0x531: krb5.StatusInvalidWorkstation,
	0x532: krb5.StatusPasswordExpired,
	0x533: krb5.StatusAccountDisabled,
	0x569: krb5.StatusLogonTypeDenied,
	0x701: krb5.StatusAccountExpired,
	0x773: krb5.StatusPasswordMustChange,
	0x775: krb5.StatusLockedOut,
}

// bindHint follows what Active Directory adds to a refused bind.
func bindHint(e *ldapx.ResultError) string {
	if hint := statusHint(logonStatus[e.Reason()]); hint != "" {
		return hint
	}
	const channel = "the domain controller saw another certificate than was shown here: is there a TLS proxy or a load balancer in between? --transport ldap works through it"
	switch e.Reason() {
	case 0x525:
		return "the domain controller does not know the account that the ticket is of; look at the trust and at replication"
	case 0x52e:
		return "the domain controller did not accept the ticket; look at the clocks and at replication"
	case 0x35b, 0x57, 0x80090346:
		return channel
	}
	switch e.Status() {
	case 0x80090346: // SEC_E_BAD_BINDINGS
		return channel
	case 0x8009030c, 0x80090308: // SEC_E_LOGON_DENIED, SEC_E_INVALID_TOKEN
		return "the domain controller did not accept the ticket; look at the clocks and at replication"
	}
	return ""
}

// resultHint follows the result code of LDAP. RFC 4511, 4.1.9.
func resultHint(e *ldapx.ResultError) string {
	switch e.Code {
	case ldapx.CodeInvalidCredentials:
		return bindHint(e)
	case ldapx.CodeInsufficientAccess:
		if e.Op == "read" {
			return "bind as an identity that may read there; gmsactl explain says what is in the way"
		}
		return "bind as an identity that may read permissions and modify permissions (WRITE_DAC) there"
	case ldapx.CodeReferral:
		return "name a writable domain controller of that domain with --dc"
	case ldapx.CodeBusy, ldapx.CodeUnavailable:
		return "the domain controller is busy; run it again later or name another one with --dc"
	case ldapx.CodeInvalidDN:
		return "a DN looks like OU=Sync,DC=corp,DC=example; a comma in a name is written \\,"
	case ldapx.CodeStrongerAuth:
		return "the domain controller takes signed sessions only, and gmsactl has no others: something between has changed the connection"
	case ldapx.CodeTimeLimit, ldapx.CodeSizeLimit, ldapx.CodeAdminLimit:
		return "the domain controller stopped at a limit of its query policy; read less at once with --target"
	case ldapx.CodeNoObject:
		return "it does not exist, or this identity may not list it"
	case ldapx.CodeNoAttribute, ldapx.CodeAttributeExists, ldapx.CodeConstraint, ldapx.CodeObjectClass, ldapx.CodeExists:
		return "the directory is not as it was when this was planned: look at it with gmsactl audit, and make a new plan"
	case ldapx.CodeUnavailableExtension, ldapx.CodeUnwilling:
		if e.Status() == 0x57 { // ERROR_INVALID_PARAMETER
			return "the domain controller does not keep as many searches as are under way; run it again later, with --connections 1"
		}
		if e.Op == "bind" {
			return "the domain controller takes no binds of this kind now; look at its event log"
		}
	case ldapx.CodeOperations:
		if e.Status() == 0x4dc { // ERROR_NOT_AUTHENTICATED
			return "the session has lost its identity: run it again"
		}
	}
	return ""
}
