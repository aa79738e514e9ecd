package rest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest"
)

// memory is a Recorder that keeps what it is given.
type memory struct {
	mu   sync.Mutex
	all  []audit.Record
	fail error
	// before is called before a record is taken.
	before func()
}

func (m *memory) Append(records ...audit.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before != nil {
		m.before()
	}
	if m.fail == nil {
		m.all = append(m.all, records...)
	}
	return m.fail
}

// take returns what was recorded since, a line each.
func (m *memory) take() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	for _, r := range m.all {
		fmt.Fprintf(&b, "%s %d", r.Action, r.Status)
		if r.Entry > 0 {
			fmt.Fprintf(&b, " entry %d", r.Entry)
		}
		for _, e := range r.Entities {
			b.WriteString(" " + e)
		}
		if len(r.Patients) > 0 {
			fmt.Fprintf(&b, " of %s", strings.Join(r.Patients, ","))
		}
		if r.Query != "" {
			fmt.Fprintf(&b, " by %q", r.Query)
		}
		if r.Detail != "" {
			fmt.Fprintf(&b, " (%s)", r.Detail)
		}
		b.WriteString("\n")
	}
	m.all = nil
	return b.String()
}

func auditedServer(t testing.TB, m *memory, changes ...func(*rest.Options)) (*server, string) {
	s := openServer(t, vfs.NewMem(), &clock{}, append(changes, func(o *rest.Options) { o.Audit = &rest.Audit{Log: m} })...)
	store := s.create(t, "audited")
	return s, s.url + strings.TrimPrefix(store.Base(), "http://example.org")
}

// exchange sends "METHOD path\nheader: value\n\nbody".
func exchange(t testing.TB, base, text string) (*http.Response, string) {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	req, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(got)
}

const observationOf1 = `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"},"performer":[{"reference" : "Patient\/2"}]}`

func TestEveryRequestIsRecorded(t *testing.T) {
	m := &memory{}
	_, base := auditedServer(t, m)
	for _, c := range []struct{ ask, want string }{
		{"PUT /Patient/1\n\n" + `{"resourceType":"Patient","id":"1"}`, "update 201 Patient/1/_history/1 of 1\n"},
		{"PUT /Patient/2\nPrefer: return=minimal\n\n" + `{"resourceType":"Patient","id":"2"}`, "update 201 Patient/2/_history/1 of 2\n"},
		{"PUT /Observation/o\nPrefer: return=minimal\n\n" + observationOf1, "update 201 Observation/o/_history/1 of 1,2\n"},
		{"GET /Observation/o", "read 200 Observation/o/_history/1 of 1,2\n"},
		{"GET /Observation/o\nAccept: application/fhir+xml", "read 200 Observation/o/_history/1 of 1,2\n"},
		{"GET /Observation/o/_history/1", "vread 200 Observation/o/_history/1 of 1,2\n"},
		{"GET /Observation/o?_elements=status", "read 200 Observation/o/_history/1 by \"Observation/o?_elements=status\"\n"},
		{"GET /Patient", "search-type 200 of 1,2 by \"Patient\"\n"},
		{"GET /Patient?_id=2", "search-type 200 of 2 by \"Patient?_id=2\"\n"},
		{"GET /Patient?_id=none", "search-type 200 by \"Patient?_id=none\"\n"},
		{"GET /Patient?_id=2&access_token=se.cr.et&_count=1", "search-type 400 by \"Patient?_id=2&access_token=&_count=1\"\n"},
		{"GET /Patient/3?access_token=se.cr.et", "read 404 Patient/3 of 3 by \"Patient/3?access_token=\"\n"},
		{"POST /Patient/_search\nContent-Type: application/x-www-form-urlencoded\n\n_id=1", "search-type 200 of 1 by \"Patient/_search\\n_id=1\"\n"},
		{"GET /Patient/1/Observation", "search-type 200 of 1,2 by \"Patient/1/Observation\"\n"},
		{"GET /Observation/o/_history", "history-instance 200 Observation/o of 1,2 by \"Observation/o/_history\"\n"},
		{"GET /Patient/1/$everything", "$everything 200 Patient/1 of 1,2 by \"Patient/1/$everything\"\n"},
		{"GET /$graphql?query={ObservationList{subject{reference}}}", "$graphql 200 of 1 by \"$graphql?query={ObservationList{subject{reference}}}\"\n"},
		{"GET /Patient/none", "read 404 Patient/none of none\n"},
		{"GET /Nothing/1", "unknown 404 by \"Nothing/1\"\n"},
		{"PUT /Patient/1\n\n{", "update 400 Patient/1 of 1\n"},
		{"DELETE /Observation/o", "delete 204 Observation/o/_history/2 of 1,2\n"},
		{"GET /metadata", ""},
		{"OPTIONS /Patient", ""},
	} {
		exchange(t, base, c.ask)
		if got := m.take(); got != c.want {
			t.Errorf("%s\ngot  %swant %s", c.ask, got, c.want)
		}
	}

}

