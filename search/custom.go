package search

import (
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/compare"
	"github.com/tarnhealth/tarn/search/define"
	"github.com/tarnhealth/tarn/search/need"
)

// A Custom is a search parameter that a data store has beside those of its
// definitions.
type Custom struct {
	// Def is what ReadDefinition returned.
	Def *definition.SearchParameter
	// Generation tells entries of one meaning of the parameter from those of
	// another: it is part of Param.Key, and of the key of MarkPresent. It
	// grows whenever the definition changes.
	Generation int
	// Building is set while the resources that were stored before the
	// parameter are being indexed: Extract gives its entries, and a search by
	// it is refused by name.
	Building bool
}

// ReadDefinition reads a SearchParameter resource. An expression that does not
// compile, a code that a type has already with another meaning, and what the
// resource type's definition cannot mean are errors of KindUnprocessable, with an issue for
// each thing that is wrong, located in the resource. A component of a
// composite that is itself a custom parameter must be one of r's, and so must
// the parameter that a definition with the same URL replaces.
//
// The status is not looked at, nor are version, xpath and derivedFrom.
//
// http://hl7.org/fhir/R4/searchparameter.html
func (r *Registry) ReadDefinition(tree *fhir.Tree) (*definition.SearchParameter, error) {
	scope := define.Scope{
		Schema: r.Definitions.Schema, Types: r.allTypes, Fits: Fits,
		Param: func(resourceType, code string) *definition.SearchParameter {
			if p := r.byType[resourceType][code]; p != nil {
				return p.Def
			}
			return r.Definitions.SearchParameter(resourceType, code)
		},
		ByURL: r.byURL,
	}
	return define.Read(&scope, tree.Root())
}

func (r *Registry) byURL(resourceType, url string) *definition.SearchParameter {
	for _, p := range r.byType[resourceType] {
		if p.Def != nil && p.Def.URL == url {
			return p.Def
		}
	}
	return nil
}

// indexed are the types that each kind indexes.
var indexed = map[definition.ParamType][]valueType{
	definition.ParamNumber: {valueNumber, valueRange},
	definition.ParamDate:   {valueDate, valuePeriod, valueTiming},
	definition.ParamString: {valueString, valueCode, valueURI, valueID, valueCodeableConcept, valueHumanName, valueAddress},
	definition.ParamToken: {valueCoding, valueCodeableConcept, valueIdentifier, valueContactPoint, valueCode, valueString,
		valueBoolean, valueURI, valueCanonical, valueID},
	definition.ParamReference: {valueReference, valueCanonical, valueURI, valueResource},
	definition.ParamQuantity:  {valueQuantity, valueMoney, valueRange},
	definition.ParamURI:       {valueURI, valueID, valueCanonical},
}

// Fits reports whether a parameter of a type can index values of t; an extension
// may hold any.
func Fits(of definition.ParamType, t *fhir.Type) bool {
	v := valueTypes[t.Name]
	if t.Kind == fhir.KindResource {
		v = valueResource
	}
	return v == valueExtension || slices.Contains(indexed[of], v)
}

// With is the registry with custom parameters added. It shares the parameters
// of r, which stays as it is. An error says which parameter cannot be added.
func (r *Registry) With(custom []Custom) (*Registry, error) {
	if len(custom) == 0 {
		return r, nil
	}
	w := *r
	w.Params = slices.Clone(r.Params)
	w.byType = maps.Clone(r.byType)
	w.resources = slices.Clone(r.resources)
	copied := map[string]bool{}
	for _, c := range custom {
		for _, base := range c.Def.Bases {
			if !copied[base] {
				copied[base] = true
				w.own(base)
			}
			if err := w.addCustom(c, base); err != nil {
				return nil, err
			}
		}
	}
	return &w, nil
}

// combines finds the functions that add to a path what does not begin with it.
var combines = regexp.MustCompile(`\b(combine|union|iif)\s*\(`)

// own gives the registry a copy of what it shares of a resource type.
func (r *Registry) own(base string) {
	r.byType[base] = maps.Clone(r.byType[base])
	t := r.Definitions.Schema.Type(base)
	of := *r.resources[t.Index]
	of.custom = slices.Clone(of.custom)
	r.resources[t.Index] = &of
}

// addCustom adds a custom parameter to one resource type.
func (r *Registry) addCustom(c Custom, base string) error {
	taken := r.byType[base][c.Def.Code]
	if taken != nil || r.Definitions.SearchParameter(base, c.Def.Code) != nil {
		return fhir.Errorf(fhir.KindUnprocessable, "%s cannot be added: %s has a search parameter %s already", c.Def.URL, base, c.Def.Code)
	}
	def := *c.Def
	def.Base, def.Expression = base, define.For(def.Expression, base, r.allTypes)
	def.Component = slices.Clone(def.Component)
	for i, part := range def.Component {
		if def.Component[i].Param = r.byURL(base, part.Param.URL); def.Component[i].Param == nil {
			return fhir.Errorf(fhir.KindUnprocessable, "%s cannot be added: its component %s is not a search parameter of %s", c.Def.URL, part.Param.URL, base)
		}
	}
	p, err := r.compile(&def, base)
	if err == nil && p != nil {
		err = p.check()
	}
	if err != nil || p == nil {
		return fhir.Errorf(fhir.KindUnprocessable, "%s cannot be added to %s: %v", c.Def.URL, base, err)
	}
	p.generation, p.building = c.Generation, c.Building
	p.computed = define.Computes(p.expr)
	if p.computed || combines.MatchString(def.Expression) {
		p.needs = nil
	}
	p.presence = append(p.presence[:len(p.presence)-1], "@"+strconv.Itoa(c.Generation)+"\x00"...)
	of := r.resources[r.Definitions.Schema.Type(base).Index]
	of.custom = append(of.custom, r.add(p))
	return nil
}

// custom adds the entries of custom parameters. An expression that fails for a
// resource gives it none: a definition must not keep resources from being
// stored.
func (x *indexer) custom(params []*Param, root fhir.Node, present *need.Set) {
	before := x.err
	for _, p := range params {
		if p.mayHaveValues(present) {
			x.index(p, root)
			x.err = before
		}
	}
}

// Building reports whether the parameter is a custom one that cannot be
// searched yet.
func (p *Param) Building() bool { return p.building }

// checkRules refuses what the parameter's definition does not allow: values
// too many, and comparators that it does not list.
func (p *parser) checkRules(param *Param, values []string) *fhir.Error {
	rules := param.Def.Rules
	if rules == nil {
		return nil
	}
	if rules.SingleOr && len(values) > 1 {
		return unknownParam("%s takes one value, by its definition (multipleOr)", param.Code)
	}
	if first, ok := p.first[param]; rules.SingleAnd && ok && first != p.current {
		return unknownParam("%s may stand in a search only once, by its definition (multipleAnd)", param.Code)
	}
	p.first[param] = p.current
	if len(rules.Comparators) == 0 || !slices.Contains(ordered, param.Def.Type) {
		return nil
	}
	for _, v := range values {
		at, _, err := compare.Cut(v)
		if err == nil && at != compare.Eq && !slices.Contains(rules.Comparators, compare.Names[at]) {
			return unknownParam("%s does not take the prefix %s, by its definition (comparator)", param.Code, compare.Names[at])
		}
	}
	return nil
}
