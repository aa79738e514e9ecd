package tuning

import (
	"os"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
)

// memoryFloor is how many bytes are allocated between two collections at
// least. By itself the collector runs each time the live heap has doubled,
// which for the 20 MB of an idle server is so often that it takes a tenth of
// the CPU of writing.
const memoryFloor = 64 << 20

// memoryAim is up to where the heap grows between two collections, as far as
// memoryFloor lets it. With what storage has beside it, the process stays
// within 512 MB, and within 400 MB where it does nothing but load. Most of what is live are bytes without pointers, which cost a
// collection nothing, so that more of them are cheap.
const memoryAim = 208 << 20

// memoryLimit is what the whole heap may take before the collector runs whatever
// else was decided. A process that goes on with an import at its start allocates
// hundreds of megabytes in the second that it takes until the percentage follows
// from what is live; so does one whose live heap grows by a step. It is no more
// than a limit to the moment: where more is live, it is higher (limitAt).
const memoryLimit = 336 << 20

// Collector lets the garbage collector of the process run once as much was
// allocated as is live, or memoryFloor where that is more; and less than that,
// but not less than memoryFloor, where the heap would get larger than
// memoryAim. GOGC, where it is set, decides instead, and GOMEMLIMIT instead of
// memoryLimit.
func Collector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	// The first collection, of a heap whose size nobody knows yet, is at 4 MB
	// for each hundred.
	const first = memoryFloor / (4 << 20) * 100
	debug.SetGCPercent(first)
	t := &tuner{percent: first}
	if os.Getenv("GOMEMLIMIT") == "" {
		t.limit = memoryLimit
		debug.SetMemoryLimit(memoryLimit)
	}
	t.await()
}

// A tuner sets the collector's percentage after each collection, and its limit
// where that is not 0.
type tuner struct {
	percent int
	limit   int64
}

// cycle is garbage at once, so that its cleanup runs after each collection. It
// has a pointer because small objects without one may be kept longer.
type cycle struct{ _ *tuner }

func (t *tuner) await() {
	runtime.AddCleanup(&cycle{}, func(t *tuner) {
		t.adjust(liveHeap())
		t.await()
	}, t)
}

// adjust is for a heap of which live bytes were kept. Small steps are not worth
// the moment that every goroutine must stop for one.
func (t *tuner) adjust(live uint64) {
	percent := collectAt(live)
	if diff := percent - t.percent; diff > t.percent/8 || -diff > t.percent/8 {
		debug.SetGCPercent(percent)
		t.percent = percent
	}
	if t.limit == 0 {
		return
	}
	limit := limitAt(live)
	if diff := limit - t.limit; diff > t.limit/8 || -diff > t.limit/8 {
		debug.SetMemoryLimit(limit)
		t.limit = limit
	}
}

// limitAt leaves a heap that is large the room that collectAt gives it, and some
// for what is beside it.
func limitAt(live uint64) int64 {
	garbage := live / 100 * uint64(collectAt(live))
	return int64(max(memoryLimit, live+garbage+memoryFloor))
}

// collectAt is how much garbage, as a percentage of what is live, is let be.
func collectAt(live uint64) int {
	const least = 1 << 20
	garbage := max(min(live, memoryAim-min(live, memoryAim)), memoryFloor)
	return int(garbage * 100 / max(live, least))
}

// liveHeap is how many bytes the last collection kept.
func liveHeap() uint64 {
	sample := []runtimemetrics.Sample{{Name: "/gc/heap/live:bytes"}}
	runtimemetrics.Read(sample)
	return sample[0].Value.Uint64()
}
