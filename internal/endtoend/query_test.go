package endtoend

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

var (
	queries     = flag.Int("queries", 300, "number of generated queries")
	longQueries = flag.Int("longqueries", 10_000, "number of generated queries of the long test")
	querySeed   = flag.Uint64("queryseed", 1, "seed of the generated queries")
)

// TestGeneratedQueries compares the answers of random searches, over all their
// pages, with the brute-force oracle. Every query has a random stream of its
// own, so that -run TestGeneratedQueries/17 repeats one.
func TestGeneratedQueries(t *testing.T) {
	dir := needShared(t, "synthea/dev/ndjson")
	p := newPopulation(t)
	p.add(t, synthea(t, dir, 1000))
	p.reopen(t)
	p.add(t, sound(t))
	testQueries(t, p, *queries)
}

// TestGeneratedQueriesOnSynthetic does the same on Tarn's own population.
func TestGeneratedQueriesOnSynthetic(t *testing.T) {
	p := newPopulation(t)
	p.add(t, synthetic(t, 6))
	p.reopen(t)
	testQueries(t, p, *queries/2)
}

// TestGeneratedQueriesLong puts many queries to a small population, with all
// kinds of resources in it where the official examples are there.
func TestGeneratedQueriesLong(t *testing.T) {
	if testing.Short() {
		t.Skip("puts thousands of queries")
	}
	p := newPopulation(t)
	p.add(t, first(synthetic(t, 10), 900))
	p.reopen(t)
	if _, err := os.Stat(filepath.Join(shared, "examples/r4-official")); err == nil {
		p.add(t, sound(t))
	}
	testQueries(t, p, *longQueries)
}

// sound are the official examples that can be stored.
func sound(t *testing.T) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for _, e := range examples(t) {
			if brokenExamples[e.name] == "" && !yield(e.src) {
				return
			}
		}
	}
}

// first are the first n of a sequence.
func first(resources iter.Seq[[]byte], n int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for src := range resources {
			if n--; n < 0 || !yield(src) {
				return
			}
		}
	}
}

func testQueries(t *testing.T, p *population, n int) {
	p.finish()
	p.change(t)
	t.Logf("%d resources of %d types", len(p.all), len(p.types))
	g := newGenerator(p, nil)
	tally := map[string]int{}
	for i := range n {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			g.random = rand.New(rand.NewPCG(*querySeed, uint64(i)))
			q := g.query()
			r := &run{population: p, t: t, query: q}
			r.check()
			if q.says != miss {
				tally[r.size()]++
			}
		})
	}
	t.Logf("answers by size: %v", tally)
	if tally["none"] > n/3 {
		t.Errorf("%d of %d queries find nothing", tally["none"], n)
	}
}

// A run is one query put to the data store and to the oracle.
type run struct {
	*population
	t     *testing.T
	query query
	q     *search.Query
	want  []*search.Candidate
}

// size says how many matches there are.
func (r *run) size() string {
	switch n := len(r.want); {
	case n == 0:
		return "none"
	case n == 1:
		return "one"
	case n <= 50:
		return "up to 50"
	}
	return "more than 50"
}

// maxPages bounds the pages of one query; _count is raised where it would take
// more.
const maxPages = 60

func (r *run) check() {
	r.t.Helper()
	var err error
	if r.q, err = plan(r.store, r.query.url); err != nil {
		r.t.Fatalf("%s: %v", r.query.url, err)
	}
	if len(r.q.Warnings) > 0 {
		r.t.Errorf("%s: warnings %v", r.query.url, r.q.Warnings)
	}
	r.want = r.oracle()
	if found := slices.Contains(r.want, r.query.seed); r.query.says == hit && !found || r.query.says == miss && found {
		r.t.Errorf("%s finds %s/%s, which it was made from: %v\n%s", r.query.url, r.query.seed.Type, r.query.seed.ID, found, describe(r.query.seed, r.q))
	}
	r.q.Count = max(r.q.Count, len(r.want)/maxPages+1)
	r.compare(r.walk())
}

