package pebble

import (
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// recentDocs is how many versions conditions can look back.
const recentDocs = 8192

// recent is the newest versions with their entries: a condition is evaluated
// again over what was written after its T. It belongs to the writer.
type recent struct {
	ring [recentDocs]recentDoc
	// floor is the doc up to which versions are not in the ring.
	floor doc
	// last is the newest doc that the ring knows of.
	last doc
	// unsettled are docs whose bodies are not in the engine yet.
	unsettled []doc
}

type recentDoc struct {
	// candidate is empty for a deletion, which no condition asks about.
	candidate search.Candidate
	number    uint64
	// body is set until the engine has it.
	body fhir.Body
}

// reset forgets everything: versions up to last are not looked at.
func (r *recent) reset(last doc) { r.floor, r.last = last, last }

func (r *recent) next(d doc) *recentDoc {
	r.last = d
	if r.last-r.floor > recentDocs {
		r.floor = r.last - recentDocs
	}
	return &r.ring[d%recentDocs]
}

func (r *recent) skip(d doc) { *r.next(d) = recentDoc{} }

func (r *recent) add(c *current, op *store.Op) {
	*r.next(c.doc) = recentDoc{
		candidate: search.Candidate{Type: op.Type, ID: op.ID, LastUpdated: c.updated(), Entries: op.Entries},
		number:    c.number,
		body:      op.Body,
	}
	r.unsettled = append(r.unsettled, c.doc)
}

// forget makes a version one that no condition asks about.
func (r *recent) forget(d doc) {
	if d > r.floor && d <= r.last {
		r.ring[d%recentDocs] = recentDoc{}
	}
}

// settle lets go of the bodies that can be read from the engine now.
func (r *recent) settle() {
	for _, d := range r.unsettled {
		r.ring[d%recentDocs].body = fhir.Body{}
	}
	r.unsettled = r.unsettled[:0]
}

// changed implements store.State. It says yes where it cannot tell: where the
// condition's T is before the ring, or where the condition looks at resources
// beside the candidate and one of those was written.
func (s *Store) changed(c store.Condition) (bool, error) {
	r := &s.recent
	if c.T < store.T(r.floor) {
		return true, nil
	}
	needs := c.Needs()
	for d := doc(c.T) + 1; d <= r.last; d++ {
		candidate := &r.ring[d%recentDocs].candidate
		switch {
		case needs.Joins[candidate.Type]:
			return true, nil
		case candidate.Type != c.Part.Type:
			continue
		case c.Part.Where == nil:
			return true, nil
		case len(needs.Joins) > 0:
			return true, nil
		}
		match, err := s.matches(c.Part.Where, d, needs.Tree)
		if match || err != nil {
			return match, err
		}
	}
	return false, nil
}

func (s *Store) matches(where search.Node, d doc, tree bool) (bool, error) {
	recent := &s.recent.ring[d%recentDocs]
	candidate := recent.candidate
	if tree {
		body := recent.body
		if body.JSON == nil {
			v, err := s.version(d)
			if err != nil {
				return false, err
			}
			body = v.Body
		}
		var err error
		if candidate.Tree, err = s.parse(body.Append(nil, strconv.FormatUint(recent.number, 10), candidate.LastUpdated)); err != nil {
			return false, err
		}
	}
	return search.Match(where, &candidate, nil), nil
}
