package mutation

import (
	"fmt"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// A Mutation is a resource that breaks one rule.
type Mutation struct {
	// Kind is the rule: "required", "max", "type", "format", "code", "target".
	Kind string
	// Path is where the rule is broken: the FHIRPath location of the issue.
	Path string
	// JSON is the broken resource.
	JSON []byte
}

// Of breaks what the release's definitions say of the element of n, a node of
// the document that is not the root.
func (d *Doc) Of(set *definition.Set, n fhir.Node) []Mutation {
	e := n.Element()
	var all []Mutation
	add := func(kind, path string, text []byte) {
		all = append(all, Mutation{Kind: kind, Path: path, JSON: text})
	}
	if e.Min > 0 {
		add("required", n.Parent().Path()+"."+e.Name, d.Without(n))
	}
	if e.Max == 1 && n.HasValue() || e.Max == 1 && !n.IsPrimitive() {
		add("max", n.Path(), d.Repeated(n, 1))
	}
	if e.Max > 1 {
		path := strings.TrimSuffix(n.Path(), "[0]")
		add("max", fmt.Sprintf("%s[%d]", path, e.Max), d.Repeated(n, e.Max))
	}
	if n.HasValue() || !n.IsPrimitive() {
		add("type", n.Path(), d.Set(n, otherJSON(n)))
	}
	if wrong := malformed[n.Type().Name]; wrong != nil && n.HasValue() {
		add("format", n.Path(), d.Set(n, wrong))
	}
	if e.Choice {
		add("type", n.Parent().Path(), d.As(n, &fhir.Property{JSON: e.Name + "Nothing"}, "x"))
	}
	all = append(all, d.codes(set, n)...)
	return append(all, d.targets(set.Schema, n)...)
}

// otherJSON is a value that is of another form of JSON than n.
func otherJSON(n fhir.Node) any {
	switch {
	case !n.IsPrimitive():
		return "text"
	case n.Type().JSON == fhir.JSONString:
		return true
	}
	return "text"
}

// malformed are texts that are not of a primitive type.
var malformed = map[string]any{
	"date": "2020-02-30", "dateTime": "2020-01-01T10:00", "instant": "2020-01-01", "time": "25:00:00",
	"code": "two  spaces", "id": "not/an id", "oid": "1.2.3", "uuid": "urn:uuid:1", "uri": "with a space", "url": "with a space",
	"canonical": "with a space", "base64Binary": "====", "integer": number("1.5"), "positiveInt": number("0"), "unsignedInt": number("-1"),
}

// number is a JSON number as it is written.
type number string

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) { return []byte(n), nil }

// codes puts a code that no value set has in the place of each.
func (d *Doc) codes(set *definition.Set, n fhir.Node) []Mutation {
	b := n.Element().Binding
	if b == nil || b.Strength != fhir.BindingRequired {
		return nil
	}
	codes := set.ValueSet(b.ValueSet)
	if codes == nil || len(codes.Open) > 0 {
		return nil
	}
	switch n.Type().Name {
	case "code":
		if n.HasValue() {
			return []Mutation{{"code", n.Path(), d.Set(n, "no-such-code")}}
		}
	case "Coding":
		return []Mutation{{"code", n.Path(), d.Set(n, unknownCoding())}}
	case "CodeableConcept":
		return []Mutation{{"code", n.Path(), d.Set(n, map[string]any{"coding": []any{unknownCoding()}})}}
	}
	return nil
}

func unknownCoding() any {
	return map[string]any{"system": "http://example.org/none", "code": "no-such-code"}
}

// targets makes a reference one to a type that may not be referred to.
func (d *Doc) targets(schema *fhir.Schema, n fhir.Node) []Mutation {
	if n.Type().Name != "Reference" {
		return nil
	}
	name := NotAmong(schema, n.Property().Ref.Targets)
	if name == "" {
		return nil
	}
	return []Mutation{
		{"target", n.Path() + ".reference", d.Set(n, map[string]any{"reference": name + "/1"})},
		{"target", n.Path() + ".type", d.Set(n, map[string]any{"type": name, "display": "x"})},
	}
}

// NotAmong is a resource type that is not among the names, "" where all are.
func NotAmong(schema *fhir.Schema, names []string) string {
	if len(names) == 0 {
		return ""
	}
	among := map[string]bool{}
	for _, name := range names {
		among[name] = true
	}
	for _, t := range schema.Types {
		if t.Kind == fhir.KindResource && !among[t.Name] {
			return t.Name
		}
	}
	return ""
}
