// Package bearer owns the way from a request's credentials to what it may do:
// it reads the access token (RFC 6750, RFC 9449) or the signature of AWS, and
// the API key where the data store wants one, has them verified, notes the
// caller for the audit log, and has authz decide. New makes an Authorizer, whose
// methods Authorize, Keep and Restore are the options of the same names of
// package rest.
//
// It leaves to others: whether a token is good (token.Verifier), a signature
// (sigv4), an API key (apikey), what their bearer may do (authz), and enforcing
// that (datastore).
package bearer

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/recall"
	"github.com/tarnhealth/tarn/sigv4"
	"github.com/tarnhealth/tarn/token"
)

// Config for New. Verifier and Policy are required.
type Config struct {
	// Verifier is who verifies the tokens of a data store. It is asked for
	// every request, so that a revocation counts at once; it may remember what
	// it found out.
	Verifier func(*datastore.Store) token.Verifier
	// Policy is what a data store's configuration says about access. What it
	// returns is not changed any more: a change is another pointer.
	Policy func(*datastore.Store) *authz.Policy
	// Proofs checks proofs of possession; nil where tokens that are bound to a
	// key are refused.
	Proofs *token.Proofs
	// Signatures checks signed requests; nil where none are taken. Which data
	// stores take them, their identity providers say.
	Signatures *Signatures
	// APIKeys checks and counts the API keys of requests by a client at a data
	// store; see apikey.Keys.Check. nil where no data store wants any.
	// APIKeysAlways wants one at every data store, and not only where the
	// identity provider says so.
	APIKeys       func(ctx context.Context, values []string, client, store string) (apikey.Key, error)
	APIKeysAlways bool
	// Failures limits requests with wrong credentials; nil for no limit.
	Failures *Failures
	// Remember is how many decisions are remembered, at least; 0 is 10,000.
	Remember int
}

// An Authorizer authorizes the requests of a server. It is safe for concurrent
// use.
type Authorizer struct {
	cfg       Config
	decisions *decisions
}

// New makes an Authorizer.
func New(cfg Config) (*Authorizer, error) {
	if cfg.Verifier == nil || cfg.Policy == nil {
		return nil, errors.New("bearer: a verifier and a policy are needed")
	}
	if cfg.Remember <= 0 {
		cfg.Remember = 10_000
	}
	return &Authorizer{cfg: cfg, decisions: recall.New[basis, authz.Access](cfg.Remember)}, nil
}

// Authorize decides what the bearer of a request's credentials may do. The error
// is a *fhir.Error: KindUnauthenticated where there are none or they are not
// good, KindForbidden where they do not fit the data store, both with their
// challenges; KindThrottled where an API key is used up; KindInvalid for a
// request that is malformed, KindUnavailable where nobody can tell.
//
// Call it once for a request: proofs and signatures of changes are good once,
// and API keys are counted.
func (a *Authorizer) Authorize(r *http.Request, ds *datastore.Store) (authz.Access, error) {
	return a.AuthorizeAgain(r, ds, nil)
}

// AuthorizeAgain is Authorize for less where the request has the same credentials
// as the one before; known is where it keeps what it found out of them, for one
// request after the other, and may be nil.
func (a *Authorizer) AuthorizeAgain(r *http.Request, ds *datastore.Store, known *Known) (authz.Access, error) {
	if known == nil {
		known = new(Known)
	}
	claims, err := a.authenticate(r, ds, known)
	if err != nil {
		return authz.Access{}, err
	}
	audit.NoteAgent(r.Context(), audit.Agent{User: claims.Subject, FHIRUser: claims.FHIRUser, Client: claims.ClientID, Roles: claims.Roles})
	if a.cfg.APIKeysAlways || ds.Identity().NeedsAPIKey() {
		if a.cfg.APIKeys == nil {
			return authz.Access{}, fhir.Errorf(fhir.KindForbidden, "this data store wants API keys, and this server has none")
		}
		if _, err := a.cfg.APIKeys(r.Context(), r.Header["X-Api-Key"], claims.ClientID, ds.Record().ID); err != nil {
			return authz.Access{}, a.cfg.Failures.countKey(r, claims.ClientID, err)
		}
	}
	policy := a.cfg.Policy(ds)
	purpose, err := purposeOf(r, claims, policy)
	if err != nil {
		return authz.Access{}, err
	}
	if purpose != "" {
		audit.NoteAgent(r.Context(), audit.Agent{User: claims.Subject, FHIRUser: claims.FHIRUser, Client: claims.ClientID, Roles: claims.Roles, Purpose: purpose})
	}
	return a.access(basis{claims: claims, store: ds, policy: policy, purpose: purpose, registry: ds.Registry(), identity: ds.Identity()}, known)
}

// authenticate finds out who sends a request.
func (a *Authorizer) authenticate(r *http.Request, ds *datastore.Store, known *Known) (*token.Claims, error) {
	if sigv4.Signed(r) {
		return a.signed(r, ds)
	}
	c, again, err := known.read(r)
	if err == nil && !ds.Identity().Tokens() {
		err = errMissing
	}
	if err != nil {
		return nil, a.refuse(r, ds, c, err)
	}
	if !again || a.recheck(r, ds, known) != nil {
		if err := a.verify(r, ds, known); err != nil {
			return nil, a.refuse(r, ds, c, err)
		}
	}
	if err := a.checkBinding(r, c, known.claims); err != nil {
		return nil, a.refuse(r, ds, c, err)
	}
	return known.claims, nil
}

