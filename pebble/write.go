package pebble

import (
	"time"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble/internal/bulk"
	"github.com/tarnhealth/tarn/pebble/internal/codec"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A group is the commits that share a batch and its fsync, or the loads that
// share sorted files.
type group struct {
	batch *lsm.Batch
	// bulk has the versions and bodies of loads, nil for commits.
	bulk     *bulk.Records
	requests []*request
	results  []result
	// written are the new versions, in order of doc.
	written []written
	numbers numbering
	warmed  []warm
	// facts, key and value are memory to make those of a version in.
	facts, key, value []byte
	// terms is memory for those of commits, until they are visible.
	terms *[]posting.Term
	// done is closed when the finisher has run the one request, which is
	// alone; nil for a group of commits.
	done chan struct{}
}

// written is a version that finisher makes visible.
type written struct {
	doc   doc
	prev  doc
	terms []posting.Term
	// resourceType and change are for the totals: 1, 0 or -1.
	resourceType string
	change       int
}

type resource struct{ resourceType, id string }

// A group ends when it has this many ops, or bytes of bodies. Only a single
// request may have more ops: Store.known must have all of a group's resources,
// which the engine does not know yet.
const (
	maxGroupOps   = posting.NewestKeys
	maxGroupBytes = 8 << 20
)

// write is the writer goroutine. While a group waits for its fsync, the next
// one gathers.
func (s *Store) write() {
	defer close(s.finish)
	for r := range s.queue {
		for r != nil {
			if r.alone != nil {
				s.hold(r)
				break
			}
			g, next := s.gather(r)
			s.apply(g)
			s.finish <- g
			r = next
		}
	}
}

// gather makes a group of the commits that wait. The request that ended it
// because it runs alone, is written in another way, or is too much comes next.
func (s *Store) gather(first *request) (g *group, next *request) {
	g = s.newGroup(first)
	ops, bytes := s.take(g, first)
	for ops < maxGroupOps && bytes < maxGroupBytes {
		select {
		case r, ok := <-s.queue:
			if !ok || r.alone != nil || s.isBulk(r) != (g.bulk != nil) || ops+len(r.ops) > maxGroupOps {
				return g, r
			}
			n, b := s.take(g, r)
			ops, bytes = ops+n, bytes+b
		default:
			return g, nil
		}
	}
	return g, nil
}

// hold lets the finisher run a request when all before it is visible, and
// stages nothing meanwhile.
func (s *Store) hold(r *request) {
	g := &group{requests: []*request{r}, done: make(chan struct{})}
	s.finish <- g
	<-g.done
}

// runAlone runs the request of hold in the finisher: what writer and finisher
// own is its own.
func (s *Store) runAlone(g *group) {
	r := g.requests[0]
	err := s.failure.Get()
	if err == nil {
		err = r.alone()
	}
	r.answer <- result{err: err}
	close(g.done)
}

func (s *Store) newGroup(first *request) *group {
	batch := s.db.NewBatch()
	g := &group{batch: batch, numbers: numbering{params: s.params, batch: batch}}
	if s.isBulk(first) {
		g.bulk = &bulk.Records{}
	} else {
		g.terms = bulk.Terms()
	}
	return g
}

// take adds a request to the group, or its failure.
func (s *Store) take(g *group, r *request) (ops, bytes int) {
	g.requests = append(g.requests, r)
	versions, err := s.stage(g, r)
	g.results = append(g.results, result{versions, err})
	if err != nil {
		return 0, 0
	}
	for i := range r.packed {
		bytes += len(r.packed[i].bytes)
	}
	return len(r.ops), bytes
}

// apply hands the batch to the engine, which orders it and starts its fsync.
func (s *Store) apply(g *group) {
	if len(g.written) == 0 {
		return
	}
	err := s.failure.Get()
	if err == nil {
		err = s.failure.Guard(func() error { return s.hand(g) })
		if err != nil {
			s.failure.Set(err)
		}
	}
	if err != nil {
		g.fail(s.failure.Get)
		return
	}
	s.applied.Store(uint32(s.last))
	g.numbers.publish()
	s.recent.Settle()
}

// hand hands a group to the engine. Files are durable before the batch that
// leads to them is: after a crash between the two, Open makes up for the batch
// (mendTail).
func (s *Store) hand(g *group) error {
	if g.bulk != nil {
		if err := s.syncLog(); err != nil {
			return err
		}
		if err := g.bulk.Take(s.ingestion(), tagVersion, tagBody); err != nil {
			return err
		}
	}
	return s.db.ApplyNoSyncWait(g.batch, lsm.Sync)
}

// syncLog makes durable what was applied: without what came before, files that
// survive a crash would leave a gap behind them.
func (s *Store) syncLog() error {
	if s.synced.Load() == s.applied.Load() {
		return nil
	}
	return s.db.LogData([]byte{tagVersion}, lsm.Sync)
}

// fail gives every commit of the group that was still good an error.
func (g *group) fail(cause func() error) {
	for i := range g.results {
		if g.results[i].err == nil {
			g.results[i] = result{err: cause()}
		}
	}
	g.written = nil
}

// stage verifies a request and adds its ops to the batch.
func (s *Store) stage(g *group, r *request) ([]store.Version, error) {
	if err := s.failure.Get(); err != nil {
		return nil, err
	}
	if err := s.gauge.Check(s.opt.FS, s.dir); err != nil {
		return nil, err
	}
	if err := store.Verify(r.ops, &requestState{store: s, request: r}); err != nil {
		return nil, err
	}
	if uint64(s.last)+uint64(len(r.ops)) > uint64(maxDoc) {
		return nil, fhir.Errorf(fhir.KindUnavailable, "the data store is full: it holds %d versions", s.last)
	}
	micros := max(s.opt.Now().UnixMicro(), s.lastMicros)
	s.lastMicros = micros
	versions := make([]store.Version, len(r.ops))
	for i := range r.ops {
		v, err := s.stageOp(g, r, i, micros)
		if err != nil {
			// Ops before this one are in the batch already.
			return nil, s.failure.Set(err)
		}
		versions[i] = v
	}
	return versions, nil
}

// stageOp gives an op its place and adds its records to the batch.
func (s *Store) stageOp(g *group, r *request, i int, micros int64) (store.Version, error) {
	op, p := &r.ops[i], &r.packed[i]
	old, err := s.newest(r, i)
	if err != nil {
		return store.Version{}, err
	}
	gone := old.doc == 0 || old.deleted()
	if op.Kind == store.OpDelete && gone {
		return tombstone(op, old), nil
	}
	if p.same != 0 {
		if p.same == old.doc {
			return old.version(op.Type, op.ID, op.Body.JSON), nil
		}
		p.codec, p.bytes = codec.Pack(op.Body.JSON)
	}
	s.last++
	next := current{doc: s.last, header: header{
		op: op.Kind, born: gone, prev: old.doc, number: old.number + 1, micros: micros,
	}}
	if op.Kind != store.OpDelete {
		next.codec, next.at, next.form = p.codec, op.Body.At, op.Body.Form
	}
	if err := s.place(g, op, p, &next); err != nil {
		return store.Version{}, err
	}
	s.known.Add(resource{op.Type, op.ID}, next, next.doc)
	g.warm(r, i, &next)
	return next.version(op.Type, op.ID, op.Body.JSON), nil
}

// tombstone is the answer to deleting what is gone.
func tombstone(op *store.Op, old current) store.Version {
	if old.doc == 0 {
		return store.Version{}
	}
	return old.version(op.Type, op.ID, nil)
}

// version is c with a body; a deletion has none.
func (c *current) version(resourceType, id string, json []byte) store.Version {
	return makeVersion(c.doc, &c.header, resourceType, id, json)
}

func makeVersion(d doc, h *header, resourceType, id string, json []byte) store.Version {
	v := store.Version{
		Type: resourceType, ID: id,
		Number: h.number, T: store.T(d), LastUpdated: h.updated(), Op: h.op, Created: h.born,
	}
	if !v.Deleted() {
		v.Body = h.body(json)
	}
	return v
}

// place adds the records of one version to the group, numbers its terms, and
// remembers it for conditions.
func (s *Store) place(g *group, op *store.Op, p *packedBody, c *current) (err error) {
	terms := p.terms
	if g.bulk != nil {
		g.addBulk(op, c, p)
		err = g.putResource(op, c)
	} else {
		terms, err = s.logged(g, op, p, c)
	}
	if err != nil {
		return err
	}
	w := written{doc: c.doc, prev: c.prev, terms: terms, resourceType: op.Type, change: c.change()}
	g.written = append(g.written, w)
	if op.Kind != store.OpDelete {
		s.recent.Add(c.doc, op, c.number, c.updated())
	} else {
		s.recent.Skip(c.doc, op.Type)
	}
	return nil
}

// logged adds the records of one version to the batch, and numbers its terms.
func (s *Store) logged(g *group, op *store.Op, p *packedBody, c *current) (terms []posting.Term, err error) {
	var facts []byte
	if op.Kind != store.OpDelete {
		if facts, err = s.appendFacts(g.facts[:0], &g.numbers, op.Entries); err != nil {
			return nil, err
		}
		g.facts = facts
	}
	if err := g.put(op, c, p.bytes, facts); err != nil {
		return nil, err
	}
	start := len(*g.terms)
	*g.terms, err = g.numbers.appendTerms(*g.terms, op.Type, op.Kind == store.OpDelete, op.Entries)
	return (*g.terms)[start:len(*g.terms):len(*g.terms)], err
}

// put adds the records of one version to the batch.
func (g *group) put(op *store.Op, c *current, packed, facts []byte) error {
	g.value = appendVersion(g.value[:0], &c.header, facts, op.Type, op.ID)
	if err := g.batch.Set(docKey(tagVersion, c.doc), g.value, nil); err != nil {
		return err
	}
	if op.Kind != store.OpDelete {
		if err := g.batch.Set(docKey(tagBody, c.doc), packed, nil); err != nil {
			return err
		}
	}
	return g.putResource(op, c)
}

// putResource adds the record that leads from a resource to its newest version.
func (g *group) putResource(op *store.Op, c *current) error {
	g.key, g.value = resourceKey(g.key[:0], op.Type, op.ID), c.append(g.value[:0])
	return g.batch.Set(g.key, g.value, nil)
}

// change is what a version adds to the number of resources.
func (h *header) change() int {
	switch {
	case h.erased():
		return int(h.codec) - 1
	case h.deleted():
		return -1
	case h.born:
		return 1
	}
	return 0
}

// appendTerms numbers the entries of a version. The store adds the mark of the type
// itself, so that it does not depend on entries.
func (n *numbering) appendTerms(terms []posting.Term, resourceType string, deleted bool, entries []search.Entry) ([]posting.Term, error) {
	mark := search.MarkType
	if deleted {
		mark, entries = markDeleted, nil
	}
	own, err := n.mark(resourceType, mark)
	if err != nil {
		return terms, err
	}
	terms = append(terms, posting.Term{Param: own})
	for _, e := range entries {
		number, err := n.number(e.Param)
		if err != nil {
			return terms, err
		}
		if number != own {
			terms = append(terms, posting.Term{Param: number, Key: e.Key})
		}
	}
	return terms, nil
}

// finisher makes groups visible in the order in which they were applied.
func (s *Store) finisher() {
	defer close(s.finished)
	for g := range s.finish {
		if g.done != nil {
			s.runAlone(g)
			continue
		}
		if len(g.written) > 0 {
			started := time.Now()
			if err := s.sync(g); err != nil {
				s.failure.Set(err)
				g.fail(s.failure.Get)
			} else {
				s.publish(g)
			}
			bulk.FreeTerms(g.terms)
			s.stats.group(g, time.Since(started))
		}
		for i, r := range g.requests {
			r.answer <- g.results[i]
		}
	}
}

// sync waits until the batch is durable.
func (s *Store) sync(g *group) error {
	if err := g.batch.SyncWait(); err != nil {
		return err
	}
	if err := s.failure.Get(); err != nil {
		return err
	}
	s.synced.Store(uint32(g.written[len(g.written)-1].doc))
	return g.batch.Close()
}

// publish shows a durable group to readers.
func (s *Store) publish(g *group) {
	for i := range g.written {
		s.show(&g.written[i])
	}
	last := g.written[len(g.written)-1].doc
	s.live.publish(g.written, last)
	s.hot.publish(g.warmed)
	s.now.Store(uint32(last))
}
