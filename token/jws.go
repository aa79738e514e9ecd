package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// maxJWT is the size of the longest signed token that is read, in bytes.
const maxJWT = 16 << 10

// The sizes of RSA keys, in bits: shorter ones are weak, longer ones cost too
// much to check.
const (
	minRSA = 2048
	maxRSA = 8192
)

// asymmetric are the algorithms that an external party may be allowed. There is
// no "none" among them and nothing with a shared secret, so that a public key
// can never serve as one. https://www.rfc-editor.org/rfc/rfc8725
var asymmetric = []string{"ES256", "ES384", "RS256", "RS384", "PS256", "PS384"}

// parseJWT reads a signed token in its compact form. Its signature is yet to be
// checked. types are the values that the header typ may have; empty for any.
func parseJWT(raw string, algorithms []string, types ...string) (*jwt.JSONWebToken, error) {
	if len(raw) > maxJWT {
		return nil, errorf(InvalidToken, "the token is longer than %d bytes", maxJWT)
	}
	allowed := make([]jose.SignatureAlgorithm, len(algorithms))
	for i, a := range algorithms {
		allowed[i] = jose.SignatureAlgorithm(a)
	}
	t, err := jwt.ParseSigned(raw, allowed)
	if err != nil {
		return nil, errorf(InvalidToken, "the token is no JWT that is signed with one of %s", strings.Join(algorithms, ", ")).because(err)
	}
	if len(types) > 0 && !slices.Contains(types, headerType(t)) {
		return nil, errorf(InvalidToken, "the token has the type %.40q; it must be %q", headerType(t), types[0])
	}
	return t, nil
}

// headerType is the header typ in lower case, without "application/".
// RFC 7515 section 4.1.9.
func headerType(t *jwt.JSONWebToken) string {
	typ, _ := t.Headers[0].ExtraHeaders[jose.HeaderType].(string)
	return strings.TrimPrefix(strings.ToLower(typ), "application/")
}

// verifyJWT checks the signature with a key and returns the claims.
func verifyJWT(t *jwt.JSONWebToken, key *jose.JSONWebKey) (map[string]any, error) {
	if !fits(key, t.Headers[0].Algorithm) {
		return nil, errorf(InvalidToken, "the key of the token does not go with its algorithm")
	}
	var claims map[string]any
	if err := t.Claims(key.Key, &claims); err != nil {
		return nil, errorf(InvalidToken, "the signature of the token is wrong").because(err)
	}
	if claims == nil {
		return nil, errorf(InvalidToken, "the token has no claims")
	}
	return claims, nil
}

// fits reports whether a public key may verify signatures of an algorithm.
func fits(key *jose.JSONWebKey, algorithm string) bool {
	if key.Algorithm != "" && key.Algorithm != algorithm || key.Use != "" && key.Use != "sig" {
		return false
	}
	switch k := key.Key.(type) {
	case *ecdsa.PublicKey:
		return algorithm == "ES256" && k.Curve == elliptic.P256() || algorithm == "ES384" && k.Curve == elliptic.P384()
	case *rsa.PublicKey:
		bits := k.N.BitLen()
		return (strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")) && bits >= minRSA && bits <= maxRSA
	}
	return false
}

// pick finds the one key of a set that a token's header means: by kid, or the
// only one that fits where the header has none.
func pick(keys []jose.JSONWebKey, header jose.Header) (*jose.JSONWebKey, error) {
	var found *jose.JSONWebKey
	for i := range keys {
		if header.KeyID != "" && keys[i].KeyID != header.KeyID || !fits(&keys[i], header.Algorithm) {
			continue
		}
		if found != nil {
			return nil, errorf(InvalidToken, "several keys could have signed the token; its header must have the kid of one")
		}
		found = &keys[i]
	}
	if found == nil {
		return nil, errNoKey
	}
	return found, nil
}

// errNoKey is what a newer key set may help against.
var errNoKey = errorf(InvalidToken, "no key of the issuer could have signed the token with its kid and algorithm")
