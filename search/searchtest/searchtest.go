// Package searchtest runs search scripts against a backend: text files that
// load resources and say what queries find. Package search runs them against
// its own oracle; a storage backend that runs the same files proves that it
// means the same.
//
// A script is a sequence of blocks, with an empty line after each. A line that
// begins with # is a comment. The data store's base URL is Base.
//
//	caller full                       a caller that renders _summary and the
//	                                  like and follows :iterate; "caller
//	                                  plain", as at the start, ends it
//
//	now 2024-06-01T00:00:00Z          the clock of the prefix ap
//
//	load 2024-01-01T00:00:00Z         resources, one on a line, stored in
//	{"resourceType":"Patient",…}      this order at the given time
//
//	define 1                          custom search parameters of that
//	{"resourceType":"SearchParam…     generation, in place of those with the
//	                                  same URL; "define 1 building" while
//	                                  they cannot be searched. "error: …"
//	                                  instead is what the refusal of the one
//	                                  definition above it must hold
//
//	query Patient?name=peter          a search, and the ids found, in order;
//	p1 p2                             "none" where there are none
//
//	query Patient,Group?_id=1         on several types the ids have their type
//	Patient/1 Group/1
//
//	lenient Patient?nmae=peter        with handling=lenient
//	p1 p2 p3
//	warning: nmae                     what warnings and the self parameters
//	self: _count=2                    must hold
//
//	query Patient?birthdate=x
//	error: is not a date              what the error must hold
package searchtest

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/lookup"
	codes "github.com/tarnhealth/tarn/search/terminology"
	"github.com/tarnhealth/tarn/terminology"
)

// Base is the base URL of the data store that scripts are about.
const Base = "http://tarn.test/r4"

// A Resource is one that a script loads.
type Resource struct {
	Type, ID string
	// Updated is the time at which the script stores it.
	Updated time.Time
	Tree    *fhir.Tree
	Entries []search.Entry
}

// A Backend is what scripts run against. It begins empty.
type Backend interface {
	// Load stores new resources, in order.
	Load(resources []Resource) error
	// Search returns all matches of a plan, in order.
	Search(plan search.Plan) ([]search.Reference, error)
}

// Scripts runs every file *.test in fsys, each against a backend of its own.
func Scripts(t *testing.T, registry *search.Registry, fsys fs.FS, open func(t *testing.T) Backend) {
	t.Helper()
	names, err := fs.Glob(fsys, "*.test")
	if err != nil || len(names) == 0 {
		t.Fatalf("no scripts found: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(path.Base(name), ".test"), func(t *testing.T) {
			data, err := fs.ReadFile(fsys, name)
			if err != nil {
				t.Fatal(err)
			}
			r := runner{t: t, name: name, registry: registry, base: registry, custom: map[string]search.Custom{}, loaded: map[search.Reference]*fhir.Tree{}, updated: map[search.Reference]time.Time{}, backend: open(t), now: time.Now}
			for _, b := range blocks(data) {
				if err := r.run(b); err != nil {
					t.Errorf("%s:%d: %s: %v", name, b.line, b.head, err)
				}
			}
		})
	}
}

// A block is a command and the lines below it.
type block struct {
	line int
	head string
	body []string
}

func blocks(data []byte) []block {
	var all []block
	open := false
	scan := bufio.NewScanner(bytes.NewReader(data))
	scan.Buffer(nil, 1<<20)
	for n := 1; scan.Scan(); n++ {
		line := strings.TrimSpace(scan.Text())
		switch {
		case strings.HasPrefix(line, "#"):
		case line == "":
			open = false
		case open:
			b := &all[len(all)-1]
			b.body = append(b.body, line)
		default:
			all = append(all, block{line: n, head: line})
			open = true
		}
	}
	return all
}

type runner struct {
	t        *testing.T
	name     string
	registry *search.Registry
	backend  Backend
	now      func() time.Time
	// base is the registry without custom parameters, by URL.
	base   *search.Registry
	custom map[string]search.Custom
	// loaded are the resources, by type and id.
	loaded map[search.Reference]*fhir.Tree
	// updated are their times.
	updated map[search.Reference]time.Time
	// full is set for a caller that follows all that a query may ask for.
	full bool
}

func (r *runner) run(b block) error {
	verb, rest, _ := strings.Cut(b.head, " ")
	switch verb {
	case "caller":
		r.full = rest == "full"
		return nil
	case "now":
		now, err := time.Parse(time.RFC3339, rest)
		r.now = func() time.Time { return now }
		return err
	case "load":
		return r.load(rest, b.body)
	case "define":
		return r.define(rest, b.body)
	case "query", "lenient":
		want, err := expectation(b.body)
		if err != nil {
			return err
		}
		return r.query(rest, verb == "lenient", want)
	}
	return fmt.Errorf("unknown command %q", verb)
}

