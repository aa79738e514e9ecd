package search

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/search/need"
)

// A Registry is the compiled search parameters of a definition set. It is
// immutable and safe for concurrent use.
type Registry struct {
	Definitions *definition.Set
	// Params lists all parameters and marks by Ordinal. Parameters that are
	// not offered (those without an expression, and special ones) are not
	// among them.
	Params []*Param

	byType map[string]map[string]*Param
	// resources is by Type.Index: what Extract needs of each resource type.
	resources []*resourceParams
	// valueTypes is by Type.Index.
	valueTypes []valueType
	// systems is by Property.Index: the hash of the one system that a code's
	// required value set has, or 0.
	systems []uint64
	// exact holds the hashes of the systems that are known to be
	// case-sensitive.
	exact map[uint64]bool
	// allTypes are the names of all resource types, sorted.
	allTypes []string
	// content is set where the words of _content are indexed.
	content bool
}

// resourceParams are one resource type's parameters and marks, by Ordinal.
type resourceParams struct {
	params []*Param
	typ    *Param
	// present is the mark MarkPresent.
	present *Param
	marks   []compartmentMark
	// contained is the mark MarkContained, nil where nothing can be inside.
	contained *Param
	// custom are the data store's own parameters.
	custom []*Param
}

// A compartmentMark puts resources into compartments.
type compartmentMark struct {
	param *Param
	// code is the compartment's resource type.
	code string
	// own is set where a resource is a member of its own compartment.
	own bool
	// by are the reference parameters that make a resource a member.
	by []*Param
}

// The marks: entries that Extract adds beside those of search parameters.
//
//	$type                every resource has one entry with an empty key
//	$present             one entry for all search parameters that the resource
//	                     has a value for: their codes, with a zero byte before
//	                     the first and after each, and one more; and one for each such
//	                     parameter of the data store, its code and generation
//	                     and a zero byte
//	$compartment-Patient one entry for each patient whose compartment holds the
//	                     resource, the patient itself included; the key is
//	                     ReferenceKey("Patient", id). Likewise for the other
//	                     compartments.
//	$contained           one entry for each type of resource inside it; see
//	                     MarkContained
//
// A resource type that can never be in a compartment has no mark for it.
const (
	MarkType        = "$type"
	MarkPresent     = "$present"
	MarkCompartment = "$compartment-"
)

// compartments are the codes of R4's CompartmentDefinitions.
// http://hl7.org/fhir/R4/compartmentdefinition.html
var compartments = []string{"Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"}

// The parameters that are answered without entries.
const (
	paramID          = "_id"
	paramLastUpdated = "_lastUpdated"
)

