package datastore

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// searchParams is the search parameters of a data store: those of its
// definitions, and those that its SearchParameter resources define. A defined
// parameter is first given to writes, then its entries are added to what is
// stored, and then it is given to queries.
type searchParams struct {
	base    *search.Registry
	records *paramRecords
	log     *slog.Logger
	clock   func() time.Time
	// retry is the wait after a failed pass; it doubles with each further one.
	retry time.Duration

	// defining is held by whatever writes SearchParameter resources, from the
	// check until what they mean is in use.
	defining sync.Mutex
	// epoch is held shared while a commit is prepared and stored, and alone
	// while the registries change. So entries that were made by other
	// registries are stored before, and a commit's conditions meet only
	// entries of registries like its own.
	epoch sync.RWMutex
	now   atomic.Pointer[registries]
	views openViews

	mu sync.Mutex // guards what follows
	// customs are by the id of the SearchParameter resource.
	customs map[string]*custom
	// rebuilds are by the parameter's "Type.code".
	rebuilds map[string]*rebuild
	// pass is the running pass, nil for none.
	pass *pass
	// wake holds a token when there may be something to do.
	wake chan struct{}
	// guideGeneration is the last one of parameters of guides; it is guarded by
	// defining.
	guideGeneration int64
	// rested is closed, and made anew, whenever the background work finds
	// nothing to do.
	rested chan struct{}

	stop    context.CancelFunc
	stopped chan struct{}
}

// registries are a data store's compiled parameters as of one moment.
type registries struct {
	// query has what can be searched by. write has what is being indexed as
	// well, and refuses searches by that.
	query, write *search.Registry
	// renewed has new meanings of parameters of which write has the old ones,
	// nil where there are none. params are those meanings, with ordinals that
	// no parameter of write has.
	renewed *search.Registry
	params  map[*search.Param]*search.Param
}

// extract makes all entries of a resource.
func (r *registries) extract(tree *fhir.Tree, id, base string) ([]search.Entry, error) {
	return r.extractTo(nil, tree, id, base)
}

