package pebble

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/pebble/internal/bulk"
	"github.com/tarnhealth/tarn/pebble/internal/column"
	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
)

// Facts are a version's entries of date parameters, which stand in its v
// record as well. The lists of the index lead from a key to the docs that have
// it; facts lead back. Docs are so put in the order of a date, or held against
// a range of dates, where the index would be walked from one end of the range
// to the other. A doc's facts cost about 1 µs from its record, and 0.05 µs where
// the facts of its chunk are kept in memory (Store.columns).

// factual reports whether versions have facts of a parameter.
func factual(p *search.Param) bool { return p.Def != nil && p.Def.Type == definition.ParamDate }

// appendFacts writes the number of the way that entries are made in, and the
// parameter and the key of each fact.
func (s *Store) appendFacts(b []byte, n *numbering, entries []search.Entry) ([]byte, error) {
	b = binary.AppendUvarint(b, uint64(s.opt.EntriesVersion))
	for _, e := range entries {
		if !factual(e.Param) {
			continue
		}
		number, err := n.number(e.Param)
		if err != nil {
			return b, err
		}
		b = bulk.AppendFact(b, number, e.Key)
	}
	return b, nil
}

// A factReader finds the keys that docs have for one parameter.
type factReader struct {
	scan    *scan
	param   *search.Param
	number  uint16
	columns column.Reader
}

// each calls fn with the keys of a doc, which are valid until it returns, and
// reports whether fn is to be asked: false where the version was erased. A
// version without facts, of before they were kept, is read as a whole.
func (r *factReader) each(d doc, fn func(key []byte)) (found bool, err error) {
	if r.columns.Each(d, fn) {
		return true, nil
	}
	s := r.scan
	value, found, err := s.record(d)
	if err != nil || !found {
		return false, err
	}
	facts, known, err := readFacts(value, s.store.opt.EntriesVersion)
	if err != nil {
		return false, err
	}
	if !known {
		return r.extract(d, fn)
	}
	for dec := (decoder{b: facts}); len(dec.b) > 0; {
		number, key := dec.uvarint(), dec.bytes(dec.uvarint())
		if dec.bad {
			return false, errRecord
		}
		if number == uint64(r.number) {
			fn(key)
		}
	}
	return true, nil
}

func (r *factReader) extract(d doc, fn func(key []byte)) (found bool, err error) {
	v, err := r.scan.version(d)
	if errors.Is(err, errErased) {
		return false, nil
	}
	if err != nil || v.Deleted() {
		return err == nil, err
	}
	entries, err := r.scan.store.opt.Extract(v)
	for _, e := range entries {
		if e.Param.Code == r.param.Code && e.Param.Type == r.param.Type {
			fn(e.Key)
		}
	}
	return err == nil, err
}

// facts returns a reader of a parameter's keys; ok is false where they cannot
// be known from versions.
func (s *Store) facts(r *scan, p *search.Param) (reader factReader, ok bool) {
	if !factual(p) {
		return reader, false
	}
	number, ok := s.params.number(p)
	if !ok || slices.Contains(s.params.table.Load().backfilled, number) {
		return reader, false
	}
	return factReader{scan: r, param: p, number: number, columns: column.Reader{Cache: &s.columns, Param: number}}, true
}

// factSteps is what the facts of a set of docs cost, in keys that are walked in
// the same time. Where docs are asked for often, the facts of their chunks are
// taken into memory, beside the searches.
func (e *evaluation) factSteps(set *roaring.Bitmap) int {
	s := e.store
	cold, make := s.columns.Ask(set)
	if make && s.users.Enter() == nil {
		go func() {
			defer s.users.Leave()
			// What cannot be read is read again by who needs it, and fails there.
			_ = s.columns.Make(s.readChunk, func() bool { return s.users.Closing() != nil })
		}()
	}
	return int(set.GetCardinality())/2 + cold*s.opt.factSteps
}

// readChunk reads the facts of a chunk of docs, in 1.5 ms or so. It returns nil
// where not all are known.
func (s *Store) readChunk(first doc) (_ *column.Chunk, err error) {
	end := min(uint64(first)+posting.ChunkDocs, uint64(s.now.Load())+1)
	it, err := s.db.NewIter(&lsm.IterOptions{LowerBound: docKey(tagVersion, first), UpperBound: docKey(tagVersion, doc(end))})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Error(), it.Close()) }()
	chunk := column.NewChunk(doc(end))
	for ok := it.First(); ok; ok = it.Next() {
		facts, known, err := readFacts(it.Value(), s.opt.EntriesVersion)
		if err != nil {
			return nil, err
		}
		if !known {
			h, _, _, err := readVersion(it.Value())
			if err != nil || !h.erased() && !h.deleted() {
				return nil, err
			}
		}
		d := docOf(it.Key())
		for dec := (decoder{b: facts}); known && len(dec.b) > 0; {
			number, key := dec.uvarint(), dec.bytes(dec.uvarint())
			if dec.bad {
				return nil, errRecord
			}
			chunk.Add(uint16(number), d, key)
		}
	}
	return chunk, nil
}

