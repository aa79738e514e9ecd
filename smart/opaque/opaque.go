// Package opaque owns the random texts that stand for something on the server:
// codes, tokens and secrets, the hashes that they are stored under, and the
// proof of a code's owner by PKCE.
package opaque

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
)

// New makes a random text of 256 bits: a code, a token, a secret.
func New() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// ID makes a random text of 128 bits for what is named but not secret.
func ID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// Key is what a secret is stored under: its SHA-256 in hex. Secrets that
// New makes need no slow hash, for nobody can guess 256 bits.
func Key(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Same compares a secret with the Key of another, in constant time.
func Same(secret, key string) bool {
	return subtle.ConstantTimeCompare([]byte(Key(secret)), []byte(key)) == 1
}
