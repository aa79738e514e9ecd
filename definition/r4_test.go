package definition

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/fhir"
)

func TestR4Counts(t *testing.T) {
	set := R4()
	kinds := map[fhir.TypeKind]int{}
	params := 0
	for _, typ := range set.Schema.Types {
		kinds[typ.Kind]++
		params += len(set.SearchParameters(typ.Name))
	}
	got := map[string]int{
		"resources": kinds[fhir.KindResource], "abstract": kinds[fhir.KindAbstract],
		"primitives": kinds[fhir.KindPrimitive], "complex": kinds[fhir.KindComplex],
		"nested": kinds[fhir.KindBackbone], "parameters": params,
		"operations": len(set.Operations), "compartments": len(set.compartments),
		"value sets": len(set.codes), "code systems": len(set.systems),
	}
	// The 148 resource types of R4 are 146 concrete ones, Resource and
	// DomainResource. Examples of definitions are left out.
	want := map[string]int{
		"resources": 146, "abstract": 4, "primitives": 20, "complex": 39, "nested": 473,
		"parameters": 3165, "operations": 46, "compartments": 5,
		"value sets": 223, "code systems": 1062,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestR4Source(t *testing.T) {
	set := R4()
	want := []Source{
		{"hl7.fhir.r4.core", "4.0.1", "9a34d701104c7523f8b7b6203ec7ca0db4f2da0adb8cc14780ac0bfbc5005587"},
		{"hl7.fhir.r4.expansions", "4.0.1", set.Expansions.SHA256},
	}
	if diff := cmp.Diff(want, []Source{set.Source, set.Expansions}); diff != "" {
		t.Error(diff)
	}
	if len(set.Expansions.SHA256) != 64 || set.Schema.Release != "4.0.1" {
		t.Errorf("expansions %q, release %q", set.Expansions.SHA256, set.Schema.Release)
	}
}

// property is one JSON key in words: "type min..max [targets]".
func property(s *fhir.Schema, owner, key string) string {
	p := s.Type(owner).Property([]byte(key))
	if p == nil {
		return "none"
	}
	out := p.Type.Name + " " + string(rune('0'+p.Element.Min)) + ".."
	if p.Element.Max == fhir.Unbounded {
		out += "*"
	} else {
		out += string(rune('0' + p.Element.Max))
	}
	return strings.TrimSpace(out + " " + strings.Join(p.Ref.Targets, ","))
}

func TestR4Properties(t *testing.T) {
	for _, test := range []struct{ owner, key, want string }{
		{"Patient", "id", "id 0..1"},
		{"Patient", "birthDate", "date 0..1"},
		{"Patient", "name", "HumanName 0..*"},
		{"Patient", "deceasedBoolean", "boolean 0..1"},
		{"Patient", "deceased", "none"},
		{"Patient", "contained", "Resource 0..*"},
		{"Patient", "contact", "Patient.contact 0..*"},
		{"Patient", "managingOrganization", "Reference 0..1 Organization"},
		{"Patient.contact", "id", "string 0..1"},
		{"Observation", "status", "code 1..1"},
		{"Observation", "valueQuantity", "Quantity 0..1"},
		{"Observation", "valueDateTime", "dateTime 0..1"},
		{"Observation", "valueAddress", "none"},
		{"Observation", "focus", "Reference 0..*"},
		{"Observation.component", "referenceRange", "Observation.referenceRange 0..*"},
		{"Questionnaire.item", "item", "Questionnaire.item 0..*"},
		{"Questionnaire.item", "answerValueSet", "canonical 0..1 ValueSet"},
		{"Bundle.entry", "link", "Bundle.link 0..*"},
		{"Bundle.entry", "request", "Bundle.entry.request 0..1"},
		{"Timing", "repeat", "Timing.repeat 0..1"},
		{"Timing.repeat", "boundsPeriod", "Period 0..1"},
		{"Extension", "url", "uri 1..1"},
		{"Extension", "valueMeta", "Meta 0..1"},
		{"Age", "value", "decimal 0..1"},
		{"string", "extension", "Extension 0..*"},
		{"date", "id", "string 0..1"},
		{"date", "value", "none"},
		{"xhtml", "extension", "none"},
		{"Narrative", "div", "xhtml 1..1"},
		{"Condition", "onsetAge", "Age 0..1"},
	} {
		if got := property(R4().Schema, test.owner, test.key); got != test.want {
			t.Errorf("%s %s: %s, want %s", test.owner, test.key, got, test.want)
		}
	}
}

func TestR4Types(t *testing.T) {
	s := R4().Schema
	for _, test := range []struct {
		name, base string
		kind       fhir.TypeKind
		json       fhir.JSONKind
	}{
		{"Patient", "DomainResource", fhir.KindResource, 0},
		{"Bundle", "Resource", fhir.KindResource, 0},
		{"DomainResource", "Resource", fhir.KindAbstract, 0},
		{"Resource", "", fhir.KindAbstract, 0},
		{"Age", "Quantity", fhir.KindComplex, 0},
		{"Patient.contact", "BackboneElement", fhir.KindBackbone, 0},
		{"Timing.repeat", "Element", fhir.KindBackbone, 0},
		{"boolean", "Element", fhir.KindPrimitive, fhir.JSONBool},
		{"positiveInt", "integer", fhir.KindPrimitive, fhir.JSONNumber},
		{"decimal", "Element", fhir.KindPrimitive, fhir.JSONNumber},
		{"xhtml", "Element", fhir.KindPrimitive, fhir.JSONString},
		{"instant", "Element", fhir.KindPrimitive, fhir.JSONString},
	} {
		typ := s.Type(test.name)
		if typ == nil || typ.Base != test.base || typ.Kind != test.kind || typ.JSON != test.json {
			t.Errorf("%s: %+v, want %+v", test.name, typ, test)
		}
	}
}

func keysOf(list []fhir.Constraint) string {
	var keys []string
	for _, c := range list {
		keys = append(keys, c.Key)
	}
	return strings.Join(keys, " ")
}

func TestR4Facts(t *testing.T) {
	s := R4().Schema
	gender := s.Type("Patient").Element("gender")
	if !gender.Summary || gender.Modifier || gender.Binding.Strength != fhir.BindingRequired ||
		gender.Binding.ValueSet != "http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1" {
		t.Errorf("Patient.gender: %+v", gender)
	}
	if active := s.Type("Patient").Element("active"); !active.Modifier {
		t.Error("Patient.active is not a modifier")
	}
	for _, test := range []struct{ what, got, want string }{
		{"Patient", keysOf(s.Type("Patient").Constraints), "dom-2 dom-3 dom-4 dom-5 dom-6"},
		{"Patient.contact", keysOf(s.Type("Patient.contact").Constraints), "ele-1 pat-1"},
		{"Patient.contact as element", keysOf(s.Type("Patient").Element("contact").Constraints), ""},
		{"Extension", keysOf(s.Type("Extension").Constraints), "ele-1 ext-1"},
		{"Narrative.div", keysOf(s.Type("Narrative").Element("div").Constraints), "txt-1 txt-2"},
		{"value[x] path", s.Type("Observation").Element("value").Path, "Observation.value[x]"},
	} {
		if test.got != test.want {
			t.Errorf("%s: %q, want %q", test.what, test.got, test.want)
		}
	}
	if n := len(s.Type("Observation").Element("value").Properties); n != 11 {
		t.Errorf("Observation.value[x] has %d types, want 11", n)
	}
}

func TestValueSets(t *testing.T) {
	set := R4()
	gender := set.ValueSet("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1")
	if gender == nil || gender != set.ValueSet("http://hl7.org/fhir/ValueSet/administrative-gender") {
		t.Fatal("administrative-gender is not found with and without its version")
	}
	for _, test := range []struct {
		set, system, code string
		want              bool
	}{
		{"administrative-gender", "", "female", true},
		{"administrative-gender", "http://hl7.org/fhir/administrative-gender", "female", true},
		{"administrative-gender", "http://example.org", "female", false},
		{"administrative-gender", "", "Female", false},
		{"units-of-time", "http://unitsofmeasure.org", "mo", true},
		{"currencies", "urn:iso:std:iso:4217", "EUR", true},
		{"care-plan-activity-kind", "", "Patient", false},
		{"event-timing", "", "MORN", true},
		{"event-timing", "", "ACM", true},
	} {
		if got := set.ValueSet("http://hl7.org/fhir/ValueSet/"+test.set).Has(test.system, test.code); got != test.want {
			t.Errorf("%s has %s|%s: %v, want %v", test.set, test.system, test.code, got, test.want)
		}
	}
	if diff := cmp.Diff([]string{"urn:ietf:bcp:13"}, set.ValueSet("http://hl7.org/fhir/ValueSet/mimetypes").Open); diff != "" {
		t.Error(diff)
	}
}

// Every set that a required binding names is there, but for LOINC's own.
func TestRequiredBindingsHaveCodes(t *testing.T) {
	set := R4()
	for _, typ := range set.Schema.Types {
		for _, e := range typ.Elements {
			if b := e.Binding; b != nil && b.Strength == fhir.BindingRequired && set.ValueSet(b.ValueSet) == nil &&
				!strings.HasPrefix(b.ValueSet, "http://loinc.org/") {
				t.Errorf("%s: value set %s is missing", e.Path, b.ValueSet)
			}
		}
	}
}

func TestCodeSystems(t *testing.T) {
	if c := R4().CodeSystem("http://hl7.org/fhir/administrative-gender"); c == nil || !c.CaseSensitive {
		t.Errorf("administrative-gender: %+v", c)
	}
	if c := R4().CodeSystem("http://example.org/none"); c != nil {
		t.Errorf("an unknown system is known: %+v", c)
	}
}

func BenchmarkUnpack(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := unpack(r4); err != nil {
			b.Fatal(err)
		}
	}
}
