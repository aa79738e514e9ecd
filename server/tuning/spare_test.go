package tuning

import (
	"runtime"
	"testing"
)

func TestSpare(t *testing.T) {
	counters := [][2]float64{{1, 10}, {1, 10}, {4, 20}, {4, 20}, {4, 30}, {15, 40}}
	i := -1
	s := spare(func() (idle, all float64) {
		i++
		return counters[i][0], counters[i][1]
	})
	for n, want := range []float64{0, 0.3, 0.3, 0, 1} {
		if got := s(); got != want {
			t.Errorf("call %d: %g, want %g", n, got, want)
		}
	}
}

// TestSpareOfTheRuntime: the runtime has both counters, and counts.
func TestSpareOfTheRuntime(t *testing.T) {
	s := Spare()
	runtime.GC()
	if got := s(); got < 0 || got > 1 {
		t.Errorf("%g of the processors were spare", got)
	}
}
