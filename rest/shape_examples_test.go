package rest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// shapes are queries, each with the elements that it keeps besides mandatory
// ones and modifiers.
var shapes = map[string]struct {
	query search.Query
	keeps func(*fhir.Element) bool
}{
	"summary": {search.Query{Summary: search.SummaryTrue}, func(e *fhir.Element) bool { return e.Summary }},
	"text":    {search.Query{Summary: search.SummaryText}, func(e *fhir.Element) bool { return e.Name == "text" }},
	"data":    {search.Query{Summary: search.SummaryData}, func(e *fhir.Element) bool { return e.Name != "text" }},
	"elements": {
		search.Query{Elements: []string{"subject", "value", "name"}},
		func(e *fhir.Element) bool { return e.Name == "subject" || e.Name == "value" || e.Name == "name" },
	},
}

// exampleVersions are the official examples as a store would hold them.
func exampleVersions(tb testing.TB) (versions []store.Version, trees []*fhir.Tree) {
	tb.Helper()
	files, err := filepath.Glob("../../shared/data/examples/r4-official/*.json")
	if err != nil {
		tb.Fatal(err)
	}
	if len(files) == 0 {
		tb.Skip("../shared/data is absent")
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		tree, err := fhir.Parse(definition.R4().Schema, src, fhir.DefaultLimits)
		if err != nil {
			tb.Fatal(err)
		}
		versions = append(versions, store.Version{
			Type: tree.Root().Type().Name, ID: "1", Number: 1, LastUpdated: time.Unix(0, 0), Body: fhir.NewBody(tree.Root(), "1"),
		})
		trees = append(trees, tree)
	}
	return versions, trees
}

// TestShapedExamples reads the official examples in every shape: what comes is
// FHIR, is marked, and has what it should and nothing else.
func TestShapedExamples(t *testing.T) {
	versions, trees := exampleVersions(t)
	schema := definition.R4().Schema
	var none *shape
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			for i := range versions {
				v := &versions[i]
				whole, _ := none.append(nil, schema, v)
				got, err := shapeOf(&shape.query).append(nil, schema, v)
				if err != nil {
					t.Fatal(err)
				}
				tree, err := fhir.Parse(schema, got, fhir.DefaultLimits)
				if err != nil {
					t.Fatalf("%s: %v\n%s\n%s", trees[i].Root().TextOf("id"), err, whole, got)
				}
				stays := func(e *fhir.Element) bool {
					return shape.keeps(e) || e.Min > 0 || e.Name == "id" || e.Name == "meta" || e.Modifier && name != "text"
				}
				checkShaped(t, tree.Root(), trees[i].Root(), stays)
			}
		})
	}
}

// checkShaped checks that a resource is marked and has those elements of the
// whole that stay, in the same number.
func checkShaped(t *testing.T, got, whole fhir.Node, stays func(*fhir.Element) bool) {
	t.Helper()
	marks := 0
	for tag := range got.Child("meta").Each("tag") {
		if tag.TextOf("code") == "SUBSETTED" && tag.TextOf("system") == fhir.SubsettedSystem {
			marks++
		}
	}
	if marks != 1 {
		t.Errorf("%s/%s: %d tags SUBSETTED", got.Type().Name, whole.TextOf("id"), marks)
	}
	for _, e := range got.Type().Elements {
		has, had := count(got, e), count(whole, e)
		switch {
		case e.Name == "id" || e.Name == "meta":
		case !stays(e) && has > 0:
			t.Errorf("%s/%s has %s", got.Type().Name, whole.TextOf("id"), e.Name)
		case stays(e) && (has > had || had > 0 && has == 0 && e.Min > 0):
			t.Errorf("%s/%s has %d of %d %s", got.Type().Name, whole.TextOf("id"), has, had, e.Name)
		case stays(e) && has == 0 && had > 0:
			t.Logf("%s/%s: nothing of %s is left", got.Type().Name, whole.TextOf("id"), e.Name)
		}
	}
}

func count(n fhir.Node, e *fhir.Element) (count int) {
	for range n.Each(e.Name) {
		count++
	}
	return count
}

// BenchmarkShape shapes all the official examples.
func BenchmarkShape(b *testing.B) {
	versions, _ := exampleVersions(b)
	schema := definition.R4().Schema
	run := func(name string, s *shape) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			var err error
			read := int64(0)
			for b.Loop() {
				for i := range versions {
					read += int64(len(versions[i].Body.JSON))
					if buf, err = s.append(buf[:0], schema, &versions[i]); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(versions)), "ns/resource")
			b.SetBytes(read / int64(b.N))
		})
	}
	run("whole", nil)
	for name, shape := range shapes {
		run(name, shapeOf(&shape.query))
	}
}
