package timelimit

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestLimitedContext(t *testing.T) {
	parent, cancel := context.WithCancel(t.Context())
	defer cancel()
	past := With(parent, time.Now().Add(-time.Second))
	if err := past.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the %v", err)
	}
	<-past.Done()
	if err := past.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("after the deadline, waited for: %v", err)
	}
	for _, waited := range []bool{false, true} {
		l := With(parent, time.Now().Add(time.Hour))
		if waited {
			l.Done()
		}
		if err := l.Err(); err != nil {
			t.Errorf("before the %v", err)
		}
		child, end := context.WithCancel(l)
		defer end()
		if _, ok := child.Deadline(); !ok {
			t.Error("a context made of it has no deadline")
		}
		l.End()
		<-child.Done()
	}
	gone := With(parent, time.Now().Add(time.Hour))
	cancel()
	if err := gone.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("with the client gone: %v", err)
	}
	<-gone.Done()
	gone.End()
}

func BenchmarkLimitedContext(b *testing.B) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for _, waited := range []bool{false, true} {
		b.Run(map[bool]string{false: "unwaited", true: "waited"}[waited], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l := With(ctx, time.Now().Add(time.Hour))
				if waited {
					l.Done()
				}
				if l.Err() != nil {
					b.Fatal("ended")
				}
				l.End()
			}
		})
	}
}
