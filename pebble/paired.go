package pebble

import (
	"errors"

	"github.com/RoaringBitmap/roaring/v2"
	lsm "github.com/cockroachdb/pebble/v2"

	"github.com/tarnhealth/tarn/pebble/internal/pairs"
	"github.com/tarnhealth/tarn/search"
)

// pairsKey holds what pairs.Index.Open notes.
func pairsKey() []byte { return []byte{tagMeta, 'p', 'a', 'i', 'r', 's'} }

// lookForCut finds out beside all else whether composites tell all, in a folder
// of before that was noted, of whose versions some are sealed.
func (s *Store) lookForCut(sealed doc) {
	if s.users.Enter() != nil {
		return
	}
	go func() {
		defer s.users.Leave()
		// Where it fails searches go the other way, and the next start looks again.
		_ = s.findCut(sealed)
	}()
}

func (s *Store) findCut(sealed doc) error {
	stop := func() bool { return s.users.Closing() != nil || s.failure.Get() != nil }
	note, err := s.pairs.Look(s.db, docKey(tagBody, 0), docKey(tagBody, sealed+1), s.isCut, stop)
	if err != nil || note == nil {
		return err
	}
	if err := s.failure.Guard(func() error { return s.db.Set(pairsKey(), note, lsm.Sync) }); err != nil {
		return s.failure.Set(err)
	}
	s.pairs.Noted(note)
	return nil
}

// isCut reports whether the version whose body has a key has more pairs than
// its entries.
func (s *Store) isCut(bodyKey []byte) (bool, error) {
	v, err := s.version(docOf(bodyKey))
	if errors.Is(err, errErased) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	entries, err := s.opt.Extract(v)
	return pairs.IsCut(entries), err
}

// A jointSet is what a composite's lists tell of a conjunction.
type jointSet struct {
	// of is the conjunction's first condition, nil where there is no set.
	of   *search.Node
	set  *roaring.Bitmap
	rest search.And
}

// pairs looks two conditions of a conjunction up in the composite that has
// their pairs, and keeps what it finds. It reports false where there is none,
// or where it has more lists than most.
func (e *evaluation) pairs(nodes search.And, most int) (few bool, err error) {
	j, ok := pairs.Join(nodes)
	if !ok {
		return false, nil
	}
	number, ok := e.store.params.named(j.Param)
	if !ok {
		return false, nil
	}
	set, err := e.store.pairs.Few(e.terms, number, &j, most)
	if set == nil || err != nil {
		return false, err
	}
	e.joint = jointSet{&nodes[0], set, j.Rest}
	return true, nil
}

// paired begins a conjunction, which is not empty: what a composite finds of
// it within a set, and the conditions that are left.
func (e *evaluation) paired(nodes search.And, within *roaring.Bitmap) (set *roaring.Bitmap, rest search.And, err error) {
	if e.joint.of != &nodes[0] {
		most := pairs.AtLast
		if within != nil || len(nodes) > 2 { // something else may leave little
			most = pairs.Among
		}
		if few, err := e.pairs(nodes, most); !few {
			return within, nodes, err
		}
	}
	e.trace.Note("two of them by their pairs")
	set, rest = e.joint.set, e.joint.rest
	e.joint = jointSet{}
	if within != nil {
		set.And(within)
	}
	return set, rest, nil
}
