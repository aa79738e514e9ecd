// Package issuers owns who decides about the tokens of a data store: the
// server's own authorization server, others whose keys or introspection
// endpoints are known, a token-check function, in the combination that the
// identity provider of the data store asks for.
//
// It leaves to others: what they decide (token), and what their claims allow
// (bearer).
package issuers

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/identity"
	"github.com/tarnhealth/tarn/server/lambda"
	"github.com/tarnhealth/tarn/token"
)

// A Set finds the verifiers of identity providers, and keeps them. Own,
// OwnIssuer and KeySets are needed. Safe for concurrent use.
type Set struct {
	// Own verifies the server's own tokens, whose claim iss is OwnIssuer.
	Own       token.Verifier
	OwnIssuer string
	KeySets   *token.KeySets
	// Lambda is where functions are called that have an ARN; nil for nowhere.
	Lambda *lambda.Endpoint
	// Calls is how many questions are asked of another server at a time; 0 for
	// token.DefaultCalls.
	Calls int

	mu    sync.Mutex
	known map[*identity.Provider]token.Verifier
}

// introspected is how long the answer of an introspection endpoint is believed
// where its identity provider does not say.
const introspected = 10 * time.Second

// maxKnown bounds the verifiers that are kept: those of providers that were
// replaced are among them.
const maxKnown = 1000

// Of returns the verifier for an identity provider.
func (s *Set) Of(p *identity.Provider) token.Verifier {
	if p == nil || p.Own() && p.Function == "" && len(p.Externals()) == 0 {
		return s.Own
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.known[p]; v != nil {
		return v
	}
	v, err := s.open(p)
	if err != nil {
		return broken{err}
	}
	if s.known == nil || len(s.known) >= maxKnown {
		s.known = map[*identity.Provider]token.Verifier{}
	}
	s.known[p] = v
	return v
}

func (s *Set) open(p *identity.Provider) (token.Verifier, error) {
	all := token.Issuers{ByIssuer: map[string]token.Verifier{}}
	if p.Function != "" {
		f, err := s.function(p)
		if err != nil {
			return nil, err
		}
		all.Otherwise = f
	}
	for _, x := range p.Externals() {
		if err := s.add(&all, &x); err != nil {
			return nil, err
		}
	}
	if p.Own() {
		all.ByIssuer[s.OwnIssuer] = s.Own
	}
	return all, nil
}

// add adds the verifier of an external authorization server.
func (s *Set) add(all *token.Issuers, x *identity.ExternalIssuer) error {
	if x.Issuer == s.OwnIssuer {
		return fmt.Errorf("the external issuer %s is this server; its own tokens count with builtIn", x.Issuer)
	}
	names := claimNames(x.Claims)
	if x.IntrospectionURL == "" {
		v, err := token.NewIssuer(token.IssuerConfig{
			Issuer: x.Issuer, Tenants: x.Tenants, JWKSURI: x.JWKSURI, KeySets: s.KeySets, Audiences: x.Audiences,
			Algorithms: x.Algorithms, Required: x.Required, Names: names,
		})
		if err != nil {
			return err
		}
		if all.ByIssuer[x.Issuer] = v; len(x.Tenants) > 0 {
			delete(all.ByIssuer, x.Issuer)
			all.Templates = append(all.Templates, v)
		}
		return nil
	}
	secret, err := readSecret(x.SecretFile)
	if err != nil {
		return err
	}
	cache := introspected
	if x.CacheSeconds != nil {
		cache = time.Duration(*x.CacheSeconds) * time.Second
	}
	v, err := token.NewIntrospection(token.IntrospectionConfig{
		URL: x.IntrospectionURL, ClientID: x.ClientID, ClientSecret: secret, Issuer: x.Issuer, Audiences: x.Audiences,
		Required: x.Required, Names: names, Cache: cache, Calls: s.Calls,
	})
	if err != nil {
		return err
	}
	if x.Issuer != "" {
		all.ByIssuer[x.Issuer] = v
		return nil
	}
	all.Otherwise = v
	return nil
}

func readSecret(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	return strings.TrimRight(string(b), "\r\n"), err
}

func (s *Set) function(p *identity.Provider) (token.Verifier, error) {
	cfg := token.FunctionConfig{URL: p.Function, Calls: s.Calls, Cache: time.Duration(p.FunctionCache) * time.Second}
	if identity.IsFunctionARN(p.Function) {
		if s.Lambda == nil {
			return nil, fmt.Errorf("the function %s is in AWS Lambda, and the setting lambda.endpoint does not say where to call it", p.Function)
		}
		var err error
		if cfg.Invoke, err = s.Lambda.Function(context.Background(), p.Function, cmp.Or(identity.FunctionRegion(p.Function), "us-east-1")); err != nil {
			return nil, err
		}
	}
	return token.NewFunction(cfg)
}

func claimNames(by map[string]string) token.ClaimNames {
	return token.ClaimNames{
		Scope: by["scope"], ClientID: by["clientId"], FHIRUser: by["fhirUser"], Patient: by["patient"], Encounter: by["encounter"],
		Patients: by["patients"], Tenant: by["tenant"], Roles: by["roles"], SessionID: by["sessionId"],
	}
}

// broken is the verifier of a data store whose identity provider cannot be used,
// as where its secret is not there.
type broken struct{ cause error }

func (b broken) Verify(context.Context, string, string) (*token.Claims, error) {
	return nil, &token.Error{Code: token.Unavailable, Description: "the authorization server of this data store is not set up", Cause: b.cause}
}
