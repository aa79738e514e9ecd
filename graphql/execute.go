package graphql

import (
	"context"
	"errors"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// An execution is one query under way.
type execution struct {
	Request
	ctx    context.Context
	view   *datastore.View
	ds     *datastore.Store
	doc    *document
	schema *schema
	known  map[selectedKey]selectedResult
	whole  *use
	reads  map[readKey]readResult
	// opened are the views of other times that cursors asked for.
	opened []*datastore.View
	// path is the place in the answer.
	path []any
	// resources and bytes count what the limits bound.
	resources, bytes, steps int
	// requests are the searches and reads of one resource.
	requests int
}

func newExecution(ctx context.Context, view *datastore.View, ds *datastore.Store, request Request) *execution {
	return &execution{
		Request: request, ctx: ctx, view: view, ds: ds,
		known: map[selectedKey]selectedResult{}, reads: map[readKey]readResult{},
	}
}

func (x *execution) close() {
	for _, v := range x.opened {
		v.Close()
	}
}

// A thing is a value of which fields can be selected.
type thing interface{ object() object }

type queryRoot struct{}

func (queryRoot) object() object { return query }

// start is what the query is about.
func (x *execution) start(focus *store.Version) (thing, error) {
	x.schema.root = query
	if focus == nil {
		return queryRoot{}, nil
	}
	tree, err := x.ds.Read(*focus)
	if err != nil {
		return nil, err
	}
	e := element{node: tree.Root(), resource: tree.Root(), view: x.view, id: focus.ID}
	x.schema.root = e.object()
	return e, nil
}

// run carries out the operation.
func (x *execution) run(root thing) ([]byte, error) {
	var out output
	if err := x.object(&out, root, x.operation(), flattened{}); err != nil {
		return nil, err
	}
	return out.appendJSON(make([]byte, 0, x.bytes)), nil
}

// operation is the operation as a field of which everything is selected.
func (x *execution) operation() *use {
	if x.whole == nil {
		x.whole = &use{sets: []ast.SelectionSet{x.doc.operation.SelectionSet}}
	}
	return x.whole
}

// flattened is what a field inherits from @flatten around it.
type flattened struct {
	inside bool
	list   bool   // a field becomes a list
	suffix string // of names, by @slice
}

// An item is one value of a field: a thing, or a leaf.
type item struct {
	thing thing
	leaf  value
	// typ is the FHIR type, for @flatten, which collates one type only.
	typ string
}

// object adds what u selects of a thing to an output.
func (x *execution) object(out *output, t thing, u *use, in flattened) error {
	groups, err := x.groups(u, t.object())
	if err != nil {
		return err
	}
	for _, g := range groups {
		x.path = append(x.path, g.key)
		for _, u := range g.uses {
			if err := x.field(out, t, g.key, u, in); err != nil {
				return wrap(err, u.ast.Position, x.path)
			}
		}
		x.path = x.path[:len(x.path)-1]
	}
	return nil
}

// field adds the values of one field to an output.
func (x *execution) field(out *output, t thing, key string, u *use, in flattened) error {
	items, err := x.values(t, u)
	if err != nil {
		return err
	}
	if u.first && len(items) > 1 {
		items = items[:1]
	}
	list := u.list && !u.first
	if list && len(items) == 0 && u.kind != fieldProperty && u.kind != fieldExtra && !u.flatten && !u.singleton {
		out.slot(key + in.suffix).list = true // a search that found nothing is an empty list
	}
	for i, it := range items {
		suffix := in.suffix
		if u.slice != nil {
			part, err := x.sliceName(u, it, i)
			if err != nil {
				return err
			}
			suffix += part
		}
		depth := len(x.path)
		if u.list {
			x.path = append(x.path, i)
		}
		if u.flatten {
			err = x.object(out, it.thing, u, flattened{inside: true, list: in.list || list, suffix: suffix})
		} else {
			err = x.put(out, key+suffix, it, u, flattened{inside: in.inside, list: in.list || list})
		}
		if err != nil {
			return err
		}
		x.path = x.path[:depth]
	}
	return nil
}

// put adds one value to a member of an output.
func (x *execution) put(out *output, key string, it item, u *use, in flattened) error {
	v := it.leaf
	if it.thing != nil {
		v = value{obj: &output{}}
		if err := x.object(v.obj, it.thing, u, flattened{}); err != nil {
			return err
		}
	} else if in.inside && v.isNull() {
		return nil // the places of what @flatten puts together mean nothing
	}
	s := out.slot(key)
	s.single = s.single || u.singleton
	s.list = (s.list || in.list) && !s.single
	if len(s.values) > 0 {
		if in.inside && s.typ != it.typ {
			return fhir.Errorf(fhir.KindUnprocessable, "@flatten brings values of the types %s and %s together in %q; give one of the fields an alias", s.typ, it.typ, key)
		}
		if !s.list {
			return fhir.Errorf(fhir.KindUnprocessable, "%q has more than one value, and is not to be a list", key)
		}
	}
	s.typ = it.typ
	s.values = append(s.values, v)
	return x.spend(len(key) + len(v.raw) + 4)
}

func (v value) isNull() bool { return v.obj == nil && !v.quoted && string(v.raw) == "null" }

// spend counts what goes into the answer.
func (x *execution) spend(bytes int) error {
	if x.bytes += bytes; x.bytes > x.Limits.Output {
		return fhir.Errorf(fhir.KindTooCostly, "the answer has more than %d bytes; select fewer fields or resources", x.Limits.Output)
	}
	if x.steps++; x.steps%1024 == 0 {
		return x.ctx.Err()
	}
	return nil
}

// request counts a search, or the reading of one resource.
func (x *execution) request() error {
	x.requests++
	return x.read(1)
}

// read counts a resource read or a search made.
func (x *execution) read(n int) error {
	if x.resources += n; x.resources > x.Limits.Resources {
		return fhir.Errorf(fhir.KindTooCostly, "the query reads more than %d resources, searches counted; narrow its searches, or page with _count and a Connection", x.Limits.Resources)
	}
	return x.ctx.Err()
}

// values is the values of a field of a thing.
func (x *execution) values(t thing, u *use) ([]item, error) {
	switch u.kind {
	case fieldTypename:
		return []item{{leaf: textValue(t.object().name()), typ: "string"}}, nil
	case fieldMeta:
		raw, err := x.introspect(u)
		return []item{{leaf: value{raw: raw}}}, err
	case fieldRead:
		return x.readByID(u)
	case fieldList:
		return x.list(t, u)
	case fieldConnection:
		return x.connect(t, u)
	}
	switch t := t.(type) {
	case element:
		return x.elementValues(t, u)
	case companion:
		return x.property(t.element, u)
	case *connection:
		return t.part(x, u)
	case edge:
		return t.part(u)
	}
	return nil, errors.New("graphql: no values of " + u.name)
}
