package token

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// KeySetsConfig for NewKeySets. The zero value is right for production.
type KeySetsConfig struct {
	// AllowPrivate allows URLs in private networks, AllowLoopback those whose
	// host is a loopback address or localhost, by http as well.
	AllowPrivate, AllowLoopback bool
	// Refetch is the least time between two fetches of one URL; 0 for ten
	// seconds.
	Refetch time.Duration
	// Roots are the authorities for TLS; nil for the system's.
	Roots *x509.CertPool
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// How long a fetched key set serves.
const (
	// keySetAge is for an answer without Cache-Control, maxKeySetAge the most
	// that one may ask for.
	keySetAge    = 5 * time.Minute
	maxKeySetAge = time.Hour
	// outage is how long a set serves while its URL does not answer.
	outage = 24 * time.Hour
	// maxKeySets bounds the URLs that are remembered, maxKeys the keys of one.
	maxKeySets = 1000
	maxKeys    = 100
)

// KeySets fetches and caches the key sets of others by their URLs. A URL must
// be https; redirects are not followed; an answer may have 256 kB and take 5
// seconds; the addresses of private networks are refused, after the name is
// resolved. A set is cached as its Cache-Control says, for at most an hour; a
// key that it lacks is looked for again, at most every KeySetsConfig.Refetch.
// While a URL does not answer, its last good set serves for a day. Safe for
// concurrent use.
type KeySets struct {
	cfg   KeySetsConfig
	fetch *fetcher
	mu    sync.Mutex
	sets  map[string]*keySet
}

// A keySet is what one URL holds.
type keySet struct {
	current atomic.Pointer[fetchedKeys]
	// turn holds one token: whoever has it may fetch.
	turn chan struct{}
	// tried is when the last fetch began; its holder has turn.
	tried time.Time
}

type fetchedKeys struct {
	keys []jose.JSONWebKey
	// at is when they were fetched, until when they are fresh.
	at, until time.Time
}

// NewKeySets makes an empty cache.
func NewKeySets(cfg KeySetsConfig) *KeySets {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Refetch == 0 {
		cfg.Refetch = 10 * time.Second
	}
	return &KeySets{cfg: cfg, fetch: newFetcher(cfg.AllowPrivate, cfg.AllowLoopback, cfg.Roots), sets: map[string]*keySet{}}
}

// CheckURL tells a URL that KeySets would never fetch, for registration.
func (s *KeySets) CheckURL(uri string) error {
	if err := s.fetch.checkURL(uri); err != nil {
		return fmt.Errorf("the URL %.200q of a key set cannot be used: %w", uri, err)
	}
	return nil
}

// key finds the key that the header of a token means in the set of a URL.
func (s *KeySets) key(ctx context.Context, uri string, header jose.Header) (*jose.JSONWebKey, error) {
	set := s.of(uri)
	current := set.current.Load()
	if current != nil && s.cfg.Now().Before(current.until) {
		if key, err := pick(current.keys, header); err != errNoKey {
			return key, err
		}
	}
	cause := s.refresh(ctx, uri, set, current)
	current = set.current.Load()
	if current == nil || s.cfg.Now().Sub(current.at) > outage {
		return nil, errorf(Unavailable, "the key set that the token is checked with cannot be fetched").because(cause)
	}
	return pick(current.keys, header)
}

// HasCertificate reports whether the set of a URL has a certificate, as the
// first of x5c. https://www.rfc-editor.org/rfc/rfc8705#section-2.2
func (s *KeySets) HasCertificate(ctx context.Context, uri string, certificate *x509.Certificate) (bool, error) {
	set := s.of(uri)
	has := func(current *fetchedKeys) bool {
		return current != nil && slices.ContainsFunc(current.keys, func(key jose.JSONWebKey) bool {
			return len(key.Certificates) > 0 && key.Certificates[0].Equal(certificate)
		})
	}
	current := set.current.Load()
	if current != nil && s.cfg.Now().Before(current.until) && has(current) {
		return true, nil
	}
	cause := s.refresh(ctx, uri, set, current)
	current = set.current.Load()
	if current == nil || s.cfg.Now().Sub(current.at) > outage {
		return false, errorf(Unavailable, "the key set of the client cannot be fetched").because(cause)
	}
	return has(current), nil
}

func (s *KeySets) of(uri string) *keySet {
	s.mu.Lock()
	defer s.mu.Unlock()
	if set := s.sets[uri]; set != nil {
		return set
	}
	if len(s.sets) >= maxKeySets {
		clear(s.sets)
	}
	set := &keySet{turn: make(chan struct{}, 1)}
	set.turn <- struct{}{}
	s.sets[uri] = set
	return set
}

// refresh fetches a set anew, unless somebody did since old was current, or
// tried a short time ago.
func (s *KeySets) refresh(ctx context.Context, uri string, set *keySet, old *fetchedKeys) error {
	select {
	case <-set.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { set.turn <- struct{}{} }()
	now := s.cfg.Now()
	if set.current.Load() != old {
		return nil
	}
	if !set.tried.IsZero() && now.Sub(set.tried) < s.cfg.Refetch {
		return errors.New("the last attempt was a short time ago")
	}
	set.tried = now
	// One caller's going away must not fail the fetch for those that wait.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
	defer cancel()
	body, header, err := s.fetch.get(ctx, uri)
	if err != nil {
		return err
	}
	keys, err := readKeySet(body)
	if err != nil {
		return fmt.Errorf("%s: %w", uri, err)
	}
	set.current.Store(&fetchedKeys{keys: keys, at: now, until: now.Add(max(cacheTime(header), s.cfg.Refetch))})
	return nil
}

// cacheTime is what Cache-Control allows. RFC 9111 section 5.2.2.
func cacheTime(header http.Header) time.Duration {
	for directive := range strings.SplitSeq(header.Get("Cache-Control"), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			seconds, err := strconv.Atoi(strings.Trim(value, `"`))
			if err != nil || seconds < 0 {
				return 0
			}
			return time.Duration(min(seconds, int(maxKeySetAge/time.Second))) * time.Second
		}
	}
	return keySetAge
}

// readKeySet reads the public keys of a JWKS (RFC 7517). Keys of kinds that are
// not used here are left out; private and shared keys make the set unusable, for
// they are no secrets any more.
func readKeySet(body []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || set.Keys == nil {
		return nil, errors.New(`it is no key set: a JSON object with an array "keys"`)
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("it has %d keys; at most %d are read", len(set.Keys), maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if err := key.UnmarshalJSON(raw); err != nil {
			continue
		}
		if !key.IsPublic() {
			return nil, errors.New("it has a key that is not public")
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// CheckJWKS tells what is wrong with an inline key set that a client registers:
// no usable key, a private or shared key, or usable keys that their kids do not
// tell apart.
func CheckJWKS(raw json.RawMessage) error {
	if len(raw) > fetchSize {
		return fmt.Errorf("the key set has more than %d bytes", fetchSize)
	}
	keys, err := readKeySet(raw)
	if err != nil {
		return fmt.Errorf("the key set cannot be used: %w", err)
	}
	usable := map[string]bool{}
	for i := range keys {
		for _, algorithm := range asymmetric {
			name := keys[i].KeyID + " " + algorithm
			if !fits(&keys[i], algorithm) {
				continue
			}
			if keys[i].KeyID == "" || usable[name] {
				return fmt.Errorf("the key set cannot be used: key %d has no kid of its own", i+1)
			}
			usable[name] = true
		}
	}
	if len(usable) == 0 {
		return fmt.Errorf("the key set has no key for one of %s; RSA keys have %d to %d bits", strings.Join(asymmetric, ", "), minRSA, maxRSA)
	}
	return nil
}
