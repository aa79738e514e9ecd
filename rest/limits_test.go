package rest_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest"
)

// post sends a body to a path below a data store's base.
func (c *conversation) post(t *testing.T, path string, body io.Reader, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, c.url+strings.TrimPrefix(c.base, "http://example.org")+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return do(t, req)
}

// wantOutcome checks an error response.
func (c *conversation) wantOutcome(t *testing.T, res reply, status int, part string) {
	t.Helper()
	problems := c.soundness(res)
	if res.status != status {
		problems = append(problems, fmt.Sprintf("status is not %d", status))
	}
	if !strings.Contains(string(res.body), part) {
		problems = append(problems, fmt.Sprintf("the body does not say %q", part))
	}
	if len(problems) > 0 {
		t.Fatalf("%s\n--- got %d %.500s", strings.Join(problems, "\n"), res.status, res.body)
	}
}

func patientOfSize(n int) string {
	return `{"resourceType":"Patient","name":[{"text":"` + strings.Repeat("x", n) + `"}]}`
}

// R14: a body may be so long.
func TestLargeBody(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "large")
	body := patientOfSize(60 << 20)
	c.wantOutcome(t, c.post(t, "/Patient", strings.NewReader(body)), 413, "larger than 52428800 bytes")
	// Without a Content-Length the size shows only as it is read.
	c.wantOutcome(t, c.post(t, "/Patient", io.MultiReader(strings.NewReader(body))), 413, "larger than")
	c.wantOutcome(t, c.post(t, "/", strings.NewReader(body), "Expect", "100-continue"), 413, "larger than")
}

// R13, checklist 54: gzip in.
func TestCompressedBody(t *testing.T) {
	s := newServer(t, func(o *rest.Options) { o.MaxBody = 1 << 20 })
	c := s.newConversation(t, "compressed")
	pack := func(text string) *bytes.Buffer {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return &b
	}
	if res := c.post(t, "/Patient", pack(patientOfSize(100)), "Content-Encoding", "gzip"); res.status != 201 {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	c.wantOutcome(t, c.post(t, "/Patient", pack(patientOfSize(2<<20)), "Content-Encoding", "gzip"), 413, "after decompression")
	whole := pack(patientOfSize(1000)).Bytes()
	c.wantOutcome(t, c.post(t, "/Patient", bytes.NewReader(whole[:len(whole)-10]), "Content-Encoding", "gzip"), 400, "could not be read")
}

func TestCompressedResponse(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "gzip")
	plain := c.post(t, "/Patient", strings.NewReader(patientOfSize(5000)))
	packed := c.post(t, "/Patient", strings.NewReader(patientOfSize(5000)), "Accept-Encoding", "br, gzip;q=0.5")
	if got := packed.header.Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("Content-Encoding is %q", got)
	}
	if len(packed.body) != len(plain.body) {
		t.Fatalf("%d bytes plain, %d unpacked", len(plain.body), len(packed.body))
	}
	refused := c.post(t, "/Patient", strings.NewReader(patientOfSize(5000)), "Accept-Encoding", "gzip;q=0")
	if got := refused.header.Get("Content-Encoding"); got != "" {
		t.Fatalf("Content-Encoding is %q, though gzip was refused", got)
	}
	small := c.post(t, "/Patient", strings.NewReader(patientOfSize(5)), "Accept-Encoding", "gzip")
	if got := small.header.Get("Content-Encoding"); got != "" {
		t.Fatalf("Content-Encoding is %q for a few bytes", got)
	}
}

func TestPretty(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "pretty")
	res := c.post(t, "/Observation?_pretty=true", strings.NewReader(
		`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.00}}`))
	if !strings.Contains(string(res.body), "\n  \"status\": \"final\"") || !strings.Contains(string(res.body), `"value": 1.00`) {
		t.Fatalf("got %s", res.body)
	}
}

func TestDeepJSON(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "deep")
	const depth = 10_000
	deep := `{"resourceType":"Patient","extension":[` + strings.Repeat(`{"url":"u","extension":[`, depth) + strings.Repeat(`]}`, depth) + `]}`
	res := c.post(t, "/Patient", strings.NewReader(deep))
	if res.status != 400 && res.status != 413 {
		t.Fatalf("got %d %.300s", res.status, res.body)
	}
	c.wantOutcome(t, res, res.status, "deep")
	res = c.post(t, "/Patient", strings.NewReader(strings.Repeat("[", depth)))
	c.wantOutcome(t, res, res.status, "OperationOutcome")
}

// R14: a URL may be so long.
func TestLongURL(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "long")
	res := c.send(t, "GET /Patient?name="+strings.Repeat("x", 40<<10))
	c.wantOutcome(t, res, 414, "POST [type]/_search")
	// The same search goes by POST.
	res = c.post(t, "/Patient/_search", strings.NewReader("name="+strings.Repeat("x", 40<<10)), "Content-Type", "application/x-www-form-urlencoded")
	if res.status != 200 {
		t.Fatalf("got %d %.300s", res.status, res.body)
	}
}

