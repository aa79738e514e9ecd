package fhirpath

import (
	"math/bits"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// typeSet is a set of a schema's types, by Type.Index. As what is known of a
// collection before evaluation, nil means that nothing is.
type typeSet []uint64

func newTypeSet(schema *fhir.Schema) typeSet {
	return make(typeSet, (len(schema.Types)+63)/64)
}

func (s typeSet) add(t *fhir.Type) { s[t.Index>>6] |= 1 << (t.Index & 63) }

func (s typeSet) has(index int) bool { return s[index>>6]&(1<<(index&63)) != 0 }

func (s typeSet) addAll(o typeSet) {
	for i := range o {
		s[i] |= o[i]
	}
}

// and is the types in both sets, where nil holds all.
func (s typeSet) and(o typeSet) typeSet {
	if s == nil || o == nil {
		return append(s[:len(s):len(s)], o...)
	}
	both := make(typeSet, len(s))
	for i := range s {
		both[i] = s[i] & o[i]
	}
	return both
}

// or is the types in either set, where nil holds all.
func (s typeSet) or(o typeSet) typeSet {
	if s == nil || o == nil {
		return nil
	}
	either := append(typeSet(nil), s...)
	either.addAll(o)
	return either
}

func (s typeSet) empty() bool {
	for _, word := range s {
		if word != 0 {
			return false
		}
	}
	return true
}

// each calls f with every type in the set.
func (s typeSet) each(schema *fhir.Schema, f func(*fhir.Type)) {
	for i, word := range s {
		for ; word != 0; word &= word - 1 {
			f(schema.Types[i<<6+bits.TrailingZeros64(word)])
		}
	}
}

// names lists the types for a message, a few of them at most.
func (s typeSet) names(schema *fhir.Schema) string {
	var names []string
	s.each(schema, func(t *fhir.Type) { names = append(names, t.Name) })
	if len(names) > 4 {
		names = append(names[:4], "…")
	}
	return strings.Join(names, ", ")
}

// family is a type and all types derived from it.
func family(schema *fhir.Schema, base *fhir.Type) typeSet {
	set := newTypeSet(schema)
	set.add(base)
	for _, t := range base.Derived() {
		set.add(t)
	}
	return set
}

// typeTest is what a type specifier matches: FHIR types, a System type, or
// both where an unqualified name is the name of either.
type typeTest struct {
	types  typeSet
	system Kind
}

var systemTypes = map[string]Kind{
	"Boolean": KindBoolean, "String": KindString, "Integer": KindInteger, "Decimal": KindDecimal,
	"Date": KindDate, "DateTime": KindDateTime, "Time": KindTime, "Quantity": KindQuantity,
}

// newTypeTest resolves a type specifier; false where there is no such type.
// http://hl7.org/fhirpath/N1/#type-specifiers
func newTypeTest(schema *fhir.Schema, name string) (*typeTest, bool) {
	if system, ok := strings.CutPrefix(name, "System."); ok {
		kind, ok := systemTypes[system]
		return &typeTest{system: kind}, ok
	}
	name, qualified := strings.CutPrefix(name, "FHIR.")
	test := &typeTest{}
	if !qualified {
		test.system = systemTypes[name]
	}
	if t := schema.Type(name); t != nil {
		test.types = family(schema, t)
	}
	return test, test.types != nil || test.system != 0
}

// asTypeTest is newTypeTest for as() and ofType(), where the name of a System
// type takes in the FHIR primitive that converts to it as well: R4's own
// search parameters have value.as(DateTime).
func asTypeTest(schema *fhir.Schema, name string) (*typeTest, bool) {
	test, ok := newTypeTest(schema, name)
	if ok && test.types == nil && systemTypes[name] != 0 {
		if t := schema.Type(strings.ToLower(name[:1]) + name[1:]); t != nil {
			test.types = family(schema, t)
		}
	}
	return test, ok
}

func (t *typeTest) matches(i Item) bool {
	switch i.kind {
	case KindNode:
		return t.types != nil && t.types.has(i.node.TypeIndex())
	case KindReference:
		return t.types != nil && t.types.has(i.value.(*fhir.Type).Index)
	}
	return t.system != 0 && i.kind == t.system
}
