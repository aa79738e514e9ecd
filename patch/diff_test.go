package patch_test

import (
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/patch"
)

// diffed checks that the patch that Diff makes leads from one resource to the
// other, and returns its operations.
func diffed(t *testing.T, from, to *fhir.Tree) string {
	t.Helper()
	text := string(patch.Diff(from, to))
	if !strings.Contains(text, `"operation"`) {
		return text
	}
	got, err := patch.FHIRPath(from, parse(t, text).Root())
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	if again := string(patch.Diff(parse(t, string(got)), to)); strings.Contains(again, `"operation"`) {
		t.Fatalf("from %s\nto   %s\nby   %s\ngot  %s\nleft %s", from.Source, to.Source, text, got, again)
	}
	return text
}

func TestDiff(t *testing.T) {
	const p = `{"resourceType":"Patient"`
	for _, c := range []struct{ from, to, want string }{
		{p + `,"id":"a","meta":{"versionId":"1","lastUpdated":"2020-01-01T00:00:00Z"}}`, p + `,"id":"a","meta":{"versionId":"2"}}`, `{"resourceType":"Parameters"}`},
		{p + `}`, p + `,"active":true}`, `"valueCode":"add"},{"name":"path","valueString":"Patient"},{"name":"name","valueString":"active"},{"name":"value","valueBoolean":true}`},
		{p + `,"active":true}`, p + `}`, `"valueCode":"delete"},{"name":"path","valueString":"Patient.active"}`},
		{p + `,"active":true}`, p + `,"active":false}`, `"valueCode":"replace"},{"name":"path","valueString":"Patient.active"},{"name":"value","valueBoolean":false}`},
		{p + `,"deceasedBoolean":true}`, p + `,"deceasedDateTime":"2020"}`, `"path","valueString":"Patient.deceased"},{"name":"value","valueDateTime":"2020"}`},
		{p + `,"name":[{"given":["A","B"]}]}`, p + `,"name":[{"given":["A","X","B"]}]}`, `"valueCode":"insert"},{"name":"path","valueString":"Patient.name[0].given"},{"name":"index","valueInteger":1}`},
		{p + `,"name":[{"given":["A","B"]}]}`, p + `,"name":[{"given":["B"]}]}`, `"valueCode":"delete"},{"name":"path","valueString":"Patient.name[0].given[0]"}`},
		{p + `,"name":[{"given":["A"]}]}`, p + `,"name":[{"given":["A"],"_given":[{"id":"x"}]}]}`, `"_valueString":{"id":"x"}`},
		{p + `,"name":[{"given":["A"]}]}`, p + `,"name":[{"_given":[{"extension":[{"url":"u","valueCode":"c"}]}]}]}`, `"replace"`},
		{p + `,"contact":[{"name":{"text":"x"}}]}`, p + `,"contact":[{"gender":"male"}]}`, `"valueString":"Patient.contact[0]"`},
		{p + `,"extension":[{"url":"u","valueCode":"c"}]}`, p + `,"extension":[{"url":"u","valueCode":"c"},{"url":"v","extension":[{"url":"w","valueBoolean":true}]}]}`, `"part":[{"name":"url","valueUri":"v"}`},
		{p + `,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">a</div>"}}`, p + `,"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">b</div>"}}`, "Patient.text.`div`"},
		{p + `,"contained":[{"resourceType":"Organization","id":"o"}]}`, p + `,"contained":[{"resourceType":"Organization","id":"o","name":"x"}]}`, `"resource":{"resourceType":"Organization"`},
	} {
		if got := diffed(t, parse(t, c.from), parse(t, c.to)); !strings.Contains(got, c.want) {
			t.Errorf("%s\n%s\ngot %s", c.from, c.to, got)
		}
	}
}

// TestDiffExamples leads from each official example to the next one of its
// type.
func TestDiffExamples(t *testing.T) {
	last := map[string]*fhir.Tree{}
	done := 0
	for _, tree := range examples(t) {
		name := tree.Root().Type().Name
		if from := last[name]; from != nil && len(from.Source)+len(tree.Source) < 40_000 {
			diffed(t, from, tree)
			done++
		}
		last[name] = tree
		if done == 250 {
			break
		}
	}
	if done < 100 {
		t.Errorf("only %d pairs were tried", done)
	}
}
