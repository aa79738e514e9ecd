package synth_test

import (
	"testing"

	"github.com/tarnhealth/tarn/synth"
)

// BenchmarkEach makes patients one after another on one core.
func BenchmarkEach(b *testing.B) {
	b.ReportAllocs()
	resources, size := 0, 0
	err := synth.New(synth.Options{Patients: b.N, Seed: 1}).Each(func(bundle synth.Bundle) error {
		for _, r := range bundle.Resources {
			resources++
			size += len(r.JSON)
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(resources)/b.Elapsed().Seconds(), "resources/s")
	b.ReportMetric(float64(size)/b.Elapsed().Seconds()/1e6, "MB/s")
	b.ReportMetric(float64(resources)/float64(b.N), "resources/patient")
}