// A credential is what the Authorization header holds.
type credential struct {
	// scheme is "Bearer" or "DPoP"; "" for none.
	scheme, token string
}

const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

// errMissing says that there is no credential of a kind that is known here.
var errMissing = errors.New("bearer: no access token")

func readCredential(r *http.Request) (credential, error) {
	values := r.Header["Authorization"]
	if len(values) == 0 {
		return credential{}, errMissing
	}
	if len(values) > 1 {
		return credential{}, fhir.Errorf(fhir.KindInvalid, "the request has %d Authorization headers; it must have one", len(values))
	}
	scheme, text, _ := strings.Cut(values[0], " ")
	c := credential{token: strings.Trim(text, " ")}
	switch {
	case strings.EqualFold(scheme, schemeBearer):
		c.scheme = schemeBearer
	case strings.EqualFold(scheme, schemeDPoP):
		c.scheme = schemeDPoP
	default:
		return credential{}, errMissing
	}
	if !isToken68(c.token) {
		return c, &token.Error{Code: token.InvalidToken, Description: "the Authorization header holds no access token"}
	}
	return c, nil
}

// maxToken bounds the length of an access token.
const maxToken = 32 << 10

// isToken68 is the syntax of RFC 9110 section 11.2.
func isToken68(text string) bool {
	body := strings.TrimRight(text, "=")
	for i := range len(body) {
		if !inToken68[body[i]] {
			return false
		}
	}
	return len(body) > 0 && len(text) <= maxToken
}

var inToken68 = func() (t [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		t[c] = true
	}
	return t
}()

// checkBinding checks that a token is in the hands that it is bound to.
func (a *Authorizer) checkBinding(r *http.Request, c credential, claims *token.Claims) error {
	if claims.Certificate != "" && !hasCertificate(r, claims.Certificate) {
		return &token.Error{Code: token.InvalidToken, Description: "the token is bound to a client certificate that this request does not have"}
	}
	switch bound := claims.Thumbprint != ""; {
	case bound != (c.scheme == schemeDPoP):
		return &token.Error{Code: token.InvalidToken, Description: map[bool]string{
			true:  "the token is bound to a key; send it in the scheme DPoP, with a proof",
			false: "the token is not bound to a key; send it in the scheme Bearer",
		}[bound]}
	case !bound:
		return nil
	case a.cfg.Proofs == nil:
		return &token.Error{Code: token.InvalidToken, Description: "tokens that are bound to a key are not taken here"}
	}
	thumbprint, err := a.cfg.Proofs.CheckProof(r, c.token)
	if err == nil && subtle.ConstantTimeCompare([]byte(thumbprint), []byte(claims.Thumbprint)) != 1 {
		err = &token.Error{Code: token.InvalidProof, Description: "the proof is missing, or made with another key than the token is bound to"}
	}
	return err
}

// hasCertificate compares the certificate of a connection that ends here with
// the one that a token is bound to. https://www.rfc-editor.org/rfc/rfc8705#section-3
func hasCertificate(r *http.Request, thumbprint string) bool {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return false
	}
	sum := sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(thumbprint)) == 1
}

// access is the decision for the claims of a token, remembered as long as
// nothing that it depends on changes.
func (a *Authorizer) access(on basis, known *Known) (authz.Access, error) {
	if known.basis == on {
		return known.access, nil
	}
	access, remembered := a.decisions.Get(on)
	if !remembered {
		caller := CallerOf(on.store, on.claims)
		caller.Purpose = on.purpose
		var err error
		if access, err = decide(on.store, caller, on.policy); err != nil {
			return access, err
		}
		a.decisions.Put(on, access)
	}
	known.basis, known.access = on, access
	return access, nil
}

// CallerOf is the caller that the claims of a token speak of, at a data store.
// Scopes that are not understood count for nothing.
func CallerOf(ds *datastore.Store, claims *token.Claims) authz.Caller {
	scopes, _ := authz.ParseScopes(ds.Identity().Scopes(claims.Scope), ds.Registry())
	clearance, labels := clearanceOf(claims)
	return authz.Caller{
		Clearance: clearance, Labels: labels,
		Issuer: claims.Issuer, Subject: claims.Subject, Client: claims.ClientID, Tenant: claims.Tenant,
		Scopes: scopes, Patient: strings.TrimPrefix(claims.Patient, "Patient/"), FHIRUser: claims.FHIRUser,
		Patients: claims.Patients, Roles: claims.Roles,
	}
}

func decide(ds *datastore.Store, caller authz.Caller, policy *authz.Policy) (authz.Access, error) {
	with := *policy
	if with.Base == "" {
		with.Base = ds.Base()
	}
	access, err := authz.Decide(ds.Registry(), caller, with)
	var refused *fhir.Error
	if errors.As(err, &refused) && refused.Kind == fhir.KindForbidden && len(refused.Headers) == 0 {
		_ = refused.With("WWW-Authenticate", fmt.Sprintf(`%s error="insufficient_scope", error_description="%s"`, schemeBearer, printable(refused.Error())))
	}
	return access, err
}
