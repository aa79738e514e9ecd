package search

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// A SummaryMode is the value of _summary: how much of each resource the
// answer holds. http://hl7.org/fhir/R4/search.html#summary
type SummaryMode uint8

// The summary modes.
const (
	SummaryFalse SummaryMode = iota // all of it; what holds where nothing is asked for
	SummaryTrue                     // the elements that the definitions mark as summary
	SummaryText                     // text, id, meta and the mandatory top-level elements
	SummaryData                     // all but text
	SummaryCount                    // no resources, the total only; Query.Count is 0
)

var summaryModes = map[string]SummaryMode{
	"false": SummaryFalse, "true": SummaryTrue, "text": SummaryText, "data": SummaryData, "count": SummaryCount,
}

// summary reads _summary.
func (p *parser) summary(pair Pair) *fhir.Error {
	if !p.opt.Shaping {
		return resultRefused(p, pair)
	}
	return choose(p, pair, &p.query.Summary, summaryModes, "true, text, data, count and false")
}

// elements reads _elements: names of elements at the top of the searched
// types, separated by commas. On several types each name must be an element of
// one of them. http://hl7.org/fhir/R4/search.html#elements
func (p *parser) elements(pair Pair) *fhir.Error {
	if !p.opt.Shaping {
		return resultRefused(p, pair)
	}
	for name := range strings.SplitSeq(pair.Value, ",") {
		if name = strings.TrimSuffix(strings.TrimSpace(name), "[x]"); name == "" {
			continue
		}
		element := p.elementNamed(name)
		if element == "" {
			return fhir.Errorf(fhir.KindInvalid, "%q in _elements is not an element of %s%s", name, strings.Join(p.types, ", "), p.nearElements(name))
		}
		if !slices.Contains(p.query.Elements, element) {
			p.query.Elements = append(p.query.Elements, element)
		}
	}
	if len(p.query.Elements) == 0 {
		return fhir.Errorf(fhir.KindInvalid, "the value %q of _elements has only separators", pair.Value)
	}
	p.keep(pair)
	return nil
}

// elementNamed is the element of one of the searched types that a name or a JSON
// key means: value for both "value" and "valueQuantity"; "" for none.
func (p *parser) elementNamed(name string) string {
	for _, resourceType := range p.types {
		t := p.registry.Definitions.Schema.Type(resourceType)
		if t == nil {
			continue
		}
		if t.Element(name) != nil {
			return name
		}
		if property := t.Property([]byte(name)); property != nil {
			return property.Element.Name
		}
	}
	return ""
}

// nearElements is advice for a name that no searched type has.
func (p *parser) nearElements(name string) string {
	if strings.ContainsAny(name, ".[(") {
		return "; only elements at the top of a resource can be named"
	}
	var names []string
	for _, t := range p.types[:min(1, len(p.types))] {
		for _, e := range p.registry.Definitions.Schema.Type(t).Elements {
			names = append(names, e.Name)
		}
	}
	if near := fhir.NearestNames(name, names); len(near) > 0 {
		return "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return ""
}

// checkShape refuses result parameters that contradict each other.
func (p *parser) checkShape() error {
	q := p.query
	switch {
	case p.seen["_summary"] && len(q.Elements) > 0:
		return fhir.Errorf(fhir.KindInvalid, "_summary and _elements cannot be given together: each says which elements the answer has").At("http._elements")
	case q.Summary == SummaryText && len(q.Includes)+len(q.RevIncludes) > 0:
		return fhir.Errorf(fhir.KindInvalid, "_include and _revinclude cannot be given together with _summary=text").At("http._summary")
	case q.Summary == SummaryCount:
		q.Count = 0
	}
	return nil
}
