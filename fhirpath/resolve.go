package fhirpath

import (
	"bytes"

	"github.com/tarnhealth/tarn/fhir"
)

// resolve is resolve(). A reference to a contained resource gives
// that resource; any other gives an item of KindReference that knows the
// resource's type alone, from the reference's text or else from
// Reference.type; one whose type cannot be told gives nothing. Where Env can
// resolve, its resource comes instead.
// http://hl7.org/fhir/R4/fhirpath.html#functions
type resolve struct{ input evaluator }

// ofThis reports whether the input is $this.
func (r *resolve) ofThis() bool {
	w, ok := r.input.(*walk)
	return ok && w.input == nil && w.filter == nil && len(w.steps) == 0
}

func (r *resolve) eval(m *machine) error {
	mark := len(m.stack)
	if err := r.input.eval(m); err != nil {
		return err
	}
	kept := mark
	for i := mark; i < len(m.stack); i++ {
		if item := m.resolve(m.stack[i]); item.kind != 0 {
			m.stack[kept] = item
			kept++
		}
	}
	m.stack = m.stack[:kept]
	return nil
}

// resolve resolves a Reference, a primitive that holds a URL, or a string.
func (m *machine) resolve(i Item) Item {
	if m.env.Resolve == nil {
		return resolveNode(i.node)
	}
	found := resolveNode(i.node)
	if found.kind == KindNode {
		return found
	}
	text, isText := i.system().value.(string)
	if !isText {
		text = i.node.TextOf("reference")
	}
	if text != "" {
		if resource, ok := m.env.Resolve(text); ok {
			return NodeItem(resource)
		}
	}
	return found
}

// resolveNode resolves a Reference or a primitive that holds a URL; the zero
// Item where it cannot.
func resolveNode(n fhir.Node) Item {
	if !n.Exists() {
		return Item{}
	}
	text := n
	if !n.IsPrimitive() {
		text = n.Child("reference")
	}
	url := urlOf(text)
	if len(url) > 0 && url[0] == '#' {
		if c := containedIn(n, string(url[1:])); c.Exists() {
			return NodeItem(c)
		}
	}
	schema := n.Tree().Schema
	t := referredType(schema, url)
	if t == nil && !n.IsPrimitive() {
		// Reference.type may be the URL of the type's definition.
		given := urlOf(n.Child("type"))
		t = schema.Resource(string(given[bytes.LastIndexByte(given, '/')+1:]))
	}
	if t == nil {
		return Item{}
	}
	return Item{kind: KindReference, value: t}
}

// urlOf is the text of a primitive, without a copy where it has no escapes.
func urlOf(n fhir.Node) []byte {
	if !n.HasValue() {
		return nil
	}
	if raw := n.Raw(); bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	return []byte(n.Text())
}

// referredType is the resource type in Patient/123, in an absolute URL that
// ends so, and in either with /_history/ and a version; nil where there is
// none.
func referredType(schema *fhir.Schema, url []byte) *fhir.Type {
	rest, last := cutSegment(url)
	rest, before := cutSegment(rest)
	if string(before) == "_history" {
		rest, last = cutSegment(rest)
		_, before = cutSegment(rest)
	}
	if len(last) == 0 {
		return nil
	}
	return schema.Resource(string(before))
}

// cutSegment splits off what follows the last slash.
func cutSegment(url []byte) (rest, last []byte) {
	at := bytes.LastIndexByte(url, '/')
	return url[:max(at, 0)], url[at+1:]
}

// containedIn is the resource with an id among those contained in the
// resource that holds n, or in the one that contains that.
func containedIn(n fhir.Node, id string) fhir.Node {
	holder := resourceOf(n)
	if holder.Name() == "contained" {
		holder = resourceOf(holder.Parent())
	}
	if id == "" {
		return holder // "#" alone refers to the container
	}
	for c := holder.First(); c.Exists(); c = c.Next() {
		if c.Name() == "contained" && hasText(c.Child("id"), id) {
			return c
		}
	}
	return fhir.Node{}
}

// refersTo is the criterion "resolve() is T", straight on the node.
type refersTo struct{ test *typeTest }

func (r *refersTo) holds(n fhir.Node) bool {
	return r.test.matches(resolveNode(n))
}
