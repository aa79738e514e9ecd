package audit

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// a meeting is a Sink whose calls wait for each other, and of which one may fail.
type meeting struct {
	mu sync.Mutex
	// waiting are the calls that are to come before any returns.
	waiting sync.WaitGroup
	ids     []string
	// refused is the id of an event whose batch is refused, once.
	refused string
}

func (m *meeting) Write(_ context.Context, events []Event) error {
	m.waiting.Done()
	here := make(chan struct{})
	go func() { m.waiting.Wait(); close(here) }()
	select {
	case <-here:
	case <-time.After(30 * time.Second):
		return errors.New("the other batches do not come")
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range events {
		if events[i].ID == m.refused {
			m.refused = ""
			return errors.New("not now")
		}
	}
	for i := range events {
		m.ids = append(m.ids, events[i].ID)
	}
	return nil
}

// take returns what was handed on since, in the order of the log.
func (m *meeting) take() string {
	slices.SortFunc(m.ids, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	all := strings.Join(m.ids, " ")
	m.ids = nil
	return all
}

// TestFollowerTogether: batches are written at the same time, and all of them come
// again where one is refused.
func TestFollowerTogether(t *testing.T) {
	l, ctx := openLog(t, t.TempDir(), small), context.Background()
	appendAll(t, l, 1, 16)
	m := &meeting{refused: "audit-6"}
	f := &Follower{Log: l, Sink: m, Name: "x", DB: openDB(t), Batch: 4, Together: 4}
	defer f.Close()
	m.waiting.Add(4)
	if left, err := f.CatchUp(ctx, 16); err == nil || err.Error() != "not now" || left != 16 {
		t.Fatalf("%d left, %v", left, err)
	}
	if got := m.take(); got != ids(1, 4)+" "+ids(9, 16) {
		t.Fatalf("beside what was refused: %s", got)
	}
	if at, err := f.At(ctx); at != 1 || err != nil {
		t.Fatalf("it goes on at %d, %v", at, err)
	}
	m.waiting.Add(4)
	if left, err := f.CatchUp(ctx, 16); err != nil || left != 0 {
		t.Fatalf("%d left, %v", left, err)
	}
	if got := m.take(); got != ids(1, 16) {
		t.Errorf("again: %s", got)
	}
	appendAll(t, l, 17, 18)
	m.waiting.Add(1)
	if _, err := f.CatchUp(ctx, 18); err != nil || m.take() != ids(17, 18) {
		t.Errorf("one batch more: %v", err)
	}
}

// TestFollowerOfAnOpenSegment: what is still read of a segment that is archived
// meanwhile is handed on, before what was removed behind it is passed over.
func TestFollowerOfAnOpenSegment(t *testing.T) {
	l, ctx := openLog(t, t.TempDir(), small), context.Background()
	appendAll(t, l, 1, 20)
	second, err := firstOf(l.segment(2))
	if err != nil || second < 3 {
		t.Fatalf("the second segment begins at %d, %v", second, err)
	}
	c := &collector{}
	f := &Follower{Log: l, Sink: c, Name: "x", DB: openDB(t), Batch: 1, Logger: slog.New(slog.DiscardHandler)}
	defer f.Close()
	if _, err := f.CatchUp(ctx, 1); err != nil {
		t.Fatal(err)
	}
	a := &Archive{Log: l, Dir: t.TempDir(), Keep: 1}
	if _, removed, err := a.Run(ctx); err != nil || removed < 2 {
		t.Fatal(removed, err)
	}
	f.Batch = 100
	if _, err := f.CatchUp(ctx, 20); err != nil {
		t.Fatal(err)
	}
	oldest, _ := l.Oldest()
	if got := strings.Join(c.ids, " "); got != ids(1, int(second)-1)+" "+ids(int(oldest), 21) {
		t.Errorf("from %d and %d: %s", second, oldest, got)
	}
}

// TestShareOfTheTime: a Follower takes its share of the time, or what is spare
// beyond what is kept, and then does not wait for more records where it has enough.
func TestShareOfTheTime(t *testing.T) {
	for _, c := range []struct {
		share, spare float64
		last         uint64
		pause        time.Duration
	}{
		{0, 0, 500, 5 * time.Second}, {1, 0, 500, 5 * time.Second},
		{0.02, 0, 500, 49 * time.Second}, {0.02, keptSpare, 500, 49 * time.Second}, {0.5, keptSpare, 500, 5 * time.Second},
		{0.02, 0.85, 500, 3 * time.Second}, {0.02, 0.85, 20, 3 * time.Second}, {0.02, 0.85, 19, 5 * time.Second},
	} {
		f := &Follower{Share: c.share, Spare: func() float64 { return c.spare }, Pause: 5 * time.Second, Batch: 10, next: 11}
		if got := f.pause(c.last, time.Second).Round(time.Millisecond); got != c.pause {
			t.Errorf("%+v: a pause of %s", c, got)
		}
	}
	f := &Follower{Pause: time.Hour, Batch: 10, next: 11}
	if got := f.pause(500, time.Second); got != time.Hour {
		t.Errorf("where nobody tells what is spare: a pause of %s", got)
	}
}

// TestSleepInPieces: a long wait is many short ones, and ends with its context.
func TestSleepInPieces(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	var waited []time.Duration
	over := make(chan time.Time)
	close(over)
	f := &Follower{After: func(d time.Duration) <-chan time.Time {
		if waited = append(waited, d); len(waited) == 5 {
			stop()
			return nil
		}
		return over
	}}
	f.sleep(ctx, 0)
	f.sleep(ctx, 2*aWhile+1)
	f.sleep(ctx, time.Hour)
	if !slices.Equal(waited, []time.Duration{aWhile, aWhile, 1, aWhile, aWhile}) {
		t.Errorf("waits of %v", waited)
	}
}
