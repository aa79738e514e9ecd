package pebble

import (
	"encoding/binary"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble/internal/codec"
	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/store"
)

// opErased is the op of a version that was erased.
const opErased store.OpKind = 0

// stub is what is left of h when it is erased. Where the resource goes on, the
// number of resources still counts what the version changed.
func (h *header) stub(change int) header {
	return header{prev: h.prev, micros: h.micros, codec: codec.Codec(change + 1)}
}

// A header is what the store keeps of a version beside its body.
type header struct {
	op store.OpKind
	// born is set where the resource was not there before this version: its
	// first one, or one after a deletion.
	born bool
	// prev is the doc of the version before, 0 for none.
	prev   doc
	number uint64
	// micros is lastUpdated in microseconds since 1970.
	micros int64
	codec  codec.Codec
	at     int
	form   fhir.MetaForm
}

// erased is a stub: what is left of a version that was erased, so that the
// docs have no gaps and the chain of a resource's versions none either. It has
// micros and prev, and in place of a codec its change plus one.
func (h *header) erased() bool       { return h.op == opErased }
func (h *header) deleted() bool      { return h.op == store.OpDelete }
func (h *header) updated() time.Time { return time.UnixMicro(h.micros).UTC() }
func (h *header) body(json []byte) fhir.Body {
	return fhir.Body{JSON: json, At: h.at, Form: h.form}
}

// hasFacts is the bit of a v record's first byte that says that facts follow
// the header.
const hasFacts = 1 << 7

// append writes: op (2 bits), born (1), form (2), codec (2); then number, prev,
// micros and at as varints.
func (h *header) append(b []byte) []byte {
	flags := byte(h.op)&3 | byte(h.form)&3<<3 | byte(h.codec)<<5
	if h.born {
		flags |= 1 << 2
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, h.number)
	b = binary.AppendUvarint(b, uint64(h.prev))
	b = binary.AppendVarint(b, h.micros)
	return binary.AppendUvarint(b, uint64(h.at))
}

var errRecord = posting.ErrDamaged

// A decoder reads varints off the front of a record; the first failure sticks.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad = true
		return nil
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) header() header {
	flags := d.byte()
	return header{
		op:     store.OpKind(flags & 3),
		born:   flags&(1<<2) != 0,
		form:   fhir.MetaForm(flags >> 3 & 3),
		codec:  codec.Codec(flags >> 5 & 3),
		number: d.uvarint(),
		prev:   doc(d.uvarint()),
		micros: d.varint(),
		at:     int(d.uvarint()),
	}
}

// appendVersion writes the value of a v key. Facts are nil where there can be
// none.
func appendVersion(b []byte, h *header, facts []byte, resourceType, id string) []byte {
	start := len(b)
	b = h.append(b)
	if facts != nil {
		b[start] |= hasFacts
		b = binary.AppendUvarint(b, uint64(len(facts)))
		b = append(b, facts...)
	}
	b = binary.AppendUvarint(b, uint64(len(resourceType)))
	b = append(b, resourceType...)
	return append(b, id...)
}

func readVersion(b []byte) (h header, resourceType, id string, err error) {
	h, typeBytes, idBytes, err := splitVersion(b)
	return h, string(typeBytes), string(idBytes), err
}

// splitVersion is readVersion without memory for the names.
func splitVersion(b []byte) (h header, resourceType, id []byte, err error) {
	d := decoder{b: b}
	h, _ = d.version()
	resourceType = d.bytes(d.uvarint())
	if d.bad {
		return header{}, nil, nil, errRecord
	}
	return h, resourceType, d.b, nil
}

// version reads a header and the facts behind it, nil where there are none.
func (d *decoder) version() (h header, facts []byte) {
	follow := len(d.b) > 0 && d.b[0]&hasFacts != 0
	h = d.header()
	if follow {
		facts = d.bytes(d.uvarint())
	}
	return h, facts
}

// readFacts returns the facts of a v record. They are not known where there are
// none, or where entries were made in another way than entriesVersion.
func readFacts(b []byte, entriesVersion int) (facts []byte, known bool, err error) {
	d := decoder{b: b}
	_, d.b = d.version()
	if d.bad {
		return nil, false, errRecord
	}
	if d.b == nil {
		return nil, false, nil
	}
	known = d.uvarint() == uint64(entriesVersion)
	return d.b, known && !d.bad, nil
}

// A current is the value of an r key: a resource's newest version.
type current struct {
	doc doc
	header
}

func (c *current) append(b []byte) []byte {
	return c.header.append(binary.AppendUvarint(b, uint64(c.doc)))
}

func readCurrent(b []byte) (current, error) {
	d := decoder{b: b}
	c := current{doc: doc(d.uvarint()), header: d.header()}
	if d.bad {
		return current{}, errRecord
	}
	return c, nil
}
