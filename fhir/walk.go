package fhir

// First is the first of Children, absent where there is none. With Next it
// walks siblings without a closure, for the paths that run on every write.
func (n Node) First() Node {
	if n.tree == nil {
		return Node{}
	}
	return n.unlinked(n.firstChild())
}

// Next is the sibling that follows n among its parent's Children, absent where
// n is the last.
func (n Node) Next() Node {
	if n.tree == nil || n.at == n.tree.root {
		return Node{}
	}
	return n.unlinked(n.node().next)
}

// unlinked is the node at an index, or the first sibling after it that is not
// the companion of a value.
func (n Node) unlinked(at uint32) Node {
	for at != 0 {
		d := &n.tree.nodes[at]
		if d.flags&flagLinked == 0 {
			return Node{n.tree, at}
		}
		at = d.next
	}
	return Node{}
}

// PropertyIndex is the index of Property in Schema.Properties, 0 at a root.
func (n Node) PropertyIndex() int {
	if n.tree == nil || n.at == n.tree.root {
		return 0
	}
	return int(n.node().prop)
}

// TypeIndex is the index of Type in Schema.Types. The node must be present.
func (n Node) TypeIndex() int { return int(n.node().typ) }

// AppendChildren appends the children whose property index is one of span
// from first on. With adjacent set, those are all of one property, so that the
// walk ends at the first child after them.
func (n Node) AppendChildren(dst []Node, first, span uint32, adjacent bool) []Node {
	if n.tree == nil {
		return dst
	}
	nodes, found := n.tree.nodes, false
	for at := n.firstChild(); at != 0; {
		d := &nodes[at]
		if d.prop-first < span {
			if d.flags&flagLinked == 0 {
				dst = append(dst, Node{n.tree, at})
				found = true
			}
		} else if found && adjacent {
			break
		}
		at = d.next
	}
	return dst
}
