package token

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/tarnhealth/tarn/kv"
)

// ClientKeys are the registered public keys of a client.
type ClientKeys struct {
	// JWKS is the inline key set, as JSON; URI is where it is instead. URI
	// wins where both are set.
	JWKS json.RawMessage
	URI  string
	// Algorithms are those that the client may sign with; empty for
	// AssertionAlgorithms. ES256, RS256, PS256 and PS384 are offered beside
	// them.
	Algorithms []string
}

// AssertionAlgorithms are those that every client with keys may use.
// https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
var AssertionAlgorithms = []string{RS384, ES384}

// AssertionsConfig for NewAssertions.
type AssertionsConfig struct {
	// DB keeps the ids of used assertions.
	DB kv.DB
	// KeySets fetches ClientKeys.URI; nil refuses clients that have one.
	KeySets *KeySets
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// Assertions checks the client assertions of private_key_jwt.
// https://www.rfc-editor.org/rfc/rfc7523
// https://hl7.org/fhir/smart-app-launch/client-confidential-asymmetric.html
type Assertions struct{ cfg AssertionsConfig }

// NewAssertions makes the checker of a server.
func NewAssertions(cfg AssertionsConfig) *Assertions {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Assertions{cfg}
}

// maxAssertion is how far ahead an assertion may expire.
const maxAssertion = 5 * time.Minute

var assertionTable = kv.NewTable[usedID]("token.assertions")

// Check returns the client that an assertion proves: signed with one of the
// client's keys, issued by and about the client, for the token endpoint, valid
// for no more than five minutes, and never seen before. Every other assertion is
// an *Error with the code InvalidClient. keys finds the keys of a client; its
// errors are not shown.
func (a *Assertions) Check(ctx context.Context, assertion, tokenEndpoint string, keys func(clientID string) (ClientKeys, error)) (clientID string, err error) {
	c, err := a.verify(ctx, assertion, keys)
	if err != nil {
		return "", asInvalidClient(err)
	}
	now := a.cfg.Now()
	switch {
	case !slices.Contains(c.Audience, tokenEndpoint):
		return "", errorf(InvalidClient, "the claim aud of the assertion must be the URL of the token endpoint, %s", tokenEndpoint)
	case c.Expires.After(now.Add(maxAssertion + Leeway)):
		return "", errorf(InvalidClient, "the assertion expires more than %v from now", maxAssertion)
	case c.ID == "" || len(c.ID) > maxID:
		return "", errorf(InvalidClient, "the assertion needs a claim jti of at most %d bytes", maxID)
	}
	if err := (validity{now: now, leeway: Leeway, expiryLeeway: Leeway}).check(c); err != nil {
		return "", asInvalidClient(err)
	}
	fresh, err := useOnce(ctx, a.cfg.DB, assertionTable, c.Issuer, c.ID, c.Expires.Add(2*Leeway))
	switch {
	case err != nil:
		return "", errorf(ServerError, "the assertion could not be recorded").because(err)
	case !fresh:
		return "", errorf(InvalidClient, "the assertion was used before: its jti is known")
	}
	return c.Issuer, nil
}

// asInvalidClient gives an error of the token machinery the code that it has in
// a token request.
func asInvalidClient(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return errorf(InvalidClient, "the client assertion is refused").because(err)
	}
	return &Error{Code: InvalidClient, Description: "client assertion: " + e.Description, Cause: e.Cause}
}

// verify checks who signed the assertion.
func (a *Assertions) verify(ctx context.Context, assertion string, keys func(clientID string) (ClientKeys, error)) (*Claims, error) {
	t, err := parseJWT(assertion, asymmetric, "jwt", "", "client-authentication+jwt")
	if err != nil {
		return nil, err
	}
	var unverified struct {
		Issuer  string `json:"iss"`
		Subject string `json:"sub"`
	}
	if err := t.UnsafeClaimsWithoutVerification(&unverified); err != nil {
		return nil, errorf(InvalidClient, "its claims cannot be read").because(err)
	}
	if unverified.Issuer == "" || unverified.Issuer != unverified.Subject || len(unverified.Issuer) > maxID {
		return nil, errorf(InvalidClient, "the claims iss and sub must both be the client's id")
	}
	registered, err := keys(unverified.Issuer)
	if err != nil {
		return nil, errNotProven.because(err)
	}
	key, err := a.key(ctx, t, registered)
	if err != nil {
		return nil, err
	}
	decoded, err := verifyJWT(t, key)
	if err != nil {
		return nil, err
	}
	return readClaims(decoded, ClaimNames{})
}

// errNotProven is the same for a client that is not known and for one whose key
// did not sign.
var errNotProven = errorf(InvalidClient, "no registered key of the client could have signed it with its kid and algorithm")

func (a *Assertions) key(ctx context.Context, t *jwt.JSONWebToken, registered ClientKeys) (*jose.JSONWebKey, error) {
	header := t.Headers[0]
	algorithms := registered.Algorithms
	if len(algorithms) == 0 {
		algorithms = AssertionAlgorithms
	}
	if header.KeyID == "" {
		return nil, errorf(InvalidClient, "its header must have a kid")
	}
	if jku, ok := header.ExtraHeaders["jku"]; ok && (registered.URI == "" || jku != registered.URI) {
		return nil, errorf(InvalidClient, "its header jku is not the registered URL of the client's keys")
	}
	if !slices.Contains(algorithms, header.Algorithm) {
		return nil, errNotProven
	}
	key, err := a.find(ctx, registered, header)
	if errors.Is(err, errNoKey) {
		return nil, errNotProven
	}
	return key, err
}

func (a *Assertions) find(ctx context.Context, registered ClientKeys, header jose.Header) (*jose.JSONWebKey, error) {
	if registered.URI != "" {
		if a.cfg.KeySets == nil {
			return nil, errNotProven
		}
		return a.cfg.KeySets.key(ctx, registered.URI, header)
	}
	if len(registered.JWKS) == 0 {
		return nil, errNotProven
	}
	set, err := readKeySet(registered.JWKS)
	if err != nil {
		return nil, errNotProven.because(err)
	}
	return pick(set, header)
}
