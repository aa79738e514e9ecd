package smart

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/smart/opaque"
)

// An AuthRequest is one authorization request on its way: what was asked, and
// what the steps have settled so far. It is stored under "smart-request" 0x00
// and the hash of its id, which is in the URLs of the steps.
type AuthRequest struct {
	ID          string    `json:"-"`
	ClientID    string    `json:"clientId"`
	RedirectURI string    `json:"redirectUri"`
	Scope       string    `json:"scope"` // what can be granted of what was asked
	State       string    `json:"state"`
	Nonce       string    `json:"nonce,omitempty"`
	Challenge   string    `json:"challenge"`
	Thumbprint  string    `json:"thumbprint,omitempty"` // dpop_jkt
	DataStore   string    `json:"dataStore"`
	Prompt      []string  `json:"prompt,omitempty"`
	MaxAge      *int64    `json:"maxAge,omitempty"` // seconds
	LoginHint   string    `json:"loginHint,omitempty"`
	Subject     string    `json:"subject,omitempty"` // whom id_token_hint names
	Created     time.Time `json:"created"`
	// Browser names the browser that the request began in; no other may go on
	// with it.
	Browser string `json:"browser,omitempty"`

	// Launch is what the launch token carried.
	Launch *Launch `json:"launch,omitempty"`

	// UserID and SessionID are who signed in. What follows was settled for
	// that user.
	UserID    string `json:"userId,omitempty"`
	SessionID string `json:"sessionId,omitempty"`

	Context Context `json:"context"`
	// PatientDone and EncounterDone are set once the choice is made, with or
	// without a result.
	PatientDone   bool `json:"patientDone,omitempty"`
	EncounterDone bool `json:"encounterDone,omitempty"`
	// Granted is what the user agreed to; ConsentDone once they decided.
	Granted     string `json:"granted,omitempty"`
	ConsentDone bool   `json:"consentDone,omitempty"`
}

var requestTable = kv.NewTable[AuthRequest]("smart-request")

