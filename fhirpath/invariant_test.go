package fhirpath

import (
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// invariants compiles invariants once for each type that they are met on.
type invariants map[[2]string]*Expr

func (v invariants) expr(context string, k fhir.Constraint) *Expr {
	key := [2]string{context, k.Expression}
	e, ok := v[key]
	if !ok {
		e, _ = Compile(definition.R4().Schema, k.Expression, WithContext(context))
		v[key] = e
	}
	return e
}

// mistaken are the invariants that no value keeps as they are written: que-7
// asks for a System.Boolean where the element is a FHIR boolean.
var mistaken = map[string]bool{"que-7": true}

// hollow are the examples whose narrative has nothing to see: they break the
// rules of narratives, txt-1 and txt-2.
var hollow = map[string]bool{
	"ActivityDefinition-blood-tubes-supply.json": true, "ActivityDefinition-heart-valve-replacement.json": true,
	"EventDefinition-example.json": true, "Questionnaire-zika-virus-exposure-assessment.json": true,
}

// TestInvariantsHold evaluates R4's invariants on every value of the official
// examples, which are valid: none may be false or fail to evaluate.
func TestInvariantsHold(t *testing.T) {
	compiled, evaluated := invariants{}, 0
	for file, tree := range exampleTrees(t) {
		var visit func(n fhir.Node)
		check := func(n fhir.Node, list []fhir.Constraint) {
			for _, k := range list {
				e := compiled.expr(n.Type().Name, k)
				if e == nil || !k.Error || mistaken[k.Key] {
					continue // TestInvariants tells which do not compile
				}
				evaluated++
				value, known, err := e.Condition(n, Env{})
				if strings.HasPrefix(k.Key, "txt-") && hollow[file] {
					if value || !known {
						t.Errorf("%s: %s: %s holds", file, n.Path(), k.Key)
					}
					continue
				}
				if err != nil || known && !value {
					t.Errorf("%s: %s: %s is false: %s (%v)", file, n.Path(), k.Key, k.Expression, err)
				}
			}
		}
		visit = func(n fhir.Node) {
			check(n, n.Type().Constraints)
			if e := n.Element(); e != nil {
				check(n, e.Constraints)
			}
			for c := n.First(); c.Exists(); c = c.Next() {
				visit(c)
			}
		}
		visit(tree.Root())
	}
	if evaluated < 50_000 {
		t.Errorf("only %d evaluations", evaluated)
	}
}
