package audit

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	_ "github.com/tarnhealth/tarn/internal/seeded"
)

func process(opt *Options) { opt.Durability = Process }

// A watchedDisk counts how often something is made durable, and lets none be
// where it is stopped.
type watchedDisk struct {
	mu    sync.Mutex
	syncs int
	err   error
}

func (d *watchedDisk) sync(f *os.File) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	if d.err != nil {
		return d.err
	}
	return syncData(f)
}

func (d *watchedDisk) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// TestWhatMayWait appends records of all kinds to a log with Process, and looks
// whether Append made them durable.
func TestWhatMayWait(t *testing.T) {
	read := Record{Action: "read", Status: 200}
	for name, test := range map[string]struct {
		records []Record
		waits   bool
	}{
		"a read":                    {[]Record{read}, true},
		"a read that was refused":   {[]Record{{Action: "read", Status: 403}}, true},
		"a version":                 {[]Record{{Action: "vread"}}, true},
		"a search":                  {[]Record{{Action: "search-type", Query: "Patient?name=x"}}, true},
		"a history":                 {[]Record{{Action: "history-system"}}, true},
		"two reads":                 {[]Record{read, read}, true},
		"a create":                  {[]Record{{Action: "create"}}, false},
		"a refused delete":          {[]Record{{Action: "delete", Status: 403}}, false},
		"a read and an update":      {[]Record{read, {Action: "update"}}, false},
		"a batch of reads":          {[]Record{{Action: "batch"}, {Action: "read", Entry: 1}}, false},
		"an export":                 {[]Record{{Action: "$export"}}, false},
		"all of a patient":          {[]Record{{Action: "$everything"}}, false},
		"a read that broke a glass": {[]Record{{Action: "read", Detail: "BREAK-GLASS"}}, false},
		"an unknown request":        {[]Record{{Action: "unknown", Status: 404}}, false},
		"a sign-in":                 {[]Record{{Class: ClassSignIn, Action: "read"}}, false},
		"a token":                   {[]Record{{Class: ClassGrant, Action: "token"}}, false},
		"an administrator":          {[]Record{{Class: ClassAdmin, Action: "read"}}, false},
		"an erasure":                {[]Record{{Class: ClassErasure, Action: "read"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, of := range []Durability{Disk, Process} {
				disk := &watchedDisk{}
				l := openLog(t, t.TempDir(), func(o *Options) { o.Durability, o.sync = of, disk.sync })
				before := disk.count()
				if err := l.Append(test.records...); err != nil {
					t.Fatal(err)
				}
				last, _ := l.End()
				durable := last == uint64(len(test.records)) && disk.count() > before
				if want := !test.waits || of == Disk; durable != want {
					t.Errorf("%s: durable is %t, want %t", of, durable, want)
				}
				if n, err := l.Sync(); err != nil || n != uint64(len(test.records)) {
					t.Errorf("%s: Sync = %d, %v", of, n, err)
				}
				if last, _ := l.End(); last != uint64(len(test.records)) {
					t.Errorf("%s: after Sync %d records are durable", of, last)
				}
			}
		})
	}
}

// TestOrderOfBoth appends records of both kinds at once: those of one goroutine
// are in their order, and what is durable makes all before it durable.
func TestOrderOfBoth(t *testing.T) {
	l := openLog(t, t.TempDir(), process, func(o *Options) { o.SegmentSize, o.Checkpoint = 20_000, time.Millisecond })
	const writers, each = 8, 200
	var wait sync.WaitGroup
	for w := range writers {
		wait.Go(func() {
			for n := range each {
				r := Record{Action: "read", Entities: []string{fmt.Sprintf("%d-%d", w, n)}}
				if n%5 == w%5 {
					r.Action = "update"
				}
				if err := l.Append(r); err != nil {
					t.Error(err)
				}
				if last, _ := l.End(); r.Action == "update" && last < uint64(n+1) {
					t.Errorf("%d of %d are durable after an update", last, n+1)
				}
			}
		})
	}
	r := l.Reader(1)
	defer r.Close()
	var read []string
	for len(read) < writers*each {
		_, more := l.End()
		got, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			<-more
		}
		for _, s := range got {
			read = append(read, s.Entities[0])
		}
	}
	wait.Wait()
	next := make([]int, writers)
	for _, e := range read {
		var w, n int
		if fmt.Sscanf(e, "%d-%d", &w, &n); n != next[w] {
			t.Fatalf("record %d of %d comes where %d should", n, w, next[w])
		}
		next[w]++
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if v := mustVerify(t, l.Dir(), writers*each); v.Segments < 3 || v.Durability != Process {
		t.Errorf("%+v", v)
	}
	if got := entities(t, l.Dir()); !slices.Equal(got, read) {
		t.Error("the reader has other records than the files")
	}
}

// TestEarlyIsDurableSoon waits for the disk to have a record that nobody else
// makes durable.
func TestEarlyIsDurableSoon(t *testing.T) {
	l := openLog(t, t.TempDir(), process, func(o *Options) { o.Checkpoint = time.Millisecond })
	for n := range 3 {
		_, more := l.End()
		if err := l.Append(record(n)); err != nil {
			t.Fatal(err)
		}
		<-more
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if v := mustVerify(t, l.Dir(), 3); v.Signed != 3 {
		t.Errorf("%+v", v)
	}
}

// TestFailedSyncLasts: once records were acknowledged that the disk may not
// have, no error of it passes.
func TestFailedSyncLasts(t *testing.T) {
	disk := &watchedDisk{}
	l := openLog(t, t.TempDir(), process, func(o *Options) { o.sync = disk.sync })
	appendAll(t, l, 1, 2)
	disk.mu.Lock()
	disk.err = syscall.ENOSPC
	disk.mu.Unlock()
	if err := l.Append(Record{Action: "update"}); err == nil {
		t.Error("an update is acknowledged that is not durable")
	}
	disk.mu.Lock()
	disk.err = nil
	disk.mu.Unlock()
	if err := l.Append(record(3)); err == nil {
		t.Error("a read is acknowledged after that")
	}
	if err := l.Append(Record{Action: "update"}); err == nil {
		t.Error("an update is acknowledged after that")
	}
}

// TestEarlyOnAFullDisk refuses reads while the disk is full, and takes them, early
// again, when it is not.
func TestEarlyOnAFullDisk(t *testing.T) {
	disk, watched := &failingDisk{}, &watchedDisk{}
	l := openLog(t, t.TempDir(), process, disk.under, func(o *Options) { o.sync = watched.sync })
	appendAll(t, l, 1, 3)
	disk.err = syscall.ENOSPC
	for range 3 {
		if err := l.Append(record(0)); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("on a full disk: %v", err)
		}
	}
	disk.err = nil
	appendAll(t, l, 4, 4)
	before := watched.count()
	appendAll(t, l, 5, 6)
	if n := watched.count() - before; n != 0 || l.Failed() != nil {
		t.Errorf("with space again: made durable %d times, %v", n, l.Failed())
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustVerify(t, l.Dir(), 6)
}

// TestDurabilityIsSigned opens a log with one Durability after the other:
// checkpoints tell, and who alters that is found.
func TestDurabilityIsSigned(t *testing.T) {
	dir := t.TempDir()
	records := 0
	for _, of := range []Durability{Disk, Process, Process, Disk, ""} {
		l := openLog(t, dir, func(o *Options) { o.Durability = of })
		records++
		appendAll(t, l, records, records)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		head, err := readHead(dir)
		if err != nil || (head.Durability == Process) != (of == Process) {
			t.Fatalf("%s: HEAD %+v, %v", of, head, err)
		}
		mustVerify(t, dir, uint64(records))
		head.Durability = map[Durability]Durability{Process: "", "": Process}[head.Durability]
		if head.Check(publicKey(testKey)) {
			t.Errorf("%s: HEAD may be altered", of)
		}
	}
	if _, err := Open(Options{Dir: dir, Key: testKey, Durability: "memory"}); err == nil || !strings.Contains(err.Error(), "memory") {
		t.Errorf("an unknown one: %v", err)
	}
}

// A losingDisk is a file whose disk, when power is lost, has what was made
// durable, and of each sector that was written since any of its states.
type losingDisk struct {
	durable []byte
	// since are the states of sectors since, by their numbers.
	since map[int64][][]byte
	now   []byte
}

func (d *losingDisk) writeAt(f *os.File, block []byte, at int64) (int, error) {
	n, err := f.WriteAt(block, at)
	if end := at + int64(n); end > int64(len(d.now)) {
		d.now = append(d.now, make([]byte, end-int64(len(d.now)))...)
	}
	half := slices.Clone(d.now) // the block is being copied when the disk takes a sector
	copy(half[at:], block[:n/2])
	d.states(half, at, n)
	copy(d.now[at:], block[:n])
	d.states(d.now, at, n)
	return n, err
}

// states adds those of the sectors of a write.
func (d *losingDisk) states(now []byte, at int64, n int) {
	for s := at / sector; s*sector < at+int64(n); s++ {
		d.since[s] = append(d.since[s], slices.Clone(now[s*sector:min((s+1)*sector, int64(len(now)))]))
	}
}

func (d *losingDisk) sync(*os.File) error {
	d.durable, d.since = slices.Clone(d.now), map[int64][][]byte{}
	return nil
}

// lose is what the disk has after a loss of power, with some zeros behind it that
// were reserved.
func (d *losingDisk) lose(rng *rand.Rand) []byte {
	left := append(slices.Clone(d.durable), make([]byte, len(d.now)-len(d.durable)+(1+rng.IntN(3))*4096)...)
	for _, s := range slices.Sorted(maps.Keys(d.since)) {
		states := d.since[s]
		if k := rng.IntN(len(states) + 1); k > 0 {
			copy(left[s*sector:], states[k-1])
		}
	}
	return left
}

// TestPowerLoss loses power at any moment: what was on disk when Append returned
// is there, what is left of the others is a beginning of them, and the log is
// sound, says what it lost, and goes on.
func TestPowerLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "audit")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		disk := &losingDisk{since: map[int64][][]byte{}}
		now := func() time.Time { return time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC) }
		opt := Options{Dir: dir, Key: testKey, Checkpoint: time.Hour, Durability: Process, Now: now, Logger: slog.New(slog.DiscardHandler), writeAt: disk.writeAt, sync: disk.sync}
		l, err := Open(opt)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		durable := 0
		for n, kind := range rapid.SliceOfN(rapid.IntRange(0, 9), 1, 40).Draw(t, "kinds") {
			r := Record{Action: "read", Entities: []string{fmt.Sprint(n)}, Query: strings.Repeat("q", kind*150)}
			switch kind {
			case 0:
				r.Action = "update"
			case 1:
				if err := l.Checkpoint(); err != nil {
					t.Fatal(err)
				}
				durable = len(all)
			}
			if err := l.Append(r); err != nil {
				t.Fatal(err)
			}
			if all = append(all, fmt.Sprint(n)); kind == 0 {
				durable = len(all)
			}
		}
		left := disk.lose(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "loss"), 0)))
		name := l.segment(1)
		_ = l.lock.Close() // as when the process ends
		if err := os.WriteFile(name, left, 0o600); err != nil {
			t.Fatal(err)
		}
		checkAfterLoss(t, dir, all, durable)
	})
}

