package limit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/smart/limit"
)

func TestLimiter(t *testing.T) {
	now := time.Unix(0, 0)
	l := limit.New(func() time.Time { return now })
	for i := range 3 {
		if wait := l.Take("a", 3); wait != 0 {
			t.Fatalf("event %d has to wait %d s", i, wait)
		}
	}
	if wait := l.Take("a", 3); wait != 20 {
		t.Errorf("wait %d s, want 20", wait)
	}
	if wait := l.Full("b", 3); wait != 0 {
		t.Errorf("another key waits %d s", wait)
	}
	now = now.Add(20 * time.Second)
	if wait := l.Take("a", 3); wait != 0 {
		t.Errorf("after its wait it has to wait %d s", wait)
	}
	if wait := l.Take("a", 3); wait != 20 {
		t.Errorf("wait %d s, want 20", wait)
	}
}

// Memory is bounded, whatever keys come.
func TestLimiterForgets(t *testing.T) {
	now := time.Unix(0, 0)
	l := limit.New(func() time.Time { return now })
	for i := range 250_000 {
		l.Count(fmt.Sprint(i), 1)
	}
	if n := l.Len(); n > 100_000 {
		t.Errorf("%d keys are kept", n)
	}
}
