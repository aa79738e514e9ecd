package pebble

import (
	"errors"
	"fmt"
	"sort"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/codec"
	"github.com/tarnhealth/tarn/store"
)

// get calls fn with the value of a key, which is valid until fn returns, and
// reports whether there is one.
func (s *Store) get(key []byte, fn func(value []byte) error) (bool, error) {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, lsm.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = fn(value)
	return true, errors.Join(err, closer.Close())
}

// current reads the newest version of a resource, visible or not; its doc is 0
// where there is none.
func (s *Store) current(resourceType, id string) (c current, err error) {
	var buf [96]byte
	_, err = s.get(resourceKey(buf[:0], resourceType, id), func(value []byte) (err error) {
		c, err = readCurrent(value)
		return err
	})
	return c, err
}

// errErased is met where a version is erased while a reader is on its way to
// it. It goes on as if the version had never been.
var errErased = errors.New("pebble: the version is erased")

// header reads a version that must exist; it may be erased.
func (s *Store) header(d doc) (h header, resourceType, id string, err error) {
	found, err := s.get(docKey(tagVersion, d), func(value []byte) (err error) {
		h, resourceType, id, err = readVersion(value)
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("%w: version %d is missing", errRecord, d)
	}
	return h, resourceType, id, err
}

// body reads the body of a version that is no deletion.
func (s *Store) body(d doc, c codec.Codec) (json []byte, err error) {
	found, err := s.get(docKey(tagBody, d), func(value []byte) (err error) {
		json, err = codec.Unpack(c, value)
		return err
	})
	if err == nil && !found {
		err = s.missing(d)
	}
	return json, err
}

// missing says why a version has no body.
func (s *Store) missing(d doc) error {
	h, _, _, err := s.header(d)
	switch {
	case err != nil:
		return err
	case h.erased():
		return errErased
	}
	return fmt.Errorf("%w: body %d is missing", errRecord, d)
}

// version reads a version with its body.
func (s *Store) version(d doc) (store.Version, error) {
	h, resourceType, id, err := s.header(d)
	if err != nil {
		return store.Version{}, err
	}
	return s.withBody(d, &h, resourceType, id)
}

func (s *Store) withBody(d doc, h *header, resourceType, id string) (store.Version, error) {
	if h.erased() {
		return store.Version{}, errErased
	}
	if h.deleted() {
		return makeVersion(d, h, resourceType, id, nil), nil
	}
	json, err := s.body(d, h.codec)
	if err != nil {
		return store.Version{}, err
	}
	return makeVersion(d, h, resourceType, id, json), nil
}

// currentAt is the newest version of a resource that a view at the time at
// shows; its doc is 0 where there is none.
func (s *Store) currentAt(resourceType, id string, at doc) (current, error) {
	c, err := s.hotCurrent(resourceType, id)
	for err == nil && c.doc > at {
		c, err = s.before(c)
	}
	return c, err
}

// before is the version before c; its doc is 0 where c is the first.
func (s *Store) before(c current) (current, error) {
	for c.prev != 0 {
		h, _, _, err := s.header(c.prev)
		if c = (current{c.prev, h}); err != nil || !c.erased() {
			return c, err
		}
	}
	return current{}, nil
}

// docsBefore is the newest doc up to last that was written before a time, in
// microseconds: times never fall from doc to doc.
func (s *Store) docsBefore(micros int64, last doc) (doc, error) {
	var failed error
	n := sort.Search(int(last), func(i int) bool {
		if failed != nil {
			return true
		}
		h, _, _, err := s.header(doc(i + 1))
		failed = err
		return err != nil || h.micros >= micros
	})
	return doc(n), failed
}
