package subscription

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/store"
)

// Bounds of one step of a feed.
const (
	maxVersions = 1000
	maxEvents   = 200
)

// pauseStore is how long a feed waits for a data store that is unavailable, and
// after a failure of its own.
const pauseStore = 5 * time.Second

// A feed matches the versions of one data store against its Subscriptions.
type feed struct {
	*Service
	store string
	work  chan struct{} // there is something to do
	// dirty is set where Subscriptions were written since they were read.
	dirty atomic.Bool
	// types are those that some line asks for.
	types atomic.Pointer[map[string]bool]
	lines map[string]*line // by id
	// unsaved counts the versions that were looked at since that was noted.
	unsaved int
	// opened is the data store as it was when lines were read, and topics the time
	// at which the topics of all of them have been read since.
	opened *datastore.Store
	topics store.T
}

func newFeed(s *Service, store string) *feed {
	f := &feed{Service: s, store: store, work: make(chan struct{}, 1), lines: map[string]*line{}}
	f.types.Store(&map[string]bool{})
	f.dirty.Store(true)
	return f
}

// written notes that a resource was written.
func (f *feed) written(what string) {
	switch {
	case what == resourceType:
		f.dirty.Store(true)
	case !(*f.types.Load())[what]:
		return
	}
	f.rouse()
}

func (f *feed) rouse() {
	select {
	case f.work <- struct{}{}:
	default: // it will look anyway
	}
}

// run works until ctx ends.
func (f *feed) run(ctx context.Context) {
	defer f.stopAll()
	for ctx.Err() == nil {
		again, err := f.step(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errGone):
			f.stopAll()
			if err = f.forgetAll(ctx); err == nil && f.leave() {
				return
			}
		case err != nil && fhir.KindOf(err) != fhir.KindUnavailable:
			f.Logger.Error("the subscriptions of a data store wait", "store", f.store, "error", err)
		}
		if err != nil {
			f.dirty.Store(true)
			again = pauseStore
		}
		if again == 0 {
			continue
		}
		var timer <-chan time.Time
		if again > 0 {
			timer = f.After(again)
		}
		select {
		case <-ctx.Done():
		case <-timer:
		case <-f.work:
		}
	}
}

// errGone says that the data store is deleted, with all it had.
var errGone = errors.New("subscription: the data store is gone")

// step does what there is to do, and tells after how long there is more: 0 for at
// once, less for when it is roused.
func (f *feed) step(ctx context.Context) (again time.Duration, err error) {
	ds, err := f.parts.Stores.Store(f.store)
	if err != nil && fhir.KindOf(err) == fhir.KindNotFound {
		return 0, errGone
	}
	if err != nil {
		return 0, err
	}
	if f.dirty.Swap(false) || ds != f.opened {
		if err := f.refresh(ctx, ds); err != nil {
			return 0, err
		}
		if ds != f.opened {
			f.opened, f.topics = ds, 0
		}
	}
	if err := f.endDue(ctx, ds); err != nil {
		return 0, err
	}
	more, err := f.advance(ctx, ds)
	if more || err != nil {
		return 0, err
	}
	return f.untilNext(), nil
}

// untilNext is how long until the next Subscription ends, 0 where that is past, and
// less for never.
func (f *feed) untilNext() time.Duration {
	next := time.Duration(-1)
	for _, l := range f.lines {
		if left := l.end.Sub(f.Now()); !l.end.IsZero() && (next < 0 || left < next) {
			next = max(left, 0)
		}
	}
	return next
}

// endDue turns off what has come to its end.
func (f *feed) endDue(ctx context.Context, ds *datastore.Store) error {
	for id, l := range f.lines {
		if l.end.IsZero() || l.end.After(f.Now()) {
			continue
		}
		f.stop(id)
		if err := f.endLine(ctx, ds, l, &ending{status: statusOff}); unless(err, errWritten) != nil {
			return err
		}
	}
	return nil
}

// A match is a version that a line asks for.
type match struct {
	line  *line
	event event
}

// advance looks at the versions that no line has seen yet. more is set where
// there are others.
func (f *feed) advance(ctx context.Context, ds *datastore.Store) (more bool, err error) {
	if len(f.lines) == 0 {
		return false, nil
	}
	b := &batch{feed: f, ds: ds, views: map[*line]*datastore.View{}}
	defer b.close()
	for v, err := range ds.Changes(ctx, authz.Unrestricted(), f.oldest()) {
		if err != nil {
			return false, err
		}
		if err := b.take(ctx, v); err != nil {
			return false, err
		}
		if b.looked++; b.looked >= maxVersions || len(b.matches) >= maxEvents {
			more = true
			break
		}
	}
	return more || b.changed, b.store(ctx)
}

// oldest is the version that all lines have seen.
func (f *feed) oldest() store.T {
	var t store.T
	first := true
	for _, l := range f.lines {
		if first || l.at < t {
			t, first = l.at, false
		}
	}
	return t
}

// A batch is what one step makes of some versions.
type batch struct {
	*feed
	ds      *datastore.Store
	views   map[*line]*datastore.View
	matches []match
	looked  int
	last    store.T
	// changed is set where a line was stopped meanwhile.
	changed bool
}

func (b *batch) close() {
	for _, v := range b.views {
		v.Close()
	}
}

