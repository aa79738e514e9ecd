package fhir

import (
	"bytes"
	"strconv"
)

// Path is the FHIRPath location of the value: "Patient.name[0].given[1]",
// with an index on the elements that may repeat. A choice element goes by its
// own name: "Observation.value".
func (n Node) Path() string {
	if n.tree == nil {
		return ""
	}
	return string(n.appendPath(nil))
}

func (n Node) appendPath(b []byte) []byte {
	if n.at == n.tree.root {
		return append(b, n.Type().Name...)
	}
	b = Node{n.tree, n.node().parent}.appendPath(b)
	return appendStep(b, n.Element(), n.index())
}

func appendStep(b []byte, e *Element, index int) []byte {
	b = append(b, '.')
	b = append(b, e.Name...)
	if e.Max == 1 {
		return b
	}
	b = append(b, '[')
	b = strconv.AppendInt(b, int64(index), 10)
	return append(b, ']')
}

// index counts the values of the same element before n.
func (n Node) index() int {
	d := n.node()
	count := 0
	parent := Node{n.tree, d.parent}
	for at := parent.firstChild(); at != 0 && at != n.at; at = n.tree.nodes[at].next {
		o := &n.tree.nodes[at]
		if o.prop == d.prop && (o.kind == nodeCompanion) == (d.kind == nodeCompanion) {
			count++
		}
	}
	return count
}

// Position is the line and column, from 1, of the value in Source, or in the
// XML that the tree was read from. The column counts bytes.
func (n Node) Position() (line, column int) {
	if n.tree == nil {
		return 0, 0
	}
	start := int(n.node().start)
	if n.node().kind == nodeString {
		start-- // the quote
	}
	if o := n.tree.origin; o != nil {
		return o.position(start)
	}
	return position(n.tree.Source, start)
}

func position(src []byte, offset int) (line, column int) {
	before := src[:min(offset, len(src))]
	return 1 + bytes.Count(before, []byte{'\n'}), len(before) - bytes.LastIndexByte(before, '\n')
}

// path is the location of a node that has been read.
func (p *parser) path(at uint32) string {
	if len(p.nodes) == 0 {
		return ""
	}
	t := Tree{Source: p.src, Schema: p.schema, nodes: p.nodes}
	return Node{&t, at}.Path()
}

// elementPath is the location of the element being read, without an index.
func (p *parser) elementPath(f *frame) string {
	return p.path(f.self) + "." + f.prop.Element.Name
}

// itemPath is the location of the value being read.
func (p *parser) itemPath(f *frame) string {
	return string(appendStep([]byte(p.path(f.self)), f.prop.Element, f.item))
}
