package fhir

import (
	"strings"
	"testing"
)

// testSchema is a small schema made by hand, so that these tests stand on
// their own. Each line of a type is "name types cardinality".
var testSchema = makeSchema()

func makeSchema() *Schema {
	s := &Schema{Release: "4.0.1"}
	for name, form := range map[string]JSONKind{
		"string": JSONString, "id": JSONString, "uri": JSONString, "code": JSONString, "date": JSONString,
		"instant": JSONString, "xhtml": JSONString, "canonical": JSONString,
		"decimal": JSONNumber, "integer": JSONNumber, "boolean": JSONBool,
	} {
		s.Types = append(s.Types, &Type{Name: name, Kind: KindPrimitive, JSON: form})
	}
	element := "id string 1\nextension Extension *\n"
	domain := "id id 1\nmeta Meta 1\nimplicitRules uri 1\ntext Narrative 1\ncontained Resource *\nextension Extension *\n"
	lines := []struct {
		name  string
		kind  TypeKind
		lines string
	}{
		{"Element", KindAbstract, element},
		{"Resource", KindAbstract, "id id 1\nmeta Meta 1\n"},
		{"Extension", KindComplex, element + "url uri 1\nvalue[x] string,code,boolean,decimal,Quantity 1\n"},
		{"Meta", KindComplex, element + "versionId id 1\nlastUpdated instant 1\nsource uri 1\nprofile canonical *\ntag Coding *\n"},
		{"Coding", KindComplex, element + "system uri 1\ncode code 1\ndisplay string 1\n"},
		{"Narrative", KindComplex, element + "status code 1\ndiv xhtml 1\n"},
		{"Quantity", KindComplex, element + "value decimal 1\nunit string 1\n"},
		{"HumanName", KindComplex, element + "family string 1\ngiven string *\n"},
		{"Patient.contact", KindBackbone, element + "name HumanName 1\n"},
		{"Patient", KindResource, domain +
			"active boolean 1\nname HumanName *\nbirthDate date 1\ndeceased[x] boolean,date 1\ncontact Patient.contact *\nlink uri *\nhidden string 0\n"},
		{"Observation", KindResource, domain + "status code 1\nvalue[x] Quantity,string,boolean,integer 1\nnote string *\n"},
		{"Bundle.entry", KindBackbone, element + "fullUrl uri 1\nresource Resource 1\n"},
		{"Bundle", KindResource, "id id 1\nmeta Meta 1\ntype code 1\nentry Bundle.entry *\n"},
		{"Parameters.parameter", KindBackbone, element + "name string 1\nresource Resource 1\npart Parameters.parameter *\n"},
		{"Parameters", KindResource, "id id 1\nmeta Meta 1\nparameter Parameters.parameter *\n"},
	}
	byName := map[string]*Type{}
	for _, l := range lines {
		s.Types = append(s.Types, &Type{Name: l.name, Kind: l.kind})
	}
	for _, t := range s.Types {
		byName[t.Name] = t
	}
	for _, l := range lines {
		fillType(byName[l.name], byName, l.lines)
	}
	s.Seal()
	return s
}

func fillType(t *Type, byName map[string]*Type, lines string) {
	for line := range strings.Lines(lines) {
		f := strings.Fields(line)
		e := &Element{Name: strings.TrimSuffix(f[0], "[x]"), Path: t.Name + "." + f[0]}
		e.Choice = e.Name != f[0]
		e.Max = map[string]int{"0": 0, "1": 1, "*": Unbounded}[f[2]]
		for _, name := range strings.Split(f[1], ",") {
			if byName[name] == nil {
				panic("no type " + name)
			}
			e.Types = append(e.Types, TypeRef{Type: byName[name]})
		}
		for i := range e.Types {
			p := &Property{JSON: e.Name, Element: e, Type: e.Types[i].Type, Ref: &e.Types[i]}
			if e.Choice {
				p.JSON += strings.ToUpper(p.Type.Name[:1]) + p.Type.Name[1:]
			}
			e.Properties = append(e.Properties, p)
		}
		t.Elements = append(t.Elements, e)
	}
}

func mustParse(t testing.TB, src string) *Tree {
	t.Helper()
	tree, err := Parse(testSchema, []byte(src), DefaultLimits)
	if err != nil {
		t.Fatalf("Parse(%s): %v", src, err)
	}
	return tree
}

func TestSealRefusesHugeType(t *testing.T) {
	defer func() {
		if r := recover(); r == nil {
			t.Error("a type with 257 elements was accepted")
		}
	}()
	s := &Schema{Types: []*Type{{Name: "Huge", Elements: make([]*Element, maxElements+1)}}}
	s.Seal()
}

func TestKeyTableFindsEveryProperty(t *testing.T) {
	for _, typ := range testSchema.Types {
		for _, e := range typ.Elements {
			for _, p := range e.Properties {
				if got := typ.Property([]byte(p.JSON)); got != p {
					t.Errorf("%s: Property(%q) = %v", typ.Name, p.JSON, got)
				}
			}
		}
		for _, key := range []string{"", "x", "nam", "names", "aVeryLongKeyThatNoTypeHas"} {
			if got := typ.Property([]byte(key)); got != nil {
				t.Errorf("%s: Property(%q) = %v, want nil", typ.Name, key, got)
			}
		}
	}
}