// Of up to fewFacts docs the facts are read where a range has more than
// shortRange keys: among millions of versions every range has.
const (
	fewFacts   = 1024
	shortRange = 32
)

// filter keeps the docs of a set that have a key in spans which passes test. It
// reports false, and has done nothing, where the index is the better way.
func (e *evaluation) filter(n search.Terms, q *lists.Query, set *roaring.Bitmap) (kept *roaring.Bitmap, done bool, err error) {
	if !q.Ranges() {
		return nil, false, nil
	}
	reader, ok := e.store.facts(&e.scan, n.Param)
	if !ok {
		return nil, false, nil
	}
	e.store.lives.Visible(set, e.at)
	cost := e.factSteps(set)
	if cost > e.rangeSteps(n.Param.Type) {
		return nil, false, nil
	}
	// The range may be short: it is given up when it was not by then.
	most := cost / 4
	if set.GetCardinality() <= fewFacts {
		most = min(most, shortRange)
	}
	kept, err = e.terms.Within(q, set, most)
	if err == nil || !errors.Is(err, lists.ErrTooLong) {
		return kept, true, err
	}
	e.trace.Note("by the dates of what is left")
	kept, err = e.holding(n, &reader, set)
	return kept, true, err
}

// rangeSteps is about how many keys and groups a range of the dates of a type
// passes: each key that is not sealed, and some groups in each segment.
func (e *evaluation) rangeSteps(resourceType string) int {
	unsealed, segments := 0, 0
	for _, h := range e.terms.Heads {
		unsealed += h.Docs()
		segments = int(h.First.Segment()) + 1
	}
	return min(e.resources(resourceType), unsealed/2+segments*128)
}

// holding are the docs of a set whose facts satisfy a condition.
func (e *evaluation) holding(n search.Terms, reader *factReader, set *roaring.Bitmap) (*roaring.Bitmap, error) {
	var matches bool
	check := func(key []byte) { matches = matches || holds(n, key) }
	var docs []uint32
	for it := set.Iterator(); it.HasNext(); e.terms.Keys++ {
		if len(docs)%256 == 0 && e.ctx.Err() != nil {
			return nil, e.ctx.Err()
		}
		d := it.Next()
		matches = false
		if _, err := reader.each(doc(d), check); err != nil {
			return nil, err
		}
		if matches {
			docs = append(docs, d)
		}
	}
	return roaring.BitmapOf(docs...), nil
}

// holds reports whether a key satisfies a condition.
func holds(n search.Terms, key []byte) bool {
	for i := range n.Spans {
		if n.Spans[i].Contains(key) {
			return n.Test == nil || n.Test(key)
		}
	}
	return false
}

// backfilledKey holds the numbers of the parameters with facts whose entries
// were added to versions that were stored already.
func backfilledKey() []byte { return []byte{tagMeta, 'b', 'a', 'c', 'k'} }

// markBackfilled notes that a parameter's facts are not complete, before its
// entries are. It runs between commits.
func (s *Store) markBackfilled(p *search.Param) error {
	number, ok := s.params.number(p)
	table := *s.params.table.Load()
	if !ok || slices.Contains(table.backfilled, number) {
		return nil
	}
	table.backfilled = append(slices.Clone(table.backfilled), number)
	var record []byte
	for _, number := range table.backfilled {
		record = binary.BigEndian.AppendUint16(record, number)
	}
	if err := s.failure.Guard(func() error { return s.db.Set(backfilledKey(), record, lsm.Sync) }); err != nil {
		return s.failure.Set(err)
	}
	s.params.table.Store(&table)
	return nil
}

// loadBackfilled reads what markBackfilled wrote.
func (s *Store) loadBackfilled() error {
	_, err := s.get(backfilledKey(), func(value []byte) error {
		if len(value)%2 != 0 {
			return errRecord
		}
		table := *s.params.table.Load()
		for ; len(value) > 0; value = value[2:] {
			table.backfilled = append(table.backfilled, binary.BigEndian.Uint16(value))
		}
		s.params.table.Store(&table)
		return nil
	})
	return err
}
