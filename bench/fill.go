package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// fillers is how many clients fill a server.
const fillers = 8

// A filling is what filling a server took.
type filling struct {
	resources int
	bytes     int64
	took      time.Duration
}

// fillAll posts a source's Bundles and takes a sample of what they made.
func (b *bench) fillAll(ctx context.Context, in *instance, from source) (*sample, filling, error) {
	b.say("filling with %s", from.name())
	f := &filler{in: in, sample: newSample()}
	begin := time.Now()
	if err := from.shared(ctx, func(bundle []byte) error { return f.post(ctx, bundle) }); err != nil {
		return nil, f.filling, err
	}
	for _, late := range []bool{false, true} {
		if err := f.postAll(ctx, from, late); err != nil {
			return nil, f.filling, err
		}
	}
	f.took = time.Since(begin)
	b.say("filled with %d resources in %s", f.resources, f.took.Round(time.Millisecond))
	return f.sample, f.filling, f.sample.take(in.addr)
}

// A filler posts Bundles from several goroutines.
type filler struct {
	filling
	in     *instance
	mu     sync.Mutex
	sample *sample
	conns  []*client // free ones
}

func (f *filler) postAll(ctx context.Context, from source, late bool) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(fillers)
	err := from.each(ctx, late, func(bundle []byte) error {
		bundle = bytes.Clone(bundle)
		group.Go(func() error { return f.post(ctx, bundle) })
		return ctx.Err()
	})
	if failed := group.Wait(); failed != nil {
		err = failed
	}
	for _, c := range f.conns {
		c.close()
	}
	f.conns = nil
	return err
}

func (f *filler) conn() (*client, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.conns); n > 0 {
		c := f.conns[n-1]
		f.conns = f.conns[:n-1]
		return c, nil
	}
	return dial(f.in.addr)
}

func (f *filler) post(ctx context.Context, bundle []byte) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c, err := f.conn()
	if err != nil {
		return err
	}
	body, err := postBundle(c, bundle)
	if err != nil {
		return err
	}
	var answer struct {
		Entry []struct{ Response struct{ Location string } }
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns = append(f.conns, c)
	f.resources += len(answer.Entry)
	f.bytes += int64(len(bundle))
	for _, e := range answer.Entry {
		f.sample.made(e.Response.Location)
	}
	return nil
}

func postBundle(c *client, bundle []byte) ([]byte, error) {
	status, body, err := c.do("POST", base, bundle)
	if err != nil {
		return nil, err
	}
	if status != 200 {
		return nil, fmt.Errorf("POST of a Bundle: status %d: %.500s", status, body)
	}
	return body, nil
}