// New makes the registry of every search parameter of a set. Expressions are
// compiled when they are first used: Check says whether all do.
func New(set *definition.Set, options ...Option) (*Registry, error) {
	schema := set.Schema
	r := &Registry{
		Definitions: set,
		byType:      map[string]map[string]*Param{},
		resources:   make([]*resourceParams, len(schema.Types)),
		valueTypes:  valueTypesOf(schema),
		systems:     impliedSystems(set),
		exact:       exactSystems(set),
	}
	for _, option := range options {
		option(r)
	}
	for _, t := range schema.Types {
		if t.Kind == fhir.KindResource {
			r.allTypes = append(r.allTypes, t.Name)
		}
	}
	slices.Sort(r.allTypes)
	for _, name := range r.allTypes {
		if err := r.addType(schema.Type(name)); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Check compiles every expression. An error names the parameter.
func (r *Registry) Check() error {
	for _, p := range r.Params {
		if err := p.check(); err != nil {
			return fmt.Errorf("search parameter %s of %s: %w", p.Code, p.Type, err)
		}
	}
	return nil
}

func (p *Param) check() error {
	for _, c := range p.components {
		if err := c.expr.Err(); err != nil {
			return fmt.Errorf("component %q: %w", c.expr, err)
		}
	}
	if p.expr == nil {
		return nil
	}
	return p.expr.Err()
}

func (r *Registry) addType(t *fhir.Type) error {
	defs := r.Definitions.SearchParameters(t.Name)
	of := &resourceParams{}
	r.byType[t.Name] = make(map[string]*Param, len(defs)+4)
	for _, code := range slices.Sorted(maps.Keys(defs)) {
		p, err := r.compile(defs[code], t.Name)
		if err != nil {
			return fmt.Errorf("search parameter %s of %s: %w", code, t.Name, err)
		}
		if p != nil {
			r.add(p)
			of.params = append(of.params, p)
		}
	}
	of.typ = r.add(&Param{Type: t.Name, Code: MarkType})
	of.present = r.add(&Param{Type: t.Name, Code: MarkPresent})
	for _, code := range compartments {
		if err := r.addMark(of, t.Name, code); err != nil {
			return err
		}
	}
	if t.Element("contained") != nil {
		of.contained = r.add(&Param{Type: t.Name, Code: MarkContained})
	}
	r.resources[t.Index] = of
	return nil
}

func (r *Registry) add(p *Param) *Param {
	p.Ordinal = len(r.Params)
	r.Params = append(r.Params, p)
	r.byType[p.Type][p.Code] = p
	return p
}

// compile makes the parameter of a definition, nil where it is not offered.
func (r *Registry) compile(def *definition.SearchParameter, resourceType string) (*Param, error) {
	p := &Param{Def: def, Type: resourceType, Code: def.Code, presence: []byte(def.Code + "\x00")}
	if def.Code == paramID || def.Code == paramLastUpdated {
		return p, nil
	}
	if def.Code == paramText || def.Code == paramContent {
		return r.compileText(p, r.Definitions.Schema.Type(resourceType)), nil
	}
	if p.kind = kinds[def.Type]; def.URL == nearURL {
		p.kind = nearKind{}
	}
	if p.kind == nil || def.Expression == "" {
		return nil, nil
	}
	p.expr = fhirpath.Later(r.Definitions.Schema, def.Expression)
	if def.Type == definition.ParamToken {
		p.computed = isComputed(def.Expression)
		p.implied, p.bare = r.impliedBy(def.Expression, resourceType)
	}
	if !isComputed(def.Expression) {
		p.needs = need.Of(r.Definitions.Schema.Type(resourceType), def)
	}
	for _, c := range corrected(def) {
		part, err := r.compileComponent(c, resourceType)
		if err != nil {
			return nil, err
		}
		p.components = append(p.components, part)
	}
	if n := len(p.components); def.Type == definition.ParamComposite && (n < 2 || n > maxComponents) {
		return nil, fmt.Errorf("a composite has %d components; 2 to %d are supported", n, maxComponents)
	}
	return p, nil
}

// corrected are a composite's components. Those of DocumentReference's
// relationship, a reference and a code, are published with each other's
// expression.
func corrected(def *definition.SearchParameter) []definition.Component {
	c := def.Component
	if def.URL != "http://hl7.org/fhir/SearchParameter/DocumentReference-relationship" || len(c) != 2 || c[0].Expression != "code" {
		return c
	}
	return []definition.Component{
		{Param: c[0].Param, Expression: c[1].Expression},
		{Param: c[1].Param, Expression: c[0].Expression},
	}
}

func (r *Registry) compileComponent(c definition.Component, resourceType string) (component, error) {
	if c.Param == nil || kinds[c.Param.Type] == nil || c.Param.Type == definition.ParamComposite {
		return component{}, fmt.Errorf("component %q is of no type that a composite can have", c.Expression)
	}
	expr := fhirpath.Later(r.Definitions.Schema, c.Expression)
	p := &Param{Def: c.Param, Type: resourceType, Code: c.Param.Code, expr: expr, kind: kinds[c.Param.Type]}
	if c.Param.Type == definition.ParamToken {
		p.implied, p.bare = r.impliedBy(c.Param.Expression, resourceType)
	}
	return component{param: p, kind: p.kind, expr: expr}, nil
}

// isComputed reports whether an expression makes a boolean rather than select
// elements, as that of Patient's deceased does.
func isComputed(expression string) bool {
	return strings.Contains(expression, " and ") && !strings.Contains(expression, "where(")
}

func (r *Registry) addMark(of *resourceParams, resourceType, code string) error {
	c := r.Definitions.Compartment(code)
	if c == nil {
		return nil
	}
	m := compartmentMark{code: code, own: resourceType == code}
	for _, by := range c.Params[resourceType] {
		if by == "{def}" {
			m.own = true
			continue
		}
		p := r.byType[resourceType][by]
		if p == nil || p.Def == nil || p.Def.Type != definition.ParamReference {
			return fmt.Errorf("the %s compartment names %s.%s, which is not a reference parameter", code, resourceType, by)
		}
		m.by = append(m.by, p)
	}
	if m.own || len(m.by) > 0 {
		m.param = r.add(&Param{Type: resourceType, Code: MarkCompartment + code})
		of.marks = append(of.marks, m)
	}
	return nil
}

// Param returns a resource type's parameter or mark, or nil.
func (r *Registry) Param(resourceType, code string) *Param { return r.byType[resourceType][code] }

// targets are the resource types that a reference parameter may refer to.
func (r *Registry) targets(p *Param) []string {
	if len(p.Def.Target) == 0 {
		return r.allTypes
	}
	return p.Def.Target
}

func sortSpan(p *Param) Span {
	if p.kind == nil {
		return everything
	}
	return p.kind.sorted()
}
