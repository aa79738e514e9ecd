package graphql

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// A schema finds the fields of types in the FHIR definitions. It holds nothing
// of its own, so that there is nothing to build before the first query.
type schema struct {
	set      *definition.Set
	registry *search.Registry
	// root is the type of the query itself: Query, or the focus's.
	root object
	// all is every resource, once it is asked for.
	all []object
	// searches and elements have the arguments of searches and of complex
	// elements, once they are asked for.
	searches map[searchKey][]argument
	elements map[*fhir.Type][]argument
	// byName has the types by their GraphQL names, once they are asked for.
	byName map[string]object
	// listed has the fields of objects, once they are asked for.
	listed map[object][]field
	// referring has the search parameters of references by their types' names,
	// once they are asked for.
	referring map[string][]*definition.SearchParameter
}

type objectKind uint8

const (
	objectQuery      objectKind = iota + 1
	objectResource              // Patient
	objectAny                   // Resource, the interface of all resources
	objectElement               // HumanName, PatientContact
	objectCompanion             // ElementBase: id and extensions of a primitive
	objectConnection            // PatientConnection
	objectEdge                  // PatientEdge
	objectMeta                  // of introspection: __Type
)

// An object is a GraphQL type that has fields.
type object struct {
	kind objectKind
	// typ is the resource's or element's type; of a connection or edge that of
	// its resources.
	typ *fhir.Type
	// ref is the place of a Reference, which knows the types referred to.
	ref *fhir.TypeRef
	// meta is the name of an objectMeta.
	meta string
}

var query = object{kind: objectQuery}

// name is the object's GraphQL name.
func (o object) name() string {
	switch o.kind {
	case objectQuery:
		return "Query"
	case objectAny:
		return "Resource"
	case objectCompanion:
		return "ElementBase"
	case objectConnection:
		return o.typ.Name + "Connection"
	case objectEdge:
		return o.typ.Name + "Edge"
	case objectMeta:
		return o.meta
	}
	return typeName(o.typ)
}

// typeName is the GraphQL name of a FHIR type: PatientContact for
// Patient.contact, and GraphQL's own names of scalars where it has them.
func typeName(t *fhir.Type) string {
	if t.Kind == fhir.KindPrimitive {
		if own := ownScalars[t.Name]; own != "" {
			return own
		}
		return t.Name
	}
	parts := strings.Split(t.Name, ".")
	for i, part := range parts {
		parts[i] = strings.ToUpper(part[:1]) + part[1:]
	}
	return strings.Join(parts, "")
}

var ownScalars = map[string]string{"string": "String", "boolean": "Boolean", "integer": "Int", "id": "ID"}

type fieldKind uint8

const (
	fieldTypename fieldKind = iota + 1
	fieldProperty
	fieldExtra        // _birthDate: what a primitive has beside its value
	fieldResourceType //
	fieldResolve      // Reference.resource
	fieldRead         // Query.Patient
	fieldList         // PatientList
	fieldConnection   // PatientConnection
	fieldPart         // a part of a connection or edge
	fieldMeta         // of introspection
)

// A field is a field of an object.
type field struct {
	name string
	kind fieldKind
	// prop is the property of fieldProperty and fieldExtra.
	prop *fhir.Property
	// resource is the type that a search or read is about.
	resource *fhir.Type
	list     bool
	// reverse is set for a search below a resource, for what refers to it.
	reverse bool
	// scalar is the type of a leaf; "" where the field has fields.
	scalar string
	// of is what the field's value can be: one object, or several resources.
	of []object
}

// field finds a field of an object.
func (s *schema) field(o object, name string) (field, bool) {
	if name == "__typename" {
		return field{name: name, kind: fieldTypename, scalar: "String"}, true
	}
	if f, ok := introspectionFields[name]; ok && o == s.root {
		return f, ok
	}
	switch o.kind {
	case objectQuery:
		return s.queryField(name)
	case objectResource:
		return s.resourceField(o, name)
	case objectAny:
		if name == "resourceType" {
			return field{name: name, kind: fieldResourceType, scalar: "code"}, true
		}
		return s.property(s.set.Schema.Type("Resource"), name)
	case objectElement:
		if name == "resource" && o.typ.Name == "Reference" {
			return field{name: name, kind: fieldResolve, of: s.targets(o.ref)}, true
		}
		return s.property(o.typ, name)
	case objectCompanion:
		if name == "id" || name == "extension" {
			return s.property(s.set.Schema.Type("Element"), name)
		}
	case objectConnection, objectEdge:
		return part(o, name)
	case objectMeta:
		f, ok := metaFields[o.meta][name]
		return f, ok
	}
	return field{}, false
}

func (s *schema) queryField(name string) (field, bool) {
	if t := s.set.Schema.Resource(name); t != nil {
		return field{name: name, kind: fieldRead, resource: t, of: resources(t)}, true
	}
	return s.searchField(name)
}

// searchField finds PatientList and PatientConnection.
func (s *schema) searchField(name string) (field, bool) {
	if t := s.resourceBefore(name, "List"); t != nil {
		return field{name: name, kind: fieldList, resource: t, list: true, of: resources(t)}, true
	}
	if t := s.resourceBefore(name, "Connection"); t != nil {
		return field{name: name, kind: fieldConnection, resource: t, of: []object{{kind: objectConnection, typ: t}}}, true
	}
	return field{}, false
}

func (s *schema) resourceBefore(name, suffix string) *fhir.Type {
	if head, ok := strings.CutSuffix(name, suffix); ok {
		return s.set.Schema.Resource(head)
	}
	return nil
}

