package console

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// maxAnswer is how many bytes of an answer are shown.
const maxAnswer = 2 << 20

// A browsePage is the search of a data store.
type browsePage struct {
	ID, Name string
	// Types are those of which there are resources.
	Types       []typeCount
	Type, Query string
	// Asked is set where there is an answer.
	Asked     bool
	Status    int
	URL, JSON string
	// Cut is set where that is not all.
	Cut bool
	// Next is the address of the next page; "" for none.
	Next string
}

// browsed is what may be asked for: a type, a resource, or one of its versions.
var browsed = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}(/[A-Za-z0-9.-]{1,64}(/_history(/[A-Za-z0-9.-]{1,64})?)?)?$`)

// browse is GET /console/stores/{id}/browse: a search or read over the FHIR API,
// with the caller's own access.
func (s *Console) browse(w http.ResponseWriter, r *http.Request, c *caller) error {
	record, err := s.store(r)
	if err != nil {
		return err
	}
	if s.cfg.FHIR == nil {
		return fhir.Errorf(fhir.KindNotFound, "data stores cannot be searched from here")
	}
	line := s.describe(record)
	body := browsePage{ID: record.ID, Name: cmp.Or(record.Name, record.ID), Types: line.Types}
	q := r.URL.Query()
	body.Type, body.Query = strings.Trim(q.Get("type"), " /"), strings.TrimPrefix(strings.TrimSpace(q.Get("q")), "?")
	if body.Type == "" {
		s.show(w, r, c, http.StatusOK, "browse", "stores", body)
		return nil
	}
	if err := s.ask(r, c, line.Base, &body); err != nil {
		status, option := s.problems(r, "", err)
		s.show(w, r, c, status, "browse", "stores", body, option)
		return nil
	}
	s.show(w, r, c, http.StatusOK, "browse", "stores", body)
	return nil
}

// ask sends the request of a page to the FHIR API, and fills in the answer.
func (s *Console) ask(r *http.Request, c *caller, base string, body *browsePage) error {
	if !browsed.MatchString(body.Type) {
		return fhir.Errorf(fhir.KindInvalid, "%.64q is neither a resource type nor a resource; write Patient, or Patient/ID", body.Type)
	}
	q, err := url.ParseQuery(body.Query)
	if err != nil {
		return fhir.Errorf(fhir.KindInvalid, "the query cannot be read: %v", err)
	}
	for _, name := range []string{"_format", "_pretty"} { // it is shown as JSON
		q.Del(name)
	}
	body.URL = base + "/" + body.Type
	if len(q) > 0 {
		body.URL += "?" + q.Encode()
	}
	sent, err := http.NewRequestWithContext(r.Context(), http.MethodGet, body.URL, http.NoBody)
	if err != nil {
		return err
	}
	sent.RemoteAddr, sent.RequestURI = r.RemoteAddr, sent.URL.RequestURI()
	sent.Header.Set("Accept", "application/fhir+json")
	for _, name := range []string{"X-Forwarded-For", "Forwarded"} { // who asks is recorded
		if value := r.Header.Values(name); len(value) > 0 {
			sent.Header[name] = value
		}
	}
	answer := &shortAnswer{header: http.Header{}, status: http.StatusOK}
	s.cfg.FHIR(c.user).ServeHTTP(answer, sent)
	body.Asked, body.Status, body.Cut = true, answer.status, answer.cut
	body.fill(base, answer.body.Bytes())
	return nil
}

// fill shows an answer with indents, and finds the page after it.
func (b *browsePage) fill(base string, answer []byte) {
	var indented bytes.Buffer
	if b.Cut || json.Indent(&indented, answer, "", "  ") != nil {
		b.JSON = strings.ToValidUTF8(string(answer), "\uFFFD")
		return
	}
	b.JSON = indented.String()
	var bundle struct {
		Link []struct{ Relation, URL string }
	}
	if json.Unmarshal(answer, &bundle) != nil {
		return
	}
	for _, link := range bundle.Link {
		rest, ok := strings.CutPrefix(link.URL, base+"/")
		if kind, query, _ := strings.Cut(rest, "?"); ok && link.Relation == "next" && browsed.MatchString(kind) {
			b.Next = storePath(b.ID) + "/browse?" + url.Values{"type": {kind}, "q": {query}}.Encode()
		}
	}
}

// A shortAnswer keeps the beginning of an answer.
type shortAnswer struct {
	header http.Header
	status int
	body   bytes.Buffer
	cut    bool
}

func (a *shortAnswer) Header() http.Header    { return a.header }
func (a *shortAnswer) WriteHeader(status int) { a.status = status }
func (a *shortAnswer) Write(b []byte) (int, error) {
	keep := b
	if left := maxAnswer - a.body.Len(); len(keep) > left {
		keep, a.cut = keep[:left], true
	}
	a.body.Write(keep)
	return len(b), nil
}
