package pebble

import (
	"context"
	"errors"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/bulk"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// The versions and bodies of large loads do not go through the engine's log.
// Those of a group are written to two sorted files, which the engine takes over
// in one step before any of it is acknowledged. They come in the order of docs,
// so that their files never meet others and stay as they are; of what is
// written to the log, each byte is written again when the log's memory is
// flushed, and again by compactions. What leads from resources to versions has
// no such order, and goes the usual way, behind them.
//
// A group is so durable in two steps. A crash between them leaves versions at
// the end that nothing leads to: Open makes up for that, and the group is there
// as if it had been acknowledged.
//
// Callers make the terms and facts, which for commits the writer does. A few ops
// (Options.bulkOps) are cheaper with the log: two files and their syncs are too
// much for them.

// isBulk reports whether a request goes past the log.
func (s *Store) isBulk(r *request) bool { return r.load && len(r.ops) >= s.opt.bulkOps }

// prepareBulk makes what the writer makes for commits.
func (s *Store) prepareBulk(ctx context.Context, r *request) error {
	numbers, err := s.numbersOf(ctx, r.ops)
	if err != nil {
		return err
	}
	count := 0
	for i := range r.ops {
		count += len(r.ops[i].Entries) + 1
	}
	terms := make([]posting.Term, 0, count)
	var facts bulk.Arena
	for i := range r.ops {
		op, p := &r.ops[i], &r.packed[i]
		from := len(terms)
		code, entries := marked(op)
		terms = numbers.AppendTerms(terms, op.Type, code, entries)
		p.terms = terms[from:len(terms):len(terms)]
		if op.Kind != store.OpDelete {
			p.facts = facts.Keep(numbers.AppendFacts(facts.Room(128), s.opt.EntriesVersion, op.Entries, factual))
		}
	}
	return nil
}

// marked is the mark that the store gives an op's version, and its entries.
func marked(op *store.Op) (code string, entries []search.Entry) {
	if op.Kind == store.OpDelete {
		return markDeleted, nil
	}
	return search.MarkType, op.Entries
}

// numbersOf finds the numbers of what ops have, and has numbers given to what
// has none yet.
func (s *Store) numbersOf(ctx context.Context, ops []store.Op) (*bulk.Numbers, error) {
	for {
		n := &bulk.Numbers{Param: s.params.number, Name: s.params.named}
		missing := map[string]bool{}
		for i := range ops {
			code, entries := marked(&ops[i])
			n.Find(ops[i].Type, code, entries, missing)
		}
		if len(missing) == 0 {
			return n, nil
		}
		// It runs to its end once it is queued, and the next round finds them.
		if err := s.alone(ctx, func() error { return s.giveNumbers(sortedKeys(missing)) }); err != nil {
			return nil, err
		}
	}
}

// addBulk keeps the records of one version.
func (g *group) addBulk(op *store.Op, c *current, p *packedBody) {
	b := g.bulk
	version := b.Keep(appendVersion(b.Room(len(p.facts)+160), &c.header, p.facts, op.Type, op.ID))
	if op.Kind == store.OpDelete {
		b.Add(c.doc, version, nil)
		return
	}
	b.Add(c.doc, version, p.bytes)
}

// giveNumbers numbers names, between commits.
func (s *Store) giveNumbers(names []string) error {
	batch := s.db.NewBatch()
	numbers := numbering{params: s.params, batch: batch}
	for _, name := range names {
		if _, err := numbers.named(name); err != nil {
			return errors.Join(err, batch.Close())
		}
	}
	if err := s.failure.Guard(func() error { return batch.Commit(lsm.Sync) }); err != nil {
		return s.failure.Set(err)
	}
	numbers.publish()
	return batch.Close()
}

// mendTail leads from resources to the versions at the end that a crash left
// without. Where the last version of a group is led to, all of the group are,
// and all groups before it.
func (s *Store) mendTail() error {
	batch := s.db.NewBatch()
	mended := map[resource]bool{}
	for d := s.last; d > 0; d-- {
		h, resourceType, id, err := s.header(d)
		if err != nil {
			return errors.Join(err, batch.Close())
		}
		if h.erased() {
			break // it was led to, or it could not have been erased
		}
		if mended[resource{resourceType, id}] {
			continue // a newer one of the same group was
		}
		c, err := s.current(resourceType, id)
		if err != nil || c.doc >= d {
			if err != nil {
				return errors.Join(err, batch.Close())
			}
			break
		}
		c = current{d, h}
		if err := batch.Set(resourceKey(nil, resourceType, id), c.append(nil), nil); err != nil {
			return errors.Join(err, batch.Close())
		}
		mended[resource{resourceType, id}] = true
	}
	if batch.Empty() {
		return batch.Close()
	}
	return errors.Join(batch.Commit(lsm.Sync), batch.Close())
}
