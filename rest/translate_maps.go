package rest

import (
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/terminology"
)

// mapsAtOnce is how many concept maps one $translate may look through.
const mapsAtOnce = 10

// mapsBetween are the concept maps from the value set source to the value set
// target, of which one may be "": R4's own, then those stored.
// http://hl7.org/fhir/R4/conceptmap-operation-translate.html
func (r *request) mapsBetween(s *terminology.Service, source, target string) ([]*terminology.ConceptMap, error) {
	found, err := s.PublishedMaps(source, target)
	if err != nil {
		return nil, err
	}
	// A canonical is a URI too: these parameters are of both, and those without
	// -uri of canonicals alone.
	var pairs []search.Pair
	for _, side := range []search.Pair{{Name: "source-uri", Value: source}, {Name: "target-uri", Value: target}} {
		if side.Value != "" {
			pairs = append(pairs, search.Pair{Name: side.Name, Value: search.EscapeValue(side.Value)})
		}
	}
	query, err := r.parseSearch([]string{"ConceptMap"}, pairs, search.Options{})
	if err != nil {
		return nil, err
	}
	versions, more, err := r.matches(query, mapsAtOnce)
	if err != nil {
		return nil, err
	}
	if more || len(found)+len(versions) > mapsAtOnce {
		return nil, fhir.Errorf(fhir.KindTooCostly, "more than %d concept maps are between these value sets; name one by url", mapsAtOnce).At("http.url")
	}
	for i := range versions {
		tree, err := r.store.Read(versions[i])
		if err != nil {
			return nil, err
		}
		found = append(found, s.ReadMap(tree.Root()))
	}
	return found, nil
}

// mapURLs names concept maps for people.
func mapURLs(maps []*terminology.ConceptMap) string {
	var urls []string
	for _, m := range maps {
		urls = append(urls, m.URL)
	}
	return strings.Join(urls, ", ")
}
