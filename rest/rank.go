package rest

import (
	"slices"
	"strconv"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/lookup"
	"github.com/tarnhealth/tarn/store"
)

// find is one page of the matches.
func (p *searchPage) find(view *datastore.View, page store.Page) (store.Result, error) {
	if len(p.query.Relevance) == 0 {
		return view.Search(p.r.ctx, p.query, page)
	}
	return p.findRanked(view, page)
}

// findRanked is one page of the matches, the most relevant first, and sets
// p.scores. http://hl7.org/fhir/R4/search.html#score
func (p *searchPage) findRanked(view *datastore.View, page store.Page) (store.Result, error) {
	ranking, err := lookup.Rank(p.r.store.Registry(), p.query, p.query.Plan, view.Finder(p.r.ctx), page.After, page.Limit)
	if err != nil {
		return store.Result{}, err
	}
	versions, err := p.readRanked(view, ranking.Matches)
	if err != nil {
		return store.Result{}, err
	}
	result := store.Result{Len: len(versions), Total: ranking.Total}
	if ranking.More {
		result.Next = ranking.Matches[len(ranking.Matches)-1].After()
	}
	result.Matches = func(yield func(store.Version, error) bool) {
		for _, v := range versions {
			if !yield(v, nil) {
				return
			}
		}
	}
	if page.Explain {
		err = p.explainRanked(view, &result)
	}
	return result, err
}

// readRanked reads the matches of one page, in their order.
func (p *searchPage) readRanked(view *datastore.View, ranked []lookup.Match) ([]store.Version, error) {
	ids := map[string][]string{}
	for _, m := range ranked {
		ids[m.Type] = append(ids[m.Type], m.ID)
	}
	found := make(map[search.Reference]store.Version, len(ranked))
	for resourceType, of := range ids {
		slices.Sort(of)
		part := search.Part{Type: resourceType, Where: search.IDs{IDs: of}}
		result, err := view.Search(p.r.ctx, &search.Query{Plan: search.Plan{Parts: []search.Part{part}}}, store.Page{Limit: len(of)})
		if err != nil {
			return nil, err
		}
		for v, err := range result.Matches {
			if err != nil {
				return nil, err
			}
			found[search.Reference{Type: v.Type, ID: v.ID}] = v
		}
	}
	versions := make([]store.Version, 0, len(ranked))
	for _, m := range ranked {
		if v, ok := found[m.Reference]; ok { // it may have been erased since
			versions, p.scores = append(versions, v), append(p.scores, m.Score)
		}
	}
	return versions, nil
}

// explainRanked adds how the matches were found and ordered.
func (p *searchPage) explainRanked(view *datastore.View, result *store.Result) error {
	explained, err := view.Search(p.r.ctx, p.query, store.Page{Total: true, Explain: true})
	result.Explanation = append(explained.Explanation, store.Step{What: "rank", How: "read of all matches, by relevance", Matches: result.Total})
	return err
}

// scoredEntry writes the entry of a match with its relevance, from 0 to 1.
func (b *bundleWriter) scoredEntry(v *store.Version, score float64, s *shape) error {
	b.beginEntry()
	b.fullURL(v)
	if err := b.resource(v, s); err != nil {
		return err
	}
	b.buf = append(b.buf, `,"search":{"mode":"match","score":`...)
	b.buf = strconv.AppendFloat(b.buf, score, 'f', 4, 64)
	b.buf = append(b.buf, '}')
	return b.endEntry()
}
