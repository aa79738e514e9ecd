package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tarnhealth/tarn/kv"
)

// A Lease is the right to run a job, for a while.
type Lease struct {
	queue *Queue
	// job is as it was when the lease was taken, and counts attempts: no two
	// leases of a job have the same count.
	job Job
	// progress, where set, is asked when the lease is renewed.
	progress func() Progress
}

// Job is the job as it was when the lease was taken: its Checkpoint is the
// last one of the attempts before.
func (l *Lease) Job() Job { return l.job }

// Report makes fn tell the progress from now on. It is called from another
// goroutine, each time that the lease is renewed. Call it before anything else.
func (l *Lease) Report(fn func() Progress) {
	l.queue.mu.Lock()
	defer l.queue.mu.Unlock()
	l.progress = fn
}

// Save keeps a checkpoint, as JSON, and renews the lease. It is durable once
// Save returns. It fails with ErrLost or ErrCancelled.
func (l *Lease) Save(ctx context.Context, checkpoint any) error {
	text, err := json.Marshal(checkpoint)
	if err != nil {
		return err
	}
	return l.update(ctx, func(j *Job) error {
		if j.Cancelling {
			return ErrCancelled
		}
		j.Checkpoint = text
		return nil
	})
}

// Renew keeps the lease from running out. It fails with ErrLost or, where the
// job is to end, ErrCancelled.
func (l *Lease) Renew(ctx context.Context) error {
	l.queue.mu.Lock()
	report := l.progress
	l.queue.mu.Unlock()
	return l.update(ctx, func(j *Job) error {
		if j.Cancelling {
			return ErrCancelled
		}
		if report != nil {
			j.Progress = report()
		}
		return nil
	})
}

// Create begins a part of the result, of limit bytes at most. What an earlier
// attempt wrote under that name is removed.
func (l *Lease) Create(ctx context.Context, name string, limit int64) (*PartWriter, error) {
	prefix := append(append(partPrefix(l.job.ID), name...), 0)
	if err := l.queue.removeRange(ctx, prefix, after(prefix)); err != nil {
		return nil, err
	}
	return &PartWriter{ctx: ctx, queue: l.queue, id: l.job.ID, name: name, limit: limit}, nil
}

// update changes the job where the lease still holds, and renews the lease.
func (l *Lease) update(ctx context.Context, change func(*Job) error) error {
	return l.queue.DB.Update(ctx, func(tx kv.Tx) error {
		j, err := get(tx, l.job.ID)
		switch {
		case errors.Is(err, ErrNotFound):
			return ErrLost
		case err != nil:
			return err
		case j.State != Running || j.Attempts != l.job.Attempts:
			return ErrLost
		}
		j.LeasedUntil = l.queue.Now().Add(l.queue.Lease).UTC()
		if err := change(&j); err != nil {
			return err
		}
		return l.queue.put(tx, &j)
	})
}

// finish ends the job as the handler's return says.
func (l *Lease) finish(ctx context.Context, result any, failure error) error {
	text, err := json.Marshal(result)
	if failure == nil && err != nil {
		failure = err
	}
	return l.update(ctx, func(j *Job) error {
		if l.progress != nil {
			j.Progress = l.progress()
		}
		j.Ended, j.LeasedUntil = l.queue.Now().UTC(), time.Time{}
		switch {
		case failure == nil:
			j.State, j.Result = Done, text
		case j.Cancelling:
			j.State = Cancelled
		default:
			j.State, j.Error = Failed, failure.Error()
		}
		return nil
	})
}

// release gives the job back, for another process to begin at once.
func (l *Lease) release(ctx context.Context) error {
	return l.update(ctx, func(j *Job) error {
		if j.State, j.LeasedUntil = Queued, (time.Time{}); j.Cancelling {
			j.State, j.Ended = Cancelled, l.queue.Now().UTC()
		}
		return nil
	})
}

// lease takes the oldest job that waits, or whose process died, of those kinds
// that have a handler. It returns nil where there is none.
func (q *Queue) lease(ctx context.Context) (*Lease, error) {
	var l *Lease
	var dead []Job
	err := q.DB.Update(ctx, func(tx kv.Tx) (err error) {
		l = nil
		var j *Job
		if j, dead, err = q.next(tx); err != nil || j == nil {
			return err
		}
		now := q.Now().UTC()
		j.State, j.Began, j.LeasedUntil = Running, now, now.Add(q.Lease)
		j.Attempts++
		l = &Lease{queue: q, job: *j}
		return q.put(tx, j)
	})
	for i := 0; i < len(dead) && err == nil; i++ {
		err = q.removeParts(ctx, dead[i].ID)
	}
	return l, err
}

// next finds the job to lease, and ends those on its way that are not to be
// begun again: dead.
func (q *Queue) next(tx kv.Tx) (found *Job, dead []Job, err error) {
	for o, err := range open.All(tx) {
		if err != nil {
			return nil, nil, err
		}
		if q.handlers[o.Value.Kind] == nil || q.runsHere(o.Value.ID) {
			continue
		}
		j, err := get(tx, o.Value.ID)
		if err != nil {
			return nil, nil, fmt.Errorf("job: open job %s: %w", o.Value.ID, err)
		}
		if j.State == Running && q.Now().Before(j.LeasedUntil) && !q.orphan(&j) {
			continue
		}
		if j.Cancelling || j.Attempts >= q.Attempts {
			dead = append(dead, j)
			continue
		}
		found = &j
		break
	}
	for i := range dead {
		if err := q.bury(tx, &dead[i]); err != nil {
			return nil, nil, err
		}
	}
	return found, dead, nil
}

// orphan reports whether a running job is one of a process that is gone.
func (q *Queue) orphan(j *Job) bool { return q.Alone && j.Began.Before(q.made) }

// bury ends a job whose process died and which is not to be begun again.
func (q *Queue) bury(tx kv.Tx, j *Job) error {
	j.Ended = q.Now().UTC()
	if j.State = Failed; j.Cancelling {
		j.State = Cancelled
	} else {
		j.Error = fmt.Sprintf("given up: the process stopped in each of %d attempts", j.Attempts)
	}
	return q.put(tx, j)
}

func (q *Queue) runsHere(id string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, ok := q.running[id]
	return ok
}