// oracle answers the query by looking at every resource. The conditions are
// evaluated one by one, because Run would look for the targets of a chain
// among all resources each time.
func (r *run) oracle() []*search.Candidate {
	var matches []*search.Candidate
	order := search.Plan{Sort: r.q.Plan.Sort}
	var parts []search.Part
	for _, part := range r.q.Plan.Parts {
		order.Parts = append(order.Parts, search.Part{Type: part.Type})
		parts = append(parts, search.Part{Type: part.Type, Where: r.resolved(part.Where, part.Type)})
	}
	for _, c := range r.all {
		if slices.ContainsFunc(parts, func(part search.Part) bool {
			return part.Type == c.Type && search.Match(part.Where, c, r.lookup)
		}) {
			matches = append(matches, c)
		}
	}
	return search.Run(order, matches)
}

// resolved replaces each Has by the ids of the resources of a type that it
// holds for, because Match would look for them once for each resource.
func (p *population) resolved(n search.Node, resourceType string) search.Node {
	switch n := n.(type) {
	case search.And:
		return search.And(p.allResolved(n, resourceType))
	case search.Or:
		return search.Or(p.allResolved(n, resourceType))
	case search.Not:
		return search.Not{Node: p.resolved(n.Node, resourceType)}
	case search.Chain:
		n.Where = p.resolved(n.Where, n.Target)
		return n
	case search.Has:
		return p.referredTo(n, resourceType)
	}
	return n
}

func (p *population) allResolved(nodes []search.Node, resourceType string) []search.Node {
	out := make([]search.Node, len(nodes))
	for i, n := range nodes {
		out[i] = p.resolved(n, resourceType)
	}
	return out
}

func (p *population) referredTo(n search.Has, resourceType string) search.Node {
	where := p.resolved(n.Where, n.Param.Type)
	keys := map[string]bool{}
	for _, c := range p.byType[n.Param.Type] {
		if !search.Match(where, c, p.lookup) {
			continue
		}
		for _, e := range c.Entries {
			if e.Param == n.Param {
				keys[string(e.Key)] = true
			}
		}
	}
	var ids []string
	for _, c := range p.byType[resourceType] {
		if keys[string(search.ReferenceKey(c.Type, c.ID))] {
			ids = append(ids, c.ID)
		}
	}
	slices.Sort(ids)
	return search.IDs{IDs: ids}
}

func (p *population) lookup(resourceType, id string) []*search.Candidate {
	if id == "" {
		return p.byType[resourceType]
	}
	if c := p.byID[resourceType+"/"+id]; c != nil {
		return []*search.Candidate{c}
	}
	return nil
}

// walk reads all pages.
func (r *run) walk() []store.Version {
	r.t.Helper()
	var all []store.Version
	var p page
	var err error
	for first := true; first || p.next != nil; first = false {
		if p, err = readPage(r.store, r.q, p.t, p.next); err != nil {
			r.t.Fatalf("%s: %v", r.query.url, err)
		}
		if p.total != len(r.want) {
			r.t.Errorf("%s: total %d, want %d", r.query.url, p.total, len(r.want))
		}
		if len(p.matches) == 0 && len(all) > 0 {
			r.t.Errorf("%s: an empty page after %d matches", r.query.url, len(all))
		}
		all = append(all, p.matches...)
		r.checkIncludes(&p)
	}
	return all
}

func (r *run) compare(got []store.Version) {
	r.t.Helper()
	for i := range max(len(got), len(r.want)) {
		var g, w string
		var c *search.Candidate
		if i < len(got) {
			g = got[i].Type + "/" + got[i].ID
			c = r.byID[g]
		}
		if i < len(r.want) {
			c = r.want[i]
			w = c.Type + "/" + c.ID
		}
		if g != w {
			r.t.Errorf("%s: %d matches, want %d; match %d is %q, want %q\n%s", r.query.url, len(got), len(r.want), i, g, w, describe(c, r.q))
			return
		}
	}
}

// describe lists a candidate's entries of the parameters that a query names.
func describe(c *search.Candidate, q *search.Query) string {
	if c == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "entries of %s/%s, last updated %s:\n", c.Type, c.ID, c.LastUpdated)
	for _, e := range c.Entries {
		if slices.ContainsFunc(q.Self, func(pair search.Pair) bool {
			return strings.Contains(pair.Name+","+pair.Value, e.Param.Code)
		}) {
			fmt.Fprintf(&b, "\t%s %q\n", e.Param.Code, e.Key)
		}
	}
	return b.String()
}

