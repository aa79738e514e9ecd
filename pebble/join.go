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
// holds: forward from those resources to what refers to them, or, where only a
// few docs are asked about, back from these to what they refer to.
func (e *evaluation) chain(n search.Chain, within *roaring.Bitmap) (*roaring.Bitmap, error) {
	number, ok := e.store.params.number(n.Param)
	if !ok {
		e.trace.Note(store.NotIndexed)
		return roaring.New(), nil
	}
	if within != nil {
		few, err := e.fewer(within, costBody, n.Target, n.Where)
		if err != nil {
			return nil, err
		}
		if few {
			e.trace.Note("from what they refer to")
			return e.chainBack(n, within)
		}
	}
	inner, err := e.part(search.Part{Type: n.Target, Where: n.Where})
	if err != nil {
		return nil, err
	}
	keys, err := e.references(inner)
	if err != nil {
		return nil, err
	}
	only := lists.SegmentsOf(within)
	if within != nil && within.GetCardinality() <= posting.MaxSieve {
		s := posting.NewSieve(within)
		err := e.terms.GatherKeys(e.ctx, s, number, keys, only)
		return s.Set(), err
	}
	var g posting.Gather
	if err := e.terms.GatherKeys(e.ctx, &g, number, keys, only); err != nil {
		return nil, err
	}
	return g.Bitmap(), nil
}

// fewer reports whether looking at each doc of a set, at a cost for each, takes
// less than finding all resources of a type for which a condition holds. It
// leaves in the set what is visible.
func (e *evaluation) fewer(set *roaring.Bitmap, each int, resourceType string, where search.Node) (bool, error) {
	inner, err := e.cost(resourceType, where)
	e.store.lives.Visible(set, e.at)
	return int(set.GetCardinality())*each < inner*costSeek || e.store.opt.joinBack, err
}

