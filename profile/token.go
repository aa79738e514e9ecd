package profile

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// grantMint is the grant type by which a client with the right to gets a token
// as if a user had gone through a launch.
const grantMint = "urn:tarn:oauth:grant-type:mint"

// An Ask says what token to get.
type Ask struct {
	// Scope is the scope string. Scopes of patients and users need the right to
	// mint.
	Scope string
	// DataStore is the id of the data store.
	DataStore string
	// User is the name of who the token is for; Patient and Encounter are the ids
	// of the launch context.
	User, Patient, Encounter string
}

// plain reports whether client_credentials gives the token.
func (a Ask) plain() bool {
	return a.User == "" && a.Patient == "" && a.Encounter == "" &&
		!slices.ContainsFunc(strings.Fields(a.Scope), func(s string) bool { return !strings.HasPrefix(s, "system/") })
}

// A Token is an access token.
type Token struct {
	Access  string    `json:"access_token"`
	Type    string    `json:"token_type"`
	Scope   string    `json:"scope"`
	Patient string    `json:"patient,omitempty"`
	Expires time.Time `json:"expires"`
}

// answer is that of a token endpoint. RFC 6749 section 5
type answer struct {
	Token
	ExpiresIn        int    `json:"expires_in"`
	Error            string `json:"error"`
	ErrorDescription string `json:"error_description"`
}

// Token asks the server for an access token. web is nil for the usual client.
func (p Profile) Token(ctx context.Context, web *http.Client, ask Ask) (Token, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {ask.Scope}, "resource": {p.Server + "/datastore/" + ask.DataStore + "/r4"}}
	if !ask.plain() {
		form.Set("grant_type", grantMint)
		for name, value := range map[string]string{"user": ask.User, "patient": ask.Patient, "encounter": ask.Encounter} {
			if value != "" {
				form.Set(name, value)
			}
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Server+"/auth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return Token{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(p.ClientID), url.QueryEscape(p.ClientSecret)) // RFC 6749 section 2.3.1
	if web == nil {
		web = http.DefaultClient
	}
	begin := time.Now()
	res, err := web.Do(req)
	if err != nil {
		return Token{}, fmt.Errorf("the server %s does not answer: %w", p.Server, err)
	}
	defer res.Body.Close()
	var a answer
	err = json.NewDecoder(http.MaxBytesReader(nil, res.Body, 1<<20)).Decode(&a)
	switch {
	case a.Error != "":
		return Token{}, fmt.Errorf("the server refuses a token: %s (%s)", a.ErrorDescription, a.Error)
	case err != nil || res.StatusCode != http.StatusOK || a.Access == "":
		return Token{}, fmt.Errorf("the server %s gives no token but answers %s; is it a Tarn server with authorization?", p.Server, res.Status)
	}
	a.Expires = begin.Add(time.Duration(a.ExpiresIn) * time.Second).UTC().Truncate(time.Second)
	return a.Token, nil
}

// early is how long before its end a token is replaced.
const early = 30 * time.Second

// A Bearer sends requests with access tokens of a profile, and gets a new one
// when one is about to end. Safe for concurrent use.
type Bearer struct {
	Profile Profile
	Ask     Ask
	// Next sends the requests.
	Next http.RoundTripper

	mu    sync.Mutex
	token Token
}

// RoundTrip implements http.RoundTripper.
func (b *Bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	access, err := b.access(r.Context())
	if err != nil {
		return nil, err
	}
	return With(access, b.Next).RoundTrip(r)
}

func (b *Bearer) access(ctx context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if time.Until(b.token.Expires) > early {
		return b.token.Access, nil
	}
	t, err := b.Profile.Token(ctx, &http.Client{Transport: b.Next}, b.Ask)
	if err != nil {
		return "", err
	}
	b.token = t
	return t.Access, nil
}

// With sends requests with one access token.
func With(access string, next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+access)
		return next.RoundTrip(r)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
