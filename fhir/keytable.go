package fhir

import "encoding/binary"

// keyTable finds a type's property by its JSON key: open addressing over a
// power-of-two table at most half full, hashed by length and outer bytes,
// which tells FHIR's element names apart well and costs a few nanoseconds.
type keyTable struct {
	slots []*Property
	mask  uint32
}

func newKeyTable(props []*Property) keyTable {
	size := 4
	for size < 2*len(props) {
		size *= 2
	}
	k := keyTable{slots: make([]*Property, size), mask: uint32(size - 1)}
	for _, p := range props {
		at := hashKey([]byte(p.JSON)) & k.mask
		for k.slots[at] != nil {
			at = (at + 1) & k.mask
		}
		k.slots[at] = p
	}
	return k
}

func (k *keyTable) find(key []byte) *Property {
	if len(k.slots) == 0 {
		return nil
	}
	for at := hashKey(key) & k.mask; ; at = (at + 1) & k.mask {
		p := k.slots[at]
		if p == nil || p.JSON == string(key) {
			return p
		}
	}
}

func hashKey(key []byte) uint32 {
	var first, last uint64
	switch n := len(key); {
	case n >= 8:
		first = binary.LittleEndian.Uint64(key)
		last = binary.LittleEndian.Uint64(key[n-8:])
	case n >= 4:
		first = uint64(binary.LittleEndian.Uint32(key))
		last = uint64(binary.LittleEndian.Uint32(key[n-4:]))
	case n > 0:
		first = uint64(key[0])
		last = uint64(key[n/2])<<8 | uint64(key[n-1])
	}
	h := (first ^ uint64(len(key))<<56) * 0x9E3779B97F4A7C15
	h = (h>>32 ^ h ^ last) * 0xD6E8FEB86659FD93
	return uint32(h >> 32)
}
