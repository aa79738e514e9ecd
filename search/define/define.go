// Package define reads SearchParameter resources: it checks that a definition
// means something for its resource types, and says where one does not.
//
// It leaves to others: what values of a parameter's type look like in an index
// and in a query (search), and cardinality and bindings (validate).
//
// http://hl7.org/fhir/R4/searchparameter.html
package define

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

// A Scope is what a definition is read against.
type Scope struct {
	Schema *fhir.Schema
	// Types are the concrete resource types.
	Types []string
	// Param is the parameter that a resource type has under a code, or nil.
	Param func(resourceType, code string) *definition.SearchParameter
	// ByURL is the parameter of a resource type that a URL defines, or nil.
	ByURL func(resourceType, url string) *definition.SearchParameter
	// Fits reports whether a parameter of a type can index values of t.
	Fits func(of definition.ParamType, t *fhir.Type) bool
}

// types are the parameter types that a resource can define.
var types = map[string]definition.ParamType{
	"number": definition.ParamNumber, "date": definition.ParamDate, "string": definition.ParamString,
	"token": definition.ParamToken, "reference": definition.ParamReference,
	"composite": definition.ParamComposite, "quantity": definition.ParamQuantity, "uri": definition.ParamURI,
}

// codeForm is what a code may look like: a name that needs no escape in a
// query and is none of those that begin with "_", which are FHIR's own.
var codeForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)

// A reader reads one definition and collects what is wrong with it.
type reader struct {
	*Scope
	root   fhir.Node
	def    definition.SearchParameter
	issues []fhir.Issue
}

// Read reads a SearchParameter. The error, of KindUnprocessable, has an issue
// for each thing that is wrong, with its place in the resource. Of the result,
// Base is the first of Bases, and Expression the whole one: For cuts it down.
// Bases is empty where the release's own parameters serve all of them.
func Read(s *Scope, root fhir.Node) (*definition.SearchParameter, error) {
	if !root.Exists() || root.Type().Name != "SearchParameter" {
		return nil, fhir.Errorf(fhir.KindInvalid, "the resource is not a SearchParameter")
	}
	r := &reader{Scope: s, root: root}
	r.identity()
	r.bases()
	r.rules()
	if len(r.issues) == 0 && len(r.def.Bases) > 0 {
		r.targets()
		r.expression()
	}
	if len(r.issues) > 0 {
		return nil, &fhir.Error{Kind: fhir.KindUnprocessable, Issues: r.issues}
	}
	return &r.def, nil
}

// fail notes what is wrong with an element.
func (r *reader) fail(element, format string, args ...any) {
	r.issues = append(r.issues, fhir.Errorf(fhir.KindUnprocessable, format, args...).At("SearchParameter."+element).Issues...)
}

// required is the text of an element that must be there.
func (r *reader) required(element string) string {
	text := r.root.TextOf(element)
	if text == "" {
		r.fail(element, "a search parameter that is to be used must have %s", element)
	}
	return text
}

func (r *reader) identity() {
	r.def.URL = r.required("url")
	r.def.Description, _, _ = strings.Cut(strings.TrimSpace(r.root.TextOf("description")), "\n")
	code := r.required("code")
	r.def.Code = code
	name := r.required("type")
	r.def.Type = types[name]
	switch {
	case name == "special":
		r.fail("type", "parameters of type special cannot be defined: their meaning is not in the definition")
	case name != "" && r.def.Type == 0:
		r.fail("type", "%q is not the type of a search parameter; those are number, date, string, token, reference, composite, quantity and uri", name)
	}
}

// bases reads the resource types; Resource and DomainResource stand for all
// that they are the base of.
func (r *reader) bases() {
	r.required("base")
	i := 0
	for n := range r.root.Each("base") {
		r.base(fmt.Sprintf("base[%d]", i), n.Text())
		i++
	}
	slices.Sort(r.def.Bases)
	r.def.Bases = slices.Compact(r.def.Bases)
	r.takeNew()
}

// takeNew leaves of the bases those for which there is something to define: a
// parameter of the release that means the same there serves the definition.
func (r *reader) takeNew() {
	bases := make([]string, 0, len(r.def.Bases))
	for _, base := range r.def.Bases {
		taken := r.Param(base, r.def.Code)
		switch {
		case taken == nil || taken.Bases != nil && taken.URL == r.def.URL:
			bases = append(bases, base)
			continue
		case taken.Bases != nil:
			r.fail("code", "%s has a search parameter %s already, which %s defines", base, r.def.Code, taken.URL)
			return
		}
		if difference := r.same(taken, base); difference != "" {
			r.fail("code", "%s has a search parameter %s already, which %s defines, %s", base, r.def.Code, taken.URL, difference)
			return
		}
		r.def.Served = append(r.def.Served, base)
	}
	if r.def.Bases = bases; len(bases) > 0 && r.def.Code != "" && !codeForm.MatchString(r.def.Code) {
		r.fail("code", "%q cannot be the code of a search parameter here: it is a letter and up to 63 letters, digits, - and _", r.def.Code)
	}
}

func (r *reader) base(element, name string) {
	switch {
	case name == "Resource":
		r.def.Bases = append(r.def.Bases, r.Types...)
	case name == "DomainResource":
		for _, t := range r.Types {
			if r.Schema.Type(t).Base == name {
				r.def.Bases = append(r.def.Bases, t)
			}
		}
	case slices.Contains(r.Types, name):
		r.def.Bases = append(r.def.Bases, name)
	case name != "":
		near := ""
		if guess := fhir.Nearest(name, r.Types); guess != "" {
			near = "; did you mean " + guess + "?"
		}
		r.fail(element, "%q is not a resource type%s", name, near)
	}
}

