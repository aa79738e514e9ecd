package pebble

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
)

// A codec says how a body is packed. The numbers are stored.
type codec uint8

const (
	codecNone codec = iota
	codecS2
	codecS2Dictionary1 // S2 with dictionary.bin
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
//go:generate go run ./internal/dict -out dictionary.bin
//go:embed dictionary.bin
var dictionaryFile []byte

var dictionary1 = sync.OnceValue(func() *s2.Dict { return s2.NewDict(dictionaryFile) })

// pack compresses a body where that makes it smaller.
func pack(json []byte) (codec, []byte) {
	if len(json) < minPacked {
		return codecNone, json
	}
	var packed []byte
	c := codecS2
	if len(json) < maxDictionary {
		c, packed = codecS2Dictionary1, dictionary1().Encode(nil, json)
	} else {
		packed = s2.Encode(nil, json)
	}
	if len(packed) >= len(json) {
		return codecNone, json
	}
	return c, packed
}

// unpack returns a body in memory of its own.
func unpack(c codec, packed []byte) (json []byte, err error) {
	switch c {
	case codecNone:
		return append([]byte(nil), packed...), nil
	case codecS2:
		json, err = s2.Decode(nil, packed)
	case codecS2Dictionary1:
		json, err = dictionary1().Decode(nil, packed)
	default:
		return nil, fmt.Errorf("%w: body of unknown codec %d", errRecord, c)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: body: %w", errRecord, err)
	}
	return json, nil
}
