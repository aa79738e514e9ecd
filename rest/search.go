package rest

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// searchType answers GET [base]/[type]?… and POST [base]/[type]/_search.
// http://hl7.org/fhir/R4/http.html#search
func searchType(w http.ResponseWriter, r *request) error {
	pairs, err := r.searchPairs()
	if err != nil {
		return err
	}
	return r.search(w, []string{r.resourceType}, pairs)
}

// searchSystem answers GET [base]?… and POST [base]/_search: a search of all
// resource types, or of those that _type names.
// http://hl7.org/fhir/R4/search.html#searching
func searchSystem(w http.ResponseWriter, r *request) error {
	pairs, err := r.searchPairs()
	if err != nil {
		return err
	}
	return r.search(w, r.types(), pairs)
}

// types are the resource types that the URL stands for.
func (r *request) types() []string {
	if r.resourceType != "" {
		return []string{r.resourceType}
	}
	var types []string
	for _, t := range r.store.Definitions().Schema.Types {
		if t.Kind == fhir.KindResource {
			types = append(types, t.Name)
		}
	}
	return types
}

func invalidParameter(name, message string, args ...any) error {
	return fhir.Errorf(fhir.KindInvalid, name+": "+message, args...).At("http." + name)
}

// searchPairs are the parameters of the URL and, for POST, those of the form
// after them.
func (r *request) searchPairs() ([]search.Pair, error) {
	pairs := r.query
	if r.method == http.MethodPost && r.http.ContentLength != 0 {
		if err := requireForm(r.header.Get("Content-Type")); err != nil {
			return nil, err
		}
		body, err := r.readBody()
		if err != nil {
			return nil, err
		}
		form, err := search.Pairs(string(body))
		if err == nil {
			err = r.bringAsked(form...)
		}
		if err != nil {
			return nil, err
		}
		pairs = append(slices.Clip(pairs), form...)
	}
	return without(pairs, "_format", "_pretty"), nil
}

// search answers with one page of a search.
func (r *request) search(w http.ResponseWriter, types []string, pairs []search.Pair) error {
	return r.searchWithin(w, types, pairs, r.resourceType, nil)
}

// parseSearch reads a query as the caller may make it.
func (r *request) parseSearch(types []string, pairs []search.Pair, opt search.Options) (*search.Query, error) {
	return r.store.Query(r.ctx, r.access, types, pairs, opt)
}

// searchWithin is a search at another path, of which narrow, where not nil,
// adds a condition for each resource type.
func (r *request) searchWithin(w http.ResponseWriter, types []string, pairs []search.Pair, path string, narrow func(resourceType string) search.Node) error {
	p := &searchPage{r: r, path: path}
	var token string
	var err error
	pairs, token = takePage(pairs)
	if pairs, p.explained, err = r.takeExplain(pairs); err != nil {
		return err
	}
	p.query, err = r.parseSearch(types, pairs, search.Options{Lenient: r.prefer.lenient, Shaping: true, Iterate: true, Rank: true, MaxResults: true, Contained: true})
	if err != nil {
		return err
	}
	if narrow != nil {
		narrowPlan(&p.query.Plan, narrow)
	}
	p.shape = shapeOf(p.query)
	if err := p.start(token); err != nil {
		return err
	}
	view, done, err := r.openView(p.t)
	if err != nil {
		return err
	}
	defer done()
	if types := view.LeftOut(p.query); len(types) > 0 && len(types) < len(p.query.Plan.Parts) && slices.ContainsFunc(pairs, func(q search.Pair) bool { return q.Name == "_type" }) {
		p.query.Warnings = append(p.query.Warnings, leftOut(strings.Join(types, ", ")))
	}
	return p.write(w, view)
}

// A searchPage is one page of a search in the making.
type searchPage struct {
	r     *request
	path  string // below the base URL
	query *search.Query
	shape *shape
	token string // "" for the first page
	t     store.T
	place pageToken
	// explained asks for the steps of the search.
	explained bool
	// scores are those of the matches, where they are ordered by relevance.
	scores []float64
}

// start finds where the page begins.
func (p *searchPage) start(token string) error {
	p.token = token
	if token == "" {
		return nil
	}
	t, err := parseToken(p.r.cursors(), token, pageOfSearch, p.identity())
	p.t, p.place = t.t, t
	return err
}

// identity names the search that a page token belongs to.
func (p *searchPage) identity() string {
	return p.path + "?" + encodeQuery(p.query.Self)
}

