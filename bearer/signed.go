package bearer

import (
	"errors"
	"net/http"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/sigv4"
	"github.com/tarnhealth/tarn/token"
)

// Signatures are requests signed with AWS Signature Version 4.
type Signatures struct {
	// Verify returns the access key that a request was signed with; see
	// sigv4.Verifier.
	Verify func(*http.Request) (sigv4.Key, error)
	// Claims says what the bearer of a key may do at a data store with a
	// request, in the words of a token; an error of KindForbidden for one that
	// may not do it. What it returned once is not changed any more.
	Claims func(sigv4.Key, *datastore.Store, *http.Request) (*token.Claims, error)
}

// schemeAWS is the scheme of the Authorization header of signed requests.
const schemeAWS = "AWS4-HMAC-SHA256"

// signed authenticates a signed request.
func (a *Authorizer) signed(r *http.Request, ds *datastore.Store) (*token.Claims, error) {
	if a.cfg.Signatures == nil || !ds.Identity().TakesSigned() {
		return nil, a.challenge(fhir.Errorf(fhir.KindUnauthenticated, "this data store takes no signed requests; send an access token: Authorization: Bearer …"), ds, "", "")
	}
	key, err := a.cfg.Signatures.Verify(r)
	if err != nil {
		return nil, a.cfg.Failures.counted(r, ds, err, a.refuseSignature(ds, err))
	}
	if !key.For(ds.Record().ID) {
		return nil, fhir.Errorf(fhir.KindForbidden, "the access key %s is not for this data store", key.ID)
	}
	return a.cfg.Signatures.Claims(key, ds, r)
}

// refuseSignature turns the refusal of a signature into an error of the FHIR
// API. AWS's clients look for its code in a header.
func (a *Authorizer) refuseSignature(ds *datastore.Store, err error) error {
	var refused *sigv4.Error
	if !errors.As(err, &refused) {
		return err
	}
	kind := fhir.KindUnauthenticated
	if refused.Code == sigv4.CodeTooLarge {
		kind = fhir.KindTooLarge
	}
	e := fhir.Errorf(kind, "%s", refused.Message).With("X-Amzn-Errortype", refused.Code)
	if kind == fhir.KindTooLarge {
		return e
	}
	return a.challenge(e, ds, "", "")
}
