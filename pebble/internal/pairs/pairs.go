// Package pairs owns the use of composite parameters in place of two conditions
// (Joint): whether a folder knows of all resources whose pairs were cut
// off, and whether the composite's lists are few enough to read them all.
//
// It leaves to others: what follows where this way is not open (pebble).
package pairs

import (
	"encoding/binary"
	"errors"
	"sync/atomic"

	"github.com/RoaringBitmap/roaring/v2"
	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/search"
)

// Lists that are read at most: before anything else is tried, among conditions
// of which another may leave little, and where a page or a total takes longer
// in another way.
const (
	AtFirst = 64
	Among   = 512
	AtLast  = 4096
)

// An Index says whether a folder's composites can be rested on.
type Index struct{ whole atomic.Bool }

// What the folder's note says. A folder without one has resources that were
// stored before those that are cut off were marked.
const (
	noteWhole = ""  // all that are cut off are marked
	noteCut   = "c" // one is cut off and not marked
)

// Open reads the folder's note under key. Where nothing is sealed, so that all
// entries are made from now on, it leaves one. Where there is none, unknown is
// set: Look finds out.
func (x *Index) Open(db *lsm.DB, key []byte, sealed bool) (unknown bool, err error) {
	note, closer, err := db.Get(key)
	switch {
	case err == nil:
		x.whole.Store(string(note) == noteWhole)
		return false, closer.Close()
	case !errors.Is(err, lsm.ErrNotFound) || sealed:
		return errors.Is(err, lsm.ErrNotFound), ignore(err, lsm.ErrNotFound)
	}
	if err = db.Set(key, []byte(noteWhole), lsm.Sync); err == nil {
		x.whole.Store(true)
	}
	return false, err
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// leastBody is less than the body of any resource of which a pair is left out:
// 4,097 codings of a code each, {"code":"a"} and a comma.
const leastBody = 48 << 10

// Look reads all bodies between two keys, of a folder of before there was a
// note, and leaves one: a resource is cut off if cut says so of its body's key,
// which is asked for long bodies only. It takes about 1 µs for each body, once
// for a folder, and ends where stop says so.
func (x *Index) Look(db *lsm.DB, lower, upper []byte, cut func(key []byte) (bool, error), stop func() bool) (note []byte, err error) {
	it, err := db.NewIter(&lsm.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Error(), it.Close()) }()
	n := 0
	for ok := it.First(); ok; ok = it.Next() {
		if n++; n%1024 == 0 && stop() {
			return nil, nil
		}
		body, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		if !long(body) {
			continue
		}
		if found, err := cut(it.Key()); err != nil {
			return nil, err
		} else if found {
			return []byte(noteCut), nil
		}
	}
	return []byte(noteWhole), nil
}

// Noted takes what Look returned, when it is in the folder.
func (x *Index) Noted(note []byte) { x.whole.Store(string(note) == noteWhole) }

// long reports whether a packed body may have leastBody bytes. One that is
// packed begins with its length, another one with a brace, which is a short
// length.
func long(packed []byte) bool {
	n, _ := binary.Uvarint(packed)
	return n >= leastBody || len(packed) >= leastBody
}

// Few returns the docs for which a joint holds, or nil where another way must
// be taken: the folder does not tell all, or the composite, which has a number,
// has more lists than most.
func (x *Index) Few(t *lists.Reader, number uint16, j *Joint, most int) (*roaring.Bitmap, error) {
	if !x.whole.Load() {
		return nil, nil
	}
	cut := lists.Query{Param: number, Spans: []search.Span{search.Exactly(cutKey)}}
	if _, found, err := t.NextSegment(&cut, 0, false); found || err != nil {
		return nil, err
	}
	return t.Few(j.query(number), most)
}
