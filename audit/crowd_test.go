package audit

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestCrowd says for whom a write waits. Each word is a step: "+" tells of
// somebody, a digit is one of those who comes (0 without having been told of),
// "w" writes what is there and answers it, and "many" is eight more who were
// answered. After the steps nobody has to be waited for, or somebody has.
func TestCrowd(t *testing.T) {
	for _, one := range []struct {
		steps, why string
		complete   bool
	}{
		{"+ 1", "one who is alone", true},
		{"0", "one who was not told of", true},
		{"+ + 1", "another is on the way", false},
		{"+ + 1 2", "both are here", true},
		{"+ 1 w + 2", "one who sends one request after the other", true},
		{"+ + + 1 2 3 w + 4", "few may come again", true},
		{"many + 1", "many may come again", false},
		{"many + + + + + 1 2 3 4 5", "most of them have", true},
		{"many + + 1 2", "some of them have", false},
		{"many w + 1", "those of two writes", false},
		{"+ + 1 w + 3 w + 4", "the second takes long: longer than two writes", true},
		{"+ + 1 w + 3", "the second was told of only one write ago", false},
		{"+ + 1 w + 3 2", "and has come", true},
		{"+ + 1 w + 3 w 2 + 4", "one who took long does not count twice", true},
	} {
		c := crowd{turn: 1}
		told := []Expected{0}
		for _, step := range strings.Fields(one.steps) {
			switch step {
			case "+":
				told = append(told, c.expect())
			case "w":
				c.away += c.leave()
			case "many":
				c.away += 8
			default:
				c.arrive(told[step[0]-'0'])
				c.waiting++
			}
		}
		if c.complete() != one.complete {
			t.Errorf("%q: complete is %t, want %t: %s; %+v", one.steps, !one.complete, one.complete, one.why, c)
		}
	}
}

// pacer is the clock of gather: it tells when a wait begins, and ends it when it
// is told to.
type pacer struct {
	begun chan time.Duration
	over  chan time.Time
}

func newPacer() *pacer {
	return &pacer{begun: make(chan time.Duration, 10), over: make(chan time.Time)}
}

func (p *pacer) after(d time.Duration) (<-chan time.Time, func() bool) {
	p.begun <- d
	return p.over, func() bool { return true }
}

// openPaced opens a log whose clock stands still after its first write.
func openPaced(t *testing.T) (*Log, *pacer) {
	p := newPacer()
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	l := openLog(t, t.TempDir(), func(o *Options) {
		o.Pace, o.Now, o.after = time.Hour, func() time.Time { return now }, p.after
	})
	appendAll(t, l, 1, 1) // alone: at once
	return l, p
}

// appendExpected appends records that were told of, each in a goroutine.
func appendExpected(t *testing.T, l *Log, wait *sync.WaitGroup, told ...Expected) {
	for n, one := range told {
		wait.Go(func() {
			if err := l.AppendExpected(one, record(n)); err != nil {
				t.Error(err)
			}
		})
	}
}

// perBlock is how many records the blocks of a log have.
func perBlock(t *testing.T, l *Log) string {
	t.Helper()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, b := range blocksOf(t, l.segment(1)) {
		if blockKind(b[4]) == kindRecords {
			all = append(all, fmt.Sprint(binary.BigEndian.Uint32(b[13:])))
		}
	}
	return strings.Join(all, " ")
}

// TestThoseOnTheirWayShareAWrite lets the clock stand still: the write begins
// when the last who was told of has come.
func TestThoseOnTheirWayShareAWrite(t *testing.T) {
	l, p := openPaced(t)
	told := make([]Expected, 10)
	for n := range told {
		told[n] = l.Expect()
	}
	var wait sync.WaitGroup
	appendExpected(t, l, &wait, told[:9]...)
	<-p.begun // the first of them waits for the others
	if err := l.AppendExpected(told[9]); err != nil {
		t.Error(err)
	}
	wait.Wait() // one of ten had nothing to record
	if got := perBlock(t, l); got != "1 9" {
		t.Errorf("blocks of %s records, want 1 and 9", got)
	}
}

// TestNobodyWaitsForLong tells of one who does not come in time.
func TestNobodyWaitsForLong(t *testing.T) {
	l, p := openPaced(t)
	told, late := l.Expect(), l.Expect()
	var wait sync.WaitGroup
	appendExpected(t, l, &wait, told)
	if d := <-p.begun; d != time.Hour {
		t.Errorf("it waits for %s", d)
	}
	p.over <- time.Time{}
	wait.Wait()
	appendExpected(t, l, &wait, l.Expect(), late)
	wait.Wait() // those are all
	if got := perBlock(t, l); got != "1 1 2" {
		t.Errorf("blocks of %s records, want 1, 1 and 2", got)
	}
}

// TestAloneWaitsForNobody is a client that sends one request after the other: the
// clock, which stands still, is never asked.
func TestAloneWaitsForNobody(t *testing.T) {
	l, _ := openPaced(t)
	for n := range 5 {
		if err := l.AppendExpected(l.Expect(), record(n)); err != nil {
			t.Fatal(err)
		}
	}
	if got := perBlock(t, l); got != "1 1 1 1 1 1" {
		t.Errorf("blocks of %s records", got)
	}
}
