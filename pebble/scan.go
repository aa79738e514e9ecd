package pebble

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/codec"
	"github.com/tarnhealth/tarn/store"
)

// A scan reads many records with an iterator for each kind, which stays open
// until close. Keys that come in order cost a fifth of a look-up each; those
// that do not are found as well. It sees the store as it was when a kind was
// read first, and is for one goroutine.
type scan struct {
	store *Store
	kinds [4]*lsm.Iterator
	key   []byte
	// at is the doc that the iterator of versions stands on, 0 for none.
	at doc
}

// The kinds of records that a scan reads.
const (
	scanVersions = iota
	scanBodies
	scanResources
	// scanInOrder reads resources too, of ids that come in order and of which
	// most are there.
	scanInOrder
)

var scanTags = [...]byte{tagVersion, tagBody, tagResource, tagResource}

// get returns the value of a key, which is valid until the next call.
func (s *scan) get(kind int, key []byte) (value []byte, found bool, err error) {
	it := s.kinds[kind]
	if it == nil {
		tag := scanTags[kind]
		if it, err = s.store.db.NewIter(&lsm.IterOptions{LowerBound: []byte{tag}, UpperBound: []byte{tag + 1}}); err != nil {
			return nil, false, err
		}
		s.kinds[kind] = it
	}
	if kind == scanVersions {
		s.at = 0
	}
	switch kind {
	case scanResources: // many are not there, which the files' filters tell
		found = it.SeekPrefixGE(key)
	case scanInOrder:
		found = seekNext(it, key)
	default:
		found = seekNear(it, key)
	}
	if !found || !bytes.Equal(it.Key(), key) {
		return nil, false, it.Error()
	}
	value, err = it.ValueAndErr()
	return value, err == nil, err
}

// nearDocs is how many records are passed rather than sought behind: what is
// written together lies together, and passing one takes a tenth of seeking it.
const nearDocs = 8

// seekNear is SeekGE for keys that end in a doc.
func seekNear(it *lsm.Iterator, key []byte) bool {
	if !it.Valid() {
		return it.SeekGE(key)
	}
	at, want := docOf(it.Key()), docOf(key)
	if want < at || want-at > nearDocs {
		return it.SeekGE(key)
	}
	for ok := true; ok; ok = it.Next() {
		if docOf(it.Key()) >= want {
			return true
		}
	}
	return false
}

// seekNext is SeekGE for keys that come in order, of which the next is often one
// of the next records.
func seekNext(it *lsm.Iterator, key []byte) bool {
	for range nearDocs {
		if !it.Valid() {
			break
		}
		if order := bytes.Compare(it.Key(), key); order == 0 {
			return true
		} else if order > 0 {
			break
		}
		it.Next()
	}
	return it.SeekGE(key)
}

func (s *scan) close() (err error) {
	for _, it := range s.kinds {
		if it != nil {
			err = errors.Join(err, it.Close())
		}
	}
	return err
}

// record returns a v record, valid until another one is asked for.
func (s *scan) record(d doc) (value []byte, found bool, err error) {
	if s.at == d {
		value, err = s.kinds[scanVersions].ValueAndErr()
		return value, err == nil, err
	}
	s.key = appendDocKey(s.key[:0], tagVersion, d)
	if value, found, err = s.get(scanVersions, s.key); found {
		s.at = d
	}
	return value, found, err
}

// header reads a version that must exist; it may be erased.
func (s *scan) header(d doc) (h header, resourceType, id string, err error) {
	value, found, err := s.record(d)
	if err == nil && !found {
		err = fmt.Errorf("%w: version %d is missing", errRecord, d)
	}
	if err != nil {
		return h, "", "", err
	}
	return readVersion(value)
}

// version reads a version with its body.
func (s *scan) version(d doc) (store.Version, error) {
	h, resourceType, id, err := s.header(d)
	switch {
	case err != nil:
		return store.Version{}, err
	case h.erased():
		return store.Version{}, errErased
	case h.deleted():
		return makeVersion(d, &h, resourceType, id, nil), nil
	}
	s.key = appendDocKey(s.key[:0], tagBody, d)
	packed, found, err := s.get(scanBodies, s.key)
	if err == nil && !found {
		err = s.store.missing(d)
	}
	if err != nil {
		return store.Version{}, err
	}
	json, err := codec.Unpack(h.codec, packed)
	return makeVersion(d, &h, resourceType, id, json), err
}

// hotVersion is version, of what is in memory without a look-up.
func (s *scan) hotVersion(d doc) (store.Version, error) {
	v, ticket, ok := s.store.hot.versions.Get(d)
	if ok {
		return v, nil
	}
	v, err := s.version(d)
	if err == nil {
		s.store.hot.hold(d, &v, ticket)
	}
	return v, err
}

// currentAt is Store.currentAt.
func (s *scan) currentAt(resourceType, id string, at doc) (current, error) {
	return s.currentBy(scanResources, resourceType, id, at)
}

func (s *scan) currentBy(kind int, resourceType, id string, at doc) (current, error) {
	s.key = resourceKey(s.key[:0], resourceType, id)
	value, found, err := s.get(kind, s.key)
	if err != nil || !found {
		return current{}, err
	}
	c, err := readCurrent(value)
	for err == nil && c.doc > at {
		c, err = s.store.before(c)
	}
	return c, err
}

// readAhead is how many versions of a page are read at once, where they are not
// in memory. A page of twenty takes a third of the time that a look-up for each
// header and body took.
const readAhead = 64

// versions reads docs in the order in which they lie, and passes them on in
// the order that they are given in.
func (s *Store) versions(docs []doc, yield func(store.Version, error) bool) error {
	var order [readAhead]int
	var read [readAhead]store.Version
	var failed [readAhead]error
	for len(docs) > 0 {
		part := docs[:min(readAhead, len(docs))]
		docs = docs[len(part):]
		r := scan{store: s}
		for i := range part {
			order[i] = i
		}
		slices.SortFunc(order[:len(part)], func(a, b int) int { return cmp.Compare(part[a], part[b]) })
		for _, i := range order[:len(part)] {
			read[i], failed[i] = r.hotVersion(part[i])
		}
		if err := r.close(); err != nil {
			return err
		}
		for i := range part {
			if errors.Is(failed[i], errErased) {
				continue
			}
			if failed[i] != nil {
				return failed[i]
			}
			if !yield(read[i], nil) {
				return nil
			}
		}
	}
	return nil
}
