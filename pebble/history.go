package pebble

import (
	"context"
	"errors"

	"github.com/RoaringBitmap/roaring/v2"
	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// changes walks the versions after a time, oldest first.
func (s *Store) changes(after store.T, last doc, yield func(store.Version, error) bool) error {
	if after >= store.T(last) {
		return nil
	}
	return s.walk(doc(after)+1, last, false, yield)
}

// walk yields the versions from first to last, forward or backward.
func (s *Store) walk(first, last doc, back bool, yield func(store.Version, error) bool) error {
	it, err := s.db.NewIter(&lsm.IterOptions{LowerBound: docKey(tagVersion, first), UpperBound: docKey(tagVersion, last+1)})
	if err != nil {
		return err
	}
	begin, next := it.First, it.Next
	if back {
		begin, next = it.Last, it.Prev
	}
	for ok := begin(); ok; ok = next() {
		v, err := s.walked(it)
		if errors.Is(err, errErased) {
			continue
		}
		if err != nil {
			return errors.Join(err, it.Close())
		}
		if !yield(v, nil) {
			break
		}
	}
	return errors.Join(it.Error(), it.Close())
}

func (s *Store) walked(it *lsm.Iterator) (store.Version, error) {
	h, resourceType, id, err := readVersion(it.Value())
	if err != nil {
		return store.Version{}, err
	}
	return s.withBody(docOf(it.Key()), &h, resourceType, id)
}

// history yields versions, newest first: of an instance along its chain, of
// the system along the log, of a type along its marks, of parts by the index.
func (v *view) history(ctx context.Context, q store.History, yield func(store.Version, error) bool) error {
	first, last, err := v.stretch(q)
	if err != nil || first > last {
		return err
	}
	switch {
	case q.Parts != nil:
		e := v.evaluation(ctx)
		return errors.Join(v.among(e, q, first, last, yield), e.close())
	case q.ID != "":
		return v.instanceHistory(q, first, last, yield)
	case q.Type != "":
		return v.typeHistory(q.Type, first, last, yield)
	}
	return v.store.walk(first, last, true, yield)
}

// stretch turns the bounds of a history into docs.
func (v *view) stretch(q store.History) (first, last doc, err error) {
	first, last = 1, v.at
	if q.Before != 0 && q.Before <= store.T(last) {
		last = doc(q.Before) - 1
	}
	if !q.Until.IsZero() {
		// What was written at Until is in.
		until, err := v.store.docsBefore(q.Until.UnixMicro()+1, last)
		if err != nil {
			return 0, 0, err
		}
		last = until
	}
	if !q.Since.IsZero() {
		before, err := v.store.docsBefore(ceilMicros(q.Since), last)
		if err != nil {
			return 0, 0, err
		}
		first = before + 1
	}
	return first, last, nil
}

func (v *view) instanceHistory(q store.History, first, last doc, yield func(store.Version, error) bool) error {
	s := v.store
	c, err := s.currentAt(q.Type, q.ID, last)
	for err == nil && c.doc >= first {
		version, err := s.withBody(c.doc, &c.header, q.Type, q.ID)
		if err != nil && !errors.Is(err, errErased) {
			return err
		}
		if err == nil && !yield(version, nil) {
			return nil
		}
		if c, err = s.before(c); err != nil {
			return err
		}
	}
	return err
}

// typeHistory goes from segment to segment, so that a page reads little.
func (v *view) typeHistory(resourceType string, first, last doc, yield func(store.Version, error) bool) error {
	t := v.store.terms()
	for segment := int(last.Segment()); segment >= int(first.Segment()); segment-- {
		start := uint32(segment) << segmentBits
		within := roaring.BitmapOf(start)
		set, err := v.store.mark(t, resourceType, search.MarkType, within)
		if err != nil {
			return err
		}
		deleted, err := v.store.mark(t, resourceType, markDeleted, within)
		if err != nil {
			return err
		}
		set.Or(deleted)
		bounds := roaring.New()
		bounds.AddRange(uint64(max(start, uint32(first))), min(uint64(start)+1<<segmentBits, uint64(last)+1))
		set.And(bounds)
		for it := set.ReverseIterator(); it.HasNext(); {
			version, err := v.store.version(doc(it.Next()))
			if errors.Is(err, errErased) {
				continue
			}
			if err != nil {
				return err
			}
			if !yield(version, nil) {
				return nil
			}
		}
	}
	return nil
}
