package pebble

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// maxBackfillBytes is how much memory the terms of a backfill take before they
// are written to a file.
const maxBackfillBytes = 32 << 20

// indexing is what erasures have to do with backfills that run.
type indexing struct {
	mu      sync.Mutex
	running []*backfill
}

// entries adds to a version's entries those that running backfills may have
// written.
func (x *indexing) entries(v store.Version, entries []search.Entry) ([]search.Entry, error) {
	x.mu.Lock()
	running := slices.Clone(x.running)
	x.mu.Unlock()
	for _, b := range running {
		more, err := b.work.Entries(v)
		if err != nil {
			return nil, err
		}
		entries = append(entries, more...)
	}
	return entries, nil
}

// erase tells running backfills of docs that are erased. The caller holds
// Store.files.
func (x *indexing) erase(docs []doc) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, b := range x.running {
		for _, d := range docs {
			b.erased.Add(uint32(d))
		}
	}
}

func (x *indexing) begin(b *backfill) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.running = append(x.running, b)
}

func (x *indexing) end(b *backfill) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.running = slices.DeleteFunc(x.running, func(other *backfill) bool { return other == b })
}

// A backfill is one Index. It makes heads of stored versions and merges them
// into the files, segment by segment. All its docs are sealed before, so that
// what is sealed later comes behind them.
type backfill struct {
	store *Store
	work  store.Indexing
	// last is the newest version to look at, oldest what views go back to.
	last, oldest doc
	head         *posting.Head
	// erased are docs that may be in head and may not be written. Store.files
	// guards it.
	erased *roaring.Bitmap
}

// Index implements store.Store. Superseded versions that no view can show are
// left out. It ends with ErrClosed when the store is being closed.
func (s *Store) Index(ctx context.Context, w store.Indexing) error {
	if err := s.users.Enter(); err != nil {
		return err
	}
	defer s.users.Leave()
	b := &backfill{store: s, work: w, erased: roaring.New()}
	s.indexing.begin(b)
	defer s.indexing.end(b)
	err := s.alone(ctx, func() (err error) {
		b.last = doc(s.now.Load())
		b.oldest, err = s.pins.Oldest()
		return errors.Join(err, s.sealNow())
	})
	if err != nil {
		return err
	}
	return b.run(ctx)
}

func (b *backfill) run(ctx context.Context) error {
	b.progress(0)
	b.head = posting.NewHead(1)
	for first := doc(1); first <= b.last; {
		last := min(b.last, first+replayDocs-1, first|(1<<segmentBits-1))
		if err := errors.Join(ctx.Err(), b.store.users.Closing()); err != nil {
			return err
		}
		if err := b.add(ctx, first, last); err != nil {
			return err
		}
		if last == b.last || last.Segment() != (last+1).Segment() || b.head.Bytes.Load() > maxBackfillBytes {
			if err := b.flush(); err != nil {
				return err
			}
			b.progress(last)
		}
		first = last + 1
	}
	return nil
}

func (b *backfill) progress(done doc) {
	if b.work.Progress != nil {
		b.work.Progress(int(done), int(b.last))
	}
}

// add puts versions into the head, reading them on all processors.
func (b *backfill) add(ctx context.Context, first, last doc) error {
	chunk := make([]replayed, last-first+1)
	b.store.eachOf(len(chunk), func(i int) { chunk[i] = b.read(first + doc(i)) })
	terms, err := b.number(ctx, chunk)
	if err != nil {
		return err
	}
	for i, t := range terms {
		if len(t) > 0 {
			b.head.Add(first+doc(i), t)
		}
	}
	return nil
}

// read makes the new entries of a version, none where no view can show it.
func (b *backfill) read(d doc) (r replayed) {
	if !b.store.lives.Alive(d, b.oldest) {
		return r
	}
	v, err := b.store.version(d)
	if errors.Is(err, errErased) || err == nil && v.Deleted() {
		return r
	}
	if err == nil {
		r.entries, err = b.work.Entries(v)
	}
	r.err = err
	return r
}

// number gives params that are new their numbers, between commits.
func (b *backfill) number(ctx context.Context, chunk []replayed) ([][]posting.Term, error) {
	terms := make([][]posting.Term, len(chunk))
	var fresh []*search.Param
	for i := range chunk {
		if err := chunk[i].err; err != nil {
			return nil, err
		}
		for _, e := range chunk[i].entries {
			if b.store.unknown(e.Param) && !slices.Contains(fresh, e.Param) {
				fresh = append(fresh, e.Param)
			}
		}
	}
	if len(fresh) > 0 {
		if err := b.store.alone(ctx, func() error { return b.store.admit(fresh) }); err != nil {
			return nil, err
		}
	}
	for i := range chunk {
		for _, e := range chunk[i].entries {
			if number, ok := b.store.params.number(e.Param); ok {
				terms[i] = append(terms[i], posting.Term{Param: number, Key: e.Key})
			}
		}
	}
	return terms, nil
}

// unknown reports whether a parameter has no number, or one whose facts count
// as complete, which they are no longer after a backfill.
func (s *Store) unknown(p *search.Param) bool {
	number, ok := s.params.number(p)
	return !ok || factual(p) && !slices.Contains(s.params.table.Load().backfilled, number)
}

// admit makes parameters ready for entries of versions that are stored already.
func (s *Store) admit(list []*search.Param) error {
	if err := s.assign(list); err != nil {
		return err
	}
	for _, p := range list {
		if factual(p) {
			if err := s.markBackfilled(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush merges the head into the files and begins another one.
func (b *backfill) flush() error {
	defer func() { b.head = posting.NewHead(1) }()
	if b.head.Empty() {
		return nil
	}
	s := b.store
	s.files.Lock()
	defer s.files.Unlock()
	if err := s.failure.Get(); err != nil {
		return err
	}
	err := s.failure.Guard(func() error { return s.mergeTerms(b.head, b.erased) })
	if err != nil {
		return s.failure.Set(err)
	}
	return nil
}
