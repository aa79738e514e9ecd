// Package questionnaire owns what a Questionnaire demands of the responses to
// it: which items there are, where and in which order, what type of answer each
// takes, how many, which of them are required or enabled. It is a Rule of
// package validate.
//
// It leaves to others: where Questionnaires are kept (guide, datastore), and
// what codes are in a value set (terminology).
//
// http://hl7.org/fhir/R4/questionnaireresponse.html
package questionnaire

import (
	"fmt"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

// A Library finds definitions by type and canonical URL, with or without a
// |version; nil where it has none. It must be safe for concurrent use.
type Library func(resourceType, canonical string) (*fhir.Tree, error)

// Rules checks QuestionnaireResponses, alone or inside other resources, against
// the Questionnaires that they name: contained ones, those in the same Bundle,
// and those of a library. It is safe for concurrent use.
type Rules struct {
	library Library
	codes   fhirpath.Terminology
	compare map[string]*fhirpath.Expr
}

// New makes rules. Without codes (nil), and for value sets that they do not
// know, a warning says that an answer was not checked.
func New(schema *fhir.Schema, library Library, codes fhirpath.Terminology) *Rules {
	r := &Rules{library: library, codes: codes, compare: map[string]*fhirpath.Expr{}}
	for _, operator := range []string{"=", "!=", "<", "<=", ">", ">="} {
		r.compare[operator] = fhirpath.Later(schema, "%answer "+operator+" %wanted", fhirpath.WithVariables("answer", "wanted"))
	}
	return r
}

// Check reports where a response does not answer its questionnaire as that
// asks.
func (r *Rules) Check(tree *fhir.Tree, report func(fhir.Issue)) {
	r.visit(tree.Root(), fhir.Node{}, report)
}

// visit looks for responses. bundle is the innermost Bundle that n is in.
func (r *Rules) visit(n, bundle fhir.Node, report func(fhir.Issue)) {
	switch n.Type().Name {
	case "QuestionnaireResponse":
		r.response(n, bundle, report)
		return
	case "Bundle":
		bundle = n
	}
	holder := n.Type().Kind == fhir.KindResource
	for c := n.First(); c.Exists(); c = c.Next() {
		switch {
		case c.Type().Kind == fhir.KindResource:
			r.visit(c, bundle, report)
		case holder && (c.Name() == "entry" || c.Name() == "parameter") || c.Name() == "part":
			r.visit(c, bundle, report)
		}
	}
}

// response checks one response.
func (r *Rules) response(n, bundle fhir.Node, report func(fhir.Issue)) {
	named := n.Child("questionnaire")
	if !named.HasValue() {
		return
	}
	c := &check{Rules: r, report: report, given: map[string][]*given{}}
	asked, err := r.find(n, bundle, named.Text())
	if err != nil || !asked.Exists() {
		text := fmt.Sprintf("the questionnaire %s is not known; the answers were not checked against it", named.Text())
		if err != nil {
			text = fmt.Sprintf("the questionnaire %s cannot be used: %v", named.Text(), err)
		}
		c.issue(fhir.SeverityWarning, named, named.Path(), "not-found", "%s", text)
		return
	}
	c.asked, c.all = asked, map[string]*item{}
	c.complete = n.TextOf("status") == "completed" || n.TextOf("status") == "amended"
	items := c.items(asked, nil, 0)
	c.subject(n)
	c.level(c.read(n, nil), items, n, nil)
}

// find finds the Questionnaire that a response names.
func (r *Rules) find(n, bundle fhir.Node, canonical string) (fhir.Node, error) {
	if id, inside := strings.CutPrefix(canonical, "#"); inside {
		for contained := range n.Each("contained") {
			if contained.TextOf("id") == id && contained.Type().Name == "Questionnaire" {
				return contained, nil
			}
		}
		return fhir.Node{}, nil
	}
	url, version, _ := strings.Cut(canonical, "|")
	for entry := range bundle.Each("entry") {
		q := entry.Child("resource")
		if q.Exists() && q.Type().Name == "Questionnaire" && q.TextOf("url") == url && (version == "" || q.TextOf("version") == version) {
			return q, nil
		}
	}
	if r.library == nil {
		return fhir.Node{}, nil
	}
	tree, err := r.library("Questionnaire", canonical)
	if err != nil || tree == nil {
		return fhir.Node{}, err
	}
	return tree.Root(), nil
}

// subject checks who the answers are about.
func (c *check) subject(n fhir.Node) {
	literal := n.Child("subject").Child("reference")
	kind := fhir.ParseReference(literal.Text(), "").Type
	var allowed []string
	for t := range c.asked.Each("subjectType") {
		if t.Text() == kind {
			return
		}
		allowed = append(allowed, t.Text())
	}
	if kind != "" && len(allowed) > 0 {
		c.fail(literal, "value", "the questionnaire is about a %s, not about a %s", strings.Join(allowed, " or a "), kind)
	}
}

func (c *check) fail(n fhir.Node, code, format string, args ...any) {
	c.issue(fhir.SeverityError, n, n.Path(), code, format, args...)
}

func (c *check) issue(severity fhir.Severity, n fhir.Node, expression, code, format string, args ...any) {
	line, column := n.Position()
	c.report(fhir.Issue{
		Severity: severity, Code: code, Diagnostics: fmt.Sprintf(format, args...), Expression: expression, Line: line, Column: column,
	})
}
