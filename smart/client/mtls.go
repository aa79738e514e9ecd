package client

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/tarnhealth/tarn/fhir"
)

// Certificates are those of clients, where TLS ends at this server; the zero
// value takes none. https://www.rfc-editor.org/rfc/rfc8705
type Certificates struct {
	// On says that connections may have certificates of clients.
	On bool
	// Roots are the authorities whose certificates count; nil, or returning nil,
	// for none.
	Roots func() *x509.CertPool
	// Known reports whether the key set of a URL has a certificate; nil knows
	// none. See token.KeySets.
	Known func(ctx context.Context, uri string, certificate *x509.Certificate) (bool, error)
}

// Authorities are those whose certificates count; nil for none.
func (t *Certificates) Authorities() *x509.CertPool {
	if !t.On || t.Roots == nil {
		return nil
	}
	return t.Roots()
}

// of are the certificate of a request's client, and those between it and its
// root; none where the connection has none.
func (t *Certificates) of(r *http.Request) []*x509.Certificate {
	if !t.On || r.TLS == nil {
		return nil
	}
	return r.TLS.PeerCertificates
}

// Prove reports whether the connection of a request has a client's certificate.
// https://www.rfc-editor.org/rfc/rfc8705#section-2
func (t *Certificates) Prove(r *http.Request, c *Client, now time.Time) (bool, error) {
	chain := t.of(r)
	switch {
	case len(chain) == 0:
		return false, nil
	case c.Type == TLS:
		return verifyChain(chain, t.Authorities(), now) == nil && c.Certificate.Names(chain[0]), nil
	case c.Type == SelfSigned && c.JWKSURL == "":
		return hasCertificate(c.JWKS, chain[0]), nil
	case c.Type == SelfSigned && t.Known != nil:
		return t.Known(r.Context(), c.JWKSURL, chain[0])
	}
	return false, nil
}

// Thumbprint is that of the certificate of a request's connection, as in
// cnf.x5t#S256; "" where there is none.
// https://www.rfc-editor.org/rfc/rfc8705#section-3.1
func (t *Certificates) Thumbprint(r *http.Request) string {
	chain := t.of(r)
	if len(chain) == 0 {
		return ""
	}
	sum := sha256.Sum256(chain[0].Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Holds reports whether the connection of a request has the certificate of a
// thumbprint.
func (t *Certificates) Holds(r *http.Request, thumbprint string) bool {
	return subtle.ConstantTimeCompare([]byte(t.Thumbprint(r)), []byte(thumbprint)) == 1
}

// Check says what keeps a client from proving who it is, as an error of
// KindInvalid.
func (t *Certificates) Check(c *Client) error {
	switch {
	case c.BindsCertificate() && !t.On:
		return fhir.Errorf(fhir.KindInvalid, "this server asks for no certificates of clients: set tls.client_certificates")
	case c.Type == TLS && t.Authorities() == nil:
		return fhir.Errorf(fhir.KindInvalid, "this server knows no authority of clients' certificates: set tls.client_ca_file")
	}
	return nil
}
