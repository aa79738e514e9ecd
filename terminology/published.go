package terminology

import (
	"sync"

	"github.com/tarnhealth/tarn/terminology/release"
)

// An ends is what a concept map of R4 is between.
type ends struct{ url, source, target string }

// publishedEnds are those of all concept maps of R4, read once.
var publishedEnds = sync.OnceValues(func() ([]ends, error) {
	var all []ends
	for _, url := range release.R4().URLs("ConceptMap") {
		tree, err := release.R4().Find("ConceptMap", url)
		if err != nil {
			return nil, err
		}
		root := tree.Root()
		all = append(all, ends{url, root.Child("source").Text(), root.Child("target").Text()})
	}
	return all, nil
})

// PublishedMaps are R4's own concept maps from the value set source to the value
// set target; "" for any.
func (s *Service) PublishedMaps(source, target string) ([]*ConceptMap, error) {
	all, err := publishedEnds()
	if err != nil {
		return nil, err
	}
	var found []*ConceptMap
	for _, e := range all {
		if source != "" && source != e.source || target != "" && target != e.target {
			continue
		}
		m, err := s.ConceptMap(e.url)
		if err != nil {
			return nil, err
		}
		found = append(found, m)
	}
	return found, nil
}
