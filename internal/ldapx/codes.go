package ldapx

import "github.com/go-ldap/ldap/v3"

// Result codes that callers choose a next step by. RFC 4511, 4.1.9.
const (
	CodeOperations           = ldap.LDAPResultOperationsError
	CodeTimeLimit            = ldap.LDAPResultTimeLimitExceeded
	CodeSizeLimit            = ldap.LDAPResultSizeLimitExceeded
	CodeStrongerAuth         = ldap.LDAPResultStrongAuthRequired
	CodeReferral             = ldap.LDAPResultReferral
	CodeAdminLimit           = ldap.LDAPResultAdminLimitExceeded
	CodeUnavailableExtension = ldap.LDAPResultUnavailableCriticalExtension
	CodeNoAttribute          = ldap.LDAPResultNoSuchAttribute
	CodeConstraint           = ldap.LDAPResultConstraintViolation
	CodeAttributeExists      = ldap.LDAPResultAttributeOrValueExists
	CodeNoObject             = ldap.LDAPResultNoSuchObject
	CodeInvalidDN            = ldap.LDAPResultInvalidDNSyntax
	CodeInvalidCredentials   = ldap.LDAPResultInvalidCredentials
	CodeInsufficientAccess   = ldap.LDAPResultInsufficientAccessRights
	CodeBusy                 = ldap.LDAPResultBusy
	CodeUnavailable          = ldap.LDAPResultUnavailable
	CodeUnwilling            = ldap.LDAPResultUnwillingToPerform
	CodeObjectClass          = ldap.LDAPResultObjectClassViolation
	CodeExists               = ldap.LDAPResultEntryAlreadyExists
)
