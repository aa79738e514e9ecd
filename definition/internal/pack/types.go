package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/definition/internal/table"
	"github.com/tarnhealth/tarn/fhir"
)

const (
	systemTypePrefix  = "http://hl7.org/fhirpath/System."
	fhirTypeExtension = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
)

var strengths = map[string]fhir.BindingStrength{
	"example": fhir.BindingExample, "preferred": fhir.BindingPreferred,
	"extensible": fhir.BindingExtensible, "required": fhir.BindingRequired,
}

// packTypes packs every type that is not a profile of another, by name, each
// followed by its nested types in definition order.
func (p *packer) packTypes() error {
	all, err := read[structureDefinition](p.core, "StructureDefinition")
	if err != nil {
		return err
	}
	byType := map[string]structureDefinition{}
	for _, d := range all {
		if d.Derivation != "constraint" && d.Kind != "logical" {
			byType[d.Type] = d
		}
	}
	for _, name := range sortedKeys(byType) {
		if d := byType[name]; d.Kind == "resource" && !d.Abstract {
			p.resources = append(p.resources, name)
		}
	}
	for _, name := range sortedKeys(byType) {
		if err := p.packType(byType[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, t := range p.t.Types {
		p.known[t.Name] = true
	}
	return p.finishTypes()
}

func (p *packer) packType(d structureDefinition) error {
	elements := d.Snapshot.Element
	at := map[string]int{} // type name to index in p.t.Types
	add := func(t table.Type, root elementDefinition) {
		t.Constraints = p.constraintsOf(root)
		at[t.Name] = len(p.t.Types)
		p.t.Types = append(p.t.Types, t)
	}
	add(table.Type{
		Name: d.Type, Base: lastSegment(d.BaseDefinition),
		Kind: int(kindOf(d)), JSON: int(jsonOf(d)),
	}, elements[0])
	for i, e := range elements[1:] {
		if strings.HasSuffix(e.Path, ".value") && d.Kind == "primitive-type" || e.Max == "0" {
			continue
		}
		nested := i+2 < len(elements) && strings.HasPrefix(elements[i+2].Path, e.Path+".")
		if nested {
			add(table.Type{Name: e.Path, Base: e.Type[0].Code, Kind: int(fhir.KindBackbone)}, e)
		}
		dot := strings.LastIndexByte(e.Path, '.')
		owner, ok := at[e.Path[:dot]]
		if !ok {
			return fmt.Errorf("%s has no parent", e.Path)
		}
		packed, err := p.element(e, nested)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		p.t.Types[owner].Elements = append(p.t.Types[owner].Elements, packed)
	}
	return nil
}

func kindOf(d structureDefinition) fhir.TypeKind {
	switch {
	case d.Abstract:
		return fhir.KindAbstract
	case d.Kind == "resource":
		return fhir.KindResource
	case d.Kind == "primitive-type":
		return fhir.KindPrimitive
	}
	return fhir.KindComplex
}

func jsonOf(d structureDefinition) fhir.JSONKind {
	if d.Kind != "primitive-type" {
		return 0
	}
	switch d.Type {
	case "boolean":
		return fhir.JSONBool
	case "integer", "unsignedInt", "positiveInt", "decimal":
		return fhir.JSONNumber
	}
	return fhir.JSONString
}

func (p *packer) element(e elementDefinition, nested bool) (table.Element, error) {
	name := e.Path[strings.LastIndexByte(e.Path, '.')+1:]
	base, choice := strings.CutSuffix(name, "[x]")
	out := table.Element{
		Name: base, Path: e.Path, Choice: choice, Min: e.Min,
		Summary: e.IsSummary, Modifier: e.IsModifier,
		MaxLength: e.MaxLength, Fixed: e.fixed, Pattern: e.pattern,
	}
	if !nested {
		out.Constraints = p.constraintsOf(e)
	}
	if e.Max != "*" {
		n, err := strconv.Atoi(e.Max)
		if err != nil {
			return out, fmt.Errorf("max %q is not a number", e.Max)
		}
		out.Max = n
	}
	if b := e.Binding; b != nil && b.ValueSet != "" {
		out.Binding = p.binding(table.Binding{Strength: int(strengths[b.Strength]), ValueSet: b.ValueSet})
	}
	var err error
	out.Types, err = p.typeRefs(e, out, nested)
	return out, err
}

func (p *packer) typeRefs(e elementDefinition, out table.Element, nested bool) ([]table.TypeRef, error) {
	if e.ContentReference != "" {
		return []table.TypeRef{{Type: strings.TrimPrefix(e.ContentReference, "#"), JSON: out.Name}}, nil
	}
	if nested {
		return []table.TypeRef{{Type: e.Path, JSON: out.Name}}, nil
	}
	if len(e.Type) == 0 || len(e.Type) > 1 && !out.Choice {
		return nil, fmt.Errorf("%d types where one belongs", len(e.Type))
	}
	var refs []table.TypeRef
	for _, t := range e.Type {
		ref := table.TypeRef{Type: typeName(e, t), JSON: out.Name}
		if out.Choice {
			ref.JSON += strings.ToUpper(ref.Type[:1]) + ref.Type[1:]
		}
		var targets []string
		for _, profile := range t.TargetProfile {
			targets = append(targets, lastSegment(profile))
		}
		ref.Targets = p.targetList(targets)
		refs = append(refs, ref)
	}
	return refs, nil
}

// typeName is the FHIR type of an element. Those that the definitions give a
// FHIRPath system type say the FHIR type in an extension. Resource.id is an
// id although 4.0.1's own definition says string: the specification's text and
// every later release say so.
func typeName(e elementDefinition, t elementType) string {
	if !strings.HasPrefix(t.Code, systemTypePrefix) {
		return t.Code
	}
	if e.Base.Path == "Resource.id" {
		return "id"
	}
	for _, x := range t.Extension {
		if x.URL == fhirTypeExtension {
			return x.ValueURL
		}
	}
	return "string"
}

func (p *packer) constraintsOf(e elementDefinition) int {
	var list []int
	for _, c := range e.Constraint {
		list = append(list, p.constraint(table.Constraint{
			Key: c.Key, Human: c.Human, Expression: c.Expression, Error: c.Severity == "error",
		}))
	}
	return p.constraintList(list)
}

// finishTypes checks that every type that is named exists, and drops from the
// elements the invariants that their types have anyway: snapshots repeat them.
func (p *packer) finishTypes() error {
	ofType := map[string][]int{}
	for _, t := range p.t.Types {
		ofType[t.Name] = p.t.ConstraintLists[t.Constraints]
	}
	for i := range p.t.Types {
		for j := range p.t.Types[i].Elements {
			e := &p.t.Types[i].Elements[j]
			list := slices.Clone(p.t.ConstraintLists[e.Constraints])
			for _, ref := range e.Types {
				if !p.known[ref.Type] {
					return fmt.Errorf("%s: type %q is not defined", e.Path, ref.Type)
				}
				list = slices.DeleteFunc(list, func(c int) bool { return p.hasKey(ofType[ref.Type], c) })
			}
			e.Constraints = p.constraintList(list)
		}
	}
	return nil
}

func (p *packer) hasKey(list []int, c int) bool {
	return slices.ContainsFunc(list, func(o int) bool { return p.t.Constraints[o].Key == p.t.Constraints[c].Key })
}
