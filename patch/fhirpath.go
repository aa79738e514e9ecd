package patch

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

// FHIRPath applies a FHIRPath Patch, the operations of a Parameters resource,
// to a resource. Operations that cannot be read are KindInvalid, those that
// cannot be carried out KindUnprocessable.
// http://hl7.org/fhir/R4/fhirpatch.html
func FHIRPath(resource *fhir.Tree, parameters fhir.Node) ([]byte, error) {
	operations, err := readOperations(parameters)
	if err != nil {
		return nil, err
	}
	s := &session{tree: resource}
	s.src = resource.Root().Raw()
	if resource, err = s.parse(); err != nil {
		return nil, err
	}
	s.tree = resource
	for i := range operations {
		o := &operations[i]
		if err := s.apply(o); err != nil {
			return nil, atParameter(atOperation(err, i, o.kind, o.path), i)
		}
	}
	return s.src, nil
}

// atParameter locates an error at an operation.
func atParameter(err error, i int) error {
	if e, ok := err.(*fhir.Error); ok {
		return e.At(fmt.Sprintf("Parameters.parameter[%d]", i))
	}
	return err
}

// A session is one FHIRPath Patch at work: the text, and the tree of it.
type session struct {
	editor
	tree *fhir.Tree
}

// An operation is one of a FHIRPath Patch.
type operation struct {
	kind, path, name           string
	index, source, destination int // -1 where there is none
	value                      fhir.Node
}

func readOperations(parameters fhir.Node) ([]operation, error) {
	var all []operation
	if parameters.Type() == nil || parameters.Type().Name != "Parameters" {
		return nil, fhir.Errorf(fhir.KindInvalid, "a FHIRPath Patch is a Parameters resource with parameters of the name operation")
	}
	for p := range parameters.Each("parameter") {
		if len(all) == maxOperations {
			return nil, fhir.Errorf(fhir.KindTooCostly, "the patch has more than %d operations", maxOperations)
		}
		o, err := readOperation(p)
		if err != nil {
			return nil, err.At(p.Path())
		}
		all = append(all, o)
	}
	return all, nil
}

func readOperation(p fhir.Node) (operation, *fhir.Error) {
	o := operation{index: -1, source: -1, destination: -1}
	if name := p.TextOf("name"); name != "operation" {
		return o, fhir.Errorf(fhir.KindInvalid, "the parameter is called %q; those of a FHIRPath Patch are called operation", name)
	}
	given := map[string]bool{}
	for part := range p.Each("part") {
		name := part.TextOf("name")
		if given[name] {
			return o, fhir.Errorf(fhir.KindInvalid, "the operation has the part %s twice", name)
		}
		given[name] = true
		if err := o.read(name, part); err != nil {
			return o, err
		}
	}
	return o, o.check(given)
}

func (o *operation) read(name string, part fhir.Node) *fhir.Error {
	text := part.TextOf("value")
	number := func(to *int) *fhir.Error {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return fhir.Errorf(fhir.KindInvalid, "the part %s is %q; it must be a valueInteger from 0", name, text)
		}
		*to = n
		return nil
	}
	switch name {
	case "type":
		o.kind = text
	case "path":
		o.path = text
	case "name":
		o.name = text
	case "value":
		o.value = part
	case "index":
		return number(&o.index)
	case "source":
		return number(&o.source)
	case "destination":
		return number(&o.destination)
	default:
		return fhir.Errorf(fhir.KindInvalid, "an operation has no part %q; it has type, path, name, value, index, source and destination", name)
	}
	return nil
}

// needs are the parts that each type of operation must have beside type and
// path.
var needs = map[string][]string{
	"add": {"name", "value"}, "insert": {"index", "value"}, "delete": nil,
	"replace": {"value"}, "move": {"source", "destination"},
}

func (o *operation) check(given map[string]bool) *fhir.Error {
	parts, ok := needs[o.kind]
	if !ok {
		return fhir.Errorf(fhir.KindInvalid, "the type of the operation is %q; it must be add, insert, delete, replace or move", o.kind)
	}
	for _, name := range append([]string{"path"}, parts...) {
		if !given[name] {
			return fhir.Errorf(fhir.KindInvalid, "the operation %s needs the part %s", o.kind, name)
		}
	}
	return nil
}

func (s *session) apply(o *operation) error {
	nodes, err := s.find(o.path)
	if err != nil {
		return err
	}
	switch o.kind {
	case "add":
		err = s.addElement(o, nodes)
	case "insert":
		err = s.insert(o, nodes)
	case "delete":
		err = s.remove(nodes)
	case "replace":
		err = s.replaceElement(o, nodes)
	case "move":
		err = s.moveElement(o, nodes)
	}
	if err != nil {
		return err
	}
	if s.tree, err = s.parse(); err != nil {
		return unprocessable("the result is not FHIR: %v", err)
	}
	return nil
}

func (s *session) parse() (*fhir.Tree, error) {
	return fhir.Parse(s.tree.Schema, s.src, fhir.DefaultLimits)
}

// find evaluates a path on the resource as it is now.
func (s *session) find(path string) ([]fhir.Node, error) {
	root := s.tree.Root()
	expr, err := fhirpath.Compile(s.tree.Schema, path, fhirpath.WithContext(root.Type().Name))
	if err != nil {
		return nil, unprocessable("%v", err)
	}
	items, err := expr.Eval(root, fhirpath.Env{})
	if err != nil {
		return nil, unprocessable("%v", err)
	}
	var nodes []fhir.Node
	for _, item := range items {
		if n := item.Node(); !n.Exists() || n.Tree() != s.tree {
			return nil, unprocessable("the path does not select elements of the resource")
		}
		nodes = append(nodes, item.Node())
	}
	return nodes, nil
}

