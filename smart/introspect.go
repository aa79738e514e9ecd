package smart

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/smart/opaque"
	"github.com/tarnhealth/tarn/token"
)

// introspect tells an app about its tokens, and a resource server about all.
// https://www.rfc-editor.org/rfc/rfc7662
// http://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html
func (s *Service) introspect(w http.ResponseWriter, r *http.Request) (tokenResponse, error) {
	p, err := readForm(w, r)
	if err != nil {
		return nil, err
	}
	caller, err := s.caller(r, p)
	if err != nil {
		return nil, err
	}
	if p["token"] == "" {
		return nil, refuse(codeInvalidRequest, "token is missing")
	}
	about, err := s.about(r.Context(), p["token"])
	if err != nil {
		return nil, err
	}
	if about == nil || about["client_id"] != caller.ID && !caller.MayIntrospect {
		return tokenResponse{"active": false}, nil
	}
	return about, nil
}

// caller is who asks: by an access token, or as at the token endpoint. A public
// client proves nothing by its name, and must show a token.
func (s *Service) caller(r *http.Request, p params) (*Client, error) {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "DPoP") {
		return s.bearerClient(r)
	}
	c, err := s.authenticate(r, p)
	if err == nil && c.Type == Public {
		return nil, errClient()
	}
	return c, err
}

// about describes a token, nil where it is good no more or never was.
func (s *Service) about(ctx context.Context, raw string) (tokenResponse, error) {
	if strings.Count(raw, ".") != 2 {
		return s.aboutRefresh(ctx, raw)
	}
	claims, err := s.keys.Verify(ctx, raw, "")
	if err != nil {
		if token.CodeOf(err) == token.ServerError {
			return nil, err
		}
		return nil, nil
	}
	g, err := s.grantOf(ctx, claims)
	if errors.Is(err, errRevoked) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	kind := "Bearer"
	about := tokenResponse{
		"active": true, "scope": claims.Scope, "client_id": claims.ClientID, "sub": claims.Subject,
		"iss": s.issuer, "aud": claims.Audience, "jti": claims.ID,
		"exp": claims.Expires.Unix(), "iat": claims.IssuedAt.Unix(), "nbf": claims.NotBefore.Unix(),
	}
	if claims.Thumbprint != "" {
		kind = "DPoP"
	}
	if cnf := claims.Map()["cnf"]; cnf != nil {
		about["cnf"] = cnf
	}
	about["token_type"] = kind
	about.add(&Context{Tenant: claims.Tenant})
	if g != nil {
		s.aboutGrant(about, g)
	} else if claims.Patient != "" {
		about["patient"] = claims.Patient
	}
	return about, nil
}

// aboutGrant adds the launch context, and the user where the app may know.
func (s *Service) aboutGrant(about tokenResponse, g *Grant) {
	about.add(&g.Context)
	scopes, _ := s.parseScopes(g.Scope)
	store, err := s.store(g.DataStore)
	if scopes.OpenID && scopes.FHIRUser && g.FHIRUser != "" && err == nil {
		about["fhirUser"] = store.Base() + "/" + g.FHIRUser
	}
}

// aboutRefresh describes a refresh token.
func (s *Service) aboutRefresh(ctx context.Context, raw string) (tokenResponse, error) {
	g, record, err := s.findRefresh(ctx, raw)
	if g == nil || err != nil {
		return nil, err
	}
	if !record.Used.IsZero() || !s.now().Before(record.Expires) {
		return nil, nil
	}
	about := tokenResponse{
		"active": true, "scope": g.Scope, "client_id": g.ClientID, "sub": g.UserID, "iss": s.issuer,
		"exp": record.Expires.Unix(), "iat": g.Created.Unix(),
	}
	s.aboutGrant(about, g)
	return about, nil
}

// findRefresh finds the grant of a refresh token, nil where there is none.
func (s *Service) findRefresh(ctx context.Context, raw string) (*Grant, *refreshRecord, error) {
	var g Grant
	var record refreshRecord
	gone := false
	err := s.db.View(ctx, func(tx kv.Tx) (err error) {
		if record, err = refreshTable.Get(tx, opaque.Key(raw)); err != nil {
			return err
		}
		if g, err = grantTable.Get(tx, record.GrantID); err != nil {
			return err
		}
		gone, err = wasRevoked(tx, g.Created.Truncate(time.Second), "client:"+g.ClientID, "user:"+g.UserID)
		return err
	})
	if errors.Is(err, kv.ErrNotFound) || err == nil && gone {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	return &g, &record, nil
}
