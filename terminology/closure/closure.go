// Package closure owns closure tables: the concepts that a client of a data store
// has seen, so that it is told which of them subsume which without asking again.
//
// The records, in package kv's tables:
//
//	closure         STORE 0 CLIENT 0 NAME             how many concepts there are
//	closure-member  STORE 0 CLIENT 0 NAME 0 NUMBER    a concept, numbered from 1
//
// A table's version is the number of its last concept. It leaves to others: what
// subsumes what (terminology), and the operation on the wire (rest).
//
// http://hl7.org/fhir/R4/terminology-service.html#closure
package closure

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/terminology"
)

// MaxConcepts bounds how many concepts a table has.
const MaxConcepts = 10_000

// maxName bounds the length of a table's name, in bytes.
const maxName = 200

// Tables are the closure tables of one data store.
type Tables struct {
	db      kv.DB
	store   string
	heads   kv.Table[head]
	members kv.Table[member]
}

type head struct {
	Version int `json:"version"`
}

type member struct {
	System  string `json:"system"`
	Version string `json:"version,omitempty"`
	Code    string `json:"code"`
}

// New opens the tables of a data store.
func New(db kv.DB, store string) *Tables {
	return &Tables{db: db, store: store, heads: kv.NewTable[head]("closure"), members: kv.NewTable[member]("closure-member")}
}

// A Link says that one concept of a table subsumes another.
type Link struct{ Ancestor, Descendant terminology.Coding }

// Changes are what came to a table: its version, and the new links.
type Changes struct {
	Version int
	Links   []Link
}

// Relate is how one concept relates to another, as
// terminology.CodeSystem.Subsumption says it. It is asked about concepts of one
// code system.
type Relate func(a, b terminology.Coding) (string, error)

// key is that of a client's table.
func (t *Tables) key(client, name string) (string, error) {
	if name == "" || len(name) > maxName || strings.ContainsRune(name, 0) {
		return "", fhir.Errorf(fhir.KindInvalid, "%q cannot name a closure table: write 1 to %d characters", name, maxName)
	}
	return t.store + "\x00" + strings.ReplaceAll(client, "\x00", "") + "\x00" + name, nil
}

// Reset makes a table, or empties it.
func (t *Tables) Reset(ctx context.Context, client, name string) error {
	key, err := t.key(client, name)
	if err != nil {
		return err
	}
	return t.db.Update(ctx, func(tx kv.Tx) error {
		return errors.Join(t.empty(tx, key+"\x00"), t.heads.Put(tx, key, head{}, time.Time{}))
	})
}

// empty removes the members whose keys begin so.
func (t *Tables) empty(tx kv.Tx, prefix string) error {
	var keys []string
	for m, err := range t.members.Below(tx, prefix) {
		if err != nil {
			return err
		}
		keys = append(keys, m.Key)
	}
	for _, key := range keys {
		if err := t.members.Delete(tx, key); err != nil {
			return err
		}
	}
	return nil
}

// read is a table as it is; an error of KindNotFound where there is none.
func (t *Tables) read(ctx context.Context, key, name string) (h head, all []terminology.Coding, err error) {
	err = t.db.View(ctx, func(tx kv.Tx) error {
		if h, err = t.heads.Get(tx, key); err != nil {
			return err
		}
		for m, err := range t.members.Below(tx, key+"\x00") {
			if err != nil {
				return err
			}
			all = append(all, terminology.Coding{System: m.Value.System, Version: m.Value.Version, Code: m.Value.Code})
		}
		return nil
	})
	if errors.Is(err, kv.ErrNotFound) {
		err = fhir.Errorf(fhir.KindNotFound, "there is no closure table %q; make it by a call with its name alone", name)
	}
	return h, all, err
}

// attempts is how often a table is read again that somebody else has changed.
const attempts = 5

