package server

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/token"
)

// introspected is how long the answer of an introspection endpoint is believed.
const introspected = 10 * time.Second

// externals are the verifiers of the data stores that have an external
// authorization server, made when they are first needed.
type externals struct {
	sets *token.KeySets

	mu    sync.Mutex
	known map[*datastore.IdentityProvider]token.Verifier
}

// of returns the verifier for an identity provider that is not the server's own.
func (e *externals) of(p *datastore.IdentityProvider) (token.Verifier, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if v := e.known[p]; v != nil {
		return v, nil
	}
	v, err := e.open(p)
	if err != nil {
		return nil, err
	}
	if e.known == nil || len(e.known) >= 1000 {
		e.known = map[*datastore.IdentityProvider]token.Verifier{} // providers that were replaced
	}
	e.known[p] = v
	return v, nil
}

func (e *externals) open(p *datastore.IdentityProvider) (token.Verifier, error) {
	if p.Function != "" {
		return token.NewFunction(token.FunctionConfig{URL: p.Function})
	}
	x := p.External
	names := claimNames(x.Claims)
	if x.Issuer != "" {
		return token.NewIssuer(token.IssuerConfig{Issuer: x.Issuer, JWKSURI: x.JWKSURI, KeySets: e.sets, Audiences: x.Audiences, Names: names})
	}
	secret := ""
	if x.SecretFile != "" {
		b, err := os.ReadFile(x.SecretFile)
		if err != nil {
			return nil, err
		}
		secret = strings.TrimRight(string(b), "\r\n")
	}
	return token.NewIntrospection(token.IntrospectionConfig{
		URL: x.IntrospectionURL, ClientID: x.ClientID, ClientSecret: secret, Audiences: x.Audiences, Names: names, Cache: introspected,
	})
}

func claimNames(by map[string]string) token.ClaimNames {
	return token.ClaimNames{
		Scope: by["scope"], ClientID: by["clientId"], FHIRUser: by["fhirUser"], Patient: by["patient"], Encounter: by["encounter"],
		Patients: by["patients"], Tenant: by["tenant"], Roles: by["roles"], SessionID: by["sessionId"],
	}
}

// verifier checks the credentials of a data store: the server's own tokens, or
// those of its external authorization server.
func (a *authority) verifier(store *datastore.Store) token.Verifier {
	p := store.Identity()
	if p.Own() {
		return a.smart
	}
	v, err := a.externals.of(p)
	if err != nil {
		return broken{err}
	}
	return v
}

// broken is the verifier of a data store whose identity provider cannot be used,
// as where its secret is not there.
type broken struct{ cause error }

func (b broken) Verify(context.Context, string, string) (*token.Claims, error) {
	return nil, &token.Error{Code: token.Unavailable, Description: "the authorization server of this data store is not set up", Cause: b.cause}
}
