package pebble

import (
	"fmt"

	"github.com/klauspost/compress/s2"
)

// A codec says how a body is packed. The numbers are stored.
type codec uint8

const (
	codecNone codec = iota
	codecS2
)

// minPacked is the size below which packing does not pay.
const minPacked = 128

// pack compresses a body where that makes it smaller.
func pack(json []byte) (codec, []byte) {
	if len(json) < minPacked {
		return codecNone, json
	}
	packed := s2.Encode(nil, json)
	if len(packed) >= len(json) {
		return codecNone, json
	}
	return codecS2, packed
}

// unpack returns a body in memory of its own.
func unpack(c codec, packed []byte) ([]byte, error) {
	switch c {
	case codecNone:
		return append([]byte(nil), packed...), nil
	case codecS2:
		json, err := s2.Decode(nil, packed)
		if err != nil {
			return nil, fmt.Errorf("%w: body: %w", errRecord, err)
		}
		return json, nil
	}
	return nil, fmt.Errorf("%w: body of unknown codec %d", errRecord, c)
}
