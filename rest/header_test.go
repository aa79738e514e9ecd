package rest

import (
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	_ "github.com/tarnhealth/tarn/internal/seeded"
)

// TestHTTPDate: dates are those of http.TimeFormat.
func TestHTTPDate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62135596800, 300_000_000_000).Draw(t, "seconds"), 0).In(time.FixedZone("x", 3600))
		if got, want := string(appendHTTPDate(nil, at)), at.UTC().Format(http.TimeFormat); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
