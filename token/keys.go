package token

import (
	"context"
	"errors"
	"time"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/kv"
)

// The signing algorithms of a server's own keys. RFC 7518 section 3.1.
const (
	ES384 = "ES384"
	RS384 = "RS384"
	RS256 = "RS256"
)

// Leeway is what clocks may differ by.
const Leeway = 60 * time.Second

// MaxLifetime is the longest time that a token signed by Keys may be valid.
const MaxLifetime = 24 * time.Hour

// KeysConfig for OpenKeys.
type KeysConfig struct {
	DB  kv.DB
	Box *crypt.Box
	// Issuer is the claim iss of every token, "https://fhir.example.org/auth".
	Issuer string
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// Ahead is how long a new key is published before it signs, so that
	// whoever caches the key set has it in time; 0 for ten minutes.
	Ahead time.Duration
}

// Keys are a server's signing keys: an ES384, an RS384 and an RS256 key (which
// OpenID Connect asks for), kept in kv with the private halves sealed. Several
// processes on one database share them. Safe for concurrent use.
type Keys struct{ cfg KeysConfig }

var errLater = errors.New("token: not there yet")

// OpenKeys opens the keys of a server, making them at first.
func OpenKeys(ctx context.Context, cfg KeysConfig) (*Keys, error) { return &Keys{cfg}, nil }

// Issuer is the claim iss of every token.
func (k *Keys) Issuer() string { return k.cfg.Issuer }

// Mint signs an access token with the current ES384 key: typ at+jwt. It sets
// Issuer, IssuedAt and ID where they are empty; Audience, Subject, ClientID and
// Expires must be there.
func (k *Keys) Mint(ctx context.Context, c Claims) (string, error) { return "", errLater }

// MintID signs an id_token: claims as they are, with iss and iat added where
// they are missing. alg is RS256 (what OpenID Connect clients expect unless
// they registered another), RS384 or ES384; "" for RS256.
func (k *Keys) MintID(ctx context.Context, claims map[string]any, alg string) (string, error) {
	return "", errLater
}

// VerifyID checks an id_token that this server minted, for id_token_hint: its
// signature, issuer and audience (the client), not its expiry.
func (k *Keys) VerifyID(ctx context.Context, raw, clientID string) (map[string]any, error) {
	return nil, errLater
}

// JWKS is the public key set as JSON: the keys that sign, those that will next,
// and those that signed tokens that may still be valid. It may be cached for
// JWKSMaxAge.
func (k *Keys) JWKS(ctx context.Context) ([]byte, error) { return nil, errLater }

// Rotate makes new keys. They are published at once and sign after
// KeysConfig.Ahead; the old ones verify until all that they signed has expired.
func (k *Keys) Rotate(ctx context.Context) error { return errLater }

// Verify implements Verifier for tokens that Mint made. An empty audience is
// for callers that check Claims.Audience themselves, such as introspection.
func (k *Keys) Verify(ctx context.Context, raw, audience string) (*Claims, error) {
	return nil, errLater
}

var _ Verifier = (*Keys)(nil)
