package rest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
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
// and a pattern of the body. In a pattern "..." stands for any text or value
// and, last in an array, for any further items; an object may have members
// that the pattern has not, unless the pattern gives them as "!absent";
// {{name}} captures a text, or repeats one that was captured. "(empty)" is the
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
	vars map[string]string
}

func (s *server) newConversation(t *testing.T, id string) *conversation {
	store := s.create(t, id)
	return &conversation{server: s, base: store.Base(), vars: map[string]string{"base": store.Base()}}
}

func (c *conversation) step(t *testing.T, name, ask, want string) {
	t.Helper()
	res := c.send(t, c.fill(ask))
	var problems []string
	status, headers, body := splitMessage(want)
	if got := strconv.Itoa(res.status); got != status {
		problems = append(problems, "status is not "+status)
	}
	for _, line := range headers {
		key, value, _ := strings.Cut(line, ":")
		if p := c.matchHeader(res.header.Values(key), strings.TrimSpace(value)); p != "" {
			problems = append(problems, key+": "+p)
		}
	}
	problems = append(problems, c.matchBody(res.body, strings.TrimSpace(body))...)
	problems = append(problems, c.soundness(res)...)
	if len(problems) > 0 {
		t.Fatalf("%s:\n  %s\n--- got %d %v\n%.4000s", name, strings.Join(problems, "\n  "), res.status, res.header, res.body)
	}
}

// fill puts captured texts in place.
func (c *conversation) fill(text string) string {
	for name, value := range c.vars {
		text = strings.ReplaceAll(text, "{{"+name+"}}", value)
	}
	return text
}

// splitMessage splits first line, headers and body.
func splitMessage(text string) (first string, headers []string, body string) {
	head, body, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	return lines[0], lines[1:], strings.TrimSuffix(body, "\n")
}

type reply struct {
	method string
	status int
	header http.Header
	body   []byte
}

func (c *conversation) send(t *testing.T, ask string) reply {
	t.Helper()
	first, headers, body := splitMessage(ask)
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

// do sends a request and undoes gzip.
func do(t *testing.T, req *http.Request) reply {
	t.Helper()
	res, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}).RoundTrip(req)
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

func (c *conversation) matchHeader(values []string, want string) string {
	if want == "!absent" {
		if len(values) > 0 {
			return "is " + values[0] + ", and should be absent"
		}
		return ""
	}
	got := strings.Join(values, ", ")
	return c.matchText(got, want)
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
	pattern, err := decode([]byte(want))
	if err != nil {
		return []string{"the pattern is not JSON: " + err.Error()}
	}
	if tree, err := fhir.ParseXML(definition.R4().Schema, body, fhir.DefaultLimits); err == nil {
		body = tree.Root().Raw() // a pattern matches XML as it does JSON
	}
	got, err := decode(body)
	if err != nil {
		return []string{"the body is not JSON: " + err.Error()}
	}
	return c.matchJSON("body", got, pattern)
}

func decode(b []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	err := d.Decode(&v)
	return v, err
}

func (c *conversation) matchJSON(at string, got, want any) []string {
	switch want := want.(type) {
	case map[string]any:
		return c.matchObject(at, got, want)
	case []any:
		return c.matchArray(at, got, want)
	case string:
		if want == "..." {
			return nil
		}
		text, ok := got.(string)
		if !ok {
			return []string{fmt.Sprintf("%s: is %v, not the string %q", at, got, want)}
		}
		if p := c.matchText(text, want); p != "" {
			return []string{at + ": " + p}
		}
		return nil
	}
	if got != want {
		return []string{fmt.Sprintf("%s: is %v, not %v", at, got, want)}
	}
	return nil
}

func (c *conversation) matchObject(at string, got any, want map[string]any) (problems []string) {
	object, ok := got.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s: is %v, not an object", at, got)}
	}
	for key, pattern := range want {
		value, there := object[key]
		switch {
		case pattern == "!absent" && there:
			problems = append(problems, at+"."+key+": should be absent")
		case pattern == "!absent":
		case !there:
			problems = append(problems, at+"."+key+": is absent")
		default:
			problems = append(problems, c.matchJSON(at+"."+key, value, pattern)...)
		}
	}
	return problems
}

func (c *conversation) matchArray(at string, got any, want []any) (problems []string) {
	items, ok := got.([]any)
	if !ok {
		return []string{fmt.Sprintf("%s: is %v, not an array", at, got)}
	}
	open := len(want) > 0 && want[len(want)-1] == "..."
	if open {
		want = want[:len(want)-1]
	}
	if len(items) < len(want) || len(items) > len(want) && !open {
		return []string{fmt.Sprintf("%s: has %d items, not %d", at, len(items), len(want))}
	}
	for i := range want {
		problems = append(problems, c.matchJSON(fmt.Sprintf("%s[%d]", at, i), items[i], want[i])...)
	}
	return problems
}

var special = regexp.MustCompile(`\.\.\.|\{\{\w+\}\}`)

// matchText matches a text and captures.
func (c *conversation) matchText(got, want string) string {
	var names []string
	var expr strings.Builder
	expr.WriteString(`(?s)^`)
	last := 0
	filled := c.fill(want)
	for _, at := range special.FindAllStringIndex(filled, -1) {
		expr.WriteString(regexp.QuoteMeta(filled[last:at[0]]))
		if token := filled[at[0]:at[1]]; token == "..." {
			expr.WriteString(`.*`)
		} else {
			names = append(names, strings.Trim(token, "{}"))
			expr.WriteString(`(.+?)`)
		}
		last = at[1]
	}
	expr.WriteString(regexp.QuoteMeta(filled[last:]) + `$`)
	m := regexp.MustCompile(expr.String()).FindStringSubmatch(got)
	if m == nil {
		return fmt.Sprintf("is %q, not %q", got, filled)
	}
	for i, name := range names {
		c.vars[name] = m[i+1]
	}
	return ""
}