func (r *runner) define(how string, lines []string) error {
	number, building, _ := strings.Cut(how, " ")
	generation, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	var refused error
	for _, line := range lines {
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			if refused == nil || !strings.Contains(refused.Error()+refusedAt(refused), text) {
				return fmt.Errorf("the definition gives the error %v; want %q", refused, text)
			}
			refused = nil
			continue
		}
		if refused != nil {
			return refused
		}
		tree, err := fhir.Parse(r.base.Definitions.Schema, []byte(line), fhir.DefaultLimits)
		if err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		def, err := r.registry.ReadDefinition(tree)
		if refused = err; err != nil {
			continue
		}
		r.custom[def.URL] = search.Custom{Def: def, Generation: generation, Building: building == "building"}
		if err := r.withCustom(); err != nil {
			return err
		}
	}
	return refused
}

// refusedAt are the places of an error's issues.
func refusedAt(err error) string {
	var text strings.Builder
	var e *fhir.Error
	if errors.As(err, &e) {
		for _, issue := range e.Issues {
			text.WriteString("\n" + issue.Expression + ": " + issue.Diagnostics)
		}
	}
	return text.String()
}

// withCustom adds the parameters in order of their URLs, composites last.
func (r *runner) withCustom() error {
	all := slices.SortedFunc(maps.Values(r.custom), func(a, b search.Custom) int {
		return cmp.Or(cmp.Compare(len(a.Def.Component), len(b.Def.Component)), cmp.Compare(a.Def.URL, b.Def.URL))
	})
	var err error
	r.registry, err = r.base.With(all)
	return err
}

func (r *runner) load(at string, lines []string) error {
	updated := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	if at != "" {
		var err error
		if updated, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return err
		}
	}
	resources := make([]Resource, len(lines))
	for i, line := range lines {
		tree, err := fhir.Parse(r.registry.Definitions.Schema, []byte(line), fhir.DefaultLimits)
		if err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		res := Resource{Type: tree.Root().Type().Name, ID: tree.Root().TextOf("id"), Updated: updated, Tree: tree}
		if res.Entries, err = r.registry.Extract(tree, res.ID, Base); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
		resources[i] = res
		ref := search.Reference{Type: res.Type, ID: res.ID}
		r.loaded[ref], r.updated[ref] = tree, updated
	}
	return r.backend.Load(resources)
}

// want is what a script expects of a query.
type want struct {
	found          string
	err            string
	warnings, self []string
}

func expectation(lines []string) (want, error) {
	var w want
	for _, line := range lines {
		key, text, ok := strings.Cut(line, ": ")
		switch {
		case ok && key == "error":
			w.err = text
		case ok && key == "warning":
			w.warnings = append(w.warnings, text)
		case ok && key == "self":
			w.self = append(w.self, text)
		default:
			w.found += " " + line
		}
	}
	if w.found == "" && w.err == "" {
		return w, errors.New(`the script does not say what is found: ids, "none" or "error: …"`)
	}
	w.found = strings.TrimPrefix(w.found, " ")
	return w, nil
}

