package graphql

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A described is a value of introspection.
// https://spec.graphql.org/October2021/#sec-Introspection
type described interface {
	// meta is the name of its type, such as __Type.
	meta() string
	// get is the value of a field: a string, bool, []string, described,
	// []described, or nil.
	get(s *schema, name string) any
}

// introspect answers __schema and __type. The answer is large, so that it is
// written straight into JSON.
func (x *execution) introspect(u *use) ([]byte, error) {
	if u.name == "__schema" {
		return x.describe(nil, metaSchema{}, u)
	}
	t := x.schema.metaTypeNamed(u.args["name"].text())
	if t == nil {
		return []byte("null"), nil
	}
	return x.describe(nil, t, u)
}

func (x *execution) describe(b []byte, d described, u *use) ([]byte, error) {
	groups, err := x.groups(u, object{kind: objectMeta, meta: d.meta()})
	if err != nil {
		return nil, err
	}
	b = append(b, '{')
	for i, g := range groups {
		if i > 0 {
			b = append(b, ',')
		}
		before := len(b)
		b = fhir.AppendString(b, g.key)
		b = append(b, ':')
		if g.uses[0].scalar == "" { // what is within counts by itself
			if err := x.spend(len(b) - before + len("{},")); err != nil {
				return nil, err
			}
		}
		if g.uses[0].kind == fieldTypename {
			b = fhir.AppendString(b, d.meta())
		} else if b, err = x.describeValue(b, d.get(x.schema, g.uses[0].name), g.uses[0]); err != nil {
			return nil, err
		}
		if g.uses[0].scalar != "" {
			if err := x.spend(len(b) - before + 1); err != nil {
				return nil, err
			}
		}
	}
	return append(b, '}'), nil
}

