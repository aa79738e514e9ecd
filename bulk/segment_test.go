package bulk_test

import (
	"fmt"
	"testing"

	"github.com/tarnhealth/tarn/bulk"
)

// TestExportOfSegments exports more versions than one segment of the store has,
// which are walked one after the other.
func TestExportOfSegments(t *testing.T) {
	if testing.Short() {
		t.Skip("stores 66,000 resources")
	}
	w := newWorld(t, nil)
	const all = 1<<16 + 500
	for n := 0; n < all; {
		var some []string
		for ; len(some) < 5000 && n < all; n++ {
			some = append(some, fmt.Sprintf(`{"resourceType":"Basic","id":"b%d","code":{"text":"x"}}`, n))
		}
		w.put(some...)
	}
	w.run()
	if got := len(w.export(bulk.Export{Types: []string{"Basic"}})["Basic"]); got != all {
		t.Errorf("%d of %d", got, all)
	}
}
