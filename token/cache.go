package token

import (
	"crypto/sha256"

	"github.com/tarnhealth/tarn/recall"
)

// A cache remembers values by the hash of a credential.
type cache[T any] = recall.Cache[[sha256.Size]byte, T]

// cacheKey never keeps the credential itself.
func cacheKey(parts ...string) [sha256.Size]byte {
	if len(parts) == 1 {
		var space [1 << 10]byte // most need no other
		return sha256.Sum256(append(space[:0], parts[0]...))
	}
	h := sha256.New()
	for _, p := range parts {
		sum := sha256.Sum256([]byte(p))
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
