// Package bulk owns what package pebble does for many versions at once: their
// records as sorted files, the numbers of their parameters, and the walk over
// records in the order of docs.
//
// It leaves to others: what the records hold and when they are written (pebble).
package bulk

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/tarnhealth/tarn/pebble/internal/ingest"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

// Records are the versions and bodies of a group, until they are written.
type Records struct {
	first            posting.Doc
	versions, bodies [][]byte
	Arena
}

// Add adds the records of the next doc. Body is nil where it has none. The
// values are kept as they are.
func (r *Records) Add(d posting.Doc, version, body []byte) {
	if r.first == 0 {
		r.first = d
	}
	r.versions = append(r.versions, version)
	r.bodies = append(r.bodies, body)
}

// Take has the engine take the records over: durable, and all or nothing.
func (r *Records) Take(dir ingest.Dir, versionTag, bodyTag byte) error {
	return dir.Take(
		ingest.File{Name: "bodies.tmp", Dense: true, Write: func(w *sstable.Writer) error { return r.write(bodyTag, r.bodies, w) }},
		ingest.File{Name: "versions.tmp", Dense: true, Write: func(w *sstable.Writer) error { return r.write(versionTag, r.versions, w) }},
	)
}

// write writes values by doc.
func (r *Records) write(tag byte, values [][]byte, w *sstable.Writer) error {
	var key [9]byte
	for i, value := range values {
		if value == nil {
			continue
		}
		if err := w.Set(appendKey(key[:0], tag, r.first+posting.Doc(i)), value); err != nil {
			return err
		}
	}
	return nil
}

// appendKey is the key of a doc's record.
func appendKey(b []byte, tag byte, d posting.Doc) []byte {
	return binary.BigEndian.AppendUint64(append(b, tag), uint64(d))
}

// An Arena cuts memory that lives as long as its group from blocks.
type Arena struct{ block []byte }

const arenaBlock = 64 << 10

// Room makes room for n bytes to be appended to the result, for Keep.
func (a *Arena) Room(n int) []byte {
	if cap(a.block)-len(a.block) < n {
		a.block = make([]byte, 0, max(arenaBlock, n))
	}
	return a.block[len(a.block):]
}

// Keep ends the appending: b is the Room with what was appended to it.
func (a *Arena) Keep(b []byte) []byte {
	n := len(a.block)
	if len(b) == 0 || cap(a.block)-n < len(b) || &a.block[:n+1][n] != &b[0] {
		return b // it outgrew the room and has memory of its own
	}
	a.block = a.block[:n+len(b)]
	return b[:len(b):len(b)]
}