// take matches one version.
func (b *batch) take(ctx context.Context, v store.Version) error {
	b.last = v.T
	if !(*b.types.Load())[v.Type] {
		return nil
	}
	if v.Type == topicType && v.T > b.topics {
		if err := b.readTopics(ctx); err != nil {
			return err
		}
	}
	x := &change{batch: b, version: &v}
	for id, l := range b.lines {
		if l.at >= v.T {
			continue
		}
		told, err := b.tells(ctx, l, x)
		var e *ending
		if errors.As(err, &e) {
			b.end(ctx, id, e)
			continue
		}
		if err != nil {
			return err
		}
		if told {
			b.matches = append(b.matches, match{l, event{Type: v.Type, ID: v.ID, Number: v.Number, Time: v.LastUpdated, Op: x.op()}})
		}
	}
	return nil
}

// tells reports whether a line is about a version, and its author may see it.
func (b *batch) tells(ctx context.Context, l *line, x *change) (bool, error) {
	w := l.wants.Load()
	if !slices.Contains(w.types(), x.version.Type) || x.version.Deleted() && !w.deletions() {
		return false, nil
	}
	if w.holds(b.ds) {
		if about, err := x.meets(ctx, w); !about || err != nil {
			return false, err
		}
	}
	view, err := b.view(ctx, l)
	if err != nil {
		return false, err
	}
	if about, err := x.meets(ctx, l.wants.Load()); !about || err != nil {
		return false, err
	}
	return shows(ctx, view, x.version.Type, x.version.ID, x.content())
}

// shows reports whether a version with content is there for who a view is for.
func shows(ctx context.Context, view *datastore.View, resourceType, id string, number uint64) (bool, error) {
	_, err := view.VRead(ctx, resourceType, id, versionID(number))
	if unseen(err) {
		return false, nil
	}
	return err == nil, err
}

// view is the data store as the author of a line may see it.
func (b *batch) view(ctx context.Context, l *line) (*datastore.View, error) {
	if v := b.views[l]; v != nil {
		return v, nil
	}
	access, err := b.access(ctx, b.ds, l)
	if err != nil {
		return nil, err
	}
	if !l.wants.Load().holds(b.ds) {
		if err := b.readAgain(ctx, l, access); err != nil {
			return nil, err
		}
	}
	v, err := b.ds.View(ctx, access, 0)
	if err == nil {
		b.views[l] = v
	}
	return v, err
}

// readAgain reads anew what a line asks for.
func (b *batch) readAgain(ctx context.Context, l *line, access authz.Access) error {
	w, err := readWants(ctx, b.ds, access, &l.spec)
	if err != nil {
		return endingOf(err)
	}
	l.wants.Store(w)
	return nil
}

// readTopics reads the topics of all lines anew: they may be about other resource
// types now.
func (b *batch) readTopics(ctx context.Context) error {
	now, err := b.ds.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return err
	}
	at := now.T() // each line reads then or later
	now.Close()
	for id, l := range b.lines {
		if !l.wants.Load().topical {
			continue
		}
		access, err := b.access(ctx, b.ds, l)
		if err == nil {
			err = b.readAgain(ctx, l, access)
		}
		var e *ending
		if errors.As(err, &e) {
			b.end(ctx, id, e)
		} else if err != nil {
			return err
		}
	}
	b.noteTypes()
	b.topics = at
	return nil
}

// end ends a line.
func (b *batch) end(ctx context.Context, id string, why *ending) {
	b.changed = true
	l := b.lines[id]
	b.stop(id)
	if err := b.endLine(ctx, b.ds, l, why); unless(err, errWritten) != nil {
		b.dirty.Store(true)
		b.Logger.Error("a subscription cannot be ended", "store", b.feed.store, "subscription", id, "error", err)
	}
}

// store notes what matched, and how far all lines are.
func (b *batch) store(ctx context.Context) error {
	if b.last == 0 {
		return nil
	}
	if b.unsaved += b.looked; len(b.matches) == 0 && b.unsaved < maxVersions {
		// Looking again costs little; writing that nothing was found costs more.
		for _, l := range b.lines {
			l.at = max(l.at, b.last)
		}
		return nil
	}
	full := map[string]bool{}
	err := b.parts.Records.Update(ctx, func(tx kv.Tx) error {
		clear(full)
		made := map[string]*state{}
		for id := range b.lines {
			st, err := states.Get(tx, key(b.feed.store, id))
			if err != nil {
				return err
			}
			made[id] = &st
		}
		for _, m := range b.matches {
			st := made[m.line.id]
			if b.lines[m.line.id] != m.line {
				continue
			}
			st.Made++
			full[m.line.id] = st.Made-st.Done > b.MaxWaiting
			if err := events.Put(tx, numbered(b.feed.store, m.line.id, st.Made), m.event, time.Time{}); err != nil {
				return err
			}
		}
		for id, st := range made {
			st.At = max(st.At, b.last)
			if err := states.Put(tx, key(b.feed.store, id), *st, time.Time{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.unsaved = 0
	for id, l := range b.lines {
		l.at = max(l.at, b.last)
		if full[id] {
			b.end(ctx, id, &ending{statusError, fmt.Sprintf("more than %d notifications waited for the endpoint; those that were not sent are dropped", b.MaxWaiting)})
			continue
		}
		l.rouse()
	}
	return nil
}
