package ldapx

import "github.com/go-ldap/ldap/v3"

// Result codes that callers choose a next step by. RFC 4511, 4.1.9.
const (
	CodeTimeLimit          = ldap.LDAPResultTimeLimitExceeded
	CodeSizeLimit          = ldap.LDAPResultSizeLimitExceeded
	CodeReferral           = ldap.LDAPResultReferral
	CodeAdminLimit         = ldap.LDAPResultAdminLimitExceeded
	CodeInvalidDN          = ldap.LDAPResultInvalidDNSyntax
	CodeInsufficientAccess = ldap.LDAPResultInsufficientAccessRights
	CodeBusy               = ldap.LDAPResultBusy
	CodeUnavailable        = ldap.LDAPResultUnavailable
)