// targets reads the types that a reference may refer to; none are all.
func (r *reader) targets() {
	i := 0
	for n := range r.root.Each("target") {
		element, name := fmt.Sprintf("target[%d]", i), n.Text()
		switch {
		case r.def.Type != definition.ParamReference:
			r.fail(element, "a parameter that is not of type reference has no target")
		case name == "Resource" || name == "DomainResource":
		case !slices.Contains(r.Types, name):
			r.fail(element, "%q is not a resource type", name)
		default:
			r.def.Target = append(r.def.Target, name)
		}
		i++
	}
}

// rules reads what searches may do.
func (r *reader) rules() {
	rules := definition.Rules{
		SingleOr: r.root.TextOf("multipleOr") == "false", SingleAnd: r.root.TextOf("multipleAnd") == "false",
		Comparators: texts(r.root, "comparator"), Modifiers: texts(r.root, "modifier"), Chains: texts(r.root, "chain"),
	}
	if rules.SingleOr || rules.SingleAnd || len(rules.Comparators)+len(rules.Modifiers)+len(rules.Chains) > 0 {
		r.def.Rules = &rules
	}
	for i := range rules.Chains {
		if r.def.Type != 0 && r.def.Type != definition.ParamReference {
			r.fail(fmt.Sprintf("chain[%d]", i), "only a parameter of type reference can be followed by a chain")
		}
	}
}

func texts(n fhir.Node, element string) []string {
	var all []string
	for c := range n.Each(element) {
		all = append(all, c.Text())
	}
	return all
}

// clocks finds the functions whose values change by themselves.
var clocks = regexp.MustCompile(`\b(now|today|timeOfDay)\s*\(`)

// expression checks the expression for each base.
func (r *reader) expression() {
	text := r.required("expression")
	if text == "" {
		return
	}
	if clock := clocks.FindString(text); clock != "" {
		r.fail("expression", "%s) changes by itself, so that nothing can be indexed by it", clock)
		return
	}
	r.def.Base, r.def.Expression = r.def.Bases[0], text
	for _, base := range r.def.Bases {
		parts := For(text, base, r.Types)
		if parts == "" {
			r.fail("expression", "no part of it selects anything of %s, which base names", base)
			return
		}
		expr, err := fhirpath.Compile(r.Schema, parts, fhirpath.WithContext(base))
		if err != nil {
			r.fail("expression", "for %s: %v", base, err)
			return
		}
		if r.def.Type == definition.ParamComposite {
			r.components(base, expr)
		} else if problem := r.misfit(r.def.Type, expr); problem != "" {
			r.fail("expression", "for %s it selects %s, and a %s parameter cannot index that", base, problem, r.root.TextOf("type"))
		}
		if len(r.issues) > 0 {
			return
		}
	}
}

// For is an expression as it applies to one resource type.
func For(expression, base string, resources []string) string {
	return definition.PartsFor(expression, base, func(name string) bool { return slices.Contains(resources, name) })
}

// Computes reports whether an expression makes values instead of selecting
// elements.
func Computes(expr *fhirpath.Expr) bool {
	_, known := expr.Types()
	return !known
}

// computable are the parameter types that can index computed values.
var computable = []definition.ParamType{definition.ParamNumber, definition.ParamDate, definition.ParamString, definition.ParamToken, definition.ParamURI}

// misfit names the types that an expression selects where the parameter can
// use none of them.
func (r *reader) misfit(of definition.ParamType, expr *fhirpath.Expr) string {
	selected, known := expr.Types()
	if !known {
		if slices.Contains(computable, of) {
			return ""
		}
		return "no elements but computed values"
	}
	var names []string
	for _, t := range selected {
		if r.Fits(of, t) {
			return ""
		}
		names = append(names, t.Name)
	}
	switch {
	case len(names) == 0:
		return "nothing"
	case len(names) > 4:
		names = append(names[:4], "…")
	}
	return "values of type " + strings.Join(names, ", ")
}

// components reads a composite's parts for a base.
func (r *reader) components(base string, whole *fhirpath.Expr) {
	var context []fhirpath.Option
	if t, _ := whole.Types(); len(t) == 1 {
		context = append(context, fhirpath.WithContext(t[0].Name))
	}
	i := 0
	for n := range r.root.Each("component") {
		element := fmt.Sprintf("component[%d]", i)
		url, _, _ := strings.Cut(n.TextOf("definition"), "|")
		param := r.ByURL(base, url)
		text := n.TextOf("expression")
		expr, err := fhirpath.Compile(r.Schema, text, context...)
		switch {
		case param == nil:
			r.fail(element+".definition", "%q defines no search parameter of %s that is in use", url, base)
		case param.Type == definition.ParamComposite || param.Type == definition.ParamSpecial:
			r.fail(element+".definition", "%s is of a type that cannot be part of a composite", param.Code)
		case err != nil:
			r.fail(element+".expression", "%v", err)
		case Computes(expr):
			r.fail(element+".expression", "%q computes a value; a component selects elements", text)
		default:
			if problem := r.misfit(param.Type, expr); problem != "" {
				r.fail(element+".expression", "%q selects %s, and %s cannot index that", text, problem, param.Code)
			}
		}
		if base == r.def.Base {
			r.def.Component = append(r.def.Component, definition.Component{Param: param, Expression: text})
		}
		i++
	}
	if i < minComponents || i > MaxComponents {
		r.fail("component", "a composite has %d to %d components, not %d", minComponents, MaxComponents, i)
	}
}

// MaxComponents is how many parts a composite may have.
const (
	MaxComponents = 4
	minComponents = 2
)
