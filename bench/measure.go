package main

import (
	"context"
	"fmt"
	"time"
)

// A measurement is what a server used between two moments.
type measurement struct {
	in     *instance
	before usage
	counts counters
}

// observe begins a measurement.
func observe(in *instance) (*measurement, error) {
	counts, err := scrape(in.addr)
	if err != nil {
		return nil, err
	}
	resetPeak(in.pid)
	return &measurement{in: in, before: usageOf(in.pid), counts: counts}, nil
}

// into ends the measurement and writes what one of n units took.
func (m *measurement) into(r *result, n int) error {
	after := usageOf(m.in.pid)
	counts, err := scrape(m.in.addr)
	if err != nil {
		return err
	}
	r.CPU = per(float64((after.cpu - m.before.cpu).Microseconds()), n)
	r.Written = per(float64(after.written-m.before.written), n)
	r.Allocs = per(counts.allocs-m.counts.allocs, n)
	r.AllocBytes = per(counts.allocBytes-m.counts.allocBytes, n)
	r.RSS = peakRSS(m.in.pid)
	return nil
}

// measure runs work against a server, under profiling where asked for.
func (b *bench) measure(ctx context.Context, name, unit string, in *instance, w work) (result, timed, error) {
	r := result{Scenario: name, Unit: unit}
	w.addr = in.addr
	b.say("%s: %d clients, up to %s", name, w.clients, w.length)
	m, err := observe(in)
	if err != nil {
		return r, timed{}, err
	}
	profiles := b.profile(ctx, name, in, w.length)
	t, err := drive(ctx, w)
	if err != nil {
		return r, t, fmt.Errorf("%s: %w", name, err)
	}
	if err := m.into(&r, t.units); err != nil {
		return r, t, err
	}
	r.fill(&t)
	return r, t, <-profiles
}

// turns is how often a server and the probe take turns where they are measured
// beside each other.
const turns = 4

// beside runs work against a server and bare HTTP answers of the size of its
// responses, in turn, so that both see the same of what else the machine does.
func (b *bench) beside(ctx context.Context, name, unit string, in *instance, w work) (result, error) {
	r := result{Scenario: name, Unit: unit}
	b.say("%s: %d clients, up to %s", name, w.clients, w.length)
	m, err := observe(in)
	if err != nil {
		return r, err
	}
	profiles := b.profile(ctx, name, in, w.length)
	w.addr, w.length = in.addr, w.length/turns
	var all, bare timed
	for i := range turns {
		t, err := drive(ctx, w)
		if err == nil {
			all.addTurn(&t)
			var limit timed
			limit, err = b.bare(ctx, kindBytes, w.clients, t.size(), w.length/2)
			bare.addTurn(&limit)
		}
		if err != nil {
			return r, fmt.Errorf("%s, turn %d: %w", name, i+1, err)
		}
	}
	if err := m.into(&r, all.units); err != nil {
		return r, err
	}
	r.fill(&all)
	r.limit(bare.rate(), "bare HTTP answers of %d bytes, in turn", all.size())
	return r, <-profiles
}

// bare drives the probe's answers of a kind and size.
func (b *bench) bare(ctx context.Context, kind string, clients, size int, length time.Duration) (timed, error) {
	request := appendRequest(nil, "GET", fmt.Sprintf("/%s/%d", kind, size), nil)
	return b.raw(ctx, work{clients: clients, length: length, step: func(u *user) (answer, error) {
		status, body, err := u.send(request)
		return expect(0, 1, 200, status, body), err
	}})
}

// limitShare is how long a limit is measured that is not taken in turn, as a share
// of a part's time.
const limitShare = .4

// raw runs work against the probe.
func (b *bench) raw(ctx context.Context, w work) (timed, error) {
	w.addr = b.probe
	t, err := drive(ctx, w)
	if err == nil && t.failed > 0 {
		err = fmt.Errorf("the probe failed: %s", t.failure)
	}
	return t, err
}

// answerLimit sets a result's limit to bare HTTP answers of the size that the
// responses had; kind is a path of the probe. units is what one request was
// worth.
func (b *bench) answerLimit(ctx context.Context, r *result, t *timed, kind string, units float64) error {
	size := t.size()
	bare, err := b.bare(ctx, kind, t.work.clients, size, b.seconds(limitShare))
	what := "bare HTTP answers of %d bytes"
	if kind == kindCold {
		what = "HTTP answers of %d bytes, each after one uncached read of 4 KB"
	}
	r.limit(bare.rate()*units, what, size)
	return err
}

// The probe's kinds of answers.
const (
	kindBytes = "bytes"
	kindCold  = "cold"
)
