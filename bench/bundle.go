package main

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
)

// bundlesKept is how many patients' Bundles the load has; it goes around.
const bundlesKept = 60

// runBundle posts one transaction for each patient into an empty store. The
// limit is the probe taking the same Bundles.
func runBundle(ctx context.Context, b *bench) error {
	load, err := readBundles(ctx, b.source)
	if err != nil {
		return err
	}
	for _, clients := range b.opt.clientsOr(1, 8) {
		r, err := b.bundle(ctx, clients, load)
		if err != nil {
			return err
		}
		if err := b.report.print(r); err != nil {
			return err
		}
	}
	return nil
}

// bundles are prepared requests: those that the others refer to, and each
// patient's with its number of entries.
type bundles struct {
	shared   [][]byte
	patients [][]byte
	entries  []int
	size     int // of all patients' Bundles, bytes
}

func readBundles(ctx context.Context, from source) (*bundles, error) {
	all := &bundles{}
	err := from.shared(ctx, func(bundle []byte) error {
		all.shared = append(all.shared, bytes.Clone(bundle))
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = upTo(ctx, from, bundlesKept, func(bundle []byte) error {
		all.patients = append(all.patients, appendRequest(nil, "POST", base, bundle))
		all.entries = append(all.entries, bytes.Count(bundle, []byte(`"request"`)))
		all.size += len(bundle)
		return nil
	})
	if err == nil && len(all.patients) == 0 {
		err = fmt.Errorf("%s: there are no Bundles", from.name())
	}
	return all, err
}

func (b *bench) bundle(ctx context.Context, clients int, load *bundles) (r result, err error) {
	in, end, err := b.fresh(ctx)
	if err != nil {
		return r, err
	}
	defer func() {
		if failed := end(); err == nil {
			err = failed
		}
	}()
	if err := load.postShared(in); err != nil {
		return r, err
	}
	r, t, err := b.measure(ctx, fmt.Sprintf("bundle/%d", clients), "resources/s", in, load.work(clients, b))
	if err != nil {
		return r, err
	}
	counts, err := scrape(in.addr)
	if err != nil {
		return r, err
	}
	r.Disk = per(counts.disk, int(counts.resources))
	r.Note = fmt.Sprintf("%.0f resources and %d KB for each Bundle", per(float64(t.units), t.requests), load.size/len(load.patients)>>10)
	w := load.work(clients, b)
	w.length = b.seconds(limitShare)
	limit, err := b.raw(ctx, w)
	r.limit(limit.rate(), "HTTP echo of the same Bundles after an fsync'd append")
	return r, err
}

func (l *bundles) postShared(in *instance) error {
	conn, err := dial(in.addr)
	if err != nil {
		return err
	}
	defer conn.close()
	for _, bundle := range l.shared {
		if _, err := postBundle(conn, bundle); err != nil {
			return err
		}
	}
	return nil
}

// work posts the patients' Bundles around and around.
func (l *bundles) work(clients int, b *bench) work {
	var next atomic.Int64
	return work{clients: clients, length: b.seconds(1), step: func(u *user) (answer, error) {
		i := int(next.Add(1)-1) % len(l.patients)
		status, body, err := u.send(l.patients[i])
		return expect(0, l.entries[i], 200, status, body), err
	}}
}
