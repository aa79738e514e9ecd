package tuning

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestCollectAt(t *testing.T) {
	for live, want := range map[uint64]int{
		0:          6400,
		16 << 20:   400,
		32 << 20:   200,
		64 << 20:   100,
		104 << 20:  100,
		130 << 20:  60,
		256 << 20:  25,
		1024 << 20: 6,
	} {
		if got := collectAt(live); got != want {
			t.Errorf("with %d bytes live: %d, want %d", live, got, want)
		}
	}
}

func TestLimitAt(t *testing.T) {
	for live, want := range map[uint64]int64{
		0:          memoryLimit,
		200 << 20:  memoryLimit,
		1024 << 20: 1024<<20 + 64<<20 + 64<<20,
	} {
		if got := limitAt(live); got < want-16<<20 || got > want+16<<20 {
			t.Errorf("with %d bytes live: %d, want %d", live, got, want)
		}
	}
}

// TestCollector waits for the adjustment after a collection.
func TestCollector(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	limit := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(limit)
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	Collector()
	first := debug.SetGCPercent(100)
	if first != 1600 {
		t.Errorf("the first collection is at %d %%", first)
	}
	if limit := debug.SetMemoryLimit(-1); limit != memoryLimit {
		t.Errorf("the limit is %d", limit)
	}
	kept := make([]byte, 32<<20)
	adjusted := make(chan int)
	tune := &tuner{percent: 1}
	go func() {
		tune.adjust(liveHeapOf(kept))
		adjusted <- tune.percent
	}()
	if got := <-adjusted; got < 100 || got > 200 {
		t.Errorf("with 32 MB live: %d %%", got)
	}
}

// liveHeapOf collects while something is kept.
func liveHeapOf(kept []byte) uint64 {
	runtime.GC()
	live := liveHeap()
	runtime.KeepAlive(kept)
	return live
}
