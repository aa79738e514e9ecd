package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/rest"
)

// An api is the HTTP interface of data stores, served in this process.
type api struct {
	web *httptest.Server
	// base is the URL of the data store "default".
	base string
	// own is the base URL as the server knows it, which links begin with.
	own string
}

func serveCatalog(t *testing.T, c *datastore.Catalog) *api {
	t.Helper()
	s, err := c.Store("default")
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(rest.New(rest.Options{
		Stores:    c,
		Authorize: func(*http.Request, *datastore.Store) (authz.Access, error) { return authz.Unrestricted(), nil },
		Logger:    slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(web.Close)
	return &api{web, web.URL + strings.TrimPrefix(s.Base(), "http://example.org"), s.Base()}
}

// A reply is what came back of a request.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request. headers are names, each with its value after it.
func (a *api) ask(t *testing.T, method, path string, body io.Reader, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequest(method, a.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return a.do(t, req)
}

// stream posts a body whose size is announced, or not where it is negative.
func (a *api) stream(t *testing.T, path string, body io.Reader, size int64) reply {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, a.base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "application/fhir+json")
	return a.do(t, req)
}

// An unheeded connection takes what the other side does not: a server that has
// refused a large body closes the connection, and a client that is told so while
// it writes does not read the answer that came before.
type unheeded struct{ net.Conn }

func (c unheeded) Write(p []byte) (int, error) {
	_, _ = c.Conn.Write(p)
	return len(p), nil
}

func dialUnheeded(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return unheeded{c}, nil
}

var client = &http.Client{Transport: &http.Transport{DialContext: dialUnheeded}}

func (a *api) do(t *testing.T, req *http.Request) reply {
	t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, answer}
}

// must is ask where anything but the status is an error.
func (a *api) must(t *testing.T, status int, method, path, body string, headers ...string) reply {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	got := a.ask(t, method, path, r, headers...)
	if got.status != status {
		t.Fatalf("%s %s: %d %.600s; want %d", method, path, got.status, got.body, status)
	}
	return got
}

// bundleOf reads a Bundle.
func (a *api) bundleOf(t *testing.T, path string) *bundle {
	t.Helper()
	var b bundle
	if err := json.Unmarshal(a.must(t, 200, "GET", path, "").body, &b); err != nil {
		t.Fatal(err)
	}
	return &b
}

// link is the path of a Bundle's link, "" where it has none.
func (a *api) link(b *bundle, relation string) string {
	for _, l := range b.Link {
		if l.Relation == relation {
			return strings.TrimPrefix(l.URL, a.own)
		}
	}
	return ""
}

// state is all that a client can see: every version in the history, and what
// searches find, which must be the current versions.
func (a *api) state(t *testing.T) string {
	t.Helper()
	var text bytes.Buffer
	for _, path := range []string{"/_history?_count=1000", "/?_type=Patient,Observation,Basic&_count=1000"} {
		b := a.bundleOf(t, path)
		if a.link(b, "next") != "" {
			t.Fatal("the state does not fit a page")
		}
		fmt.Fprintf(&text, "%s: %d\n", path, b.Total)
		for _, e := range b.Entry {
			fmt.Fprintf(&text, "%s\n", e.Resource)
		}
	}
	return text.String()
}

// An outcome is an OperationOutcome.
type outcome struct {
	ResourceType string
	Issue        []struct {
		Severity, Code, Diagnostics string
		Expression                  []string
	}
}

// wantRefusal checks that an answer is an OperationOutcome with a status,
// whose first issue has a code and says what is wrong.
func wantRefusal(t *testing.T, got reply, status int, code, says string) {
	t.Helper()
	var o outcome
	if err := json.Unmarshal(got.body, &o); err != nil {
		t.Fatalf("%d %.600s: %v", got.status, got.body, err)
	}
	if got.status != status || o.ResourceType != "OperationOutcome" || len(o.Issue) == 0 {
		t.Fatalf("%d %.600s; want an OperationOutcome with %d", got.status, got.body, status)
	}
	issue := o.Issue[0]
	where := strings.Join(issue.Expression, " ")
	if issue.Code != code || !strings.Contains(where+": "+issue.Diagnostics, says) {
		t.Errorf("issue %q at %q says %.400q; want code %q and %q", issue.Code, where, issue.Diagnostics, code, says)
	}
}
