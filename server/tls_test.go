package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/listen"
	"github.com/tarnhealth/tarn/smart"
)

// A testAuthority signs certificates of servers and clients.
type testAuthority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func certify(t *testing.T, a *testAuthority, name string) (der []byte, key *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, by := template, key
	if a != nil {
		parent, by = a.certificate, a.key
	} else {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, by); err != nil {
		t.Fatal(err)
	}
	return der, key
}

func newTestAuthority(t *testing.T) *testAuthority {
	t.Helper()
	der, key := certify(t, nil, "an authority")
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &testAuthority{certificate, key}
}

func writePEM(t *testing.T, file, kind string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A secured is a server with TLS.
type secured struct {
	*running
	authority *testAuthority
	admin     *admin.Admin
}

func secure(t *testing.T) *secured {
	t.Helper()
	a, dir, files := newTestAuthority(t), t.TempDir(), t.TempDir()
	der, key := certify(t, a, "server")
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(dir)
	cfg.Auth = AuthSMART
	cfg.TLS = listen.Config{
		CertFile: writePEM(t, filepath.Join(files, "cert.pem"), "CERTIFICATE", der), KeyFile: writePEM(t, filepath.Join(files, "key.pem"), "PRIVATE KEY", pkcs8),
		Clients: listen.ClientsRequest, ClientCAFile: writePEM(t, filepath.Join(files, "roots.pem"), "CERTIFICATE", a.certificate.Raw),
	}
	return &secured{start(t, cfg), a, openTestAdmin(t, dir)}
}

// browser is a client with a certificate, or none.
func (s *secured) browser(certificate []byte, key *ecdsa.PrivateKey) *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(s.authority.certificate)
	cfg := &tls.Config{RootCAs: pool}
	if certificate != nil {
		cfg.Certificates = []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}
	}
	transport := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (s *secured) ask(c *http.Client, token, path string, form url.Values) (int, map[string]any, *http.Response) {
	s.t.Helper()
	req, err := http.NewRequest("GET", s.cfg.BaseURL+path, nil)
	if form != nil {
		req, err = http.NewRequest("POST", s.cfg.BaseURL+path, strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var body map[string]any
	_ = json.Unmarshal(text, &body)
	return res.StatusCode, body, res
}

func (s *secured) add(c smart.Client) {
	s.t.Helper()
	c.Scopes, c.Grants, c.DataStores = "system/*.rs", []string{"client_credentials"}, []string{"*"}
	if _, err := s.admin.AddClient(context.Background(), c); err != nil {
		s.t.Fatal(err)
	}
}

// TestMutualTLS is RFC 8705: clients that prove who they are by certificates,
// and tokens that are bound to them.
func TestMutualTLS(t *testing.T) {
	s := secure(t)
	lab, labKey := certify(t, s.authority, "lab")
	own, ownKey := certify(t, nil, "own")
	other, otherKey := certify(t, s.authority, "other")
	certificate, err := x509.ParseCertificate(own)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &ownKey.PublicKey, KeyID: "k", Algorithm: "ES256", Certificates: []*x509.Certificate{certificate}}}})
	if err != nil {
		t.Fatal(err)
	}
	s.add(smart.Client{ID: "lab", Type: smart.TLSClient, Certificate: &smart.Certificate{SubjectDN: "CN=lab"}})
	s.add(smart.Client{ID: "own", Type: smart.SelfSigned, JWKS: set})
	clients := map[string]*http.Client{"lab": s.browser(lab, labKey), "own": s.browser(own, ownKey), "other": s.browser(other, otherKey), "none": s.browser(nil, nil)}
	grant := func(id string, by *http.Client) (int, map[string]any) {
		status, body, res := s.ask(by, "", "/auth/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "scope": {"system/*.rs"}, "resource": {s.cfg.BaseURL + "/datastore/default/r4"}})
		if res.ProtoMajor != 2 {
			t.Errorf("the protocol is %s", res.Proto)
		}
		return status, body
	}
	for id := range map[string]bool{"lab": true, "own": true} {
		status, body := grant(id, clients[id])
		token, _ := body["access_token"].(string)
		if status != 200 || token == "" {
			t.Fatalf("%s: %d %v", id, status, body)
		}
		for name, by := range clients {
			want := 401
			if name == id {
				want = 200
			} else if status, body := grant(id, by); status != 401 || body["error"] != "invalid_client" {
				t.Errorf("%s with the certificate of %s: %d %v", id, name, status, body)
			}
			if status, body, _ := s.ask(by, token, "/datastore/default/r4/Patient", nil); status != want {
				t.Errorf("the token of %s on the connection of %s: %d %v", id, name, status, body)
			}
		}
		_, about, _ := s.ask(clients[id], "", "/auth/introspect", url.Values{"token": {token}, "client_id": {id}})
		if cnf, _ := about["cnf"].(map[string]any); about["active"] != true || cnf["x5t#S256"] == "" || cnf["x5t#S256"] == nil {
			t.Errorf("about the token of %s: %v", id, about)
		}
	}
	_, described, _ := s.ask(clients["none"], "", "/datastore/default/r4/.well-known/smart-configuration", nil)
	methods, _ := json.Marshal(described["token_endpoint_auth_methods_supported"])
	if !strings.Contains(string(methods), `"tls_client_auth","self_signed_tls_client_auth"`) || described["tls_client_certificate_bound_access_tokens"] != true {
		t.Errorf("the smart-configuration has %v", described)
	}
}

func TestTLSRefusals(t *testing.T) {
	cfg := testConfig(t.TempDir())
	cfg.Auth, cfg.BaseURL = AuthSMART, "http://127.0.0.1:1"
	cfg.TLS = listen.Config{CertFile: "none", KeyFile: "none"}
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "speaks https") {
		t.Errorf("an http base URL: %v", err)
	}
	cfg.BaseURL = ""
	r := run(t, cfg)
	if err := r.wait(); err == nil || !strings.Contains(err.Error(), "TLS: ") {
		t.Errorf("no certificate: %v", err)
	}
}