// one demands that a path selects a single element.
func one(nodes []fhir.Node) (fhir.Node, error) {
	switch len(nodes) {
	case 0:
		return fhir.Node{}, unprocessable("the path selects nothing")
	case 1:
		return nodes[0], nil
	}
	return fhir.Node{}, unprocessable("the path selects %d elements; it must select one", len(nodes))
}

func (s *session) addElement(o *operation, nodes []fhir.Node) error {
	n, err := one(nodes)
	if err != nil {
		return err
	}
	return s.append(n, o.name, o.value)
}

// append adds a value as the last one of an element of n.
func (s *session) append(n fhir.Node, name string, given fhir.Node) error {
	typ := n.Type()
	if n.IsPrimitive() {
		typ = s.tree.Schema.Type("Element")
	}
	e := elementCalled(typ, name)
	if e == nil {
		return unprocessable("%s has no element %q", n.Type().Name, name)
	}
	v, err := readValue(e, given)
	if err != nil {
		return err
	}
	count := 0
	for c := range n.Children() {
		if c.Element() == e {
			count++
		}
	}
	if count > 0 && e.Max == 1 {
		return unprocessable("%s has a value already, and may have one only; use replace", name)
	}
	object, err := s.object(n)
	if err != nil {
		return err
	}
	if object < 0 {
		return s.startCompanion(n, v)
	}
	return s.insertAt(list{object, v.property, count}, count, v)
}

// elementCalled is the element of a type by its name, "value" or "value[x]",
// or by a JSON key, "valueString".
func elementCalled(t *fhir.Type, name string) *fhir.Element {
	if e := t.Element(choiceName.ReplaceAllString(name, "")); e != nil {
		return e
	}
	if p := t.Property([]byte(name)); p != nil {
		return p.Element
	}
	return nil
}

var choiceName = regexp.MustCompile(`\[x\]$`)

// startCompanion gives a primitive that has only a value its first id or
// extension.
func (s *session) startCompanion(n fhir.Node, v value) error {
	text := v.raw
	if v.property.Element.Max != 1 {
		text = "[" + text + "]"
	}
	l, i, err := s.place(n)
	if err != nil {
		return err
	}
	key := string(fhir.AppendString(nil, v.property.JSON))
	return s.set(l, "_"+l.property.JSON, i, "{"+key+":"+text+"}")
}

// lastName is the element name that a path ends with.
var lastName = regexp.MustCompile(`^(.+)\.([A-Za-z]\w*)$`)

func (s *session) insert(o *operation, nodes []fhir.Node) error {
	if len(nodes) == 0 {
		m := lastName.FindStringSubmatch(o.path)
		if m == nil || o.index != 0 {
			return unprocessable("the path selects nothing, so that there is no index %d", o.index)
		}
		parents, err := s.find(m[1])
		if err != nil {
			return err
		}
		n, err := one(parents)
		if err != nil {
			return err
		}
		return s.append(n, m[2], o.value)
	}
	l, err := s.whole(nodes)
	if err != nil {
		return err
	}
	if o.index > l.count {
		return unprocessable("the list has %d items; index %d is beyond its end", l.count, o.index)
	}
	v, err := readValue(l.property.Element, o.value)
	if err != nil {
		return err
	}
	return s.insertAt(l, o.index, v)
}

// whole demands that nodes are all items of one list.
func (s *session) whole(nodes []fhir.Node) (list, error) {
	l, _, err := s.place(nodes[0])
	if err != nil {
		return l, err
	}
	if l.property.Element.Max == 1 {
		return l, unprocessable("%s is not a list", l.property.Element.Name)
	}
	if len(nodes) != l.count || nodes[len(nodes)-1].Parent() != nodes[0].Parent() || nodes[len(nodes)-1].Property() != l.property {
		return l, unprocessable("the path must select one whole list, and nothing else")
	}
	return l, nil
}

// remove carries out delete. What is not there need not be removed.
func (s *session) remove(nodes []fhir.Node) error {
	if len(nodes) == 0 {
		return nil
	}
	n, err := one(nodes)
	if err != nil {
		return err
	}
	l, i, err := s.place(n)
	if err != nil {
		return err
	}
	if err := s.removeAt(l, i); err != nil {
		return err
	}
	return s.tidy()
}

func (s *session) replaceElement(o *operation, nodes []fhir.Node) error {
	n, err := one(nodes)
	if err != nil {
		return err
	}
	l, i, err := s.place(n)
	if err != nil {
		return err
	}
	v, err := readValue(l.property.Element, o.value)
	if err != nil {
		return err
	}
	if v.property == l.property {
		return s.replaceAt(l, i, v)
	}
	// A choice of another type has another key.
	if err := s.insertAt(list{l.object, v.property, 0}, 0, v); err != nil {
		return err
	}
	return s.removeAt(l, i)
}

func (s *session) moveElement(o *operation, nodes []fhir.Node) error {
	if len(nodes) == 0 {
		return unprocessable("the path selects nothing")
	}
	l, err := s.whole(nodes)
	if err != nil {
		return err
	}
	if o.source >= l.count || o.destination >= l.count {
		return unprocessable("the list has %d items; source and destination must be below that", l.count)
	}
	return s.moveAt(l, o.source, o.destination)
}
