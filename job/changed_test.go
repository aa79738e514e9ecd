package job_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/kv"
)

// TestChanged is told of every state, and can prevent it.
func TestChanged(t *testing.T) {
	w := newWorld(t)
	var told []string
	refuse := errors.New("no")
	q := job.New(job.Options{
		DB: w.db, Now: w.Now, Logger: slog.New(slog.DiscardHandler),
		Changed: func(_ kv.Tx, before job.State, j *job.Job) error {
			if j.Owner == "nobody" {
				return refuse
			}
			told = append(told, fmt.Sprintf("%s>%s", before, j.State))
			return nil
		},
	})
	q.Handle("test", func(ctx context.Context, l *job.Lease) (any, error) {
		return nil, errors.Join(l.Save(ctx, 1), l.Renew(ctx))
	})
	if _, err := q.Enqueue(t.Context(), job.Spec{Kind: "test", Owner: "nobody"}); !errors.Is(err, refuse) {
		t.Errorf("refused: %v", err)
	}
	if _, err := q.Enqueue(t.Context(), job.Spec{Kind: "test"}); err != nil {
		t.Fatal(err)
	}
	if ran, err := q.RunNext(t.Context()); !ran || err != nil {
		t.Fatal(ran, err)
	}
	if ran, err := q.RunNext(t.Context()); ran || err != nil {
		t.Fatal("the refused one is there", err)
	}
	waiting, err := q.Enqueue(t.Context(), job.Spec{Kind: "test"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time nothing changes
		if _, err := q.Cancel(t.Context(), waiting.ID); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(told, " "); got != ">queued queued>running running>done >queued queued>cancelled" {
		t.Error(got)
	}
}

// TestEnqueueIn adds a job with the change that it is for, or not at all.
func TestEnqueueIn(t *testing.T) {
	w := newWorld(t)
	ran := 0
	q, _ := w.queue(func(context.Context, *job.Lease) (any, error) { ran++; return nil, nil })
	failed := errors.New("no")
	add := func(s job.Spec, failure error) error {
		return w.db.Update(t.Context(), func(tx kv.Tx) error {
			_, err := q.EnqueueIn(tx, s)
			return errors.Join(err, failure)
		})
	}
	if err := add(job.Spec{Kind: "test"}, failed); !errors.Is(err, failed) {
		t.Error(err)
	}
	if err := add(job.Spec{Kind: "test", Parts: map[string][]byte{"a": nil}}, nil); err == nil {
		t.Error("a job with parts was added")
	}
	if ok, err := q.RunNext(t.Context()); ok || err != nil {
		t.Error("there is a job", err)
	}
	if err := add(job.Spec{Kind: "test", MaxOpen: 1}, nil); err != nil {
		t.Fatal(err)
	}
	if err := add(job.Spec{Kind: "test", MaxOpen: 1}, nil); !errors.Is(err, job.ErrFull) {
		t.Error(err)
	}
	q.Wake()
	if ok, err := q.RunNext(t.Context()); !ok || err != nil || ran != 1 {
		t.Error(ok, err, ran)
	}
}
