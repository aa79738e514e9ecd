package graphql

import (
	"slices"

	"github.com/tarnhealth/tarn/fhir"
)

// fields lists the fields of an object, for introspection, where a type may be
// asked for as often as others refer to it.
func (s *schema) fields(o object) []field {
	if all, known := s.listed[o]; known {
		return all
	}
	var fields []field
	for _, name := range s.fieldNames(o) {
		if f, ok := s.field(o, name); ok {
			fields = append(fields, f)
		}
	}
	if s.listed == nil {
		s.listed = map[object][]field{}
	}
	s.listed[o] = fields
	return fields
}

func (s *schema) fieldNames(o object) (names []string) {
	switch o.kind {
	case objectQuery:
		for _, t := range s.resourceTypes() {
			names = append(names, t.Name, t.Name+"List", t.Name+"Connection")
		}
	case objectAny:
		names = append([]string{"resourceType"}, propertyNames(s.set.Schema.Type("Resource"))...)
	case objectResource:
		names = append([]string{"resourceType"}, propertyNames(o.typ)...)
		for _, t := range s.resourceTypes() {
			names = append(names, t.Name+"List", t.Name+"Connection")
		}
	case objectElement:
		names = propertyNames(o.typ)
		if o.typ.Name == "Reference" {
			names = append(names, "resource")
		}
	case objectCompanion:
		names = []string{"id", "extension"}
	case objectConnection:
		names = []string{"count", "offset", "pagesize", "edges", "first", "previous", "next", "last"}
	case objectEdge:
		names = []string{"mode", "score", "resource"}
	case objectMeta:
		names = metaFieldNames[o.meta]
	}
	return names
}

// propertyNames is the names of a type's properties, and of what primitives
// have beside their values.
func propertyNames(t *fhir.Type) []string {
	var names []string
	for _, e := range t.Elements {
		for _, p := range e.Properties {
			if names = append(names, p.JSON); p.Type.Kind == fhir.KindPrimitive {
				names = append(names, "_"+p.JSON)
			}
		}
	}
	return names
}

// shown is the arguments that introspection shows. All of them would make an
// answer that tools cannot handle, so left out are what selects among the items
// of an element that has one, or of extensions by value, and the search
// parameters of the many types that may refer to any resource.
func (s *schema) shown(o object, f field) []argument {
	switch {
	case f.kind == fieldProperty && !f.list:
		return nil
	case f.kind == fieldProperty && f.prop.Type.Name == "Extension":
		return elementArguments(f.prop.Type, "url")
	case f.reverse && !s.refersTo(f.resource, o.typ):
		return resultArguments(f)[:2]
	}
	args := s.arguments(o, f)
	if f.reverse {
		args = slices.Clone(args)
		for i := range args {
			args[i].description = ""
		}
	}
	return args
}

// refersTo reports whether a type has a search parameter for references to
// the target in particular, rather than to any resource.
func (s *schema) refersTo(source, target *fhir.Type) bool {
	const few = 40
	for _, code := range s.references(source, target) {
		if n := len(s.set.SearchParameter(source.Name, code).Target); n > 0 && n <= few {
			return true
		}
	}
	return false
}