// extractTo is extract with entries that are cut from a block.
func (r *registries) extractTo(b *search.Block, tree *fhir.Tree, id, base string) ([]search.Entry, error) {
	entries, err := r.write.ExtractTo(b, tree, id, base)
	if err != nil || r.renewed == nil {
		return entries, err
	}
	more, err := r.renewed.Extract(tree, id, base)
	if err != nil {
		return nil, err
	}
	for _, e := range more {
		if p := r.params[e.Param]; p != nil {
			entries = append(entries, search.Entry{Param: p, Key: e.Key})
		} else if e.Param.Code == search.MarkPresent {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, compareEntries)
	return slices.CompactFunc(entries, func(a, b search.Entry) bool { return compareEntries(a, b) == 0 }), nil
}

func compareEntries(a, b search.Entry) int {
	return cmp.Or(cmp.Compare(a.Param.Ordinal, b.Param.Ordinal), bytes.Compare(a.Key, b.Key))
}

func newSearchParams(base *search.Registry, db kv.DB, storeID string, opt *Options) *searchParams {
	p := &searchParams{
		base: base, records: newParamRecords(db, storeID), log: opt.Logger.With("datastore", storeID), clock: opt.Now, retry: opt.Retry,
		customs: map[string]*custom{}, rebuilds: map[string]*rebuild{}, wake: make(chan struct{}, 1),
		rested: make(chan struct{}),
	}
	p.now.Store(&registries{query: base, write: base})
	return p
}

// update changes what is known of the parameters, and makes the registries
// anew, once the commits that were prepared with the old ones are done.
func (p *searchParams) update(change func()) {
	p.epoch.Lock()
	defer p.epoch.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.now.Store(p.rebuilt())
	p.views.turn()
}

// rebuilt makes the registries of everything that can be in them. What cannot
// be, for a component of a composite went with the data store's own check
// evaded, is set aside and told; it must not take the rest with it.
func (p *searchParams) rebuilt() *registries {
	all := slices.Collect(p.inOrder())
	for _, c := range all {
		c.broken = ""
	}
	if whole, err := p.build(all); err == nil {
		return whole
	}
	good := &registries{query: p.base, write: p.base}
	var kept []*custom
	for _, c := range all {
		more, err := p.build(append(slices.Clip(kept), c))
		if err != nil {
			c.broken = err.Error()
			p.log.Error("a search parameter cannot be used", "id", c.ID, "error", err)
			continue
		}
		good, kept = more, append(kept, c)
	}
	return good
}

// build compiles the registries of some parameters.
func (p *searchParams) build(customs []*custom) (*registries, error) {
	var ready, newest, building []search.Custom
	renewed := map[string]bool{}
	for _, c := range customs {
		switch {
		case c.Ready != nil && c.Next != nil:
			ready, newest = append(ready, c.Ready.custom(false)), append(newest, c.Next.custom(true))
			for _, key := range c.Next.Keys {
				renewed[key] = true
			}
		case c.Ready != nil:
			ready, newest = append(ready, c.Ready.custom(false)), append(newest, c.Ready.custom(false))
		case c.Next != nil:
			building = append(building, c.Next.custom(true))
		}
	}
	var r registries
	var err error
	if r.query, err = p.base.With(ready); err != nil {
		return nil, err
	}
	if r.write, err = p.base.With(slices.Concat(ready, building)); err != nil || len(renewed) == 0 {
		return &r, err
	}
	if r.renewed, err = p.base.With(slices.Concat(newest, building)); err != nil {
		return nil, err
	}
	r.params = map[*search.Param]*search.Param{}
	for _, param := range r.renewed.Params[len(p.base.Params):] {
		if renewed[param.Key()] {
			other := *param
			other.Ordinal += len(r.write.Params)
			r.params[param] = &other
		}
	}
	return &r, nil
}

// offers refuses a plan with a parameter that was removed between the query was
// parsed and the view was opened: its entries may be gone. Those of what is
// removed later stay until the view is closed.
func (v *View) offers(plan *search.Plan) error {
	p := v.store.params
	now := p.now.Load().query
	for param := range planParams(plan) {
		if param.Ordinal < len(p.base.Params) || has(v.registry, param) || has(now, param) {
			continue
		}
		return fhir.Errorf(fhir.KindUnavailable, "the search parameter %s of %s was changed while the search was made; try again", param.Code, param.Type)
	}
	return nil
}

func has(r *search.Registry, param *search.Param) bool {
	own := r.Param(param.Type, param.Code)
	return own != nil && own.Key() == param.Key()
}

// openViews counts the views that are open, by the registries that were
// current when they were opened.
type openViews struct {
	mu      sync.Mutex
	current uint64
	open    map[uint64]int
	// closed is closed and made anew when the last view of a turn closes.
	closed chan struct{}
}

// enter notes an open view, which the turn that is returned must leave.
func (o *openViews) enter() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open == nil {
		o.open = map[uint64]int{}
	}
	o.open[o.current]++
	return o.current
}

func (o *openViews) leave(turn uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.open[turn]--; o.open[turn] > 0 {
		return
	}
	delete(o.open, turn)
	if o.closed != nil {
		close(o.closed)
		o.closed = nil
	}
}

// turn begins a new turn.
func (o *openViews) turn() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.current++
}

// wait returns when every view that was opened before the turn that is current
// now is closed.
func (o *openViews) wait(ctx context.Context) error {
	o.mu.Lock()
	until := o.current
	for {
		old := false
		for turn := range o.open {
			old = old || turn < until
		}
		if !old {
			o.mu.Unlock()
			return nil
		}
		if o.closed == nil {
			o.closed = make(chan struct{})
		}
		closed := o.closed
		o.mu.Unlock()
		select {
		case <-closed:
		case <-ctx.Done():
			return ctx.Err()
		}
		o.mu.Lock()
	}
}

// load reads the records, so that the registries are known before the storage
// is opened.
func (p *searchParams) load(ctx context.Context) error {
	customs, rebuilds, err := p.records.all(ctx)
	if err != nil {
		return err
	}
	for _, c := range customs {
		p.customs[c.ID] = c
	}
	for _, r := range rebuilds {
		p.rebuilds[r.key()] = r
	}
	p.update(func() {})
	return nil
}

// start begins the background work on a backend.
func (p *searchParams) start(backend store.Store, entries func(*registries, store.Version) ([]search.Entry, error)) {
	ctx, cancel := context.WithCancel(context.Background())
	p.stop, p.stopped = cancel, make(chan struct{})
	w := &paramWork{params: p, backend: backend, entries: entries}
	go func() {
		defer close(p.stopped)
		w.run(ctx)
	}()
}

// close ends the background work; what is not done goes on when the data store
// is opened again.
func (p *searchParams) close() {
	if p.stop != nil {
		p.stop()
		<-p.stopped
	}
}

func (p *searchParams) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
