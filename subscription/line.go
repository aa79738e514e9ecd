package subscription

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/store"
)

// The pauses between attempts double from the least to the most.
const (
	leastPause = time.Second
	mostPause  = 5 * time.Minute
	// mostAsked is the longest pause that an endpoint may ask for.
	mostAsked = time.Hour
)

// A line sends the events of one active Subscription.
type line struct {
	feed *feed
	id   string
	// number is that of the version that the line was made for. fresh is set
	// where the endpoint has to be greeted before the Subscription is active.
	number uint64
	fresh  bool
	spec   spec
	author author
	// headers are those of the channel, with their values.
	headers []string
	work    chan struct{} // there are events
	cancel  context.CancelFunc
	ended   chan struct{}
	// unrecorded is a delivery that Parts.Record has not taken.
	unrecorded *Delivery

	// greeted and sent are the line's own: whether the endpoint was greeted, and
	// when it took something the last time.
	greeted bool
	sent    time.Time
	// wants is what the feed looks for.
	wants atomic.Pointer[wants]
	// The feed's: how far it has looked, and until when it does.
	at  store.T
	end time.Time
}

// start lets the line work until stop.
func (l *line) start(ctx context.Context) {
	ctx, l.cancel = context.WithCancel(ctx)
	l.ended = make(chan struct{})
	go func() {
		defer close(l.ended)
		l.run(ctx)
	}()
}

// stop ends the line, and an attempt that it is at.
func (l *line) stop() {
	if l.cancel != nil {
		l.cancel()
		<-l.ended
	}
}

// over reports whether the line has ended by itself.
func (l *line) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

func (l *line) rouse() {
	select {
	case l.work <- struct{}{}:
	default:
	}
}

// A pause is how long a line waits: for work where idle is set, and for that long
// at the most where after is not 0.
type pause struct {
	after time.Duration
	idle  bool
}

// run sends events in their order.
func (l *line) run(ctx context.Context) {
	l.sent = l.feed.Now()
	for ctx.Err() == nil {
		p, err := l.step(ctx)
		var e *ending
		switch {
		case ctx.Err() != nil:
			return
		case errors.As(err, &e):
			if err = unless(l.give(ctx, e), errWritten); err == nil {
				l.feed.dirty.Store(true)
				l.feed.rouse()
				return
			}
			p = pause{after: pauseStore}
		case err != nil:
			p = pause{after: pauseStore}
		}
		if err != nil && fhir.KindOf(err) != fhir.KindUnavailable {
			l.feed.Logger.Error("the notifications of a subscription wait", "store", l.feed.store, "subscription", l.id, "error", err)
		}
		l.wait(ctx, p)
	}
}

func (l *line) wait(ctx context.Context, p pause) {
	var timer <-chan time.Time
	var work chan struct{}
	if p.after > 0 {
		timer = l.feed.After(p.after)
	}
	if p.idle {
		work = l.work
	}
	if timer == nil && work == nil {
		return
	}
	select {
	case <-ctx.Done():
	case <-timer:
	case <-work:
	}
}

// give ends the Subscription: the feed then stops the line.
func (l *line) give(ctx context.Context, why *ending) error {
	ds, err := l.feed.parts.Stores.Store(l.feed.store)
	if err != nil {
		return err
	}
	return l.feed.endLine(ctx, ds, l, why)
}

// step sends one event, or what else is due.
func (l *line) step(ctx context.Context) (pause, error) {
	if err := l.record(); err != nil {
		return pause{}, err
	}
	ds, err := l.feed.parts.Stores.Store(l.feed.store)
	if err != nil {
		return pause{}, err
	}
	if l.fresh && !l.greeted {
		return pause{}, l.greet(ctx, ds)
	}
	st, e, err := l.next(ctx)
	if err != nil {
		return pause{}, err
	}
	if e == nil {
		return l.rest(ctx, ds, st)
	}
	n, err := l.visible(ctx, ds, e)
	if err != nil {
		return pause{}, err
	}
	n.number, n.since = st.Done+1, st.Made
	if n.version == nil && !l.spec.topical() { // erased, or not for its author any more
		return pause{}, l.done(ctx, n.number)
	}
	failure := l.send(ctx, ds, n)
	if ctx.Err() != nil {
		return pause{}, ctx.Err()
	}
	if err := l.record(); err != nil {
		return pause{}, err
	}
	if failure == nil {
		return pause{}, l.done(ctx, n.number)
	}
	return l.failed(ctx, failure)
}

