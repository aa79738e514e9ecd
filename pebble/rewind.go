package pebble

import (
	"context"
	"errors"
	"fmt"
	"time"

	lsm "github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/pebble/internal/engine"
	"github.com/tarnhealth/tarn/store"
)

// Rewind takes a folder that nobody has open back to a time: the versions that
// were written after it go, and those before it are current again. What was
// erased stays erased. The index is made anew when the folder is opened. It
// returns the T that the folder is at. A folder on which it was cut off is of no
// use.
func Rewind(dir string, disk vfs.FS, to time.Time) (store.T, error) {
	memory := newMemory(0)
	defer memory.blocks.Unref()
	s := new(Store)
	var err error
	if s.db, s.disk, err = s.failure.Open(dir, engine.Options(disk, memory.blocks)); err != nil {
		return 0, err
	}
	r := rewinder{store: s}
	err = engine.Damaged(r.run(to))
	if err == nil {
		err = engine.FlushAll(context.Background(), s.db, &s.failure)
	}
	s.disk.Release()
	if err = errors.Join(err, s.db.Close(), s.failure.Get()); err != nil {
		return 0, fmt.Errorf("pebble: %s: %w", dir, err)
	}
	return store.T(r.at), nil
}

// A rewinder is one Rewind. Of its store there is nothing but the engine.
type rewinder struct {
	store *Store
	// at is the newest doc that stays.
	at doc
}

func (r *rewinder) run(to time.Time) (err error) {
	s := r.store
	if err := engine.CheckFormat(s.db, formatKey(), storeFormat); err != nil {
		return err
	}
	if s.last, err = s.lastDoc(); err != nil {
		return err
	}
	if err := s.mendTail(); err != nil {
		return err
	}
	if r.at, err = s.docsBefore(to.UnixMicro()+1, s.last); err != nil || r.at == s.last {
		return err
	}
	for first := r.at + 1; first <= s.last; first += replayDocs {
		if err := r.lead(first, min(first+replayDocs-1, s.last)); err != nil {
			return err
		}
	}
	batch := s.db.NewBatch()
	err = errors.Join(
		batch.DeleteRange(docKey(tagVersion, r.at+1), []byte{tagVersion + 1}, nil),
		batch.DeleteRange(docKey(tagBody, r.at+1), []byte{tagBody + 1}, nil),
		// What seals write: replay makes it anew, from the first version on.
		batch.DeleteRange([]byte{tagDead}, []byte{tagSeal + 1}, nil),
	)
	if err == nil {
		err = batch.Commit(lsm.Sync)
	}
	return errors.Join(err, batch.Close())
}

// lead makes the resources that some of the docs are of lead to the newest
// version that stays, or to none.
func (r *rewinder) lead(first, last doc) error {
	s, batch := r.store, r.store.db.NewBatch()
	done := map[resource]bool{}
	for d := first; d <= last; d++ {
		h, resourceType, id, err := s.header(d)
		name := resource{resourceType, id}
		if err == nil && !h.erased() && !done[name] {
			done[name] = true
			err = r.leadOne(batch, name)
		}
		if err != nil {
			return errors.Join(err, batch.Close())
		}
	}
	return errors.Join(batch.Commit(lsm.NoSync), batch.Close())
}

func (r *rewinder) leadOne(batch *lsm.Batch, name resource) error {
	c, err := r.store.current(name.resourceType, name.id)
	for err == nil && c.doc > r.at {
		c, err = r.store.before(c)
	}
	if err != nil {
		return err
	}
	key := resourceKey(nil, name.resourceType, name.id)
	if c.doc == 0 {
		return batch.Delete(key, nil)
	}
	return batch.Set(key, c.append(nil), nil)
}
