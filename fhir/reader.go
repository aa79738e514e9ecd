package fhir

import "slices"

// A Reader reads resources one after the other into memory that it uses again.
// It is for one goroutine.
type Reader struct {
	tree Tree
	tape []node
}

// Parse is the function Parse. The tree is good until the next call.
func (r *Reader) Parse(schema *Schema, src []byte, limits Limits) (*Tree, error) {
	nodes, err := parse(schema, src, limits, &r.tape)
	if err != nil {
		return nil, err
	}
	r.tree = Tree{Source: src, Schema: schema, nodes: nodes}
	return &r.tree, nil
}

// Forget lets go of the last source, and of more memory than most need.
func (r *Reader) Forget() {
	r.tree = Tree{}
	if cap(r.tape) > pooledNodes {
		r.tape = nil
	}
}

// readInto reads the source into a tape, which grows where it is too small.
func (p *parser) readInto(tape *[]node) []node {
	p.nodes = slices.Grow((*tape)[:0], min(len(p.src)/bytesPerNode+8, pooledNodes))
	p.document()
	*tape = p.nodes
	return p.nodes
}
