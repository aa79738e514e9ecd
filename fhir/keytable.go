package fhir

import "encoding/binary"

// keyTable finds a type's property by its JSON key: open addressing over a
// power-of-two table at most half full. A key is told by its length and its
// outer bytes, which for keys of up to 16 bytes is all of it, so that most
// look-ups touch one slot and nothing else.
type keyTable struct {
	slots []keySlot
	mask  uint32
}

type keySlot struct {
	first, last uint64
	prop        *Property // nil in an empty slot
}

func newKeyTable(props []*Property) keyTable {
	size := 4
	for size < 2*len(props) {
		size *= 2
	}
	k := keyTable{slots: make([]keySlot, size), mask: uint32(size - 1)}
	for _, p := range props {
		first, last := outerBytes([]byte(p.JSON))
		at := hashKey(first, last, len(p.JSON)) & k.mask
		for k.slots[at].prop != nil {
			at = (at + 1) & k.mask
		}
		k.slots[at] = keySlot{first, last, p}
	}
	return k
}

func (k *keyTable) find(key []byte) *Property {
	if len(k.slots) == 0 {
		return nil
	}
	first, last := outerBytes(key)
	for at := hashKey(first, last, len(key)) & k.mask; ; at = (at + 1) & k.mask {
		s := &k.slots[at]
		switch {
		case s.prop == nil:
			return nil
		case s.first != first || s.last != last || len(s.prop.JSON) != len(key):
		case len(key) <= 16 || s.prop.JSON == string(key):
			return s.prop
		}
	}
}

// outerBytes packs the first and the last bytes of a key, up to eight of each.
func outerBytes(key []byte) (first, last uint64) {
	switch n := len(key); {
	case n >= 8:
		return binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[n-8:])
	case n >= 4:
		return uint64(binary.LittleEndian.Uint32(key)), uint64(binary.LittleEndian.Uint32(key[n-4:]))
	case n > 0:
		return uint64(key[0]), uint64(key[n/2])<<8 | uint64(key[n-1])
	}
	return 0, 0
}

func hashKey(first, last uint64, n int) uint32 {
	h := (first ^ uint64(n)<<56) * 0x9E3779B97F4A7C15
	h = (h>>32 ^ h ^ last) * 0xD6E8FEB86659FD93
	return uint32(h >> 32)
}
