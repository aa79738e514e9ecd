package graphql

import (
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

// An element is a resource or an element of one.
type element struct {
	node fhir.Node
	// resource holds node, and the resources contained.
	resource fhir.Node
	// view is where the resource is from: what it refers to is read there.
	view *datastore.View
	// id is set for a resource as it is stored, rather than for one inside
	// another.
	id string
}

func (e element) object() object {
	t := e.node.Type()
	switch {
	case t.Kind == fhir.KindResource:
		return object{kind: objectResource, typ: t}
	case t.Name == "Reference" && e.node.Property() != nil:
		return object{kind: objectElement, typ: t, ref: e.node.Property().Ref}
	}
	return object{kind: objectElement, typ: t}
}

// A companion is what a primitive has beside its value.
type companion struct{ element }

func (companion) object() object { return object{kind: objectCompanion} }

func (x *execution) elementValues(e element, u *use) ([]item, error) {
	switch u.kind {
	case fieldResourceType:
		return []item{{leaf: textValue(e.node.Type().Name), typ: "code"}}, nil
	case fieldExtra:
		return x.extras(e, u), nil
	case fieldResolve:
		return x.resolve(e, u)
	}
	return x.property(e, u)
}

// property is the values of a property, those that its arguments select.
func (x *execution) property(e element, u *use) ([]item, error) {
	nodes, err := x.filter(e.node, nodesOf(e.node, u.prop), u)
	if err != nil {
		return nil, err
	}
	items := make([]item, 0, len(nodes))
	valued := false
	for _, n := range nodes {
		it := item{typ: n.Type().Name}
		switch {
		case !n.IsPrimitive():
			it.thing = x.inside(e, n)
		case n.HasValue():
			it.leaf = value{raw: n.Raw(), quoted: n.Type().JSON == fhir.JSONString}
		case u.list:
			it.leaf = null
		default:
			continue
		}
		valued = valued || it.thing != nil || !it.leaf.isNull()
		items = append(items, it)
	}
	if !valued {
		return nil, nil
	}
	return items, nil
}

// inside is a value within e: a resource there has its own contained ones.
func (x *execution) inside(e element, n fhir.Node) element {
	inner := element{node: n, resource: e.resource, view: e.view}
	if n.Type().Kind == fhir.KindResource && n.Name() != "contained" {
		inner.resource = n
	}
	return inner
}

func nodesOf(n fhir.Node, p *fhir.Property) []fhir.Node {
	var nodes []fhir.Node
	for c := range n.Children() {
		if own := c.Property(); own == p || own.JSON == p.JSON {
			nodes = append(nodes, c)
		}
	}
	return nodes
}

// extras is the ids and extensions of a property's primitives, with null where
// an item of a list has none. http://hl7.org/fhir/R4/json.html#primitive
func (x *execution) extras(e element, u *use) []item {
	var items []item
	some := false
	for _, n := range nodesOf(e.node, u.prop) {
		switch {
		case n.First().Exists():
			some = true
			items = append(items, item{thing: companion{element{node: n, resource: e.resource, view: e.view}}, typ: "Element"})
		case u.list:
			items = append(items, item{leaf: null, typ: "Element"})
		}
	}
	if !some {
		return nil
	}
	return items
}

// filter keeps the nodes that the arguments of the field select.
// http://hl7.org/fhir/R4/graphql.html#list
func (x *execution) filter(parent fhir.Node, nodes []fhir.Node, u *use) ([]fhir.Node, error) {
	if len(u.args) == 0 {
		return nodes, nil
	}
	listed, err := x.byIndex(parent, u)
	if err != nil {
		return nil, err
	}
	var kept []fhir.Node
	for _, n := range nodes {
		keep := u.matches(n) && (listed == nil || listed[n])
		if keep && u.where != nil && listed == nil {
			if keep, err = x.holds(u.where, n); err != nil {
				return nil, err
			}
		}
		if keep {
			kept = append(kept, n)
		}
	}
	if offset, ok := u.args[argumentOffset]; ok {
		kept = kept[min(offset.number(), len(kept)):]
	}
	if count, ok := u.args[argumentCount]; ok {
		kept = kept[:min(count.number(), len(kept))]
	}
	return kept, nil
}

// holds evaluates a condition. An expression can take long, so that it is
// here that an abandoned query ends.
func (x *execution) holds(where *expression, n fhir.Node) (bool, error) {
	if err := x.ctx.Err(); err != nil {
		return false, err
	}
	return where.Bool(n, fhirpath.Env{Now: x.Now})
}

// byIndex is the nodes that an expression with $index selects, nil where there
// is no such expression.
func (x *execution) byIndex(parent fhir.Node, u *use) (map[fhir.Node]bool, error) {
	if u.where == nil || u.where.byIndex == nil {
		return nil, nil
	}
	items, err := u.where.byIndex.Eval(parent, fhirpath.Env{Now: x.Now})
	if err != nil {
		return nil, err
	}
	listed := map[fhir.Node]bool{}
	for _, it := range items {
		listed[it.Node()] = true
	}
	return listed, nil
}

// matches reports whether a node has the sub-elements that arguments name.
func (s *selected) matches(n fhir.Node) bool {
	for name, a := range s.args {
		if a.kind == argFilter && !hasValue(n, name, a.text()) {
			return false
		}
	}
	return true
}

func hasValue(n fhir.Node, property, text string) bool {
	for c := range n.Children() {
		if c.Property().JSON == property && c.HasValue() && equalText(c, text) {
			return true
		}
	}
	return false
}

// equalText compares numbers by value and all else by text.
func equalText(n fhir.Node, text string) bool {
	if n.Text() == text {
		return true
	}
	if n.Type().JSON != fhir.JSONNumber {
		return false
	}
	a, err := fhir.ParseDecimal(n.Text())
	b, err2 := fhir.ParseDecimal(text)
	return err == nil && err2 == nil && a.Compare(b) == 0
}

// sliceName is what @slice appends to the name of an item's member.
func (x *execution) sliceName(u *use, it item, index int) (string, error) {
	e, ok := it.thing.(element)
	switch {
	case u.slice.index:
		return "." + itoa(index), nil
	case !ok:
		return "", fhir.Errorf(fhir.KindUnprocessable, `@slice of the primitive %s can only be by "$index"`, u.name)
	}
	items, err := u.slice.Eval(e.node, fhirpath.Env{Now: x.Now})
	switch {
	case err != nil:
		return "", err
	case len(items) == 0:
		return "", nil
	case len(items) > 1 || items[0].Text() == "":
		return "", fhir.Errorf(fhir.KindUnprocessable, "the path %s of @slice selects %d values, or one that is not text; it must select one", u.slice, len(items))
	}
	return "." + items[0].Text(), nil
}
