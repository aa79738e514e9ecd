package pebble

import (
	"bytes"
	"context"
	"errors"
	"slices"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/keyrange"
	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// Erase implements store.Store. Erasures happen in their order: a version of a
// resource that one before erased is not found. Commits wait meanwhile.
//
// What is in memory grows with the entries of what is erased, some KB for each
// version. The bytes leave the engine's files soon after (see scrubber).
func (s *Store) Erase(ctx context.Context, erasures []store.Erasure) (int, error) {
	if err := s.users.Enter(); err != nil {
		return 0, err
	}
	defer s.users.Leave()
	if len(erasures) == 0 {
		return 0, ctx.Err()
	}
	e := &eraser{store: s, docs: map[doc]*eraseDoc{}, whole: map[resource]current{}, parts: map[resource]bool{}}
	if err := s.alone(ctx, func() error { return e.run(erasures) }); err != nil {
		return 0, err
	}
	return len(e.order), nil
}

// An eraser is one Erase. It runs in the finisher, between commits.
type eraser struct {
	store *Store
	// docs are what is erased, order their numbers as they were found.
	docs  map[doc]*eraseDoc
	order []doc
	// stubs are of versions erased earlier, of resources that go whole now.
	stubs []*eraseDoc
	// whole are the resources that go, with their newest versions.
	whole map[resource]current
	// parts are the resources that lose a version.
	parts map[resource]bool
	// ranges are where the bytes of what is erased lie.
	ranges keyrange.List
}

// An eraseDoc is one version that goes.
type eraseDoc struct {
	doc
	header
	resource
	// change is what the number of resources keeps of the version.
	change int
	terms  []posting.Term
	err    error
}

func (e *eraser) run(erasures []store.Erasure) error {
	for i := range erasures {
		err := e.find(&erasures[i])
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrVersion) {
			return &store.OpError{Index: i, Err: err}
		}
		if err != nil {
			return err
		}
	}
	if err := e.store.settle(e.order); err != nil {
		return err
	}
	e.store.files.Lock()
	defer e.store.files.Unlock()
	if err := e.extract(); err != nil {
		return err
	}
	if err := e.store.scrubs.plan(e.commit); err != nil {
		return err
	}
	return e.publish()
}

// settle waits for seals that are under way, and seals the head where it holds
// one of the docs: what is erased is in files then, and only there.
func (s *Store) settle(docs []doc) error {
	if h := s.index.Load().head(); !h.Empty() && len(docs) > 0 && slices.Max(docs) >= h.First {
		return s.sealNow()
	}
	return s.sealed()
}

// find notes the versions that an erasure names.
func (e *eraser) find(erasure *store.Erasure) error {
	r := resource{erasure.Type, erasure.ID}
	c, err := e.store.current(r.resourceType, r.id)
	if err != nil {
		return err
	}
	if _, gone := e.whole[r]; gone || c.doc == 0 {
		return store.ErrNotFound
	}
	if erasure.Number == 0 {
		e.whole[r] = c
		return e.findAll(r, c)
	}
	return e.findOne(r, c, erasure.Number)
}

// findAll notes all versions of a resource.
func (e *eraser) findAll(r resource, c current) error {
	for {
		d := &eraseDoc{doc: c.doc, header: c.header, resource: r}
		switch known := e.docs[c.doc]; {
		case known != nil:
			known.change = 0
		case c.erased():
			e.stubs = append(e.stubs, d)
		default:
			e.add(d)
		}
		if c.prev == 0 {
			return nil
		}
		h, _, _, err := e.store.header(c.prev)
		if err != nil {
			return err
		}
		c = current{c.prev, h}
	}
}

func (e *eraser) findOne(r resource, c current, number uint64) error {
	if c.number == number {
		return store.ErrVersion
	}
	for c.doc != 0 && c.number > number {
		var err error
		if c, err = e.store.before(c); err != nil {
			return err
		}
	}
	if c.doc == 0 || c.number != number || e.docs[c.doc] != nil {
		return store.ErrNotFound
	}
	e.parts[r] = true
	e.add(&eraseDoc{doc: c.doc, header: c.header, resource: r, change: c.change()})
	return nil
}

func (e *eraser) add(d *eraseDoc) {
	e.docs[d.doc] = d
	e.order = append(e.order, d.doc)
}

// extract finds the terms of what goes from the bodies, on all processors.
func (e *eraser) extract() error {
	e.store.eachOf(len(e.order), func(i int) {
		d := e.docs[e.order[i]]
		d.terms, d.err = e.store.termsOf(d)
	})
	for _, d := range e.docs {
		if d.err != nil {
			return d.err
		}
	}
	return nil
}

// termsOf are the terms that a version may have in files.
func (s *Store) termsOf(d *eraseDoc) ([]posting.Term, error) {
	mark := search.MarkType
	var entries []search.Entry
	if d.deleted() {
		mark = markDeleted
	} else {
		v, err := s.withBody(d.doc, &d.header, d.resourceType, d.id)
		if err != nil {
			return nil, err
		}
		if entries, err = s.opt.Extract(v); err != nil {
			return nil, err
		}
		if entries, err = s.indexing.entries(v, entries); err != nil {
			return nil, err
		}
	}
	var terms []posting.Term
	if number, ok := s.params.mark(d.resourceType, mark); ok {
		terms = append(terms, posting.Term{Param: number})
	}
	for _, entry := range entries {
		if number, ok := s.params.number(entry.Param); ok {
			terms = append(terms, posting.Term{Param: number, Key: entry.Key})
		}
	}
	return terms, nil
}