// chainBack keeps the docs of a set that refer to a resource for which the
// inner condition holds.
func (e *evaluation) chainBack(n search.Chain, set *roaring.Bitmap) (*roaring.Bitmap, error) {
	referring := map[string][]uint32{}
	var at uint32
	for it := set.Iterator(); it.HasNext(); {
		at = it.Next()
		err := e.eachKeyOf(doc(at), n.Param, func(key []byte) error {
			if target, _, ok := search.ParseReferenceKey(key); ok && target == n.Target {
				referring[string(key)] = append(referring[string(key)], at)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	targets, byDoc := roaring.New(), map[doc][]uint32{}
	for _, key := range sortedKeys(referring) {
		_, id, _ := search.ParseReferenceKey([]byte(key))
		e.terms.Keys++
		c, err := e.scan.currentAt(n.Target, id, e.at)
		if err != nil {
			return nil, err
		}
		if c.doc != 0 && !c.deleted() {
			targets.Add(uint32(c.doc))
			byDoc[c.doc] = referring[key]
		}
	}
	inner, err := e.node(n.Target, n.Where, targets)
	if err != nil {
		return nil, err
	}
	e.store.lives.Visible(inner, e.at)
	kept := roaring.New()
	for it := inner.Iterator(); it.HasNext(); {
		kept.AddMany(byDoc[doc(it.Next())])
	}
	return kept, nil
}

// references are the keys, in order, of references to the resources of a set.
func (e *evaluation) references(set *roaring.Bitmap) (keys [][]byte, err error) {
	_, keys, err = e.keysOf(set)
	slices.SortFunc(keys, bytes.Compare)
	return keys, err
}

// keysOf are the docs of a set and the keys of references to them.
func (e *evaluation) keysOf(set *roaring.Bitmap) (docs []doc, keys [][]byte, err error) {
	keys = make([][]byte, 0, set.GetCardinality())
	for it := set.Iterator(); it.HasNext(); {
		if err := e.ctx.Err(); err != nil {
			return nil, nil, err
		}
		d := doc(it.Next())
		h, resourceType, id, err := e.scan.header(d)
		if err != nil {
			return nil, nil, err
		}
		if !h.erased() {
			docs, keys = append(docs, d), append(keys, search.ReferenceKey(resourceType, id))
		}
	}
	return docs, keys, nil
}

// has finds the docs that a resource for which the inner condition holds
// refers to: forward from those resources, or, where only a few docs are asked
// about, from what refers to these.
func (e *evaluation) has(resourceType string, n search.Has, within *roaring.Bitmap) (_ *roaring.Bitmap, err error) {
	number, ok := e.store.params.number(n.Param)
	if !ok {
		e.trace.Note(store.NotIndexed)
		return roaring.New(), nil
	}
	if within != nil {
		few, err := e.fewer(within, 4*costSeek, n.Param.Type, n.Where)
		if err != nil {
			return nil, err
		}
		if few {
			e.trace.Note("from what refers to them")
			return e.hasBack(n, number, within)
		}
	}
	inner, err := e.part(search.Part{Type: n.Param.Type, Where: n.Where})
	if err != nil || inner.IsEmpty() {
		return roaring.New(), err
	}
	set := roaring.New()
	kind := scanResources
	add := func(key []byte) error {
		target, id, ok := search.ParseReferenceKey(key)
		if !ok || target != resourceType {
			return nil
		}
		e.terms.Keys++
		c, err := e.scan.currentBy(kind, target, id, e.at)
		if err == nil && c.doc != 0 && !c.deleted() {
			set.Add(uint32(c.doc))
		}
		return err
	}
	size := int(inner.GetCardinality())
	if size <= e.store.opt.byEntries && size*costBody < e.resources(resourceType)*costSeek {
		e.trace.Note("by what the matches of the inner search hold")
		return set, e.eachKey(inner, n.Param, add)
	}
	e.trace.Note("walk of the keys")
	kind = scanInOrder
	err = e.terms.KeysOf(e.ctx, number, search.Prefix([]byte(resourceType+"/")), inner, add)
	return set, err
}

// hasBack keeps the docs of a set that a resource refers to for which the inner
// condition holds.
func (e *evaluation) hasBack(n search.Has, number uint16, set *roaring.Bitmap) (*roaring.Bitmap, error) {
	docs, keys, err := e.keysOf(set)
	if err != nil {
		return nil, err
	}
	var g posting.Gather
	if err := e.terms.GatherKeys(e.ctx, &g, number, keys, lists.SegmentsOf(nil)); err != nil {
		return nil, err
	}
	inner, err := e.node(n.Param.Type, n.Where, g.Bitmap())
	if err != nil {
		return nil, err
	}
	e.store.lives.Visible(inner, e.at)
	marks := posting.NewMarks(inner)
	defer marks.Free()
	met := posting.Among{Marks: marks, Limit: 1}
	kept := roaring.New()
	for i, key := range keys {
		met.Docs = met.Docs[:0]
		if err := e.terms.GatherKeys(e.ctx, &met, number, [][]byte{key}, lists.SegmentsOf(nil)); err != nil {
			return nil, err
		}
		if len(met.Docs) > 0 {
			kept.Add(uint32(docs[i]))
		}
	}
	return kept, nil
}

// eachKey calls fn with the keys that the docs of a set have for a parameter.
func (e *evaluation) eachKey(set *roaring.Bitmap, p *search.Param, fn func(key []byte) error) error {
	for it := set.Iterator(); it.HasNext(); {
		if err := e.eachKeyOf(doc(it.Next()), p, fn); err != nil {
			return err
		}
	}
	return nil
}

func (e *evaluation) eachKeyOf(d doc, p *search.Param, fn func(key []byte) error) error {
	if err := e.ctx.Err(); err != nil {
		return err
	}
	v, err := e.scan.version(d)
	if errors.Is(err, errErased) {
		return nil
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
	return nil
}
