package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/tarnhealth/tarn/pebble/internal/ingest"
	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/pebble/internal/tidy"
)

// tally is the number of resources by type at some doc.
type tally map[string]int

func (t tally) clone() tally { return maps.Clone(t) }

// A seal is a head that is to be written to a file, with the tally at its end.
type seal struct {
	head   *posting.Head
	counts tally
	// done, where not nil, is closed when the seals before it are done; there
	// is no head.
	done chan struct{}
}

// A sealer writes full heads to files, one at a time. Everything here but the
// goroutine belongs to the finisher.
type sealer struct {
	work chan seal
	done chan struct{}
	// counts is the tally at the end of the newest head.
	counts tally
	// mu guards changes of Store.index.
	mu sync.Mutex
	// tidy merges the files of loads in small groups.
	tidy tidy.Tidier
}

func (q *sealer) start(s *Store) {
	q.work, q.done = make(chan seal, 1), make(chan struct{})
	q.tidy.Dir, q.tidy.Failure, q.tidy.Tags = s.ingestion(), &s.failure, []byte{tagBody, tagVersion}
	q.tidy.Look()
	go func() {
		defer close(q.done)
		for job := range q.work {
			if job.done != nil {
				close(job.done)
				continue
			}
			if s.failure.Get() != nil {
				continue
			}
			if err := s.failure.Guard(func() error { return s.seal(job) }); err != nil {
				s.failure.Set(err)
			}
		}
	}()
}

// wait ends the goroutine when it has written what is full.
func (q *sealer) wait() {
	close(q.work)
	<-q.done
	q.tidy.Close()
}

// show adds a version to the index. Readers do not look at it before Store.now
// reaches it.
func (s *Store) show(w *written) {
	h := s.index.Load().head()
	if s.full(h, w.doc) {
		h = s.rotate(w.doc)
	}
	h.Add(w.doc, w.terms)
	if w.prev != 0 {
		s.lives.Supersede(w.prev, w.doc)
	}
	if w.change != 0 {
		s.seals.counts[w.resourceType] += w.change
	}
}

// full reports whether d must go to a new head. Heads end with segments, so
// that a list in a file is rarely written twice.
func (s *Store) full(h *posting.Head, d doc) bool {
	return !h.Empty() && (d&(1<<segmentBits-1) == 0 || h.Docs() >= s.opt.SealDocs || h.Bytes.Load() > maxHeadBytes)
}

// rotate starts a new head and queues the one before for sealing. It waits
// where the sealer is two heads behind.
func (s *Store) rotate(first doc) *posting.Head {
	s.seals.mu.Lock()
	old := s.index.Load()
	h := posting.NewHead(first)
	s.index.Store(&index{heads: append(slices.Clone(old.heads), h)})
	s.seals.mu.Unlock()
	s.seals.work <- seal{head: old.head(), counts: s.seals.counts.clone()}
	// Forgetting only saves memory: where it fails, the next one makes up.
	_ = s.pins.Forget(s.lives.Forget)
	return h
}

// sealNow seals what is visible. It belongs to the finisher.
func (s *Store) sealNow() error {
	if !s.index.Load().head().Empty() {
		s.rotate(doc(s.now.Load()) + 1)
	}
	return s.sealed()
}

// sealed waits for the seals that are queued.
func (s *Store) sealed() error {
	done := make(chan struct{})
	s.seals.work <- seal{done: done}
	<-done
	return s.failure.Get()
}

// sealAll seals what is left when no goroutine runs any more.
func (s *Store) sealAll() error {
	for _, h := range s.index.Load().heads {
		if !h.Empty() {
			if err := s.failure.Guard(func() error { return s.seal(seal{head: h, counts: s.seals.counts}) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// seal writes a head, the oldest, to a file that the engine takes over whole,
// and then lets go of it. Readers that still hold the head find its docs twice,
// which makes no difference to a union.
func (s *Store) seal(job seal) error {
	s.files.Lock()
	defer s.files.Unlock()
	var segments []uint16
	err := s.ingestion().Take(ingest.File{Name: "seal.tmp", Write: func(w *sstable.Writer) (err error) {
		segments, err = s.writeRun(w, job)
		return err
	}})
	if err != nil {
		s.lives.Soil(segments)
		return err
	}
	s.stats.sealed.Add(1)
	s.seals.tidy.Look()
	s.seals.mu.Lock()
	defer s.seals.mu.Unlock()
	heads := slices.DeleteFunc(slices.Clone(s.index.Load().heads), func(h *posting.Head) bool { return h == job.head })
	if len(heads) == 0 {
		heads = []*posting.Head{posting.NewHead(doc(job.head.Last.Load()) + 1)}
	}
	s.index.Store(&index{heads})
	return nil
}

// ingestion is the folder for sorted files of records.
func (s *Store) ingestion() ingest.Dir { return ingest.Dir{DB: s.db, FS: s.opt.FS, Path: s.dir} }

// writeRun writes one sorted run: superseded docs, terms, seal record.
func (s *Store) writeRun(w *sstable.Writer, job seal) ([]uint16, error) {
	segments, err := s.lives.Save(func(segment uint16, container []byte) error { return w.Set(deadKey(segment), container) })
	if err == nil {
		err = s.writeTerms(w, job.head)
	}
	if err == nil {
		err = w.Set([]byte{tagSeal}, appendSeal(nil, doc(job.head.Last.Load()), job.counts))
	}
	return segments, err
}

func (s *Store) writeTerms(w *sstable.Writer, h *posting.Head) error {
	run := lists.Run{DB: s.db, W: w, Groupings: s.params.grouping}
	if uint16(h.First) != 0 {
		// An earlier seal may have written a part of this segment.
		run.Partial, run.Started = h.First.Segment(), h.First > 1
	}
	return run.WriteHead(h)
}

// mergeTerms adds the terms of a head to the files, but for docs in without.
// The docs may be there already, and docs behind them.
func (s *Store) mergeTerms(h *posting.Head, without *roaring.Bitmap) error {
	w, path, err := s.ingestion().Create("index.tmp")
	if err != nil {
		return err
	}
	run := lists.Run{DB: s.db, W: w, Merge: true, Without: without, Given: s.params.given(), Groupings: s.params.grouping}
	if err = errors.Join(run.WriteHead(h), w.Close()); err != nil {
		return err
	}
	if run.N == 0 {
		return s.opt.FS.Remove(path)
	}
	return s.db.Ingest(context.Background(), []string{path})
}

// appendSeal writes the seal record: the newest sealed doc, and the tally there.
func appendSeal(b []byte, sealed doc, counts tally) []byte {
	b = binary.AppendUvarint(b, uint64(sealed))
	for _, resourceType := range sortedKeys(counts) {
		b = binary.AppendUvarint(b, uint64(len(resourceType)))
		b = append(b, resourceType...)
		b = binary.AppendUvarint(b, uint64(counts[resourceType]))
	}
	return b
}

// readSeal reads the seal record; in a new folder nothing is sealed.
func (s *Store) readSeal() (sealed doc, counts tally, err error) {
	counts = tally{}
	_, err = s.get([]byte{tagSeal}, func(value []byte) error {
		d := decoder{b: value}
		sealed = doc(d.uvarint())
		for len(d.b) > 0 && !d.bad {
			resourceType := string(d.bytes(d.uvarint()))
			counts[resourceType] = int(d.uvarint())
		}
		if d.bad {
			return errRecord
		}
		return nil
	})
	return sealed, counts, err
}
