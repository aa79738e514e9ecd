package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// encryptionSides are the servers of the encryption scenario: the values of
// encryption.at_rest.
var encryptionSides = []string{"off", "on"}

// encryptionCaches are the sizes of cache that reads and searches are measured
// with: the usual one, and two that are far too small for the data, so that
// blocks are read and opened again and again, which the system keeps.
var encryptionCaches = []string{"", "4MiB", "1MiB"}

// runEncryption measures what encryption at rest costs: the same loads on two
// servers with and without it, in turns, the other one paused meanwhile. The
// limit is the server without.
func runEncryption(ctx context.Context, b *bench) error {
	if err := b.encryptedFills(ctx); err != nil {
		return err
	}
	p := &encryptionPair{bench: b}
	err := p.fill(ctx)
	for _, cache := range encryptionCaches {
		if err == nil {
			err = p.with(ctx, cache)
		}
	}
	for _, dir := range p.dirs {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return err
}

// encryptedFills loads the data into empty servers, with and without in turn.
func (b *bench) encryptedFills(ctx context.Context) error {
	rounds := make([][]result, len(encryptionSides))
	for range auditRounds {
		for i, side := range encryptionSides {
			dir := b.newFolder()
			in, err := b.launch(ctx, dir, "TARN_ENCRYPTION_AT_REST="+side)
			if err != nil {
				return err
			}
			m, err := observe(in)
			if err != nil {
				return errors.Join(err, in.stop())
			}
			_, f, err := b.fillAll(ctx, in, b.source)
			r := result{Unit: "resources/s", Throughput: float64(f.resources) / max(f.took, time.Microsecond).Seconds()}
			if err = errors.Join(err, m.into(&r, f.resources), in.stop(), os.RemoveAll(dir)); err != nil {
				return err
			}
			rounds[i] = append(rounds[i], r)
		}
	}
	return b.encryptionRows("load", rounds)
}

// An encryptionPair is the two servers, on folders of their own, and what is
// known of the data of each.
type encryptionPair struct {
	*bench
	dirs    []string
	samples []*sample
	servers []*instance
}

func (p *encryptionPair) fill(ctx context.Context) error {
	for _, side := range encryptionSides {
		dir := p.newFolder()
		p.dirs = append(p.dirs, dir)
		in, err := p.launch(ctx, dir, "TARN_ENCRYPTION_AT_REST="+side)
		if err != nil {
			return err
		}
		s, _, err := p.fillAll(ctx, in, p.source)
		if err = errors.Join(err, in.stop()); err != nil {
			return err
		}
		p.samples = append(p.samples, s)
	}
	return nil
}

// with measures the loads on servers with a size of cache; writes with the usual
// one alone.
func (p *encryptionPair) with(ctx context.Context, cache string) (err error) {
	defer func() {
		for _, in := range p.servers {
			err = errors.Join(err, resume(in.pid), in.stop())
		}
		p.servers = nil
	}()
	for i, side := range encryptionSides {
		env := []string{"TARN_ENCRYPTION_AT_REST=" + side}
		if cache != "" {
			env = append(env, "TARN_CACHE_SIZE="+cache)
		}
		in, err := p.launch(ctx, p.dirs[i], env...)
		if err != nil {
			return err
		}
		p.servers = append(p.servers, in)
		if err := pause(in.pid); err != nil {
			return err
		}
	}
	loads, err := p.loads(cache == "")
	if err != nil {
		return err
	}
	if cache != "" {
		cache = "-" + cache
	}
	for _, load := range loads {
		if err := p.measured(ctx, load, load.name+cache); err != nil {
			return err
		}
	}
	return nil
}

func (p *encryptionPair) loads(writing bool) ([]trialLoad, error) {
	reads, searches := make([][][]byte, len(p.samples)), make([][][]byte, len(p.samples))
	for i, s := range p.samples {
		reads[i] = readRequests(s)
		for _, q := range mix {
			searches[i] = append(searches[i], q.requests(s, page, valuesEach/10)...)
		}
	}
	loads := []trialLoad{
		{"read", p.opt.clientsOr(64)[0], pickOf(reads)},
		{"search", p.opt.clientsOr(32)[0], pickOf(searches)},
	}
	if !writing {
		return loads, nil
	}
	templates, err := newTemplates()
	write := func(int) func(*user) (answer, error) {
		return func(u *user) (answer, error) {
			a, err := stateOf(u, templates).step(u, base)
			a.part = 0
			return a, err
		}
	}
	return append(loads, trialLoad{"crud-16", p.opt.clientsOr(16)[0], write}, trialLoad{"crud-64", p.opt.clientsOr(64)[0], write}), err
}

// pickOf asks each server any of its requests.
func pickOf(requests [][][]byte) func(int) func(*user) (answer, error) {
	return func(side int) func(*user) (answer, error) {
		return func(u *user) (answer, error) {
			status, body, err := u.send(requests[side][u.rng.IntN(len(requests[side]))])
			return expect(0, 1, 200, status, body), err
		}
	}
}

// measured lets the servers work in turns, after a while that does not count, and
// prints their rows.
func (p *encryptionPair) measured(ctx context.Context, load trialLoad, name string) error {
	rounds := make([][]result, len(p.servers))
	for range p.rounds() {
		for side, in := range p.servers {
			r, err := p.turn(ctx, &load, side, in, "encryption/"+load.name)
			if err != nil {
				return err
			}
			rounds[side] = append(rounds[side], r)
		}
	}
	return p.encryptionRows(name, rounds)
}

// encryptionRows prints a row for each side, of the medians of its rounds.
func (b *bench) encryptionRows(name string, rounds [][]result) error {
	throughput := func(r *result) float64 { return r.Throughput }
	for side := range rounds {
		r := middle(rounds[side])
		r.Scenario = fmt.Sprintf("encryption/%s-%s", name, encryptionSides[side])
		r.limit(median(rounds[0], throughput), "the same load without encryption at rest")
		r.Note = "throughput to that without: " + ratios(rounds[side], rounds[0], throughput) +
			", CPU " + ratios(rounds[side], rounds[0], func(r *result) float64 { return r.CPU })
		if err := b.report.print(r); err != nil {
			return err
		}
	}
	return nil
}
