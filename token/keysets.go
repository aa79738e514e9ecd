package token

import (
	"encoding/json"
	"time"
)

// KeySetsConfig for NewKeySets. The zero value is right for production.
type KeySetsConfig struct {
	// AllowPrivate allows URLs in private networks, AllowLoopback those whose
	// host is a loopback address or localhost, by http as well.
	AllowPrivate, AllowLoopback bool
	// Refetch is the least time between two fetches of one URL; 0 for ten
	// seconds.
	Refetch time.Duration
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// KeySets fetches and caches the key sets of others by their URLs. A URL must be
// https; redirects are not followed; an answer may have 256 kB and take 5
// seconds; the addresses of private networks are refused after the name is
// resolved. A key that a set lacks is looked for again after Refetch. While a
// URL does not answer, its last good set serves for a day.
type KeySets struct{ cfg KeySetsConfig }

// NewKeySets makes an empty cache.
func NewKeySets(cfg KeySetsConfig) *KeySets { return &KeySets{cfg} }

// CheckURL tells a URL that KeySets would never fetch, for registration.
func (s *KeySets) CheckURL(uri string) error { return errLater }

// CheckJWKS tells what is wrong with an inline key set that a client registers:
// no usable key, a private or symmetric key, an RSA key under 2048 bits, keys
// without distinct kids.
func CheckJWKS(raw json.RawMessage) error { return errLater }
