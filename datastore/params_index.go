package datastore

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// DefaultRetry is how long the background work on search parameters waits
// after its first failure.
const DefaultRetry = 5 * time.Second

// maxRetry bounds that wait as it doubles.
const maxRetry = 10 * time.Minute

// paramWork is the background work on a data store's search parameters: one
// goroutine that removes the entries of what is gone and adds those of what is
// new.
type paramWork struct {
	params  *searchParams
	backend store.Store
	entries func(*registries, store.Version) ([]search.Entry, error)
}

// run works until ctx is done.
func (w *paramWork) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		worked, wait, err := w.step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			failures++
			w.params.log.Error("background work on search parameters failed", "error", err)
			wait = w.params.backoff(failures)
		case worked:
			failures = 0
			continue
		}
		if !w.params.rest(ctx, wait) {
			return
		}
	}
}

// rest waits until there may be something to do: for the time given, or where
// that is 0 until it is woken. It reports whether ctx goes on.
func (p *searchParams) rest(ctx context.Context, wait time.Duration) bool {
	p.mu.Lock()
	close(p.rested)
	p.rested = make(chan struct{})
	p.mu.Unlock()
	var due <-chan time.Time
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		due = timer.C
	}
	select {
	case <-p.wake:
	case <-due:
	case <-ctx.Done():
		return false
	}
	return true
}

func (p *searchParams) backoff(failures int) time.Duration {
	wait := p.retry << min(failures-1, 20)
	if wait <= 0 || wait > maxRetry {
		return maxRetry
	}
	return wait
}

// step does one piece of work. Where there is none now, wait is the time until
// there is, 0 for never.
func (w *paramWork) step(ctx context.Context) (worked bool, wait time.Duration, err error) {
	if worked, err = w.dropOld(ctx); worked || err != nil {
		return worked, 0, err
	}
	pass, wait := w.params.nextPass(ctx)
	if pass == nil {
		return false, wait, nil
	}
	defer pass.cancel()
	return true, 0, w.finish(ctx, pass, w.index(pass))
}

// dropOld removes the entries of parameters that nothing uses any more.
func (w *paramWork) dropOld(ctx context.Context) (worked bool, err error) {
	p := w.params
	dropping := map[string][]string{}
	p.mu.Lock()
	for id, c := range p.customs {
		if len(c.Drop) > 0 {
			dropping[id] = c.Drop
		}
	}
	p.mu.Unlock()
	if len(dropping) == 0 {
		return false, nil
	}
	if err := p.views.wait(ctx); err != nil {
		return false, err
	}
	if err := w.backend.Unindex(ctx, slices.Sorted(flatten(maps.Values(dropping)))); err != nil {
		return false, err
	}
	p.mu.Lock()
	var records []custom
	for id, keys := range dropping {
		c := p.customs[id]
		c.Drop = slices.DeleteFunc(slices.Clone(c.Drop), func(k string) bool { return slices.Contains(keys, k) })
		records = append(records, *c)
		if c.newest() == nil && len(c.Drop) == 0 && c.Error == "" {
			delete(p.customs, id)
		}
	}
	p.mu.Unlock()
	return true, p.records.save(ctx, records, nil)
}

// A pass is one walk over what is stored that adds entries for some
// parameters.
type pass struct {
	ctx    context.Context
	cancel context.CancelFunc
	// registries are those that the entries are made with.
	registries *registries
	// next are the meanings that the pass makes ready, by resource.
	next map[string]*meaning
	// rebuilds are the requests that it answers, by parameter.
	rebuilds map[string]*rebuild
	// keys are the search.Param.Key of all these, types their resource types.
	keys  map[string]bool
	types map[string]bool
}

// nextPass begins a pass over all that is due. What has failed before goes by
// itself, so that it does not hold up the rest.
func (p *searchParams) nextPass(ctx context.Context) (next *pass, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next = &pass{next: map[string]*meaning{}, rebuilds: map[string]*rebuild{}, keys: map[string]bool{}, types: map[string]bool{}, registries: p.now.Load()}
	now := p.clock()
	var again func()
	take := func(g *progress, add func()) {
		switch {
		case g.Error == "":
			add()
		case !g.due.After(now):
			again = add
		case wait == 0 || g.due.Sub(now) < wait:
			wait = g.due.Sub(now)
		}
	}
	for c := range p.inOrder() {
		if c.Next != nil && c.broken == "" {
			take(&c.progress, func() { next.build(c, now) })
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.rebuilds)) {
		if r := p.rebuilds[key]; !r.Finished {
			take(&r.progress, func() { next.rebuild(r, now) })
		}
	}
	if len(next.keys) == 0 && again != nil {
		again()
	}
	if len(next.keys) == 0 {
		return nil, wait
	}
	next.ctx, next.cancel = context.WithCancel(ctx)
	p.pass = next
	return next, 0
}

