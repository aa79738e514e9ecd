package job_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/internal/still"
	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/pebble/record"
)

// A world is a disk, a clock, and the database on it.
type world struct {
	t    *testing.T
	disk *crashing.Disk
	db   *record.DB
	*still.Clock
	// parts reads parts.
	parts *job.Queue
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, disk: crashing.New(), Clock: still.At(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC))}
	w.open()
	return w
}

func (w *world) open() {
	db, err := record.Open("kv", record.Options{FS: w.disk, Now: w.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	w.db = db
	w.t.Cleanup(func() { _ = db.Close() }) // after a crash it is closed already
}

// crash leaves what the disk would have after the power went.
func (w *world) crash() {
	clone := w.disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(1, 2))})
	if err := w.db.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.disk = clone
	w.open()
}

// queue is the jobs as a new process sees them. Its heartbeat beats when beat
// is sent to.
func (w *world) queue(h job.Handler) (q *job.Queue, beat chan time.Time) {
	beat = make(chan time.Time)
	q = job.New(job.Options{
		DB: w.db, Now: w.Now, Keep: time.Hour, Attempts: 3, Logger: slog.New(slog.DiscardHandler),
		After: func(time.Duration) <-chan time.Time { return beat },
	})
	if h != nil {
		q.Handle("test", h)
	}
	return q, beat
}

func (w *world) enqueue(q *job.Queue, s job.Spec) job.Job {
	w.t.Helper()
	s.Kind = "test"
	j, err := q.Enqueue(context.Background(), s)
	if err != nil {
		w.t.Fatal(err)
	}
	return j
}

