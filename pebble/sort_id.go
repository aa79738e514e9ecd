package pebble

import (
	"bytes"

	"github.com/RoaringBitmap/roaring/v2"
	lsm "github.com/cockroachdb/pebble/v2"
)

// idSteps is how many resources are passed in the order of their ids rather
// than read the id of one doc.
const idSteps = 4

// orderedByID orders docs by their ids: by a walk of the resources, which are in
// that order, where it soon meets enough of the set, otherwise by reading the
// ids.
func (e *evaluation) orderedByID(set *roaring.Bitmap, by sorting) ([]doc, error) {
	size := int(set.GetCardinality())
	if len(e.types) != 1 || e.resources(e.types[0])/size*min(by.n, size) > size*idSteps {
		e.trace.Note("read of the ids")
		return e.sortRows(set, by)
	}
	e.trace.Note("walk of the ids")
	return e.walkIDs(set, by)
}

// walkIDs walks the resources of the plan's type. Ids are unique among them, so
// that further sort keys do not matter.
func (e *evaluation) walkIDs(set *roaring.Bitmap, by sorting) (docs []doc, err error) {
	lower := resourceKey(nil, e.types[0], "")
	upper := bytes.Clone(lower)
	upper[len(upper)-1]++ // behind the zero that ends the type
	it, err := e.store.db.NewIter(&lsm.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	next := it.Next
	if by.sort[0].Desc {
		next = it.Prev
	}
	size := int(set.GetCardinality())
	n := 0
	for ok := e.startIDs(it, lower, by); ok && err == nil && len(docs) < min(by.n, size); ok = next() {
		if n++; n%1024 == 0 {
			err = e.ctx.Err()
		}
		var c current
		if err == nil {
			e.terms.Keys++
			c, err = readCurrent(it.Value())
		}
		for err == nil && c.doc > e.at {
			c, err = e.store.before(c)
		}
		if err == nil && set.Contains(uint32(c.doc)) {
			docs = append(docs, c.doc)
		}
	}
	if err == nil {
		err = it.Error()
	}
	if closed := it.Close(); err == nil {
		err = closed
	}
	return docs, err
}

// startIDs places an iterator behind the row that the page follows.
func (e *evaluation) startIDs(it *lsm.Iterator, lower []byte, by sorting) bool {
	desc := by.sort[0].Desc
	switch {
	case by.after == nil && desc:
		return it.Last()
	case by.after == nil:
		return it.First()
	}
	at := append(bytes.Clone(lower), by.after.Keys[0]...)
	if desc {
		return it.SeekLT(at)
	}
	return it.SeekGE(append(at, 0))
}