func TestEveryEntryIsRecorded(t *testing.T) {
	m := &memory{}
	s, base := auditedServer(t, m)
	bundle := func(kind string, entries ...string) string {
		return "POST /\n\n" + `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(entries, ",") + `]}`
	}
	put := func(resource, url string) string {
		return `{"resource":` + resource + `,"request":{"method":"PUT","url":"` + url + `"}}`
	}
	get := func(url string) string { return `{"request":{"method":"GET","url":"` + url + `"}}` }
	for _, c := range []struct{ ask, want string }{
		{bundle("transaction", put(`{"resourceType":"Patient","id":"1"}`, "Patient/1"), put(observationOf1, "Observation/o"), get("Observation/o")),
			"transaction 200\nupdate 201 entry 1 Patient/1/_history/1 of 1\nupdate 201 entry 2 Observation/o/_history/1 of 1,2\nread 200 entry 3 Observation/o/_history/1 of 1,2\n"},
		{bundle("batch", get("Patient/1"), get("Patient/none"), get("Patient?_id=1"), `{"request":{"method":"DELETE","url":"Observation/o"}}`),
			"batch 200\nread 200 entry 1 Patient/1/_history/1 of 1\nread 404 entry 2 Patient/none of none\nsearch-type 200 entry 3 of 1 by \"Patient?_id=1\"\ndelete 204 entry 4 Observation/o/_history/2 of 1,2\n"},
		{bundle("transaction", put(`{"resourceType":"Patient","id":"1"}`, "Patient/1"), put(`{"resourceType":"Patient","id":"9"}`, "Patient/8")),
			"transaction 400\nupdate 400 entry 1 Patient/1 of 1\nupdate 400 entry 2 Patient/8 of 8\n"},
		{"POST /\nPrefer: respond-async\n\n" + strings.SplitN(bundle("batch", get("Patient/1")), "\n\n", 2)[1],
			"batch 202 (accepted, to be answered later)\nbatch 200 (carried out later)\nread 200 entry 1 Patient/1/_history/1 of 1\n"},
	} {
		exchange(t, base, c.ask)
		s.runJobs(t)
		if got := m.take(); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.ask, got, c.want)
		}
	}
}

func TestAuditEventsAreNotChanged(t *testing.T) {
	m := &memory{}
	_, base := auditedServer(t, m)
	event := `{"resourceType":"AuditEvent","id":"x","type":{"code":"rest"},"recorded":"2026-01-31T12:00:00Z","agent":[{"requestor":true}],"source":{"observer":{"display":"x"}}}`
	for _, ask := range []string{
		"POST /AuditEvent\n\n" + event, "PUT /AuditEvent/x\n\n" + event, "PUT /AuditEvent?_id=x\n\n" + event,
		"PATCH /AuditEvent/x\nContent-Type: application/json-patch+json\n\n[]", "DELETE /AuditEvent/x", "DELETE /AuditEvent?_id=x",
		"POST /AuditEvent/x/$meta-add\n\n{}",
	} {
		res, body := exchange(t, base, ask)
		if res.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(body, "nobody can create, change or delete them") {
			t.Errorf("%s: %s %s", ask, res.Status, body)
		}
		if got := m.take(); !strings.Contains(got, " 405 ") && !strings.HasSuffix(got, " 405\n") {
			t.Errorf("%s is recorded as %q", ask, got)
		}
	}
	_, body := exchange(t, base, `POST /`+"\n\n"+`{"resourceType":"Bundle","type":"batch","entry":[{"resource":`+event+`,"request":{"method":"POST","url":"AuditEvent"}}]}`)
	if !strings.Contains(body, `"status":"405 `) {
		t.Errorf("as an entry: %s", body)
	}
	if res, body := exchange(t, base, "GET /AuditEvent"); res.StatusCode != http.StatusOK {
		t.Errorf("a search: %s %s", res.Status, body)
	}
	_, body = exchange(t, base, "GET /metadata?_elements=rest")
	wantNoChanges(t, body)
	_, body, _ = strings.Cut(body, `{"type":"AuditEvent",`)
	body, _, _ = strings.Cut(body, `"searchParam"`)
	for _, absent := range []string{`"create"`, `"update"`, `"patch"`, `"delete"`, `"updateCreate":true`, `"conditionalUpdate":true`, `"multiple"`} {
		if strings.Contains(body, absent) || !strings.Contains(body, `"search-type"`) {
			t.Errorf("the CapabilityStatement says %s: %s", absent, body)
		}
	}
}

