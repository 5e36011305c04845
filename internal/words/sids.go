package words

import "github.com/gmsactl/gmsactl/internal/sddl"

// wellKnown are the SIDs that are the same everywhere. [MS-DTYP] 2.4.2.4.
var wellKnown = map[string]string{
	"S-1-1-0":      "Everyone",
	"S-1-3-0":      "CREATOR OWNER",
	"S-1-3-1":      "CREATOR GROUP",
	"S-1-3-4":      "OWNER RIGHTS",
	"S-1-5-2":      "NETWORK",
	"S-1-5-7":      "ANONYMOUS LOGON",
	"S-1-5-9":      "Enterprise Domain Controllers",
	"S-1-5-10":     "SELF",
	"S-1-5-11":     "Authenticated Users",
	"S-1-5-15":     "This Organization",
	"S-1-5-18":     "SYSTEM",
	"S-1-5-32-544": "Administrators",
	"S-1-5-32-545": "Users",
	"S-1-5-32-546": "Guests",
	"S-1-5-32-548": "Account Operators",
	"S-1-5-32-549": "Server Operators",
	"S-1-5-32-550": "Print Operators",
	"S-1-5-32-551": "Backup Operators",
	"S-1-5-32-552": "Replicator",
	"S-1-5-32-554": "Pre-Windows 2000 Compatible Access",
	"S-1-5-32-557": "Incoming Forest Trust Builders",
	"S-1-5-32-560": "Windows Authorization Access Group",
	"S-1-5-32-561": "Terminal Server License Servers",
	"S-1-18-1":     "Authentication authority asserted identity",
}

// domainRIDs are the accounts that every domain has under the same RID. [MS-DTYP] 2.4.2.4.
var domainRIDs = map[uint32]string{
	498: "Enterprise Read-only Domain Controllers",
	500: "Administrator", 501: "Guest", 502: "krbtgt",
	512: "Domain Admins", 513: "Domain Users", 514: "Domain Guests", 515: "Domain Computers",
	516: "Domain Controllers", 517: "Cert Publishers", 518: "Schema Admins", 519: "Enterprise Admins",
	520: "Group Policy Creator Owners", 521: "Read-only Domain Controllers", 522: "Cloneable Domain Controllers",
	525: "Protected Users", 526: "Key Admins", 527: "Enterprise Key Admins", 553: "RAS and IAS Servers",
}

// WellKnownSID is the English name of a SID that means the same in every domain; empty
// for others.
func WellKnownSID(s sddl.SID) string { return wellKnown[s.String()] }

// DomainSID is the English name of a SID that every domain has, where s is of the given
// domain; empty for others.
func DomainSID(s, domain sddl.SID) string {
	if rid, ok := s.RID(); ok && !domain.IsZero() && s.Domain() == domain {
		return domainRIDs[rid]
	}
	return ""
}
