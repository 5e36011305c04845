package directory

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// Domain is the domain that a domain controller serves, from its rootDSE and its head.
type Domain struct {
	DN              string
	DNS             string
	NetBIOS         string
	SID             sddl.SID
	GUID            sddl.GUID // objectGUID of the head; it outlives a rename
	ForestSID       sddl.SID  // of the forest's root domain; zero when not known
	ForestDN        string
	ConfigurationDN string
	SchemaDN        string
	Host            string // dnsHostName of the domain controller
	Server          Server // more about it

	Forest []Partition // the domains of the forest, this one too, as far as they are shown

	// Functional levels; -1 when the rootDSE does not say. [MS-ADTS] 6.1.4.
	DomainLevel, ForestLevel int
	ReadOnly                 bool // a read-only domain controller
}

// capabilityRODC is what a read-only domain controller says of itself. [MS-ADTS] 3.1.1.3.4.3.
const capabilityRODC = "1.2.840.113556.1.4.1920"

// LoadDomain reads the rootDSE and the head of the domain.
func LoadDomain(ctx context.Context, r Reader) (*Domain, error) {
	root, err := Collect(r.Read(ctx, Query{Attrs: append([]string{
		"defaultNamingContext", "configurationNamingContext", "schemaNamingContext", "rootDomainNamingContext",
		"namingContexts", "dnsHostName", "domainFunctionality", "forestFunctionality",
		"supportedCapabilities",
	}, serverAttrs...)}))
	if err != nil {
		return nil, fmt.Errorf("read the rootDSE: %w", err)
	}
	if len(root) != 1 || root[0].Text("defaultNamingContext") == "" || root[0].Text("schemaNamingContext") == "" {
		return nil, fmt.Errorf("read the rootDSE: this is not a domain controller of Active Directory")
	}
	e := root[0]
	level := func(attr string) int {
		if n, err := strconv.Atoi(e.Text(attr)); err == nil {
			return n
		}
		return -1
	}
	d := &Domain{
		DN:              e.Text("defaultNamingContext"),
		ForestDN:        e.Text("rootDomainNamingContext"),
		ConfigurationDN: e.Text("configurationNamingContext"),
		SchemaDN:        e.Text("schemaNamingContext"),
		Host:            e.Text("dnsHostName"),
		DomainLevel:     level("domainFunctionality"),
		ForestLevel:     level("forestFunctionality"),
	}
	d.DNS = DomainDNS(d.DN)
	for _, oid := range e.Texts("supportedCapabilities") {
		d.ReadOnly = d.ReadOnly || oid == capabilityRODC
	}
	// Samba's read-only ones do not say so themselves.
	server, readOnly, err := loadServer(ctx, r, e)
	if err != nil {
		return nil, err
	}
	d.Server, d.ReadOnly = server, d.ReadOnly || readOnly
	head, err := Collect(r.Read(ctx, Query{Base: d.DN, Attrs: []string{"objectSid", "objectGUID"}}))
	if err != nil {
		return nil, fmt.Errorf("read the head of the domain: %w", err)
	}
	if len(head) != 1 {
		return nil, fmt.Errorf("read the head of the domain: %s is not visible to this reader", d.DN)
	}
	if d.SID, err = sddl.ParseSIDBytes(head[0].Value("objectSid")); err != nil {
		return nil, fmt.Errorf("read the head of the domain: objectSid: %w", err)
	}
	if d.GUID, err = sddl.ParseGUIDBytes(head[0].Value("objectGUID")); err != nil {
		return nil, fmt.Errorf("read the head of the domain: objectGUID: %w", err)
	}
	if SameDN(d.DN, d.ForestDN) {
		d.ForestSID = d.SID
	}
	refs := Query{
		Base:  "CN=Partitions," + d.ConfigurationDN,
		Scope: OneLevel,
		Any:   []Match{{"objectClass", "crossRef"}},
		Attrs: []string{"objectClass", "nCName", "nETBIOSName", "dnsRoot", "systemFlags"},
		// The SID of the forest's root domain, which another domain does not hold.
		Extended: !SameDN(d.DN, d.ForestDN),
	}
	for ref, err := range r.Read(ctx, refs) {
		if err != nil {
			return nil, fmt.Errorf("read the partitions of the forest: %w", err)
		}
		sid, dn, _ := SplitExtended(ref.Text("nCName"))
		if SameDN(dn, d.DN) {
			d.NetBIOS = ref.Text("nETBIOSName")
		}
		if SameDN(dn, d.ForestDN) && sid != "" {
			if d.ForestSID, err = sddl.ParseSID(sid); err != nil {
				return nil, fmt.Errorf("read the partitions of the forest: %s: nCName: %w", ref.DN, err)
			}
		}
		if other, ok := domainOf(ref); ok {
			d.Forest = append(d.Forest, other)
		}
	}
	return d, nil
}

// Partition is a domain of the forest, by its crossRef.
type Partition struct{ DN, DNS, NetBIOS string }

// domainOf is the domain that a crossRef is for; false where it is for something else.
// [MS-ADTS] 6.1.1.2.1.1.
func domainOf(ref Entry) (Partition, bool) {
	p := Partition{DN: PlainDN(ref.Text("nCName")), DNS: ref.Text("dnsRoot"), NetBIOS: ref.Text("nETBIOSName")}
	if p.DN == "" || p.NetBIOS == "" {
		return p, false
	}
	// FLAG_CR_NTDS_NC and FLAG_CR_NTDS_DOMAIN, [MS-ADTS] 2.2.10; only domains have a NetBIOS name
	// where the flags are not shown.
	if flags, err := strconv.ParseInt(ref.Text("systemFlags"), 10, 64); err == nil && flags&3 != 3 {
		return p, false
	}
	if p.DNS == "" {
		p.DNS = DomainDNS(p.DN)
	}
	return p, true
}

// Aliases give the SID aliases of SDDL their meaning in this domain.
func (d *Domain) Aliases() sddl.Aliases {
	return sddl.Aliases{Domain: d.SID, Forest: d.ForestSID}
}

// Qualified is NETBIOS\name, or the name alone where the NetBIOS name is not known.
func (d *Domain) Qualified(name string) string {
	if d.NetBIOS == "" {
		return name
	}
	return strings.ToUpper(d.NetBIOS) + `\` + name
}

// groupName is the name of a group with who issued its SID, so that no group can be
// named to look like another's.
func (d *Domain) groupName(sid sddl.SID, name string) string {
	if sid.Domain() == d.SID {
		return d.Qualified(name)
	}
	return `BUILTIN\` + name
}
