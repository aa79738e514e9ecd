package external

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology"
)

// remote implements terminology.Remote for one request.
type remote struct {
	*Client
	ctx context.Context
}

// Serves implements terminology.Remote.
func (r *remote) Serves(system string) bool { return slices.Contains(r.opt.Systems, system) }

// object is part of a resource that is sent.
type object map[string]any

// parameters are a Parameters resource.
func parameters(all ...object) []byte {
	body, err := json.Marshal(object{"resourceType": "Parameters", "parameter": all})
	if err != nil {
		panic(err) // maps of texts and numbers have JSON
	}
	return body
}

func coding(c terminology.Coding) object {
	out := object{"system": c.System, "code": c.Code}
	if c.Version != "" {
		out["version"] = c.Version
	}
	return out
}

// Lookup implements terminology.Remote.
func (r *remote) Lookup(c terminology.Coding) (*terminology.Concept, error) {
	tree, err := r.ask(r.ctx, "CodeSystem/$lookup", parameters(object{"name": "coding", "valueCoding": coding(c)}))
	if err != nil {
		return nil, err
	}
	found := &terminology.Concept{Code: c.Code}
	for p := range tree.Root().Each("parameter") {
		switch p.TextOf("name") {
		case "display":
			found.Display = p.Child("value").Text()
		case "designation":
			d := part(p)
			found.Designations = append(found.Designations, terminology.Designation{
				Language: d["language"].Text(), Value: d["value"].Text(),
				Use: terminology.Coding{System: d["use"].TextOf("system"), Code: d["use"].TextOf("code"), Display: d["use"].TextOf("display")},
			})
		case "property":
			add(found, part(p))
		}
	}
	return found, nil
}

// part are the values of a parameter's parts, by name.
func part(p fhir.Node) map[string]fhir.Node {
	all := map[string]fhir.Node{}
	for x := range p.Each("part") {
		all[x.TextOf("name")] = x.Child("value")
	}
	return all
}

func add(c *terminology.Concept, parts map[string]fhir.Node) {
	value := parts["value"]
	p := terminology.Property{Code: parts["code"].Text(), Kind: value.Type().Name, Text: value.Text()}
	if p.Kind == "Coding" {
		p.Coding = terminology.Coding{System: value.TextOf("system"), Code: value.TextOf("code"), Display: value.TextOf("display")}
		p.Text = p.Coding.Code
	}
	switch {
	case p.Code == "inactive":
		c.Inactive = p.Text == "true"
	case p.Code == "notSelectable" || p.Code == "abstract":
		c.Abstract = p.Text == "true"
	}
	c.Properties = append(c.Properties, p)
}

// Subsumes implements terminology.Remote.
func (r *remote) Subsumes(a, b terminology.Coding) (string, error) {
	tree, err := r.ask(r.ctx, "CodeSystem/$subsumes", parameters(
		object{"name": "codingA", "valueCoding": coding(a)}, object{"name": "codingB", "valueCoding": coding(b)}))
	if err != nil {
		return "", err
	}
	outcome := value(tree, "outcome").Text()
	if !slices.Contains([]string{terminology.Equivalent, terminology.Subsumes, terminology.SubsumedBy, terminology.NotSubsumed}, outcome) {
		return "", r.silent("its outcome is no word of the specification")
	}
	return outcome, nil
}

// value is the value of the parameter with a name.
func value(tree *fhir.Tree, name string) fhir.Node {
	for p := range tree.Root().Each("parameter") {
		if p.TextOf("name") == name {
			return p.Child("value")
		}
	}
	return fhir.Node{}
}

// set is the parameter that names or is the value set of a part.
func set(p terminology.Part) object {
	if p.URL != "" {
		return object{"name": "url", "valueUri": p.URL}
	}
	include := object{"system": p.System}
	if p.Version != "" {
		include["version"] = p.Version
	}
	var filters []object
	for _, f := range p.Filters {
		filters = append(filters, object{"property": f.Property, "op": f.Operator, "value": f.Value})
	}
	if len(filters) > 0 {
		include["filter"] = filters
	}
	return object{"name": "valueSet", "resource": object{
		"resourceType": "ValueSet", "status": "active", "compose": object{"include": []object{include}},
	}}
}

// Has implements terminology.Remote.
func (r *remote) Has(p terminology.Part, code string) (terminology.Entry, bool, error) {
	c := terminology.Coding{System: p.System, Version: p.Version, Code: code}
	tree, err := r.ask(r.ctx, "ValueSet/$validate-code", parameters(set(p), object{"name": "coding", "valueCoding": coding(c)}))
	if err != nil {
		return terminology.Entry{}, false, err
	}
	result := value(tree, "result").Text()
	if result != "true" && result != "false" {
		return terminology.Entry{}, false, r.silent("it does not say whether the code is right")
	}
	c.Display = value(tree, "display").Text()
	return terminology.Entry{Coding: c}, result == "true", nil
}

// List implements terminology.Remote.
func (r *remote) List(p terminology.Part, filter string, limit int) ([]terminology.Entry, error) {
	in := []object{set(p), {"name": "count", "valueInteger": limit + 1}}
	if filter != "" {
		in = append(in, object{"name": "filter", "valueString": filter})
	}
	tree, err := r.ask(r.ctx, "ValueSet/$expand", parameters(in...))
	if err != nil {
		return nil, err
	}
	var all []terminology.Entry
	list(tree.Root().Child("expansion"), &all)
	if len(all) > limit {
		return nil, fhir.Errorf(fhir.KindTooCostly, "the terminology server lists more than %d codes of %s; narrow them by filter", limit, p.System)
	}
	return all, nil
}

func list(n fhir.Node, all *[]terminology.Entry) {
	for c := range n.Each("contains") {
		if code := c.TextOf("code"); code != "" {
			*all = append(*all, terminology.Entry{
				Coding:   terminology.Coding{System: c.TextOf("system"), Version: c.TextOf("version"), Code: code, Display: c.TextOf("display")},
				Inactive: c.TextOf("inactive") == "true", Abstract: c.TextOf("abstract") == "true",
			})
		}
		list(c, all)
	}
}
