package pebble

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/crashing"
	"github.com/tarnhealth/tarn/pebble/internal/halt/faulty"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// failingStore opens a store that seals, rotates its log and writes tables
// often. A body is a name and, behind a colon, random text.
func failingStore(dir string, fs vfs.FS) (*Store, error) {
	return Open(dir, Options{FS: fs, SealDocs: 10, bulkOps: 3, diskPause: time.Microsecond,
		Extract: func(v store.Version) ([]search.Entry, error) {
			name, _, _ := strings.Cut(string(v.Body.JSON), ":")
			return testExtract(store.Version{Body: fhir.Body{JSON: []byte(name + `"`)}})
		}})
}

func largeOp(id string, random *rand.Rand) store.Op {
	text := make([]byte, 30_000)
	for i := range text {
		text[i] = byte('0' + random.IntN(64))
	}
	op := testOp(id, "x")
	op.Body.JSON, _ = json.Marshal("x:" + string(text))
	return op
}

// A failing is a store whose disk fails, and what was acknowledged of it.
type failing struct {
	*testing.T
	store *Store
	// pairs were acknowledged; erased is whether the first one's erasure was,
	// and tried whether it was tried.
	pairs         []int
	erased, tried bool
	failed        bool
}

// commit writes a pair.
func (f *failing) commit(i int, write func(context.Context, []store.Op) ([]store.Version, error)) {
	random := rand.New(rand.NewPCG(1, uint64(i)))
	ops := []store.Op{largeOp(fmt.Sprint("a", i), random), largeOp(fmt.Sprint("b", i), random), largeOp(fmt.Sprint("c", i), random)}
	_, err := write(context.Background(), ops)
	switch {
	case err == nil:
		f.pairs = append(f.pairs, i)
	case fhir.KindOf(err) != fhir.KindUnavailable || !strings.Contains(err.Error(), "what to do"):
		f.Errorf("pair %d: %v", i, err)
	default:
		f.failed = true
	}
}

// run does all that a store does.
func (f *failing) run() {
	s, ctx := f.store, context.Background()
	for i := range 8 {
		f.commit(i, s.Commit)
	}
	f.commit(8, s.Load)
	f.commit(9, s.Commit)
	if err := s.Rewrite(ctx); err != nil {
		f.failed = true
	}
	if len(f.pairs) > 0 {
		f.tried = true
		if _, err := s.Erase(ctx, []store.Erasure{{Type: "Patient", ID: fmt.Sprint("a", f.pairs[0])}}); err != nil {
			f.failed = true
		} else {
			f.erased = true
		}
	}
	f.commit(10, s.Load)
	if _, err := s.Checkpoint(ctx, "failing/copy"); err != nil {
		f.failed = true
	}
	for i := range 3 {
		f.commit(11+i, s.Commit)
	}
}

// seen is how many resources are found; those of what is acknowledged must be.
func (f *failing) seen(s *Store) int {
	f.Helper()
	v, err := s.View(context.Background(), 0)
	if err != nil {
		f.Fatal(err)
	}
	defer v.Close()
	for n, i := range f.pairs {
		for _, id := range []string{"a", "b", "c"} {
			_, err := v.Read(context.Background(), "Patient", fmt.Sprint(id, i))
			if gone := n == 0 && id == "a" && f.tried; err != nil && !gone {
				f.Errorf("%s%d was acknowledged: %v", id, i, err)
			} else if err == nil && gone && f.erased {
				f.Errorf("%s%d was erased and is there", id, i)
			}
		}
	}
	return named(f.T, s, "x")
}

// whole checks a store after it was opened again: there are the pairs that were
// acknowledged, and possibly one more, whole.
func (f *failing) whole(what string, fs vfs.FS) {
	f.Helper()
	s, err := failingStore("failing", fs)
	if err != nil {
		f.Errorf("%s: %v", what, err)
		return
	}
	n, least := f.seen(s), 3*len(f.pairs)
	if f.erased {
		least--
	}
	if n%3 != 0 && f.tried {
		n++
		least = 3 * len(f.pairs)
	}
	if n%3 != 0 || n < least || n > least+6 {
		f.Errorf("%s: %d resources are there, %d were acknowledged", what, n, least)
	}
	if _, err := s.Commit(context.Background(), []store.Op{testOp("after", "after")}); err != nil || named(f.T, s, "after") != 1 {
		f.Errorf("%s: a write: %v", what, err)
	}
	if err := s.Close(); err != nil {
		f.Errorf("%s: %v", what, err)
	}
}

// TestEveryFailure lets each change of the disk fail in turn, alone and with all
// later ones, while another store is beside it. What was acknowledged is read
// while the disk is bad, is there after a power cut, and when the disk is well
// again; and nothing of the rest is seen. TARN_FAILURES=all takes two minutes;
// otherwise each 17th change fails.
func TestEveryFailure(t *testing.T) { faulty.Each(t, "failing", 17, failOnce) }

// failOnce runs a store on a disk that fails, and reports whether it noticed.
func failOnce(t *testing.T, disk *faulty.Disk) bool {
	t.Helper()
	mem := crashing.New()
	beside, err := failingStore("beside", mem)
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{T: t}
	if f.store, err = failingStore("failing", disk.Wrap(mem)); err != nil {
		t.Fatal(err)
	}
	disk.Arm(true)
	f.run()
	want := 3 * len(f.pairs)
	if f.erased {
		want--
	}
	// An erasure that failed may have taken place.
	if n := f.seen(f.store); n != want && !(n == want-1 && f.tried && !f.erased) {
		t.Errorf("failing at %d: %d are seen, %d were acknowledged", disk.At, n, want)
	}
	crashed := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(disk.At % 2 * 50), RNG: rand.New(rand.NewPCG(2, uint64(disk.At)))})
	if _, err := beside.Commit(context.Background(), []store.Op{testOp("a", "x")}); err != nil || named(t, beside, "x") != 1 {
		t.Errorf("failing at %d: the store beside: %v", disk.At, err)
	}
	_ = f.store.Close()
	f.whole(fmt.Sprintf("failing at %d, after a power cut", disk.At), crashed)
	disk.Arm(false)
	f.whole(fmt.Sprintf("failing at %d, opened again", disk.At), disk.Wrap(mem))
	if err := beside.Close(); err != nil {
		t.Error(err)
	}
	return f.failed
}

// TestCopyFails lets each change of the folder of a copy fail: the copy fails, and
// the store takes no notice.
func TestCopyFails(t *testing.T) {
	for at := int64(1); ; at++ {
		disk := &faulty.Disk{Dir: "copy", At: at, Err: syscall.EIO}
		s, err := failingStore("failing", disk.Wrap(vfs.NewMem()))
		if err != nil {
			t.Fatal(err)
		}
		f := &failing{T: t, store: s}
		f.commit(1, s.Commit)
		disk.Arm(true)
		_, err = s.Checkpoint(context.Background(), "copy")
		failed := disk.Count() >= at
		if (err != nil) != failed {
			t.Errorf("failing at %d of %d: %v", at, disk.Count(), err)
		}
		f.commit(2, s.Commit)
		if s.Failed() != nil || f.failed {
			t.Errorf("failing at %d: the store failed: %v", at, s.Failed())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if !failed {
			return
		}
	}
}
