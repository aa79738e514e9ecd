package load

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// A request is what one entry of a Bundle asks for.
type request struct {
	method, url string
	typ, id     string
	line        int
	ifNoneExist bool
	// packed is set where the Bundle is of our own making, so that its
	// locations mean nothing to a reader.
	packed bool
}

// locate puts the place of a request into a rejection.
func (q *request) locate(x *Rejection, entry int) {
	x.Resource, x.Line = q.name(), q.line
	if !q.packed {
		x.Entry = &entry
		return
	}
	x.Reason = packedPlace.ReplaceAllString(x.Reason, q.typ)
}

// packedPlace matches where a resource lies in a batch of our own.
var packedPlace = regexp.MustCompile(`Bundle\.entry\[\d+\](\.resource)?`)

func (q *request) name() string {
	if q.id == "" {
		return q.typ
	}
	return q.typ + "/" + q.id
}

// requestsOf reads the requests of a Bundle.
func requestsOf(bundle []byte) ([]request, error) {
	var b struct {
		Entry []struct {
			Resource struct {
				ResourceType string          `json:"resourceType"`
				ID           json.RawMessage `json:"id"`
			} `json:"resource"`
			Request struct {
				Method      string `json:"method"`
				URL         string `json:"url"`
				IfNoneExist string `json:"ifNoneExist"`
			} `json:"request"`
		} `json:"entry"`
	}
	if err := json.Unmarshal(bundle, &b); err != nil {
		return nil, fmt.Errorf("not a FHIR Bundle: %w", err)
	}
	requests := make([]request, len(b.Entry))
	for i, e := range b.Entry {
		q := &requests[i]
		q.method, q.url, q.typ, q.ifNoneExist = e.Request.Method, e.Request.URL, e.Resource.ResourceType, e.Request.IfNoneExist != ""
		_ = json.Unmarshal(e.Resource.ID, &q.id) // only for reports
		if q.typ == "" {
			q.typ, _, _ = strings.Cut(strings.TrimPrefix(q.url, "/"), "/")
			q.typ, _, _ = strings.Cut(q.typ, "?")
		}
	}
	return requests, nil
}

func requestsFor(resources []resource) []request {
	requests := make([]request, len(resources))
	for i := range resources {
		s := &resources[i]
		requests[i] = request{method: s.method(), url: s.url(), typ: s.typ, id: s.id, line: s.line, packed: true}
	}
	return requests
}

// repeatable reports whether a Bundle may be sent twice without making
// resources twice.
func repeatable(requests []request) bool {
	for i := range requests {
		if requests[i].method == http.MethodPost && !requests[i].ifNoneExist {
			return false
		}
	}
	return true
}

// outcome is what a client reads of an OperationOutcome.
// http://hl7.org/fhir/R4/operationoutcome.html
type outcome struct {
	ResourceType string
	Issue        []struct {
		Severity    string
		Code        string
		Details     struct{ Text string }
		Diagnostics string
		Expression  []string
	}
}

// reasons are the issues of an outcome that are errors, as text, with the
// Bundle entry that each is about, or -1.
func (o *outcome) reasons() (texts []string, entries []int) {
	for _, issue := range o.Issue {
		if issue.Severity == "warning" || issue.Severity == "information" {
			continue
		}
		text := issue.Diagnostics
		if text == "" {
			text = issue.Details.Text
		}
		if text == "" {
			text = issue.Code
		}
		where := strings.Join(issue.Expression, ", ")
		if where != "" {
			text = where + ": " + text
		}
		texts = append(texts, text)
		entries = append(entries, entryOf(where))
	}
	return texts, entries
}

var entryPattern = regexp.MustCompile(`^Bundle\.entry\[(\d+)\]`)

func entryOf(expression string) int {
	m := entryPattern.FindStringSubmatch(expression)
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return -1
	}
	return n
}

// refusals are the reasons why a server refused a whole Bundle.
func refusals(f *file, a answer, requests []request) []Rejection {
	var o outcome
	_ = json.Unmarshal(a.body, &o) // anything else is quoted below
	texts, entries := o.reasons()
	if len(texts) == 0 {
		texts, entries = []string{firstReason(a)}, []int{-1}
	}
	list := make([]Rejection, len(texts))
	for i := range texts {
		r := Rejection{File: f.path, Status: a.status, Reason: texts[i], entry: -1}
		if at := entries[i]; at >= 0 && at < len(requests) {
			r.entry = at
			requests[at].locate(&r, at)
		} else if len(requests) == 1 {
			requests[0].locate(&r, 0)
		}
		list[i] = r
	}
	return list
}

// firstReason is an answer in one line.
func firstReason(a answer) string {
	var o outcome
	if json.Unmarshal(a.body, &o) == nil {
		if texts, _ := o.reasons(); len(texts) > 0 {
			return texts[0]
		}
	}
	text := strings.Join(strings.Fields(string(a.body)), " ")
	if len(text) > 200 {
		text = text[:200] + "…"
	}
	if text == "" {
		text = http.StatusText(a.status)
	}
	return text
}

// responses reads a batch-response or transaction-response.
type responses struct {
	ResourceType string
	Entry        []struct {
		Response struct {
			Status   string
			Location string
			Outcome  outcome
		}
	}
}
