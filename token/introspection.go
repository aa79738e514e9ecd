package token

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// IntrospectionConfig for NewIntrospection.
type IntrospectionConfig struct {
	// URL is the introspection endpoint.
	URL string
	// ClientID and ClientSecret authenticate this server to it
	// (client_secret_basic). Bearer is a token to present instead.
	ClientID, ClientSecret, Bearer string
	// Issuer is the claim iss that answers must have; "" for any or none.
	Issuer string
	// Audiences are accepted beside the data store's base URL.
	// AudienceOptional accepts answers without aud: only for an authorization
	// server whose tokens are all for this data store.
	Audiences        []string
	AudienceOptional bool
	// Required are names of claims that must be there beside active.
	Required []string
	// Names says where the server has its claims.
	Names ClaimNames
	// Cache is how long an answer is remembered, and a token outlives its
	// revocation: a short time; 0 for not at all.
	Cache time.Duration
	// Timeout is how long an answer may take; 0 for two seconds.
	Timeout time.Duration
	// Calls is how many questions are asked at a time; 0 for DefaultCalls. Half
	// as many may be about tokens that are not known.
	Calls int
	// Client sends the requests; nil for one that follows no redirects.
	Client *http.Client
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// An Introspection verifies tokens by asking the authorization server that
// issued them. https://www.rfc-editor.org/rfc/rfc7662
type Introspection struct {
	cfg    IntrospectionConfig
	remote remote
}

// NewIntrospection makes a verifier; an error tells what is wrong with the
// configuration.
func NewIntrospection(cfg IntrospectionConfig) (*Introspection, error) {
	if err := checkOperatorURL(cfg.URL); err != nil {
		return nil, err
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Second
	}
	return &Introspection{cfg, newRemote(cfg.Client, cfg.Timeout, cfg.Cache, cfg.Calls, cfg.Now)}, nil
}

// Verify implements Verifier.
func (i *Introspection) Verify(ctx context.Context, raw, audience string) (*Claims, error) {
	if err := checkToken(raw); err != nil {
		return nil, err
	}
	c, err := i.remote.ask(ctx, cacheKey(raw), raw, func(ctx context.Context) (*Claims, error) { return i.introspect(ctx, raw) })
	if err != nil {
		return nil, err
	}
	valid := validity{now: i.remote.now(), leeway: Leeway, expiryLeeway: Leeway, audiences: append([]string{audience}, i.cfg.Audiences...)}
	if i.cfg.AudienceOptional && len(c.Audience) == 0 {
		valid.audiences = nil
	}
	if c.Expires.IsZero() {
		// RFC 7662 leaves exp out where it likes; active is what counts.
		limited := *c
		limited.Expires = valid.now.Add(i.cfg.Cache)
		c = &limited
	}
	if err := valid.check(c); err != nil {
		return nil, err
	}
	return c, nil
}

func (i *Introspection) introspect(ctx context.Context, raw string) (*Claims, error) {
	form := url.Values{"token": {raw}, "token_type_hint": {"access_token"}}.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.cfg.URL, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	switch {
	case i.cfg.Bearer != "":
		r.Header.Set("Authorization", "Bearer "+i.cfg.Bearer)
	case i.cfg.ClientID != "":
		r.SetBasicAuth(url.QueryEscape(i.cfg.ClientID), url.QueryEscape(i.cfg.ClientSecret)) // RFC 6749 section 2.3.1
	}
	body, _, err := i.remote.send(r)
	if err != nil {
		return nil, err
	}
	var decoded map[string]any
	if err := json.Unmarshal(body, &decoded); err != nil {
		return nil, errorf(Unavailable, "the introspection endpoint answers with something else").because(err)
	}
	if active, _ := decoded["active"].(bool); !active {
		return nil, errorf(InvalidToken, "the token is not active")
	}
	delete(decoded, "active")
	if err := requireClaims(decoded, i.cfg.Required); err != nil {
		return nil, err
	}
	c, err := readClaims(decoded, i.cfg.Names)
	if err != nil {
		return nil, err
	}
	if i.cfg.Issuer != "" && c.Issuer != i.cfg.Issuer {
		return nil, errorf(InvalidToken, "the token is of another issuer")
	}
	return c, nil
}

var _ Verifier = (*Introspection)(nil)
