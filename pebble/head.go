package pebble

import (
	"bytes"
	"sync"
	"sync/atomic"

	"github.com/tidwall/btree"

	"github.com/tarnhealth/tarn/search"
)

// A head holds the terms of docs that are not sealed yet, in memory. One
// goroutine adds, any number read.
//
// Each param has an ordered tree of its own under a mutex. A point read holds
// the mutex for one look-up. A range read takes a copy of the tree, which is
// one pointer: the writer afterwards copies the nodes that it changes, so a
// long walk neither waits for writes nor holds them up, and where nobody walks,
// nothing is copied. Docs are only ever appended to a posting, behind the
// length that a reader saw.
type head struct {
	// first and last are the docs that the head covers; last is 0 while empty.
	first doc
	last  atomic.Uint32
	// bytes is roughly the memory that the head takes.
	bytes atomic.Int64
	// params is indexed by param number.
	params atomic.Pointer[[]*headParam]
}

type headParam struct {
	mu   sync.RWMutex
	tree *btree.BTreeG[posting]
}

// A posting is one key and the docs that have it, ascending.
type posting struct {
	key  []byte
	docs []doc
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
		h.grow(t.param).add(h, d, t.key)
	}
	h.last.Store(uint32(d))
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

func lessPosting(a, b posting) bool { return bytes.Compare(a.key, b.key) < 0 }

func (p *headParam) add(h *head, d doc, key []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, ok := p.tree.Get(posting{key: key})
	if !ok {
		found.key = bytes.Clone(key)
		h.bytes.Add(int64(len(key)) + postingBytes)
	} else if found.docs[len(found.docs)-1] == d {
		return
	}
	found.docs = append(found.docs, d)
	h.bytes.Add(4)
	p.tree.Set(found)
}

// get returns the docs of one key.
func (p *headParam) get(key []byte) []doc {
	p.mu.RLock()
	defer p.mu.RUnlock()
	found, _ := p.tree.Get(posting{key: key})
	return found.docs
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
