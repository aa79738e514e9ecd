package search

import (
	"bytes"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/compare"
)

// A kind is what the parameters of one type have in common: how a value
// becomes keys, and how a query value becomes a condition on keys. Each is in
// a file of its own, which says its keys.
type kind interface {
	// index appends the keys of one value; a value of a type that the kind
	// has no use for gives none.
	index(x *indexer, value fhir.Node)
	// query reads one value of a query: what stands between two commas.
	query(o *operand) (condition, error)
	// sorted is the span of the keys that sorting looks at.
	sorted() Span
	// size is the length of the key that b, part of a composite's key, begins
	// with.
	size(b []byte) int
}

// kinds has no entry for special parameters, of which only near is offered.
var kinds = [...]kind{
	definition.ParamNumber:    numberKind{},
	definition.ParamDate:      dateKind{},
	definition.ParamString:    stringKind{},
	definition.ParamToken:     tokenKind{},
	definition.ParamReference: referenceKind{},
	definition.ParamComposite: compositeKind{},
	definition.ParamQuantity:  quantityKind{},
	definition.ParamURI:       uriKind{},
	definition.ParamSpecial:   nil,
}

var typeNames = [...]string{
	definition.ParamNumber:    "number",
	definition.ParamDate:      "date",
	definition.ParamString:    "string",
	definition.ParamToken:     "token",
	definition.ParamReference: "reference",
	definition.ParamComposite: "composite",
	definition.ParamQuantity:  "quantity",
	definition.ParamURI:       "uri",
	definition.ParamSpecial:   "special",
}

// An operand is one query value and what reading it may need.
type operand struct {
	registry *Registry
	param    *Param
	// value keeps its escapes.
	value string
	base  string
	now   func() time.Time
	// valueSets is Options.ValueSets.
	valueSets func(url string) (*definition.ValueSet, error)
	// relatedCodes is Options.Related.
	relatedCodes func(system, code string, above bool) ([]string, error)
	// part is set inside a composite: the condition must hold for the one
	// form that index gives there.
	part bool
}

// A condition is what a query value asks of a key; see Terms.
type condition struct {
	spans   []Span
	test    func(key []byte) bool
	sure    []Span
	recheck func(c *Candidate) bool
}

// plain reports whether the spans say it all.
func (c *condition) plain() bool { return c.test == nil && c.recheck == nil }

// holds reports whether a key fulfils the condition, its recheck aside.
func (c *condition) holds(key []byte) bool {
	return inSpans(c.spans, key) && (c.test == nil || c.test(key))
}

// everything is the span of all keys.
var everything = Span{From: []byte{}}

func inSpans(spans []Span, key []byte) bool {
	for _, s := range spans {
		if s.Contains(key) {
			return true
		}
	}
	return false
}

// mergeSpans sorts spans and joins those that overlap.
func mergeSpans(spans []Span) []Span {
	slices.SortFunc(spans, func(a, b Span) int { return bytes.Compare(a.From, b.From) })
	merged := spans[:0]
	for _, s := range spans {
		if s.To != nil && bytes.Compare(s.From, s.To) >= 0 {
			continue // empty
		}
		if n := len(merged); n > 0 {
			last := &merged[n-1]
			if last.To == nil {
				break
			}
			if bytes.Compare(s.From, last.To) < 0 {
				if s.To == nil || bytes.Compare(s.To, last.To) > 0 {
					last.To = s.To
				}
				continue
			}
		}
		merged = append(merged, s)
	}
	return merged
}

// anyOf is the node for the alternatives of one parameter: the plain ones in
// one Terms, each other in its own.
func anyOf(p *Param, conditions []condition) Node {
	var plain []Span
	var or Or
	for _, c := range conditions {
		if c.plain() {
			plain = append(plain, c.spans...)
			continue
		}
		or = append(or, Terms{Param: p, Spans: mergeSpans(c.spans), Test: c.test, Sure: mergeSpans(c.sure), Recheck: c.recheck})
	}
	if len(plain) > 0 || len(or) == 0 {
		or = append(or, Terms{Param: p, Spans: mergeSpans(plain)})
	}
	if len(or) == 1 {
		return or[0]
	}
	return or
}

type (
	interval = compare.Interval
	prefix   = compare.Prefix
)
