package rest

import (
	"encoding/binary"
	"errors"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// history answers GET …/_history of a resource, a type or the data store:
// every version, newest first. http://hl7.org/fhir/R4/http.html#history
func history(w http.ResponseWriter, r *request) error {
	if r.level == levelInstanceHistory && !fhir.ValidID(r.id) {
		return r.noSuchID()
	}
	p, err := r.parseHistory()
	if err != nil {
		return err
	}
	view, done, err := r.openView(0)
	if err != nil {
		return err
	}
	defer done()
	read := view.HistoryPage
	if p.oldestFirst {
		read = view.History // its last versions come first
	}
	versions, err := read(r.ctx, p.query)
	if err != nil {
		return err
	}
	if p.at != nil {
		versions = p.currentAt(view, versions)
	}
	if p.oldestFirst {
		versions = p.reversed(view, versions)
	}
	return p.write(w, versions)
}

// A historyPage is one page of a history in the making.
type historyPage struct {
	r     *request
	path  string
	query store.History
	count int
	at    *period // of _at
	// oldestFirst is set by _sort=_lastUpdated; the page then begins after.
	oldestFirst bool
	after       store.T
	shape       *shape
	self        []search.Pair
	token       string
	place       pageToken
}

// parseHistory reads the parameters of a history: _count, _since, _at, _sort, and
// those that shape resources.
func (r *request) parseHistory() (*historyPage, error) {
	p := &historyPage{r: r, count: search.DefaultCount, query: store.History{Type: r.resourceType, ID: r.id}}
	p.path = strings.TrimPrefix(r.resourceType+"/"+r.id+"/_history", "/")
	p.path = strings.TrimPrefix(strings.ReplaceAll(p.path, "//", "/"), "/")
	pairs, token := takePage(without(r.query, "_format", "_pretty"))
	for _, pair := range pairs {
		known, err := p.parameter(pair)
		if err != nil {
			return nil, err
		}
		if known {
			p.self = append(p.self, pair)
		}
	}
	var err error
	if p.shape, err = r.shape(r.types()...); err != nil || token == "" {
		return p, err
	}
	t, err := parseToken(r.cursors(), token, pageOfHistory, p.identity())
	p.token, p.place = token, t
	if at := t.cursor(); p.oldestFirst {
		p.after = cursorTime(at)
	} else {
		p.query.Before = cursorTime(at)
	}
	return p, err
}

func (p *historyPage) identity() string { return p.path + "?" + encodeQuery(p.self) }

func (p *historyPage) parameter(pair search.Pair) (known bool, err error) {
	switch pair.Name {
	case "_count":
		n, err := strconv.Atoi(pair.Value)
		if err != nil || n < 0 {
			return false, invalidParameter("_count", "%q is not a number of entries, 0 or more", pair.Value)
		}
		p.count = min(n, search.MaxCount)
	case "_since":
		when, err := parsePeriod(pair)
		if err != nil {
			return false, err
		}
		p.query.Since = when.from
	case "_at":
		when, err := parsePeriod(pair)
		if err != nil {
			return false, err
		}
		p.at, p.query.Until = &when, when.last
	case "_sort":
		switch pair.Value {
		case "_lastUpdated":
			p.oldestFirst = true
		case "-_lastUpdated", "none":
		default:
			return false, invalidParameter("_sort", "a history is sorted by _lastUpdated or -_lastUpdated, not by %q", pair.Value)
		}
	case "_summary", "_elements": // for request.shape
	default:
		if p.r.prefer.lenient {
			return false, nil
		}
		return false, invalidParameter(pair.Name, "a history has no such parameter; it has _count, _since, _at, _sort, _summary and _elements")
	}
	return true, nil
}

// write writes one page. The page is found to be the last only when there is
// no version after it, so links come after the entries.
func (p *historyPage) write(w http.ResponseWriter, versions iter.Seq2[store.Version, error]) error {
	b := p.r.newBundle(w, "history")
	defer b.free()
	more := false
	var last store.T
	for v, err := range versions {
		if errors.Is(err, datastore.ErrHistoryCut) {
			more, last = p.count > 0, v.T
			break
		}
		if err != nil {
			return err
		}
		if b.entries == p.count {
			more = p.count > 0
			break
		}
		last = v.T
		if err := b.historyEntry(&v, p.shape); err != nil {
			return err
		}
	}
	b.endEntries()
	b.links(p.links(more, last)...)
	return b.close()
}

func (p *historyPage) links(more bool, last store.T) []bundleLink {
	form := p.r.formPairs()
	page := func(token string) string {
		pairs := form
		if token != "" {
			pairs = append(form[:len(form):len(form)], search.Pair{Name: pageParam, Value: token})
		}
		return p.r.link(p.path, p.self, pairs...)
	}
	var next []byte
	if more {
		next = binary.BigEndian.AppendUint64(nil, uint64(last)) // as long for every time
	}
	here := p.place
	here.kind = pageOfHistory
	return p.r.pageLinks(here, p.token, next, p.identity(), page)
}

// cursorTime is the time at which a page of a history begins, 0 for the first.
func cursorTime(cursor []byte) store.T {
	if len(cursor) != 8 {
		return 0
	}
	return store.T(binary.BigEndian.Uint64(cursor))
}

// historyEntry writes one version with the request that made it.
func (b *bundleWriter) historyEntry(v *store.Version, s *shape) error {
	b.beginEntry()
	b.fullURL(v)
	if !v.Deleted() {
		if err := b.resource(v, s); err != nil {
			return err
		}
		b.buf = append(b.buf, ',')
	}
	method, url, status := madeBy(v)
	b.buf = append(b.buf, `"request":{"method":"`...)
	b.buf = append(b.buf, method...)
	b.buf = append(b.buf, `","url":"`...)
	b.buf = append(b.buf, url...)
	b.buf = append(b.buf, `"},"response":{"status":"`...)
	b.buf = append(b.buf, statusLine(status)...)
	b.buf = append(b.buf, `","etag":"W/\"`...)
	b.buf = append(b.buf, versionID(v)...)
	b.buf = append(b.buf, `\"","lastModified":`...)
	b.buf = appendInstant(b.buf, v.LastUpdated)
	b.buf = append(b.buf, '}')
	return b.endEntry()
}

// madeBy is the interaction that made a version.
func madeBy(v *store.Version) (method, url string, status int) {
	switch {
	case v.Op == store.OpDelete:
		return http.MethodDelete, v.Type + "/" + v.ID, http.StatusNoContent
	case v.Op == store.OpCreate:
		return http.MethodPost, v.Type, http.StatusCreated
	case v.Number == 1:
		return http.MethodPut, v.Type + "/" + v.ID, http.StatusCreated
	}
	return http.MethodPut, v.Type + "/" + v.ID, http.StatusOK
}

func statusLine(status int) string {
	return strconv.Itoa(status) + " " + http.StatusText(status)
}

// currentAt leaves the versions that were current at some time in the period
// of _at: those written in it, and of those written before it the newest of
// each resource, where it is no deletion.
func (p *historyPage) currentAt(view *datastore.View, versions iter.Seq2[store.Version, error]) iter.Seq2[store.Version, error] {
	return func(yield func(store.Version, error) bool) {
		for v, err := range versions {
			if err == nil && v.LastUpdated.Before(p.at.from) {
				if v.Deleted() {
					continue
				}
				var newest bool
				if newest, err = p.newestBefore(view, &v); err == nil && !newest {
					continue
				}
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// newestBefore reports whether v is the last version of its resource that was
// written up to the beginning of the period.
func (p *historyPage) newestBefore(view *datastore.View, v *store.Version) (bool, error) {
	older, err := view.History(p.r.ctx, store.History{Type: v.Type, ID: v.ID, Until: p.at.from})
	if err != nil {
		return false, err
	}
	for first, err := range older {
		return first.Number == v.Number, err
	}
	return false, nil
}

// A period is the time that a date or instant stands for: all of 2020-01 from
// its first to its last instant, both included.
type period struct{ from, last time.Time }

// periodLayouts are the precisions of a dateTime, each with the step to the
// next value of that precision.
var periodLayouts = []struct {
	layout string
	next   func(time.Time) time.Time
}{
	{time.RFC3339Nano, func(t time.Time) time.Time { return t.Add(precisionOf(t)) }},
	{"2006-01-02T15:04Z07:00", func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02", func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
}

func precisionOf(t time.Time) time.Duration {
	if t.Nanosecond() == 0 {
		return time.Second
	}
	return time.Millisecond
}

// parsePeriod reads the value of _since or _at. http://hl7.org/fhir/R4/datatypes.html#dateTime
func parsePeriod(pair search.Pair) (period, error) {
	// A '+' of a time zone that was not percent-encoded has become a space.
	text := strings.ReplaceAll(pair.Value, " ", "+")
	for _, l := range periodLayouts {
		if t, err := time.Parse(l.layout, text); err == nil {
			return period{t, l.next(t).Add(-time.Nanosecond)}, nil
		}
	}
	return period{}, invalidParameter(pair.Name, "%q is not an instant, such as 2026-01-31T12:00:00Z", pair.Value)
}
