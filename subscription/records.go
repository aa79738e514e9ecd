package subscription

import (
	"fmt"
	"time"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/store"
)

// An author is who asked for a Subscription, and what only the server knows of
// it. It is kept for each version until a later one takes its place.
type author struct {
	// Grant is what Options.Keep made of the caller's access.
	Grant []byte    `json:"grant"`
	Time  time.Time `json:"time"`
	// Mark is that of the spec: another resource of the same version number,
	// as after an erasure, is not meant.
	Mark string `json:"mark"`
	// Headers are those of the channel as JSON, sealed; nil for none.
	Headers []byte `json:"headers,omitempty"`
}

// A state is how far an active Subscription has come.
type state struct {
	// At is up to which version the feed has looked for it.
	At store.T `json:"at"`
	// Made is the number of the newest event, Done that of the newest one which
	// is out of the way. Events are numbered from 1.
	Made uint64 `json:"made,omitempty"`
	Done uint64 `json:"done,omitempty"`
	// Failures counts the attempts in a row that failed, the first of them at
	// Failing.
	Failures int       `json:"failures,omitempty"`
	Failing  time.Time `json:"failing,omitzero"`
}

// An event is a version that matched.
type event struct {
	Type   string    `json:"type"`
	ID     string    `json:"id"`
	Number uint64    `json:"number"`
	Time   time.Time `json:"time"`
	// Op is create, update or delete.
	Op string `json:"op,omitempty"`
}

// The tables. Keys are the id of the data store, the id of the Subscription and,
// for authors and events, a number, with slashes between them.
var (
	authors = kv.NewTable[author]("subscription-author")
	states  = kv.NewTable[state]("subscription-state")
	events  = kv.NewTable[event]("subscription-event")
)

// sealPurpose is that of sealed headers.
const sealPurpose = "subscription headers"

func key(ds, id string) string { return ds + "/" + id }

func numbered(ds, id string, n uint64) string { return fmt.Sprintf("%s/%s/%020d", ds, id, n) }

// forget removes the records of a table below a key.
func forget[T any](tx kv.Tx, t kv.Table[T], below string) error {
	var keys []string
	for r, err := range t.Below(tx, below) {
		if err != nil {
			return err
		}
		keys = append(keys, r.Key)
	}
	for _, k := range keys {
		if err := t.Delete(tx, k); err != nil {
			return err
		}
	}
	return nil
}
