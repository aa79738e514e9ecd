package validate

import (
	"os"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// BenchmarkSynthea validates some resources of each type that real bundles
// hold, parsed beforehand; compare with fhir's own benchmark of reading.
func BenchmarkSynthea(b *testing.B) {
	var trees []*fhir.Tree
	size := 0
	for _, file := range glob(b, "synthea/dev/ndjson/*.ndjson.gz") {
		for n, line := range lines(b, file) {
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
	for _, file := range glob(b, "examples/r4-official/*.json") {
		src, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
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
