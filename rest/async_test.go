package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/rest"
)

// later sends a request with Prefer: respond-async and returns the path of its
// answer.
func (c *conversation) later(t *testing.T, ask string) string {
	t.Helper()
	first, body, _ := strings.Cut(ask, "\n")
	headers := ""
	if strings.HasPrefix(body, "X-Caller") {
		headers, body = body, ""
	}
	res := c.send(t, strings.TrimSpace(first+"\nPrefer: respond-async\n"+headers)+"\n\n"+body)
	if res.status != http.StatusAccepted {
		t.Fatalf("%s: %d %s", first, res.status, res.body)
	}
	return strings.TrimPrefix(res.header.Get("Content-Location"), c.base)
}

// An answer is the one entry of an asynchronous response.
type answer struct {
	Resource json.RawMessage
	Response struct {
		Status  string
		Outcome json.RawMessage
	}
}

func (c *conversation) answer(t *testing.T, path string) answer {
	t.Helper()
	res := c.send(t, "GET "+path+"\n\n")
	var bundle struct{ Entry []answer }
	if err := json.Unmarshal(res.body, &bundle); err != nil || res.status != http.StatusOK || len(bundle.Entry) != 1 {
		t.Fatalf("%s: %d %s", path, res.status, res.body)
	}
	return bundle.Entry[0]
}

// crashable are Bundles, each with the number of versions that it makes of
// some resources when it is carried out once.
var crashable = []struct {
	name, bundle string
	makes        map[string]int
	// unclear is set where the answer may be that nobody knows.
	unclear bool
}{
	{"creates", `{"resourceType":"Bundle","type":"transaction","entry":[
		{"fullUrl":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0","resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
		{"resource":{"resourceType":"Observation","id":"old","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"}},"request":{"method":"PUT","url":"Observation/old"}},
		{"request":{"method":"GET","url":"Observation/old"}}]}`,
		map[string]int{"Patient": 1, "Observation/old": 1}, false},
	{"updates", `{"resourceType":"Bundle","type":"transaction","entry":[
		{"resource":{"resourceType":"Observation","id":"old","status":"final","code":{"text":"new"}},"request":{"method":"PUT","url":"Observation/old"}},
		{"request":{"method":"DELETE","url":"Device/old"}}]}`,
		map[string]int{"Observation/old": 1, "Device/old": 1}, false},
	{"patch", `{"resourceType":"Bundle","type":"transaction","entry":[
		{"resource":{"resourceType":"Binary","contentType":"application/json-patch+json","data":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL2NhdGVnb3J5IiwidmFsdWUiOlt7InRleHQiOiJ4In1dfV0="},"request":{"method":"PATCH","url":"Observation/old"}}]}`,
		map[string]int{"Observation/old": 1}, true},
	{"conditional update", `{"resourceType":"Bundle","type":"transaction","entry":[
		{"resource":{"resourceType":"Patient","identifier":[{"value":"x"}]},"request":{"method":"PUT","url":"Patient?identifier=x"}}]}`,
		map[string]int{"Patient": 1}, false},
	{"batch", `{"resourceType":"Bundle","type":"batch","entry":[
		{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},
		{"resource":{"resourceType":"Observation","id":"old","status":"final","code":{"text":"new"}},"request":{"method":"PUT","url":"Observation/old"}},
		{"request":{"method":"DELETE","url":"Device/old"}}]}`,
		map[string]int{"Patient": 1, "Observation/old": 1, "Device/old": 1}, false},
}

// TestAsyncCrash takes the power away before each fsync of a job. Whenever
// that was, the process that takes over carries the Bundle out once in all, or
// says that it cannot tell.
func TestAsyncCrash(t *testing.T) {
	for _, c := range crashable {
		t.Run(c.name, func(t *testing.T) {
			disk := crashing.New()
			var mu sync.Mutex
			var crashes []*crashing.Disk
			watching := false
			clone := func() { crashes = append(crashes, disk.CrashClone(vfs.CrashCloneCfg{})) }
			watched := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if mu.Lock(); watching && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
					clone()
				}
				mu.Unlock()
				return nil
			}))
			s := openServer(t, watched, &clock{now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)})
			talk := s.newConversation(t, "crash")
			talk.send(t, "PUT /Observation/old\n\n"+`{"resourceType":"Observation","id":"old","status":"final","code":{"text":"first"}}`)
			talk.send(t, "PUT /Device/old\n\n"+`{"resourceType":"Device","id":"old"}`)
			path := talk.later(t, "POST /\n"+c.bundle)
			mu.Lock()
			watching = true
			mu.Unlock()
			s.runJobs(t)
			mu.Lock()
			watching = false
			clone()
			mu.Unlock()
			if a := talk.answer(t, path); a.Response.Status != "200 OK" {
				t.Fatalf("without a crash: %+v %s", a, a.Response.Outcome)
			}
			before := talk.versions(t, c.makes)
			for name, n := range c.makes {
				if name == "Patient" {
					continue
				}
				if before[name] != n+1 {
					t.Fatalf("%s has %d versions without a crash", name, before[name])
				}
			}
			states := map[string]int{}
			for i, fs := range crashes {
				states[resumed(t, fs, s.clock.Now(), path, c.makes, fmt.Sprintf("crash %d", i))]++
			}
			t.Logf("%d crashes: %v", len(crashes), states)
			if states["once"] == 0 || len(crashes) < 4 || states["unclear"] > 0 && !c.unclear {
				t.Errorf("of %d crashes: %v", len(crashes), states)
			}
		})
	}
}

