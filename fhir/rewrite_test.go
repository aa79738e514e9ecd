package fhir_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// strings gathers the strings below a node.
func stringNodes(n fhir.Node) (found []fhir.Node) {
	for c := range n.Children() {
		if c.HasValue() && c.Type().JSON == fhir.JSONString {
			found = append(found, c)
		}
		found = append(found, stringNodes(c)...)
	}
	return found
}

// sameNodes compares everything that can be asked of two nodes.
func sameNodes(t *testing.T, a, b fhir.Node) {
	t.Helper()
	aStart, aEnd := a.Span()
	bStart, bEnd := b.Span()
	if a.Type() != b.Type() || a.Property() != b.Property() || a.Path() != b.Path() || aStart != bStart || aEnd != bEnd ||
		a.Text() != b.Text() || a.HasValue() != b.HasValue() || a.Parent().Path() != b.Parent().Path() {
		t.Fatalf("%s %q at %d:%d, parsed anew %s %q at %d:%d", a.Path(), a.Raw(), aStart, aEnd, b.Path(), b.Raw(), bStart, bEnd)
	}
	next := b.First()
	for c := a.First(); c.Exists(); c = c.Next() {
		if !next.Exists() {
			t.Fatalf("%s: %s has no twin", a.Path(), c.Path())
		}
		sameNodes(t, c, next)
		next = next.Next()
	}
	if next.Exists() {
		t.Fatalf("%s lacks %s", a.Path(), next.Path())
	}
}

// TestRewrite compares what Rewrite makes with a second look at the text.
func TestRewrite(t *testing.T) {
	files, _ := filepath.Glob("../../shared/data/examples/r4-official/*.json")
	if len(files) == 0 {
		t.Skip("../../shared/data is absent")
	}
	schema := definition.R4().Schema
	random := rand.New(rand.NewPCG(1, 2))
	rewritten := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := fhir.Parse(schema, src, fhir.DefaultLimits)
		if err != nil || len(src) > 100_000 {
			continue
		}
		resources := []fhir.Node{tree.Root()}
		for entry := range tree.Root().Each("entry") {
			resources = append(resources, entry.Child("resource"))
		}
		for contained := range tree.Root().Each("contained") {
			resources = append(resources, contained)
		}
		for _, resource := range resources {
			if !resource.Exists() {
				continue
			}
			resource = resource.Detach().Root()
			checkRewrite(t, schema, resource, randomEdits(random, stringNodes(resource)))
			rewritten++
		}
	}
	if rewritten < 1000 {
		t.Errorf("only %d resources", rewritten)
	}
}

func randomEdits(random *rand.Rand, nodes []fhir.Node) (edits []fhir.Edit) {
	texts := []string{"x", "Patient/0a8ee4a4-1c7f-4b1e-8a65-1a3b5e7d9c11", `a \"quoted\" text`, "ä"}
	for _, n := range nodes {
		if random.IntN(3) == 0 {
			start, end := n.Span()
			edits = append(edits, fhir.Edit{Start: start, End: end, Text: texts[random.IntN(len(texts))]})
		}
	}
	return edits
}

func checkRewrite(t *testing.T, schema *fhir.Schema, resource fhir.Node, edits []fhir.Edit) {
	t.Helper()
	got := fhir.Rewrite(resource, edits)
	want, err := fhir.Parse(schema, got.Source, fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	sameNodes(t, got.Root(), want.Root())
}

// BenchmarkRewrite sets two references of an Observation.
func BenchmarkRewrite(b *testing.B) {
	src := []byte(`{"resourceType":"Observation","id":"1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8302-2","display":"Body Height"}],"text":"Body Height"},"subject":{"reference":"urn:uuid:cc7f4b62-2b2c-4ad2-9b0f-b9a9e5c1f9e3"},"encounter":{"reference":"urn:uuid:1f7f4b62-2b2c-4ad2-9b0f-b9a9e5c1f9e3"},"effectiveDateTime":"2012-03-04T05:06:07+01:00","valueQuantity":{"value":170.5,"unit":"cm","system":"http://unitsofmeasure.org","code":"cm"}}`)
	tree, err := fhir.Parse(definition.R4().Schema, src, fhir.DefaultLimits)
	if err != nil {
		b.Fatal(err)
	}
	var edits []fhir.Edit
	for _, name := range []string{"subject", "encounter"} {
		start, end := tree.Root().Child(name).Child("reference").Span()
		edits = append(edits, fhir.Edit{Start: start, End: end, Text: "Patient/1"})
	}
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		fhir.Rewrite(tree.Root(), edits)
	}
}
