package smart

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/smart/client"
	"github.com/tarnhealth/tarn/smart/opaque"
	"github.com/tarnhealth/tarn/token"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// tokenURL is what client assertions must name as their audience.
func (s *Service) tokenURL() string { return s.issuer + "/token" }

// errClient is the answer to every failed client authentication, whatever the
// reason, so that nobody learns which clients there are.
func errClient() *oauthError {
	return &oauthError{code: codeInvalidClient, description: "client authentication failed", status: http.StatusUnauthorized}
}

// authenticate finds the client of a request to an endpoint for apps, by the
// one method that its type has: none, client_secret_basic, client_secret_post,
// private_key_jwt, or a certificate of the connection. RFC 6749 section 2.3
func (s *Service) authenticate(r *http.Request, p params) (*Client, error) {
	id, secret, err := credentials(r, p)
	if err != nil {
		return nil, err
	}
	if err := s.mayFail(r, id); err != nil {
		return nil, err
	}
	var record client.Record
	if p["client_assertion"] != "" {
		record, err = s.byAssertion(r, p)
	} else {
		record, err = s.bySecret(r, id, secret)
	}
	if err != nil {
		if e := asOAuth(err); e.code == codeInvalidClient {
			s.failed(r, id)
		}
		return nil, err
	}
	return &record.Client, nil
}

// credentials reads the client's id and secret. RFC 6749 section 2.3.1
func credentials(r *http.Request, p params) (id, secret string, err error) {
	header := r.Header.Get("Authorization")
	scheme, encoded, _ := strings.Cut(header, " ")
	switch {
	case header != "" && !strings.EqualFold(scheme, "Basic"):
		return "", "", errClient()
	case header != "" && (p["client_secret"] != "" || p["client_assertion"] != ""),
		p["client_secret"] != "" && p["client_assertion"] != "":
		return "", "", refuse(codeInvalidRequest, "the client authenticates in more than one way")
	case p["client_assertion"] != "" && p["client_assertion_type"] == "":
		return "", "", refuse(codeInvalidRequest, "client_assertion_type is missing: send %s", assertionType)
	case p["client_assertion_type"] != "" && p["client_assertion_type"] != assertionType:
		return "", "", errClient()
	case p["client_assertion_type"] != "" && p["client_assertion"] == "":
		return "", "", refuse(codeInvalidRequest, "client_assertion is missing")
	case header == "":
		return p["client_id"], p["client_secret"], nil
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", errClient()
	}
	user, password, ok := strings.Cut(string(decoded), ":")
	id, errID := url.QueryUnescape(user)
	secret, errSecret := url.QueryUnescape(password)
	if !ok || errID != nil || errSecret != nil || p["client_id"] != "" && p["client_id"] != id {
		return id, "", errClient()
	}
	return id, secret, nil
}

// bySecret takes a symmetric client with its secret, and a public one without.
func (s *Service) bySecret(r *http.Request, id, secret string) (client.Record, error) {
	record, err := s.clientRecord(r.Context(), id)
	if err != nil && fhir.KindOf(err) != fhir.KindNotFound {
		return record, err
	}
	switch {
	case err != nil:
		return record, errClient().because(err)
	case record.Type == Public && secret == "" && r.Header.Get("Authorization") == "":
		return record, nil
	case record.Type == Symmetric && secret != "" && opaque.Same(secret, record.Secret):
		return record, nil
	case record.Type != Public && secret == "" && r.Header.Get("Authorization") == "":
		if proven, err := s.cfg.Certificates.Prove(r, &record.Client, s.now()); proven || err != nil {
			return record, err
		}
	}
	return record, errClient()
}

// byAssertion takes an asymmetric client that signed a JWT.
// http://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html
func (s *Service) byAssertion(r *http.Request, p params) (client.Record, error) {
	var record client.Record
	id, err := s.cfg.Assertions.Check(r.Context(), p["client_assertion"], s.tokenURL(), func(clientID string) (token.ClientKeys, error) {
		var err error
		if record, err = s.clientRecord(r.Context(), clientID); err != nil {
			return token.ClientKeys{}, err
		}
		if record.Type != Asymmetric {
			return token.ClientKeys{}, errors.New("the client has no keys")
		}
		return token.ClientKeys{JWKS: record.JWKS, URI: record.JWKSURL}, nil
	})
	switch {
	case err != nil && token.CodeOf(err) != token.InvalidClient:
		return record, err
	case err != nil:
		return record, errClient().because(err)
	case record.ID != id || p["client_id"] != "" && p["client_id"] != id:
		return record, errClient()
	}
	return record, nil
}

// bearer reads and verifies the access token of a request to this server
// itself. RFC 6750 section 2.1, RFC 9449 section 7
func (s *Service) bearer(r *http.Request) (*token.Claims, error) {
	scheme, raw, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	refused := &oauthError{code: codeInvalidToken, description: "the access token is missing, expired, revoked or not of this server", status: http.StatusUnauthorized}
	bound := strings.EqualFold(scheme, "DPoP")
	if raw == "" || !bound && !strings.EqualFold(scheme, "Bearer") {
		return nil, refused
	}
	claims, err := s.Verify(r.Context(), raw, "")
	if err != nil && token.CodeOf(err) == token.ServerError {
		return nil, err
	}
	if err != nil {
		return nil, refused.because(err)
	}
	if claims.Certificate != "" && !s.cfg.Certificates.Holds(r, claims.Certificate) {
		return nil, refused
	}
	if !bound && claims.Thumbprint == "" {
		return claims, nil
	}
	thumbprint, err := s.cfg.Proofs.CheckProof(r, raw)
	if err != nil || !bound || thumbprint == "" || thumbprint != claims.Thumbprint {
		return nil, refused.because(err)
	}
	return claims, nil
}

// bearerClient is the client of the access token of a request.
func (s *Service) bearerClient(r *http.Request) (*Client, error) {
	claims, err := s.bearer(r)
	if err != nil {
		return nil, err
	}
	record, err := s.clientRecord(r.Context(), claims.ClientID)
	return &record.Client, err
}

// proofError tells what is wrong with a DPoP proof. RFC 9449 section 5
func (s *Service) proofError(w http.ResponseWriter, err error) error {
	var known *token.Error
	if !errors.As(err, &known) || known.Code == token.ServerError {
		return err
	}
	if known.Code == token.UseNonce {
		w.Header().Set("DPoP-Nonce", s.cfg.Proofs.Nonce())
	}
	return refuse(known.Code, "%s", known.Description).because(known.Cause)
}
