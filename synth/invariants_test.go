package synth_test

import (
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/synth"
)

// TestInvariantsHold evaluates the invariants of R4, those of severity error,
// on every value of every resource.
func TestInvariantsHold(t *testing.T) {
	set := definition.R4()
	inv := &invariants{schema: set.Schema, compiled: map[string]*fhirpath.Expr{}}
	each(t, synth.New(synth.Options{Patients: 12, Seed: 9}), func(r synth.Resource) {
		tree, err := fhir.Parse(set.Schema, r.JSON, fhir.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		inv.walk(t, tree.Root())
	})
	if inv.checked == 0 {
		t.Error("no invariant was evaluated")
	}
}

type invariants struct {
	schema   *fhir.Schema
	compiled map[string]*fhirpath.Expr
	checked  int
}

func (inv *invariants) walk(t *testing.T, n fhir.Node) {
	inv.check(t, n, n.Type().Constraints)
	if e := n.Element(); e != nil {
		inv.check(t, n, e.Constraints)
	}
	for child := range n.Children() {
		inv.walk(t, child)
	}
}

// everywhere are invariants that say the same of every value, or that the
// validator has built in.
var everywhere = map[string]bool{"ele-1": true, "ext-1": true, "txt-1": true, "txt-2": true}

func (inv *invariants) check(t *testing.T, n fhir.Node, constraints []fhir.Constraint) {
	for _, c := range constraints {
		if !c.Error || everywhere[c.Key] {
			continue
		}
		key := n.Type().Name + " " + c.Key
		expr, done := inv.compiled[key]
		if !done {
			expr, _ = fhirpath.Compile(inv.schema, c.Expression)
			inv.compiled[key] = expr
		}
		if expr == nil {
			continue
		}
		inv.checked++
		holds, err := expr.Bool(n, fhirpath.Env{})
		if err != nil || !holds {
			t.Errorf("%s: %s does not hold: %s %v\n%s", n.Path(), c.Key, c.Human, err, n.Raw())
		}
	}
}
