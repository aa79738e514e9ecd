package subscription

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tarnhealth/tarn/authz"
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
	feed   *feed
	id     string
	spec   spec
	author author
	// headers are those of the channel, with their values.
	headers []string
	work    chan struct{} // there are events
	cancel  context.CancelFunc
	ended   chan struct{}
	// unrecorded is a delivery that Parts.Record has not taken.
	unrecorded *Delivery

	// The feed's: how far it has looked, what for, and until when.
	at     store.T
	filter *filter
	end    time.Time
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

// run sends events in their order.
func (l *line) run(ctx context.Context) {
	for ctx.Err() == nil {
		pause, err := l.step(ctx)
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
			pause = pauseStore
		case err != nil:
			pause = pauseStore
		}
		if err != nil && fhir.KindOf(err) != fhir.KindUnavailable {
			l.feed.Logger.Error("the notifications of a subscription wait", "store", l.feed.store, "subscription", l.id, "error", err)
		}
		switch {
		case pause > 0:
			l.feed.sleep(ctx, pause)
		case pause < 0:
			select {
			case <-ctx.Done():
			case <-l.work:
			}
		}
	}
}

// give ends the Subscription: the feed then stops the line.
func (l *line) give(ctx context.Context, why *ending) error {
	ds, err := l.feed.parts.Stores.Store(l.feed.store)
	if err != nil {
		return err
	}
	return l.feed.setStatus(ctx, ds, l.id, 0, why.status, why.text)
}

// step sends one event, and tells how long to wait before the next: less than 0
// for until there is one.
func (l *line) step(ctx context.Context) (time.Duration, error) {
	if err := l.record(); err != nil {
		return 0, err
	}
	number, e, err := l.next(ctx)
	if err != nil || number == 0 {
		return -1, err
	}
	ds, err := l.feed.parts.Stores.Store(l.feed.store)
	if err != nil {
		return 0, err
	}
	v, caller, err := l.visible(ctx, ds, e)
	if err != nil {
		return 0, err
	}
	if v == nil { // erased, or not for its author any more
		return 0, l.done(ctx, number)
	}
	failure := l.send(ctx, ds, &notification{number, v, caller})
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err := l.record(); err != nil {
		return 0, err
	}
	if failure == nil {
		return 0, l.done(ctx, number)
	}
	return l.failed(ctx, failure)
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

// next is the oldest event that is not out of the way; 0 for none.
func (l *line) next(ctx context.Context) (number uint64, e event, err error) {
	err = l.feed.parts.Records.View(ctx, func(tx kv.Tx) error {
		st, err := states.Get(tx, key(l.feed.store, l.id))
		if err != nil || st.Done == st.Made {
			return err
		}
		number = st.Done + 1
		e, err = events.Get(tx, numbered(l.feed.store, l.id, number))
		return err
	})
	return number, e, err
}

// visible is the version of an event as its author may see it, and who that is; nil
// where it is not to be seen.
func (l *line) visible(ctx context.Context, ds *datastore.Store, e event) (*store.Version, authz.Caller, error) {
	access, err := l.feed.access(ctx, ds, l)
	if err != nil {
		return nil, authz.Caller{}, err
	}
	view, err := ds.View(ctx, access, 0)
	if err != nil {
		return nil, authz.Caller{}, err
	}
	defer view.Close()
	v, err := view.VRead(ctx, e.Type, e.ID, versionID(e.Number))
	if unseen(err) {
		return nil, authz.Caller{}, nil
	}
	return &v, access.Caller(), err
}

// done takes an event out of the way.
func (l *line) done(ctx context.Context, number uint64) error {
	return l.feed.parts.Records.Update(ctx, func(tx kv.Tx) error {
		k := key(l.feed.store, l.id)
		st, err := states.Get(tx, k)
		if err != nil {
			return err
		}
		st.Done, st.Failures, st.Failing = number, 0, time.Time{}
		return errors.Join(events.Delete(tx, numbered(l.feed.store, l.id, number)), states.Put(tx, k, st, time.Time{}))
	})
}

// failed notes an attempt that failed, and tells how long to wait.
func (l *line) failed(ctx context.Context, failure *failure) (time.Duration, error) {
	now := l.feed.Now().UTC()
	var st state
	err := l.feed.parts.Records.Update(ctx, func(tx kv.Tx) (err error) {
		k := key(l.feed.store, l.id)
		if st, err = states.Get(tx, k); err != nil {
			return err
		}
		if st.Failures++; st.Failures == 1 {
			st.Failing = now
		}
		return states.Put(tx, k, st, time.Time{})
	})
	if err != nil {
		return 0, err
	}
	if now.Sub(st.Failing) >= l.feed.GiveUp {
		return 0, &ending{statusError, fmt.Sprintf("the endpoint failed %d times since %s, the last time because %s; what was not sent is dropped", st.Failures, st.Failing.Format(time.RFC3339), failure.why)}
	}
	pause := min(leastPause<<min(st.Failures-1, 20), mostPause)
	l.feed.Logger.Warn("an endpoint takes no notifications; it is tried again", "store", l.feed.store, "subscription", l.id, "after", pause, "because", failure.why)
	return max(pause, min(failure.after, mostAsked)), nil
}
