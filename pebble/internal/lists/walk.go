package lists

import (
	"bytes"
	"context"
	"errors"

	"github.com/RoaringBitmap/roaring/v2"
	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/tidwall/btree"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
)

// A cursor walks the keys of one param in order, in one place of the index.
type cursor interface {
	// key is the current key, valid until take; nil at the end.
	key() []byte
	// take adds the docs of the current key and goes to the next one.
	take(g posting.Into) error
	close() error
}

// A Walk merges the cursors of files and heads, and of several params, into
// one sequence of keys.
type Walk struct {
	// Desc walks backward.
	Desc    bool
	cursors []cursor
}

// Add adds the keys of a param in a span.
func (w *Walk) Add(t *Reader, param uint16, span search.Span) error {
	for _, h := range t.Heads {
		if p := h.Param(param); p != nil {
			w.cursors = append(w.cursors, newHeadCursor(p, span, w.Desc))
		}
	}
	it, err := t.Iterator(param)
	if err != nil {
		return err
	}
	c := &fileCursor{it: it, span: span, desc: w.Desc}
	w.cursors = append(w.cursors, c)
	return c.start(param)
}

// Key is the next key, nil at the end.
func (w *Walk) Key() (first []byte) {
	for _, c := range w.cursors {
		key := c.key()
		if key == nil {
			continue
		}
		if order := bytes.Compare(key, first); first == nil || order < 0 && !w.Desc || order > 0 && w.Desc {
			first = key
		}
	}
	return first
}

// Take adds the docs of the next key, which key has just returned, and moves on.
func (w *Walk) Take(key []byte, g posting.Into) error {
	for _, c := range w.cursors {
		if k := c.key(); k != nil && bytes.Equal(k, key) {
			if err := c.take(g); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close lets go of the files.
func (w *Walk) Close() (err error) {
	for _, c := range w.cursors {
		err = errors.Join(err, c.close())
	}
	return err
}

// A fileCursor walks the sealed terms. A key has one list for each segment.
type fileCursor struct {
	it   *lsm.Iterator
	span search.Span
	desc bool
	ok   bool
	now  []byte
}

func (c *fileCursor) start(param uint16) error {
	from := Key(nil, param, c.span.From, 0)
	from = from[:len(from)-4]
	switch {
	case !c.desc:
		// A key before From sorts behind it where it is a prefix of it.
		for c.ok = c.it.SeekGE(from); c.ok && bytes.Compare(c.at(), c.span.From) < 0; c.ok = c.it.Next() {
		}
	case c.span.To == nil:
		c.ok = c.it.Last()
	default:
		to := Key(nil, param, c.span.To, 0)
		ok := c.it.SeekGE(to[:len(to)-4])
		for ok && bytes.Compare(c.at(), c.span.To) < 0 {
			ok = c.it.Next()
		}
		if ok {
			c.ok = c.it.Prev()
		} else {
			c.ok = c.it.Last()
		}
	}
	return c.settle()
}

func (c *fileCursor) at() []byte {
	key, _ := Split(c.it.Key())
	return key
}

// settle notes the key that the iterator stands on, or the end.
func (c *fileCursor) settle() error {
	if !c.ok || !c.span.Contains(c.at()) {
		c.now = nil
		return c.it.Error()
	}
	c.now = append(c.now[:0], c.at()...)
	if c.now == nil {
		c.now = []byte{}
	}
	return nil
}

func (c *fileCursor) key() []byte { return c.now }

func (c *fileCursor) take(g posting.Into) error {
	for c.ok {
		key, segment := Split(c.it.Key())
		if !bytes.Equal(key, c.now) {
			break
		}
		if err := g.Add(segment, c.it.Value()); err != nil {
			return err
		}
		if c.desc {
			c.ok = c.it.Prev()
		} else {
			c.ok = c.it.Next()
		}
	}
	return c.settle()
}

func (c *fileCursor) close() error { return c.it.Close() }

// A headCursor walks the terms of one head, as it was at the start.
type headCursor struct {
	it   btree.IterG[posting.Posting]
	span search.Span
	desc bool
	ok   bool
}

func newHeadCursor(p *posting.HeadParam, span search.Span, desc bool) *headCursor {
	c := &headCursor{it: p.Snapshot().Iter(), span: span, desc: desc}
	switch {
	case !desc:
		c.ok = c.it.Seek(posting.Posting{Key: span.From})
	case span.To != nil && c.it.Seek(posting.Posting{Key: span.To}):
		c.ok = c.it.Prev()
	default:
		c.ok = c.it.Last()
	}
	return c
}

func (c *headCursor) key() []byte {
	if !c.ok || !c.span.Contains(c.it.Item().Key) {
		return nil
	}
	return c.it.Item().Key
}

func (c *headCursor) take(g posting.Into) error {
	g.AddDocs(c.it.Item().Docs())
	if c.desc {
		c.ok = c.it.Prev()
	} else {
		c.ok = c.it.Next()
	}
	return nil
}

func (c *headCursor) close() error {
	c.it.Release()
	return nil
}

// KeysOf calls fn for the keys in a span that a doc of set has.
func (t *Reader) KeysOf(ctx context.Context, param uint16, span search.Span, set *roaring.Bitmap, fn func(key []byte) error) (err error) {
	w := &Walk{}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.Add(t, param, span); err != nil {
		return err
	}
	marks := posting.NewMarks(set)
	defer marks.Free()
	met := posting.Among{Marks: marks, Limit: 1}
	var key []byte
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		next := w.Key()
		if next == nil {
			return nil
		}
		key = append(key[:0], next...)
		t.Keys++
		met.Docs = met.Docs[:0]
		if err := w.Take(key, &met); err != nil {
			return err
		}
		if len(met.Docs) > 0 {
			if err := fn(key); err != nil {
				return err
			}
		}
	}
}
