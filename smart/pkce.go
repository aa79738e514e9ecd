package smart

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"regexp"
)

// Proof Key for Code Exchange. https://www.rfc-editor.org/rfc/rfc7636

var (
	validVerifier  = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)
	validChallenge = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
)

// checkChallenge checks the PKCE parameters of an authorization request.
// Every client must use S256.
func checkChallenge(challenge, method string) *oauthError {
	switch {
	case challenge == "":
		return refuse(codeInvalidRequest, "code_challenge is missing: send BASE64URL(SHA256(code_verifier)) with code_challenge_method=S256")
	case method != "S256":
		return refuse(codeInvalidRequest, "code_challenge_method must be S256")
	case !validChallenge.MatchString(challenge):
		return refuse(codeInvalidRequest, "code_challenge must be 43 characters of base64url without padding")
	}
	return nil
}

// verifierFits reports whether a code_verifier is the one of a challenge.
func verifierFits(verifier, challenge string) bool {
	if !validVerifier.MatchString(verifier) {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	made := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(made), []byte(challenge)) == 1
}
