package validate

import (
	"fmt"

	"github.com/tarnhealth/tarn/fhir"
)

// report records an error of a value.
func (w *walker) report(n fhir.Node, code, format string, args ...any) {
	w.issue(fhir.SeverityError, n, n.Path(), code, format, args...)
}

// warn records what should be otherwise and need not.
func (w *walker) warn(n fhir.Node, code, format string, args ...any) {
	w.issue(fhir.SeverityWarning, n, n.Path(), code, format, args...)
}

func (w *walker) reportAt(n fhir.Node, expression, code, format string, args ...any) {
	w.issue(fhir.SeverityError, n, expression, code, format, args...)
}

func (w *walker) issue(severity fhir.Severity, n fhir.Node, expression, code, format string, args ...any) {
	if w.full() {
		return
	}
	line, column := n.Position()
	w.add(fhir.Issue{
		Severity: severity, Code: code, Diagnostics: fmt.Sprintf(format, args...),
		Expression: expression, Line: line, Column: column,
	})
}

func (w *walker) add(issue fhir.Issue) {
	if !w.full() {
		w.issues = append(w.issues, issue)
	}
}

// missing records the required elements that an object lacks.
func (w *walker) missing(n fhir.Node, seen *elementSet) {
	t := n.Type()
	for _, e := range t.Elements {
		if e.Min == 0 || seen.has(e.Index) {
			continue
		}
		key := e.Properties[0].JSON
		if e.Choice {
			key = e.Name + "[x]"
		}
		w.reportAt(n, n.Path()+"."+e.Name, "required", "%s must have %q (%s)", t.Name, key, typeNames(e))
	}
}

// typeNames lists the types of an element for a message.
func typeNames(e *fhir.Element) string {
	out := e.Types[0].Type.Name
	for _, ref := range e.Types[1:] {
		out += ", " + ref.Type.Name
	}
	return out
}

func (w *walker) tooMany(n fhir.Node, p *propertyCheck) {
	w.report(n, "structure", "%s may occur %d times at most", n.Name(), p.max)
}

// empty records a breach of ele-1.
func (w *walker) empty(n fhir.Node) {
	w.report(n, "invariant", "the element is empty (ele-1); give it a value or children, or leave it out")
}

// extension records a breach of ext-1.
func (w *walker) extension(n fhir.Node, both bool) {
	if both {
		w.report(n, "invariant", "the extension has both a value and extensions (ext-1); keep one of them")
		return
	}
	w.report(n, "invariant", "the extension has neither a value nor extensions (ext-1); give it a value[x], such as valueString")
}

// nested records a breach of dom-2.
func (w *walker) nested(n fhir.Node) {
	w.report(n, "invariant", "a contained resource may not contain another (dom-2); move this one out to the outer resource's contained")
}