func (x *execution) describeValue(b []byte, value any, u *use) ([]byte, error) {
	switch value := value.(type) {
	case string:
		return fhir.AppendString(b, value), nil
	case bool:
		return strconv.AppendBool(b, value), nil
	case described:
		return x.describe(b, value, u)
	case []string:
		b = append(b, '[')
		for i, s := range value {
			if i > 0 {
				b = append(b, ',')
			}
			b = fhir.AppendString(b, s)
		}
		return append(b, ']'), nil
	case []described:
		b = append(b, '[')
		for i, d := range value {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = x.describe(b, d, u); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	}
	return append(b, "null"...), nil
}

type metaSchema struct{}

func (metaSchema) meta() string { return "__Schema" }

func (metaSchema) get(s *schema, name string) any {
	switch name {
	case "description":
		return "FHIR R4 (" + s.set.Schema.Release + "), http://hl7.org/fhir/R4/graphql.html"
	case "types":
		return s.metaTypes()
	case "queryType":
		return metaObject(s.root)
	case "directives":
		return metaDirectives
	}
	return nil
}

// A metaType is a type as introspection shows it.
type metaType struct {
	kind string
	name string
	on   object // of an OBJECT or INTERFACE
	of   *metaType
	enum []string
}

func metaObject(o object) *metaType {
	kind := "OBJECT"
	if o.kind == objectAny {
		kind = "INTERFACE"
	}
	return &metaType{kind: kind, name: o.name(), on: o}
}

func metaScalar(name string) *metaType { return &metaType{kind: "SCALAR", name: name} }

func metaList(of *metaType) *metaType { return &metaType{kind: "LIST", of: of} }

func metaNonNull(of *metaType) *metaType { return &metaType{kind: "NON_NULL", of: of} }

func (t *metaType) meta() string { return "__Type" }

func (t *metaType) get(s *schema, name string) any {
	switch name {
	case "kind":
		return t.kind
	case "name":
		return orNil(t.name)
	case "description":
		return orNil(t.description())
	case "fields":
		if t.on.kind != 0 {
			return t.fields(s)
		}
	case "interfaces":
		if t.on.kind == objectResource {
			return []described{metaObject(object{kind: objectAny})}
		} else if t.on.kind != 0 {
			return []described{}
		}
	case "possibleTypes":
		if t.on.kind == objectAny {
			return metaObjects(s.targets(nil))
		}
	case "enumValues":
		return t.enumValues()
	case "ofType":
		if t.of != nil {
			return t.of
		}
	}
	return nil
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (t *metaType) description() string {
	switch {
	case t.on.kind == objectResource:
		return "http://hl7.org/fhir/R4/" + strings.ToLower(t.name) + ".html"
	case t.on.kind == objectCompanion:
		return "What a primitive has beside its value: http://hl7.org/fhir/R4/json.html#primitive"
	}
	return ""
}

func (t *metaType) fields(s *schema) any {
	var list []described
	for _, f := range s.fields(t.on) {
		list = append(list, &metaField{f, t.on})
	}
	return list
}

func (t *metaType) enumValues() any {
	if t.enum == nil {
		return nil
	}
	var list []described
	for _, name := range t.enum {
		list = append(list, metaEnumValue(name))
	}
	return list
}

type metaEnumValue string

func (metaEnumValue) meta() string { return "__EnumValue" }

func (v metaEnumValue) get(_ *schema, name string) any {
	switch name {
	case "name":
		return string(v)
	case "isDeprecated":
		return false
	}
	return nil
}

func metaObjects(objects []object) []described {
	var list []described
	for _, o := range objects {
		list = append(list, metaObject(o))
	}
	return list
}

// A metaField is a field of a type.
type metaField struct {
	field
	on object
}

func (f *metaField) meta() string { return "__Field" }

func (f *metaField) get(s *schema, name string) any {
	switch name {
	case "name":
		return f.name
	case "args":
		args := []described{}
		for _, a := range s.shown(f.on, f.field) {
			args = append(args, metaInput(a))
		}
		return args
	case "type":
		return f.typ()
	case "isDeprecated":
		return false
	}
	return nil
}

func (f *metaField) typ() *metaType {
	var t *metaType
	switch {
	case f.kind == fieldMeta:
		return metaFieldTypes[f.on.meta+"."+f.name]
	case f.scalar != "":
		t = metaScalar(f.scalar)
	case len(f.of) == 1:
		t = metaObject(f.of[0])
	default:
		t = metaObject(object{kind: objectAny})
	}
	if f.list {
		return metaList(t)
	}
	return t
}

// A metaInput is an argument of a field or directive.
type metaInput argument

func (metaInput) meta() string { return "__InputValue" }

func (a metaInput) get(_ *schema, name string) any {
	switch name {
	case "name":
		return a.name
	case "description":
		return orNil(a.description)
	case "type":
		t := metaScalar(a.typ)
		if a.list {
			t = metaList(t)
		}
		if a.required {
			t = metaNonNull(t)
		}
		return t
	case "isDeprecated":
		return false
	}
	return nil
}

// A metaDirective is a directive.
type metaDirective struct {
	name, description string
	locations         []string
	args              []described
}

func (*metaDirective) meta() string { return "__Directive" }

func (d *metaDirective) get(_ *schema, name string) any {
	switch name {
	case "name":
		return d.name
	case "description":
		return d.description
	case "locations":
		return d.locations
	case "args":
		return d.args
	case "isRepeatable":
		return false
	}
	return nil
}

// metaTypes is every type.
func (s *schema) metaTypes() []described {
	objects := s.objectsOfAll()
	if s.root != query {
		objects = slices.DeleteFunc(objects, func(o object) bool { return o == query })
	}
	types := append(metaObjects(objects), metaOwnTypes()...)
	for _, name := range s.scalarNames() {
		types = append(types, metaScalar(name))
	}
	return types
}

func (s *schema) scalarNames() []string {
	names := []string{"String", "ID", "Int", "Float", "Boolean"}
	for _, t := range s.set.Schema.Types {
		if t.Kind == fhir.KindPrimitive {
			names = append(names, typeName(t))
		}
	}
	for _, name := range paramScalars {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (s *schema) metaTypeNamed(name string) described {
	if o, ok := s.object(name); ok {
		return metaObject(o)
	}
	for _, t := range metaOwnTypes() {
		if t.(*metaType).name == name {
			return t
		}
	}
	if slices.Contains(s.scalarNames(), name) {
		return metaScalar(name)
	}
	return nil
}
