package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"

	"github.com/tarnhealth/tarn/bench/probe"
)

// runRead reads resources by id, random over all that were loaded: from memory
// and, with a small cache and nothing in the operating system's, from disk.
func runRead(ctx context.Context, b *bench) error {
	in, err := b.filled(ctx)
	if err != nil {
		return err
	}
	for _, clients := range b.opt.clientsOr(64) {
		r, err := b.read(ctx, "read/warm", in, clients, kindBytes)
		if err != nil {
			return err
		}
		if err := b.report.print(r); err != nil {
			return err
		}
	}
	r, err := b.coldRead(ctx)
	if err != nil {
		return err
	}
	return b.report.print(r)
}

func (b *bench) read(ctx context.Context, name string, in *instance, clients int, kind string) (result, error) {
	requests := readRequests(b.sample)
	w := work{clients: clients, length: b.seconds(1), step: func(u *user) (answer, error) {
		status, body, err := u.send(requests[u.rng.IntN(len(requests))])
		return expect(0, 1, 200, status, body), err
	}}
	r, t, err := b.measure(ctx, name, "requests/s", in, w)
	if err != nil {
		return r, err
	}
	return r, b.answerLimit(ctx, &r, &t, kind, 1)
}

// readRequests prepares a read of each sampled resource, as often as its type
// occurs in the data.
func readRequests(s *sample) [][]byte {
	var requests [][]byte
	total := s.total()
	rng := rand.New(rand.NewPCG(2, 2))
	for _, typ := range s.types() {
		n := max(1, sampledIDs*s.seen[typ]/total)
		for range n {
			requests = append(requests, appendRequest(nil, "GET", base+"/"+typ+"/"+s.id(rng, typ), nil))
		}
	}
	return requests
}

// coldRead reads from a server that was started anew with the least cache,
// while its files are dropped from the operating system's cache all the time.
func (b *bench) coldRead(ctx context.Context) (result, error) {
	if err := b.stopMain(); err != nil {
		return result{}, err
	}
	in, err := b.launch(ctx, b.mainDir(), "TARN_CACHE_SIZE=1MiB")
	if err != nil {
		return result{}, err
	}
	b.main = in
	end, err := b.keepEvicting(in.dir)
	if err != nil {
		return result{}, err
	}
	r, err := b.read(ctx, "read/cold", in, b.opt.clientsOr(64)[0], kindCold)
	end()
	if err != nil {
		return r, err
	}
	r.Note = fmt.Sprintf("server with 1 MiB of cache; files dropped from the system's cache every %s", evictEvery)
	return r, b.stopMain()
}

const evictEvery = 50 * time.Millisecond

// keepEvicting drops the files below dir from the system's cache until the
// function that it returns is called. Where it can it does so in a process of
// its own, for the time is not the load generator's.
func (b *bench) keepEvicting(dir string) (end func(), err error) {
	ctx, stop := context.WithCancel(context.Background())
	if b.self == "" {
		go evictUntil(ctx, dir)
		return stop, nil
	}
	cmd := exec.CommandContext(ctx, b.self, "--role", roleEvict, "--temp", dir)
	if err := cmd.Start(); err != nil {
		stop()
		return nil, err
	}
	return func() {
		stop()
		_ = cmd.Wait() // it was killed
	}, nil
}

func evictUntil(ctx context.Context, dir string) {
	tick := time.NewTicker(evictEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		probe.Evict(dir)
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
