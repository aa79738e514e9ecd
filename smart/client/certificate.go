package client

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/fhir"
)

// A Certificate says which certificate of an authority is a client's, by one of
// the names in it.
// https://www.rfc-editor.org/rfc/rfc8705#section-2.1.2
type Certificate struct {
	// SubjectDN is the subject as RFC 4514 writes it: "CN=lab,O=Example".
	SubjectDN string `json:"subjectDn,omitempty"`
	// The others are subject alternative names.
	DNS   string `json:"dns,omitempty"`
	URI   string `json:"uri,omitempty"`
	IP    string `json:"ip,omitempty"`
	Email string `json:"email,omitempty"`
}

// Names reports whether a certificate has the name.
func (c *Certificate) Names(certificate *x509.Certificate) bool {
	switch {
	case c == nil:
		return false
	case c.SubjectDN != "":
		return certificate.Subject.String() == c.SubjectDN
	case c.DNS != "":
		return slices.Contains(certificate.DNSNames, c.DNS)
	case c.Email != "":
		return slices.Contains(certificate.EmailAddresses, c.Email)
	case c.IP != "":
		ip := net.ParseIP(c.IP)
		return ip != nil && slices.ContainsFunc(certificate.IPAddresses, ip.Equal)
	}
	for _, uri := range certificate.URIs {
		if c.URI != "" && uri.String() == c.URI {
			return true
		}
	}
	return false
}

func (c *Certificate) check() error {
	n := 0
	for _, name := range []string{c.SubjectDN, c.DNS, c.URI, c.IP, c.Email} {
		if name != "" {
			n++
		}
		if hasControl(name) || len(name) > 1000 {
			return fhir.Errorf(fhir.KindInvalid, "the name in a certificate is a text of at most 1000 bytes")
		}
	}
	switch {
	case n != 1:
		return fhir.Errorf(fhir.KindInvalid, "the certificate of a client is known by one name in it: give one of its subject DN, DNS name, URI, IP address and e-mail address")
	case c.IP != "" && net.ParseIP(c.IP) == nil:
		return fhir.Errorf(fhir.KindInvalid, "%q is not an IP address", c.IP)
	}
	return nil
}

// verifyChain wants a client's certificate, with those between it and its root,
// to be of one of some authorities, and made for clients.
func verifyChain(chain []*x509.Certificate, roots *x509.CertPool, now time.Time) error {
	if len(chain) == 0 || roots == nil {
		return errors.New("there is no certificate, or no authority")
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

// hasCertificate reports whether a key set has a certificate, as the first of
// x5c. https://www.rfc-editor.org/rfc/rfc8705#section-2.2
func hasCertificate(jwks []byte, certificate *x509.Certificate) bool {
	var set jose.JSONWebKeySet
	return json.Unmarshal(jwks, &set) == nil && slices.ContainsFunc(set.Keys, func(key jose.JSONWebKey) bool {
		return len(key.Certificates) > 0 && bytes.Equal(key.Certificates[0].Raw, certificate.Raw)
	})
}
