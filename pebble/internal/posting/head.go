package posting

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/btree"

	"github.com/tarnhealth/tarn/search"
)

// A Head holds the terms of docs that are not sealed yet, in memory. One
// goroutine adds, any number read.
//
// Each param has an ordered tree of its own under a mutex. A point read holds
// the mutex for one look-up. A range read takes a copy of the tree, which is
// one pointer: the writer afterwards copies the nodes that it puts new keys
// into, so a long walk neither waits for writes nor holds them up, and where
// nobody walks, nothing is copied. The docs of a key are not in the tree: they
// are only ever appended to, which needs no lock.
type Head struct {
	// first and last are the docs that the head covers; last is 0 while empty.
	First Doc
	Last  atomic.Uint32
	// bytes is roughly the memory that the head takes.
	Bytes atomic.Int64
	// params is indexed by param number.
	Params atomic.Pointer[[]*HeadParam]

	// The writer's own: the keys that it met last, by hash, and memory to cut
	// keys and lists from, which lives as long as the head does.
	met   []metKey
	keys  []byte
	lists []docList
}

// A metKey saves looking for a key in the tree again: most versions have keys
// that others before them had.
type metKey struct {
	param uint16
	Posting
}

// metKeys is how many keys a head remembers, a power of two.
const metKeys = 1024

// A HeadParam is the terms of one param.
type HeadParam struct {
	mu   sync.RWMutex
	tree *btree.BTreeG[Posting]
}

// A Posting is one key and the docs that have it.
type Posting struct {
	Key  []byte
	list *docList
}

// Docs are the docs that have the key, as they are now, ascending. Read-only.
func (p Posting) Docs() []Doc { return p.list.docs() }

// A docList is ascending docs. One goroutine appends, any number read.
type docList struct {
	n atomic.Uint32
	// first is the list while it has one doc, as most have.
	first [1]Doc
	// more is the list, at its full capacity, once it has had two.
	more atomic.Pointer[[]Doc]
}

// docs is the list as it is now; nothing for nil.
func (l *docList) docs() []Doc {
	if l == nil {
		return nil
	}
	// The length goes first: it is raised when the docs below it are there.
	n := l.n.Load()
	if more := l.more.Load(); more != nil {
		return (*more)[:n:n]
	}
	return l.first[:n:n]
}

// add appends a doc that is not below the last one, and reports whether it was
// not the last one already.
func (l *docList) add(d Doc) bool {
	list := l.docs()
	n := len(list)
	switch {
	case n == 0:
		l.first[0] = d
	case list[n-1] == d:
		return false
	default:
		more := l.more.Load()
		if more == nil || n == len(*more) {
			grown := make([]Doc, max(4, 2*n))
			copy(grown, list)
			l.more.Store(&grown)
			more = &grown
		}
		(*more)[n] = d
	}
	l.n.Store(uint32(n + 1))
	return true
}

// A Term is one entry with its param's number.
type Term struct {
	Param uint16
	Key   []byte
}

// postingBytes is what a posting takes beside its key and docs.
const postingBytes = 64

// NewHead returns an empty head for docs from first on.
func NewHead(first Doc) *Head {
	h := &Head{First: first}
	h.Params.Store(new([]*HeadParam))
	return h
}

// Empty reports whether no doc was added.
func (h *Head) Empty() bool { return h.Last.Load() == 0 }

// Docs is the number of docs in the head.
func (h *Head) Docs() int {
	if h.Empty() {
		return 0
	}
	return int(h.Last.Load()) - int(h.First) + 1
}

// Add adds the terms of a doc, which is higher than all before.
func (h *Head) Add(d Doc, terms []Term) {
	for _, t := range terms {
		if h.list(t).add(d) {
			h.Bytes.Add(4)
		}
	}
	h.Last.Store(uint32(d))
}