// wantNoChanges checks that a CapabilityStatement offers no operation that changes
// AuditEvents.
func wantNoChanges(t *testing.T, statement string) {
	t.Helper()
	var says struct {
		Rest []struct {
			Resource []struct {
				Type      string
				Operation []struct{ Name string }
			}
		}
	}
	if err := json.Unmarshal([]byte(statement), &says); err != nil {
		t.Fatal(err)
	}
	for _, resource := range says.Rest[0].Resource {
		var names []string
		for _, o := range resource.Operation {
			names = append(names, o.Name)
		}
		for _, changing := range []string{"erase", "expunge", "meta-add", "meta-delete"} {
			if slices.Contains(names, changing) != (resource.Type != "AuditEvent") {
				t.Errorf("operations of %s: %v", resource.Type, names)
			}
		}
	}
}

// TestAuditEventsAreBroughtUpToDate asks in each way that may find AuditEvents,
// and in some that cannot.
func TestAuditEventsAreBroughtUpToDate(t *testing.T) {
	asked := 0
	audited := &rest.Audit{Log: &memory{}, Index: func(context.Context) error { asked++; return nil }}
	s := openServer(t, vfs.NewMem(), &clock{}, func(o *rest.Options) { o.Audit = audited })
	base := s.url + strings.TrimPrefix(s.create(t, "audited").Base(), "http://example.org")
	exchange(t, base, "PUT /Patient/1\n\n"+`{"resourceType":"Patient","id":"1"}`)
	batch := `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"AuditEvent"}}]}`
	const form = "\nContent-Type: application/x-www-form-urlencoded\n\n"
	for ask, want := range map[string]int{
		"GET /AuditEvent": 1, "GET /AuditEvent/audit-1": 1, "GET /?_type=AuditEvent": 1, "GET /?_id=x": 1, "GET /_history": 1, "POST /_search": 1,
		"GET /Patient?_revinclude=AuditEvent:patient": 1, "GET /Patient?_has:AuditEvent:patient:action=R": 1, "GET /Patient/1/$everything": 1,
		"GET /Patient/1/*": 1, "GET /Patient/1/AuditEvent": 1, "POST /\n\n" + batch: 1,
		"POST /Patient/_search" + form + "_revinclude=AuditEvent:patient": 1, "POST /AuditEvent/_search" + form + "action=R": 1,
		"POST /$graphql\nContent-Type: application/graphql\n\n{AuditEventList{id}}": 1, `POST /$graphql` + "\n\n" + `{"query":"{AuditEventList{id}}"}`: 1,
		"GET /?_type=Audit%45vent": 1, "GET /Patient?_revinclude=*": 1, "GET /Patient?_include=*": 0, "POST /Patient/_search" + form + "_has:Audit%45vent:patient:action=R": 1, "POST /Patient/_search" + form + "_revinclude:iterate=*": 1,
		`POST /$graphql` + "\n\n" + `{"query":"{\u0041uditEventList{id}}"}`: 1, `POST /$graphql` + "\n\n" + `{"query":"{PatientList{id}}"}`: 0,
		"POST /Patient/_search" + form + "_id=1": 0,
		"GET /Patient":                           0, "GET /Patient/1": 0, "GET /Patient/1/Observation": 0, "GET /metadata": 0, "OPTIONS /AuditEvent": 0,
	} {
		asked = 0
		if exchange(t, base, ask); asked != want {
			t.Errorf("%s: asked for %d times, want %d", ask, asked, want)
		}
	}
}

