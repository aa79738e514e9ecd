package search

import (
	"iter"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
)

// A Hierarchy holds if Param refers to a resource of type By.Type that is one
// of IDs or below one: reached from it through By, which refers to what is
// above (Location.partof); or, with Above, to one of IDs or what is above it.
// No backend evaluates it: Expand replaces it.
type Hierarchy struct {
	Param, By *Param
	IDs       []string
	Above     bool
	// up are the ids that a resource of type By.Type refers to by By.
	up func(tree *fhir.Tree) []string
}

func (Hierarchy) isNode() {}

// MaxHierarchy is how many resources a Hierarchy may lead to.
const MaxHierarchy = 10000

// A Finder answers plans as of one moment; the view of a store is one.
type Finder interface {
	// Count is the number of matches of a plan.
	Count(plan Plan) (int, error)
	// Find yields the matches of a plan in its order: Type, ID and Tree of
	// each.
	Find(plan Plan) iter.Seq2[*Candidate, error]
}

// Expand replaces the conditions of a plan that no backend evaluates by such
// as all do, with what f finds for them. The moment of f must be that of the
// search: then the pages of a search expand alike. A plan that has none of
// them is returned as it is.
func Expand(plan Plan, f Finder) (Plan, error) {
	parts := slices.Clone(plan.Parts)
	for i := range parts {
		n, err := expand(parts[i].Where, f)
		if err != nil {
			return plan, err
		}
		parts[i].Where = n
	}
	plan.Parts = parts
	return plan, nil
}

func expand(n Node, f Finder) (out Node, err error) {
	switch n := n.(type) {
	case And:
		nodes, err := expandAll(n, f)
		return And(nodes), err
	case Or:
		nodes, err := expandAll(n, f)
		return Or(nodes), err
	case Not:
		n.Node, err = expand(n.Node, f)
		return n, err
	case Chain:
		n.Where, err = expand(n.Where, f)
		return n, err
	case Has:
		n.Where, err = expand(n.Where, f)
		return n, err
	case Hierarchy:
		return n.expand(f)
	}
	return n, nil
}

func expandAll(nodes []Node, f Finder) ([]Node, error) {
	out := make([]Node, len(nodes))
	for i, n := range nodes {
		var err error
		if out[i], err = expand(n, f); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// expand walks the hierarchy, one level at a time.
func (n Hierarchy) expand(f Finder) (Node, error) {
	ids := slices.Clone(n.IDs)
	seen := map[string]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	for level := ids; len(level) > 0; {
		var next []string
		for c, err := range f.Find(Plan{Parts: []Part{n.level(level)}}) {
			if err != nil {
				return nil, err
			}
			for _, id := range n.reached(c) {
				if !seen[id] {
					seen[id] = true
					next = append(next, id)
				}
			}
		}
		if ids = append(ids, next...); len(ids) > MaxHierarchy {
			return nil, fhir.Errorf(fhir.KindTooCostly, "more than %d resources of type %s are in this hierarchy", MaxHierarchy, n.By.Type)
		}
		level = next
	}
	return Terms{Param: n.Param, Spans: references(n.By.Type, ids)}, nil
}

// references are the spans of references to resources of a type.
func references(resourceType string, ids []string) []Span {
	keys := make([][]byte, len(ids))
	for i, id := range ids {
		keys[i] = ReferenceKey(resourceType, id)
	}
	return Exact(keys)
}

// level is the search for the resources whose references, or that themselves,
// are the next level.
func (n *Hierarchy) level(ids []string) Part {
	if n.Above {
		return Part{Type: n.By.Type, Where: IDs{IDs: sortedSet(slices.Clone(ids))}}
	}
	return Part{Type: n.By.Type, Where: Terms{Param: n.By, Spans: references(n.By.Type, ids)}}
}

func (n *Hierarchy) reached(c *Candidate) []string {
	if n.Above {
		return n.up(c.Tree)
	}
	return []string{c.ID}
}

// parents are the ids of what a resource is part of, by a parameter.
func (p *parser) parents(by *Param) func(tree *fhir.Tree) []string {
	inc := Include{Source: by.Type, Target: by.Type, Params: []*Param{by}}
	return func(tree *fhir.Tree) []string {
		// An expression that fails for a resource says that it is part of nothing.
		refs, _ := p.registry.Included(inc, tree, p.opt.Base)
		ids := make([]string, len(refs))
		for i, ref := range refs {
			ids[i] = ref.ID
		}
		return ids
	}
}

// partOf are the codes of parameters that refer to what a resource is part of.
var partOf = []string{"partof", "part-of"}

// hierarchyOf is the parameter by which resources of a type form a hierarchy,
// or nil.
func (r *Registry) hierarchyOf(resourceType string) *Param {
	for _, code := range partOf {
		if p := r.byType[resourceType][code]; p != nil && slices.Contains(r.targets(p), resourceType) {
			return p
		}
	}
	return nil
}

// hierarchy reads :above and :below of a reference: of a canonical by its
// version, of any other by what the resources that it refers to are part of.
// http://hl7.org/fhir/R4/search.html#reference
func hierarchy(above bool) reader {
	return func(p *parser, param *Param, values []string) (Node, *fhir.Error) {
		or := make(Or, len(values))
		for i, v := range values {
			var err *fhir.Error
			if or[i], err = p.hierarchical(param, v, above); err != nil {
				return nil, err
			}
		}
		if len(or) == 1 {
			return or[0], nil
		}
		return or, nil
	}
}

func (p *parser) hierarchical(param *Param, value string, above bool) (Node, *fhir.Error) {
	text := chars.Unescape(value)
	q := parseReference([]byte(text), p.opt.Base)
	if strings.Contains(text, ":") && len(q.id) == 0 {
		return Terms{Param: param, Spans: mergeSpans(versions(text, above))}, nil
	}
	if !p.opt.Expand {
		return nil, fhir.Errorf(fhir.KindNotSupported, "the modifiers :above and :below of references to resources are not supported here")
	}
	targets, id := p.registry.targets(param), text
	if len(q.id) > 0 {
		targets, id = []string{string(q.typ)}, string(q.id)
	}
	if !fhir.ValidID(id) || len(q.version) > 0 {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q is not a reference that has others above or below it; it looks like Location/123 or 123", value)
	}
	var or Or
	for _, t := range targets {
		if by := p.registry.hierarchyOf(t); by != nil {
			or = append(or, Hierarchy{Param: param, By: by, IDs: []string{id}, Above: above, up: p.parents(by)})
		}
	}
	switch len(or) {
	case 0:
		return nil, unknownParam("%s of %s refers to %s, which is part of nothing: :above and :below go by the parameters %s", param.Code, param.Type, strings.Join(targets, ", "), strings.Join(partOf, " and "))
	case 1:
		return or[0], nil
	}
	return or, nil
}

// versions are the spans of a canonical with the versions below or above that
// of text, url|version: 1.0 is above 1.0.2. Without a version all are below.
func versions(text string, above bool) []Span {
	exactly := func(text string) Span { return Exactly(chars.AppendCapped(nil, []byte(text), uriMax)) }
	spans := []Span{exactly(text)}
	url, version, ok := strings.Cut(text, "|")
	switch {
	case !ok:
	case above:
		for i := strings.LastIndexByte(version, '.'); i > 0; i = strings.LastIndexByte(version[:i], '.') {
			spans = append(spans, exactly(url+"|"+version[:i]))
		}
	default:
		spans = append(spans, Prefix([]byte(text+".")))
	}
	return spans
}
