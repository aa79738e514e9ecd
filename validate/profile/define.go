package profile

import (
	"errors"
	"fmt"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

// Define reports why a StructureDefinition, which has a snapshot, cannot be used
// as a profile: what is wrong with its elements is an error, and so are
// conditions that are no FHIRPath.
func (p *Profiles) Define(definition fhir.Node, report func(fhir.Issue)) {
	p.mu.Lock()
	compiled, err := p.compile(definition, definition.TextOf("url"))
	p.mu.Unlock()
	if err != nil {
		tell(definition, err, report)
		return
	}
	for _, part := range []string{"snapshot", "differential"} {
		for e := range definition.Child(part).Each("element") {
			p.defineElement(e, report)
		}
	}
	if compiled.usage == nil {
		return
	}
	for n := range definition.Each("contextInvariant") {
		p.expression(n, n.Text(), report)
	}
}

// defineElement checks the conditions and the slicing of an element.
func (p *Profiles) defineElement(e fhir.Node, report func(fhir.Issue)) {
	for k := range e.Each("constraint") {
		if expression := k.Child("expression"); expression.HasValue() && !p.ofBase[k.TextOf("key")] {
			p.expression(expression, expression.Text(), report)
		}
	}
	for d := range e.Child("slicing").Each("discriminator") {
		path := d.Child("path")
		for _, part := range splitPath(path.Text()) {
			if !isStep(part) {
				report(issueAt(path, "value", "%q cannot be followed to tell slices apart; use names of elements, $this, extension('URL'), ofType(TYPE) and resolve()", path.Text()))
				break
			}
		}
	}
}

// isStep reports whether a part of a discriminator's path is of the few that
// there may be. http://hl7.org/fhir/R4/profiling.html#discriminator
func isStep(part string) bool {
	if part == "resolve()" {
		return true
	}
	for _, function := range []string{"extension", "ofType"} {
		if of, ok := argument(part, function); ok {
			return of != ""
		}
	}
	for _, r := range part {
		if r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return true
}

// tell reports an error at a definition.
func tell(definition fhir.Node, err error, report func(fhir.Issue)) {
	text := err.Error()
	var e *fhir.Error
	if errors.As(err, &e) && len(e.Issues) > 0 {
		text = e.Issues[0].Diagnostics
	}
	report(issueAt(definition, "invalid", "it cannot be used as a profile: %s", text))
}

// expression checks that a condition is FHIRPath, with names that some type has.
func (p *Profiles) expression(n fhir.Node, text string, report func(fhir.Issue)) {
	if _, err := fhirpath.Compile(p.schema, text, fhirpath.WithVariables("extension")); err != nil {
		report(issueAt(n, "invalid", "the condition cannot be used: %v", err))
	}
}

func issueAt(n fhir.Node, code, format string, args ...any) fhir.Issue {
	i := fhir.Issue{Severity: fhir.SeverityError, Code: code, Expression: n.Path(), Diagnostics: fmt.Sprintf(format, args...)}
	i.Line, i.Column = n.Position()
	return i
}
