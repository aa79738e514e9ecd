package validate

import (
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/published"
)

// BenchmarkSynthea validates some resources of each type that real bundles
// hold, parsed beforehand; compare with fhir's own benchmark of reading.
func BenchmarkSynthea(b *testing.B) {
	var trees []*fhir.Tree
	size := 0
	for _, file := range published.Glob(b, "synthea/dev/ndjson/*.ndjson.gz") {
		for n, line := range published.Lines(b, file) {
			if n == 200 {
				break
			}
			trees = append(trees, parse(b, line))
			size += len(line)
		}
	}
	benchmark(b, trees, size)
}

func BenchmarkExamples(b *testing.B) {
	var trees []*fhir.Tree
	size := 0
	for _, file := range published.Glob(b, "examples/r4-official/*.json") {
		src := published.Read(b, file)
		trees = append(trees, parse(b, src))
		size += len(src)
	}
	benchmark(b, trees, size)
}

func benchmark(b *testing.B, trees []*fhir.Tree, size int) {
	v := New(definition.R4())
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, tree := range trees {
			v.Validate(tree)
		}
	}
	b.ReportMetric(float64(len(trees)*b.N)/b.Elapsed().Seconds(), "resources/s")
}

func BenchmarkNew(b *testing.B) {
	set := definition.R4()
	for b.Loop() {
		New(set)
	}
}
