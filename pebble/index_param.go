package pebble

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"sync/atomic"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/pebble/internal/keyrange"
	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/search"
)

// markDeleted is the code of the store's own mark for deletions: with $type it
// makes the history of a type.
const markDeleted = "$deleted"

// params numbers the search parameters: a number is given at first sight and
// kept until the parameter is forgotten; no other parameter gets it then. One goroutine assigns, any may look up.
type params struct {
	table atomic.Pointer[paramTable]
	// last is the highest number given. It belongs to who assigns.
	last int
	// groupings are the lists.Grouping by number, of the parameters that were
	// asked for: all that a head has terms of.
	groupings sync.Map
}

// A paramTable is the numbers as they are at a time.
type paramTable struct {
	names map[string]uint16
	// cache is names by *search.Param. Where a name goes, the next table has
	// another one.
	cache *sync.Map
	// backfilled are the numbers of parameters whose facts are not complete.
	backfilled []uint16
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
	value, closer, err := db.Get(numbersKey())
	if err == nil {
		p.last, err = strconv.Atoi(string(value))
		err = errors.Join(err, closer.Close())
	}
	if err != nil && !errors.Is(err, lsm.ErrNotFound) {
		return nil, errors.Join(err, it.Close())
	}
	for _, number := range names {
		p.last = max(p.last, int(number))
	}
	p.table.Store(&paramTable{names: names, cache: &sync.Map{}})
	return p, it.Close()
}

// numbersKey holds the highest number ever given, where names may not tell.
func numbersKey() []byte { return []byte{tagMeta, 'n', 'u', 'm', 'b', 'e', 'r', 's'} }

// given are the numbers that are in use.
func (p *params) given() map[uint16]bool {
	given := map[uint16]bool{}
	for _, number := range p.table.Load().names {
		given[number] = true
	}
	return given
}

// number is a parameter's number; ok is false where nothing was indexed under
// it yet.
func (p *params) number(param *search.Param) (n uint16, ok bool) {
	t := p.table.Load()
	if n, ok := t.cache.Load(param); ok {
		return n.(uint16), true
	}
	if n, ok = t.names[param.Key()]; ok {
		p.group(param, n)
		t.cache.Store(param, n)
	}
	return n, ok
}

// group notes how the keys of a parameter are grouped when they are sealed.
func (p *params) group(param *search.Param, number uint16) {
	if g := groupingOf(param); g != lists.Ungrouped {
		p.groupings.Store(number, g)
	}
}

// grouping is what group noted.
func (p *params) grouping(number uint16) lists.Grouping {
	if g, ok := p.groupings.Load(number); ok {
		return g.(lists.Grouping)
	}
	return lists.Ungrouped
}

// groupingOf is how the keys of a parameter are grouped.
func groupingOf(param *search.Param) lists.Grouping {
	if param.Def == nil {
		return lists.Ungrouped
	}
	switch param.Def.Type {
	case definition.ParamDate:
		return lists.Dates
	case definition.ParamNumber:
		return lists.Numbers
	case definition.ParamQuantity:
		return lists.Quantities
	case definition.ParamString:
		return lists.Strings
	}
	return lists.Ungrouped
}

// mark is the number of a resource type's mark.
func (p *params) mark(resourceType, code string) (n uint16, ok bool) {
	return p.named(resourceType + "." + code)
}

func (p *params) named(name string) (n uint16, ok bool) {
	n, ok = p.table.Load().names[name]
	return n, ok
}

// forget takes names away.
func (p *params) forget(gone []string) {
	names := maps.Clone(p.table.Load().names)
	for _, name := range gone {
		delete(names, name)
	}
	p.table.Store(&paramTable{names: names, cache: &sync.Map{}, backfilled: p.table.Load().backfilled})
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
	number, err := n.named(param.Key())
	n.params.group(param, number)
	return number, err
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
	next := n.params.last + len(n.fresh) + 1
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
	old := n.params.table.Load()
	names := maps.Clone(old.names)
	maps.Copy(names, n.fresh)
	n.params.last += len(n.fresh)
	n.params.table.Store(&paramTable{names: names, cache: old.cache, backfilled: old.backfilled})
	n.fresh = nil
}

// assign gives parameters numbers, between commits.
func (s *Store) assign(list []*search.Param) error {
	batch := s.db.NewBatch()
	numbers := numbering{params: s.params, batch: batch}
	for _, p := range list {
		if _, err := numbers.number(p); err != nil {
			return errors.Join(err, batch.Close())
		}
	}
	if err := s.failure.Guard(func() error { return batch.Commit(lsm.Sync) }); err != nil {
		return s.failure.Set(err)
	}
	numbers.publish()
	return batch.Close()
}

// Unindex implements store.Store. The names lose their numbers, so that what is
// on its way with them is not found any more.
func (s *Store) Unindex(ctx context.Context, keys []string) error {
	if err := s.users.Enter(); err != nil {
		return err
	}
	defer s.users.Leave()
	return s.alone(ctx, func() error { return s.unindex(keys) })
}

func (s *Store) unindex(keys []string) error {
	if err := s.sealed(); err != nil {
		return err
	}
	s.files.Lock()
	defer s.files.Unlock()
	var numbers []uint16
	err := s.scrubs.plan(func(record func(keyrange.List) []byte) error {
		batch := s.db.NewBatch()
		var ranges keyrange.List
		for _, key := range keys {
			number, ok := s.params.named(key)
			if !ok {
				continue
			}
			numbers = append(numbers, number)
			lower, upper := lists.Bounds(number)
			groups, end := lists.GroupBounds(number)
			ranges = append(ranges, keyrange.Range{From: lower, To: upper}, keyrange.Range{From: groups, To: end})
			if err := errors.Join(batch.Delete(paramKey(key), nil), batch.DeleteRange(lower, upper, nil), batch.DeleteRange(groups, end, nil)); err != nil {
				return errors.Join(err, batch.Close())
			}
		}
		if len(numbers) == 0 {
			return batch.Close()
		}
		last := strconv.AppendInt(nil, int64(s.params.last), 10)
		if err := errors.Join(batch.Set(numbersKey(), last, nil), batch.Set(scrubKey(), record(ranges), nil)); err != nil {
			return errors.Join(err, batch.Close())
		}
		if err := s.failure.Guard(func() error { return batch.Commit(lsm.Sync) }); err != nil {
			return s.failure.Set(err)
		}
		return batch.Close()
	})
	if err != nil {
		return err
	}
	s.params.forget(keys)
	for _, h := range s.index.Load().heads {
		h.Drop(numbers)
	}
	return nil
}