func TestWhatCannotBeRecordedIsWithheld(t *testing.T) {
	m := &memory{}
	_, base := auditedServer(t, m)
	exchange(t, base, "PUT /Patient/1\n\n"+`{"resourceType":"Patient","id":"1","gender":"male"}`)
	m.fail = errors.New("the disk is full")
	res, body := exchange(t, base, "GET /Patient/1")
	if res.StatusCode != http.StatusServiceUnavailable || strings.Contains(body, "male") || res.Header.Get("ETag") != "" || !strings.Contains(body, "audit log") {
		t.Errorf("%s %s %v", res.Status, body, res.Header)
	}
}

// TestRecordedBeforeTheEnd looks at a response while its record is made: no
// client has all of it.
func TestRecordedBeforeTheEnd(t *testing.T) {
	for _, size := range []int{10, 5_000, 70_000, 300_000} {
		m := &memory{}
		s, base := auditedServer(t, m)
		path := strings.TrimPrefix(base, s.url)
		serve := func(method, url, body string) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			m.before = func() {
				if w.Body.Len() > 0 && (size < 60_000 || strings.HasSuffix(w.Body.String(), "]}")) {
					t.Errorf("%d bytes: all of the response is sent before the record", size)
				}
			}
			req := httptest.NewRequest(method, path+url, strings.NewReader(body))
			req.Header.Set("Content-Type", "application/fhir+json")
			s.handler.ServeHTTP(w, req)
			return w
		}
		text := strings.Repeat("x", size)
		serve("PUT", "/Patient/1", `{"resourceType":"Patient","id":"1","text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">`+text+`</div>"}}`)
		w := serve("GET", "/Patient/1/_history", "")
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), text) || !strings.HasSuffix(w.Body.String(), "}") {
			t.Errorf("%d bytes: %d, %d bytes", size, w.Code, w.Body.Len())
		}
		if got := m.take(); !strings.Contains(got, "history-instance 200") {
			t.Errorf("recorded: %s", got)
		}
	}
}

func TestRefusedCallersAreRecorded(t *testing.T) {
	m := &memory{}
	_, base := auditedServer(t, m, func(o *rest.Options) {
		o.Authorize = func(r *http.Request, _ *datastore.Store) (authz.Access, error) {
			if r.Header.Get("Authorization") == "" {
				return authz.Access{}, fhir.Errorf(fhir.KindUnauthenticated, "no token")
			}
			audit.NoteAgent(r.Context(), audit.Agent{User: "alice", Client: "app"})
			return authz.Access{}, nil
		}
	})
	exchange(t, base, "GET /Patient/1")
	if r := m.all[0]; r.Status != 401 || r.Agent.Address != "127.0.0.1" || r.Agent.User != "" {
		t.Errorf("%+v", r)
	}
	exchange(t, base, "GET /Patient/1\nAuthorization: Bearer x")
	if r := m.all[1]; r.Status != 403 || r.Agent.Address != "127.0.0.1" || r.Agent.User != "alice" || r.Request == "" || r.Store == "" {
		t.Errorf("%+v", r)
	}
}

// numbered is a memory that numbers records.
type numbered struct{ memory }

func (n *numbered) AppendOne(r audit.Record) (uint64, error) {
	return uint64(len(n.all)) + 1, n.Append(r)
}

