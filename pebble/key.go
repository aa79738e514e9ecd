package pebble

import (
	"encoding/binary"

	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

// The key space of a Store. Every key begins with one of these bytes; numbers
// in keys are big-endian. A doc is a version's T, which fits 32 bits.
//
//	b doc                    codec-packed body
//	d segment                container: docs of the segment that are superseded
//	i param key segment      container: docs that have the key
//	j                        seal record
//	m "format"               the format's version, decimal
//	m "entries"              number of the way entries were made in, decimal
//	m "back"                 numbers of params whose facts are not complete
//	m "numbers"              highest param number ever given, decimal, once one was taken away
//	m "pairs"                there where all composites that were cut off have a key that says so
//	m "scrub"                key ranges whose erased bytes are still in files
//	p name                   param number (2 bytes) of a search.Param's Key
//	r type 0 id              doc and header of the newest version
//	v doc                    header, facts, type, id
//
// What a seal writes (d, i, j) is one range, so that the run it ingests
// overlaps nothing that is still in the engine's memory.
const (
	tagBody     = 'b'
	tagDead     = 'd'
	tagTerm     = lists.Tag
	tagSeal     = 'j'
	tagMeta     = 'm'
	tagParam    = 'p'
	tagResource = 'r'
	tagVersion  = 'v'
)

// storeFormat is the layout that this code writes, and the newest that it
// reads. A folder of an older one is raised when it is opened; what is in it
// stays as it is.
//
//	1  bodies are S2
//	2  bodies may be S2 with a dictionary
//	3  versions may be erased
//	4  versions may have facts
//	5  the last versions may be there without what leads to them, after a crash
//	6  composites that were cut off have a key that says so
const storeFormat = 6

// segmentBits is the size of a segment, maxDoc the last doc.
const (
	segmentBits = posting.SegmentBits
	maxDoc      = posting.MaxDoc
)

// A doc is the dense number of a version: its store.T.
type doc = posting.Doc

func formatKey() []byte { return []byte{tagMeta, 'f', 'o', 'r', 'm', 'a', 't'} }

func docKey(tag byte, d doc) []byte {
	return appendDocKey(make([]byte, 0, 9), tag, d)
}

func appendDocKey(b []byte, tag byte, d doc) []byte {
	return binary.BigEndian.AppendUint64(append(b, tag), uint64(d))
}

// docOf is the doc of a key that docKey made.
func docOf(key []byte) doc { return doc(binary.BigEndian.Uint64(key[1:])) }

func resourceKey(b []byte, resourceType, id string) []byte {
	b = append(b, tagResource)
	b = append(b, resourceType...)
	b = append(b, 0)
	return append(b, id...)
}

func paramKey(name string) []byte { return append([]byte{tagParam}, name...) }

func deadKey(segment uint16) []byte {
	return binary.BigEndian.AppendUint32([]byte{tagDead}, uint32(segment))
}
