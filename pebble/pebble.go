// Package pebble owns the embedded backend: resources (Store) in folders of
// their own, each one instance of the Pebble key-value engine, and the data
// folder (Folder) that holds them beside the records (pebble/record).
// docs/storage.md describes the layout, docs/decisions/0002-embedded-layout.md
// says why.
//
// It leaves to others: what a search means (search), which preconditions there
// are (store.Verify), and who may see what (datastore).
package pebble

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble/internal/column"
	"github.com/tarnhealth/tarn/pebble/internal/engine"
	"github.com/tarnhealth/tarn/pebble/internal/halt"
	"github.com/tarnhealth/tarn/pebble/internal/pairs"
	"github.com/tarnhealth/tarn/pebble/internal/pin"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/pebble/internal/recent"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// Options for Open. Extract is required; the rest has a default.
type Options struct {
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// Extract returns a version's entries, as its Op had them: the index of
	// recent versions is kept in memory and made anew from the bodies when a
	// folder is opened.
	Extract func(v store.Version) ([]search.Entry, error)
	// EntriesVersion numbers the way that Extract makes entries. The index of
	// a folder that was written with another number is made anew when the
	// folder is opened.
	EntriesVersion int
	// Parse reads a resource, its version's meta included, for Terms.Recheck.
	// Without it, searches with a Recheck fail.
	Parse func(json []byte) (*fhir.Tree, error)
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Retention is how long a T that was current can still be viewed; 0 is
	// DefaultRetention. An open view is good until it is closed.
	Retention time.Duration
	// CacheBytes bounds what is kept in memory of what was read; 0 is
	// DefaultCacheBytes.
	CacheBytes int64
	// SealDocs is how many versions the index keeps in memory before it is
	// written to a file; 0 is a segment, 65,536.
	SealDocs int

	// memory is what stores of a folder share; nil is CacheBytes for this one
	// alone.
	memory *memory
	// byEntries is up to how many resources a reverse chain reads for their
	// entries. For more, it walks the index. Tests change it.
	byEntries int
	// joinBack is set where chains begin at the docs that are asked about,
	// whatever that costs. Tests set it.
	joinBack bool
	// windowCost is up to which cost conditions are evaluated at once where a
	// page needs no total, windowDocs how many docs the first window has at
	// least otherwise. Tests change them.
	windowCost, windowDocs int
	// walkSteps is how many keys a sort walks rather than read one resource.
	// Tests change it.
	walkSteps int
	// factSteps is how many keys are walked rather than read the facts of one
	// resource. Tests change it.
	factSteps int
	// bulkOps is from how many ops on a load is written past the log. Tests
	// change it.
	bulkOps int
	// diskPause is engine.Failure.Pause. Tests change it.
	diskPause time.Duration
}

// Defaults of Options.
const (
	DefaultRetention  = 15 * time.Minute
	DefaultCacheBytes = 64 << 20
	defaultByEntries  = 256
	defaultWindowCost = 1 << 11
	defaultWindowDocs = 256
	defaultWalkSteps  = 256
	defaultFactSteps  = 12
	defaultBulkOps    = 128
)

// maxHeadBytes seals a head early where its terms are large.
const maxHeadBytes = 96 << 20

// A Store is a store.Store in one folder.
//
// Three goroutines write: writer numbers the ops of all waiting commits and
// makes one batch of them, finisher waits for its fsync and makes it visible,
// and sealer writes the index of a full head to a file.
type Store struct {
	opt    Options
	dir    string
	db     *lsm.DB
	disk   *halt.FS
	beside *engine.Beside
	params *params
	lives  posting.Lifetimes
	users  engine.Users
	// columns are the facts of docs that are asked for often.
	columns column.Cache
	hot     hotCache
	// pairs says whether composites tell all.
	pairs pairs.Index

	// index is what searches read.
	index atomic.Pointer[index]
	// now is the newest T that is visible.
	now atomic.Uint32
	// applied is the newest T that the engine has, durable or not.
	applied atomic.Uint32
	// synced is the newest T that is known to be durable.
	synced atomic.Uint32
	// copied is how often something was erased when the log was last shortened for
	// a copy.
	copied atomic.Uint64
	live   live
	pins   pin.Pins

	queue    chan *request
	finish   chan *group
	finished chan struct{}
	seals    sealer
	// files is held while lists in files are read to be written anew: by
	// sealing, indexing and erasing.
	files sync.Mutex
	// indexing is what Index calls that run have to know of erasures.
	indexing indexing
	scrubs   scrubber
	failure  engine.Failure
	stats    counters

	// The writer's own.
	last       doc
	lastMicros int64
	recent     recent.Ring
	known      posting.Newest[resource, current]
	gauge      engine.Gauge
}

var _ store.Store = (*Store)(nil)

// An index is the unsealed heads, oldest first, the last one growing. All docs
// before them are sealed.
type index struct{ heads []*posting.Head }

func (x *index) head() *posting.Head { return x.heads[len(x.heads)-1] }

// View implements store.Store.
func (s *Store) View(ctx context.Context, t store.T) (store.View, error) {
	if err := s.users.Enter(); err != nil {
		return nil, err
	}
	defer s.users.Leave()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	at, shard, err := s.pins.Pin(t)
	if err != nil {
		return nil, err
	}
	return &view{store: s, at: at, pin: shard}, nil
}

// Changes implements store.Store.
func (s *Store) Changes(ctx context.Context, after store.T) iter.Seq2[store.Version, error] {
	return s.sequence(ctx, func(yield func(store.Version, error) bool) error {
		return s.changes(after, doc(s.now.Load()), yield)
	})
}

// sequence guards an iteration: it holds the store open, ends with the
// context, and yields walk's error last.
func (s *Store) sequence(ctx context.Context, walk func(yield func(store.Version, error) bool) error) iter.Seq2[store.Version, error] {
	return func(yield func(store.Version, error) bool) {
		if err := s.users.Enter(); err != nil {
			yield(store.Version{}, err)
			return
		}
		defer s.users.Leave()
		err := walk(func(v store.Version, err error) bool {
			if err == nil {
				err = ctx.Err()
			}
			return yield(v, err) && err == nil
		})
		if err != nil {
			yield(store.Version{}, err)
		}
	}
}

// Close implements store.Store. What is in memory only is sealed, so that the
// next Open is quick. Methods of the store and of its views return ErrClosed
// from then on.
func (s *Store) Close() error {
	s.disk.Release()
	if !s.users.Close() {
		return store.ErrClosed
	}
	s.leave()
	close(s.queue)
	<-s.finished
	s.seals.wait()
	s.scrubs.Close()
	var err error
	if s.failure.Get() == nil {
		err = s.sealAll()
		engine.Flush(s.db, &s.failure)
	}
	if s.failure.Fatal() {
		// The engine stopped in the middle of something and holds its locks.
		return s.failure.Get()
	}
	if e := s.db.Close(); err == nil {
		err = e
	}
	return err
}
