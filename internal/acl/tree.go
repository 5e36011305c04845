package acl

import "github.com/gmsactl/gmsactl/internal/sddl"

// mayAddUp says whether some of the bits could be allowed on every part: whether every
// attribute below the node asked for is reached by an allow entry. It is a quick no in
// nearly every case.
func (q *question) mayAddUp(bits sddl.Mask, w world) bool {
	reached := make(map[sddl.GUID]sddl.Mask, 16)
	var everywhere sddl.Mask
	for i := range q.dacl {
		do, acts, _ := q.act(i, w)
		if !acts || do.deny {
			continue
		}
		everywhere |= do.over
		if do.below != 0 {
			reached[q.dacl[i].ObjectType] |= do.below
		}
	}
	everywhere &= bits
	rest := bits
	for attribute, set := range q.class.Attributes {
		if q.right.Kind == PropertySet && set != q.right.Object {
			// Bits of the root are not asked for at the property set: they need every attribute.
			if rest&q.atRoot == 0 {
				continue
			}
			rest &= everywhere | reached[attribute] | reached[set] | q.atNode
		} else {
			rest &= everywhere | reached[attribute] | reached[set]
		}
		if rest == 0 {
			return false
		}
	}
	return rest != 0
}

// addUp walks the DACL over the whole object tree of the class and adds to the outcome
// the bits that the node asked for has because all of its parts have them.
// [MS-ADTS] 5.1.3.3.3, one bit at a time as servers do: the text compares whole masks.
func (q *question) addUp(bits sddl.Mask, w world, o *outcome) {
	t := newTree(q.class)
	for place, asked := range map[sddl.GUID]sddl.Mask{q.class.GUID: bits & q.atRoot, q.right.Object: bits & q.atNode} {
		at, ok := t.index[place]
		if asked == 0 || !ok {
			continue
		}
		t.reset()
		for i := range q.dacl {
			do, acts, _ := q.act(i, w)
			if !acts {
				continue
			}
			before := t.nodes[at].grant
			v := 0
			if a := &q.dacl[i]; !a.IsOpaque() && a.HasObjectType() && !a.ObjectType.IsZero() {
				if v, ok = t.index[a.ObjectType]; !ok {
					continue
				}
			}
			m := q.dacl[i].Mask.MapGeneric() & asked
			if q.dacl[i].IsOpaque() {
				m = asked
			}
			if do.deny {
				t.deny(v, m)
			} else {
				t.allow(v, m)
			}
			if more := t.nodes[at].grant &^ before &^ o.granted; more != 0 {
				o.granted |= more
				o.deciding = append(o.deciding, Deciding{ACE: q.dacl[i], Index: i, Mask: more, Via: do.via})
			}
		}
	}
	// What the parts add up to was not decided by the deny that the first walk met.
	kept := o.deciding[:0]
	for _, d := range o.deciding {
		if d.ACE.Type.IsDeny() || d.ACE.IsOpaque() && !w.unseen {
			if d.Mask &^= o.granted; d.Mask == 0 {
				continue
			}
		}
		kept = append(kept, d)
	}
	o.deciding = kept
	o.denied &^= o.granted
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

func (t *tree) reset() {
	for i := range t.nodes {
		t.nodes[i].grant, t.nodes[i].deny = 0, 0
	}
}

// allow grants on a node and below, then on each parent all of whose children have it.
func (t *tree) allow(v int, m sddl.Mask) {
	t.down(v, func(n *node) { n.grant |= m &^ n.deny })
	for p := t.nodes[v].parent; p >= 0; p = t.nodes[p].parent {
		common := m
		for _, child := range t.nodes[p].children {
			common &= t.nodes[child].grant
		}
		t.nodes[p].grant |= common
	}
}

// deny denies on a node and below, and on everything above.
func (t *tree) deny(v int, m sddl.Mask) {
	t.down(v, func(n *node) { n.deny |= m &^ n.grant })
	for p := t.nodes[v].parent; p >= 0; p = t.nodes[p].parent {
		t.nodes[p].deny |= m
	}
}

func (t *tree) down(v int, do func(*node)) {
	do(&t.nodes[v])
	for _, child := range t.nodes[v].children {
		t.down(child, do)
	}
}
