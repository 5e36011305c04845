package sddl

// Aliases says whose accounts the relative two-letter SIDs of SDDL mean: DA and the like
// are the domain's, EA and the like the forest root domain's, LA and LG the machine's,
// which on a domain controller is the domain again. A zero SID means not known: its
// aliases are neither read nor printed. [MS-DTYP] 2.5.1.1.
type Aliases struct {
	Domain, Forest, Machine SID
}

// Authority says which SID of Aliases an alias is relative to.
type Authority byte

// Whose accounts an alias means. The zero value is nobody's.
const (
	OfDomain Authority = iota + 1
	OfForest
	OfMachine
)

func (c Aliases) sid(of Authority) SID {
	switch of {
	case OfForest:
		return c.Forest
	case OfMachine:
		return c.Machine
	}
	return c.Domain
}

func (of Authority) String() string {
	switch of {
	case OfDomain:
		return "domain"
	case OfForest:
		return "forest root domain"
	case OfMachine:
		return "machine"
	}
	return "nobody"
}

// wellKnown are the aliases of SIDs that are the same everywhere. [MS-DTYP] 2.5.1.1;
// sddl.h of the Windows SDK for HO, AS, SS and those after Windows 8.
var wellKnown = [...]struct {
	name string
	sid  SID
}{
	{"WD", newSID(1, 0)},
	{"CO", newSID(3, 0)}, {"CG", newSID(3, 1)}, {"OW", newSID(3, 4)},
	{"NU", newSID(5, 2)}, {"IU", newSID(5, 4)}, {"SU", newSID(5, 6)}, {"AN", newSID(5, 7)},
	{"ED", newSID(5, 9)}, {"PS", newSID(5, 10)}, {"AU", newSID(5, 11)}, {"RC", newSID(5, 12)},
	{"SY", newSID(5, 18)}, {"LS", newSID(5, 19)}, {"NS", newSID(5, 20)}, {"WR", newSID(5, 33)},
	{"BA", newSID(5, 32, 544)}, {"BU", newSID(5, 32, 545)}, {"BG", newSID(5, 32, 546)},
	{"PU", newSID(5, 32, 547)}, {"AO", newSID(5, 32, 548)}, {"SO", newSID(5, 32, 549)},
	{"PO", newSID(5, 32, 550)}, {"BO", newSID(5, 32, 551)}, {"RE", newSID(5, 32, 552)},
	{"RU", newSID(5, 32, 554)}, {"RD", newSID(5, 32, 555)}, {"NO", newSID(5, 32, 556)},
	{"MU", newSID(5, 32, 558)}, {"LU", newSID(5, 32, 559)}, {"IS", newSID(5, 32, 568)},
	{"CY", newSID(5, 32, 569)}, {"ER", newSID(5, 32, 573)}, {"CD", newSID(5, 32, 574)},
	{"RA", newSID(5, 32, 575)}, {"ES", newSID(5, 32, 576)}, {"MS", newSID(5, 32, 577)},
	{"HA", newSID(5, 32, 578)}, {"AA", newSID(5, 32, 579)}, {"RM", newSID(5, 32, 580)},
	{"HO", newSID(5, 32, 584)},
	{"UD", newSID(5, 84, 0, 0, 0, 0, 0)},
	{"AC", newSID(15, 2, 1)},
	{"LW", newSID(16, 4096)}, {"ME", newSID(16, 8192)}, {"MP", newSID(16, 8448)},
	{"HI", newSID(16, 12288)}, {"SI", newSID(16, 16384)},
	{"AS", newSID(18, 1)}, {"SS", newSID(18, 2)},
}

// relative are the aliases of accounts of a domain or machine. [MS-DTYP] 2.5.1.1, 2.4.2.4.
var relative = [...]struct {
	name string
	of   Authority
	rid  uint32
}{
	{"LA", OfMachine, 500}, {"LG", OfMachine, 501},
	{"DA", OfDomain, 512}, {"DU", OfDomain, 513}, {"DG", OfDomain, 514}, {"DC", OfDomain, 515},
	{"DD", OfDomain, 516}, {"CA", OfDomain, 517}, {"PA", OfDomain, 520}, {"CN", OfDomain, 522},
	{"AP", OfDomain, 525}, {"KA", OfDomain, 526}, {"RS", OfDomain, 553},
	{"RO", OfForest, 498}, {"SA", OfForest, 518}, {"EA", OfForest, 519}, {"EK", OfForest, 527},
}

// appendSID appends the alias of sid where it is exactly that SID, and else its text form.
func (c Aliases) appendSID(dst []byte, sid SID) []byte {
	for i := range wellKnown {
		if wellKnown[i].sid == sid {
			return append(dst, wellKnown[i].name...)
		}
	}
	if rid, ok := sid.RID(); ok {
		for i := range relative {
			if relative[i].rid == rid && sid.isOf(c.sid(relative[i].of)) {
				return append(dst, relative[i].name...)
			}
		}
	}
	return sid.AppendText(dst)
}

// isOf says whether s is one sub-authority longer than domain and otherwise the same.
func (s SID) isOf(domain SID) bool {
	n := len(domain.b)
	return n > 0 && len(s.b) == n+4 && s.b[2:n] == domain.b[2:]
}