func (p *searchPage) write(w http.ResponseWriter, view *datastore.View) error {
	if p.query.Count == 0 {
		return p.writeCount(w, view)
	}
	page := store.Page{After: p.place.cursor(), Limit: p.limit(), Total: p.query.Total != search.TotalNone, Explain: p.explained}
	result, err := p.find(view, page)
	if err != nil {
		return err
	}
	b := p.r.newBundle(w, "searchset")
	defer b.free()
	if result.Total >= 0 && page.Total {
		b.total(p.atMost(result.Total))
	}
	if p.place.number*p.query.Count+page.Limit == p.query.MaxResults {
		result.Next = nil
	}
	b.links(p.links(view.T(), result.Next)...)
	if err := p.explain(b, result); err != nil {
		return err
	}
	if err := p.entries(b, view, result); err != nil {
		return err
	}
	b.endEntries()
	return b.close()
}

// limit is how many matches the page has at most: less than _count where
// _maxresults ends in it. All pages before are full.
func (p *searchPage) limit() int {
	if p.query.MaxResults == 0 {
		return p.query.Count
	}
	return min(p.query.Count, p.query.MaxResults-p.place.number*p.query.Count)
}

// atMost is a total, held to _maxresults.
func (p *searchPage) atMost(total int) int {
	if p.query.MaxResults == 0 {
		return total
	}
	return min(total, p.query.MaxResults)
}

// writeCount answers _count=0: the total alone.
func (p *searchPage) writeCount(w http.ResponseWriter, view *datastore.View) error {
	result, err := p.count(view)
	if err != nil {
		return err
	}
	b := p.r.newBundle(w, "searchset")
	defer b.free()
	b.total(p.atMost(result.Total))
	b.links(p.links(0, nil)...)
	if err := p.explain(b, result); err != nil {
		return err
	}
	if len(p.query.Warnings) > 0 {
		if err := b.outcomeEntry(p.query.Warnings); err != nil {
			return err
		}
	}
	b.endEntries()
	return b.close()
}

// count finds the total, by a search where that is to be explained.
func (p *searchPage) count(view *datastore.View) (store.Result, error) {
	if p.explained {
		return view.Search(p.r.ctx, p.query, store.Page{Total: true, Explain: true})
	}
	n, err := view.Count(p.r.ctx, p.query)
	return store.Result{Total: n}, err
}

func (p *searchPage) links(t store.T, next []byte) []bundleLink {
	form := p.r.formPairs()
	at := func(token string) string {
		if token == "" {
			return p.r.link(p.path, p.query.Self, form...)
		}
		return p.r.link(p.path, p.query.Self, append(form[:len(form):len(form)], search.Pair{Name: pageParam, Value: token})...)
	}
	here := p.place
	here.kind, here.t = pageOfSearch, t
	return p.r.pageLinks(here, p.token, next, p.identity(), at)
}

// entries writes the matches as they are read, then what they include, then
// the warnings.
func (p *searchPage) entries(b *bundleWriter, view *datastore.View, result store.Result) error {
	including := len(p.query.Includes)+len(p.query.RevIncludes) > 0
	var matches []store.Version
	for v, err := range result.Matches {
		if err != nil {
			return err
		}
		if including {
			matches = append(matches, v)
		}
		if err := p.match(b, &v); err != nil {
			return err
		}
	}
	warnings := p.query.Warnings
	if len(matches) > 0 {
		whole, err := p.includes(b, view, matches)
		if err != nil {
			return err
		}
		if !whole {
			warnings = append(slices.Clip(warnings), includesCut)
		}
	}
	if len(warnings) > 0 {
		return b.outcomeEntry(warnings)
	}
	return nil
}

// match writes what the answer shows of a match.
func (p *searchPage) match(b *bundleWriter, v *store.Version) error {
	switch {
	case p.query.ContainedType == search.ContainedAlone:
		return p.insideEntries(b, v)
	case len(p.scores) > 0:
		score := p.scores[0]
		p.scores = p.scores[1:]
		return b.scoredEntry(v, score, p.shape)
	}
	return b.searchEntry(v, "match", p.shape)
}

// includesCut is the warning of a page whose includes are not complete.
var includesCut = fhir.Issue{
	Severity: fhir.SeverityWarning, Code: "incomplete",
	Diagnostics: "the includes of this page end here: there are more than one page may have; ask for fewer matches on a page (_count) or for fewer includes",
}

// includes writes what the matches include, and reports whether that is all
// of it.
func (p *searchPage) includes(b *bundleWriter, view *datastore.View, matches []store.Version) (whole bool, err error) {
	shape := p.shape.included()
	for v, err := range view.Include(p.r.ctx, p.query, matches) {
		switch {
		case errors.Is(err, datastore.ErrIncludesCut):
			return false, nil
		case err != nil:
			return false, err
		}
		if err := b.searchEntry(&v, "include", shape); err != nil {
			return false, err
		}
	}
	return true, nil
}
