package acl

import (
	"slices"

	"github.com/gmsactl/gmsactl/internal/sddl"
)

// addUp adds to the outcome the bits that a node has because all of its parts have
// them. A deny met before does not prevent that. [MS-ADTS] 5.1.3.3.3.
func (q *question) addUp(w world, o *outcome) {
	for _, place := range []struct {
		bits sddl.Mask
		node sddl.GUID
		set  sddl.GUID // the property set the node is; zero: the root
	}{
		{q.atRoot, q.class.GUID, sddl.GUID{}},
		{q.atNode, q.right.Object, q.right.Object},
	} {
		bits := place.bits & o.parts &^ o.granted
		if bits != 0 && q.mayAddUp(bits, place.set, w) {
			q.walkTree(bits, place.node, w, o)
		}
	}
}

// mayAddUp says whether every attribute, or every one of the set, is reached by an entry
// that allows some of the bits. Nearly always it is a quick no, and saves the tree.
func (q *question) mayAddUp(bits sddl.Mask, within sddl.GUID, w world) bool {
	parts := make(map[sddl.GUID]sddl.Mask, 16)
	var everywhere sddl.Mask
	for i := range q.dacl {
		do, acts, _ := q.act(i, w)
		if !acts || do.deny {
			continue
		}
		everywhere |= do.over
		if do.below != 0 {
			parts[q.dacl[i].ObjectType] |= do.below
		}
	}
	for attribute, set := range q.class.Attributes {
		if !within.IsZero() && set != within {
			continue
		}
		if bits &= everywhere | parts[attribute] | parts[set]; bits == 0 {
			return false
		}
	}
	return true
}

// walkTree walks the DACL over the whole object tree of the class, for the bits at one
// node. The text compares whole masks of siblings; this goes bit by bit, as if each were
// asked for alone. [MS-ADTS] 5.1.3.3.3.
func (q *question) walkTree(bits sddl.Mask, place sddl.GUID, w world, o *outcome) {
	t := newTree(q.class)
	at := &t.nodes[t.index[place]]
	for i := range q.dacl {
		do, acts, _ := q.act(i, w)
		if !acts {
			continue
		}
		v, m := 0, bits
		if a := &q.dacl[i]; !a.IsOpaque() {
			m &= a.Mask.MapGeneric()
			if a.HasObjectType() && !a.ObjectType.IsZero() {
				var ok bool
				if v, ok = t.index[a.ObjectType]; !ok {
					continue
				}
			}
		}
		before := at.grant | o.granted
		if do.deny {
			t.deny(v, m)
		} else {
			t.allow(v, m)
		}
		if more := at.grant &^ before; more != 0 {
			o.granted |= more
			o.deciding = append(o.deciding, Deciding{ACE: q.dacl[i], Index: i, Mask: more, Via: do.via})
		}
	}
	// What the parts add up to was not decided by the deny met first.
	o.denied &^= o.granted
	kept := o.deciding[:0]
	for _, d := range o.deciding {
		if d.Deny {
			if d.Mask &= o.denied; d.Mask == 0 {
				continue
			}
		}
		kept = append(kept, d)
	}
	slices.SortStableFunc(kept, func(a, b Deciding) int { return a.Index - b.Index })
	o.deciding = kept
}

// tree is the object tree of a class: the class, its property sets, their attributes.
// [MS-ADTS] 5.1.3.3.3.
type tree struct {
	nodes []node
	index map[sddl.GUID]int
}

type node struct {
	parent      int // -1: the root
	children    []int
	grant, deny sddl.Mask
}

func newTree(c *Class) *tree {
	t := &tree{index: make(map[sddl.GUID]int, len(c.Attributes)+1)}
	add := func(g sddl.GUID, parent int) int {
		n := len(t.nodes)
		t.nodes = append(t.nodes, node{parent: parent})
		if parent >= 0 {
			t.nodes[parent].children = append(t.nodes[parent].children, n)
		}
		// A property set may have the GUID of one of its attributes; an entry for the
		// GUID is then about the set, which comes first.
		if _, taken := t.index[g]; !taken {
			t.index[g] = n
		}
		return n
	}
	add(c.GUID, -1)
	sets := make(map[sddl.GUID]int)
	for _, set := range c.Attributes {
		if _, ok := sets[set]; !ok && !set.IsZero() {
			sets[set] = add(set, 0)
		}
	}
	for attribute, set := range c.Attributes {
		add(attribute, sets[set]) // the root for none
	}
	return t
}

// allow grants on a node and below, and then on every node all of whose children have it:
// also on those below and above that a deny on a part had taken it from, where that part
// had been allowed before. So the order of allows does not matter, which servers change.
func (t *tree) allow(v int, m sddl.Mask) {
	t.grant(v, m)
	for p := t.nodes[v].parent; p >= 0; p = t.nodes[p].parent {
		t.addUp(p, m)
	}
}

func (t *tree) grant(v int, m sddl.Mask) {
	n := &t.nodes[v]
	n.grant |= m &^ n.deny
	for _, child := range n.children {
		t.grant(child, m)
	}
	t.addUp(v, m)
}

func (t *tree) addUp(v int, m sddl.Mask) {
	n := &t.nodes[v]
	if len(n.children) == 0 {
		return
	}
	for _, child := range n.children {
		m &= t.nodes[child].grant
	}
	n.grant |= m
}

// deny denies on a node and below, and on everything above.
func (t *tree) deny(v int, m sddl.Mask) {
	t.refuse(v, m)
	for p := t.nodes[v].parent; p >= 0; p = t.nodes[p].parent {
		t.nodes[p].deny |= m
	}
}

func (t *tree) refuse(v int, m sddl.Mask) {
	n := &t.nodes[v]
	n.deny |= m &^ n.grant
	for _, child := range n.children {
		t.refuse(child, m)
	}
}