// list is the docs of a term, none where it is new.
func (h *Head) list(t Term) *docList {
	if h.met == nil {
		h.met = make([]metKey, metKeys)
	}
	slot := &h.met[(xxhash.Sum64(t.Key)+uint64(t.Param))%metKeys]
	if slot.list == nil || slot.param != t.Param || !bytes.Equal(slot.Key, t.Key) {
		*slot = metKey{t.Param, h.grow(t.Param).posting(h, t.Key)}
	}
	return slot.list
}

// Param is the terms of a param, nil where there are none.
func (h *Head) Param(number uint16) *HeadParam {
	if p := *h.Params.Load(); int(number) < len(p) {
		return p[number]
	}
	return nil
}

// grow returns a param's tree, making it where it is not there.
func (h *Head) grow(number uint16) *HeadParam {
	if p := h.Param(number); p != nil {
		return p
	}
	old := *h.Params.Load()
	list := make([]*HeadParam, max(len(old), int(number)+1))
	copy(list, old)
	p := &HeadParam{tree: btree.NewBTreeGOptions(lessPosting, btree.Options{NoLocks: true})}
	list[number] = p
	h.Params.Store(&list)
	return p
}

// Drop forgets the terms of params. Their numbers may not come again.
func (h *Head) Drop(numbers []uint16) {
	list := slices.Clone(*h.Params.Load())
	for _, number := range numbers {
		if int(number) < len(list) {
			list[number] = nil
		}
	}
	h.Params.Store(&list)
}

func lessPosting(a, b Posting) bool { return bytes.Compare(a.Key, b.Key) < 0 }

// posting returns the posting of a key, making it where it is not there.
func (p *HeadParam) posting(h *Head, key []byte) Posting {
	var path btree.PathHint
	p.mu.Lock()
	defer p.mu.Unlock()
	found, ok := p.tree.GetHint(Posting{Key: key}, &path)
	if !ok {
		found = h.cut(key)
		p.tree.SetHint(found, &path)
	}
	return found
}

// Sizes of what a head cuts keys and lists from.
const (
	keyBlock  = 16 << 10
	listBlock = 256
)

// cut makes an empty posting with a key of its own.
func (h *Head) cut(key []byte) Posting {
	h.Bytes.Add(int64(len(key)) + postingBytes)
	if len(h.lists) == 0 {
		h.lists = make([]docList, listBlock)
	}
	list := &h.lists[0]
	h.lists = h.lists[1:]
	if len(key) > keyBlock/16 {
		return Posting{bytes.Clone(key), list}
	}
	if cap(h.keys)-len(h.keys) < len(key) {
		h.keys = make([]byte, 0, keyBlock)
	}
	start := len(h.keys)
	h.keys = append(h.keys, key...)
	return Posting{h.keys[start:len(h.keys):len(h.keys)], list}
}

// Get returns the docs of one key.
func (p *HeadParam) Get(key []byte) []Doc {
	p.mu.RLock()
	defer p.mu.RUnlock()
	found, _ := p.tree.Get(Posting{Key: key})
	return found.Docs()
}

// Snapshot is the tree as it is now.
func (p *HeadParam) Snapshot() *btree.BTreeG[Posting] {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tree.IsoCopy()
}

// Peek calls fn for the first postings with keys in span, at most n of them, and
// reports whether there are more. It holds the tree meanwhile, and copies
// nothing.
func (p *HeadParam) Peek(span search.Span, n int, fn func(Posting)) (more bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	p.tree.Ascend(Posting{Key: span.From}, func(found Posting) bool {
		if span.To != nil && bytes.Compare(found.Key, span.To) >= 0 {
			return false
		}
		if n == 0 {
			more = true
			return false
		}
		n--
		fn(found)
		return true
	})
	return more
}

// Scan calls fn for the postings with keys in span, in order, until it fails.
func (p *HeadParam) Scan(span search.Span, fn func(Posting) error) (err error) {
	p.Snapshot().Ascend(Posting{Key: span.From}, func(found Posting) bool {
		if span.To != nil && bytes.Compare(found.Key, span.To) >= 0 {
			return false
		}
		err = fn(found)
		return err == nil
	})
	return err
}