func resources(types ...*fhir.Type) []object {
	var of []object
	for _, t := range types {
		of = append(of, object{kind: objectResource, typ: t})
	}
	return of
}

func (s *schema) resourceField(o object, name string) (field, bool) {
	if f, ok := s.property(o.typ, name); ok {
		return f, ok
	}
	if name == "resourceType" {
		return field{name: name, kind: fieldResourceType, scalar: "code"}, true
	}
	f, ok := s.searchField(name)
	f.reverse = true
	return f, ok && len(s.references(f.resource, o.typ)) > 0
}

// property finds the field of a JSON property. Polymorphic elements go by
// their JSON names too. http://hl7.org/fhir/R4/graphql.html#fields
func (s *schema) property(t *fhir.Type, name string) (field, bool) {
	plain, extra := strings.CutPrefix(name, "_")
	p := t.Property([]byte(plain))
	if p == nil {
		return field{}, false
	}
	f := field{name: name, kind: fieldProperty, prop: p, list: p.Element.Max != 1}
	switch {
	case extra && p.Type.Kind != fhir.KindPrimitive:
		return field{}, false
	case extra:
		f.kind, f.of = fieldExtra, []object{{kind: objectCompanion}}
	case p.Type.Kind == fhir.KindPrimitive:
		f.scalar = typeName(p.Type)
	default:
		f.of = s.objects(p)
	}
	return f, true
}

// objects is what the value of a property that is no primitive can be.
func (s *schema) objects(p *fhir.Property) []object {
	switch {
	case p.Type.Name == "Resource":
		return s.targets(nil)
	case p.Type.Kind == fhir.KindResource:
		return resources(p.Type)
	case p.Type.Name == "Reference":
		return []object{{kind: objectElement, typ: p.Type, ref: p.Ref}}
	}
	return []object{{kind: objectElement, typ: p.Type}}
}

// targets is the resources that a reference may lead to.
func (s *schema) targets(ref *fhir.TypeRef) []object {
	if ref == nil || len(ref.Targets) == 0 || slices.Contains(ref.Targets, "Resource") {
		if s.all == nil {
			s.all = resources(s.resourceTypes()...)
		}
		return s.all
	}
	var types []*fhir.Type
	for _, name := range ref.Targets {
		if t := s.set.Schema.Resource(name); t != nil {
			types = append(types, t)
		}
	}
	return resources(types...)
}

// resourceTypes is every resource type, by name.
func (s *schema) resourceTypes() []*fhir.Type {
	var types []*fhir.Type
	for _, t := range s.set.Schema.Types {
		if t.Kind == fhir.KindResource {
			types = append(types, t)
		}
	}
	slices.SortFunc(types, func(a, b *fhir.Type) int { return strings.Compare(a.Name, b.Name) })
	return types
}

// references is the codes of a type's search parameters that may refer to a
// target.
func (s *schema) references(source, target *fhir.Type) []string {
	if source == nil {
		return nil
	}
	if s.referring == nil {
		s.referring = map[string][]*definition.SearchParameter{}
		for _, param := range s.registry.Params {
			if p := param.Def; p != nil && p.Type == definition.ParamReference {
				s.referring[param.Type] = append(s.referring[param.Type], p)
			}
		}
	}
	var codes []string
	for _, p := range s.referring[source.Name] {
		if len(p.Target) == 0 || slices.Contains(p.Target, target.Name) {
			codes = append(codes, p.Code)
		}
	}
	slices.Sort(codes)
	return codes
}

// part finds a field of a connection or an edge.
// http://hl7.org/fhir/R4/graphql.html#searching
func part(o object, name string) (field, bool) {
	f := field{name: name, kind: fieldPart}
	switch {
	case o.kind == objectEdge && name == "mode":
		f.scalar = "String"
	case o.kind == objectEdge && name == "score":
		f.scalar = "Float"
	case o.kind == objectEdge && name == "resource":
		f.of = resources(o.typ)
	case o.kind == objectEdge:
		return f, false
	case name == "edges":
		f.list, f.of = true, []object{{kind: objectEdge, typ: o.typ}}
	case name == "count" || name == "offset" || name == "pagesize":
		f.scalar = "Int"
	case name == "first" || name == "previous" || name == "next" || name == "last":
		f.scalar = "ID"
	default:
		return f, false
	}
	return f, true
}

// object finds an object by its GraphQL name.
func (s *schema) object(name string) (object, bool) {
	if s.byName == nil {
		s.byName = map[string]object{}
		for _, o := range s.objectsOfAll() {
			s.byName[o.name()] = o
		}
		for name := range metaFields {
			s.byName[name] = object{kind: objectMeta, meta: name}
		}
	}
	o, ok := s.byName[name]
	return o, ok
}

// objectsOfAll is every object but those of introspection.
func (s *schema) objectsOfAll() []object {
	all := []object{query, {kind: objectAny}, {kind: objectCompanion}}
	for _, t := range s.set.Schema.Types {
		switch t.Kind {
		case fhir.KindResource:
			all = append(all, resources(t)[0], object{kind: objectConnection, typ: t}, object{kind: objectEdge, typ: t})
		case fhir.KindComplex, fhir.KindBackbone:
			all = append(all, object{kind: objectElement, typ: t})
		}
	}
	return all
}

// is reports whether a value of type o is one of type cond, as the condition
// of a fragment.
func (o object) is(cond object) bool {
	switch {
	case cond.kind == objectAny:
		return o.kind == objectResource
	case o.kind == objectMeta:
		return o.meta == cond.meta
	}
	return o.kind == cond.kind && o.typ == cond.typ
}