// commit writes all of it as one batch. It returns where the bytes were.
func (e *eraser) commit(scrub func(keyrange.List) (record []byte)) error {
	s := e.store
	batch := s.db.NewBatch()
	err := e.stage(batch)
	if err == nil {
		err = batch.Set(scrubKey(), scrub(e.ranges), nil)
	}
	if err != nil {
		return errors.Join(err, batch.Close())
	}
	if err := s.failure.Guard(func() error { return batch.Commit(lsm.Sync) }); err != nil {
		return s.failure.Set(err)
	}
	return batch.Close()
}

func (e *eraser) stage(batch *lsm.Batch) error {
	slices.Sort(e.order)
	for _, d := range e.order {
		if err := e.stageDoc(batch, e.docs[d]); err != nil {
			return err
		}
	}
	for _, d := range e.stubs {
		if err := e.stageStub(batch, d); err != nil {
			return err
		}
	}
	for r := range e.whole {
		if err := batch.Delete(resourceKey(nil, r.resourceType, r.id), nil); err != nil {
			return err
		}
	}
	if err := e.stageTerms(batch); err != nil {
		return err
	}
	e.noteRecords()
	return e.stageSeal(batch)
}

// noteRecords notes where the versions and the resources were.
func (e *eraser) noteRecords() {
	for _, tag := range []byte{tagBody, tagVersion} {
		for _, d := range e.order {
			e.ranges.Add(around(docKey(tag, d)))
		}
	}
	keys := make([][]byte, 0, len(e.whole))
	for r := range e.whole {
		keys = append(keys, resourceKey(nil, r.resourceType, r.id))
	}
	slices.SortFunc(keys, bytes.Compare)
	for _, key := range keys {
		e.ranges.Add(around(key))
	}
}

func (e *eraser) stageDoc(batch *lsm.Batch, d *eraseDoc) error {
	if !d.deleted() {
		if err := batch.Delete(docKey(tagBody, d.doc), nil); err != nil {
			return err
		}
	}
	return e.stageStub(batch, d)
}

// stageStub leaves the type, which the number of resources goes by, and no id.
func (e *eraser) stageStub(batch *lsm.Batch, d *eraseDoc) error {
	stub := d.stub(d.change)
	return batch.Set(docKey(tagVersion, d.doc), appendVersion(nil, &stub, nil, d.resourceType, ""), nil)
}

// stageTerms takes the docs out of the lists of their terms.
func (e *eraser) stageTerms(batch *lsm.Batch) error {
	gone := map[string][]uint16{}
	for _, d := range e.order {
		for _, t := range e.docs[d].terms {
			take := func(key []byte) { gone[string(key)] = append(gone[string(key)], uint16(d)) }
			take(lists.Key(nil, t.Param, t.Key, d.Segment()))
			e.store.params.grouping(t.Param).Groups(t.Param, t.Key, d.Segment(), take)
		}
	}
	var lows, kept []uint16
	for _, key := range sortedKeys(gone) {
		found, err := e.store.get([]byte(key), func(value []byte) (err error) {
			lows, err = posting.Read(lows[:0], value)
			return err
		})
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		e.ranges.Add(around([]byte(key)))
		kept = posting.Without(kept[:0], lows, gone[key])
		if len(kept) == 0 {
			err = batch.Delete([]byte(key), nil)
		} else {
			err = batch.Set([]byte(key), posting.Append(nil, kept), nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stageSeal makes the docs superseded for good, and takes the resources out of
// the number of those that are sealed: all of their versions are.
func (e *eraser) stageSeal(batch *lsm.Batch) error {
	segments := map[uint16][]doc{}
	for _, d := range e.order {
		segments[d.Segment()] = append(segments[d.Segment()], d)
	}
	for segment, docs := range segments {
		if err := batch.Set(deadKey(segment), e.store.lives.Container(segment, docs), nil); err != nil {
			return err
		}
	}
	sealed, counts, err := e.store.readSeal()
	if err != nil {
		return err
	}
	e.eachLive(func(resourceType string) { counts[resourceType]-- })
	return batch.Set([]byte{tagSeal}, appendSeal(nil, sealed, counts), nil)
}

// eachLive calls fn with the type of each resource that goes and was there.
func (e *eraser) eachLive(fn func(resourceType string)) {
	for r, c := range e.whole {
		if !c.deleted() {
			fn(r.resourceType)
		}
	}
}

// publish makes memory follow what is durable.
func (e *eraser) publish() error {
	s := e.store
	s.stats.erased.Add(1)
	for _, d := range e.order {
		s.lives.Erase(d)
		s.recent.Forget(d)
	}
	s.known.Reset(s.last + 1)
	s.indexing.erase(e.order)
	s.columns.Forget(e.order)
	s.hot.erase(e)
	e.eachLive(func(resourceType string) {
		s.seals.counts[resourceType]--
		s.live.add(resourceType, -1)
	})
	for r := range e.parts {
		if err := s.rejoin(r); err != nil {
			return s.failure.Set(err)
		}
	}
	return nil
}

// rejoin lets versions of a resource live on where the one that took their
// place is erased, until the next one.
func (s *Store) rejoin(r resource) error {
	c, err := s.current(r.resourceType, r.id)
	for err == nil && c.doc != 0 {
		var prev current
		if prev, err = s.before(c); err == nil && prev.doc != 0 && prev.doc != c.prev {
			s.lives.Supersede(prev.doc, c.doc)
		}
		c = prev
	}
	return err
}
