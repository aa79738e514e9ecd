package polling_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/bulk/polling"
	"github.com/tarnhealth/tarn/fhir"
)

func TestCounter(t *testing.T) {
	var c polling.Counter
	now := time.Unix(1_700_000_000, 0)
	for i := range 30_000 { // more than are remembered, long ago
		if err := c.Ask(fmt.Sprint(i), now.Add(-2*time.Hour), 1); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		if err := c.Ask("job", now, 10); (err != nil) != (i == 11) || err != nil && fhir.KindOf(err) != fhir.KindThrottled {
			t.Fatal(i, err)
		}
	}
	if err := c.Ask("job", now.Add(8*time.Second), 10); err == nil {
		t.Error("eight of ten seconds will do")
	}
	if err := c.Ask("job", now.Add(9*time.Second), 10); err != nil {
		t.Error("nine of ten seconds will not do", err)
	}
	for range 20 {
		c.Forget("job")
		if err := c.Ask("job", now, 10); err != nil {
			t.Error(err)
		}
	}
}
