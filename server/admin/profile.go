package admin

import (
	"net/http"
	"net/http/pprof"
	"runtime"
	"sync"
)

// Rates of the profiles that are off unless somebody asks for one: an event
// of blocking for each blockRate nanoseconds spent in it, and every
// mutexFraction-th contention. Both are cheap enough for a busy server.
const (
	blockRate     = 10_000
	mutexFraction = 10
)

// profiler serves the program's own profiles on the admin socket, in the
// format of go tool pprof:
//
//	GET /profile/{kind}?seconds=N
//
// where kind is cpu, allocs, heap, block, mutex or goroutine, and seconds is
// for how long it is recorded. Profiles hold names of functions and no data.
// https://pkg.go.dev/runtime/pprof
type profiler struct {
	mu sync.Mutex
	// recording counts the running requests for each kind that has a rate.
	recording map[string]int
}

// mountProfiles adds the profiles to the admin API.
func mountProfiles(mux *http.ServeMux) {
	p := &profiler{recording: map[string]int{}}
	mux.HandleFunc("GET /profile/cpu", pprof.Profile)
	for _, kind := range []string{"allocs", "heap", "goroutine"} {
		mux.Handle("GET /profile/"+kind, pprof.Handler(kind))
	}
	p.mount(mux, "block", func(on bool) { runtime.SetBlockProfileRate(choose(on, blockRate)) })
	p.mount(mux, "mutex", func(on bool) { runtime.SetMutexProfileFraction(choose(on, mutexFraction)) })
}

// mount adds a profile whose recording is switched on while it is asked for.
func (p *profiler) mount(mux *http.ServeMux, kind string, record func(on bool)) {
	profile := pprof.Handler(kind)
	mux.HandleFunc("GET /profile/"+kind, func(w http.ResponseWriter, r *http.Request) {
		p.change(kind, 1, record)
		defer p.change(kind, -1, record)
		profile.ServeHTTP(w, r)
	})
}

// change counts one who asks, or one who is done.
func (p *profiler) change(kind string, by int, record func(on bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recording[kind] += by
	record(p.recording[kind] > 0)
}

// choose is n where a recording is on, and 0, which ends it, where it is off.
func choose(on bool, n int) int {
	if on {
		return n
	}
	return 0
}