func (x *pass) build(c *custom, now time.Time) {
	x.next[c.ID] = c.Next
	c.begin(now)
	for _, key := range c.Next.Keys {
		x.keys[key] = true
	}
	for _, base := range c.Next.Def.Bases {
		x.types[base] = true
	}
}

func (x *pass) rebuild(r *rebuild, now time.Time) {
	found := false
	for _, param := range x.registries.query.Params {
		if param.Type == r.Type && (r.Code == allParams || r.Code == param.Code) {
			x.keys[param.Key()] = true
			found = true
		}
	}
	if !found {
		r.Finished = true // the parameter is gone
		return
	}
	x.rebuilds[r.key()] = r
	r.begin(now)
	x.types[r.Type] = true
}

func (g *progress) begin(now time.Time) { g.Looked, g.Total, g.Started = 0, 0, now.UTC() }

// check cancels the pass where it makes something ready that nobody wants any
// more. The caller holds mu.
func (x *pass) check(p *searchParams) {
	for id, m := range x.next {
		if c := p.customs[id]; c == nil || c.Next != m {
			x.cancel()
		}
	}
}

// index adds the entries.
func (w *paramWork) index(x *pass) error {
	return w.backend.Index(x.ctx, store.Indexing{
		Entries: func(v store.Version) ([]search.Entry, error) {
			if !x.types[v.Type] || v.Deleted() {
				return nil, nil
			}
			all, err := w.entries(x.registries, v)
			if err != nil {
				return nil, err
			}
			return slices.DeleteFunc(all, func(e search.Entry) bool {
				return e.Param.Code != search.MarkPresent && !x.keys[e.Param.Key()]
			}), nil
		},
		Progress: func(done, total int) {
			w.params.mu.Lock()
			defer w.params.mu.Unlock()
			for g := range x.all(w.params) {
				g.Looked, g.Total = done, total
			}
		},
	})
}

// all yields the progress of everything that the pass is still wanted for.
func (x *pass) all(p *searchParams) func(yield func(*progress) bool) {
	return func(yield func(*progress) bool) {
		for id, m := range x.next {
			if c := p.customs[id]; c != nil && c.Next == m && !yield(&c.progress) {
				return
			}
		}
		for key, r := range x.rebuilds {
			if p.rebuilds[key] == r && !yield(&r.progress) {
				return
			}
		}
	}
}

// finish notes what a pass came to: what it made ready is used from then on.
func (w *paramWork) finish(ctx context.Context, x *pass, failure error) error {
	p := w.params
	p.mu.Lock()
	p.pass = nil
	if failure != nil {
		defer p.mu.Unlock()
		if x.ctx.Err() != nil {
			return nil // cut off, not failed
		}
		for g := range x.all(p) {
			g.fail(p, failure)
		}
		p.log.Error("search parameters could not be indexed", "error", failure)
		return nil
	}
	p.mu.Unlock()
	var customs []custom
	var rebuilds []rebuild
	p.update(func() { customs, rebuilds = x.complete(p) })
	return p.records.save(ctx, customs, rebuilds)
}

func (g *progress) fail(p *searchParams, err error) {
	g.Attempts++
	g.Error = err.Error()
	g.due = p.clock().Add(p.backoff(g.Attempts))
}

// complete makes ready what the pass has indexed. The caller holds mu.
func (x *pass) complete(p *searchParams) (customs []custom, rebuilds []rebuild) {
	for id, m := range x.next {
		c := p.customs[id]
		if c == nil || c.Next != m {
			continue
		}
		c.drop(c.Ready)
		c.Ready, c.Next = m, nil
		c.Error, c.Attempts = "", 0
		customs = append(customs, *c)
	}
	for key, r := range x.rebuilds {
		if p.rebuilds[key] != r {
			continue
		}
		r.Finished = true
		r.Error, r.Attempts = "", 0
		rebuilds = append(rebuilds, *r)
	}
	return customs, rebuilds
}

func flatten(lists func(yield func([]string) bool)) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for list := range lists {
			for _, s := range list {
				if !yield(s) {
					return
				}
			}
		}
	}
}
