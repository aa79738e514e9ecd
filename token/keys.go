package token

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/recall"
)

// The signing algorithms of a server's own keys. RFC 7518 section 3.1.
const (
	ES384 = "ES384"
	RS384 = "RS384"
	RS256 = "RS256"
)

var ownAlgorithms = []string{ES384, RS384, RS256}

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
type Keys struct {
	cfg KeysConfig
	// current is what was last read of kv; loading is held while it is read.
	current atomic.Pointer[keyState]
	loading sync.Mutex
	// verified has the claims of access tokens whose signature was checked.
	verified *cache[*Claims]
}

// verifiedTokens is how many checked tokens are remembered, at least.
const verifiedTokens = 10_000

// A KeyInfo describes a signing key.
type KeyInfo struct {
	// ID is the kid, Algorithm the alg.
	ID        string    `json:"kid"`
	Algorithm string    `json:"alg"`
	Created   time.Time `json:"created"`
	// Active is when the key begins to sign, Retired when another takes over,
	// and Expires when it is removed; the latter are zero for the newest key.
	Active  time.Time `json:"active"`
	Retired time.Time `json:"retired,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
}

// OpenKeys opens the keys of a server, making them at first.
func OpenKeys(ctx context.Context, cfg KeysConfig) (*Keys, error) {
	if cfg.DB == nil || cfg.Box == nil || cfg.Issuer == "" {
		return nil, errors.New("token: keys need a database, a box and an issuer")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Ahead == 0 {
		cfg.Ahead = 10 * time.Minute
	}
	k := &Keys{cfg: cfg, verified: recall.New[[sha256.Size]byte, *Claims](verifiedTokens)}
	state, err := k.load(ctx)
	if err != nil {
		return nil, err
	}
	if missing := state.missing(); len(missing) > 0 {
		if err := k.makeMissing(ctx, missing); err != nil {
			return nil, err
		}
		_, err = k.load(ctx)
	}
	return k, err
}

// Issuer is the claim iss of every token.
func (k *Keys) Issuer() string { return k.cfg.Issuer }

// Mint signs an access token with the current ES384 key: typ at+jwt. It sets
// Issuer, IssuedAt and ID where they are empty; Audience, Subject, ClientID and
// Expires must be there.
func (k *Keys) Mint(ctx context.Context, c Claims) (string, error) {
	now := k.cfg.Now()
	if c.Issuer == "" {
		c.Issuer = k.cfg.Issuer
	}
	if c.IssuedAt.IsZero() {
		c.IssuedAt = now
	}
	if c.ID == "" {
		c.ID = rand.Text()
	}
	switch {
	case c.Issuer != k.cfg.Issuer:
		return "", fmt.Errorf("token: the issuer of a token is %q, not %q", k.cfg.Issuer, c.Issuer)
	case len(c.Audience) == 0 || c.Subject == "" || c.ClientID == "":
		return "", errors.New("token: an access token needs an audience, a subject and a client")
	case !c.Expires.After(now) || c.Expires.After(now.Add(MaxLifetime)):
		return "", fmt.Errorf("token: a token expires within %v of its making", MaxLifetime)
	}
	return k.sign(ctx, ES384, typeAccess, c.Map())
}

// The values of the header typ.
const (
	typeAccess = "at+jwt"
	typeID     = "JWT"
)

// MintID signs an id_token: claims as they are, with iss and iat added where
// they are missing; aud, sub and exp must be there. alg is RS256 (what OpenID
// Connect clients expect unless they registered another), RS384 or ES384; "" for
// RS256.
func (k *Keys) MintID(ctx context.Context, claims map[string]any, alg string) (string, error) {
	if alg == "" {
		alg = RS256
	}
	now := k.cfg.Now()
	all := map[string]any{"iss": k.cfg.Issuer, "iat": now.Unix()}
	for name, value := range claims {
		switch v := value.(type) {
		case time.Time:
			all[name] = v.Unix()
		default:
			all[name] = value
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("token: the claims of an id_token: %w", err)
	}
	var decoded map[string]any
	if err := json.Unmarshal(text, &decoded); err != nil {
		return "", err
	}
	c, err := readClaims(decoded, ClaimNames{})
	if err != nil {
		return "", err
	}
	if c.Subject == "" || len(c.Audience) == 0 || !c.Expires.After(now) || c.Expires.After(now.Add(MaxLifetime)) {
		return "", fmt.Errorf("token: an id_token needs a subject, an audience, and an expiry within %v", MaxLifetime)
	}
	return k.sign(ctx, alg, typeID, all)
}

func (k *Keys) sign(ctx context.Context, alg, typ string, claims map[string]any) (string, error) {
	state, err := k.state(ctx)
	if err != nil {
		return "", err
	}
	key := state.signing(alg, k.cfg.Now())
	if key == nil {
		return "", fmt.Errorf("token: there is no key for %q", alg)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("token: the claims of a token: %w", err)
	}
	signed, err := key.signers[typ].Sign(payload)
	if err != nil {
		return "", fmt.Errorf("token: signing: %w", err)
	}
	return signed.CompactSerialize()
}

// Verify implements Verifier for tokens that Mint made. An empty audience is
// for callers that check Claims.Audience themselves, such as introspection.
//
// A checked signature is remembered; time, audience, and that the key is still
// there, are checked each time.
func (k *Keys) Verify(ctx context.Context, raw, audience string) (*Claims, error) {
	cached := cacheKey(raw)
	if claims, ok := k.verified.Get(cached); ok {
		if err := k.Recheck(ctx, claims, audience); !errors.Is(err, errNoKey) {
			return given(claims, err)
		}
	}
	claims, err := k.verifySignature(ctx, raw, typeAccess)
	if err != nil {
		return nil, err
	}
	if claims.Subject == "" || claims.ClientID == "" || claims.ID == "" || claims.IssuedAt.IsZero() || len(claims.Audience) == 0 {
		return nil, errorf(InvalidToken, "the token lacks one of the claims sub, client_id, jti, iat and aud")
	}
	k.verified.Put(cached, claims)
	return given(claims, k.Recheck(ctx, claims, audience))
}

func given(claims *Claims, err error) (*Claims, error) {
	if err != nil {
		return nil, err
	}
	return claims, nil
}

// Recheck implements Rechecker: time, audience, and that the key is still there.
func (k *Keys) Recheck(ctx context.Context, claims *Claims, audience string) error {
	state, err := k.state(ctx)
	if err != nil {
		return err
	}
	if state.key(claims.key) == nil {
		return errNoKey
	}
	valid := validity{now: k.cfg.Now(), leeway: Leeway}
	if audience != "" {
		valid.audiences = []string{audience}
	}
	return valid.check(claims)
}

var _ Rechecker = (*Keys)(nil)

// VerifyID checks an id_token that this server minted, for id_token_hint: its
// signature, issuer and audience (the client), not its expiry. An empty clientID
// is for any client.
func (k *Keys) VerifyID(ctx context.Context, raw, clientID string) (*Claims, error) {
	claims, err := k.verifySignature(ctx, raw, "jwt")
	if err != nil {
		return nil, err
	}
	if clientID != "" && !slices.Contains(claims.Audience, clientID) {
		return nil, errorf(InvalidToken, "the id_token is for another client")
	}
	return claims, nil
}

// verifySignature checks what does not depend on time and audience.
func (k *Keys) verifySignature(ctx context.Context, raw, typ string) (*Claims, error) {
	t, err := parseJWT(raw, ownAlgorithms, typ)
	if err != nil {
		return nil, err
	}
	key, err := k.verifying(ctx, t.Headers[0])
	if err != nil {
		return nil, err
	}
	decoded, err := verifyJWT(t, &key.public)
	if err != nil {
		return nil, err
	}
	claims, err := readClaims(decoded, ClaimNames{})
	if err != nil {
		return nil, err
	}
	if claims.Issuer != k.cfg.Issuer {
		return nil, errorf(InvalidToken, "the token is of another issuer")
	}
	claims.key = key.ID
	return claims, nil
}

// verifying finds the key that a header names, in kv where another process
// may have made it.
func (k *Keys) verifying(ctx context.Context, header jose.Header) (*signingKey, error) {
	state, err := k.state(ctx)
	if err != nil {
		return nil, err
	}
	key := state.key(header.KeyID)
	if key == nil && k.cfg.Now().Sub(state.at) >= time.Second {
		if state, err = k.load(ctx); err != nil {
			return nil, err
		}
		key = state.key(header.KeyID)
	}
	if key == nil || key.Algorithm != header.Algorithm {
		return nil, errNoKey
	}
	return key, nil
}
