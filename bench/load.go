package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"
)

// A user is one client of a timed part, on a goroutine of its own.
type user struct {
	*client
	index int // of the clients, from 0
	i     int // of the user's steps, from 0
	rng   *rand.Rand
	// state is the script's own.
	state any
}

// An answer is what one step came to.
type answer struct {
	// part names what the step was, as an index of the work's parts.
	part int
	// units is what the step was worth; a failed one is worth 0.
	units int
	// failure says what was wrong where units is 0.
	failure string
}

// A work is what the clients of a timed part do.
type work struct {
	addr    string
	clients int
	length  time.Duration
	// parts name the kinds of steps.
	parts []string
	// step does one request. An error ends the run.
	step func(u *user) (answer, error)
}

// A timed part is what the clients did in the time.
type timed struct {
	work     *work
	elapsed  time.Duration
	units    int
	failed   int
	failure  string // the first
	requests int64
	received int64
	// latencies of each part.
	latencies [][]time.Duration
	// generator is the CPU time of the load generator itself.
	generator time.Duration
}

// drive runs the clients until the time is over or ctx ends.
func drive(ctx context.Context, w work) (timed, error) {
	if len(w.parts) == 0 {
		w.parts = []string{"all"}
	}
	all := timed{work: &w, latencies: make([][]time.Duration, len(w.parts))}
	var (
		mu    sync.Mutex
		group sync.WaitGroup
		first error
	)
	cpu := ownCPU()
	begin := time.Now()
	for index := range w.clients {
		group.Go(func() {
			one, err := w.client(ctx, index, begin.Add(w.length))
			mu.Lock()
			defer mu.Unlock()
			all.add(&one)
			if first == nil {
				first = err
			}
		})
	}
	group.Wait()
	all.elapsed = time.Since(begin)
	all.generator = ownCPU() - cpu
	if first == nil {
		first = ctx.Err()
	}
	return all, first
}

// client is one client's part.
func (w *work) client(ctx context.Context, index int, until time.Time) (timed, error) {
	t := timed{latencies: make([][]time.Duration, len(w.parts))}
	conn, err := dial(w.addr)
	if err != nil {
		return t, err
	}
	stop := context.AfterFunc(ctx, conn.close)
	defer stop()
	defer conn.close()
	u := &user{client: conn, index: index, rng: rand.New(rand.NewPCG(uint64(index), 1))}
	// At least one step, however short the time.
	for begin := time.Now(); u.i == 0 || begin.Before(until); u.i++ {
		a, err := w.step(u)
		if err != nil {
			return t, explain(ctx, err)
		}
		end := time.Now()
		t.latencies[a.part] = append(t.latencies[a.part], end.Sub(begin))
		begin = end
		t.units += a.units
		if a.units == 0 {
			t.fail(a.failure)
		}
	}
	t.requests, t.received = conn.requests, conn.received
	return t, nil
}

// explain says why a connection failed.
func explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
		return fmt.Errorf("the server closed the connection: %w", err)
	}
	return err
}

func (t *timed) fail(why string) {
	t.failed++
	if t.failure == "" {
		t.failure = why
	}
}

func (t *timed) add(one *timed) {
	for i := range one.latencies {
		t.latencies[i] = append(t.latencies[i], one.latencies[i]...)
	}
	t.units += one.units
	t.failed += one.failed
	t.requests += one.requests
	t.received += one.received
	if t.failure == "" {
		t.failure = one.failure
	}
}

// addTurn adds what came after t, with the time that it took.
func (t *timed) addTurn(next *timed) {
	if t.work == nil {
		t.work, t.latencies = next.work, make([][]time.Duration, len(next.latencies))
	}
	t.add(next)
	t.elapsed += next.elapsed
	t.generator += next.generator
}

// rate is units per second.
func (t *timed) rate() float64 { return float64(t.units) / t.elapsed.Seconds() }

// size is the mean size of the responses' bodies.
func (t *timed) size() int { return int(t.received / max(1, t.requests)) }

// percentiles in milliseconds of latencies, which it sorts.
func percentiles(latencies []time.Duration) (p50, p95, p99 float64) {
	if len(latencies) == 0 {
		return 0, 0, 0
	}
	slices.Sort(latencies)
	at := func(p float64) float64 {
		return float64(latencies[int(p*float64(len(latencies)-1))]) / 1e6
	}
	return at(.5), at(.95), at(.99)
}

// expect turns a response into an answer worth units where the status is the
// wanted one.
func expect(part, units, want, status int, body []byte) answer {
	if status == want {
		return answer{part: part, units: units}
	}
	return answer{part: part, failure: fmt.Sprintf("status %d where %d was wanted: %.300s", status, want, body)}
}