func (w *world) next(q *job.Queue) bool {
	w.t.Helper()
	ran, err := q.RunNext(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return ran
}

func (w *world) want(q *job.Queue, id string, state job.State) job.Job {
	w.t.Helper()
	j, err := q.Get(context.Background(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	if j.State != state {
		w.t.Fatalf("the job is %s (%s), not %s", j.State, j.Error, state)
	}
	return j
}

func TestInOrder(t *testing.T) {
	w := newWorld(t)
	var order []string
	q, _ := w.queue(func(_ context.Context, l *job.Lease) (any, error) {
		order = append(order, string(l.Job().Input))
		if text := l.Job().Checkpoint; len(text) > 0 {
			t.Errorf("a new job has the checkpoint %s", text)
		}
		return map[string]int{"n": len(order)}, nil
	})
	first := w.enqueue(q, job.Spec{Input: "a", Owner: "x", Scope: "s"})
	w.Pass(time.Second)
	w.enqueue(q, job.Spec{Input: "b"})
	for w.next(q) {
	}
	if strings.Join(order, " ") != `"a" "b"` {
		t.Errorf("they ran as %v", order)
	}
	j := w.want(q, first.ID, job.Done)
	if string(j.Result) != `{"n":1}` || j.Owner != "x" || j.Scope != "s" || j.Attempts != 1 {
		t.Errorf("the job is %+v", j)
	}
}

// TestCrash takes the power away in the middle of a job: after its lease the
// next process begins it again, from the checkpoint.
func TestCrash(t *testing.T) {
	w := newWorld(t)
	reached := make(chan struct{})
	dead := make(chan struct{})
	q, _ := w.queue(func(ctx context.Context, l *job.Lease) (any, error) {
		if err := l.Save(ctx, 41); err != nil {
			return nil, err
		}
		close(reached)
		<-dead
		return nil, errors.New("nobody is to hear of this")
	})
	j := w.enqueue(q, job.Spec{Parts: map[string][]byte{"body": []byte("input")}})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_, _ = q.RunNext(context.Background()) // its database is gone
	}()
	<-reached
	w.crash()
	defer func() { close(dead); <-stopped }()

	var got, body string
	q2, _ := w.queue(func(ctx context.Context, l *job.Lease) (any, error) {
		got = string(l.Job().Checkpoint)
		b, err := io.ReadAll(w.parts.Part(ctx, l.Job().ID, "body"))
		body = string(b)
		return "whole", err
	})
	w.parts = q2
	if w.next(q2) {
		t.Fatal("the job was taken over although its lease holds")
	}
	w.Pass(31 * time.Second)
	if !w.next(q2) {
		t.Fatal("the job was not taken over")
	}
	if got != "41" || body != "input" {
		t.Errorf("it came with checkpoint %q and body %q", got, body)
	}
	if j := w.want(q2, j.ID, job.Done); j.Attempts != 2 {
		t.Errorf("it was begun %d times", j.Attempts)
	}
	if _, err := io.ReadAll(q2.Part(context.Background(), j.ID, "body")); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("the input is still there: %v", err)
	}
}

// TestTakenOver lets a process sleep through its lease: what it does after
// that is refused.
func TestTakenOver(t *testing.T) {
	w := newWorld(t)
	asleep, wake := make(chan struct{}), make(chan struct{})
	var late error
	q, _ := w.queue(func(_ context.Context, l *job.Lease) (any, error) {
		close(asleep)
		<-wake
		late = l.Save(context.Background(), 1)
		return "mine", nil
	})
	j := w.enqueue(q, job.Spec{})
	ended := make(chan error)
	go func() { _, err := q.RunNext(context.Background()); ended <- err }()
	<-asleep
	w.Pass(time.Minute)
	q2, _ := w.queue(func(context.Context, *job.Lease) (any, error) { return "theirs", nil })
	if !w.next(q2) {
		t.Fatal("the job was not taken over")
	}
	close(wake)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if !errors.Is(late, job.ErrLost) {
		t.Errorf("saving late: %v", late)
	}
	if got := w.want(q2, j.ID, job.Done).Result; string(got) != `"theirs"` {
		t.Errorf("the result is %s", got)
	}
}

// TestRenew keeps a long job through several lease times.
func TestRenew(t *testing.T) {
	w := newWorld(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	done := int64(0)
	q, beat := w.queue(func(_ context.Context, l *job.Lease) (any, error) {
		l.Report(func() job.Progress { done++; return job.Progress{Done: done, Total: 9} })
		close(begun)
		<-finish
		return nil, nil
	})
	j := w.enqueue(q, job.Spec{})
	ended := make(chan error)
	go func() { _, err := q.RunNext(context.Background()); ended <- err }()
	<-begun
	q2, _ := w.queue(func(context.Context, *job.Lease) (any, error) { return nil, errors.New("taken over") })
	for range 5 {
		w.Pass(20 * time.Second)
		beat <- time.Time{}
		beat <- time.Time{} // the beat before is done with
		if w.next(q2) {
			t.Fatal("a job was taken over that is alive")
		}
	}
	if p := w.want(q2, j.ID, job.Running).Progress; p.Done == 0 || p.Total != 9 {
		t.Errorf("the progress is %+v", p)
	}
	close(finish)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.want(q, j.ID, job.Done)
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	begun := make(chan struct{}, 1)
	q, _ := w.queue(func(ctx context.Context, l *job.Lease) (any, error) {
		if string(l.Job().Input) == `"too late"` {
			begun <- struct{}{}
			<-ctx.Done()
			return "done all the same", nil
		}
		begun <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	waiting := w.enqueue(q, job.Spec{Parts: map[string][]byte{"body": {1}}})
	if j, err := q.Cancel(context.Background(), waiting.ID); err != nil || j.State != job.Cancelled {
		t.Errorf("cancelling what waits: %+v, %v", j, err)
	}
	for input, state := range map[string]job.State{"in time": job.Cancelled, "too late": job.Done} {
		j := w.enqueue(q, job.Spec{Input: input})
		ended := make(chan error)
		go func() { _, err := q.RunNext(context.Background()); ended <- err }()
		<-begun
		if got, err := q.Cancel(context.Background(), j.ID); err != nil || got.State != job.Running {
			t.Errorf("cancelling what runs: %+v, %v", got, err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		w.want(q, j.ID, state)
	}
	if w.next(q) {
		t.Error("there is something left to run")
	}
}

// TestCancelElsewhere cancels by another process: the heartbeat tells.
func TestCancelElsewhere(t *testing.T) {
	w := newWorld(t)
	begun := make(chan struct{})
	q, beat := w.queue(func(ctx context.Context, _ *job.Lease) (any, error) {
		close(begun)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	j := w.enqueue(q, job.Spec{})
	ended := make(chan error)
	go func() { _, err := q.RunNext(context.Background()); ended <- err }()
	<-begun
	q2, _ := w.queue(nil)
	if _, err := q2.Cancel(context.Background(), j.ID); err != nil {
		t.Fatal(err)
	}
	beat <- time.Time{}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	w.want(q2, j.ID, job.Cancelled)
}

func TestFailures(t *testing.T) {
	w := newWorld(t)
	q, _ := w.queue(func(_ context.Context, l *job.Lease) (any, error) {
		if string(l.Job().Input) == `"panic"` {
			panic("a bug")
		}
		return nil, errors.New("no luck")
	})
	for input, want := range map[string]string{"panic": "a bug", "error": "no luck"} {
		j := w.enqueue(q, job.Spec{Input: input})
		w.next(q)
		if got := w.want(q, j.ID, job.Failed).Error; !strings.Contains(got, want) {
			t.Errorf("the error is %q", got)
		}
	}
}

// TestGivenUp ends a job that takes the process down each time.
func TestGivenUp(t *testing.T) {
	w := newWorld(t)
	hang := make(chan struct{})
	var all sync.WaitGroup
	var id string
	for range 3 {
		begun := make(chan struct{})
		q, _ := w.queue(func(context.Context, *job.Lease) (any, error) {
			close(begun)
			<-hang
			return nil, nil
		})
		if id == "" {
			id = w.enqueue(q, job.Spec{}).ID
		}
		all.Go(func() { _, _ = q.RunNext(context.Background()) })
		<-begun
		w.Pass(time.Minute)
	}
	q, _ := w.queue(func(context.Context, *job.Lease) (any, error) { return nil, nil })
	if w.next(q) {
		t.Error("it was begun a fourth time")
	}
	if got := w.want(q, id, job.Failed).Error; !strings.Contains(got, "3 attempts") {
		t.Errorf("the error is %q", got)
	}
	close(hang)
	all.Wait()
	w.want(q, id, job.Failed)
}

// TestStop gives a job back when the process stops, for the next one to begin
// without waiting for the lease.
func TestStop(t *testing.T) {
	w := newWorld(t)
	begun := make(chan struct{})
	q, _ := w.queue(func(ctx context.Context, _ *job.Lease) (any, error) {
		close(begun)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	j := w.enqueue(q, job.Spec{})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); q.Run(ctx, 2) }()
	<-begun
	stop()
	<-ended
	w.want(q, j.ID, job.Queued)
	q2, _ := w.queue(func(context.Context, *job.Lease) (any, error) { return nil, nil })
	w.next(q2)
	w.want(q2, j.ID, job.Done)
}

// TestRun wakes up for jobs that are added while it waits.
func TestRun(t *testing.T) {
	w := newWorld(t)
	ran := make(chan string)
	q, _ := w.queue(func(_ context.Context, l *job.Lease) (any, error) {
		ran <- l.Job().ID
		return nil, nil
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); q.Run(ctx, 3) }()
	for range 5 {
		j := w.enqueue(q, job.Spec{})
		if got := <-ran; got != j.ID {
			t.Errorf("%s ran, not %s", got, j.ID)
		}
	}
	stop()
	<-ended
}

func TestParts(t *testing.T) {
	w := newWorld(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 64<<10) // 1 MiB, four chunks exactly
	q, _ := w.queue(nil)
	q.Handle("test", func(ctx context.Context, l *job.Lease) (any, error) {
		in, err := io.ReadAll(q.Part(ctx, l.Job().ID, "in"))
		if err != nil || !bytes.Equal(in, large) {
			return nil, errors.Join(err, errors.New("another input"))
		}
		out, err := l.Create(ctx, "out", int64(len(in)))
		if err != nil {
			return nil, err
		}
		for len(in) > 0 {
			n := min(len(in), 100_001)
			if _, err := out.Write(in[:n]); err != nil {
				return nil, err
			}
			in = in[n:]
		}
		if _, err := out.Write([]byte{1}); !errors.Is(err, job.ErrTooLarge) {
			return nil, errors.New("the limit does not hold")
		}
		return nil, out.Close()
	})
	j := w.enqueue(q, job.Spec{Parts: map[string][]byte{"in": large, "empty": nil}})
	if b, err := io.ReadAll(q.Part(context.Background(), j.ID, "empty")); err != nil || len(b) > 0 {
		t.Errorf("the empty part: %d bytes, %v", len(b), err)
	}
	w.next(q)
	w.want(q, j.ID, job.Done)
	w.crash()
	q, _ = w.queue(nil)
	out, err := io.ReadAll(q.Part(context.Background(), j.ID, "out"))
	if err != nil || !bytes.Equal(out, large) {
		t.Errorf("the result has %d bytes: %v", len(out), err)
	}
	if err := q.Delete(context.Background(), j.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(q.Part(context.Background(), j.ID, "out")); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("the part outlives its job: %v", err)
	}
}

func TestExpiry(t *testing.T) {
	w := newWorld(t)
	q, _ := w.queue(func(context.Context, *job.Lease) (any, error) { return nil, nil })
	j := w.enqueue(q, job.Spec{})
	w.Pass(3 * time.Hour) // what waits does not expire
	w.want(q, j.ID, job.Queued)
	w.next(q)
	w.Pass(59 * time.Minute)
	w.want(q, j.ID, job.Done)
	w.Pass(2 * time.Minute)
	if _, err := q.Get(context.Background(), j.ID); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("after its time: %v", err)
	}
}

func TestMaxOpen(t *testing.T) {
	w := newWorld(t)
	q, _ := w.queue(nil)
	for range 2 {
		w.enqueue(q, job.Spec{Scope: "a", MaxOpen: 2})
	}
	if _, err := q.Enqueue(context.Background(), job.Spec{Kind: "test", Scope: "a", MaxOpen: 2}); !errors.Is(err, job.ErrFull) {
		t.Errorf("a third: %v", err)
	}
	w.enqueue(q, job.Spec{Scope: "b", MaxOpen: 2})
	if all, err := q.List(context.Background(), "test", "a"); err != nil || len(all) != 2 {
		t.Errorf("the list has %d: %v", len(all), err)
	}
}

func TestDeleteRunning(t *testing.T) {
	w := newWorld(t)
	q, _ := w.queue(nil)
	j := w.enqueue(q, job.Spec{})
	if err := q.Delete(context.Background(), j.ID); err == nil {
		t.Error("a job that has not ended was deleted")
	}
	if err := q.Delete(context.Background(), "other"); !errors.Is(err, job.ErrNotFound) {
		t.Errorf("deleting what is not there: %v", err)
	}
	if _, err := json.Marshal(j); err != nil {
		t.Error(err)
	}
}
