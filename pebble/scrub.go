package pebble

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/tarnhealth/tarn/pebble/internal/keyrange"
	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/pebble/internal/scrub"
)

// scrubKey holds the ranges whose files are to be written anew.
func scrubKey() []byte { return []byte{tagMeta, 's', 'c', 'r', 'u', 'b'} }

// scrubber has the short names of what a Scrubber does.
type scrubber struct{ scrub.Scrubber }

func (q *scrubber) plan(commit func(record func(keyrange.List) []byte) error) error {
	return q.Plan(commit)
}

// scrubbing goes on with what is to be scrubbed.
func (s *Store) scrubbing() error {
	s.scrubs.DB, s.scrubs.Failure, s.scrubs.Key = s.db, &s.failure, scrubKey()
	return s.scrubs.Open()
}

// around is the terms of one param, the versions of a 16th of a segment, or the
// resources of a type.
func around(key []byte) keyrange.Range {
	switch key[0] {
	case tagTerm:
		lower, upper := lists.Bounds(binary.BigEndian.Uint16(key[1:]))
		return keyrange.Range{From: lower, To: upper}
	case tagResource:
		n := bytes.IndexByte(key, 0)
		return keyrange.Range{From: slices.Clone(key[:n+1]), To: append(slices.Clone(key[:n]), 1)}
	}
	first := docOf(key) >> posting.ChunkBits << posting.ChunkBits
	return keyrange.Range{From: docKey(key[0], first), To: docKey(key[0], first+posting.ChunkDocs)}
}
