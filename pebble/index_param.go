package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/search"
)

// markDeleted is the code of the store's own mark for deletions: with $type it
// makes the history of a type.
const markDeleted = "$deleted"

// params numbers the search parameters: a number is given at first sight and
// kept for ever. One goroutine assigns, any may look up.
type params struct {
	names atomic.Pointer[map[string]uint16]
	// cache is names by *search.Param.
	cache sync.Map
}

func loadParams(db *lsm.DB) (*params, error) {
	names := map[string]uint16{}
	it, err := db.NewIter(&lsm.IterOptions{LowerBound: []byte{tagParam}, UpperBound: []byte{tagParam + 1}})
	if err != nil {
		return nil, err
	}
	for ok := it.First(); ok; ok = it.Next() {
		if len(it.Value()) != 2 {
			return nil, errors.Join(fmt.Errorf("%w: param number", errRecord), it.Close())
		}
		names[string(it.Key()[1:])] = binary.BigEndian.Uint16(it.Value())
	}
	p := &params{}
	p.names.Store(&names)
	return p, it.Close()
}

// number is a parameter's number; ok is false where nothing was indexed under
// it yet.
func (p *params) number(param *search.Param) (n uint16, ok bool) {
	if n, ok := p.cache.Load(param); ok {
		return n.(uint16), true
	}
	if n, ok = p.named(param.Key()); ok {
		p.cache.Store(param, n)
	}
	return n, ok
}

// mark is the number of a resource type's mark.
func (p *params) mark(resourceType, code string) (n uint16, ok bool) {
	return p.named(resourceType + "." + code)
}

func (p *params) named(name string) (n uint16, ok bool) {
	n, ok = (*p.names.Load())[name]
	return n, ok
}

// A numbering assigns numbers inside one batch: others see them when the batch
// is applied.
type numbering struct {
	params *params
	batch  *lsm.Batch
	fresh  map[string]uint16
}

func (n *numbering) number(param *search.Param) (uint16, error) {
	if number, ok := n.params.number(param); ok {
		return number, nil
	}
	return n.named(param.Key())
}

func (n *numbering) mark(resourceType, code string) (uint16, error) {
	return n.named(resourceType + "." + code)
}

func (n *numbering) named(name string) (uint16, error) {
	if number, ok := n.params.named(name); ok {
		return number, nil
	}
	if number, ok := n.fresh[name]; ok {
		return number, nil
	}
	next := len(*n.params.names.Load()) + len(n.fresh) + 1
	if next >= 1<<16 {
		return 0, errors.New("pebble: more than 65,535 search parameters")
	}
	if n.fresh == nil {
		n.fresh = map[string]uint16{}
	}
	n.fresh[name] = uint16(next)
	return uint16(next), n.batch.Set(paramKey(name), binary.BigEndian.AppendUint16(nil, uint16(next)), nil)
}

// publish makes the new numbers known.
func (n *numbering) publish() {
	if len(n.fresh) == 0 {
		return
	}
	names := maps.Clone(*n.params.names.Load())
	maps.Copy(names, n.fresh)
	n.params.names.Store(&names)
	n.fresh = nil
}