// checkIncludes compares what a page includes with what its matches refer to
// and are referred to by.
func (r *run) checkIncludes(p *page) {
	r.t.Helper()
	if len(r.q.Includes)+len(r.q.RevIncludes) == 0 {
		return
	}
	view, err := r.store.View(context.Background(), authz.Unrestricted(), p.t)
	if err != nil {
		r.t.Fatal(err)
	}
	defer view.Close()
	want, got, cut := r.included(p.matches), []string{}, false
	for v, err := range view.Include(context.Background(), r.q, p.matches) {
		if cut = errors.Is(err, datastore.ErrIncludesCut); cut {
			break
		}
		if err != nil {
			r.t.Fatalf("%s: %v", r.query.url, err)
		}
		got = append(got, v.Type+"/"+v.ID)
	}
	if cut != (len(want) > maxIncludes) {
		r.t.Errorf("%s: a page should include %d; cut: %v", r.query.url, len(want), cut)
	}
	slices.Sort(got)
	if cut && len(got) == maxIncludes && len(slices.Compact(slices.Clone(got))) == len(got) {
		want = slices.DeleteFunc(want, func(name string) bool { _, ok := slices.BinarySearch(got, name); return !ok })
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("%s: a page includes\n%.600q, want\n%.600q", r.query.url, got, want)
	}
}

// maxIncludes is the greatest number of resources that includes add to a page.
const maxIncludes = 1000

// included are the names of what the matches refer to and are referred to by,
// and so on for includes that iterate.
func (r *run) included(matches []store.Version) []string {
	want, sources := map[string]bool{}, map[string]bool{}
	for _, m := range matches {
		sources[m.Type+"/"+m.ID] = true
	}
	for first := true; len(sources) > 0; first = false {
		found, keys := map[string]bool{}, map[string]string{}
		for name := range sources {
			c := r.byID[name]
			keys[string(search.ReferenceKey(c.Type, c.ID))] = c.Type
			for _, inc := range r.q.Includes {
				if first || inc.Iterate {
					r.follow(inc, c, found)
				}
			}
		}
		for _, inc := range r.q.RevIncludes {
			if first || inc.Iterate {
				r.followBack(inc, keys, found)
			}
		}
		for name := range found {
			if want[name] {
				delete(found, name)
			}
			want[name] = true
		}
		sources = found
	}
	for _, m := range matches {
		delete(want, m.Type+"/"+m.ID)
	}
	return slices.Sorted(maps.Keys(want))
}

// follow adds the existing resources that a match refers to.
func (r *run) follow(inc search.Include, match *search.Candidate, found map[string]bool) {
	for _, e := range match.Entries {
		target, id, ok := search.ParseReferenceKey(e.Key)
		if !ok || inc.Source != match.Type || !slices.Contains(inc.Params, e.Param) || inc.Target != "" && inc.Target != target {
			continue
		}
		if name := target + "/" + id; r.byID[name] != nil {
			found[name] = true
		}
	}
}

// followBack adds the resources that refer to one of those whose reference key
// is given, with its type.
func (r *run) followBack(inc search.Include, keys map[string]string, found map[string]bool) {
	refers := func(e search.Entry) bool {
		target := keys[string(e.Key)]
		return target != "" && slices.Contains(inc.Params, e.Param) && (inc.Target == "" || inc.Target == target) &&
			(len(e.Param.Def.Target) == 0 || slices.Contains(e.Param.Def.Target, target))
	}
	for _, c := range r.byType[inc.Source] {
		if slices.ContainsFunc(c.Entries, refers) {
			found[c.Type+"/"+c.ID] = true
		}
	}
}

// change updates some resources with the content of others of their type, and
// deletes some, so that the index holds what is no longer current.
func (p *population) change(t *testing.T) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 1))
	p.clock.set(1e9, 0)
	gone := map[string]bool{}
	before := p.all
	for _, c := range before {
		switch random.IntN(25) {
		case 0:
			others := p.byType[c.Type]
			body := fhir.NewBody(others[random.IntN(len(others))].Tree.Root(), c.ID)
			// The body alone may hold an empty meta, which is no valid resource.
			src := body.Append(nil, "1", time.Unix(0, 0))
			p.add(t, slices.Values([][]byte{src}))
		case 1:
			gone[c.Type+"/"+c.ID] = true
			op := datastore.Op{Interaction: authz.Delete, Type: c.Type, ID: c.ID}
			if _, err := p.store.Commit(context.Background(), authz.Unrestricted(), []datastore.Op{op}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.all = slices.DeleteFunc(p.all, func(c *search.Candidate) bool { return gone[c.Type+"/"+c.ID] })
	p.finish()
}
