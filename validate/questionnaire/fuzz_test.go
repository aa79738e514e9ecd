package questionnaire_test

import (
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/validate/questionnaire"
)

// FuzzResponse checks any response against any questionnaire: neither may make
// the check panic or run without bound.
func FuzzResponse(f *testing.F) {
	f.Add([]byte(asked), []byte(about(smokes+","+mark("a"))))
	f.Add([]byte(asked), []byte(response(dose("1500", "mg"))))
	f.Add([]byte(`{"resourceType":"Questionnaire","status":"active","item":[{"linkId":"name","type":"string","enableWhen":[{"question":"name","operator":"!=","answerString":"x"}]}]}`), []byte(response("")))
	f.Fuzz(func(t *testing.T, q, r []byte) {
		limits := fhir.Limits{Depth: 64, Nodes: 5000}
		asked, err := fhir.Parse(definition.R4().Schema, q, limits)
		if err != nil || asked.Root().Type().Name != "Questionnaire" {
			return
		}
		given, err := fhir.Parse(definition.R4().Schema, r, limits)
		if err != nil {
			return
		}
		rules := questionnaire.New(definition.R4().Schema, func(string, string) (*fhir.Tree, error) { return asked, nil }, sizes{})
		rules.Check(given, func(i fhir.Issue) {
			if i.Expression == "" {
				t.Errorf("an issue without a place: %v", i)
			}
		})
	})
}
