package words

import (
	"strings"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// wellKnown are the SIDs that are the same everywhere. [MS-DTYP] 2.4.2.4; winnt.h of the
// Windows SDK for those of Windows 8 and later.
var wellKnown = map[string]string{
	"S-1-0-0":  "Nobody",
	"S-1-1-0":  "Everyone",
	"S-1-2-0":  "LOCAL",
	"S-1-2-1":  "CONSOLE LOGON",
	"S-1-3-0":  "CREATOR OWNER",
	"S-1-3-1":  "CREATOR GROUP",
	"S-1-3-2":  "CREATOR OWNER SERVER",
	"S-1-3-3":  "CREATOR GROUP SERVER",
	"S-1-3-4":  "OWNER RIGHTS",
	"S-1-5-1":  "DIALUP",
	"S-1-5-2":  "NETWORK",
	"S-1-5-3":  "BATCH",
	"S-1-5-4":  "INTERACTIVE",
	"S-1-5-6":  "SERVICE",
	"S-1-5-7":  "ANONYMOUS LOGON",
	"S-1-5-8":  "PROXY",
	"S-1-5-9":  "Enterprise Domain Controllers",
	"S-1-5-10": "SELF",
	"S-1-5-11": "Authenticated Users",
	"S-1-5-12": "RESTRICTED",
	"S-1-5-13": "TERMINAL SERVER USER",
	"S-1-5-14": "REMOTE INTERACTIVE LOGON",
	"S-1-5-15": "This Organization",
	"S-1-5-17": "IUSR",
	"S-1-5-18": "SYSTEM",
	"S-1-5-19": "LOCAL SERVICE",
	"S-1-5-20": "NETWORK SERVICE",
	"S-1-5-33": "WRITE RESTRICTED",

	"S-1-5-21-0-0-0-496": "Compounded Authentication",
	"S-1-5-21-0-0-0-497": "Claims Valid",

	"S-1-5-32-544": "Administrators",
	"S-1-5-32-545": "Users",
	"S-1-5-32-546": "Guests",
	"S-1-5-32-547": "Power Users",
	"S-1-5-32-548": "Account Operators",
	"S-1-5-32-549": "Server Operators",
	"S-1-5-32-550": "Print Operators",
	"S-1-5-32-551": "Backup Operators",
	"S-1-5-32-552": "Replicator",
	"S-1-5-32-554": "Pre-Windows 2000 Compatible Access",
	"S-1-5-32-555": "Remote Desktop Users",
	"S-1-5-32-556": "Network Configuration Operators",
	"S-1-5-32-557": "Incoming Forest Trust Builders",
	"S-1-5-32-558": "Performance Monitor Users",
	"S-1-5-32-559": "Performance Log Users",
	"S-1-5-32-560": "Windows Authorization Access Group",
	"S-1-5-32-561": "Terminal Server License Servers",
	"S-1-5-32-562": "Distributed COM Users",
	"S-1-5-32-568": "IIS_IUSRS",
	"S-1-5-32-569": "Cryptographic Operators",
	"S-1-5-32-573": "Event Log Readers",
	"S-1-5-32-574": "Certificate Service DCOM Access",
	"S-1-5-32-575": "RDS Remote Access Servers",
	"S-1-5-32-576": "RDS Endpoint Servers",
	"S-1-5-32-577": "RDS Management Servers",
	"S-1-5-32-578": "Hyper-V Administrators",
	"S-1-5-32-579": "Access Control Assistance Operators",
	"S-1-5-32-580": "Remote Management Users",
	"S-1-5-32-581": "System Managed Accounts Group",
	"S-1-5-32-582": "Storage Replica Administrators",
	"S-1-5-32-583": "Device Owners",
	"S-1-5-32-584": "User Mode Hardware Operators",

	"S-1-5-64-10":        "NTLM Authentication",
	"S-1-5-64-14":        "SChannel Authentication",
	"S-1-5-64-21":        "Digest Authentication",
	"S-1-5-65-1":         "This Organization Certificate",
	"S-1-5-84-0-0-0-0-0": "USER MODE DRIVERS",
	"S-1-5-113":          "Local account",
	"S-1-5-114":          "Local account and member of Administrators group",
	"S-1-5-1000":         "Other Organization",

	"S-1-15-2-1": "ALL APPLICATION PACKAGES",
	"S-1-15-2-2": "ALL RESTRICTED APPLICATION PACKAGES",

	"S-1-16-0":     "Untrusted Mandatory Level",
	"S-1-16-4096":  "Low Mandatory Level",
	"S-1-16-8192":  "Medium Mandatory Level",
	"S-1-16-8448":  "Medium Plus Mandatory Level",
	"S-1-16-12288": "High Mandatory Level",
	"S-1-16-16384": "System Mandatory Level",
	"S-1-16-20480": "Protected Process Mandatory Level",

	"S-1-18-1": "Authentication authority asserted identity",
	"S-1-18-2": "Service asserted identity",
	"S-1-18-3": "Fresh public key identity",
	"S-1-18-4": "Key trust identity",
	"S-1-18-5": "Key property multi-factor authentication",
	"S-1-18-6": "Key property attestation",
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

// AccountOfDomain is the English name that a SID has in the domain that issued it, if it
// is of the kind that domains issue and the name is the same in each of them; empty for
// others.
func AccountOfDomain(s sddl.SID) string {
	domain := s.Domain().String()
	if !strings.HasPrefix(domain, "S-1-5-21-") || strings.Count(domain, "-") != 6 {
		return ""
	}
	return DomainSID(s, s.Domain())
}