// versions counts the versions of resources and types.
func (c *conversation) versions(t *testing.T, of map[string]int) map[string]int {
	t.Helper()
	count := map[string]int{}
	for name := range of {
		res := c.send(t, "GET /"+name+"/_history\n\n")
		count[name] = bytes.Count(res.body, []byte(`"response":{`))
	}
	return count
}

// resumed takes a job over after a crash and tells how it came out.
func resumed(t *testing.T, disk vfs.FS, now time.Time, path string, makes map[string]int, name string) string {
	s := openServer(t, disk, &clock{now: now.Add(time.Hour)})
	store, err := s.catalog.Store("crash")
	if err != nil {
		t.Fatal(err)
	}
	c := &conversation{server: s, base: store.Base(), vars: map[string]string{"base": store.Base()}}
	s.runJobs(t)
	got := c.versions(t, makes)
	a := c.answer(t, path)
	once := true
	for resource, n := range makes {
		if strings.Contains(resource, "/") {
			n++ // it was there before
		}
		if got[resource] > n {
			t.Errorf("%s: %s has %d versions: it was written twice", name, resource, got[resource])
		}
		once = once && got[resource] == n
	}
	switch {
	case a.Response.Status == "409 Conflict" && strings.Contains(string(a.Response.Outcome), "interrupted"):
		return "unclear"
	case a.Response.Status == "200 OK" && once && !strings.Contains(string(a.Resource), "interrupted"):
		return "once"
	}
	t.Errorf("%s: %+v %s %s", name, got, a.Response.Status, a.Resource)
	return "wrong"
}

// TestAsyncCancel cancels a batch while it runs: what was done stays, and is
// told.
func TestAsyncCancel(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "cancel")
	var entries []string
	for i := range 40 {
		entries = append(entries, fmt.Sprintf(`{"resource":{"resourceType":"Patient","id":"p%d"},"request":{"method":"PUT","url":"Patient/p%[1]d"}}`, i))
	}
	path := c.later(t, "POST /\n"+`{"resourceType":"Bundle","type":"batch","entry":[`+strings.Join(entries, ",")+`]}`)
	id := strings.TrimPrefix(path, "/$async/")
	ctx, stop := context.WithCancel(context.Background())
	stop() // the process stops before it begins: the job waits for the next
	if _, err := s.jobs.RunNext(ctx); err == nil {
		t.Error("the database answers although the process stops")
	}
	if res := c.send(t, "DELETE "+path+"\n\n"); res.status != http.StatusAccepted {
		t.Fatalf("cancelling: %d %s", res.status, res.body)
	}
	s.runJobs(t)
	if _, err := s.jobs.Get(context.Background(), id); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("the job: %v", err)
	}
	c.wantOutcome(t, c.send(t, "GET "+path+"\n\n"), 404, "cancelled")
}

// byHeader tells callers apart by a header. Ben's access is to nothing, and
// Carl's has ended when the job runs.
func byHeader(o *rest.Options) {
	o.Async.Keep = func(req *http.Request, _ *datastore.Store) (string, []byte, error) {
		name := req.Header.Get("X-Caller")
		return name, []byte("grant of " + name), nil
	}
	o.Async.Restore = func(_ context.Context, _ *datastore.Store, grant []byte) (authz.Access, error) {
		switch string(grant) {
		case "grant of anna":
			return authz.Unrestricted(), nil
		case "grant of ben":
			return authz.Access{}, nil
		}
		return authz.Access{}, fhir.Errorf(fhir.KindUnauthenticated, "the grant %q has ended", grant)
	}
}

