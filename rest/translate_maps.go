package rest

import (
	"slices"

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
	var known []string
	for _, pairs := range mapQueries(source, target) {
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
			if slices.Contains(known, versions[i].ID) {
				continue
			}
			known = append(known, versions[i].ID)
			tree, err := r.store.Read(versions[i])
			if err != nil {
				return nil, err
			}
			found = append(found, s.ReadMap(tree.Root()))
		}
	}
	return found, nil
}

// mapQueries are the searches that find maps: what they are between is a
// canonical or a URI, which are parameters of their own.
func mapQueries(source, target string) [][]search.Pair {
	queries := [][]search.Pair{nil}
	for _, side := range []search.Pair{{Name: "source", Value: source}, {Name: "target", Value: target}} {
		if side.Value == "" {
			continue
		}
		var longer [][]search.Pair
		for _, q := range queries {
			for _, name := range []string{side.Name, side.Name + "-uri"} {
				longer = append(longer, append(slices.Clip(q), search.Pair{Name: name, Value: search.EscapeValue(side.Value)}))
			}
		}
		queries = longer
	}
	return queries
}