// TestErasuresAreInTheLog: what is erased is in the log before, and the answer
// names the AuditEvent that the record makes.
func TestErasuresAreInTheLog(t *testing.T) {
	m := &numbered{}
	s := openServer(t, vfs.NewMem(), &clock{}, func(o *rest.Options) { o.Audit = &rest.Audit{Log: m} })
	store := s.create(t, "audited")
	base := s.url + strings.TrimPrefix(store.Base(), "http://example.org")
	exchange(t, base, "PUT /Patient/1\n\n"+`{"resourceType":"Patient","id":"1"}`)
	exchange(t, base, "PUT /Observation/o\n\n"+strings.Replace(observationOf1, `Patient\/2`, `Practitioner\/2`, 1))
	m.take()
	res, body := exchange(t, base, "POST /Patient/1/$purge\nX-Request-Id: gone")
	if res.StatusCode != http.StatusOK || !strings.Contains(body, `"AuditEvent/audit-1"`) {
		t.Errorf("%s %s", res.Status, body)
	}
	first := m.all[0]
	if first.Class != audit.ClassErasure || first.Request != "gone" || first.Store != store.Record().ID || first.Agent.Address != "127.0.0.1" {
		t.Errorf("%+v", first)
	}
	if got, want := m.take(), "$purge 0 Observation/o (to be erased for good)\n$purge 0 Patient/1 (to be erased for good)\n$purge 200 Patient/1 of 1 by \"Patient/1/$purge\"\n"; got != want {
		t.Errorf("recorded\n%swant\n%s", got, want)
	}
	m.fail = errors.New("the disk is full")
	exchange(t, base, "PUT /Patient/2\n\n"+`{"resourceType":"Patient","id":"2"}`)
	if res, _ := exchange(t, base, "POST /Patient/2/$erase"); res.StatusCode < 500 {
		t.Errorf("an erasure that cannot be recorded: %s", res.Status)
	}
	m.fail = nil
	if res, body := exchange(t, base, "GET /Patient/2"); res.StatusCode != http.StatusOK {
		t.Errorf("it was erased all the same: %s %s", res.Status, body)
	}
}

