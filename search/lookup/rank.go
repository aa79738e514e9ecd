package lookup

import (
	"cmp"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/fulltext"
)

// MaxRanked is how many matches a search may have that is ordered by
// relevance: all of them are read for each page.
const MaxRanked = 5000

// A Match is one match of a search that is ordered by relevance.
type Match struct {
	search.Reference
	// Score is from 0 to 1, for Bundle.entry.search.score.
	Score float64
}

// Rank returns all matches of a query that has a Relevance, the most relevant
// first; equals stay in the plan's order. plan is what Expand made of the
// query's. The same query at the same moment of f gives the same answer, so
// that a page is a part of it. More than MaxRanked matches are an error of
// KindTooCostly.
//
// The score is BM25 over the words of _text and _content, as a share of the
// most that the query allows (fulltext.Document.Score).
func Rank(r *search.Registry, q *search.Query, plan search.Plan, f Finder) ([]Match, error) {
	narrative, content, err := wanted(q, f)
	if err != nil {
		return nil, err
	}
	var all []Match
	for c, err := range f.Find(plan) {
		if err != nil {
			return nil, err
		}
		if len(all) == MaxRanked {
			return nil, fhir.Errorf(fhir.KindTooCostly, "more than %d resources match, too many to order by relevance: add conditions, or ask for another order with _sort", MaxRanked)
		}
		all = append(all, Match{search.Reference{Type: c.Type, ID: c.ID}, score(r, c, narrative, content)})
	}
	slices.SortStableFunc(all, func(a, b Match) int { return cmp.Compare(b.Score, a.Score) })
	return all, nil
}

// score joins the scores of the narrative and of the whole, each by the number
// of phrases that it is asked for.
func score(r *search.Registry, c *search.Candidate, narrative, content []fulltext.Wanted) float64 {
	sum := 0.0
	if len(narrative) > 0 {
		sum += float64(len(narrative)) * r.Document(c.Tree, false).Score(narrative)
	}
	if len(content) > 0 {
		sum += float64(len(content)) * r.Document(c.Tree, true).Score(content)
	}
	return sum / float64(max(1, len(narrative)+len(content)))
}

// wanted counts how many resources have each phrase, of how many.
func wanted(q *search.Query, f Finder) (narrative, content []fulltext.Wanted, err error) {
	parts := make([]search.Part, len(q.Plan.Parts))
	for i, p := range q.Plan.Parts {
		parts[i].Type = p.Type
	}
	documents, err := f.Count(search.Plan{Parts: parts})
	if err != nil {
		return nil, nil, err
	}
	for _, phrase := range q.Relevance {
		n, err := f.Count(search.Plan{Parts: phrase.Parts})
		if err != nil {
			return nil, nil, err
		}
		w := fulltext.Wanted{Phrase: phrase.Phrase, Matches: n, Documents: documents}
		if phrase.Content {
			content = append(content, w)
		} else {
			narrative = append(narrative, w)
		}
	}
	return narrative, content, nil
}
