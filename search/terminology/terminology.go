// Package terminology gives searches the codes that :in, :not-in, :above and
// :below stand for, of whatever package terminology knows: stored resources,
// loaded terminologies, another server.
//
// It leaves to others: what codes mean (terminology), how resources are found
// (datastore), and what a search does with codes (search). What cannot be listed
// is refused by name; nothing is left out silently.
package terminology

import (
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology"
)

// MaxCodes is up to how many codes a search looks for.
const MaxCodes = 10_000

// A Source knows the value sets and code systems that are not a release's own.
// Its methods are what search.Options asks for.
type Source struct{ Service *terminology.Service }

// ValueSet returns a value set with all its codes, or nil where there is none
// of that name. One whose codes cannot be listed is an error of
// KindUnprocessable that says why, one of more than MaxCodes of KindTooCostly.
func (s *Source) ValueSet(url string) (*definition.ValueSet, error) {
	set, err := s.Service.ValueSet(url)
	if err != nil {
		return nil, unlessUnknown(err)
	}
	codes, err := set.Codes(MaxCodes)
	if err != nil {
		return nil, err
	}
	return &definition.ValueSet{URL: url, Codes: codes}, nil
}

// Related returns a code and all codes that subsume it (above), or that it
// subsumes. It returns nil where the code system is not known, or not with its
// concepts.
func (s *Source) Related(system, code string, above bool) ([]string, error) {
	known, err := s.Service.System(system)
	if err != nil {
		return nil, unlessUnknown(err)
	}
	if known.Empty() {
		return nil, nil
	}
	codes, err := known.Related(code, above, MaxCodes)
	switch {
	case fhir.KindOf(err) == fhir.KindNotFound && err != nil:
		return nil, fhir.Errorf(fhir.KindInvalid, "%q is not a code of %s", code, system)
	case err != nil:
		return nil, err
	case len(codes) > MaxCodes:
		return nil, fhir.Errorf(fhir.KindTooCostly, "%s|%s has more than %d related codes; at most that many can be searched for", system, code, MaxCodes)
	}
	return codes, nil
}

// unlessUnknown keeps errors but for those about what is not there.
func unlessUnknown(err error) error {
	if fhir.KindOf(err) == fhir.KindNotFound {
		return nil
	}
	return err
}
