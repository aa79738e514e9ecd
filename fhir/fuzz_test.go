package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// fuzzLimits keep Parse from stopping for anything but syntax.
var fuzzLimits = Limits{Depth: 1 << 20, Nodes: 1 << 20}

// FuzzParse compares what Parse takes for JSON with what encoding/json does,
// and sends on what it accepts.
func FuzzParse(f *testing.F) {
	for _, src := range []string{
		`{"resourceType":"Patient","id":"a","meta":{"versionId":"1","tag":[{"code":"x"}]},"active":true,"birthDate":"2000"}`,
		`{"name":[{"given":["a",null],"_given":[null,{"id":"x"}]}],"resourceType":"Patient"}`,
		`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Observation","valueQuantity":{"value":-1.50e3}}}]}`,
		`{"resourceType":"Observation","_valueString":{"extension":[{"url":"u","valueString":"\ud83d\ude00\n\\"}]},"note":["a"]}`,
		`{"resourceType":"Patient","meta":{"versionId":"1"}}`,
		"[1,2.5e-3,-0,\"\\u00e9\",{\"a\":null,\"b\":[true,false]}]", `"\ud800"`, `{"a":01}`, "\xef\xbb\xbf{}", `{"a":1,}`, `[1,]`, "nul", "",
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		tree, err := Parse(testSchema, src, fuzzLimits)
		if valid, known := isJSON(src); known && !tooMany(err) && valid != !isSyntax(err) {
			t.Errorf("%q: encoding/json says %v, Parse says %v", src, valid, err)
		}
		if err != nil {
			checkIssues(t, src, err)
			return
		}
		checkTree(t, tree)
		id := "new"
		checkBody(t, NewBody(tree.Root(), id), id)
	})
}

// isJSON reports whether src is JSON by RFC 8259 in valid UTF-8. encoding/json
// lets half surrogates pass and has a depth limit: known is false for those.
func isJSON(src []byte) (valid, known bool) {
	if !utf8.Valid(src) {
		return false, true
	}
	if bytes.Contains(bytes.ToLower(src), []byte(`\ud`)) || bytes.Count(src, []byte("["))+bytes.Count(src, []byte("{")) > 9000 {
		return false, false
	}
	return json.Valid(src), true
}

func issuesOf(err error) []Issue {
	var e *Error
	if errors.As(err, &e) {
		return e.Issues
	}
	return nil
}

func isSyntax(err error) bool {
	for _, i := range issuesOf(err) {
		if i.Severity == SeverityFatal {
			return true
		}
	}
	return false
}

func tooMany(err error) bool { return len(issuesOf(err)) >= maxIssues }

func checkIssues(t *testing.T, src []byte, err error) {
	t.Helper()
	lines := 1 + bytes.Count(src, []byte("\n"))
	for _, i := range issuesOf(err) {
		if i.Diagnostics == "" || i.Code == "" {
			t.Errorf("%q: an empty issue", src)
		}
		if i.Severity != SeverityInformation && (i.Line < 1 || i.Line > lines || i.Column < 1 || i.Column > len(src)+1) {
			t.Errorf("%q: %s is out of place", src, issueLine(i))
		}
	}
	if !json.Valid(AppendOutcome(nil, issuesOf(err))) {
		t.Errorf("%q: the outcome is not JSON", src)
	}
}

// checkTree checks what must hold for every tree.
func checkTree(t *testing.T, tree *Tree) {
	t.Helper()
	var walk func(Node)
	walk = func(n Node) {
		from, to := n.Span()
		if from > to || to > len(tree.Source) {
			t.Fatalf("%q: span %d:%d", tree.Source, from, to)
		}
		if strings.Contains(n.Path(), "..") {
			t.Errorf("%q: path %s", tree.Source, n.Path())
		}
		if !utf8.ValidString(n.Text()) {
			t.Errorf("%q: text %q", tree.Source, n.Text())
		}
		for c := range n.Children() {
			if c.Parent() != n || c.Element() == nil {
				t.Errorf("%q: %s is not below %s", tree.Source, c.Path(), n.Path())
			}
			walk(c)
		}
	}
	walk(tree.Root())
}

// TestParseAllocations holds the reader to the tree and its tape.
func TestParseAllocations(t *testing.T) {
	src := []byte(`{"resourceType":"Patient","id":"a","name":[{"family":"A\n","given":["b",null],"_given":[null,{"id":"c"}]}],"active":true}`)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := Parse(testSchema, src, DefaultLimits); err != nil {
			t.Fatal(err)
		}
	}); n > 2 {
		t.Errorf("Parse allocates %v times", n)
	}
}

func BenchmarkParse(b *testing.B) {
	src := []byte(`{"resourceType":"Bundle","entry":[` + strings.Repeat(`{"fullUrl":"urn:uuid:c757873d-ec9a-4326-a141-556f43239520","resource":`+
		`{"resourceType":"Patient","id":"c757873d","meta":{"profile":["http://example.org/StructureDefinition/p"]},"active":true,`+
		`"name":[{"family":"Chalmers","given":["Peter","James"]}],"birthDate":"1974-12-25"}},`, 500) + `{"fullUrl":"u"}]}`)
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(testSchema, src, DefaultLimits); err != nil {
			b.Fatal(err)
		}
	}
}
