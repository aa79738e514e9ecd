package external_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/external"
)

const system = "http://x.org/elsewhere"

// other is a terminology server that knows the codes a, and b below it.
type other struct {
	asked  int
	broken bool
	auth   string
}

func (o *other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.asked++
	o.auth = r.Header.Get("Authorization")
	if o.broken {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(err)
	}
	in := string(body)
	w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
	parameters := func(format string, args ...any) {
		fmt.Fprintf(w, `{"resourceType":"Parameters","parameter":[`+format+`]}`, args...)
	}
	switch path := strings.TrimPrefix(r.URL.Path, "/fhir/"); {
	case strings.Contains(in, `"code":"nonsense"`):
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"code-invalid","diagnostics":"no such code"}]}`)
	case path == "CodeSystem/$lookup":
		parameters(`{"name":"name","valueString":"Else"},{"name":"display","valueString":"B thing"},
			{"name":"designation","part":[{"name":"language","valueCode":"de"},{"name":"value","valueString":"B-Ding"}]},
			{"name":"property","part":[{"name":"code","valueCode":"parent"},{"name":"value","valueCode":"a"}]}`)
	case path == "CodeSystem/$subsumes":
		parameters(`{"name":"outcome","valueCode":"subsumed-by"}`)
	case path == "ValueSet/$validate-code":
		parameters(`{"name":"result","valueBoolean":%v},{"name":"display","valueString":"B thing"}`, strings.Contains(in, `"value":"a"`))
	case path == "ValueSet/$expand" && strings.Contains(in, `"is-a"`):
		fmt.Fprintf(w, `{"resourceType":"ValueSet","status":"active","expansion":{"timestamp":"2030-01-01","contains":[{"system":%q,"code":"a","contains":[{"system":%[1]q,"code":"b","display":"B thing"}]}]}}`, system)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func ask(t *testing.T, o *other, now func() time.Time) *terminology.Service {
	t.Helper()
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	client := external.New(external.Options{URL: server.URL + "/fhir/", Systems: []string{system}, Authorization: "Bearer t", Now: now})
	return terminology.With(terminology.Options{Remote: client.For(context.Background())})
}

func TestAsked(t *testing.T) {
	o := &other{}
	s := ask(t, o, nil)
	elsewhere, err := s.System(system)
	if err != nil {
		t.Fatal(err)
	}
	d, err := elsewhere.Lookup("b", nil)
	if err != nil || d.Concept.Display != "B thing" || len(d.Designations) != 1 || len(d.Properties) != 1 || d.Properties[0].Text != "a" {
		t.Errorf("lookup: %+v, %v", d, err)
	}
	if o.auth != "Bearer t" {
		t.Errorf("the credentials sent are %q", o.auth)
	}
	if outcome, err := elsewhere.Subsumption("b", "a"); outcome != terminology.SubsumedBy || err != nil {
		t.Errorf("subsumption: %v, %v", outcome, err)
	}
	v, err := elsewhere.Validate([]terminology.Coding{{System: system, Code: "nonsense"}}, terminology.Check{})
	if v.Result || err != nil || !strings.Contains(v.Message, "no such code") {
		t.Errorf("a code that is none: %+v, %v", v, err)
	}
	before := o.asked
	if _, err := elsewhere.Lookup("b", nil); err != nil || o.asked != before {
		t.Errorf("what was answered is asked again: %d times, %v", o.asked-before, err)
	}
	codes, err := elsewhere.Related("a", false, 10)
	if err != nil || fmt.Sprint(codes) != "[a b]" {
		t.Errorf("below a: %v, %v", codes, err)
	}
	if _, err := elsewhere.Related("a", false, 0); fhir.KindOf(err) != fhir.KindTooCostly {
		t.Errorf("more than are asked for: %v", err)
	}
	if known, err := s.System("http://x.org/here"); err == nil {
		t.Errorf("a system that the server is not asked about is %+v", known)
	}
}

// TestSilent: a server that fails is an error each time, is left alone after some,
// and is asked again later.
func TestSilent(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	o := &other{broken: true}
	s := ask(t, o, func() time.Time { return now })
	elsewhere, err := s.System(system)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, asked int) {
		t.Helper()
		v, err := elsewhere.Validate([]terminology.Coding{{System: system, Code: "b"}}, terminology.Check{})
		if v.Result || fhir.KindOf(err) != fhir.KindUnavailable || err == nil {
			t.Errorf("%s: %+v, %v", what, v, err)
		}
		if o.asked != asked {
			t.Errorf("%s: the server was asked %d times, want %d", what, o.asked, asked)
		}
	}
	check("once", 1)
	check("twice", 2)
	check("three times", 3)
	check("left alone", 3)
	now = now.Add(31 * time.Second)
	check("tried again", 4)
	check("left alone again", 4)
	now = now.Add(31 * time.Second)
	o.broken = false
	if v, err := elsewhere.Validate([]terminology.Coding{{System: system, Code: "b"}}, terminology.Check{}); !v.Result || err != nil {
		t.Errorf("when it answers again: %+v, %v", v, err)
	}
}

// TestTooLong gives up on a server that takes too long.
func TestTooLong(t *testing.T) {
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }))
	defer server.Close()
	defer close(stop)
	client := external.New(external.Options{URL: server.URL, Systems: []string{system}, Timeout: time.Millisecond})
	_, err := client.For(context.Background()).Lookup(terminology.Coding{System: system, Code: "b"})
	if fhir.KindOf(err) != fhir.KindUnavailable || !strings.Contains(err.Error(), "took too long") {
		t.Errorf("got %v", err)
	}
}
