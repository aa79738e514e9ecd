package define_test

import (
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/published"
	"github.com/tarnhealth/tarn/search"
)

// refusedUSCore are the definitions of US Core that mean something else than
// R4's parameter of the same code does, by package and id, with what is said.
var refusedUSCore = map[string]string{
	// Without aliases.
	"3.1.1 us-core-location-name":     "Location has a search parameter name already, which http://hl7.org/fhir/SearchParameter/Location-name defines, by the expression Location.alias | Location.name",
	"3.1.1 us-core-organization-name": "Organization has a search parameter name already, which http://hl7.org/fhir/SearchParameter/Organization-name defines, by the expression Organization.alias | Organization.name",
	// Not FHIRPath: the element is value.
	"5.0.1 us-core-condition-asserted-date": `Extension has no element "valueDateTime"`,
	"6.1.0 us-core-condition-asserted-date": `Extension has no element "valueDateTime"`,
	// Without periods.
	"3.1.1 us-core-condition-onset-date": "by the expression Condition.onset.as(Period) | Condition.onset.as(dateTime)",
}

// TestUSCore reads the definitions of US Core, most of which republish a
// parameter of R4 (Q27): those are served by R4's own, the others can be added.
func TestUSCore(t *testing.T) {
	registry, err := search.New(definition.R4())
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]bool{}
	for _, version := range published.USCoreVersions {
		served, added := 0, []search.Custom(nil)
		for name, src := range parametersIn(t, published.USCore(version)) {
			tree, err := fhir.Parse(registry.Definitions.Schema, src, fhir.DefaultLimits)
			if err != nil {
				t.Errorf("%s %s: %v", version, name, err)
				continue
			}
			def, err := registry.ReadDefinition(tree)
			id := version + " " + tree.Root().TextOf("id")
			if want := refusedUSCore[id]; want != "" {
				refused[id] = true
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v; want %s", id, err, want)
				}
				continue
			}
			switch {
			case err != nil:
				t.Errorf("%s: %v", id, err)
			case len(def.Bases) == 0 && len(def.Served) == 1:
				served++
			default:
				added = append(added, search.Custom{Def: def, Generation: 1})
			}
		}
		if _, err := registry.With(added); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		t.Logf("US Core %s: %d served by R4's own, %d added", version, served, len(added))
		if served < 60 || len(added) < 2 {
			t.Errorf("US Core %s: %d served and %d added", version, served, len(added))
		}
	}
	for id := range refusedUSCore {
		if !refused[id] {
			t.Errorf("%s was not read", id)
		}
	}
}
