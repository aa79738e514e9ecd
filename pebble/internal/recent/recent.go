// Package recent owns the memory of the newest versions with their entries: a
// condition is evaluated again over what was written after its T.
//
// It leaves to others: what a condition means (search, store), and versions
// whose bodies the engine has.
package recent

import (
	"slices"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// Docs is how many versions conditions can look back.
const Docs = 8192

// A Ring is the newest versions. It is for one goroutine.
type Ring struct {
	ring [Docs]version
	// floor is the doc up to which versions are not in the ring.
	floor posting.Doc
	// last is the newest doc that the ring knows of.
	last posting.Doc
	// unsettled are docs whose bodies are not in the engine yet.
	unsettled []posting.Doc
}

type version struct {
	// gone is the type of a deletion.
	gone string
	// candidate is empty for a deletion, which no condition asks about.
	candidate search.Candidate
	number    uint64
	// body is set until the engine has it.
	body fhir.Body
}

// A Reader makes the tree of a version, its meta included. The body is empty
// where the engine has it.
type Reader func(d posting.Doc, body fhir.Body, number uint64, updated time.Time) (*fhir.Tree, error)

// Reset forgets everything: versions up to last are not looked at.
func (r *Ring) Reset(last posting.Doc) { r.floor, r.last = last, last }

func (r *Ring) next(d posting.Doc) *version {
	r.last = d
	if r.last-r.floor > Docs {
		r.floor = r.last - Docs
	}
	return &r.ring[d%Docs]
}

// Skip notes a deletion, which no condition asks about but one that depends on
// all resources of the type.
func (r *Ring) Skip(d posting.Doc, resourceType string) { *r.next(d) = version{gone: resourceType} }

// Add notes the version that an op makes.
func (r *Ring) Add(d posting.Doc, op *store.Op, number uint64, updated time.Time) {
	*r.next(d) = version{
		candidate: search.Candidate{Type: op.Type, ID: op.ID, LastUpdated: updated, Entries: op.Entries},
		number:    number,
		body:      op.Body,
	}
	r.unsettled = append(r.unsettled, d)
}

// Forget makes a version one that no condition asks about.
func (r *Ring) Forget(d posting.Doc) {
	if d > r.floor && d <= r.last {
		r.ring[d%Docs] = version{}
	}
}

// Settle lets go of the bodies that can be read from the engine now.
func (r *Ring) Settle() {
	for _, d := range r.unsettled {
		r.ring[d%Docs].body = fhir.Body{}
	}
	r.unsettled = r.unsettled[:0]
}

// Changed implements store.State. It says yes where it cannot tell: where the
// condition's T is before the ring, or where the condition looks at resources
// beside the candidate and one of those was written.
func (r *Ring) Changed(c store.Condition, read Reader) (bool, error) {
	if c.T < store.T(r.floor) {
		return true, nil
	}
	needs := c.Needs()
	for d := posting.Doc(c.T) + 1; d <= r.last; d++ {
		candidate := &r.ring[d%Docs].candidate
		switch {
		case needs.Joins[candidate.Type], slices.Contains(c.Types, candidate.Type), slices.Contains(c.Types, r.ring[d%Docs].gone):
			return true, nil
		case candidate.Type != c.Part.Type:
			continue
		case c.Part.Where == nil:
			return true, nil
		case len(needs.Joins) > 0:
			return true, nil
		}
		match, err := r.matches(c.Part.Where, d, needs.Tree, read)
		if match || err != nil {
			return match, err
		}
	}
	return false, nil
}

func (r *Ring) matches(where search.Node, d posting.Doc, tree bool, read Reader) (_ bool, err error) {
	v := &r.ring[d%Docs]
	candidate := v.candidate
	if tree {
		if candidate.Tree, err = read(d, v.body, v.number, candidate.LastUpdated); err != nil {
			return false, err
		}
	}
	return search.Match(where, &candidate, nil), nil
}
