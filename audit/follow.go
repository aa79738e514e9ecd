package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tarnhealth/tarn/kv"
)

// A Follower hands the records of a log to a Sink, in order, and remembers how
// far it came under "audit-follower" 0x00 Name. Fields do not change once it is
// used.
type Follower struct {
	Log  *Log
	Sink Sink
	// Name is the follower's own among those of the log.
	Name string
	DB   kv.DB
	// Share is how much of the time Run works while records come, from 0 to 1;
	// 0 is 1. What is left is for requests.
	Share float64
	// Spare is how much of the processors had nothing to do lately, from 0 to 1;
	// nil for none. Run takes what is more than keptSpare of it, where that is
	// more than Share.
	Spare func() float64
	// Pause is how long Run lets records gather before it hands on the first of
	// them, and the least pause between batches while more come, but for whole
	// ones while processors are spare: what is handed on in lots disturbs requests
	// less. CatchUp does not wait.
	Pause time.Duration
	// Batch is how many records go to the Sink at once, about; 0 is 500.
	Batch int
	// Together is how many batches CatchUp has the Sink write at the same time; 0
	// is 1. With more the Sink must bear that, in whatever order they come.
	Together int
	// Logger is nil for slog.Default.
	Logger *slog.Logger
	// After is time.After, for tests.
	After func(time.Duration) <-chan time.Time

	mu     sync.Mutex // held while a batch is on its way
	reader *Reader
	// next is the number of the next record; 0 where it is not known yet.
	next uint64
}

// position is what is remembered.
type position struct {
	Next uint64 `json:"next"`
}

var positions = kv.NewTable[position]("audit-follower")

// How long Run waits after a failure.
const (
	firstWait = time.Second
	lastWait  = time.Minute
)

// Run hands on records until ctx ends. What the Sink refuses is tried again,
// and kept in the log meanwhile.
func (f *Follower) Run(ctx context.Context) {
	wait := firstWait
	for ctx.Err() == nil {
		last, more := f.Log.End()
		begin := time.Now()
		n, err := f.step(ctx, 1)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			f.logger().Error("audit records cannot be handed on; trying again", "follower", f.Name, "error", err)
			f.sleep(ctx, wait)
			wait = min(2*wait, lastWait)
		case n == 0:
			wait = firstWait
			select {
			case <-ctx.Done():
			case <-more:
				f.sleep(ctx, f.Pause)
			}
		default:
			wait = firstWait
			if now, _ := f.Log.End(); now != last {
				f.sleep(ctx, f.pause(now, time.Since(begin)))
			}
		}
	}
}

// keptSpare is how much of what is spare is left to be so.
const keptSpare = 0.6

// pause is how long Run waits after a batch where the log ends with a record.
func (f *Follower) pause(last uint64, worked time.Duration) time.Duration {
	share := f.share()
	rest := restOf(share, worked)
	f.mu.Lock()
	behind := last + 1 - f.next
	f.mu.Unlock()
	if share > f.Share && behind >= uint64(f.batch()) {
		return rest
	}
	return max(f.Pause, rest)
}

// share is how much of the time Run may take now.
func (f *Follower) share() float64 {
	if f.Spare == nil {
		return f.Share
	}
	return max(f.Share, f.Spare()-keptSpare)
}

// restOf is how long the others have their share of the time.
func restOf(share float64, worked time.Duration) time.Duration {
	if share <= 0 || share >= 1 {
		return 0
	}
	return time.Duration(float64(worked) * (1 - share) / share)
}

func (f *Follower) batch() int {
	if f.Batch == 0 {
		return 500
	}
	return f.Batch
}

// aWhile is the longest that sleep waits without looking again: when a process or
// a machine was stopped meanwhile, that time was nobody's share.
const aWhile = 100 * time.Millisecond

func (f *Follower) sleep(ctx context.Context, d time.Duration) {
	after := f.After
	if after == nil {
		after = time.After
	}
	for ; d > 0; d -= aWhile {
		select {
		case <-ctx.Done():
			return
		case <-after(min(d, aWhile)):
		}
	}
}

