package pebble

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"github.com/tidwall/btree"

	"github.com/tarnhealth/tarn/search"
)

// A head holds the terms of docs that are not sealed yet, in memory. One
// goroutine adds, any number read.
//
// Each param has an ordered tree of its own under a mutex. A point read holds
// the mutex for one look-up. A range read takes a copy of the tree, which is
// one pointer: the writer afterwards copies the nodes that it puts new keys
// into, so a long walk neither waits for writes nor holds them up, and where
// nobody walks, nothing is copied. The docs of a key are not in the tree: they
// are only ever appended to, which needs no lock.
type head struct {
	// first and last are the docs that the head covers; last is 0 while empty.
	first doc
	last  atomic.Uint32
	// bytes is roughly the memory that the head takes.
	bytes atomic.Int64
	// params is indexed by param number.
	params atomic.Pointer[[]*headParam]

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
	posting
}

// metKeys is how many keys a head remembers, a power of two.
const metKeys = 1024

type headParam struct {
	mu   sync.RWMutex
	tree *btree.BTreeG[posting]
}

// A posting is one key and the docs that have it.
type posting struct {
	key  []byte
	list *docList
}

func (p posting) docs() []doc { return p.list.docs() }

// A docList is ascending docs. One goroutine appends, any number read.
type docList struct {
	n atomic.Uint32
	// first is the list while it has one doc, as most have.
	first [1]doc
	// more is the list, at its full capacity, once it has had two.
	more atomic.Pointer[[]doc]
}

// docs is the list as it is now; nothing for nil.
func (l *docList) docs() []doc {
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
func (l *docList) add(d doc) bool {
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
			grown := make([]doc, max(4, 2*n))
			copy(grown, list)
			l.more.Store(&grown)
			more = &grown
		}
		(*more)[n] = d
	}
	l.n.Store(uint32(n + 1))
	return true
}

// A term is one entry with its param's number.
type term struct {
	param uint16
	key   []byte
}

// postingBytes is what a posting takes beside its key and docs.
const postingBytes = 64

func newHead(first doc) *head {
	h := &head{first: first}
	h.params.Store(new([]*headParam))
	return h
}

func (h *head) empty() bool { return h.last.Load() == 0 }

// docs is the number of docs in the head.
func (h *head) docs() int {
	if h.empty() {
		return 0
	}
	return int(h.last.Load()) - int(h.first) + 1
}

// add adds the terms of a doc, which is higher than all before.
func (h *head) add(d doc, terms []term) {
	for _, t := range terms {
		if h.list(t).add(d) {
			h.bytes.Add(4)
		}
	}
	h.last.Store(uint32(d))
}

// list is the docs of a term, none where it is new.
func (h *head) list(t term) *docList {
	if h.met == nil {
		h.met = make([]metKey, metKeys)
	}
	slot := &h.met[(xxhash.Sum64(t.key)+uint64(t.param))%metKeys]
	if slot.list == nil || slot.param != t.param || !bytes.Equal(slot.key, t.key) {
		*slot = metKey{t.param, h.grow(t.param).posting(h, t.key)}
	}
	return slot.list
}

func (h *head) param(number uint16) *headParam {
	if p := *h.params.Load(); int(number) < len(p) {
		return p[number]
	}
	return nil
}

// grow returns a param's tree, making it where it is not there.
func (h *head) grow(number uint16) *headParam {
	if p := h.param(number); p != nil {
		return p
	}
	old := *h.params.Load()
	list := make([]*headParam, max(len(old), int(number)+1))
	copy(list, old)
	p := &headParam{tree: btree.NewBTreeGOptions(lessPosting, btree.Options{NoLocks: true})}
	list[number] = p
	h.params.Store(&list)
	return p
}

// drop forgets the terms of params. Their numbers may not come again.
func (h *head) drop(numbers []uint16) {
	list := slices.Clone(*h.params.Load())
	for _, number := range numbers {
		if int(number) < len(list) {
			list[number] = nil
		}
	}
	h.params.Store(&list)
}

func lessPosting(a, b posting) bool { return bytes.Compare(a.key, b.key) < 0 }

// posting returns the posting of a key, making it where it is not there.
func (p *headParam) posting(h *head, key []byte) posting {
	var path btree.PathHint
	p.mu.Lock()
	defer p.mu.Unlock()
	found, ok := p.tree.GetHint(posting{key: key}, &path)
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
func (h *head) cut(key []byte) posting {
	h.bytes.Add(int64(len(key)) + postingBytes)
	if len(h.lists) == 0 {
		h.lists = make([]docList, listBlock)
	}
	list := &h.lists[0]
	h.lists = h.lists[1:]
	if len(key) > keyBlock/16 {
		return posting{bytes.Clone(key), list}
	}
	if cap(h.keys)-len(h.keys) < len(key) {
		h.keys = make([]byte, 0, keyBlock)
	}
	start := len(h.keys)
	h.keys = append(h.keys, key...)
	return posting{h.keys[start:len(h.keys):len(h.keys)], list}
}

// get returns the docs of one key.
func (p *headParam) get(key []byte) []doc {
	p.mu.RLock()
	defer p.mu.RUnlock()
	found, _ := p.tree.Get(posting{key: key})
	return found.docs()
}

// snapshot is the tree as it is now.
func (p *headParam) snapshot() *btree.BTreeG[posting] {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tree.IsoCopy()
}

// scan calls fn for the postings with keys in span, in order, until it fails.
func (p *headParam) scan(span search.Span, fn func(posting) error) (err error) {
	p.snapshot().Ascend(posting{key: span.From}, func(found posting) bool {
		if span.To != nil && bytes.Compare(found.key, span.To) >= 0 {
			return false
		}
		err = fn(found)
		return err == nil
	})
	return err
}