func (r *runner) query(text string, lenient bool, w want) error {
	types, params, _ := strings.Cut(text, "?")
	pairs, err := search.Pairs(params)
	if err != nil {
		return err
	}
	terms := codes.Source{Service: terminology.New(r.stored)}
	q, err := r.registry.Parse(strings.Split(types, ","), pairs, search.Options{
		Base: Base, Lenient: lenient, Now: r.now, ValueSets: terms.ValueSet, Related: terms.Related,
		Shaping: r.full, Iterate: r.full, Expand: r.full, Rank: r.full, MaxResults: r.full, Contained: r.full,
	})
	if w.err != "" {
		if err == nil {
			return fmt.Errorf("was accepted; want an error with %q", w.err)
		}
		if !strings.Contains(err.Error(), w.err) {
			return fmt.Errorf("the error %q has no %q", err, w.err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if err := r.checkQuery(q, w); err != nil {
		return err
	}
	plan, err := lookup.Expand(q.Plan, finder{r})
	if err != nil {
		return err
	}
	found, err := r.find(q, plan)
	if err != nil {
		return err
	}
	if got := list(found, len(strings.Split(types, ",")) > 1 || q.Contained != search.ContainedFalse); got != w.found {
		return fmt.Errorf("found %s; want %s", got, w.found)
	}
	return nil
}

// find answers a query as a caller does that follows all of it: ordered by
// relevance, cut to the matches asked for, with what is inside resources in
// their place as Type/id#inner.
func (r *runner) find(q *search.Query, plan search.Plan) ([]search.Reference, error) {
	var found []search.Reference
	var err error
	if len(q.Relevance) > 0 {
		var ranked lookup.Ranking
		ranked, err = lookup.Rank(r.registry, q, plan, finder{r}, nil, math.MaxInt32)
		for _, m := range ranked.Matches {
			if m.Score <= 0 || m.Score >= 1 {
				return nil, fmt.Errorf("the score of %s is %v", m.ID, m.Score)
			}
			found = append(found, m.Reference)
		}
	} else {
		found, err = r.backend.Search(plan)
	}
	if q.MaxResults > 0 {
		found = found[:min(q.MaxResults, len(found))]
	}
	if q.ContainedType == search.ContainedAlone && err == nil {
		return r.inside(q, found)
	}
	return found, err
}

// inside puts what is inside the resources found in their place.
func (r *runner) inside(q *search.Query, found []search.Reference) ([]search.Reference, error) {
	var all []search.Reference
	for _, ref := range found {
		c := &search.Candidate{Type: ref.Type, ID: ref.ID, LastUpdated: r.updated[ref], Tree: r.loaded[ref]}
		inside, itself, err := q.InsideMatches(c)
		if err != nil {
			return nil, err
		}
		if itself {
			all = append(all, ref)
		}
		for _, n := range inside {
			all = append(all, search.Reference{Type: ref.Type, ID: ref.ID + "#" + n.TextOf("id")})
		}
	}
	return all, nil
}

// stored finds a resource by its URL or its id.
func (r *runner) stored(resourceType, url string) (*fhir.Tree, error) {
	for ref, tree := range r.loaded {
		if ref.Type == resourceType && (tree.Root().TextOf("url") == url || ref.Type+"/"+ref.ID == url) {
			return tree, nil
		}
	}
	return nil, nil
}

// A finder is the backend as what package lookup looks into.
type finder struct{ *runner }

func (f finder) Count(plan search.Plan) (int, error) {
	found, err := f.backend.Search(plan)
	return len(found), err
}

func (f finder) Find(plan search.Plan) iter.Seq2[*search.Candidate, error] {
	return func(yield func(*search.Candidate, error) bool) {
		found, err := f.backend.Search(plan)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, ref := range found {
			if !yield(&search.Candidate{Type: ref.Type, ID: ref.ID, Tree: f.loaded[ref]}, nil) {
				return
			}
		}
	}
}

func (r *runner) checkQuery(q *search.Query, w want) error {
	var warnings, self strings.Builder
	for _, issue := range q.Warnings {
		fmt.Fprintf(&warnings, "%s: %s\n", issue.Expression, issue.Diagnostics)
	}
	for i, p := range q.Self {
		if i > 0 {
			self.WriteByte('&')
		}
		self.WriteString(url.QueryEscape(p.Name) + "=" + p.Value)
	}
	for _, text := range w.warnings {
		if !strings.Contains(warnings.String(), text) {
			return fmt.Errorf("the warnings %q have no %q", warnings.String(), text)
		}
	}
	for _, text := range w.self {
		if self.String() != text {
			return fmt.Errorf("the self parameters are %q; want %q", self.String(), text)
		}
	}
	return nil
}

func list(found []search.Reference, types bool) string {
	if len(found) == 0 {
		return "none"
	}
	ids := make([]string, len(found))
	for i, f := range found {
		ids[i] = f.ID
		if types {
			ids[i] = f.Type + "/" + f.ID
		}
	}
	return strings.Join(ids, " ")
}

// Memory is a backend over search.Run, the oracle.
func Memory() Backend { return &memory{} }

type memory struct{ all []*search.Candidate }

func (m *memory) Load(resources []Resource) error {
	for _, r := range resources {
		m.all = append(m.all, &search.Candidate{
			Type: r.Type, ID: r.ID, LastUpdated: r.Updated, Entries: r.Entries, Tree: r.Tree,
		})
	}
	return nil
}

func (m *memory) Search(plan search.Plan) ([]search.Reference, error) {
	var found []search.Reference
	for _, c := range search.Run(plan, m.all) {
		found = append(found, search.Reference{Type: c.Type, ID: c.ID})
	}
	return found, nil
}
