package token

import (
	"context"
	"time"
)

// Claims are those of an access token: RFC 9068 and SMART App Launch.
// https://www.rfc-editor.org/rfc/rfc9068 https://hl7.org/fhir/smart-app-launch/
//
// Claims that a Verifier returned may be shared: do not change what they hold.
type Claims struct {
	// Issuer, Subject, Audience, ClientID, Scope and ID are the claims iss,
	// sub, aud, client_id, scope and jti.
	Issuer, Subject string
	Audience        []string
	ClientID        string
	Scope           string
	ID              string
	// IssuedAt, NotBefore, Expires and AuthTime are iat, nbf, exp and
	// auth_time, in whole seconds; zero where there is none.
	IssuedAt, NotBefore, Expires, AuthTime time.Time
	// FHIRUser is "Practitioner/123", or absolute.
	FHIRUser string
	// Patient and Encounter are the ids of the launch context.
	Patient, Encounter string
	Tenant             string
	// SessionID is the claim sid.
	SessionID string
	Roles     []string
	// Patients are the ids of the patients that the user may act for.
	Patients []string
	// Thumbprint is cnf.jkt, the key that proofs of possession are made with
	// (RFC 9449); "" for a bearer token.
	Thumbprint string
	// Certificate is cnf.x5t#S256, the client certificate that the token is
	// bound to (RFC 8705); "" for none.
	Certificate string
	// Extra are the claims that have no field here, by name, as encoding/json
	// has them.
	Extra map[string]any

	// key is the id of the key that a token of this server was signed with.
	key string
}

// A Verifier turns a credential into claims, or returns an *Error. audience is
// the base URL of the data store that the credential is used at.
type Verifier interface {
	Verify(ctx context.Context, raw, audience string) (*Claims, error)
}

// A Rechecker is a Verifier that can tell, without the credential, whether what
// it verified before is still good.
type Rechecker interface {
	Verifier
	// Recheck returns nil where Verify would still return these claims, which it
	// did return for a credential. After an error, ask Verify.
	Recheck(ctx context.Context, claims *Claims, audience string) error
}
