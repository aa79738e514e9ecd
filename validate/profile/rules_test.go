package profile_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/internal/published"
	"github.com/tarnhealth/tarn/validate"
	"github.com/tarnhealth/tarn/validate/invariant"
	"github.com/tarnhealth/tarn/validate/mutation"
	"github.com/tarnhealth/tarn/validate/profile"
)

// TestInvariantsOfProfiles breaks each rule that the profiles of US Core add:
// some change of an example is found by it, at the value that has the rule.
func TestInvariantsOfProfiles(t *testing.T) {
	versions := published.USCoreVersions
	if os.Getenv("TARN_BREAK") != "all" {
		versions = []string{"3.1.1", "8.0.0"}
	}
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			set := guidetest.USCore(t, version)
			rules := profile.New(definition.R4(), set.Find)
			v := validate.New(definition.R4(), invariant.New(definition.R4()), rules)
			pool, broken := mutation.Pool{}, map[string]bool{}
			examples := guidetest.USCoreExamples(t, version)
			var docs []*mutation.Doc
			for _, name := range slices.Sorted(maps.Keys(examples)) {
				doc, err := mutation.New(definition.R4().Schema, examples[name])
				if err != nil {
					t.Fatal(err)
				}
				docs = append(docs, doc)
				pool.Add(doc)
			}
			for _, doc := range docs {
				rules.Places(doc.Tree.Root(), func(p profile.Place) {
					for _, key := range p.Keys {
						for _, n := range p.Values {
							broken[key] = broken[key] || breaksRule(v, doc, n, key, pool)
						}
					}
				})
			}
			for key, found := range broken {
				if hand := severalChanges[key]; !found && hand.resource != "" {
					found = slices.ContainsFunc(issues(t, set, hand.resource), func(i fhir.Issue) bool {
						return i.Expression == hand.path && i.Severity == fhir.SeverityError && strings.Contains(i.Diagnostics, "("+key+")")
					})
				}
				if !found && unbreakable[version+" "+key] == "" {
					t.Errorf("nothing breaks %s", key)
				}
			}
			t.Logf("%d rules", len(broken))
		})
	}
}

// unbreakable are the rules that hold whatever a resource has, or cannot be
// evaluated, as the guide wrote them.
var unbreakable = map[string]string{
	"3.1.1 us-core-3": "valueQuantity is no element",
	"4.0.0 us-core-1": "effectiveDateTime is no element",
	"4.0.0 us-core-3": "valueQuantity is no element",
	"5.0.1 us-core-1": "a dateTime is not a DateTime of FHIRPath",
	"5.0.1 us-core-3": "valueQuantity is no element",
	"6.1.0 us-core-1": "a dateTime is not a DateTime of FHIRPath",
}

const ofUSCore = `"meta":{"profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-`

// severalChanges are resources that break rules for which one change of an example is
// not enough, and where they do.
var severalChanges = map[string]struct{ path, resource string }{
	"us-core-8":    {"Patient.name[0]", `{"resourceType":"Patient",` + ofUSCore + `patient"]},"name":[{"text":"x"}]}`},
	"us-core-9":    {"Device", `{"resourceType":"Device",` + ofUSCore + `implantable-device"]},"udiCarrier":[{"deviceIdentifier":"x"}]}`},
	"us-core-14":   {"RelatedPerson", `{"resourceType":"RelatedPerson",` + ofUSCore + `relatedperson"]},"active":true,"patient":{"reference":"Patient/1"}}`},
	"us-core-15":   {"Coverage", `{"resourceType":"Coverage",` + ofUSCore + `coverage"]},"status":"active"}`},
	"us-core-17":   {"Organization.identifier[0]", `{"resourceType":"Organization",` + ofUSCore + `organization"]},"identifier":[{"system":"http://hl7.org/fhir/sid/us-npi","value":"1234567890"}]}`},
	"us-core-23":   {"Patient.extension[0]", `{"resourceType":"Patient",` + ofUSCore + `patient"]},"extension":[{"url":"http://hl7.org/fhir/us/core/StructureDefinition/us-core-race","extension":[{"url":"ombCategory","valueCoding":{"system":"http://terminology.hl7.org/CodeSystem/v3-NullFlavor","code":"UNK"}},{"url":"ombCategory","valueCoding":{"system":"urn:oid:2.16.840.1.113883.6.238","code":"2106-3"}},{"url":"text","valueString":"x"}]}]}`},
	"provenance-1": {"Provenance.agent[0]", `{"resourceType":"Provenance",` + ofUSCore + `provenance"]},"agent":[{"who":{"reference":"Practitioner/1"}}]}`},
}

func breaksRule(v *validate.Validator, doc *mutation.Doc, n fhir.Node, key string, pool mutation.Pool) bool {
	path := n.Path()
	for _, c := range doc.Changes(definition.R4(), n, pool) {
		tree, err := fhir.Parse(definition.R4().Schema, c.Apply(), fhir.DefaultLimits)
		if err != nil {
			continue
		}
		for _, issue := range v.Validate(tree) {
			if issue.Severity == fhir.SeverityError && issue.Expression == path && strings.Contains(issue.Diagnostics, "("+key+")") {
				return true
			}
		}
	}
	return false
}
