package bearer

import (
	"errors"
	"net/http"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/token"
)

// Known is what an Authorizer found out of the credentials of one request, for
// the next one that has the same; the zero Known is nothing. It holds them, so
// keep it no longer than something that does too, such as the connection's
// memory, and use it for one request at a time.
//
// Nothing is taken for granted by it: that the token is still good is asked for
// each time, and what it may do is decided again where anything changed that
// this depends on.
type Known struct {
	// header is the Authorization header, and credential what it holds.
	header     string
	credential credential
	// claims are those of the credential, which verifier gave.
	claims   *token.Claims
	verifier token.Rechecker
	// access is what was decided on a basis.
	basis  basis
	access authz.Access
}

// read reads the credential of a request. again is set where it is the one that
// was read before.
func (k *Known) read(r *http.Request) (c credential, again bool, err error) {
	if values := r.Header["Authorization"]; len(values) == 1 && k.header != "" && values[0] == k.header {
		return k.credential, true, nil
	}
	*k = Known{}
	if c, err = readCredential(r); err == nil {
		k.header, k.credential = r.Header["Authorization"][0], c
	}
	return c, false, err
}

// errUnknown asks for verifying a token.
var errUnknown = errors.New("bearer: the token was not verified before")

// recheck returns nil where the claims are still those of the credential.
func (a *Authorizer) recheck(r *http.Request, ds *datastore.Store, known *Known) error {
	v, ok := a.cfg.Verifier(ds).(token.Rechecker)
	if !ok || known.claims == nil || known.verifier != v {
		return errUnknown
	}
	return v.Recheck(r.Context(), known.claims, ds.Base())
}

// verify finds out whose token it is.
func (a *Authorizer) verify(r *http.Request, ds *datastore.Store, known *Known) (err error) {
	verifier := a.cfg.Verifier(ds)
	known.verifier, _ = verifier.(token.Rechecker)
	ctx := r.Context()
	if f := a.cfg.Failures; f != nil && asksOthers(ds) {
		ctx = token.WithGate(ctx, f.gate(r, ds))
	}
	known.claims, err = verifier.Verify(ctx, known.credential.token, ds.Base())
	return err
}
