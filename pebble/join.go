package pebble

import (
	"bytes"
	"errors"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// chain finds the docs that refer to a resource for which the inner condition
// holds.
func (e *evaluation) chain(n search.Chain, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	number, ok := e.store.params.number(n.Param)
	if !ok {
		e.trace.Note(store.NotIndexed)
		return roaring.New(), nil
	}
	inner, err := e.part(search.Part{Type: n.Target, Where: n.Where})
	if err != nil {
		return nil, err
	}
	keys, err := e.references(inner)
	if err != nil {
		return nil, err
	}
	var g posting.Gather
	if err := e.terms.GatherKeys(e.ctx, &g, number, keys, lists.SegmentsOf(within)); err != nil {
		return nil, err
	}
	return g.Bitmap(), nil
}

// references are the keys, in order, of references to the resources of a set.
func (e *evaluation) references(set *roaring.Bitmap) (keys [][]byte, err error) {
	r := scan{store: e.store}
	defer func() { err = errors.Join(err, r.close()) }()
	keys = make([][]byte, 0, set.GetCardinality())
	for it := set.Iterator(); it.HasNext(); {
		if err := e.ctx.Err(); err != nil {
			return nil, err
		}
		h, resourceType, id, err := r.header(doc(it.Next()))
		if err != nil {
			return nil, err
		}
		if !h.erased() {
			keys = append(keys, search.ReferenceKey(resourceType, id))
		}
	}
	slices.SortFunc(keys, bytes.Compare)
	return keys, nil
}

// has finds the docs that a resource for which the inner condition holds
// refers to.
func (e *evaluation) has(resourceType string, n search.Has) (_ *roaring.Bitmap, err error) {
	number, ok := e.store.params.number(n.Param)
	if !ok {
		e.trace.Note(store.NotIndexed)
		return roaring.New(), nil
	}
	inner, err := e.part(search.Part{Type: n.Param.Type, Where: n.Where})
	if err != nil || inner.IsEmpty() {
		return roaring.New(), err
	}
	set := roaring.New()
	r := scan{store: e.store}
	defer func() { err = errors.Join(err, r.close()) }()
	add := func(key []byte) error {
		target, id, ok := search.ParseReferenceKey(key)
		if !ok || target != resourceType {
			return nil
		}
		e.terms.Keys++
		c, err := r.currentAt(target, id, e.at)
		if err == nil && c.doc != 0 && !c.deleted() {
			set.Add(uint32(c.doc))
		}
		return err
	}
	if int(inner.GetCardinality()) <= e.store.opt.byEntries {
		e.trace.Note("by what the matches of the inner search hold")
		return set, e.eachKey(inner, n.Param, add)
	}
	e.trace.Note("walk of the keys")
	err = e.terms.KeysOf(e.ctx, number, search.Prefix([]byte(resourceType+"/")), inner, add)
	return set, err
}

// eachKey calls fn with the keys that the docs of a set have for a parameter.
func (e *evaluation) eachKey(set *roaring.Bitmap, p *search.Param, fn func(key []byte) error) (err error) {
	r := scan{store: e.store}
	defer func() { err = errors.Join(err, r.close()) }()
	for it := set.Iterator(); it.HasNext(); {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		v, err := r.version(doc(it.Next()))
		if errors.Is(err, errErased) {
			continue
		}
		if err != nil {
			return err
		}
		entries, err := e.store.opt.Extract(v)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if entry.Param.Code != p.Code || entry.Param.Type != p.Type {
				continue
			}
			if err := fn(entry.Key); err != nil {
				return err
			}
		}
	}
	return nil
}
