package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// statsOperation is Observation/$stats: statistics of somebody's measurements,
// as an Observation for each code. Values of components count under the
// component's code, those of a panel's members under the member's.
// http://hl7.org/fhir/R4/observation-operation-stats.html
func statsOperation() operation {
	return operation{
		code: "stats", on: []string{"Observation"}, levels: []level{levelType},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			q, err := r.readStats(in)
			if err != nil {
				return err
			}
			view, done, err := r.openView(0)
			if err != nil {
				return err
			}
			defer done()
			c := &collecting{stats: q, groups: map[string]*statsGroup{}}
			err = r.eachMatch(view, q.query, func(v store.Version, tree *fhir.Tree) error {
				if q.include && len(c.shown) < q.limit {
					c.shown = append(c.shown, v)
				}
				members, err := r.members(view, tree.Root())
				if err != nil {
					return err
				}
				return c.add(tree.Root(), members)
			})
			if err != nil {
				return err
			}
			return r.writeStats(w, c)
		},
	}
}

// A statsQuery is what a call of $stats asks for.
type statsQuery struct {
	subject    string
	codings    []string // system|code
	start, end string
	statistics []string
	include    bool
	limit      int
	query      *search.Query
}

// statsMost is how many observations one call looks through, and how many it
// may give back.
const (
	statsMost  = 100_000
	statsShown = 1000
)

// readStats reads the parameters.
func (r *request) readStats(in *arguments) (*statsQuery, error) {
	if err := in.only("subject", "code", "system", "coding", "duration", "period", "statistic", "include", "limit"); err != nil {
		return nil, err
	}
	q := &statsQuery{subject: in.text("subject"), statistics: in.texts("statistic")}
	if q.subject == "" {
		return nil, fhir.Errorf(fhir.KindInvalid, "$stats needs the parameter subject, such as Patient/123").At("http.subject")
	}
	if err := q.readCodings(in); err != nil {
		return nil, err
	}
	if err := q.readTime(in, r.h.Now()); err != nil {
		return nil, err
	}
	if err := q.readStatistics(); err != nil {
		return nil, err
	}
	var err error
	if q.include, err = in.flag("include"); err != nil {
		return nil, err
	}
	if q.limit = statsShown; q.include {
		if q.limit, err = in.number("limit", statsShown, statsShown); err != nil {
			return nil, err
		}
	}
	pairs := []search.Pair{{Name: "subject", Value: q.subject}, {Name: "combo-code", Value: strings.Join(q.codings, ",")},
		{Name: "status:not", Value: "entered-in-error"}, {Name: "_sort", Value: "-date"}}
	if q.start != "" {
		pairs = append(pairs, search.Pair{Name: "date", Value: "ge" + q.start})
	}
	if q.end != "" {
		pairs = append(pairs, search.Pair{Name: "date", Value: "le" + q.end})
	}
	q.query, err = r.parseSearch([]string{"Observation"}, pairs, search.Options{})
	return q, err
}

// readCodings reads code with system, and coding.
func (q *statsQuery) readCodings(in *arguments) error {
	system := in.text("system")
	add := func(system, code string) {
		token := search.EscapeValue(code)
		if system != "" {
			token = search.EscapeValue(system) + "|" + token
		}
		q.codings = append(q.codings, token)
	}
	for _, code := range in.texts("code") {
		add(system, code)
	}
	for p := range in.parameters.Each("parameter") {
		if p.TextOf("name") == "coding" {
			add(p.Child("value").TextOf("system"), p.Child("value").TextOf("code"))
		}
	}
	if len(q.codings) == 0 {
		return fhir.Errorf(fhir.KindInvalid, "$stats needs the parameters code and system, or coding").At("http.code")
	}
	return nil
}

// readTime reads duration or period.
func (q *statsQuery) readTime(in *arguments, now time.Time) error {
	period := in.node("period").Child("value")
	q.start, q.end = period.TextOf("start"), period.TextOf("end")
	text := in.text("duration")
	if text == "" {
		return nil
	}
	hours, err := strconv.ParseFloat(text, 64)
	if err != nil || !(hours > 0 && hours < 1e6) {
		return invalidParameter("duration", "%q is not a number of hours, more than 0", text)
	}
	if period.Exists() {
		return invalidParameter("duration", "give duration or period, not both")
	}
	q.start = now.Add(-time.Duration(hours * float64(time.Hour))).UTC().Format(fhir.TimeLayout)
	q.end = now.UTC().Format(fhir.TimeLayout)
	return nil
}

// regression is the statistic that is not one number.
const regression = "regression"

func (q *statsQuery) readStatistics() error {
	// The operation's own definition abbreviates two of the codes.
	abbreviated := map[string]string{"max": "maximum", "min": "minimum"}
	var codes []string
	for code := range statistics {
		codes = append(codes, code)
	}
	codes = append(codes, regression)
	slices.Sort(codes)
	for i, code := range q.statistics {
		if long := abbreviated[code]; long != "" {
			q.statistics[i] = long
		} else if !slices.Contains(codes, code) {
			return invalidParameter("statistic", "%q is not among %s", code, strings.Join(codes, ", "))
		}
	}
	if len(q.statistics) == 0 {
		return fhir.Errorf(fhir.KindInvalid, "$stats needs the parameter statistic, once or more: %s", strings.Join(codes, ", ")).At("http.statistic")
	}
	return nil
}

// eachMatch calls fn with the matches of a search, of which there may be
// statsMost.
func (r *request) eachMatch(view *datastore.View, query *search.Query, fn func(store.Version, *fhir.Tree) error) error {
	page := store.Page{Limit: search.MaxCount}
	for looked := 0; ; looked += page.Limit {
		if looked >= statsMost {
			return fhir.Errorf(fhir.KindTooCostly, "%s looks through %d resources at most; narrow the request, for example by date", r.interaction, statsMost)
		}
		result, err := view.Search(r.ctx, query, page)
		if err != nil {
			return err
		}
		for v, err := range result.Matches {
			if err != nil {
				return err
			}
			tree, err := r.store.Read(v)
			if err == nil {
				err = fn(v, tree)
			}
			if err != nil {
				return err
			}
		}
		if page.After = result.Next; page.After == nil {
			return nil
		}
	}
}

// members are the observations that a panel's hasMember names.
func (r *request) members(view *datastore.View, panel fhir.Node) ([]*fhir.Tree, error) {
	var all []*fhir.Tree
	for m := range panel.Each("hasMember") {
		for _, ref := range r.references(m) {
			if ref.Type != "Observation" {
				continue
			}
			v, ok, err := r.readReferred(view, ref)
			if err != nil || !ok {
				return all, err
			}
			tree, err := r.store.Read(v)
			if err != nil {
				return nil, err
			}
			all = append(all, tree)
		}
	}
	return all, nil
}
