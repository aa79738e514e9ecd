package store

import (
	"time"

	"github.com/tarnhealth/tarn/search"
)

// A Scan asks for all current resources that match one of several parts, in
// the order of T: for exports, and for whatever else looks at a whole data
// store. It is not sorted otherwise, and not paged: T tells where it stands.
type Scan struct {
	// Parts are what is looked for. Two may be of the same type; what matches
	// both is yielded once.
	Parts []search.Part
	// Deleted yields, in the place of resources, the deletions of the parts'
	// types that are current. The parts have no Where then.
	Deleted bool
	// Since and Until, where not zero, leave out what was written before Since,
	// and what was written at Until or later.
	Since, Until time.Time
	// After and UpTo bound T: versions with a T above After, and not above UpTo
	// where that is not 0. So a scan that was cut off goes on, and one that is
	// long is divided.
	After, UpTo T
}