// Q6: TestExpiredPage follows a page link when its time is no longer kept.
func TestExpiredPage(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "expired")
	for range 3 {
		c.send(t, "POST /Patient\n\n"+`{"resourceType":"Patient"}`)
	}
	const page = "GET /Patient?_count=2"
	c.step(t, "first page", page, `200

{"link":["...","...",{"relation":"next","url":"{{next}}"}]}`)
	c.step(t, "good", "GET {{next}}", "200")
	// An hour in which things change: a view of before cannot be had then.
	s.clock.advance(time.Hour)
	c.send(t, "POST /Patient\n\n"+`{"resourceType":"Patient"}`)
	s.clock.advance(time.Hour)
	c.send(t, "POST /Patient\n\n"+`{"resourceType":"Patient"}`)
	c.step(t, "expired", "GET {{next}}", `410

{"resourceType":"OperationOutcome","issue":[{"severity":"error","diagnostics":"...expired...repeat the search..."}]}`)
}

// R68: a Bundle may have so many entries.
func TestManyEntries(t *testing.T) {
	s := newServer(t, func(o *rest.Options) { o.MaxEntries = 3 })
	c := s.newConversation(t, "many")
	bundle := func(n int) io.Reader {
		entry := `{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}}`
		return strings.NewReader(`{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Repeat(entry+",", n-1) + entry + `]}`)
	}
	if res := c.post(t, "/", bundle(3)); res.status != 200 {
		t.Fatalf("got %d %s", res.status, res.body)
	}
	c.wantOutcome(t, c.post(t, "/", bundle(4)), 422, "more than 3 entries")
}

// R23: TestConcurrentConditionalCreate asks for one resource many times at once.
func TestConcurrentConditionalCreate(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "concurrent")
	const clients = 16
	statuses := make(chan int, clients)
	var wait sync.WaitGroup
	for range clients {
		wait.Go(func() {
			res := c.post(t, "/Patient", strings.NewReader(`{"resourceType":"Patient","identifier":[{"value":"1"}]}`), "If-None-Exist", "identifier=1")
			statuses <- res.status
		})
	}
	wait.Wait()
	close(statuses)
	counts := map[int]int{}
	for status := range statuses {
		counts[status]++
	}
	if counts[201] != 1 || counts[200] != clients-1 {
		t.Fatalf("statuses: %v", counts)
	}
}

// TestLargeBatch runs more entries than a batch has writers.
func TestLargeBatch(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "batch-large")
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"batch","entry":[`)
	const n = 300
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		// Three versions of each resource, which must come in order.
		fmt.Fprintf(&b, `{"resource":{"resourceType":"Patient","id":"p%d","multipleBirthInteger":%d},"request":{"method":"PUT","url":"Patient/p%d"}}`, i%100, i/100, i%100)
	}
	b.WriteString(`]}`)
	if res := c.post(t, "/", strings.NewReader(b.String())); res.status != 200 || strings.Count(string(res.body), `"201 Created"`) != 100 {
		t.Fatalf("got %d %.500s", res.status, res.body)
	}
	res := c.send(t, "GET /Patient?_count=100")
	if n := strings.Count(string(res.body), `"multipleBirthInteger":2`); n != 100 {
		t.Fatalf("%d of 100 resources have the last version", n)
	}
}

func TestErrorsThatAreNotShown(t *testing.T) {
	fail := errors.New("disk /dev/secret is on fire")
	for name, authorize := range map[string]func() error{
		"error": func() error { return fail },
		"panic": func() error { panic(fail) },
		"kind":  func() error { return fhir.Errorf(fhir.KindInternal, "secret") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, func(o *rest.Options) {
				o.Authorize = func(*http.Request, *datastore.Store) (authz.Access, error) {
					return authz.Access{}, authorize()
				}
			})
			c := s.newConversation(t, "hidden")
			res := c.send(t, "GET /Patient/1\nX-Request-Id: r-1")
			c.wantOutcome(t, res, 500, "request id r-1")
			if strings.Contains(string(res.body), "secret") {
				t.Fatalf("the cause is shown: %s", res.body)
			}
		})
	}
}

func TestDenied(t *testing.T) {
	var denial error
	s := newServer(t, func(o *rest.Options) {
		o.Authorize = func(*http.Request, *datastore.Store) (authz.Access, error) { return authz.Access{}, denial }
	})
	c := s.newConversation(t, "denied")
	for _, ask := range []string{
		"GET /Patient/1", "GET /Patient/1/_history/1", "GET /Patient/1/_history", "GET /Patient/_history", "GET /_history",
		"GET /Patient", "DELETE /Patient/1",
		"POST /Patient\n\n" + `{"resourceType":"Patient"}`,
		"PUT /Patient/1\n\n" + `{"resourceType":"Patient","id":"1"}`,
		"POST /\n\n" + `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/1"}}]}`,
	} {
		c.wantOutcome(t, c.send(t, ask), 403, "forbidden")
	}
	denial = fhir.Errorf(fhir.KindUnauthenticated, "no token")
	res := c.send(t, "GET /Patient/1")
	c.wantOutcome(t, res, 401, "no token")
	if res.header.Get("WWW-Authenticate") == "" {
		t.Fatal("no WWW-Authenticate")
	}
	if res := c.send(t, "GET /metadata"); res.status != 200 {
		t.Fatalf("metadata needs no access, and answered %d", res.status)
	}
}

func TestObserve(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "observed")
	c.send(t, "GET /Patient/1")
	c.send(t, "GET /Patient")
	c.send(t, "GET /Nothing")
	c.send(t, "POST /\n\n"+`{"resourceType":"Bundle","type":"transaction"}`)
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.Join(s.observed, " "); got != "read search-type unknown transaction" {
		t.Fatalf("observed %s", got)
	}
}
