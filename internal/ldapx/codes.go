package ldapx

import "github.com/go-ldap/ldap/v3"

// Result codes that callers choose a next step by. RFC 4511, 4.1.9.
const (
	CodeReferral           = ldap.LDAPResultReferral
	CodeInvalidDN          = ldap.LDAPResultInvalidDNSyntax
	CodeInsufficientAccess = ldap.LDAPResultInsufficientAccessRights
	CodeBusy               = ldap.LDAPResultBusy
	CodeUnavailable        = ldap.LDAPResultUnavailable
)
