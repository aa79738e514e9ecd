package job

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

// Options for New. Only DB is required.
type Options struct {
	// DB keeps the jobs. Several processes may share it.
	DB kv.DB
	// Lease is how long a job stays with a process that says nothing; 0 is
	// 30 s. It is renewed at a third of that.
	Lease time.Duration
	// Keep is how long jobs and results can be asked for after the last
	// attempt began; 0 is 90 days.
	Keep time.Duration
	// Attempts is how often a job is begun before it fails; 0 is 5.
	Attempts int
	// Alone is set where no other process has DB open: jobs that ran when this
	// queue was made are then taken over at once.
	Alone bool
	// Changed, if not nil, is called in the transaction in which a job comes to
	// another state; before is "" for a new one. Its error undoes that.
	Changed func(tx kv.Tx, before State, j *Job) error
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// After is time.After, or a test's.
	After func(time.Duration) <-chan time.Time
	// Logger is nil for slog.Default.
	Logger *slog.Logger
}

// A Queue is the jobs of one database, as one process sees them.
type Queue struct {
	Options
	handlers map[string]Handler
	made     time.Time
	// wake has room for one: there may be work.
	wake chan struct{}

	mu sync.Mutex
	// running are the jobs that this process runs, by id.
	running map[string]context.CancelCauseFunc
}

