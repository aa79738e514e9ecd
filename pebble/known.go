package pebble

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// Every write has to know the version before it, and there is none for most of
// those that are created. Looking it up takes about 10 µs, which the one writer
// would spend for each. So the caller's goroutine looks it up (know), and the
// writer looks only at what was written since (Store.known).

// know looks up the newest versions of the resources of a request, as they are
// now. Several are looked up in order, with one iterator.
func (s *Store) know(r *request) (err error) {
	if len(r.ops) == 1 {
		r.seen = doc(s.now.Load())
		if r.ops[0].Fresh {
			return nil
		}
		r.packed[0].known, err = s.hotCurrent(r.ops[0].Type, r.ops[0].ID)
		return err
	}
	r.seen = doc(s.applied.Load())
	order := make([]int, len(r.ops))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(strings.Compare(r.ops[a].Type, r.ops[b].Type), strings.Compare(r.ops[a].ID, r.ops[b].ID))
	})
	scan := scan{store: s}
	defer func() { err = errors.Join(err, scan.close()) }()
	for _, i := range order {
		if r.ops[i].Fresh {
			continue
		}
		if r.packed[i].known, err = scan.currentAt(r.ops[i].Type, r.ops[i].ID, maxDoc); err != nil {
			return err
		}
	}
	return nil
}

// newest is the newest version of a resource, those of the group included, for
// an op that was prepared.
func (s *Store) newest(r *request, i int) (current, error) {
	op := &r.ops[i]
	if c, ok := s.known.Get(resource{op.Type, op.ID}); ok {
		return c, nil
	}
	if op.Fresh || s.known.Covers(r.seen) {
		return r.packed[i].known, nil
	}
	return s.current(op.Type, op.ID)
}

// requestState is the store as the ops of a request find it.
type requestState struct {
	store   *Store
	request *request
	// next is the op to look at next: they are verified in order.
	next int
}

// Current implements store.State.
func (st *requestState) Current(resourceType, id string) (number uint64, deleted bool, err error) {
	for ; st.next < len(st.request.ops); st.next++ {
		if op := &st.request.ops[st.next]; op.ID == id && op.Type == resourceType {
			c, err := st.store.newest(st.request, st.next)
			return c.number, c.deleted(), err
		}
	}
	return 0, false, errors.New("pebble: a precondition is on a resource that is not written")
}

// Changed implements store.State.
func (st *requestState) Changed(c store.Condition) (bool, error) {
	return st.store.recent.Changed(c, st.store.recentTree)
}

// recentTree reads a version for a condition that looks at resources.
func (s *Store) recentTree(d doc, body fhir.Body, number uint64, updated time.Time) (*fhir.Tree, error) {
	if body.JSON == nil {
		v, err := s.version(d)
		if err != nil {
			return nil, err
		}
		body = v.Body
	}
	return s.parse(body.Append(nil, strconv.FormatUint(number, 10), updated))
}
