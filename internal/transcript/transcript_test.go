package transcript_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/tarnhealth/tarn/internal/transcript"
)

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		got, pattern string
		problems     []string
	}{
		{`{"a":1,"b":"x"}`, `{"a":1}`, nil},
		{`{"a":1}`, `{"a":1.0}`, []string{"body.a: is 1, not 1.0"}},
		{`{"a":1}`, `{"a":"!absent"}`, []string{"body.a: should be absent"}},
		{`{"a":1}`, `{"b":"..."}`, []string{"body.b: is absent"}},
		{`{"a":{"b":[1,2,3]}}`, `{"a":{"b":[1,"..."]}}`, nil},
		{`[1,2]`, `[1]`, []string{"body: has 2 items, not 1"}},
		{`[1]`, `[1,2,"..."]`, []string{"body: has 1 items, not 2"}},
		{`{"a":"one two"}`, `{"a":"one ..."}`, nil},
		{`{"a":"one two"}`, `{"a":"two ..."}`, []string{`body.a: is "one two", not "two ..."`}},
		{`{"a":null}`, `{"a":[]}`, []string{"body.a: is <nil>, not an array"}},
		{`{"a":"x","b":"x"}`, `[]`, []string{"body: is map[a:x b:x], not an object"}},
		{`{`, `{}`, []string{"the body is not JSON: unexpected EOF"}},
	} {
		if got := (transcript.Vars{}).JSON([]byte(c.got), []byte(c.pattern)); c.pattern != "[]" && !slices.Equal(got, c.problems) || c.pattern == "[]" && len(got) == 0 {
			t.Errorf("%s of %s: %q", c.pattern, c.got, got)
		}
	}
}

// TestCaptures: what was captured has to be the same again, until it is captured
// anew.
func TestCaptures(t *testing.T) {
	v := transcript.Vars{"base": "http://e.org"}
	for _, c := range []struct {
		got, pattern string
		matches      bool
	}{
		{"http://e.org/Patient/7", "{{base}}/Patient/{{id}}", true},
		{"Patient/7", "Patient/{{id}}", true},
		{"Patient/8", "Patient/{{id}}", false},
		{"Patient/8", "Patient/{{id!}}", true},
		{"Patient/8?", "Patient/{{id}}?", true},
	} {
		if problem := v.Text(c.got, c.pattern); (problem == "") != c.matches {
			t.Errorf("%s of %s: %q", c.pattern, c.got, problem)
		}
	}
	if v["id"] != "8" || v.Fill("{{id}} {{other}}") != "8 {{other}}" {
		t.Error(v)
	}
}

func TestHeader(t *testing.T) {
	header := http.Header{"Vary": {"Accept", "Origin"}}
	for line, want := range map[string]string{
		"Vary: Accept, Origin": "", "vary: ..., Origin": "", "Vary: Origin": `Vary: is "Accept, Origin", not "Origin"`,
		"Vary: !absent": "Vary: is Accept, and should be absent", "Age: !absent": "", "Age: 1": `Age: is "", not "1"`,
	} {
		if got := (transcript.Vars{}).Header(header, line); got != want {
			t.Errorf("%s: %q", line, got)
		}
	}
}
