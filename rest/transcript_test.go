package rest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/transcript"
)

// TestTranscripts runs testdata/*.txtar. Each is a conversation with an empty
// data store, in pairs of files. The first holds a request:
//
//	POST /Patient
//	Prefer: return=minimal
//
//	{"resourceType": "Patient"}
//
// and the second, named "want", what must come back: the status, some headers,
// and a pattern of the body, as package transcript has them; "(empty)" is the
// empty body. Paths are relative to {{base}}. A file named "run" stands by
// itself: what was to be answered later is carried out.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	s := newServer(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := s.newConversation(t, strings.ReplaceAll(name, "_", "-"))
			for i := 0; i < len(archive.Files); i += 2 {
				if archive.Files[i].Name == "run" {
					s.runJobs(t)
					i--
					continue
				}
				if i+1 == len(archive.Files) {
					t.Fatal("the last want is missing")
				}
				ask, want := archive.Files[i], archive.Files[i+1]
				if want.Name != "want" {
					t.Fatalf("%s: the file after it is %q, not want", ask.Name, want.Name)
				}
				c.step(t, ask.Name, string(ask.Data), string(want.Data))
			}
		})
	}
}

// A conversation is the requests of one transcript.
type conversation struct {
	*server
	base string
	vars transcript.Vars
}

func (s *server) newConversation(t *testing.T, id string) *conversation {
	store := s.create(t, id)
	return &conversation{server: s, base: store.Base(), vars: transcript.Vars{"base": store.Base()}}
}

func (c *conversation) step(t *testing.T, name, ask, want string) {
	t.Helper()
	res := c.send(t, c.vars.Fill(ask))
	var problems []string
	status, headers, body := transcript.Split(want)
	if got := strconv.Itoa(res.status); got != status {
		problems = append(problems, "status is not "+status)
	}
	for _, line := range headers {
		if p := c.vars.Header(res.header, line); p != "" {
			problems = append(problems, p)
		}
	}
	problems = append(problems, c.matchBody(res.body, strings.TrimSpace(body))...)
	problems = append(problems, c.soundness(res)...)
	if len(problems) > 0 {
		t.Fatalf("%s:\n  %s\n--- got %d %v\n%.4000s", name, strings.Join(problems, "\n  "), res.status, res.header, res.body)
	}
}

type reply struct {
	method string
	status int
	header http.Header
	body   []byte
}

func (c *conversation) send(t *testing.T, ask string) reply {
	t.Helper()
	first, headers, body := transcript.Split(ask)
	method, path, _ := strings.Cut(first, " ")
	if rest, ok := strings.CutPrefix(path, "http://example.org"); ok {
		path = rest
	} else {
		path = strings.TrimPrefix(c.base, "http://example.org") + path
	}
	req, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	for _, line := range headers {
		key, value, _ := strings.Cut(line, ":")
		req.Header.Set(key, strings.TrimSpace(value))
	}
	return do(t, req)
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

// do sends a request and undoes gzip.
func do(t *testing.T, req *http.Request) reply {
	t.Helper()
	// The connection may be kept, so that the server reads what it has no use for:
	// one that closes it may do so before a body is sent.
	transport := &http.Transport{DialContext: dialUnheeded, DisableCompression: true, ExpectContinueTimeout: time.Hour}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Content-Encoding") == "gzip" && req.Method != http.MethodHead {
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return reply{method: req.Method, status: res.StatusCode, header: res.Header, body: body}
}

// soundness checks what holds for every response.
func (c *conversation) soundness(res reply) (problems []string) {
	if res.header.Get("X-Request-Id") == "" {
		problems = append(problems, "no X-Request-Id")
	}
	if res.header.Get("Access-Control-Allow-Origin") != "*" {
		problems = append(problems, "no Access-Control-Allow-Origin")
	}
	if len(res.body) == 0 {
		if res.status >= 400 && res.method != http.MethodHead {
			problems = append(problems, "an error without OperationOutcome")
		}
		return problems
	}
	if bytes.HasPrefix(res.body, []byte(`{"data":`)) || bytes.HasPrefix(res.body, []byte(`{"errors":`)) {
		return problems // an answer of $graphql, which is no resource
	}
	tree, err := c.parse(res.body)
	if strings.Contains(res.header.Get("Content-Type"), "xml") {
		tree, err = fhir.ParseXML(definition.R4().Schema, res.body, fhir.DefaultLimits)
	}
	if err != nil {
		return append(problems, "the body is not FHIR: "+err.Error())
	}
	if name := tree.Root().Type().Name; res.status >= 400 && name != "OperationOutcome" {
		problems = append(problems, "an error with a body of type "+name)
	}
	return problems
}

func (c *conversation) matchBody(body []byte, want string) []string {
	switch want {
	case "":
		return nil
	case "(empty)":
		if len(body) > 0 {
			return []string{"the body is not empty"}
		}
		return nil
	}
	if tree, err := fhir.ParseXML(definition.R4().Schema, body, fhir.DefaultLimits); err == nil {
		body = tree.Root().Raw() // a pattern matches XML as it does JSON
	}
	return c.vars.JSON(body, []byte(want))
}