// checkAfterLoss looks at what a loss of power left of a log: of all its records
// the first ones, durable of them at least.
func checkAfterLoss(t *rapid.T, dir string, all []string, durable int) {
	v, err := verify(dir)
	if err != nil {
		t.Fatalf("after the loss: %v", err)
	}
	kept := int(v.Last)
	if kept < durable || kept > len(all) {
		t.Fatalf("%d of %d records are left, %d were durable", kept, len(all), durable)
	}
	again, err := Open(Options{Dir: dir, Key: testKey, Checkpoint: time.Hour, Durability: Process, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("opened after the loss: %v", err)
	}
	if err := again.Append(Record{Action: "read"}); err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	var actions, got []string
	err = Each(dir, "", func(s Stored) error {
		actions, got = append(actions, s.Action), append(got, strings.Join(s.Entities, " "))
		return nil
	})
	if err != nil || !slices.Equal(got[:kept], all[:kept]) || !slices.Equal(actions[kept:], []string{"recovered", "read"}) {
		t.Fatalf("%v; left are %q %q, of %q", err, got, actions, all)
	}
	if v, err := verify(dir); err != nil || v.Unfinished != 0 {
		t.Fatalf("afterwards: %+v, %v", v, err)
	}
}

// TestAlteredAfterPowerLoss alters each byte that a checkpoint covers, of a log
// that was not closed: what is found of the rest is no excuse.
func TestAlteredAfterPowerLoss(t *testing.T) {
	l := openLog(t, t.TempDir(), process)
	appendAll(t, l, 1, 3)
	if err := l.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	appendAll(t, l, 4, 6)
	head, err := readHead(l.Dir())
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(l.segment(1))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 1
		write(t, l.segment(1), bad)
		if err := writeHead(l.Dir(), head); err != nil {
			t.Fatal(err)
		}
		v, err := verify(l.Dir())
		if covered := int64(i) < head.Size; covered && err == nil || v.Last < head.Records && err == nil {
			t.Fatalf("byte %d of %d that are covered altered: %+v, %v", i, head.Size, v, err)
		}
		if int64(i) > head.Size+1000 {
			break
		}
	}
	write(t, l.segment(1), good[:head.Size-1])
	if v, err := verify(l.Dir()); err == nil {
		t.Errorf("cut off before the checkpoint: %+v", v)
	}
}

func BenchmarkAppendEarly(b *testing.B) { benchmarkAppend(b, process) }