// CatchUp hands on all records up to a number without a pause. left is how many
// it did not come to before ctx ended.
func (f *Follower) CatchUp(ctx context.Context, to uint64) (left uint64, err error) {
	for {
		at, err := f.At(ctx)
		if err != nil || at > to {
			return 0, err
		}
		if ctx.Err() != nil {
			return to - at + 1, ctx.Err()
		}
		if _, err := f.step(ctx, max(1, f.Together)); err != nil {
			return to - at + 1, err
		}
	}
}

// At is the number of the next record that the Sink gets.
func (f *Follower) At(ctx context.Context) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next, f.begin(ctx)
}

// begin finds where the follower stopped. f.mu is held.
func (f *Follower) begin(ctx context.Context) error {
	if f.next != 0 {
		return nil
	}
	var p position
	err := f.DB.View(ctx, func(tx kv.Tx) (err error) {
		p, err = positions.Get(tx, f.Name)
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		p.Next, err = f.Log.Oldest()
	}
	if err != nil {
		return err
	}
	f.next, f.reader = p.Next, f.Log.Reader(p.Next)
	return nil
}

// step hands on some batches, together; n is how many records they had.
func (f *Follower) step(ctx context.Context, batches int) (n int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.begin(ctx); err != nil {
		return 0, err
	}
	next, err := f.handOn(ctx, batches)
	if err == nil && next == f.next {
		return 0, nil
	}
	if err == nil {
		err = f.DB.Update(ctx, func(tx kv.Tx) error { return positions.Put(tx, f.Name, position{next}, time.Time{}) })
	}
	if err != nil {
		f.restart(f.next)
		return 0, err
	}
	n, f.next = int(next-f.next), next
	return n, nil
}

// handOn reads batches while the Sink writes those before, and returns where they
// end once all are written.
func (f *Follower) handOn(ctx context.Context, batches int) (next uint64, err error) {
	var writing errgroup.Group
	next = f.next
	for range batches {
		records, to, readErr := f.read(next)
		if err = readErr; err != nil || to == next {
			break
		}
		if next = to; len(records) > 0 {
			writing.Go(func() error { return f.write(ctx, records) })
		}
	}
	return next, errors.Join(err, writing.Wait())
}

// write hands on one batch.
func (f *Follower) write(ctx context.Context, records []Stored) error {
	events := make([]Event, 0, len(records))
	for i := range records {
		of, err := Events(&records[i])
		if err != nil {
			return err
		}
		events = append(events, of...)
	}
	return f.Sink.Write(ctx, events)
}

// restart reads again from a record.
func (f *Follower) restart(from uint64) {
	_ = f.reader.Close() // it was only read
	f.next, f.reader = from, f.Log.Reader(from)
}

// read returns the records of a batch, which begins at a place, and where the next
// one does.
func (f *Follower) read(from uint64) (records []Stored, next uint64, err error) {
	next = from
	for len(records) < f.batch() {
		more, err := f.reader.Next()
		switch {
		case errors.Is(err, ErrRemoved) && next > f.next:
			return records, next, nil // once these are handed on
		case errors.Is(err, ErrRemoved):
			next, err = f.skip()
			return nil, next, err
		case err != nil:
			return nil, next, err
		case len(more) == 0:
			return records, next, nil
		}
		records, next = append(records, more...), more[len(more)-1].Number+1
	}
	return records, next, nil
}

// skip goes on behind records that were archived before the Sink had them.
func (f *Follower) skip() (uint64, error) {
	oldest, err := f.Log.Oldest()
	if err != nil || oldest <= f.next {
		return f.next, errors.Join(err, fmt.Errorf("audit: record %d: %w", f.next, ErrRemoved))
	}
	f.logger().Error("audit records were archived before they were handed on", "follower", f.Name, "from", f.next, "to", oldest-1)
	f.restart(f.next)
	f.reader = f.Log.Reader(oldest)
	return oldest, nil
}

func (f *Follower) logger() *slog.Logger {
	if f.Logger == nil {
		return slog.Default()
	}
	return f.Logger
}

// Close frees the files. Run must have ended.
func (f *Follower) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.reader == nil {
		return nil
	}
	return f.reader.Close()
}
