package fhir

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	_ "github.com/tarnhealth/tarn/internal/seeded"
)

// TestAppendTime: instants are those of TimeLayout.
func TestAppendTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMicro(rapid.Int64Range(-62135596800_000000, 300_000_000_000_000000).Draw(t, "micros")).In(time.FixedZone("x", -3600))
		if got, want := string(appendTime(nil, at)), at.UTC().Format(TimeLayout); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
