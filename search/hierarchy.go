package search

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
	"github.com/tarnhealth/tarn/search/literal"
)

// A Hierarchy holds if Param refers to a resource of type By.Type that is one
// of IDs or below one: reached from it through By, which refers to what is
// above (Location.partof); or, with Above, to one of IDs or what is above it.
// No backend evaluates it:
// Expand of package lookup replaces it.
type Hierarchy struct {
	Param, By *Param
	IDs       []string
	Above     bool
	// Up are the ids that a resource of type By.Type refers to by By.
	Up func(tree *fhir.Tree) []string
}

func (Hierarchy) isNode() {}

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
	q := literal.Parse([]byte(text), p.opt.Base)
	if strings.Contains(text, ":") && len(q.ID) == 0 {
		return Terms{Param: param, Spans: mergeSpans(versions(text, above))}, nil
	}
	if !p.opt.Expand {
		return nil, fhir.Errorf(fhir.KindNotSupported, "the modifiers :above and :below of references to resources are not supported here")
	}
	targets, id := p.registry.targets(param), text
	if len(q.ID) > 0 {
		targets, id = []string{string(q.Type)}, string(q.ID)
	}
	if !fhir.ValidID(id) || len(q.Version) > 0 {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q is not a reference that has others above or below it; it looks like Location/123 or 123", value)
	}
	var or Or
	for _, t := range targets {
		if by := p.registry.hierarchyOf(t); by != nil {
			or = append(or, Hierarchy{Param: param, By: by, IDs: []string{id}, Above: above, Up: p.parents(by)})
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
