package reach

import "github.com/gmsactl/gmsactl/internal/directory"

// Query asks for every object at and below base with what Sweep judges it by. A capture that is to
// answer for a sweep must hold the answer to it.
func Query(base string) directory.Query {
	return directory.Query{
		Base: base, Scope: directory.Subtree,
		Attrs:      []string{"objectClass", "objectSid", "adminCount"},
		Descriptor: true,
	}
}

// one is the same question about one object.
func one(dn string) directory.Query {
	q := Query(dn)
	q.Scope = directory.Base
	return q
}

// AdminSDHolder is the DN of the object whose DACL SDProp writes on protected accounts and groups.
// [MS-ADTS] 3.1.1.6.1.
func AdminSDHolder(domain string) string { return "CN=AdminSDHolder,CN=System," + domain }
