package invariant

import (
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/internal/published"
)

// TestNatively: each condition that is settled without its expression is one of
// R4's, and the expression never says otherwise of a value of the published
// examples, or of one that lacks an element of it.
func TestNatively(t *testing.T) {
	rules := New(definition.R4())
	seen := map[string]bool{}
	check := func(tree *fhir.Tree) {
		j := fhirpath.NewJudge(fhirpath.Env{})
		defer j.Close()
		var visit func(n fhir.Node)
		visit = func(n fhir.Node) {
			for _, k := range rules.types[n.TypeIndex()] {
				seen[k.expr.String()] = true
				holds, known, err := j.Condition(k.expr, n)
				if k.settled != nil && k.settled(n) && (err != nil || known && !holds) {
					t.Errorf("%s at %s is settled, and its expression says %v, %v in %.300s", k.Key, n.Path(), holds, err, n.Raw())
				}
			}
			for c := n.First(); c.Exists(); c = c.Next() {
				visit(c)
			}
		}
		visit(tree.Root())
	}
	for _, file := range published.Glob(t, "examples/r4-official/*.json") {
		src := published.Read(t, file)
		if tree, err := fhir.Parse(definition.R4().Schema, src, fhir.DefaultLimits); err == nil {
			check(tree)
		}
	}
	for _, src := range []string{
		`{"resourceType":"Encounter","period":{"start":"2020-01-02T00:00:00+02:00","end":"2020-01-01T23:59:59+01:00"}}`,
		`{"resourceType":"Encounter","period":{"start":"2020-01-02T00:00:00+02:00","end":"2020-01-01T00:00:00+02:00"}}`,
		`{"resourceType":"Encounter","period":{"start":"2020-01-02","end":"2020-01-01"}}`,
		`{"resourceType":"Encounter","period":{"start":"2020-01-02","end":"2020-01-02"}}`,
		`{"resourceType":"Encounter","period":{"start":"2020-01-02T00:00:00Z","end":"2020-01-01T00:00:00Z"}}`,
		`{"resourceType":"Encounter","period":{"start":"2020","end":"2019"}}`,
		`{"resourceType":"Encounter","period":{"start":"2020-01","end":"2020-02"}}`,
		`{"resourceType":"Observation","valueString":"x","dataAbsentReason":{"text":"x"},"subject":{"reference":"#x"},"referenceRange":[{"id":"a"}]}`,
		`{"resourceType":"Patient","contact":[{"id":"a"}],"telecom":[{"value":"x"}],"photo":[{"data":"YQ=="}],"identifier":[{"period":{"start":"2020-01-02","_end":{"id":"a"}}}]}`,
	} {
		tree, err := fhir.Parse(definition.R4().Schema, []byte(src), fhir.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		check(tree)
	}
	for _, list := range append(rules.types, rules.elements...) {
		for _, k := range list {
			seen[k.expr.String()] = true
		}
	}
	for expression := range natively {
		if !seen[expression] {
			t.Errorf("R4 has no condition %s", expression)
		}
	}
}
