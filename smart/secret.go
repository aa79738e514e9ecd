package smart

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
)

// newSecret makes a random text of 256 bits: a code, a token, a secret.
func newSecret() string {
	b := make([]byte, 32)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// newID makes a random text of 128 bits for what is named but not secret.
func newID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// keyOf is what a secret is stored under: its SHA-256 in hex. Secrets that
// newSecret makes need no slow hash, for nobody can guess 256 bits.
func keyOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// sameSecret compares a secret with the keyOf of another, in constant time.
func sameSecret(secret, key string) bool {
	return subtle.ConstantTimeCompare([]byte(keyOf(secret)), []byte(key)) == 1
}