// New makes a queue.
func New(opt Options) *Queue {
	if opt.Lease == 0 {
		opt.Lease = 30 * time.Second
	}
	if opt.Keep == 0 {
		opt.Keep = 90 * 24 * time.Hour
	}
	if opt.Attempts == 0 {
		opt.Attempts = 5
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
	return &Queue{Options: opt, made: opt.Now(), handlers: map[string]Handler{}, wake: make(chan struct{}, 1), running: map[string]context.CancelCauseFunc{}}
}

// Enqueue adds a job. It is durable once Enqueue returns.
func (q *Queue) Enqueue(ctx context.Context, s Spec) (Job, error) {
	j, err := q.draft(&s)
	if err != nil {
		return Job{}, err
	}
	for name, data := range s.Parts {
		j.Inputs = append(j.Inputs, name)
		if err := q.writePart(ctx, j.ID, name, data); err != nil {
			return Job{}, err
		}
	}
	err = q.DB.Update(ctx, func(tx kv.Tx) error {
		if err := checkRoom(tx, &s); err != nil {
			return err
		}
		return q.put(tx, &j)
	})
	if err != nil {
		return Job{}, errors.Join(err, q.removeParts(ctx, j.ID))
	}
	q.wakeUp()
	return j, nil
}

// draft is the record of a new job.
func (q *Queue) draft(s *Spec) (Job, error) {
	input, err := json.Marshal(s.Input)
	return Job{
		ID: strings.ToLower(rand.Text()), Kind: s.Kind, Scope: s.Scope, Owner: s.Owner,
		Input: input, State: Queued, Created: q.Now().UTC(),
	}, err
}

// EnqueueIn adds a job without parts in a transaction of somebody else, of this
// queue's DB, which may be run more than once. Call Wake when that is done.
func (q *Queue) EnqueueIn(tx kv.Tx, s Spec) (Job, error) {
	if len(s.Parts) > 0 {
		return Job{}, errors.New("job: a job with parts cannot be added in a transaction")
	}
	j, err := q.draft(&s)
	if err != nil {
		return j, err
	}
	if err := checkRoom(tx, &s); err != nil {
		return j, err
	}
	return j, q.put(tx, &j)
}

// Wake lets Run look for work.
func (q *Queue) Wake() { q.wakeUp() }

func checkRoom(tx kv.Tx, s *Spec) error {
	if s.MaxOpen == 0 {
		return nil
	}
	n := 0
	for o, err := range open.All(tx) {
		if err != nil {
			return err
		}
		if o.Value.Kind == s.Kind && o.Value.Scope == s.Scope {
			n++
		}
	}
	if n >= s.MaxOpen {
		return ErrFull
	}
	return nil
}

// put stores a job, and whether it is open.
func (q *Queue) put(tx kv.Tx, j *Job) error {
	expires := q.Expires(j)
	if err := q.changed(tx, j); err != nil {
		return err
	}
	if j.State.Ended() {
		if err := open.Delete(tx, openKey(j)); err != nil {
			return err
		}
	} else if err := open.Put(tx, openKey(j), openJob{ID: j.ID, Kind: j.Kind, Scope: j.Scope}, time.Time{}); err != nil {
		return err
	}
	return jobs.Put(tx, j.ID, *j, expires)
}

// changed tells of a job whose state is about to be another one.
func (q *Queue) changed(tx kv.Tx, j *Job) error {
	if q.Changed == nil {
		return nil
	}
	before, err := jobs.Get(tx, j.ID)
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	if before.State == j.State {
		return nil
	}
	return q.Changed(tx, before.State, j)
}

// Expires is when a job that has ended is gone; zero for one that has not.
func (q *Queue) Expires(j *Job) time.Time {
	switch {
	case !j.State.Ended():
		return time.Time{}
	case j.Began.IsZero():
		return j.Ended.Add(q.Keep)
	}
	return j.Began.Add(q.Keep)
}

// Get returns a job, or ErrNotFound.
func (q *Queue) Get(ctx context.Context, id string) (j Job, err error) {
	err = q.DB.View(ctx, func(tx kv.Tx) error {
		j, err = get(tx, id)
		return err
	})
	return j, err
}

func get(tx kv.Tx, id string) (Job, error) {
	j, err := jobs.Get(tx, id)
	if errors.Is(err, kv.ErrNotFound) {
		return j, ErrNotFound
	}
	return j, err
}

// List returns the jobs of a kind and scope ("" for any), in no order.
func (q *Queue) List(ctx context.Context, kind, scope string) ([]Job, error) {
	var found []Job
	err := q.DB.View(ctx, func(tx kv.Tx) error {
		found = nil
		for k, err := range jobs.All(tx) {
			if err != nil {
				return err
			}
			if (kind == "" || k.Value.Kind == kind) && (scope == "" || k.Value.Scope == scope) {
				found = append(found, k.Value)
			}
		}
		return nil
	})
	return found, err
}

// Cancel asks a job to end. One that waits is Cancelled at once; one that runs
// is told, and may still be Done where it was too late. A job that has ended
// stays as it is. The state after the call is returned.
func (q *Queue) Cancel(ctx context.Context, id string) (Job, error) {
	var j Job
	err := q.DB.Update(ctx, func(tx kv.Tx) (err error) {
		if j, err = get(tx, id); err != nil || j.State.Ended() || j.Cancelling {
			return err
		}
		if j.Cancelling = true; j.State == Queued {
			j.State, j.Ended = Cancelled, q.Now().UTC()
		}
		return q.put(tx, &j)
	})
	if err != nil {
		return j, err
	}
	if j.State == Cancelled {
		return j, q.removeParts(ctx, id)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if cancel := q.running[id]; cancel != nil && j.Cancelling {
		cancel(ErrCancelled)
	}
	return j, nil
}

// Delete removes a job that has ended, and its parts. It fails with
// ErrNotFound where there is none.
func (q *Queue) Delete(ctx context.Context, id string) error {
	err := q.DB.Update(ctx, func(tx kv.Tx) error {
		j, err := get(tx, id)
		if err != nil {
			return err
		}
		if !j.State.Ended() {
			return errors.New("job: a job that has not ended cannot be deleted; cancel it")
		}
		return jobs.Delete(tx, id)
	})
	if err != nil {
		return err
	}
	return q.removeParts(ctx, id)
}

// wakeUp tells a waiting Run that there may be work.
func (q *Queue) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
