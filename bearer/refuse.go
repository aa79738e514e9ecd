package bearer

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/token"
)

// refuse turns a refusal into the error of the FHIR API, with the challenge
// that says how to do better.
// https://www.rfc-editor.org/rfc/rfc6750#section-3 https://www.rfc-editor.org/rfc/rfc9449#section-7.1
//
// It counts the failure, and may be a request to wait.
func (a *Authorizer) refuse(r *http.Request, ds *datastore.Store, c credential, err error) error {
	return a.cfg.Failures.counted(r, ds, err, a.refusal(ds, c, err))
}

func (a *Authorizer) refusal(ds *datastore.Store, c credential, err error) error {
	var malformed *fhir.Error
	var refused *token.Error
	switch {
	case errors.Is(err, errMissing):
		return a.challenge(fhir.Errorf(fhir.KindUnauthenticated, "%s", wanted(ds)), ds, "", "")
	case errors.As(err, &malformed):
		return err
	case !errors.As(err, &refused) || refused.Code == token.ServerError:
		return fmt.Errorf("bearer: the token cannot be checked: %w", err)
	case refused.Code == token.SlowDown:
		return slowed(refused.Wait, err)
	case refused.Code == token.Unavailable:
		return fhir.Errorf(fhir.KindUnavailable, "%s", refused.Description).Because(refused.Cause)
	}
	e := fhir.Errorf(fhir.KindUnauthenticated, "%s", refused.Description)
	if refused.Code == token.UseNonce {
		e = e.With("DPoP-Nonce", a.cfg.Proofs.Nonce())
	}
	return a.challenge(e, ds, c.scheme, refused.Code)
}

// wanted says what a request without credentials lacks.
func wanted(ds *datastore.Store) string {
	switch p := ds.Identity(); {
	case !p.Tokens():
		return "this request must be signed with an access key (AWS Signature Version 4)"
	case p.TakesSigned():
		return "this request needs an access token (Authorization: Bearer …), or must be signed with an access key (AWS Signature Version 4)"
	}
	return "this request needs an access token: Authorization: Bearer …"
}

// challenge adds a challenge for each scheme that is offered. The code is told
// in the one that the caller used.
func (a *Authorizer) challenge(e *fhir.Error, ds *datastore.Store, used, code string) error {
	if a.cfg.Signatures != nil && ds.Identity().TakesSigned() {
		e = e.With("WWW-Authenticate", schemeAWS)
	}
	if !ds.Identity().Tokens() {
		return e
	}
	told := func(scheme string) string {
		if used != scheme || code == "" {
			return ""
		}
		return fmt.Sprintf(` error="%s", error_description="%s"`, code, printable(e.Error()))
	}
	e = e.With("WWW-Authenticate", schemeBearer+told(schemeBearer))
	if a.cfg.Proofs == nil {
		return e
	}
	more := told(schemeDPoP)
	if more != "" {
		more += ","
	}
	return e.With("WWW-Authenticate", schemeDPoP+more+` algs="ES256 ES384 RS256 RS384"`)
}

// printable keeps a text to what may stand in a quoted string of a header
// without escapes.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r < 0x20 || r > 0x7e:
			return '?'
		}
		return r
	}, text)
}
