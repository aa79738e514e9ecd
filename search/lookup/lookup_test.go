package lookup_test

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/lookup"
)

// memory finds candidates by search.Run.
type memory struct {
	all []*search.Candidate
	err error
}

func (m memory) Count(plan search.Plan) (int, error) { return len(search.Run(plan, m.all)), m.err }

func (m memory) Find(plan search.Plan) iter.Seq2[*search.Candidate, error] {
	return func(yield func(*search.Candidate, error) bool) {
		if m.err != nil {
			yield(nil, m.err)
			return
		}
		for _, c := range search.Run(plan, m.all) {
			if !yield(&search.Candidate{Type: c.Type, ID: c.ID, Tree: c.Tree}, nil) {
				return
			}
		}
	}
}

// children finds so many in the first search, and nothing afterwards.
type children struct{ n int }

func (c *children) Count(search.Plan) (int, error) { return 0, nil }

func (c *children) Find(search.Plan) iter.Seq2[*search.Candidate, error] {
	return func(yield func(*search.Candidate, error) bool) {
		for ; c.n > 0; c.n-- {
			if !yield(&search.Candidate{Type: "Location", ID: fmt.Sprintf("c%d", c.n)}, nil) {
				return
			}
		}
	}
}

func registry(t *testing.T) *search.Registry {
	t.Helper()
	r, err := search.New(definition.R4())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func candidate(t *testing.T, r *search.Registry, src string) *search.Candidate {
	t.Helper()
	tree, err := fhir.Parse(r.Definitions.Schema, []byte(src), fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	c := &search.Candidate{Type: tree.Root().Type().Name, ID: tree.Root().TextOf("id"), Tree: tree}
	if c.Entries, err = r.Extract(tree, c.ID, ""); err != nil {
		t.Fatal(err)
	}
	return c
}

func parse(t *testing.T, r *search.Registry, resourceType, query string) *search.Query {
	t.Helper()
	pairs, err := search.Pairs(query)
	if err != nil {
		t.Fatal(err)
	}
	q, err := r.Parse([]string{resourceType}, pairs, search.Options{Expand: true, Rank: true})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// Q29: a hierarchy without end is refused, not cut.
func TestHierarchyIsBounded(t *testing.T) {
	r := registry(t)
	q := parse(t, r, "Procedure", "location:below=top")
	if _, err := lookup.Expand(q.Plan, &children{lookup.MaxHierarchy - 1}); err != nil {
		t.Errorf("the greatest hierarchy: %v", err)
	}
	_, err := lookup.Expand(q.Plan, &children{lookup.MaxHierarchy})
	if fhir.KindOf(err) != fhir.KindTooCostly || !strings.Contains(err.Error(), "more than 10000 resources of type Location") {
		t.Errorf("a hierarchy that is too large: %v", err)
	}
}

// Pages of a ranking are parts of one order, however many matches there are.
func TestRankByPages(t *testing.T) {
	r := registry(t)
	var all []*search.Candidate
	for i := range 700 {
		words := strings.Repeat("heart ", 1+i*7%5) + strings.Repeat("other ", i*11%7)
		c := *candidate(t, r, `{"resourceType":"Patient","id":"x","text":{"status":"generated","div":"<div>`+words+`</div>"}}`)
		c.ID = fmt.Sprintf("p%d", i)
		all = append(all, &c)
	}
	q := parse(t, r, "Patient", "_text=heart")
	rank := func(after []byte, n int) lookup.Ranking {
		t.Helper()
		ranking, err := lookup.Rank(r, q, q.Plan, memory{all: all}, after, n)
		if err != nil {
			t.Fatal(err)
		}
		if ranking.Total != len(all) {
			t.Fatalf("%d in all, want %d", ranking.Total, len(all))
		}
		return ranking
	}
	whole := rank(nil, len(all))
	if whole.More || len(whole.Matches) != len(all) {
		t.Fatalf("%d matches of %d, more: %v", len(whole.Matches), len(all), whole.More)
	}
	for i := 1; i < len(all); i++ {
		if whole.Matches[i-1].Score < whole.Matches[i].Score {
			t.Fatalf("match %d has a score of %v, the next one %v", i-1, whole.Matches[i-1].Score, whole.Matches[i].Score)
		}
	}
	var paged []lookup.Match
	for after, more := []byte(nil), true; more; {
		page := rank(after, 33)
		paged, more = append(paged, page.Matches...), page.More
		after = page.Matches[len(page.Matches)-1].After()
	}
	if !slices.Equal(paged, whole.Matches) {
		t.Error("the pages are not parts of one order")
	}
	if _, err := lookup.Rank(r, q, q.Plan, memory{all: all}, []byte("x"), 1); fhir.KindOf(err) != fhir.KindInvalid {
		t.Errorf("a damaged place: %v", err)
	}
}

func TestErrorsOfTheStoreAreKept(t *testing.T) {
	r := registry(t)
	broken := memory{err: errors.New("disk")}
	for resourceType, query := range map[string]string{"Procedure": "location:below=top", "Location": "partof:above=top"} {
		if _, err := lookup.Expand(parse(t, r, resourceType, query).Plan, broken); !errors.Is(err, broken.err) {
			t.Errorf("%s: %v", query, err)
		}
	}
	q := parse(t, r, "Patient", "_text=heart")
	if _, err := lookup.Rank(r, q, q.Plan, broken, nil, 1); !errors.Is(err, broken.err) {
		t.Errorf("rank: %v", err)
	}
}