// greet lets the endpoint prove that it is there, and activates the Subscription.
func (l *line) greet(ctx context.Context, ds *datastore.Store) error {
	if _, err := l.feed.access(ctx, ds, l); err != nil {
		return err
	}
	if failure := l.tell(ctx, ds, statusRequested, typeHandshake, 0); failure != nil {
		return &ending{statusError, "the endpoint did not take the handshake: " + failure.why}
	}
	err := l.feed.setStatus(ctx, ds, l.id, l.number, statusActive, "")
	l.greeted = err == nil
	return err
}

// rest is what there is to do without events: heartbeats, where they were asked
// for.
func (l *line) rest(ctx context.Context, ds *datastore.Store, st state) (pause, error) {
	if l.spec.Heartbeat == 0 {
		return pause{idle: true}, nil
	}
	if left := l.sent.Add(l.spec.Heartbeat).Sub(l.feed.Now()); left > 0 {
		return pause{left, true}, nil
	}
	if _, err := l.feed.access(ctx, ds, l); err != nil {
		return pause{}, err
	}
	if failure := l.tell(ctx, ds, statusActive, typeHeartbeat, st.Made); failure != nil {
		return l.failed(ctx, failure)
	}
	return pause{}, l.well(ctx)
}

// record notes the last delivery.
func (l *line) record() error {
	if l.unrecorded == nil || l.feed.parts.Record == nil {
		return nil
	}
	err := l.feed.parts.Record(*l.unrecorded)
	if err == nil {
		l.unrecorded = nil
	}
	return err
}

// next is how far the Subscription has come, and the oldest event that is not out
// of the way; nil for none.
func (l *line) next(ctx context.Context) (st state, next *event, err error) {
	err = l.feed.parts.Records.View(ctx, func(tx kv.Tx) (err error) {
		next = nil
		if st, err = states.Get(tx, key(l.feed.store, l.id)); err != nil || st.Done == st.Made {
			return err
		}
		e, err := events.Get(tx, numbered(l.feed.store, l.id, st.Done+1))
		next = &e
		return err
	})
	return st, next, err
}

// visible is what an event is about as its author may see it, with the version
// that has its content, which is nil where there is nothing to be seen.
func (l *line) visible(ctx context.Context, ds *datastore.Store, e *event) (*notification, error) {
	access, err := l.feed.access(ctx, ds, l)
	if err != nil {
		return nil, err
	}
	view, err := ds.View(ctx, access, 0)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	n, number := &notification{event: *e, caller: access.Caller()}, e.Number
	if e.Op == "delete" {
		number--
	}
	v, err := view.VRead(ctx, e.Type, e.ID, versionID(number))
	if unseen(err) {
		return n, nil
	}
	n.version = &v
	return n, err
}

// done takes an event out of the way.
func (l *line) done(ctx context.Context, number uint64) error {
	l.sent = l.feed.Now()
	return l.update(ctx, func(tx kv.Tx, st *state) error {
		st.Done, st.Failures, st.Failing = number, 0, time.Time{}
		return events.Delete(tx, numbered(l.feed.store, l.id, number))
	})
}

// well notes that the endpoint has taken something beside events.
func (l *line) well(ctx context.Context) error {
	l.sent = l.feed.Now()
	return l.update(ctx, func(_ kv.Tx, st *state) error {
		st.Failures, st.Failing = 0, time.Time{}
		return nil
	})
}

// update changes how far the Subscription has come.
func (l *line) update(ctx context.Context, change func(kv.Tx, *state) error) error {
	return l.feed.parts.Records.Update(ctx, func(tx kv.Tx) error {
		k := key(l.feed.store, l.id)
		st, err := states.Get(tx, k)
		if err != nil {
			return err
		}
		if err := change(tx, &st); err != nil {
			return err
		}
		return states.Put(tx, k, st, time.Time{})
	})
}

// failed notes an attempt that failed, and tells how long to wait.
func (l *line) failed(ctx context.Context, failure *failure) (pause, error) {
	now := l.feed.Now().UTC()
	var st state
	err := l.update(ctx, func(_ kv.Tx, noted *state) error {
		if noted.Failures++; noted.Failures == 1 {
			noted.Failing = now
		}
		st = *noted
		return nil
	})
	if err != nil {
		return pause{}, err
	}
	if now.Sub(st.Failing) >= l.feed.GiveUp {
		return pause{}, &ending{statusError, fmt.Sprintf("the endpoint failed %d times since %s, the last time because %s; what was not sent is dropped", st.Failures, st.Failing.Format(time.RFC3339), failure.why)}
	}
	after := min(leastPause<<min(st.Failures-1, 20), mostPause)
	after = max(after, min(failure.after, mostAsked))
	l.feed.Logger.Warn("an endpoint takes no notifications; it is tried again", "store", l.feed.store, "subscription", l.id, "after", after, "because", failure.why)
	return pause{after: after}, nil
}
