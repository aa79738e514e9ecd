package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/smart/client"
)

var now = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// An issued is a certificate with its key.
type issued struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// issue makes a certificate of a name, for an hour before and after now; nil
// signs with its own key.
func issue(t *testing.T, by *issued, name string, usage x509.ExtKeyUsage) *issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, IsCA: by == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.Certificate, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issued{certificate, key}
}

func with(c *issued) *http.Request {
	r := &http.Request{TLS: &tls.ConnectionState{}}
	if c != nil {
		r.TLS.PeerCertificates = []*x509.Certificate{c.Certificate}
	}
	return r
}

// TestCertificatesProveTheirClients alone. RFC 8705 sections 2.1 and 2.2
func TestCertificatesProveTheirClients(t *testing.T) {
	authority, stranger := issue(t, nil, "authority", x509.ExtKeyUsageAny), issue(t, nil, "stranger", x509.ExtKeyUsageAny)
	pool := x509.NewCertPool()
	pool.AddCert(authority.Certificate)
	certificates := client.Certificates{On: true, Roots: func() *x509.CertPool { return pool }}
	lab := issue(t, authority, "lab", x509.ExtKeyUsageClientAuth)
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &lab.key.PublicKey, Certificates: []*x509.Certificate{lab.Certificate}, KeyID: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	byName := &client.Client{ID: "lab", Type: client.TLS, Certificate: &client.Certificate{DNS: "lab"}}
	byKey := &client.Client{ID: "lab", Type: client.SelfSigned, JWKS: jwks}
	for _, c := range []struct {
		what        string
		client      *client.Client
		certificate *issued
		at          time.Time
		want        bool
	}{
		{"its name, by the authority", byName, lab, now, true},
		{"another name", byName, issue(t, authority, "ward", x509.ExtKeyUsageClientAuth), now, false},
		{"another authority", byName, issue(t, stranger, "lab", x509.ExtKeyUsageClientAuth), now, false},
		{"a server's", byName, issue(t, authority, "lab", x509.ExtKeyUsageServerAuth), now, false},
		{"too late", byName, lab, now.Add(2 * time.Hour), false},
		{"none", byName, nil, now, false},
		{"of another type", &client.Client{ID: "lab", Type: client.Symmetric, Certificate: byName.Certificate, JWKS: jwks}, lab, now, false},
		{"the registered one", byKey, lab, now, true},
		{"another one", byKey, issue(t, authority, "lab", x509.ExtKeyUsageClientAuth), now, false},
	} {
		got, err := certificates.Prove(with(c.certificate), c.client, c.at)
		if got != c.want || err != nil {
			t.Errorf("%s: %v, %v", c.what, got, err)
		}
	}
	off := client.Certificates{Roots: certificates.Roots}
	if got, _ := off.Prove(with(lab), byName, now); got {
		t.Error("a certificate counts where none are asked for")
	}
}

// TestCertificatesHoldTheirTokens: a token is bound to one certificate.
func TestCertificatesHoldTheirTokens(t *testing.T) {
	certificates := client.Certificates{On: true}
	one, other := issue(t, nil, "lab", x509.ExtKeyUsageClientAuth), issue(t, nil, "lab", x509.ExtKeyUsageClientAuth)
	thumbprint := certificates.Thumbprint(with(one))
	if n, err := base64.RawURLEncoding.DecodeString(thumbprint); len(n) != 32 || err != nil {
		t.Fatalf("the thumbprint is %q", thumbprint)
	}
	for what, c := range map[string]struct {
		certificate *issued
		want        bool
	}{"its own": {one, true}, "another of the same name": {other, false}, "none": {nil, false}} {
		if got := certificates.Holds(with(c.certificate), thumbprint); got != c.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// TestPortsOfPublicClientsVary: RFC 8252 section 7.3 is for apps on the user's own
// machine, which have no secrets.
func TestPortsOfPublicClientsVary(t *testing.T) {
	for _, c := range []struct {
		kind client.Type
		uri  string
		want bool
	}{
		{client.Public, "http://127.0.0.1:5000/cb", true}, {client.Public, "http://127.0.0.1:81/cb", true}, {client.Public, "http://127.0.0.1:81/other", false},
		{client.Public, "http://127.0.0.2:5000/cb", false}, {client.Public, "https://127.0.0.1:81/cb", false},
		{client.Symmetric, "http://127.0.0.1:5000/cb", true}, {client.Symmetric, "http://127.0.0.1:81/cb", false}, {client.Asymmetric, "http://127.0.0.1:81/cb", false},
	} {
		one := &client.Client{Type: c.kind, RedirectURIs: []string{"http://127.0.0.1:5000/cb"}}
		if got := one.MayRedirect(c.uri); got != c.want {
			t.Errorf("%s to %s: %v", c.kind, c.uri, got)
		}
	}
}
