package patch

import (
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A value is what an operation puts in: the JSON of the value and, for a
// primitive, of its companion, "" where there is none.
type value struct {
	property       *fhir.Property
	raw, companion string
}

func (v *value) side(companion bool) string {
	if companion {
		return v.companion
	}
	return v.raw
}

// readValue reads the parameter that holds a value for an element: value[x],
// a resource, or parts, which build an anonymous type.
func readValue(e *fhir.Element, parameter fhir.Node) (value, error) {
	if parameter.Child("part").Exists() {
		return buildValue(e, parameter)
	}
	n := parameter.Child("value")
	if !n.Exists() {
		n = parameter.Child("resource")
	}
	if !n.Exists() {
		return value{}, unprocessable("the value is missing: give value[x], or parts for %s", e.Path)
	}
	v := value{raw: raw(n), companion: companionOf(parameter, n)}
	for _, p := range e.Properties {
		if fits(p, n.Type()) {
			v.property = p
			return v, nil
		}
	}
	return value{}, unprocessable("%s takes %s, not %s", e.Path, typeNames(e), n.Type().Name)
}

// fits reports whether a value of a type can stand under a property. Other
// primitives of the same JSON form can: a valueString for a code.
func fits(p *fhir.Property, t *fhir.Type) bool {
	switch {
	case p.Type == t:
		return true
	case p.Element.Choice:
		return false
	case t.Kind == fhir.KindResource:
		return p.Type.Kind == fhir.KindAbstract
	case t.Kind == fhir.KindPrimitive:
		return p.Type.Kind == fhir.KindPrimitive && p.Type.JSON == t.JSON
	}
	return t.Base == p.Type.Name || p.Type.Base == t.Name && p.Type.Base != "Element"
}

func typeNames(e *fhir.Element) string {
	var names []string
	for _, p := range e.Properties {
		names = append(names, p.Type.Name)
	}
	return strings.Join(names, ", ")
}

// raw is the JSON of a value, "" where a primitive has none.
func raw(n fhir.Node) string {
	switch {
	case !n.IsPrimitive():
		return string(n.Raw())
	case !n.HasValue():
		return ""
	}
	if n.Type().JSON != fhir.JSONString {
		return string(n.Raw())
	}
	start, end := n.Span()
	return string(n.Tree().Source[start-1 : end+1])
}

// companionOf is the JSON of a primitive's companion in a parameter.
func companionOf(parameter, n fhir.Node) string {
	if !n.IsPrimitive() {
		return ""
	}
	src := parameter.Raw()
	all := members(src, 0)
	i := named(all, "_"+n.Property().JSON)
	if i < 0 {
		return ""
	}
	return string(src[all[i].value:all[i].end])
}

// buildValue builds a value of an element's type from parts, each of which is
// called as an element of it.
func buildValue(e *fhir.Element, parameter fhir.Node) (value, error) {
	p := e.Properties[0]
	if e.Choice || p.Type.Kind == fhir.KindPrimitive {
		return value{}, unprocessable("%s takes %s; give value[x] instead of parts", e.Path, typeNames(e))
	}
	b := builder{values: map[string]*built{}, count: map[string]int{}}
	for part := range parameter.Each("part") {
		if err := b.add(p.Type, part); err != nil {
			return value{}, err
		}
	}
	return value{property: p, raw: b.text()}, nil
}

// A builder collects the members of an object, in order of first mention.
type builder struct {
	keys   []string
	values map[string]*built
	count  map[string]int // of values, by element name
}

// built is the values under one key.
type built struct {
	repeats bool
	texts   []string
}

func (b *builder) add(t *fhir.Type, part fhir.Node) error {
	e := elementCalled(t, part.TextOf("name"))
	if e == nil {
		return unprocessable("%s has no element %q", t.Name, part.TextOf("name"))
	}
	name := e.Name
	v, err := readValue(e, part)
	if err != nil {
		return err
	}
	if b.count[name]++; b.count[name] > 1 && e.Max == 1 {
		return unprocessable("%s may have one %s only", t.Name, name)
	}
	index := b.count[name] - 1
	b.put(v.property.JSON, e.Max != 1, index, v.raw)
	b.put("_"+v.property.JSON, e.Max != 1, index, v.companion)
	return nil
}

// put notes a text as the index-th under a key, those before it that are
// missing as null.
func (b *builder) put(key string, repeats bool, index int, text string) {
	if text == "" {
		return
	}
	if b.values[key] == nil {
		b.keys = append(b.keys, key)
		b.values[key] = &built{repeats: repeats}
	}
	m := b.values[key]
	for len(m.texts) < index {
		m.texts = append(m.texts, "null")
	}
	m.texts = append(m.texts, text)
}

func (b *builder) text() string {
	var out []byte
	for i, key := range b.keys {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(fhir.AppendString(out, key), ':')
		m := b.values[key]
		if !m.repeats {
			out = append(out, m.texts[0]...)
			continue
		}
		base := strings.TrimPrefix(key, "_")
		for len(m.texts) < b.longest(base) {
			m.texts = append(m.texts, "null")
		}
		out = append(out, '[')
		out = append(out, strings.Join(m.texts, ",")...)
		out = append(out, ']')
	}
	return "{" + string(out) + "}"
}

// longest is the number of items that a key and its companion must both have.
func (b *builder) longest(key string) int {
	n := 0
	for _, k := range []string{key, "_" + key} {
		if m := b.values[k]; m != nil {
			n = max(n, len(m.texts))
		}
	}
	return n
}
