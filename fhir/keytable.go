package fhir

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
	h := uint32(len(key)) * 0x9E3779B1
	for i, c := range key {
		h = (h ^ uint32(c)) * 0x01000193
		if i == 7 {
			break
		}
	}
	for i := max(8, len(key)-8); i < len(key); i++ {
		h = (h ^ uint32(key[i])) * 0x01000193
	}
	return h ^ h>>15
}
