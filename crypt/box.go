package crypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
)

// KeySize is the size of a master key, in bytes.
const KeySize = 32

// ErrOpen is the error for what a Box did not seal for the purpose: altered,
// sealed with another master key, or for another purpose.
var ErrOpen = errors.New("crypt: the sealed value cannot be opened: it was altered, or sealed with another master key or for another purpose")

// A Box seals small secrets with keys that it derives from a master key, one
// for each purpose: AES-256-GCM with a random nonce, and the purpose as
// additional data. Safe for concurrent use.
type Box struct {
	master []byte
	// aeads holds a cipher.AEAD by purpose. Purposes are constants of the
	// program, so it stays small.
	aeads sync.Map
}

// NewBox makes a Box of a master key of KeySize bytes.
func NewBox(master []byte) (*Box, error) {
	if len(master) != KeySize {
		return nil, fmt.Errorf("crypt: the master key has %d bytes; it must have %d", len(master), KeySize)
	}
	return &Box{master: append([]byte(nil), master...)}, nil
}

// sealVersion is the first byte of what Seal returns, so that another
// algorithm can follow.
const sealVersion = 1

// Seal encrypts a secret for a purpose ("token signing key"): a constant of
// the program, not text of a caller's. Sealing the same secret twice gives
// different bytes. At most 2³² secrets should be sealed for one purpose.
func (b *Box) Seal(purpose string, plain []byte) []byte {
	aead := b.aead(purpose)
	sealed := make([]byte, 1+aead.NonceSize(), 1+aead.NonceSize()+len(plain)+aead.Overhead())
	sealed[0] = sealVersion
	rand.Read(sealed[1:]) // never fails
	return aead.Seal(sealed, sealed[1:], plain, []byte(purpose))
}

// Open returns what Seal was given for the same purpose, or ErrOpen.
func (b *Box) Open(purpose string, sealed []byte) ([]byte, error) {
	aead := b.aead(purpose)
	head := 1 + aead.NonceSize()
	if len(sealed) < head || sealed[0] != sealVersion {
		return nil, ErrOpen
	}
	plain, err := aead.Open(nil, sealed[1:head], sealed[head:], []byte(purpose))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// Key derives a key of KeySize bytes for a purpose, for uses other than
// sealing, such as HMAC. It is the same in every process with the same master
// key, and unrelated to the keys of Seal.
func (b *Box) Key(purpose string) []byte { return b.derive("key", purpose) }

func (b *Box) aead(purpose string) cipher.AEAD {
	if a, ok := b.aeads.Load(purpose); ok {
		return a.(cipher.AEAD)
	}
	block, err := aes.NewCipher(b.derive("seal", purpose))
	if err != nil {
		panic("crypt: " + err.Error()) // the key has the right size
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		panic("crypt: " + err.Error())
	}
	b.aeads.Store(purpose, a)
	return a
}

// derive is HKDF with SHA-256. https://www.rfc-editor.org/rfc/rfc5869
func (b *Box) derive(use, purpose string) []byte {
	key, err := hkdf.Key(sha256.New, b.master, nil, "tarn "+use+" "+purpose, KeySize)
	if err != nil {
		panic("crypt: " + err.Error()) // the size is within HKDF's limit
	}
	return key
}
