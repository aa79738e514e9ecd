package search_test

import (
	"bufio"
	"compress/gzip"
	"os"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// synthea reads up to n resources of a type.
func synthea(b *testing.B, resourceType string, n int) []*fhir.Tree {
	b.Helper()
	f, err := os.Open("../../shared/data/synthea/dev/ndjson/" + resourceType + ".ndjson.gz")
	if err != nil {
		b.Skip("../../shared/data is absent")
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	var trees []*fhir.Tree
	scan := bufio.NewScanner(z)
	scan.Buffer(nil, 16<<20)
	for scan.Scan() && len(trees) < n {
		src := append([]byte(nil), scan.Bytes()...)
		tree, err := fhir.Parse(r4(b).Definitions.Schema, src, fhir.DefaultLimits)
		if err != nil {
			b.Fatal(err)
		}
		trees = append(trees, tree)
	}
	return trees
}

func BenchmarkExtract(b *testing.B) { benchmarkExtract(b, r4(b)) }

// BenchmarkExtractContent says what indexing _content costs.
func BenchmarkExtractContent(b *testing.B) {
	r, err := search.New(definition.R4(), search.WithContent(true))
	if err != nil {
		b.Fatal(err)
	}
	benchmarkExtract(b, r)
}

func benchmarkExtract(b *testing.B, r *search.Registry) {
	for _, resourceType := range []string{"Patient", "Observation", "Condition", "Encounter", "Claim", "ExplanationOfBenefit"} {
		b.Run(resourceType, func(b *testing.B) {
			trees := synthea(b, resourceType, 500)
			bytes, entries, keys := 0, 0, 0
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				tree := trees[i%len(trees)]
				es, err := r.Extract(tree, "id", base)
				if err != nil {
					b.Fatal(err)
				}
				bytes += len(tree.Source)
				entries += len(es)
				for _, e := range es {
					keys += len(e.Key)
				}
			}
			b.SetBytes(int64(bytes / b.N))
			b.ReportMetric(float64(entries)/float64(b.N), "entries/op")
			b.ReportMetric(float64(keys)/float64(b.N), "keybytes/op")
		})
	}
}
