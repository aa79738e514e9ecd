package token

import (
	"context"
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/recall"
)

// IssuerConfig for NewIssuer.
type IssuerConfig struct {
	// Issuer is the claim iss that tokens must have. Where an authorization
	// server serves many tenants, it has TenantHole in the place of the claim
	// tid, whose value is then one of Tenants, and Claims.Tenant unless Names
	// says otherwise.
	Issuer  string
	Tenants []string
	// JWKSURI is where its keys are; "" finds it by OpenID Connect discovery
	// at the issuer's URL.
	JWKSURI string
	KeySets *KeySets
	// Audiences are accepted beside the data store's base URL.
	Audiences []string
	// Algorithms that the issuer may sign with; empty for ES256, ES384, RS256,
	// RS384, PS256 and PS384, which are all there are.
	Algorithms []string
	// Required are names of claims that must be there beside iss, aud and exp.
	Required []string
	// Names says where the issuer has its claims.
	Names ClaimNames
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// An Issuer verifies the JWTs of an external authorization server by its
// published keys. A checked signature is remembered while the issuer has the
// key. Safe for concurrent use.
type Issuer struct {
	cfg      IssuerConfig
	verified *cache[issuerToken]

	mu sync.Mutex
	// uri is the URL of the keys as discovered, at found; tried is when that
	// was last attempted.
	uri          string
	found, tried time.Time
}

// An issuerToken is a token whose signature was checked with key.
type issuerToken struct {
	header jose.Header
	key    any
	claims *Claims
}

// NewIssuer makes the verifier of an external issuer. Nothing is fetched before
// the first token.
func NewIssuer(cfg IssuerConfig) (*Issuer, error) {
	if cfg.Issuer == "" || cfg.KeySets == nil {
		return nil, errors.New("an external issuer needs its name and a way to fetch its keys")
	}
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = asymmetric
	}
	for _, a := range cfg.Algorithms {
		if !slices.Contains(asymmetric, a) {
			return nil, fmt.Errorf("the issuer %s: the algorithm %q is not offered; those that are: %s", cfg.Issuer, a, strings.Join(asymmetric, ", "))
		}
	}
	keys := cfg.JWKSURI
	if keys == "" {
		keys = discoveryURL(cfg.Issuer)
	}
	if err := cfg.KeySets.CheckURL(keys); err != nil {
		return nil, fmt.Errorf("the issuer %s: %w", cfg.Issuer, err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Issuer{cfg: cfg, verified: recall.New[[sha256.Size]byte, issuerToken](verifiedTokens)}, nil
}

// TenantHole stands for a tenant's id in the issuer of an authorization server
// that serves many, as its own metadata has it.
// https://learn.microsoft.com/entra/identity-platform/access-tokens#multitenant-applications
const TenantHole = "{tenantid}"

// tenantClaim is the claim that says what is in the hole.
const tenantClaim = "tid"

// Issues reports whether the claim iss of a token is of this issuer.
func (i *Issuer) Issues(iss string) bool {
	if !strings.Contains(i.cfg.Issuer, TenantHole) {
		return iss == i.cfg.Issuer
	}
	return slices.ContainsFunc(i.cfg.Tenants, func(tenant string) bool { return iss == i.of(tenant) })
}

// of is the claim iss of the tokens of a tenant.
func (i *Issuer) of(tenant string) string {
	return strings.Replace(i.cfg.Issuer, TenantHole, tenant, 1)
}

// checkIssuer wants the claim iss to be the issuer's, and of the tenant that tid
// names: the keys are those of all tenants.
func (i *Issuer) checkIssuer(c *Claims) error {
	if !i.Issues(c.Issuer) {
		return errorf(InvalidToken, "the token is of another issuer")
	}
	if !strings.Contains(i.cfg.Issuer, TenantHole) {
		return nil
	}
	tenant, _ := c.Extra[tenantClaim].(string)
	if i.of(tenant) != c.Issuer {
		return errorf(InvalidToken, "the claim %s of the token does not go with its issuer", tenantClaim)
	}
	if i.cfg.Names.Tenant == "" {
		c.Tenant = tenant
	}
	return nil
}

// Verify implements Verifier.
func (i *Issuer) Verify(ctx context.Context, raw, audience string) (*Claims, error) {
	v, err := i.verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	valid := validity{now: i.cfg.Now(), leeway: Leeway, expiryLeeway: Leeway, audiences: append([]string{audience}, i.cfg.Audiences...)}
	if err := valid.check(v.claims); err != nil {
		return nil, err
	}
	return v.claims, nil
}

// verify checks what does not depend on time and place.
func (i *Issuer) verify(ctx context.Context, raw string) (v issuerToken, err error) {
	cached := cacheKey(raw)
	if v, ok := i.verified.Get(cached); ok {
		key, err := i.key(ctx, v.header)
		if err != nil {
			return v, err
		}
		if public, ok := key.Key.(interface{ Equal(crypto.PublicKey) bool }); ok && public.Equal(v.key) {
			return v, nil
		}
	}
	t, err := parseJWT(raw, i.cfg.Algorithms, "at+jwt", "jwt", "")
	if err != nil {
		return v, err
	}
	key, err := i.key(ctx, t.Headers[0])
	if err != nil {
		return v, err
	}
	decoded, err := verifyJWT(t, key)
	if err != nil {
		return v, err
	}
	if err := requireClaims(decoded, i.cfg.Required); err != nil {
		return v, err
	}
	c, err := readClaims(decoded, i.cfg.Names)
	if err != nil {
		return v, err
	}
	if err := i.checkIssuer(c); err != nil {
		return v, err
	}
	v = issuerToken{t.Headers[0], key.Key, c}
	i.verified.Put(cached, v)
	return v, nil
}

// requireClaims tells the first claim that is missing.
func requireClaims(decoded map[string]any, names []string) error {
	for _, name := range names {
		if decoded[name] == nil && follow(decoded, name) == nil {
			return errorf(InvalidToken, "the token has no claim %s", name)
		}
	}
	return nil
}

func (i *Issuer) key(ctx context.Context, header jose.Header) (*jose.JSONWebKey, error) {
	uri := i.cfg.JWKSURI
	if uri == "" {
		var err error
		if uri, err = i.discover(ctx); err != nil {
			return nil, err
		}
	}
	return i.cfg.KeySets.key(ctx, uri, header)
}

func discoveryURL(issuer string) string {
	issuer = strings.Replace(issuer, TenantHole, "common", 1)
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// discover finds the URL of the keys, once an hour. An older one serves while
// the issuer does not answer.
// https://openid.net/specs/openid-connect-discovery-1_0.html
func (i *Issuer) discover(ctx context.Context) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now, refetch := i.cfg.Now(), i.cfg.KeySets.cfg.Refetch
	fresh := i.uri != "" && now.Sub(i.found) < maxKeySetAge
	if fresh || !i.tried.IsZero() && now.Sub(i.tried) < refetch {
		return i.discovered(nil)
	}
	i.tried = now
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
	defer cancel()
	body, _, err := i.cfg.KeySets.fetch.get(ctx, discoveryURL(i.cfg.Issuer))
	if err != nil {
		return i.discovered(err)
	}
	var metadata struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &metadata); err != nil {
		return i.discovered(err)
	}
	if metadata.Issuer != i.cfg.Issuer || metadata.JWKSURI == "" {
		return i.discovered(fmt.Errorf("the metadata is of the issuer %.100q and has the jwks_uri %.100q", metadata.Issuer, metadata.JWKSURI))
	}
	i.uri, i.found = metadata.JWKSURI, now
	return i.uri, nil
}

func (i *Issuer) discovered(cause error) (string, error) {
	if i.uri == "" {
		return "", errorf(Unavailable, "the metadata of the token's issuer cannot be fetched").because(cause)
	}
	return i.uri, nil
}

var _ Verifier = (*Issuer)(nil)

// Issuers verifies a token by the issuer that it names.
type Issuers struct {
	// ByIssuer has the verifiers by the claim iss, Templates those of issuers
	// with TenantHole.
	ByIssuer  map[string]Verifier
	Templates []*Issuer
	// Otherwise is for a token that is no JWT, or of an issuer that is not in
	// ByIssuer: introspection, or a function. It may be nil.
	Otherwise Verifier
}

// Verify implements Verifier.
func (v Issuers) Verify(ctx context.Context, raw, audience string) (*Claims, error) {
	iss := unverifiedIssuer(raw)
	if verifier := v.ByIssuer[iss]; verifier != nil {
		return verifier.Verify(ctx, raw, audience)
	}
	for _, template := range v.Templates {
		if template.Issues(iss) {
			return template.Verify(ctx, raw, audience)
		}
	}
	if v.Otherwise != nil {
		return v.Otherwise.Verify(ctx, raw, audience)
	}
	return nil, errorf(InvalidToken, "the token is of no issuer that this data store trusts")
}

// unverifiedIssuer is the claim iss of what may be a JWT, "" where there is
// none. It decides who verifies, nothing else.
func unverifiedIssuer(raw string) string {
	t, err := parseJWT(raw, asymmetric)
	if err != nil {
		return ""
	}
	var c struct {
		Issuer string `json:"iss"`
	}
	if t.UnsafeClaimsWithoutVerification(&c) != nil {
		return ""
	}
	return c.Issuer
}
