package pebble

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/search"
)

// Facts are a version's entries of date parameters, which stand in its v
// record as well. The lists of the index lead from a key to the docs that have
// it; facts lead back. A few docs are so put in the order of a date, or held
// against a range of dates, at 0.7 µs for each, where the index would be walked
// from one end of the range to the other.

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
		b = binary.AppendUvarint(b, uint64(number))
		b = binary.AppendUvarint(b, uint64(len(e.Key)))
		b = append(b, e.Key...)
	}
	return b, nil
}

// A factReader finds the keys that docs have for one parameter.
type factReader struct {
	scan   *scan
	param  *search.Param
	number uint16
}

// each calls fn with the keys of a doc, which are valid until it returns, and
// reports whether fn is to be asked: false where the version was erased. A
// version without facts, of before they were kept, is read as a whole.
func (r *factReader) each(d doc, fn func(key []byte)) (found bool, err error) {
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
	return factReader{scan: r, param: p, number: number}, true
}

// filter keeps the docs of a set that have a key in spans which passes test. It
// reports false, and has done nothing, where the index is the better way.
func (e *evaluation) filter(n search.Terms, set *roaring.Bitmap) (kept *roaring.Bitmap, done bool, err error) {
	if set == nil || !slices.ContainsFunc(n.Spans, func(s search.Span) bool { return !s.Single() }) {
		return nil, false, nil
	}
	all, _ := e.store.live.count(n.Param.Type, e.at)
	if int(set.GetCardinality())*e.store.opt.factSteps > all {
		return nil, false, nil
	}
	r := scan{store: e.store}
	reader, ok := e.store.facts(&r, n.Param)
	if !ok {
		return nil, false, nil
	}
	defer func() { err = errors.Join(err, r.close()) }()
	e.trace.Note("by the dates of what is left")
	e.store.lives.Visible(set, e.at)
	kept = roaring.New()
	for it := set.Iterator(); it.HasNext(); {
		d, matches := it.Next(), false
		if err := e.ctx.Err(); err != nil {
			return nil, true, err
		}
		e.terms.keys++
		_, err := reader.each(doc(d), func(key []byte) { matches = matches || holds(n, key) })
		if err != nil {
			return nil, true, err
		}
		if matches {
			kept.Add(d)
		}
	}
	return kept, true, nil
}

// holds reports whether a key satisfies a condition.
func holds(n search.Terms, key []byte) bool {
	in := slices.ContainsFunc(n.Spans, func(s search.Span) bool { return s.Contains(key) })
	return in && (n.Test == nil || n.Test(key))
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
