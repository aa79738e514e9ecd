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

// TestDebt: more than there is room for is taken once, and paid off afterwards.
func TestDebt(t *testing.T) {
	now := time.Unix(0, 0)
	l := throttle.New(throttle.Rates{PerSecond: 2, Burst: 3}, func() time.Time { return now })
	leave, _ := l.Enter("a")
	leave()
	l.Charge("a", 9) // ten in all, for three of which there is room
	if wait := l.Wait("a"); wait != 4*time.Second {
		t.Errorf("after ten: wait %s, want 4s", wait)
	}
	if leave, wait := l.Enter("a"); leave != nil || wait != 4*time.Second {
		t.Errorf("who has a debt is let in, or told to wait %s", wait)
	}
	if wait := l.Wait("b"); wait != 0 {
		t.Errorf("another key waits %s", wait)
	}
	now = now.Add(4 * time.Second)
	if leave, _ := l.Enter("a"); leave == nil {
		t.Error("who has paid is kept out")
	}
	l.Charge("a", 1<<40) // does not overflow
	if wait := l.Wait("a"); wait < 24*time.Hour {
		t.Errorf("after very many: wait %s", wait)
	}
	unlimited := throttle.New(throttle.Rates{Concurrent: 1}, nil)
	unlimited.Charge("a", 100)
	if wait := unlimited.Wait("a"); wait != 0 {
		t.Errorf("without a rate: wait %s", wait)
	}
}

func TestFailures(t *testing.T) {
	now := time.Unix(0, 0)
	f := throttle.NewFailures(3, func() time.Time { return now })
	for n := range 10 {
		if wait := f.Count("a"); (wait != 0) != (n >= 3) || wait > 20*time.Second {
			t.Errorf("failure %d: wait %s", n+1, wait)
		}
	}
	if f.Wait("a") != 20*time.Second || f.Wait("b") != 0 {
		t.Errorf("wait %s and %s", f.Wait("a"), f.Wait("b"))
	}
	now = now.Add(20 * time.Second)
	if f.Wait("a") != 0 || f.Count("a") != 0 || f.Count("a") == 0 {
		t.Error("after the wait there is not room for one")
	}
	none := throttle.NewFailures(0, nil)
	for range 100 {
		if none.Count("a") != 0 || none.Wait("a") != 0 {
			t.Fatal("without a limit there is one")
		}
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "": "", "@": "@",
	} {
		if got := throttle.Network(address); got != want {
			t.Errorf("%q is counted as %q, want %q", address, got, want)
		}
	}
}
