package rest

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// onlyShaping is onlyParameters for a write, whose answer may be shortened where
// it is no entry of a Bundle. http://hl7.org/fhir/R4/http.html#parameters
func (r *request) onlyShaping() error {
	if r.http == nil {
		return r.onlyParameters()
	}
	return r.onlyParameters("_summary", "_elements")
}

// onlyParameters refuses a query that has others than names, and than those of
// every request (_format, _pretty): an interaction that is no search would
// leave them out, and the client would not learn of it. With
// Prefer: handling=lenient it asked for that.
func (r *request) onlyParameters(names ...string) error {
	if len(r.query) == 0 || r.prefer.lenient {
		return nil
	}
	for _, p := range r.query {
		if p.Name == "_format" || p.Name == "_pretty" || slices.Contains(names, p.Name) {
			continue
		}
		return fhir.Errorf(fhir.KindNotSupported, "the interaction %s has no parameter %q; it has %s", r.interaction, p.Name, strings.Join(append(names, "_format", "_pretty"), ", ")).At("http." + p.Name)
	}
	return nil
}