// TestAsyncCaller carries out a request with its caller's access, and gives
// the answer to nobody else.
func TestAsyncCaller(t *testing.T) {
	s := newServer(t, byHeader)
	c := s.newConversation(t, "caller")
	for caller, want := range map[string]string{"anna": "200 OK", "ben": "403 Forbidden", "carl": "401 Unauthorized"} {
		path := c.later(t, "GET /Patient\nX-Caller: "+caller+"\n")
		if got := s.runAndStatus(t, c, path, caller); got != want {
			t.Errorf("%s gets %s, not %s", caller, got, want)
		}
		for _, method := range []string{"GET", "DELETE"} {
			c.wantOutcome(t, c.send(t, method+" "+path+"\nX-Caller: dora\n\n"), 404, "not by this caller")
			c.wantOutcome(t, c.send(t, method+" "+path+"\n\n"), 404, "not by this caller")
		}
	}
}

func (s *server) runAndStatus(t *testing.T, c *conversation, path, caller string) string {
	s.runJobs(t)
	res := c.send(t, "GET "+path+"\nX-Caller: "+caller+"\n\n")
	var bundle struct{ Entry []answer }
	if err := json.Unmarshal(res.body, &bundle); err != nil || len(bundle.Entry) != 1 {
		t.Fatalf("%d %s", res.status, res.body)
	}
	return bundle.Entry[0].Response.Status
}

func TestAsyncLimits(t *testing.T) {
	s := newServer(t, func(o *rest.Options) { o.Async.MaxResult, o.Async.MaxWaiting = 2000, 2 })
	c := s.newConversation(t, "limits")
	var entries []string
	for i := range 30 {
		entries = append(entries, fmt.Sprintf(`{"resource":{"resourceType":"Patient","id":"p%d"},"request":{"method":"PUT","url":"Patient/p%[1]d"}}`, i))
	}
	large := c.later(t, "POST /\n"+`{"resourceType":"Bundle","type":"transaction","entry":[`+strings.Join(entries, ",")+`]}`)
	second := c.later(t, "GET /Patient\n")
	c.wantOutcome(t, c.send(t, "GET /Patient\nPrefer: respond-async\n\n"), 429, "2 requests of this data store wait")
	s.runJobs(t)
	if a := c.answer(t, large); !strings.Contains(string(a.Response.Outcome), "what it wrote is stored") {
		t.Errorf("the large answer: %s %s", a.Response.Status, a.Response.Outcome)
	}
	if a := c.answer(t, second); a.Response.Status != "422 Unprocessable Entity" || !strings.Contains(string(a.Response.Outcome), "smaller _count") {
		t.Errorf("the large search: %s %s", a.Response.Status, a.Response.Outcome)
	}
	s.clock.advance(91 * 24 * time.Hour)
	c.wantOutcome(t, c.send(t, "GET "+large+"\n\n"), 404, "expired")
}

// TestAsyncOff ignores the preference where nobody runs jobs, as RFC 7240 lets
// a server do.
func TestAsyncOff(t *testing.T) {
	s := newServer(t, func(o *rest.Options) { o.Async = nil })
	c := s.newConversation(t, "off")
	if res := c.send(t, "GET /Patient\nPrefer: respond-async\n\n"); res.status != 200 {
		t.Errorf("got %d %s", res.status, res.body)
	}
	c.wantOutcome(t, c.send(t, "GET /$async/x\n\n"), 404, "at once")
}

// TestAsyncDeletedStore forgets the answers of a data store with it, also for
// another one of its name.
func TestAsyncDeletedStore(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "again")
	done := c.later(t, "GET /Patient\n")
	s.runJobs(t)
	waiting := c.later(t, "GET /Patient\n")
	if _, err := s.catalog.Delete(context.Background(), "again"); err != nil {
		t.Fatal(err)
	}
	s.runJobs(t)
	for _, path := range []string{done, waiting} {
		c.wantOutcome(t, c.send(t, "GET "+path+"\n\n"), 404, "")
	}
}

// TestAsyncWritesIntoItsDataStoreAlone has a write wait while its data store goes,
// and another one takes the name.
func TestAsyncWritesIntoItsDataStoreAlone(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "again")
	c.later(t, "POST /\n"+`{"resourceType":"Bundle","type":"batch","entry":[{"resource":{"resourceType":"Patient","id":"x"},"request":{"method":"PUT","url":"Patient/x"}}]}`)
	if _, err := s.catalog.Delete(context.Background(), "again"); err != nil {
		t.Fatal(err)
	}
	s.create(t, "again")
	s.runJobs(t)
	c.wantOutcome(t, c.send(t, "GET /Patient/x\n\n"), 404, "does not exist")
}
