// Package mutation breaks resources on purpose, so that tests can see whether
// the validator finds it: one rule at a time, at a known place.
//
// It leaves to others: which resources to break, and what has to be found
// (the tests of validate/invariant and validate/profile).
package mutation

import (
	"bytes"
	"encoding/json"

	"github.com/tarnhealth/tarn/fhir"
)

// A Doc is a resource whose values can be changed one at a time.
type Doc struct {
	Tree *fhir.Tree
	root map[string]any
}

// New reads a resource.
func New(schema *fhir.Schema, source []byte) (*Doc, error) {
	tree, err := fhir.Parse(schema, source, fhir.DefaultLimits)
	if err != nil {
		return nil, err
	}
	d := &Doc{Tree: tree}
	decoder := json.NewDecoder(bytes.NewReader(source))
	decoder.UseNumber()
	return d, decoder.Decode(&d.root)
}

// A place is where a value stands: an object's key, and the index of the value
// where that has an array, -1 elsewhere.
type place struct {
	in    map[string]any
	key   string
	index int
}

// get is the value.
func (p place) get() any {
	if p.index < 0 {
		return p.in[p.key]
	}
	return p.in[p.key].([]any)[p.index]
}

// place finds a node that is not the root.
func (d *Doc) place(n fhir.Node) place {
	parent := n.Parent()
	p := place{in: d.object(parent), key: n.Property().JSON, index: -1}
	if n.IsPrimitive() && !n.HasValue() && p.in[p.key] == nil {
		p.key = "_" + p.key
	}
	if _, array := p.in[p.key].([]any); array {
		p.index = 0
		for c := parent.First(); c.Exists() && c != n; c = c.Next() {
			if c.Property() == n.Property() {
				p.index++
			}
		}
	}
	return p
}

// object is the JSON object of a node: of a primitive the one beside it.
func (d *Doc) object(n fhir.Node) map[string]any {
	if n.Property() == nil {
		return d.root
	}
	p := d.place(n)
	if n.IsPrimitive() && p.key[0] != '_' {
		p.key = "_" + p.key
	}
	object, _ := p.get().(map[string]any)
	return object
}

// json is the resource as it is now.
func (d *Doc) json() []byte {
	text, err := json.Marshal(d.root)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return text
}

// with is the resource with some keys of an object changed; a nil value takes
// the key away. The object is as before afterwards.
func (d *Doc) with(in map[string]any, changes map[string]any) []byte {
	before := map[string]any{}
	for key, value := range changes {
		if old, ok := in[key]; ok {
			before[key] = old
		}
		if value == nil {
			delete(in, key)
		} else {
			in[key] = value
		}
	}
	text := d.json()
	for key := range changes {
		delete(in, key)
	}
	for key, value := range before {
		in[key] = value
	}
	return text
}

// Without is the resource without any value of the element of n.
func (d *Doc) Without(n fhir.Node) []byte {
	return d.WithoutAll(n.Parent(), n.Name())
}

// WithoutAll is the resource without the values of an element of a node, which
// keeps an id where it had nothing else.
func (d *Doc) WithoutAll(parent fhir.Node, element string) []byte {
	changes := map[string]any{}
	object, left := d.object(parent), 0
	for _, p := range parent.Type().Element(element).Properties {
		changes[p.JSON], changes["_"+p.JSON] = nil, nil
	}
	for key := range object {
		if _, gone := changes[key]; !gone {
			left++
		}
	}
	if left == 0 {
		changes["id"] = "left"
	}
	return d.with(object, changes)
}

// WithoutOnly is the resource without some items of an array of objects; all
// must be of one element.
func (d *Doc) WithoutOnly(items []fhir.Node) []byte {
	first := d.place(items[0])
	if first.index < 0 || len(items) == len(first.in[first.key].([]any)) {
		return d.Without(items[0])
	}
	out := map[int]bool{}
	for _, n := range items {
		out[d.place(n).index] = true
	}
	var kept []any
	for i, value := range first.in[first.key].([]any) {
		if !out[i] {
			kept = append(kept, value)
		}
	}
	return d.with(first.in, map[string]any{first.key: kept})
}

// Repeated is the resource with a value count times more: in an array, whether
// or not the element takes one.
func (d *Doc) Repeated(n fhir.Node, count int) []byte {
	p := d.place(n)
	all := []any{p.get()}
	if p.index >= 0 {
		all = append([]any{}, p.in[p.key].([]any)...)
	}
	for range count {
		all = append(all, p.get())
	}
	return d.with(p.in, map[string]any{p.key: all})
}

// Set is the resource with another value at n.
func (d *Doc) Set(n fhir.Node, value any) []byte {
	p := d.place(n)
	if p.index < 0 {
		return d.with(p.in, map[string]any{p.key: value})
	}
	all := append([]any{}, p.in[p.key].([]any)...)
	all[p.index] = value
	return d.with(p.in, map[string]any{p.key: all})
}

// Key is the resource with a key of a node's object set; of a primitive, that
// of the object beside it. A nil value takes it away.
func (d *Doc) Key(n fhir.Node, key string, value any) []byte {
	object := d.object(n)
	if object == nil {
		return nil
	}
	return d.with(object, map[string]any{key: value})
}

// As is the resource with a choice element's value of another type in the
// place of n.
func (d *Doc) As(n fhir.Node, property *fhir.Property, value any) []byte {
	p := d.place(n)
	return d.with(p.in, map[string]any{p.key: nil, "_" + p.key: nil, property.JSON: value})
}

// Value is the JSON value of a node; nil for a primitive that has none.
func (d *Doc) Value(n fhir.Node) any {
	if n.Property() == nil {
		return d.root
	}
	return d.place(n).get()
}
