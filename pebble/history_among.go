package pebble

import (
	"errors"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// among yields the versions for which the parts of a history hold, newest first.
// The index has the entries of every version, those that were superseded too.
func (v *view) among(e *evaluation, q store.History, first, last doc, yield func(store.Version, error) bool) error {
	held, deleted := roaring.New(), roaring.New()
	for _, part := range q.Parts {
		if q.Type != "" && part.Type != q.Type {
			continue
		}
		set, err := e.ever(part.Type, part.Where)
		if err != nil {
			return err
		}
		held.Or(set)
		if set, err = v.store.mark(e.terms, part.Type, markDeleted, nil); err != nil {
			return err
		}
		deleted.Or(set)
	}
	all := roaring.Or(held, deleted)
	all.RemoveRange(0, uint64(first))
	all.RemoveRange(uint64(last)+1, 1<<32)
	for it := all.ReverseIterator(); it.HasNext(); {
		d := doc(it.Next())
		if err := e.ctx.Err(); err != nil {
			return err
		}
		wanted, err := true, error(nil)
		if deleted.Contains(uint32(d)) {
			wanted, err = v.store.follows(d, held)
		}
		var version store.Version
		if wanted && err == nil {
			version, err = v.store.version(d)
		}
		if err == nil && !wanted || errors.Is(err, errErased) {
			continue
		}
		if err != nil || !yield(version, nil) {
			return err
		}
	}
	return nil
}

// follows reports whether the version with content before a deletion is in a set.
func (s *Store) follows(d doc, set *roaring.Bitmap) (bool, error) {
	h, _, _, err := s.header(d)
	c := current{d, h}
	for err == nil && c.doc != 0 && (c.deleted() || c.erased()) {
		c, err = s.before(c)
	}
	return c.doc != 0 && set.Contains(uint32(c.doc)), err
}

// ever returns the docs of a type for which n holds, also those that were
// superseded. What n asks of other resources is asked of the visible ones.
func (e *evaluation) ever(resourceType string, n search.Node) (*roaring.Bitmap, error) {
	switch n := n.(type) {
	case search.Terms:
		if n.Recheck != nil {
			return nil, fmt.Errorf("pebble: a history cannot ask for %s, which takes a look at the resource", n.Param.Code)
		}
	case search.IDs:
		set := roaring.New()
		for _, id := range n.IDs {
			if err := e.versionsOf(resourceType, id, set); err != nil {
				return nil, err
			}
		}
		return set, nil
	case search.And:
		sets, err := e.everEach(resourceType, n)
		if err != nil || len(sets) > 0 {
			return roaring.FastAnd(sets...), err
		}
		return e.all(resourceType, nil)
	case search.Or:
		sets, err := e.everEach(resourceType, n)
		return roaring.FastOr(sets...), err
	case search.Not:
		set, err := e.all(resourceType, nil)
		if err != nil {
			return nil, err
		}
		without, err := e.ever(resourceType, n.Node)
		if err == nil {
			set.AndNot(without)
		}
		return set, err
	case search.Has:
		return e.everHas(resourceType, n)
	}
	return e.evaluate(resourceType, n, nil)
}

func (e *evaluation) everEach(resourceType string, nodes []search.Node) (sets []*roaring.Bitmap, err error) {
	for _, n := range nodes {
		set, err := e.ever(resourceType, n)
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// everHas is the versions of the resources that a resource refers to for which
// the inner condition holds.
func (e *evaluation) everHas(resourceType string, n search.Has) (*roaring.Bitmap, error) {
	set := roaring.New()
	inner, err := e.part(search.Part{Type: n.Param.Type, Where: n.Where})
	if err != nil {
		return nil, err
	}
	return set, e.eachKey(inner, n.Param, func(key []byte) error {
		target, id, ok := search.ParseReferenceKey(key)
		if !ok || target != resourceType {
			return nil
		}
		return e.versionsOf(resourceType, id, set)
	})
}

// versionsOf adds the versions of a resource that have content.
func (e *evaluation) versionsOf(resourceType, id string, set *roaring.Bitmap) error {
	c, err := e.scan.currentAt(resourceType, id, e.at)
	for err == nil && c.doc != 0 {
		if !c.deleted() && !c.erased() {
			set.Add(uint32(c.doc))
		}
		c, err = e.store.before(c)
	}
	return err
}
