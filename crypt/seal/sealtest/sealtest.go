// Package sealtest owns data keys for the tests of what seals files.
package sealtest

import (
	"bytes"

	"github.com/tarnhealth/tarn/crypt/seal"
)

// Keys are data keys in memory, numbered from 1. The last is the current one.
type Keys [][]byte

// Of makes a key of each byte: the byte again and again.
func Of(each ...byte) Keys {
	var keys Keys
	for _, b := range each {
		keys = append(keys, bytes.Repeat([]byte{b}, seal.KeySize))
	}
	return keys
}

// Current implements seal.Keys.
func (k Keys) Current() (uint32, []byte) { return uint32(len(k)), k[len(k)-1] }

// Key implements seal.Keys.
func (k Keys) Key(number uint32) ([]byte, bool) {
	if number == 0 || int(number) > len(k) {
		return nil, false
	}
	return k[number-1], true
}
