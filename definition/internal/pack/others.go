package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition/internal/table"
	"github.com/tarnhealth/tarn/fhir"
)

// itself stands for the resource that a compartment belongs to.
const itself = "{def}"

func (p *packer) packCompartments() error {
	all, err := readReal[compartmentDefinition](p.core, "CompartmentDefinition")
	if err != nil {
		return err
	}
	for _, url := range sortedKeys(all) {
		d := all[url]
		c := table.Compartment{Code: d.Code}
		for _, r := range d.Resource {
			params := r.Param
			// The Patient and Device definitions leave their own resource out,
			// which is nevertheless a member of its compartment.
			if r.Code == d.Code && !slices.Contains(params, itself) {
				params = append([]string{itself}, params...)
			}
			if len(params) > 0 {
				c.Members = append(c.Members, table.Member{Type: r.Code, Params: params})
			}
		}
		slices.SortFunc(c.Members, func(a, b table.Member) int { return cmp.Compare(a.Type, b.Type) })
		p.t.Compartments = append(p.t.Compartments, c)
	}
	return nil
}

func (p *packer) packOperations() error {
	all, err := readReal[operationDefinition](p.core, "OperationDefinition")
	if err != nil {
		return err
	}
	for _, url := range sortedKeys(all) {
		d := all[url]
		p.t.Operations = append(p.t.Operations, table.Operation{
			Code: d.Code, URL: d.URL, System: d.System, Type: d.Type, Instance: d.Instance,
			AffectsState: d.AffectsState, Resource: d.Resource,
		})
	}
	slices.SortStableFunc(p.t.Operations, func(a, b table.Operation) int { return cmp.Compare(a.Code, b.Code) })
	return nil
}

// packValueSets packs the value sets that required bindings name, as their
// published expansions list them. The few that no package holds (one is
// LOINC's) stay out.
func (p *packer) packValueSets() error {
	all, err := read[valueSet](p.expansions, "ValueSet")
	if err != nil {
		return err
	}
	for _, b := range p.t.Bindings {
		if b.Strength != int(fhir.BindingRequired) {
			continue
		}
		url, _, _ := strings.Cut(b.ValueSet, "|")
		if v, ok := all[url]; ok {
			p.t.ValueSets = append(p.t.ValueSets, packValueSet(v))
		}
	}
	slices.SortFunc(p.t.ValueSets, func(a, b table.ValueSet) int { return cmp.Compare(a.URL, b.URL) })
	p.t.ValueSets = slices.CompactFunc(p.t.ValueSets, func(a, b table.ValueSet) bool { return a.URL == b.URL })
	return nil
}

func packValueSet(v valueSet) table.ValueSet {
	codes := map[string][]string{}
	collect(v.Expansion.Contains, codes)
	out := table.ValueSet{URL: v.URL}
	for _, x := range v.Expansion.Extension {
		if x.URL == "http://hl7.org/fhir/StructureDefinition/valueset-toocostly" && x.ValueBoolean {
			for _, i := range v.Compose.Include {
				out.Open = append(out.Open, i.System)
			}
		}
	}
	for _, system := range sortedKeys(codes) {
		out.Systems = append(out.Systems, table.System{URL: system, Codes: codes[system]})
	}
	return out
}

// collect gathers the codes of an expansion, which may nest. Abstract ones
// only group others and may not be used.
func collect(concepts []concept, codes map[string][]string) {
	for _, c := range concepts {
		if c.Code != "" && !c.Abstract && !slices.Contains(codes[c.System], c.Code) {
			codes[c.System] = append(codes[c.System], c.Code)
		}
		collect(c.Contains, codes)
	}
}

func (p *packer) packCodeSystems() error {
	all, err := read[codeSystem](p.core, "CodeSystem")
	if err != nil {
		return err
	}
	for _, url := range sortedKeys(all) {
		// Where a definition is silent, codes are compared exactly.
		sensitive := all[url].CaseSensitive == nil || *all[url].CaseSensitive
		p.t.CodeSystems = append(p.t.CodeSystems, table.CodeSystem{
			URL: url, CaseSensitive: sensitive, Complete: all[url].Content == "complete", Concepts: packConcepts(all[url]),
		})
	}
	return nil
}

// packConcepts packs a code system's concepts, parents before what is nested in
// them.
func packConcepts(s codeSystem) []table.Concept {
	var all []table.Concept
	at := map[string]int{}
	isA := s.HierarchyMeaning == "" || s.HierarchyMeaning == "is-a"
	var add func(list []systemConcept, parent int)
	add = func(list []systemConcept, parent int) {
		for _, c := range list {
			at[c.Code] = len(all)
			x := table.Concept{Code: c.Code}
			if isA && parent >= 0 {
				x.Parents = []int{parent}
			}
			all = append(all, x)
			add(c.Concept, at[c.Code])
		}
	}
	add(s.Concept, -1)
	link := func(child, parent string) {
		c, ok := at[child]
		p, ok2 := at[parent]
		if ok && ok2 && !slices.Contains(all[c].Parents, p) {
			all[c].Parents = append(all[c].Parents, p)
		}
	}
	var properties func(list []systemConcept)
	properties = func(list []systemConcept) {
		for _, c := range list {
			for _, p := range c.Property {
				switch p.Code {
				case "parent", "subsumedBy":
					link(c.Code, p.ValueCode)
				case "child":
					link(p.ValueCode, c.Code)
				}
			}
			properties(c.Concept)
		}
	}
	properties(s.Concept)
	return all
}
