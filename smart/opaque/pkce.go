package opaque

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"regexp"
)

// Proof Key for Code Exchange. https://www.rfc-editor.org/rfc/rfc7636

var (
	validVerifier = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)
	validHash     = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
)

// IsHash reports whether a text is a SHA-256 in base64url, as PKCE challenges
// and JWK thumbprints are.
func IsHash(text string) bool { return validHash.MatchString(text) }

// CheckChallenge says what is wrong with the PKCE parameters of an
// authorization request, "" if nothing. Every client must use S256.
func CheckChallenge(challenge, method string) string {
	switch {
	case challenge == "":
		return "code_challenge is missing: send BASE64URL(SHA256(code_verifier)) with code_challenge_method=S256"
	case method != "S256":
		return "code_challenge_method must be S256"
	case !IsHash(challenge):
		return "code_challenge must be 43 characters of base64url without padding"
	}
	return ""
}

// Verifies reports whether a code_verifier is the one of a challenge.
func Verifies(verifier, challenge string) bool {
	if !validVerifier.MatchString(verifier) {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	made := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(made), []byte(challenge)) == 1
}
