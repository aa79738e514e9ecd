package rest

import (
	"net/http"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A shape is what _summary or _elements leaves of a resource; nil for all of
// it. http://hl7.org/fhir/R4/search.html#summary
type shape struct {
	keep func(*fhir.Element) fhir.Keep
	// matchesOnly is set where what a search includes stays whole.
	matchesOnly bool
}

// shapeOf is the shape that a query asks for.
func shapeOf(q *search.Query) *shape {
	if len(q.Elements) > 0 {
		return &shape{keep: elementsNamed(q.Elements), matchesOnly: true}
	}
	switch q.Summary {
	case search.SummaryTrue:
		return &shape{keep: summaryElements}
	case search.SummaryText:
		return &shape{keep: textElements}
	case search.SummaryData:
		return &shape{keep: dataElements}
	}
	return nil
}

// summaryElements keeps what the definitions mark as summary, at every depth,
// and what is mandatory or a modifier: without it the rest would mean something
// else. That is little more: Appointment.participant, modifierExtension.
func summaryElements(e *fhir.Element) fhir.Keep {
	if e.Summary || e.Modifier || e.Min > 0 {
		return fhir.KeepParts
	}
	return fhir.KeepNone
}

func textElements(e *fhir.Element) fhir.Keep {
	return wholeIf(e.Name == "text" || e.Min > 0)
}

func dataElements(e *fhir.Element) fhir.Keep {
	return wholeIf(e.Name != "text")
}

// elementsNamed keeps the elements that _elements names, what is mandatory,
// and modifiers: without its verificationStatus a refuted condition would read
// as a condition. http://hl7.org/fhir/R4/search.html#elements
func elementsNamed(names []string) func(*fhir.Element) fhir.Keep {
	return func(e *fhir.Element) fhir.Keep {
		return wholeIf(e.Min > 0 || e.Modifier || slices.Contains(names, e.Name))
	}
}

func wholeIf(stays bool) fhir.Keep {
	if stays {
		return fhir.KeepWhole
	}
	return fhir.KeepNone
}

// included is the shape of what a search includes: the list of _elements does
// not apply to it.
func (s *shape) included() *shape {
	if s == nil || s.matchesOnly {
		return nil
	}
	return s
}

// append appends a version's resource, in this shape, to b.
func (s *shape) append(b []byte, schema *fhir.Schema, v *store.Version) ([]byte, error) {
	if s == nil {
		return v.Body.Append(b, versionID(v), v.LastUpdated), nil
	}
	whole := getBuffer()
	defer putBuffer(whole)
	*whole = v.Body.Append(*whole, versionID(v), v.LastUpdated)
	return fhir.AppendSubset(b, *whole, schema.Type(v.Type), s.keep)
}

// isShaping reports whether a parameter says how much of each resource an
// answer has.
func isShaping(name string) bool { return name == "_summary" || name == "_elements" }

// shapeOfWritten is the shape of the answer to a write; criteria shape nothing.
func (r *request) shapeOfWritten() (*shape, error) {
	if len(r.query) == 0 || r.level == levelType && r.method != http.MethodPost {
		return nil, nil
	}
	return r.shape(r.resourceType)
}

// shape reads _summary and _elements for an interaction that is no search.
// Elements must be those of one of the types.
func (r *request) shape(types ...string) (*shape, error) {
	var pairs []search.Pair
	for _, p := range r.query {
		if isShaping(p.Name) {
			pairs = append(pairs, p)
		}
	}
	if pairs == nil {
		return nil, nil
	}
	q, err := r.parseSearch(types, pairs, search.Options{Shaping: true})
	if err != nil {
		return nil, err
	}
	if q.Summary == search.SummaryCount {
		return nil, invalidParameter("_summary", "count belongs to a search; a %s has true, text, data and false", r.interaction)
	}
	return shapeOf(q), nil
}
