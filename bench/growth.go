package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// diskPerPatient is what a patient takes at most while a store is filled,
// bytes; growthSpare is what a part's NDJSON takes beside that.
const (
	diskPerPatient = 320 << 10
	growthSpare    = volumePart * perPatient * 2 << 10
)

// runGrowth measures the same at several sizes. Each row's note compares it
// with the smallest size.
func runGrowth(ctx context.Context, b *bench) error {
	first := map[string]result{}
	for _, patients := range b.opt.sizes {
		if need := int64(patients)*diskPerPatient + growthSpare; freeDisk(b.temp) < need {
			b.say("growth: %d patients are left out, for they may need %d GB of disk", patients, need>>30)
			continue
		}
		if err := b.growth(ctx, patients, first); err != nil {
			return fmt.Errorf("%d patients: %w", patients, err)
		}
	}
	if b.opt.folder == "" {
		return nil
	}
	return b.growthIn(ctx, b.opt.folder, "growth/folder/", first, filledBefore)
}

// growth measures one size in a folder of its own, which is filled in bulk; or,
// with a given binary, over HTTP.
func (b *bench) growth(ctx context.Context, patients int, first map[string]result) (err error) {
	dir := b.newFolder()
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	prefix := fmt.Sprintf("growth/%d/", patients)
	if b.opt.binary == "" {
		filling, err := b.growthLoadAll(ctx, prefix, dir, patients)
		if err != nil {
			return err
		}
		if err := b.growthRow(filling, prefix, first); err != nil {
			return err
		}
		return b.growthIn(ctx, dir, prefix, first, filledBefore)
	}
	return b.growthIn(ctx, dir, prefix, first, func(g *bench, in *instance) error {
		filling, err := g.growthFill(ctx, prefix, in, population{patients})
		if err != nil {
			return err
		}
		return g.growthRow(filling, prefix, first)
	})
}

// filledBefore takes the sample of a folder that has its data already.
func filledBefore(g *bench, in *instance) (err error) {
	g.say("growth: reading ids of %s", in.dir)
	g.sample, err = sampleOf(in.addr)
	return err
}

// growthLoadAll loads patients in parts, each by a process of its own.
func (b *bench) growthLoadAll(ctx context.Context, prefix, dir string, patients int) (result, error) {
	var all deed
	for n, done := 1, 0; done < patients; n++ {
		part := min(volumePart, patients-done)
		did, _, err := b.loadPart(ctx, prefix+"fill", dir, part, n, all.Units)
		if err != nil {
			return result{}, err
		}
		all.add(did)
		done += part
	}
	r := all.result(prefix + "fill")
	r.Disk = per(float64(folderSize(dir)), all.Units)
	return r, nil
}

// growthRow prints a row, and how it compares with that of the smallest size.
func (b *bench) growthRow(r result, prefix string, first map[string]result) error {
	name := r.Scenario[len(prefix):]
	if one, known := first[name]; known {
		r.Note = fmt.Sprintf("throughput %.2f ×, p99 %.2f ×, CPU %.2f × that of the smallest size", r.Throughput/one.Throughput, r.P99/max(one.P99, .001), r.CPU/max(one.CPU, .001))
	} else {
		first[name] = r
	}
	return b.report.print(r)
}

// growthIn measures a folder that fill gives data and a sample of it.
func (b *bench) growthIn(ctx context.Context, dir, prefix string, first map[string]result, fill func(g *bench, in *instance) error) (err error) {
	g := *b
	in, err := b.launch(ctx, dir)
	if err != nil {
		return err
	}
	running := true
	defer func() {
		if running {
			err = errors.Join(err, in.stop())
		}
	}()
	if err := fill(&g, in); err != nil {
		return err
	}
	emit := func(r result) error { return b.growthRow(r, prefix, first) }
	if err := g.growthLoad(ctx, prefix, in, emit); err != nil {
		return err
	}
	running = false
	if err := in.stop(); err != nil {
		return err
	}
	r, err := g.starts(ctx, prefix+"start", dir)
	if err != nil {
		return err
	}
	return emit(r)
}

func (b *bench) growthFill(ctx context.Context, prefix string, in *instance, from source) (result, error) {
	r := result{Scenario: prefix + "fill", Unit: "resources/s"}
	m, err := observe(in)
	if err != nil {
		return r, err
	}
	made, f, err := b.fillAll(ctx, in, from)
	if err != nil {
		return r, err
	}
	b.sample = made
	r.Throughput = float64(f.resources) / f.took.Seconds()
	counts, err := scrape(in.addr)
	if err != nil {
		return r, err
	}
	r.Disk = per(counts.disk, int(counts.resources))
	return r, m.into(&r, f.resources)
}

// growthLoad runs the timed parts of one size.
func (b *bench) growthLoad(ctx context.Context, prefix string, in *instance, emit func(result) error) error {
	parts := []func() (result, error){
		func() (result, error) { return b.read(ctx, prefix+"read", in, b.opt.clientsOr(64)[0], kindBytes) },
		func() (result, error) {
			return b.searches(ctx, prefix+"bounded", in, b.opt.clientsOr(8)[0], bounded, onePage)
		},
		func() (result, error) {
			return b.searches(ctx, prefix+"search", in, b.opt.clientsOr(32)[0], mix, page)
		},
	}
	for i := range chains {
		parts = append(parts, func() (result, error) { return b.chain(ctx, prefix+"chain", in, i) })
	}
	parts = append(parts, func() (result, error) { return b.crud(ctx, prefix+"crud", in, b.opt.clientsOr(64)[0]) })
	for _, run := range parts {
		r, err := run()
		if err != nil {
			return err
		}
		if err := emit(r); err != nil {
			return err
		}
	}
	return nil
}
