package smart

import (
	"errors"
	"net/http"

	"github.com/tarnhealth/tarn/login"
)

// userinfo tells an app about its user, as far as the scopes go.
// OpenID Connect Core section 5.3
func (s *Service) userinfo(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost {
		w.Header().Set("Allow", "GET, POST")
		return nil, &oauthError{code: codeInvalidRequest, description: "use GET or POST", status: http.StatusMethodNotAllowed}
	}
	claims, err := s.bearer(r)
	if err != nil {
		return nil, err
	}
	scopes, _ := s.parseScopes(claims.Scope)
	g, err := s.grantOf(r.Context(), claims)
	if errors.Is(err, errRevoked) || err == nil && (g == nil || !scopes.OpenID) {
		return nil, &oauthError{code: "insufficient_scope", description: "the token was not granted openid", status: http.StatusForbidden}
	}
	if err != nil {
		return nil, err
	}
	h, err := s.holderOf(r.Context(), g)
	if errors.Is(err, login.ErrNotFound) || err != nil && asOAuth(err).code == codeInvalidGrant {
		return nil, &oauthError{code: codeInvalidToken, description: "the user is gone", status: http.StatusUnauthorized}
	}
	if err != nil {
		return nil, err
	}
	answer := userClaims(scopes, h)
	answer["sub"] = h.user.ID
	return answer, nil
}
