package rest

import (
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// insideEntries writes, for a match of a search with _containedType=contained,
// the resources inside it that match, and the match itself where it does. The
// fullUrl of one inside is that of the resource around it and a fragment.
// http://hl7.org/fhir/R4/search.html#contained
func (p *searchPage) insideEntries(b *bundleWriter, v *store.Version) error {
	tree, err := p.r.store.Read(*v)
	if err != nil {
		return err
	}
	inside, itself, err := p.query.InsideMatches(&search.Candidate{Type: v.Type, ID: v.ID, LastUpdated: v.LastUpdated, Tree: tree})
	if err != nil {
		return err
	}
	if itself {
		if err := b.searchEntry(v, "match", p.shape); err != nil {
			return err
		}
	}
	for _, n := range inside {
		if err := b.insideEntry(v, n, p.shape); err != nil {
			return err
		}
	}
	return nil
}

// insideEntry writes the entry of a resource inside another.
func (b *bundleWriter) insideEntry(v *store.Version, n fhir.Node, s *shape) error {
	b.beginEntry()
	b.fullURL(&store.Version{Type: v.Type, ID: v.ID + "#" + n.TextOf("id")})
	b.buf = append(b.buf, `"resource":`...)
	var err error
	if s == nil {
		b.buf = append(b.buf, n.Raw()...)
	} else if b.buf, err = fhir.AppendSubset(b.buf, n.Raw(), n.Type(), s.keep); err != nil {
		return err
	}
	b.buf = append(b.buf, `,"search":{"mode":"match"}`...)
	return b.endEntry()
}
