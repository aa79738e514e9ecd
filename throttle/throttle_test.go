package throttle_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/throttle"
)

func TestRate(t *testing.T) {
	now := time.Unix(0, 0)
	l := throttle.New(throttle.Rates{PerSecond: 2, Burst: 3}, func() time.Time { return now })
	enter := func(key string, want time.Duration) {
		t.Helper()
		leave, wait := l.Enter(key)
		if wait != want || (leave == nil) != (want > 0) {
			t.Fatalf("wait %s, want %s", wait, want)
		}
		if leave != nil {
			leave()
		}
	}
	for range 3 {
		enter("a", 0)
	}
	enter("a", 500*time.Millisecond)
	enter("b", 0)
	now = now.Add(500 * time.Millisecond)
	enter("a", 0)
	enter("a", 500*time.Millisecond)
	now = now.Add(time.Hour)
	for range 3 {
		enter("a", 0)
	}
	enter("a", 500*time.Millisecond)
}

func TestConcurrent(t *testing.T) {
	l := throttle.New(throttle.Rates{Concurrent: 2}, nil)
	first, _ := l.Enter("a")
	second, _ := l.Enter("a")
	if third, wait := l.Enter("a"); third != nil || wait == 0 {
		t.Error("a third is let in")
	}
	if other, _ := l.Enter("b"); other == nil {
		t.Error("another key is kept out")
	}
	first()
	if third, _ := l.Enter("a"); third == nil {
		t.Error("kept out after one has left")
	}
	second()
}

// Memory is bounded, and those inside are not forgotten.
func TestManyKeys(t *testing.T) {
	l := throttle.New(throttle.Rates{PerSecond: 0.001, Concurrent: 1}, nil)
	if leave, _ := l.Enter("inside"); leave == nil {
		t.Fatal("kept out")
	}
	for i := range 120_000 {
		leave, _ := l.Enter(fmt.Sprint(i))
		leave()
	}
	if leave, _ := l.Enter("inside"); leave != nil {
		t.Error("a request that is being served was forgotten")
	}
}

func TestGate(t *testing.T) {
	g := throttle.Gate{Most: 2}
	for n, want := range []bool{true, true, false, false} {
		if got := g.Enter(); got != want {
			t.Errorf("request %d enters: %t", n+1, got)
		}
	}
	g.Leave()
	if !g.Enter() || g.Enter() {
		t.Error("there is no room for who follows one who left")
	}
	var open throttle.Gate
	for range 100 {
		if !open.Enter() {
			t.Fatal("a gate without a limit is shut")
		}
	}
}
