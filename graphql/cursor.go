package graphql

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A cursor is the place of a page: the whole search, since a client gives
// nothing else with it, and where in it the page begins.
type cursor struct {
	Type  string        `json:"r"`
	Pairs []search.Pair `json:"q,omitempty"`
	// Path is the argument fhirpath.
	Path   string `json:"f,omitempty"`
	T      moment `json:"t"`
	Offset int    `json:"o,omitempty"`
	// After is store.Page.After, nil for the first page.
	After []byte `json:"a,omitempty"`
	// Before has the After of earlier pages, the nearest last; of the first
	// page it is empty.
	Before [][]byte `json:"b,omitempty"`
}

// A moment is a logical time whose text has one length: a shorter one would tell
// that there are few versions.
type moment store.T

// MarshalText implements encoding.TextMarshaler.
func (m moment) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(m)), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *moment) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 16, 64)
	*m = moment(n)
	return err
}

// maxBefore is how many pages previous can go back, to keep cursors short.
const maxBefore = 50

func (c *cursor) first() { c.Offset, c.After, c.Before = 0, nil, nil }

// previous moves back by a page, where there is one that is known.
func (c *cursor) previous(size int) bool {
	n := len(c.Before)
	if c.Offset == 0 || n == 0 {
		return false
	}
	c.Offset = max(0, c.Offset-size)
	c.After, c.Before = c.Before[n-1], c.Before[:n-1]
	if len(c.After) == 0 {
		c.After = nil
	}
	return true
}

func (c *cursor) next(result store.Result) {
	before := append(c.Before[:len(c.Before):len(c.Before)], c.After)
	if len(before) > maxBefore {
		before = before[1:]
	}
	c.Offset, c.After, c.Before = c.Offset+result.Len, result.Next, before
}

// cursorOf is what cursors are sealed for; the search is in them.
const cursorOf = "graphql"

// token is the cursor as text. It is sealed, so that a client can neither make
// one nor change what it asks for.
func (c *cursor) token(cursors datastore.Cursors) string {
	b, _ := json.Marshal(c) // strings, numbers and bytes only
	return cursors.Seal(cursorOf, b)
}

func parseCursor(cursors datastore.Cursors, token string) (cursor, error) {
	var c cursor
	b, err := cursors.Open(cursorOf, token)
	if errors.Is(err, datastore.ErrCursorCaller) {
		return c, errCursorCaller
	}
	if err != nil || json.Unmarshal(b, &c) != nil {
		return c, errCursor
	}
	return c, nil
}
