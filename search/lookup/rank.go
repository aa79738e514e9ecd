package lookup

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/fulltext"
)

// A Match is one match of a search that is ordered by relevance.
type Match struct {
	search.Reference
	// Score is from 0 to 1, for Bundle.entry.search.score.
	Score float64
	// at is the match's place in the plan's order.
	at uint64
}

// A Ranking is a part of the matches of a search, the most relevant first.
type Ranking struct {
	Matches []Match
	// Total is the number of all matches.
	Total int
	// More is set where others follow.
	More bool
}

// Rank returns the first n matches of a query that has a Relevance, the most
// relevant first, or those behind one that After describes; equals stay in the
// plan's order. plan is what Expand made of the query's. The same query at the
// same moment of f gives the same answer, so that pages are parts of one. It
// reads all matches, each page anew, and keeps no more than it returns, twice.
//
// The score is BM25 over the words of _text and _content, as a share of the
// most that the query allows (fulltext.Document.Score).
func Rank(r *search.Registry, q *search.Query, plan search.Plan, f Finder, after []byte, n int) (Ranking, error) {
	behind, err := readPlace(after)
	if err != nil {
		return Ranking{}, err
	}
	narrative, content, err := wanted(q, f)
	if err != nil {
		return Ranking{}, err
	}
	top := best{n: n + 1}
	total := 0
	for c, err := range f.Find(plan) {
		if err != nil {
			return Ranking{}, err
		}
		m := Match{search.Reference{Type: c.Type, ID: c.ID}, score(r, c, narrative, content), uint64(total)}
		total++
		if behind == nil || compareMatches(m, *behind) > 0 {
			top.add(m)
		}
	}
	top.cut()
	ranking := Ranking{Matches: top.list, Total: total}
	if len(top.list) > n {
		ranking.Matches, ranking.More = top.list[:n], true
	}
	return ranking, nil
}

// compareMatches puts the most relevant first.
func compareMatches(a, b Match) int {
	return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.at, b.at))
}

// best keeps the first n matches of many.
type best struct {
	n    int
	list []Match
	full bool
}

func (b *best) add(m Match) {
	if b.full && compareMatches(m, b.list[b.n-1]) > 0 {
		return
	}
	b.list = append(b.list, m)
	if len(b.list) >= 2*b.n+64 {
		b.cut()
	}
}

func (b *best) cut() {
	slices.SortFunc(b.list, compareMatches)
	if len(b.list) >= b.n {
		b.list, b.full = b.list[:b.n], true
	}
}

// After describes the place of a match, for Rank to go on behind it.
func (m Match) After() []byte {
	return binary.AppendUvarint(binary.BigEndian.AppendUint64(nil, math.Float64bits(m.Score)), m.at)
}

// readPlace reads what After wrote; nil where there is nothing.
func readPlace(b []byte) (*Match, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b) > 8 {
		if at, size := binary.Uvarint(b[8:]); size == len(b)-8 {
			return &Match{Score: math.Float64frombits(binary.BigEndian.Uint64(b)), at: at}, nil
		}
	}
	return nil, fhir.Errorf(fhir.KindInvalid, "the page link is damaged: its place in the order of relevance cannot be read")
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
