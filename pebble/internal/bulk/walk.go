package bulk

import (
	"encoding/binary"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

// A Walk finds the records of one kind by ascending docs.
type Walk struct {
	it  *lsm.Iterator
	tag byte
	key [9]byte
}

// near is how many records are passed over rather than sought across.
const near = 8

// Open begins a walk from first to last.
func (w *Walk) Open(db *lsm.DB, tag byte, first, last posting.Doc) (err error) {
	w.tag = tag
	w.it, err = db.NewIter(&lsm.IterOptions{
		LowerBound: appendKey(nil, tag, first),
		UpperBound: binary.BigEndian.AppendUint64([]byte{tag}, uint64(last)+1),
	})
	if err == nil {
		w.it.First()
	}
	return err
}

// At is the record of a doc, valid until the next call; nil where there is
// none.
func (w *Walk) At(d posting.Doc) ([]byte, error) {
	n := 0
	for ; n < near && w.before(d); n++ {
		w.it.Next()
	}
	if n == near && w.before(d) {
		w.it.SeekGE(appendKey(w.key[:0], w.tag, d))
	}
	if !w.it.Valid() || docOf(w.it.Key()) != d {
		return nil, w.it.Error()
	}
	return w.it.ValueAndErr()
}

func (w *Walk) before(d posting.Doc) bool { return w.it.Valid() && docOf(w.it.Key()) < d }

func docOf(key []byte) posting.Doc { return posting.Doc(binary.BigEndian.Uint64(key[1:])) }

// Close ends the walk.
func (w *Walk) Close() error {
	if w.it == nil {
		return nil
	}
	return w.it.Close()
}
