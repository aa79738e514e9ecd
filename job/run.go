package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
)

// A Handler does a job and returns its result, which is kept as JSON. ctx ends
// when the job is cancelled, the lease is lost, or the process is to stop; an
// error that comes after that is not the job's. A job that another process
// began comes with the checkpoint saved then.
type Handler func(ctx context.Context, l *Lease) (result any, err error)

// Handle names the handler of a kind. Call it before Run.
func (q *Queue) Handle(kind string, h Handler) { q.handlers[kind] = h }

// errStopping ends handlers when the process is to stop.
var errStopping = errors.New("job: the process stops")

// Run runs jobs, so many at a time, until ctx ends, and then waits for the
// handlers. Jobs that are not done by then are given back.
func (q *Queue) Run(ctx context.Context, workers int) {
	var all sync.WaitGroup
	for range workers {
		all.Go(func() { q.work(ctx) })
	}
	all.Wait()
}

// work runs jobs one after the other.
func (q *Queue) work(ctx context.Context) {
	for ctx.Err() == nil {
		ran, err := q.RunNext(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			q.Logger.Error("jobs cannot be read", slog.Any("error", err))
		case ran:
			q.wakeUp() // there may be more, for the others too
			continue
		}
		// What other processes add, and leases that run out, show by looking.
		select {
		case <-ctx.Done():
		case <-q.wake:
		case <-q.After(q.Lease / 3):
		}
	}
}

// RunNext runs one job, where there is one to run, and reports whether. The
// error is of the database, not of the job.
func (q *Queue) RunNext(ctx context.Context) (ran bool, err error) {
	l, err := q.lease(ctx)
	if err != nil || l == nil {
		return false, err
	}
	return true, q.run(ctx, l)
}

func (q *Queue) run(ctx context.Context, l *Lease) error {
	id := l.job.ID
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { cancel(errStopping) })
	defer stop()
	q.mu.Lock()
	q.running[id] = cancel
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		delete(q.running, id)
		q.mu.Unlock()
	}()
	var renewing sync.WaitGroup
	ended := make(chan struct{})
	renewing.Go(func() { q.renew(work, l, cancel, ended) })
	result, failure := q.call(work, l)
	close(ended)
	renewing.Wait()
	// The record must be written although the process stops.
	return q.end(context.WithoutCancel(ctx), l, context.Cause(work), result, failure)
}

// end records how a job came out.
func (q *Queue) end(ctx context.Context, l *Lease, cause error, result any, failure error) error {
	var err error
	switch {
	case failure != nil && errors.Is(cause, errStopping):
		return l.release(ctx)
	case failure != nil && errors.Is(cause, ErrLost):
		return nil
	default:
		err = l.finish(ctx, result, failure)
	}
	if errors.Is(err, ErrLost) {
		q.Logger.Warn("a job was taken over while it ran", slog.String("job", l.job.ID), slog.String("kind", l.job.Kind))
		return nil
	}
	if failure != nil && !errors.Is(cause, ErrCancelled) && !errors.Is(failure, ErrCancelled) {
		q.Logger.Error("a job failed", slog.String("job", l.job.ID), slog.String("kind", l.job.Kind), slog.Any("error", failure))
	}
	if err != nil {
		return err
	}
	return q.removeInputs(ctx, l, failure)
}

// removeInputs removes the parts that the job no longer needs: of a job that
// is done all but those which its handler wrote.
func (q *Queue) removeInputs(ctx context.Context, l *Lease, failure error) error {
	if failure != nil {
		return q.removeParts(ctx, l.job.ID)
	}
	for _, name := range l.job.Inputs {
		prefix := append(append(partPrefix(l.job.ID), name...), 0)
		if err := q.removeRange(ctx, prefix, after(prefix)); err != nil {
			return err
		}
	}
	return nil
}

// call calls the handler. A panic fails the job, not the process.
func (q *Queue) call(ctx context.Context, l *Lease) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return q.handlers[l.job.Kind](ctx, l)
}

// renew renews the lease until the handler has ended, and ends ctx where the
// job must not go on.
func (q *Queue) renew(ctx context.Context, l *Lease, cancel context.CancelCauseFunc, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case <-q.After(q.Lease / 3):
		}
		switch err := l.Renew(ctx); {
		case errors.Is(err, ErrLost), errors.Is(err, ErrCancelled):
			cancel(err)
			return
		case err != nil && ctx.Err() == nil:
			q.Logger.Warn("a job's lease could not be renewed", slog.String("job", l.job.ID), slog.Any("error", err))
		}
	}
}