// Add adds concepts to a table, and tells how they relate to those that were
// there, and to each other. Concepts that are there already change nothing.
func (t *Tables) Add(ctx context.Context, client, name string, concepts []terminology.Coding, relate Relate) (Changes, error) {
	key, err := t.key(client, name)
	if err != nil {
		return Changes{}, err
	}
	for range attempts {
		before, all, err := t.read(ctx, key, name)
		if err != nil {
			return Changes{}, err
		}
		fresh := news(all, concepts)
		if len(all)+len(fresh) > MaxConcepts {
			return Changes{}, fhir.Errorf(fhir.KindTooCostly, "the closure table %q would have more than %d concepts", name, MaxConcepts)
		}
		changes := Changes{Version: before.Version + len(fresh)}
		if changes.Links, err = links(append(all, fresh...), len(all), relate); err != nil {
			return Changes{}, err
		}
		done, err := t.write(ctx, key, before, fresh)
		if done || err != nil {
			return changes, err
		}
	}
	return Changes{}, fhir.Errorf(fhir.KindConflict, "the closure table %q is changed by others all the time; try again", name)
}

// news are the concepts that are not there yet, each once.
func news(known, concepts []terminology.Coding) (fresh []terminology.Coding) {
	seen := map[[2]string]bool{}
	for _, c := range known {
		seen[[2]string{c.System, c.Code}] = true
	}
	for _, c := range concepts {
		if id := [2]string{c.System, c.Code}; !seen[id] {
			seen[id] = true
			fresh = append(fresh, c)
		}
	}
	return fresh
}

// write adds concepts to a table that is as it was; done is false where it is
// not.
func (t *Tables) write(ctx context.Context, key string, before head, fresh []terminology.Coding) (done bool, err error) {
	err = t.db.Update(ctx, func(tx kv.Tx) error {
		now, err := t.heads.Get(tx, key)
		if done = err == nil && now == before; !done || len(fresh) == 0 {
			return unlessGone(err)
		}
		for i, c := range fresh {
			place := fmt.Sprintf("%s\x00%08d", key, before.Version+1+i)
			if err := t.members.Put(tx, place, member{c.System, c.Version, c.Code}, time.Time{}); err != nil {
				return err
			}
		}
		return t.heads.Put(tx, key, head{before.Version + len(fresh)}, time.Time{})
	})
	return done, err
}

func unlessGone(err error) error {
	if errors.Is(err, kv.ErrNotFound) {
		return nil
	}
	return err
}

// Since tells again what came to a table after a version of it.
func (t *Tables) Since(ctx context.Context, client, name string, version int, relate Relate) (Changes, error) {
	key, err := t.key(client, name)
	if err != nil {
		return Changes{}, err
	}
	h, all, err := t.read(ctx, key, name)
	if err != nil {
		return Changes{}, err
	}
	if version < 0 || version > h.Version {
		return Changes{}, fhir.Errorf(fhir.KindInvalid, "the closure table %q has had the versions 0 to %d, not %d", name, h.Version, version)
	}
	found, err := links(all, version, relate)
	return Changes{h.Version, found}, err
}

// links are those between concepts of which at least one is among the last,
// which begin at from.
func links(all []terminology.Coding, from int, relate Relate) (found []Link, err error) {
	for i := from; i < len(all); i++ {
		for _, other := range all[:i] {
			if other.System != all[i].System {
				continue
			}
			outcome, err := relate(all[i], other)
			switch {
			case err != nil:
				return nil, err
			case outcome == terminology.Subsumes:
				found = append(found, Link{all[i], other})
			case outcome == terminology.SubsumedBy:
				found = append(found, Link{other, all[i]})
			}
		}
	}
	return found, nil
}

// Forget removes all tables of the data store.
func (t *Tables) Forget(ctx context.Context) error {
	return t.db.Update(ctx, func(tx kv.Tx) error {
		var keys []string
		for h, err := range t.heads.Below(tx, t.store+"\x00") {
			if err != nil {
				return err
			}
			keys = append(keys, h.Key)
		}
		for _, key := range keys {
			if err := t.heads.Delete(tx, key); err != nil {
				return err
			}
		}
		return t.empty(tx, t.store+"\x00")
	})
}
