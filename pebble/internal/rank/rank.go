// Package rank owns the order of a sorted search: what docs are compared by
// (Row), the first of many without keeping all (Top), and the place at which
// the next page begins.
//
// It leaves to others: where the keys of docs come from, and which way to an
// order is cheapest (pebble).
package rank

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
)

// A Row is a doc with what it is sorted by.
type Row struct {
	Doc posting.Doc
	// Keys has one for each sort key, nil for no value: a key of the parameter,
	// or the resource's id. For the order of time it is nil.
	Keys [][]byte
}

// Compare compares rows by sort keys, and then by doc.
func Compare(a, b *Row, sort []search.SortKey) int {
	for i, k := range sort {
		order := 0
		switch x, y := a.Keys[i], b.Keys[i]; {
		case k.Params == nil && !k.ID:
			order = cmp.Compare(a.Doc, b.Doc)
		case x == nil || y == nil:
			// No value comes last, whatever the direction.
			if order = cmp.Compare(missing(x), missing(y)); order != 0 {
				return order
			}
			continue
		default:
			order = bytes.Compare(x, y)
		}
		if k.Desc {
			order = -order
		}
		if order != 0 {
			return order
		}
	}
	return cmp.Compare(a.Doc, b.Doc)
}

func missing(key []byte) int {
	if key == nil {
		return 1
	}
	return 0
}

// Reset empties a row for another doc.
func (r *Row) Reset(d posting.Doc, keys int) {
	r.Doc = d
	if r.Keys == nil {
		r.Keys = make([][]byte, keys)
	}
	clear(r.Keys)
}

// Offer takes a key of the doc for the sort key at i, of which a row has the
// least, or the greatest where the order descends.
func (r *Row) Offer(i int, key []byte, desc bool) {
	best := r.Keys[i]
	if order := bytes.Compare(key, best); best == nil || order < 0 && !desc || order > 0 && desc {
		r.Keys[i] = append(make([]byte, 0, len(key)), key...)
	}
}

// Behind is the row that begins the order of the sort keys behind the first.
func (r *Row) Behind() *Row {
	if r == nil {
		return nil
	}
	return &Row{Doc: r.Doc, Keys: r.Keys[1:]}
}

// A Top keeps the first rows of many. Its memory is that of the rows that it
// keeps, twice.
type Top struct {
	Sort []search.SortKey
	// N is how many rows are kept, After the row that all come behind; nil for
	// none.
	N     int
	After *Row

	rows []Row
	// full is set once there are N rows that are in order.
	full bool
}

// Add takes a row, which stays the caller's, and reports whether it is among
// the first so far.
func (t *Top) Add(r *Row) bool {
	if t.After != nil && Compare(r, t.After, t.Sort) <= 0 {
		return false
	}
	if t.full && Compare(r, &t.rows[t.N-1], t.Sort) >= 0 {
		return false
	}
	t.rows = append(t.rows, Row{Doc: r.Doc, Keys: slices.Clone(r.Keys)})
	if len(t.rows) >= 2*t.N+64 {
		t.cut()
	}
	return true
}

func (t *Top) cut() {
	slices.SortFunc(t.rows, func(a, b Row) int { return Compare(&a, &b, t.Sort) })
	if len(t.rows) >= t.N {
		clear(t.rows[t.N:])
		t.rows, t.full = t.rows[:t.N], true
	}
}

// Docs are the first docs, in order.
func (t *Top) Docs() []posting.Doc {
	t.cut()
	docs := make([]posting.Doc, len(t.rows))
	for i := range t.rows {
		docs[i] = t.rows[i].Doc
	}
	return docs
}

// AppendCursor writes a row as a cursor: for each sort key its length plus one,
// 0 for no value, and the key; then the doc.
func AppendCursor(b []byte, r *Row) []byte {
	for _, key := range r.Keys {
		if key == nil {
			b = append(b, 0)
			continue
		}
		b = binary.AppendUvarint(b, uint64(len(key))+1)
		b = append(b, key...)
	}
	return AppendDoc(b, r.Doc)
}

// ReadCursor reads what AppendCursor wrote for a number of sort keys; nil is
// the first page.
func ReadCursor(b []byte, keys int) (*Row, error) {
	if b == nil {
		return nil, nil
	}
	r := &Row{Keys: make([][]byte, keys)}
	for i := range keys {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size)+1 {
			return nil, errCursor()
		}
		if b = b[size:]; n > 0 {
			r.Keys[i], b = b[:n-1:n-1], b[n-1:]
		}
	}
	d, err := ReadDoc(b)
	r.Doc = d
	return r, err
}

// AppendDoc and ReadDoc write and read a cursor in the order of time. All have
// one length: a shorter one would tell that there are few versions.
func AppendDoc(b []byte, d posting.Doc) []byte { return binary.BigEndian.AppendUint64(b, uint64(d)) }

// ReadDoc reads what AppendDoc wrote; nil is the first page.
func ReadDoc(b []byte) (posting.Doc, error) {
	if b == nil {
		return 0, nil
	}
	if len(b) != 8 || binary.BigEndian.Uint64(b) > uint64(posting.MaxDoc) {
		return 0, errCursor()
	}
	return posting.Doc(binary.BigEndian.Uint64(b)), nil
}

func errCursor() error {
	return fhir.Errorf(fhir.KindInvalid, "the page link is damaged: its place in the result cannot be read")
}
