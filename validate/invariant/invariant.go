// Package invariant owns the invariants of a release: the FHIRPath conditions
// that each value of a type or element must keep. It is a Rule of package
// validate.
//
// It leaves to others: the invariants of profiles (validate/profile), and those
// that are matters of structure, which the validator checks by itself (ele-1,
// ext-1, dom-2).
//
// http://hl7.org/fhir/R4/conformance-rules.html#constraints
package invariant

import (
	"errors"
	"fmt"
	"time"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/fhirpath/xhtml"
)

// Rules are the invariants of a definition set. They are immutable and safe for
// concurrent use. Expressions are compiled when they are first used.
type Rules struct {
	narrative int           // Type.Index of Narrative
	types     [][]Invariant // by Type.Index
	elements  [][]Invariant // by Property.Index
}

// An Invariant is one condition.
type Invariant struct {
	Key, Human string
	// Warning is set for a rule that should be kept and need not.
	Warning bool
	expr    *fhirpath.Expr
	// settled, where not nil, tells of most values that they keep it.
	settled settled
}

// structural are the invariants that the validator checks by itself, and those
// of narratives, which narrative checks with better words.
var structural = map[string]bool{"ele-1": true, "ext-1": true, "dom-2": true, "txt-1": true, "txt-2": true}

// advice are the invariants that only say what would be better: dom-6 asks for
// a narrative in every resource.
var advice = map[string]bool{"dom-6": true}

// mended are the expressions of R4 that do not say what their text does: que-7
// asks for a System.Boolean where the element is a FHIR boolean; the others are
// empty, which breaks nothing, where what they compare is absent or no number.
var mended = map[string]string{
	"que-7":  "operator = 'exists' implies (answer is boolean)",
	"que-13": "(repeats.exists() and repeats = true) or initial.count() <= 1",
	"eld-3":  "empty() or $this = '*' or (toInteger().exists() and toInteger() >= 0)",
	"md-1":   "max = '*' or (max.toInteger().exists() and max.toInteger() > 0)",
	"vsd-9":  "code.exists() or (abstract.exists() and abstract = true)",
}

// broken are the invariants of R4 about an element that does not exist:
// ChargeItemDefinition has no name.
var broken = map[string]bool{"cid-0": true}

// New takes the invariants of a definition set.
func New(set *definition.Set) *Rules {
	r := &Rules{narrative: -1}
	if t := set.Schema.Type("Narrative"); t != nil {
		r.narrative = t.Index
	}
	for _, t := range set.Schema.Types {
		r.types = append(r.types, compile(set.Schema, t.Name, t.Constraints))
	}
	for _, p := range set.Schema.Properties {
		var own []Invariant
		if p.Element != nil {
			context := p.Type.Name
			if p.Element.Choice {
				context = "" // a rule about one of the types has elements of that
			}
			own = compile(set.Schema, context, p.Element.Constraints)
		}
		r.elements = append(r.elements, own)
	}
	return r
}

func compile(schema *fhir.Schema, context string, constraints []fhir.Constraint) []Invariant {
	var all []Invariant
	for _, k := range constraints {
		if structural[k.Key] || advice[k.Key] || broken[k.Key] || k.Expression == "" {
			continue
		}
		all = append(all, Of(schema, context, k))
	}
	return all
}

// Of is one constraint on a value of a type, or of any where context is "".
func Of(schema *fhir.Schema, context string, k fhir.Constraint) Invariant {
	expression := k.Expression
	if better := mended[k.Key]; better != "" {
		expression = better
	}
	var options []fhirpath.Option
	if context != "" {
		options = append(options, fhirpath.WithContext(context))
	}
	return Invariant{Key: k.Key, Human: k.Human, Warning: !k.Error, expr: fhirpath.Later(schema, expression, options...), settled: natively[expression]}
}

// Check reports the invariants that a resource breaks.
func (r *Rules) Check(tree *fhir.Tree, report func(fhir.Issue)) {
	j := fhirpath.NewJudge(fhirpath.Env{Now: time.Now()})
	defer j.Close()
	r.visit(tree.Root(), j, report)
}

func (r *Rules) visit(n fhir.Node, j fhirpath.Judge, report func(fhir.Issue)) {
	for _, list := range [...][]Invariant{r.types[n.TypeIndex()], r.elements[n.PropertyIndex()]} {
		for i := range list {
			list[i].check(n, j, report)
		}
	}
	if n.TypeIndex() == r.narrative {
		narrative(n.Child("div"), report)
	}
	for c := n.First(); c.Exists(); c = c.Next() {
		r.visit(c, j, report)
	}
}

// narrative checks txt-1, which XHTML a div may hold, and txt-2, that there is
// something to see.
func narrative(div fhir.Node, report func(fhir.Issue)) {
	if !div.HasValue() {
		return
	}
	err := xhtml.Check(div.Text())
	if err == nil {
		return
	}
	rule := "txt-1"
	if errors.Is(err, xhtml.ErrHollow) {
		rule = "txt-2"
	}
	issue := fhir.Issue{Severity: fhir.SeverityError, Code: "invariant", Expression: div.Path(), Diagnostics: fmt.Sprintf("%v (%s)", err, rule)}
	issue.Line, issue.Column = div.Position()
	report(issue)
}

// Check reports where a value breaks the invariant. One whose condition is
// empty is kept: several of R4's are where what they are about is absent.
func (k *Invariant) Check(n fhir.Node, env fhirpath.Env, report func(fhir.Issue)) {
	j := fhirpath.NewJudge(env)
	defer j.Close()
	k.check(n, j, report)
}

func (k *Invariant) check(n fhir.Node, j fhirpath.Judge, report func(fhir.Issue)) {
	if k.settled != nil && k.settled(n) {
		return
	}
	holds, known, err := j.Condition(k.expr, n)
	if err == nil && (holds || !known) {
		return
	}
	issue := fhir.Issue{
		Severity: fhir.SeverityError, Code: "invariant", Expression: n.Path(),
		Diagnostics: fmt.Sprintf("%s (%s)", k.Human, k.Key),
	}
	if err != nil {
		issue.Diagnostics = fmt.Sprintf("the rule %s cannot be evaluated: %v", k.Key, err)
		issue.Severity = fhir.SeverityWarning // it says nothing about the value
	}
	if k.Warning {
		issue.Severity = fhir.SeverityWarning
	}
	issue.Line, issue.Column = n.Position()
	report(issue)
}
