package event

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

// A Sink takes events.
type Sink interface {
	// Deliver hands one event over: body is an Event as JSON, id its ID. It
	// returns nil when the sink has it for good. A Refusal is about this event
	// alone; any other error means that the sink is away, and may be an Away.
	Deliver(ctx context.Context, id string, body []byte) error
}

// A Refusal says that a sink does not take this event, though it may others.
type Refusal struct{ Why string }

func (r *Refusal) Error() string { return "event: refused: " + r.Why }

// Away says that a sink takes nothing now.
type Away struct {
	Why string
	// For is how long the sink asks for; 0 where it does not say.
	For time.Duration
}

func (a *Away) Error() string { return "event: the sink is away: " + a.Why }

// Pauses between attempts: doubled from least to most.
const (
	leastPause = time.Second
	mostPause  = 5 * time.Minute
	// mostRefused is the longest pause of an event that is refused, and what a
	// sink may ask for at most.
	mostRefused = time.Hour
	// look is how often the outbox looks for events that nobody told it of.
	look = 5 * time.Second
)

// Options for New. DB is required.
type Options struct {
	// DB keeps the events. Those who call Put have a transaction of it.
	DB kv.DB
	// Sinks by names that stay: what waits for a sink is found by its name.
	Sinks map[string]Sink
	// Keep is how long an event is tried; 0 is 14 days.
	Keep time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// After is time.After, or a test's.
	After func(time.Duration) <-chan time.Time
	// Logger is nil for slog.Default.
	Logger *slog.Logger
}

// An Outbox keeps events until every sink has them. A nil one has no sinks.
type Outbox struct {
	opt   Options
	lines []*line
}

// A line is what waits for one sink.
type line struct {
	*Outbox
	name  string
	sink  Sink
	table kv.Table[waiting]
	// wake has room for one: there may be an event.
	wake chan struct{}
	// failures in a row, and when the sink is tried again.
	failures int
	until    time.Time
}

// waiting is the record of an event that a sink does not have, under a key that
// sorts by time.
type waiting struct {
	Event json.RawMessage
	ID    string
	Put   time.Time
	// Attempts is how often it was handed over.
	Attempts int
	// Next is when it is tried again.
	Next time.Time
}

// New makes an outbox. Call Run to let it deliver.
func New(opt Options) *Outbox {
	if opt.Keep == 0 {
		opt.Keep = 14 * 24 * time.Hour
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.After == nil {
		opt.After = time.After
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	o := &Outbox{opt: opt}
	for name, sink := range opt.Sinks {
		o.lines = append(o.lines, &line{Outbox: o, name: name, sink: sink, table: kv.NewTable[waiting]("event " + name), wake: make(chan struct{}, 1)})
	}
	return o
}

// Put adds an event to a transaction, which may be run more than once. Version,
// ID and, where it is zero, Time are filled in.
func (o *Outbox) Put(tx kv.Tx, e Event) error {
	if o == nil || len(o.lines) == 0 {
		return nil
	}
	now := o.opt.Now().UTC()
	e.Version, e.ID = "0", newID()
	if e.Time.IsZero() {
		e.Time = now
	}
	e.Time = e.Time.UTC().Truncate(time.Second)
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	key := now.Format("20060102150405.000000000") + " " + e.ID
	for _, l := range o.lines {
		// Twice Keep: that the time is over is noticed and logged, unless the sink
		// is gone.
		if err := l.table.Put(tx, key, waiting{Event: text, ID: e.ID, Put: now, Next: now}, now.Add(2*o.opt.Keep)); err != nil {
			return err
		}
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// Run delivers until ctx ends.
func (o *Outbox) Run(ctx context.Context) {
	if o == nil {
		return
	}
	var all sync.WaitGroup
	for _, l := range o.lines {
		all.Go(func() { l.run(ctx) })
	}
	all.Wait()
}

func (l *line) run(ctx context.Context) {
	for ctx.Err() == nil {
		pause, err := l.deliver(ctx)
		if err != nil && ctx.Err() == nil {
			l.opt.Logger.Error("events cannot be read", "sink", l.name, "error", err)
		}
		wake := l.wake
		if l.failures > 0 {
			wake = nil // news do not bring back a sink that is away
		}
		select {
		case <-ctx.Done():
		case <-wake:
		case <-l.opt.After(pause):
		}
	}
}

// deliver hands over what is due, and returns how long there is nothing to do.
func (l *line) deliver(ctx context.Context) (time.Duration, error) {
	for {
		if pause := l.until.Sub(l.opt.Now()); pause > 0 {
			return pause, nil
		}
		key, w, pause, err := l.claim(ctx)
		if err != nil || key == "" {
			return pause, err
		}
		if err := l.settle(ctx, key, w, l.sink.Deliver(ctx, w.ID, w.Event)); err != nil {
			return look, err
		}
	}
}

// claim takes the oldest event that is due, and counts the attempt: what was put
// before it is durable once that is, so that nothing is told of that a crash
// undoes. The key is "" where nothing is due; pause then says how long.
func (l *line) claim(ctx context.Context) (key string, w waiting, pause time.Duration, err error) {
	err = l.opt.DB.Update(ctx, func(tx kv.Tx) error {
		now := l.opt.Now().UTC()
		key, pause = "", look
		var late []kv.Keyed[waiting]
		for k, err := range l.table.All(tx) {
			if err != nil {
				return err
			}
			if now.Sub(k.Value.Put) > l.opt.Keep {
				late = append(late, k)
				continue
			}
			if wait := k.Value.Next.Sub(now); wait > 0 {
				pause = min(pause, wait)
				continue
			}
			key, w = k.Key, k.Value
			break
		}
		for _, k := range late {
			l.opt.Logger.Error("an event was not taken in its time and is dropped", "sink", l.name, "event", string(k.Value.Event), "attempts", k.Value.Attempts)
			if err := l.table.Delete(tx, k.Key); err != nil {
				return err
			}
		}
		if key == "" {
			return nil
		}
		w.Attempts++
		return l.table.Put(tx, key, w, w.Put.Add(2*l.opt.Keep))
	})
	return key, w, pause, err
}

// settle notes how an attempt came out.
func (l *line) settle(ctx context.Context, key string, w waiting, failure error) error {
	var refused *Refusal
	var away *Away
	now := l.opt.Now().UTC()
	switch {
	case failure == nil:
		l.failures, l.until = 0, time.Time{}
		return l.opt.DB.Update(ctx, func(tx kv.Tx) error { return l.table.Delete(tx, key) })
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(failure, &refused):
		l.opt.Logger.Error("a sink refused an event; it is tried again later", "sink", l.name, "id", w.ID, "error", failure)
		l.failures, l.until = 0, time.Time{}
		w.Next = now.Add(pauseAfter(w.Attempts, mostRefused))
		return l.opt.DB.Update(ctx, func(tx kv.Tx) error { return l.table.Put(tx, key, w, w.Put.Add(2*l.opt.Keep)) })
	}
	l.failures++
	pause := pauseAfter(l.failures, mostPause)
	if errors.As(failure, &away) {
		pause = max(pause, min(away.For, mostRefused))
	}
	l.until = now.Add(pause)
	l.opt.Logger.Warn("a sink does not take events; it is tried again", "sink", l.name, "after", pause, "error", failure)
	return nil
}

// pauseAfter is how long to wait after so many failures in a row.
func pauseAfter(failures int, most time.Duration) time.Duration {
	return min(leastPause<<min(failures-1, 20), most)
}
