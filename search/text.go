package search

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/tarnhealth/tarn/fhir"
)

// textOf is the text of a primitive without a copy, except where the source
// has escapes in it.
func textOf(n fhir.Node) []byte { return n.TextBytes() }

// childText is textOf of the first child with a name.
func childText(n fhir.Node, name string) []byte { return textOf(n.Child(name)) }

// hashSize is the length of what appendHash appends.
const hashSize = 8

// appendHash appends the hash of a code system's URI: zero for none.
func appendHash(dst []byte, hash uint64) []byte { return binary.BigEndian.AppendUint64(dst, hash) }

// hashSystem is the hash of a code system's URI, and 0 for none.
func hashSystem(system []byte) uint64 {
	if len(system) == 0 {
		return 0
	}
	return max(xxhash.Sum64(system), 1)
}
