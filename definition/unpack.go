package definition

import (
	"fmt"

	"github.com/tarnhealth/tarn/definition/internal/table"
	"github.com/tarnhealth/tarn/definition/packed"
	"github.com/tarnhealth/tarn/fhir"
)

// unpack builds a set from a compressed table. An error means that the table
// is damaged or of another layout than this program's.
func unpack(data []byte) (*Set, error) {
	raw, err := packed.Decompress(data)
	if err != nil {
		return nil, fmt.Errorf("definitions: %w", err)
	}
	t, err := table.Decode(raw)
	if err != nil {
		return nil, err
	}
	return build(t), nil
}

func build(t *table.Table) *Set {
	s := &Set{
		Source:       Source(t.Package),
		Expansions:   Source(t.Expansions),
		Schema:       buildSchema(t),
		params:       map[string]map[string]*SearchParameter{},
		compartments: make(map[string]*Compartment, len(t.Compartments)),
		codes:        make(map[string]*ValueSet, len(t.ValueSets)),
		systems:      make(map[string]*CodeSystem, len(t.CodeSystems)),
	}
	s.buildParams(t)
	for _, c := range t.Compartments {
		params := make(map[string][]string, len(c.Members))
		for _, m := range c.Members {
			params[m.Type] = m.Params
		}
		s.compartments[c.Code] = &Compartment{Code: c.Code, Params: params}
	}
	for _, o := range t.Operations {
		s.Operations = append(s.Operations, &Operation{
			Code: o.Code, URL: o.URL, System: o.System, Type: o.Type, Instance: o.Instance,
			Resource: o.Resource, AffectsState: o.AffectsState,
		})
	}
	for _, v := range t.ValueSets {
		s.codes[v.URL] = buildValueSet(v)
	}
	systems := make([]CodeSystem, len(t.CodeSystems))
	for i, c := range t.CodeSystems {
		systems[i] = CodeSystem{URL: c.URL, CaseSensitive: c.CaseSensitive, Complete: c.Complete, Concepts: make([]Concept, len(c.Concepts))}
		for j, x := range c.Concepts {
			systems[i].Concepts[j] = Concept{Code: x.Code, Parents: x.Parents}
		}
		s.systems[c.URL] = &systems[i]
	}
	return s
}

func (s *Set) buildParams(t *table.Table) {
	params := make([]SearchParameter, len(t.Params))
	for i, p := range t.Params {
		params[i] = SearchParameter{
			Code: p.Code, Base: p.Base, URL: p.URL, Type: ParamType(p.Type),
			Expression: p.Expression, Target: t.TargetLists[p.Targets],
			Description: p.Description, Ordinal: i,
		}
		for _, c := range p.Components {
			params[i].Component = append(params[i].Component, Component{Param: &params[c.Param], Expression: c.Expression})
		}
		ofBase := s.params[p.Base]
		if ofBase == nil {
			ofBase = map[string]*SearchParameter{}
			s.params[p.Base] = ofBase
		}
		ofBase[p.Code] = &params[i]
	}
}

func buildValueSet(v table.ValueSet) *ValueSet {
	out := &ValueSet{URL: v.URL, Open: v.Open, Codes: make(map[string]map[string]bool, len(v.Systems))}
	for _, s := range v.Systems {
		codes := make(map[string]bool, len(s.Codes))
		for _, c := range s.Codes {
			codes[c] = true
		}
		out.Codes[s.URL] = codes
	}
	return out
}

// schemaBuilder holds the lists that elements share while a schema is built.
type schemaBuilder struct {
	table       *table.Table
	types       map[string]*fhir.Type
	constraints [][]fhir.Constraint
	bindings    []*fhir.Binding
}

func buildSchema(t *table.Table) *fhir.Schema {
	b := schemaBuilder{table: t, types: make(map[string]*fhir.Type, len(t.Types))}
	b.share()
	schema := &fhir.Schema{Release: t.Release, Types: make([]*fhir.Type, len(t.Types))}
	types := make([]fhir.Type, len(t.Types))
	for i, from := range t.Types {
		types[i] = fhir.Type{
			Name: from.Name, Kind: fhir.TypeKind(from.Kind), Base: from.Base,
			JSON: fhir.JSONKind(from.JSON), Constraints: b.constraints[from.Constraints],
		}
		schema.Types[i] = &types[i]
		b.types[from.Name] = &types[i]
	}
	for i, from := range t.Types {
		types[i].Elements = b.elements(from.Elements)
	}
	schema.Seal()
	return schema
}

// share makes the constraint lists and bindings once.
func (b *schemaBuilder) share() {
	for _, list := range b.table.ConstraintLists {
		var out []fhir.Constraint
		for _, at := range list {
			c := b.table.Constraints[at]
			out = append(out, fhir.Constraint{Key: c.Key, Error: c.Error, Human: c.Human, Expression: c.Expression})
		}
		b.constraints = append(b.constraints, out)
	}
	b.bindings = make([]*fhir.Binding, len(b.table.Bindings))
	for i, x := range b.table.Bindings {
		if x.Strength > 0 {
			b.bindings[i] = &fhir.Binding{Strength: fhir.BindingStrength(x.Strength), ValueSet: x.ValueSet}
		}
	}
}

func (b *schemaBuilder) elements(from []table.Element) []*fhir.Element {
	slab := make([]fhir.Element, len(from))
	out := make([]*fhir.Element, len(from))
	for i := range from {
		f := &from[i]
		slab[i] = fhir.Element{
			Name: f.Name, Path: f.Path, Min: f.Min, Max: f.Max, Choice: f.Choice,
			Summary: f.Summary, Modifier: f.Modifier, Binding: b.bindings[f.Binding],
			Constraints: b.constraints[f.Constraints], MaxLength: f.MaxLength,
			Fixed: f.Fixed, Pattern: f.Pattern,
		}
		if f.Max == 0 {
			slab[i].Max = fhir.Unbounded
		}
		b.properties(&slab[i], f.Types)
		out[i] = &slab[i]
	}
	return out
}

func (b *schemaBuilder) properties(e *fhir.Element, refs []table.TypeRef) {
	e.Types = make([]fhir.TypeRef, len(refs))
	e.Properties = make([]*fhir.Property, len(refs))
	slab := make([]fhir.Property, len(refs))
	for i, r := range refs {
		e.Types[i] = fhir.TypeRef{Type: b.types[r.Type], Targets: b.table.TargetLists[r.Targets]}
		slab[i] = fhir.Property{JSON: r.JSON, Element: e, Type: e.Types[i].Type, Ref: &e.Types[i]}
		e.Properties[i] = &slab[i]
	}
}
