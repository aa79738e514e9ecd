package fhir

import (
	"iter"
	"unsafe"
)

// A Tree is one parsed resource: a flat slice of nodes that point into Source.
// It is immutable and safe for concurrent use. A Tree keeps Source alive and
// must not outlive changes to it.
type Tree struct {
	Source []byte
	Schema *Schema

	nodes  []node
	root   uint32     // index of the root: not 0 in a tree that Detach made
	origin *xmlOrigin // of a tree that ParseXML made
	owned  bool       // Source is the tree's own, and the root's text all of it
}

// node is one value. Its children follow it directly (the first is at the
// next index); next links siblings. Items of an array are siblings with the
// same property; arrays have no node of their own. The object behind a
// primitive's "_x" key is a node too: where the primitive has a value, the
// value's node links to it by ext, is the parent of its children, and it is
// skipped among the siblings; where it has none, the companion itself stands
// for the primitive, or in an array that has values the null in its place.
type node struct {
	prop       uint32 // Schema.Properties index, 0 for the root
	typ        uint16 // Schema.Types index: the value's own type
	kind       nodeKind
	flags      uint8
	start, end uint32 // span in Source: strings without their quotes
	next       uint32 // index of the next sibling, 0 for none
	ext        uint32 // index of the companion object, 0 for none
	parent     uint32
}

type nodeKind uint8

const (
	nodeObject nodeKind = iota + 1
	nodeString
	nodeNumber
	nodeBool
	nodeCompanion // the object of a "_x" key, or a null among such objects
	nodeNull      // a null among primitives: it stands for a primitive without a value
)

const (
	flagEscaped  = 1 << iota // the string has escapes
	flagLinked               // a companion whose value node links to it, or that is null
	flagChildren             // the node has children
	flagArray                // the value is an item of a JSON array
)

// A Node is one value in a Tree: a resource, a complex value or a primitive.
// The zero Node is absent: every method works on it and returns nothing.
type Node struct {
	tree *Tree
	at   uint32
}

// Root is the resource itself; absent for a nil tree.
func (t *Tree) Root() Node {
	if t == nil {
		return Node{}
	}
	return Node{tree: t, at: t.root}
}

// Detach is the tree whose root is n, a resource inside a Bundle or a
// contained one. It shares nodes and Source with n's tree, so that positions
// stay those of the whole. It is nil where n is absent.
func (n Node) Detach() *Tree {
	if n.tree == nil {
		return nil
	}
	return &Tree{Source: n.tree.Source, Schema: n.tree.Schema, nodes: n.tree.nodes, root: n.at, origin: n.tree.origin}
}

// Exists reports whether the node is present.
func (n Node) Exists() bool { return n.tree != nil }

// Tree is the tree that the node belongs to.
func (n Node) Tree() *Tree { return n.tree }

func (n Node) node() *node { return &n.tree.nodes[n.at] }

// Type is the type of the value itself: of a resource its own type, of a
// choice element the chosen type.
func (n Node) Type() *Type {
	if n.tree == nil {
		return nil
	}
	return n.tree.Schema.Types[n.node().typ]
}

// Property is the JSON property that holds the value, nil at a root.
func (n Node) Property() *Property {
	if n.tree == nil || n.at == n.tree.root {
		return nil
	}
	return n.tree.Schema.Properties[n.node().prop]
}

// Element is the element that holds the value, nil at a root.
func (n Node) Element() *Element {
	if p := n.Property(); p != nil {
		return p.Element
	}
	return nil
}

// Name is the element name of the value ("value" for valueQuantity), "" at a root.
func (n Node) Name() string {
	if e := n.Element(); e != nil {
		return e.Name
	}
	return ""
}

// Parent is the node that holds n, absent at a root.
func (n Node) Parent() Node {
	if n.tree == nil || n.at == n.tree.root {
		return Node{}
	}
	return Node{n.tree, n.node().parent}
}

// IsPrimitive reports whether the value's type is a primitive, with or
// without a value.
func (n Node) IsPrimitive() bool {
	return n.tree != nil && n.Type().Kind == KindPrimitive
}

// HasValue reports whether a primitive has a value of its own, rather than
// only an id or extensions.
func (n Node) HasValue() bool {
	if n.tree == nil {
		return false
	}
	k := n.node().kind
	return k == nodeString || k == nodeNumber || k == nodeBool
}

// Children yields the values directly inside n in source order. Items of one
// element that repeats follow one another. For a primitive they are its id
// and extensions.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if n.tree == nil {
			return
		}
		for at := n.firstChild(); at != 0; at = n.tree.nodes[at].next {
			if n.tree.nodes[at].flags&flagLinked != 0 {
				continue
			}
			if !yield(Node{n.tree, at}) {
				return
			}
		}
	}
}

func (n Node) firstChild() uint32 {
	at := n.at
	if c := n.tree.nodes[at].ext; c != 0 {
		at = c
	}
	if n.tree.nodes[at].flags&flagChildren == 0 {
		return 0
	}
	return at + 1
}

// Each yields the children of one element name ("value" for value[x]).
func (n Node) Each(name string) iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for c := range n.Children() {
			if c.Name() == name && !yield(c) {
				return
			}
		}
	}
}

// Child is the first child of an element name, absent where there is none.
func (n Node) Child(name string) Node {
	if n.tree == nil {
		return Node{}
	}
	nodes, props := n.tree.nodes, n.tree.Schema.Properties
	for at := n.firstChild(); at != 0; at = nodes[at].next {
		if d := &nodes[at]; d.flags&flagLinked == 0 && props[d.prop].Element.Name == name {
			return Node{n.tree, at}
		}
	}
	return Node{}
}

// Text is the text of a primitive: a string unescaped, a number or boolean as
// written ("1.00" stays "1.00"). It is "" for other values.
func (n Node) Text() string {
	if !n.HasValue() {
		return ""
	}
	raw := n.Raw()
	if n.node().flags&flagEscaped != 0 {
		return unescape(raw)
	}
	return string(raw)
}

// View is Text without a copy, except of strings with escapes: it shares the
// memory of Source and must not be kept longer than the tree.
func (n Node) View() string {
	b := n.TextBytes()
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// TextBytes is View as bytes, which must not be changed; nil where there is no
// value.
func (n Node) TextBytes() []byte {
	if !n.HasValue() {
		return nil
	}
	if n.node().flags&flagEscaped != 0 {
		return []byte(n.Text())
	}
	return n.Raw()
}

// TextOf is n.Child(name).Text().
func (n Node) TextOf(name string) string { return n.Child(name).Text() }

// Raw is the value's bytes in Source: of a string what stands between the
// quotes, escapes included; of an object from brace to brace. It must not be
// changed.
func (n Node) Raw() []byte {
	if n.tree == nil {
		return nil
	}
	d := n.node()
	return n.tree.Source[d.start:d.end]
}

// Span is the range of Raw in Source.
func (n Node) Span() (start, end int) {
	if n.tree == nil {
		return 0, 0
	}
	d := n.node()
	return int(d.start), int(d.end)
}
