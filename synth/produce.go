package synth

import (
	"context"
	"runtime"
	"sync"
)

// task is one record in the making.
type task struct {
	k    int
	rec  *record
	err  error
	done chan struct{}
}

// produce makes the infrastructure's and every patient's record on all cores.
// work, which may be nil, is called with each record on the core that made it;
// use is called with one record after another, in order. A few records per
// core are in memory at a time.
func (p *Population) produce(ctx context.Context, urn bool, work, use func(*record, int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	workers := runtime.GOMAXPROCS(0)
	queue, order := make(chan *task), make(chan *task, 2*workers)
	pool := sync.Pool{New: func() any { return &record{builder: builder{urn: urn}} }}
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	group.Go(func() { p.feed(ctx, queue, order) })
	for range workers {
		group.Go(func() {
			for t := range queue {
				t.rec = pool.Get().(*record)
				p.write(t.rec, t.k)
				if work != nil {
					t.err = work(t.rec, t.k)
				}
				close(t.done)
			}
		})
	}
	for t := range order {
		select {
		case <-t.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if t.err == nil {
			t.err = use(t.rec, t.k)
		}
		if t.err != nil {
			return t.err
		}
		pool.Put(t.rec)
	}
	return ctx.Err()
}

// feed gives out the tasks: to those who do them and, in order, to the one who
// waits for them.
func (p *Population) feed(ctx context.Context, queue, order chan<- *task) {
	defer close(queue)
	defer close(order)
	for k := -1; k < p.opts.Patients; k++ {
		t := &task{k: k, done: make(chan struct{})}
		for _, to := range []chan<- *task{order, queue} {
			select {
			case to <- t:
			case <-ctx.Done():
				return
			}
		}
	}
}
