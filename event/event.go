package event

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"
)

// An Event tells of one change, in EventBridge's form.
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
type Event struct {
	// Version is that of the form: "0".
	Version string `json:"version"`
	// ID is a random UUID. It stays the same when an event is delivered again.
	ID string `json:"id"`
	// DetailType is what happened, such as "Data Store Active".
	DetailType string `json:"detail-type"`
	// Source is whose event it is, such as "aws.healthlake".
	Source string `json:"source"`
	// Account and Region are those of Resources.
	Account string `json:"account"`
	// Time is when it happened, to the second.
	Time   time.Time `json:"time"`
	Region string    `json:"region"`
	// Resources are the ARNs of what it is about.
	Resources []string `json:"resources"`
	// Detail depends on DetailType.
	Detail json.RawMessage `json:"detail"`
}

// newID makes a random (version 4) UUID. RFC 9562 section 5.4
func newID() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