// requestParams has what an authorization request may hold beside what is
// checked at once.
func (s *Service) newAuthRequest(ctx context.Context, c *Client, p params) (*AuthRequest, error) {
	a := &AuthRequest{
		ID: opaque.New(), ClientID: c.ID, RedirectURI: p["redirect_uri"], State: p["state"], Nonce: p["nonce"],
		Challenge: p["code_challenge"], Thumbprint: p["dpop_jkt"], LoginHint: p["login_hint"], Created: s.now().UTC(),
	}
	checks := []func(context.Context, *AuthRequest, *Client, params) error{
		checkResponse, checkPKCE, s.readAudience, s.readScope, readPrompt, s.readHint, s.readLaunch,
	}
	for _, check := range checks {
		if err := check(ctx, a, c, p); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func checkResponse(_ context.Context, a *AuthRequest, c *Client, p params) error {
	switch {
	case p["request"] != "":
		return refuse("request_not_supported", "request objects are not supported; use pushed authorization requests")
	case p["registration"] != "":
		return refuse("registration_not_supported", "the parameter registration is not supported")
	case p["response_type"] == "":
		return refuse(codeInvalidRequest, "response_type is missing: send code")
	case p["response_type"] != "code":
		return refuse(codeUnsupportedResponse, "response_type must be code")
	case p["response_mode"] != "" && p["response_mode"] != "query":
		return refuse(codeInvalidRequest, "response_mode must be query")
	case !c.Uses(grantCode):
		return refuse(codeUnauthorizedClient, "this client may not use authorization codes")
	case a.State == "":
		return refuse(codeInvalidRequest, "state is missing: send a value that cannot be guessed")
	case a.Thumbprint != "" && !opaque.IsHash(a.Thumbprint):
		return refuse(codeInvalidRequest, "dpop_jkt must be a SHA-256 JWK thumbprint in base64url")
	}
	return nil
}

func checkPKCE(_ context.Context, _ *AuthRequest, _ *Client, p params) error {
	if wrong := opaque.CheckChallenge(p["code_challenge"], p["code_challenge_method"]); wrong != "" {
		return refuse(codeInvalidRequest, "%s", wrong)
	}
	return nil
}

// readAudience wants aud, or resource of RFC 8707, to be a data store.
func (s *Service) readAudience(_ context.Context, a *AuthRequest, c *Client, p params) error {
	audience, code := p["aud"], codeInvalidRequest
	if audience == "" {
		audience, code = p["resource"], codeInvalidTarget
	}
	if audience == "" {
		return refuse(codeInvalidRequest, "aud is missing: send the FHIR base URL of the data store")
	}
	if p["resource"] != "" && strings.TrimSuffix(p["resource"], "/") != strings.TrimSuffix(audience, "/") {
		return refuse(codeInvalidTarget, "aud and resource name different servers")
	}
	store, ok := s.storeOf(audience)
	if !ok {
		return refuse(code, "aud is not the FHIR base URL of a data store of this server")
	}
	a.DataStore = store.Record().ID
	if !c.MayUse(a.DataStore) {
		return refuse(codeUnauthorizedClient, "this client may not use that data store")
	}
	return nil
}

func (s *Service) readScope(ctx context.Context, a *AuthRequest, c *Client, p params) error {
	if p["scope"] == "" {
		return refuse(codeInvalidScope, "scope is missing")
	}
	store, err := s.store(a.DataStore)
	if err != nil {
		return err
	}
	scopes, dropped := s.grantable(p["scope"], c, store)
	if p["launch"] == "" {
		scopes = only(scopes, store.Registry(), func(scope string) bool { return scope != "launch" })
	}
	if len(dropped) > 0 {
		s.log.InfoContext(ctx, "scopes left out", "client", c.ID, "count", len(dropped), "first", printable(dropped[0].Scope), "reason", printable(dropped[0].Reason))
	}
	if err := refuseContexts(dropped); err != nil && p["launch"] == "" {
		return err
	}
	if !givesData(scopes) {
		if len(dropped) > 0 {
			return refuse(codeInvalidScope, "no scope can be granted; %s: %s", printable(dropped[0].Scope), dropped[0].Reason)
		}
		return refuse(codeInvalidScope, "no scope can be granted: none of those asked for is registered for this client")
	}
	a.Scope = scopes.String()
	return nil
}

// refuseContexts refuses a request for a launch context that is not offered,
// launch/imagingstudy: the app would wait for it in vain. An EHR may give it, in
// fhirContext.
func refuseContexts(dropped []authz.Dropped) error {
	for _, d := range dropped {
		if strings.HasPrefix(d.Scope, "launch/") {
			return refuse(codeInvalidScope, "%s: %s", printable(d.Scope), d.Reason)
		}
	}
	return nil
}

// readPrompt reads prompt and max_age. OpenID Connect Core section 3.1.2.1
func readPrompt(_ context.Context, a *AuthRequest, _ *Client, p params) error {
	a.Prompt = strings.Fields(p["prompt"])
	for _, prompt := range a.Prompt {
		if !slices.Contains([]string{"none", "login", "consent", "select_account"}, prompt) {
			return refuse(codeInvalidRequest, "prompt may be none, login, consent and select_account")
		}
	}
	if a.prompts("none") && len(a.Prompt) > 1 {
		return refuse(codeInvalidRequest, "prompt=none stands alone")
	}
	if p["max_age"] != "" {
		n, err := strconv.ParseInt(p["max_age"], 10, 32)
		if err != nil || n < 0 {
			return refuse(codeInvalidRequest, "max_age must be a number of seconds")
		}
		a.MaxAge = &n
	}
	return nil
}

func (s *Service) readHint(ctx context.Context, a *AuthRequest, c *Client, p params) error {
	if p["id_token_hint"] == "" {
		return nil
	}
	claims, err := s.keys.VerifyID(ctx, p["id_token_hint"], c.ID)
	if err != nil {
		return refuse(codeInvalidRequest, "id_token_hint is not an id_token of this server for this client").because(err)
	}
	a.Subject = claims.Subject
	return nil
}

// readLaunch uses the launch token up.
func (s *Service) readLaunch(ctx context.Context, a *AuthRequest, c *Client, p params) error {
	if p["launch"] == "" {
		return nil
	}
	if !slices.Contains(strings.Fields(a.Scope), "launch") {
		return refuse(codeInvalidRequest, "the parameter launch needs the scope launch")
	}
	launch, err := s.takeLaunch(ctx, p["launch"], c.ID, a.DataStore)
	if err != nil {
		return err
	}
	a.Launch = launch
	a.Context = launch.Context
	return nil
}

// prompts reports whether the request asks for a prompt.
func (a *AuthRequest) prompts(prompt string) bool { return slices.Contains(a.Prompt, prompt) }

// forget undoes what was settled for another user.
func (a *AuthRequest) forget() {
	a.Context = Context{}
	if a.Launch != nil {
		a.Context = a.Launch.Context
	}
	a.PatientDone, a.EncounterDone, a.ConsentDone, a.Granted = false, false, false, ""
}

func (s *Service) putRequest(ctx context.Context, a *AuthRequest) error {
	return s.db.Update(ctx, func(tx kv.Tx) error {
		return requestTable.Put(tx, opaque.Key(a.ID), *a, a.Created.Add(s.cfg.Lifetimes.Request))
	})
}

// request reads a request back: KindNotFound where it is unknown or expired.
func (s *Service) request(ctx context.Context, id string) (*AuthRequest, error) {
	var a AuthRequest
	err := s.db.View(ctx, func(tx kv.Tx) (err error) {
		a, err = requestTable.Get(tx, opaque.Key(id))
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		return nil, fhir.Errorf(fhir.KindNotFound, "there is no such authorization request")
	}
	a.ID = id
	return &a, err
}

// dropRequest ends a request.
func (s *Service) dropRequest(ctx context.Context, a *AuthRequest) error {
	return s.db.Update(ctx, func(tx kv.Tx) error { return requestTable.Delete(tx, opaque.Key(a.ID)) })
}