func TestAccessReport(t *testing.T) {
	m := &memory{}
	caller := authz.Caller{}
	var unrestricted bool
	s := openServer(t, vfs.NewMem(), &clock{}, func(o *rest.Options) {
		o.Audit = &rest.Audit{Log: m}
		o.Authorize = func(_ *http.Request, ds *datastore.Store) (authz.Access, error) {
			if unrestricted {
				return authz.Unrestricted(), nil
			}
			return authz.Decide(ds.Registry(), caller, authz.Policy{Base: ds.Base()})
		}
	})
	store := s.create(t, "audited")
	base := s.url + strings.TrimPrefix(store.Base(), "http://example.org")
	as := func(c authz.Caller, scopes string) {
		unrestricted = scopes == ""
		c.Scopes, _ = authz.ParseScopes(scopes, store.Registry())
		caller = c
	}
	as(authz.Caller{}, "")
	for _, id := range []string{"1", "2"} {
		exchange(t, base, "PUT /Patient/"+id+"\n\n"+`{"resourceType":"Patient","id":"`+id+`"}`)
	}
	for n, r := range []audit.Record{
		{Action: "read", Status: 200, Entities: []string{"Observation/o"}, Patients: []string{"1"}, Agent: audit.Agent{User: "ann", Address: "192.0.2.7"}},
		{Action: "search-type", Status: 200, Query: "Patient?name=Somebody", Patients: []string{"1", "2"}, Agent: audit.Agent{User: "bob"}},
		{Action: "read", Status: 200, Entities: []string{"Observation/x"}, Patients: []string{"2"}},
	} {
		r.Time = time.Date(2026, 1, 31, 12, n, 0, 0, time.UTC)
		keepEvents(t, store, &audit.Stored{Number: uint64(n + 1), Record: r})
	}
	const report = "GET /Patient/1/$access-report"
	_, all := exchange(t, base, report)
	if !strings.Contains(all, `"total":2`) || !strings.Contains(all, `"ann"`) || !strings.Contains(all, `"query":`) || !strings.Contains(all, "192.0.2.7") {
		t.Errorf("for an auditor: %s", all)
	}
	as(authz.Caller{Subject: "p1", FHIRUser: "Patient/1", Patient: "1"}, "patient/*.rs")
	res, own := exchange(t, base, report)
	if res.StatusCode != http.StatusOK || !strings.Contains(own, `"total":2`) || !strings.Contains(own, `"ann"`) || strings.Contains(own, `"query":`) || strings.Contains(own, "192.0.2.7") || strings.Contains(own, "Patient/2") {
		t.Errorf("for the patient: %s %s", res.Status, own)
	}
	if res, body := exchange(t, base, report+"?_count=1&start=1990-01-01"); !strings.Contains(body, `"next"`) || strings.Count(body, `"fullUrl"`) != 1 {
		t.Errorf("a page: %s %s", res.Status, body)
	}
	if _, body := exchange(t, base, report+"?end=1990"); !strings.Contains(body, `"total":0`) {
		t.Errorf("long ago: %s", body)
	}
	for what, c := range map[string]struct {
		caller authz.Caller
		scopes string
		ask    string
		status int
	}{
		"another patient":                    {authz.Caller{FHIRUser: "Patient/2", Patient: "2"}, "patient/*.rs", report, 404},
		"a practitioner at the patient":      {authz.Caller{FHIRUser: "Practitioner/1", Patient: "1"}, "patient/*.rs", report, 403},
		"somebody related to the patient":    {authz.Caller{FHIRUser: "RelatedPerson/1", Patient: "1"}, "patient/*.rs", report, 403},
		"a patient at another":               {authz.Caller{FHIRUser: "Patient/2", Patient: "1"}, "patient/*.rs", report, 403},
		"a service":                          {authz.Caller{Client: "app"}, "system/*.rs", report, 403},
		"without a right to the patient":     {authz.Caller{FHIRUser: "Patient/1", Patient: "1"}, "patient/Observation.rs", report, 403},
		"an unknown parameter":               {authz.Caller{FHIRUser: "Patient/1", Patient: "1"}, "patient/*.rs", report + "?_sort=date", 400},
		"no date":                            {authz.Caller{FHIRUser: "Patient/1", Patient: "1"}, "patient/*.rs", report + "?start=yesterday", 400},
		"an AuditEvent itself":               {authz.Caller{FHIRUser: "Patient/1", Patient: "1"}, "patient/*.rs", "GET /AuditEvent/audit-1", 403},
		"an auditor, of nobody that is here": {authz.Caller{FHIRUser: "Practitioner/1", Roles: []string{authz.RoleAuditor}}, "user/*.rs", "GET /Patient/9/$access-report", 404},
		"an auditor":                         {authz.Caller{FHIRUser: "Practitioner/1", Roles: []string{authz.RoleAuditor}}, "user/*.rs", report, 200},
	} {
		as(c.caller, c.scopes)
		if res, body := exchange(t, base, c.ask); res.StatusCode != c.status {
			t.Errorf("%s: %s %s, want %d", what, res.Status, body, c.status)
		}
	}
	auditor := authz.Caller{FHIRUser: "Practitioner/1", Roles: []string{authz.RoleAuditor}}
	for scopes, total := range map[string]string{"user/AuditEvent.rs": `"total":2`, "user/AuditEvent.rs?entity=Observation/o": `"total":1`, "user/AuditEvent.rs?outcome=8": `"total":0`} {
		as(auditor, scopes)
		if res, body := exchange(t, base, report); !strings.Contains(body, total) {
			t.Errorf("an auditor with %s: %s %s, want %s", scopes, res.Status, body, total)
		}
	}
	m.take()
	as(authz.Caller{FHIRUser: "Patient/1", Patient: "1"}, "patient/*.rs")
	exchange(t, base, report)
	if got, want := m.take(), "$access-report 200 Patient/1 of 1 by \"Patient/1/$access-report\"\n"; got != want {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

// keepEvents stores the AuditEvents of a record, as the follower of the log
// does.
func keepEvents(t testing.TB, store *datastore.Store, s *audit.Stored) {
	t.Helper()
	events, err := audit.Events(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		tree, err := store.Parse(e.JSON)
		if err != nil {
			t.Fatal(err)
		}
		op := datastore.Op{Interaction: authz.Update, Type: "AuditEvent", ID: e.ID, Resource: tree}
		if _, err := store.Commit(t.Context(), authz.Unrestricted(), []datastore.Op{op}, nil); err != nil {
			t.Fatal(err)
		}
	}
}
