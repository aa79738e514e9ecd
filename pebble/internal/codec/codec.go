// Package codec owns how a resource's body is packed.
//
// It leaves to others: where packed bodies are kept, and the number of their
// codec beside them (pebble).
package codec

import (
	"bytes"
	_ "embed"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
)

// A Codec says how a body is packed. The numbers are stored.
type Codec uint8

// The codecs.
const (
	None          Codec = iota // as it is
	S2                         // S2
	S2Dictionary1              // S2 with dictionary.bin
)

const (
	// minPacked is the size below which packing does not pay.
	minPacked = 128
	// maxDictionary is the size from which on a dictionary does not pay: S2
	// looks back 64 KB, and is quicker without one.
	maxDictionary = 64 << 10
)

// dictionaryFile is never to change: bodies packed with it cannot be read
// without it. A better dictionary is a further file with a codec of its own;
// what the generator makes now may differ from what it made then.
//
//go:generate go run ../dict -out dictionary.bin
//go:embed dictionary.bin
var dictionaryFile []byte

var dictionary1 = sync.OnceValue(func() *s2.Dict { return s2.NewDict(dictionaryFile) })

// Pack compresses a body where that makes it smaller.
func Pack(json []byte) (Codec, []byte) {
	p := packers.Get().(*Packer)
	defer packers.Put(p)
	p.block = nil // what was packed last has memory of its own
	c, packed := p.Pack(json)
	if cap(p.scratch) > maxScratch {
		p.scratch = nil
	}
	return c, packed
}

// packers keeps the memory that bodies are packed in, up to maxScratch of each.
var packers = sync.Pool{New: func() any { return new(Packer) }}

const maxScratch = 64 << 10

// A Packer packs bodies one after the other, into blocks of memory that several
// share. It is for one goroutine.
type Packer struct {
	scratch, block []byte
}

// packedBlock is the size of a Packer's blocks.
const packedBlock = 64 << 10

// Pack is the function Pack. The packed body is in memory that lives as long as
// that of bodies packed before and after.
func (p *Packer) Pack(json []byte) (Codec, []byte) {
	if len(json) < minPacked {
		return None, json
	}
	if n := s2.MaxEncodedLen(len(json)); n > len(p.scratch) {
		p.scratch = make([]byte, n)
	}
	var packed []byte
	c := S2
	if len(json) < maxDictionary {
		c, packed = S2Dictionary1, dictionary1().Encode(p.scratch, json)
	} else {
		packed = s2.Encode(p.scratch, json)
	}
	if len(packed) >= len(json) {
		return None, json
	}
	return c, p.keep(packed)
}

// keep copies what was packed.
func (p *Packer) keep(packed []byte) []byte {
	if cap(p.block)-len(p.block) < len(packed) {
		if p.block == nil || len(packed) > packedBlock/4 { // one body, or a large one
			own := bytes.Clone(packed)
			if p.block == nil {
				p.block = []byte{}
			}
			return own
		}
		p.block = make([]byte, 0, packedBlock)
	}
	n := len(p.block)
	p.block = append(p.block, packed...)
	return p.block[n:len(p.block):len(p.block)]
}

// Unpack returns a body in memory of its own.
func Unpack(c Codec, packed []byte) (json []byte, err error) {
	return AppendUnpacked(nil, c, packed)
}

// AppendUnpacked unpacks a body into the memory of buf, which must be empty, or
// into new memory where that is too small.
func AppendUnpacked(buf []byte, c Codec, packed []byte) (json []byte, err error) {
	switch c {
	case None:
		return append(buf, packed...), nil
	case S2:
		json, err = s2.Decode(buf[:cap(buf)], packed)
	case S2Dictionary1:
		json, err = dictionary1().Decode(buf, packed)
	default:
		return nil, fmt.Errorf("%w: body of unknown codec %d", posting.ErrDamaged, c)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: body: %w", posting.ErrDamaged, err)
	}
	return json, nil
}
