package listen

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// An acmeServer is an authority that speaks ACME with one client, and tries
// tls-alpn-01 on it, or http-01 where that is set. https://www.rfc-editor.org/rfc/rfc8555
type acmeServer struct {
	*authority
	t   *testing.T
	web *httptest.Server
	try func(name string) (*x509.Certificate, error)
	// http reads what is at a path of the server that is to have the name.
	http func(name, path string) string

	mu            sync.Mutex
	thumbprint    string // of the account's key
	name          string
	proven, given bool
	der           []byte
	orders        int
}

func newACME(t *testing.T) *acmeServer {
	s := &acmeServer{authority: newAuthority(), t: t}
	s.web = httptest.NewServer(s)
	t.Cleanup(s.web.Close)
	return s
}

// ServeHTTP answers one request. The signatures are not checked here.
func (s *acmeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Replay-Nonce", "nonce")
	w.Header().Set("Content-Type", "application/json")
	url := func(path string) string { return s.web.URL + path }
	var signed struct{ Protected, Payload string }
	if r.Method == http.MethodPost {
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &signed)
	}
	payload, _ := base64.RawURLEncoding.DecodeString(signed.Payload)
	status := map[bool]string{false: "pending", true: "valid"}
	switch r.URL.Path {
	case "/directory":
		s.answer(w, 200, map[string]any{"newNonce": url("/nonce"), "newAccount": url("/account"), "newOrder": url("/order")})
	case "/nonce":
	case "/account":
		s.account(signed.Protected)
		w.Header().Set("Location", url("/account/1"))
		s.answer(w, 201, map[string]any{"status": "valid"})
	case "/order":
		var asked struct{ Identifiers []struct{ Value string } }
		_ = json.Unmarshal(payload, &asked)
		s.name, s.proven, s.given = asked.Identifiers[0].Value, false, false
		s.orders++
		w.Header().Set("Location", url("/order/1"))
		s.answer(w, 201, s.order(url))
	case "/order/1", "/finalize/1":
		if r.URL.Path == "/finalize/1" {
			s.finalize(payload)
		}
		s.answer(w, 200, s.order(url))
	case "/authz/1":
		s.answer(w, 200, map[string]any{"status": status[s.proven], "identifier": map[string]string{"type": "dns", "value": s.name},
			"challenges": []any{map[string]any{"type": s.kind(), "url": url("/challenge/1"), "token": "tok", "status": status[s.proven]}}})
	case "/challenge/1":
		s.challenge()
		s.answer(w, 200, map[string]any{"type": s.kind(), "url": url("/challenge/1"), "token": "tok", "status": status[s.proven]})
	case "/certificate/1":
		_ = pem.Encode(w, &pem.Block{Type: "CERTIFICATE", Bytes: s.der})
		_, _ = w.Write(s.pem())
	default:
		s.answer(w, 404, map[string]any{"type": "about:blank", "detail": r.URL.Path})
	}
}

func (s *acmeServer) answer(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (s *acmeServer) account(protected string) {
	text, _ := base64.RawURLEncoding.DecodeString(protected)
	var header struct{ JWK jose.JSONWebKey }
	if err := json.Unmarshal(text, &header); err != nil {
		s.t.Error(err)
		return
	}
	sum := must(header.JWK.Thumbprint(5)) // crypto.SHA256
	s.thumbprint = base64.RawURLEncoding.EncodeToString(sum)
}

func (s *acmeServer) order(url func(string) string) map[string]any {
	status := "pending"
	if s.proven {
		status = "ready"
	}
	o := map[string]any{"authorizations": []string{url("/authz/1")}, "finalize": url("/finalize/1"), "identifiers": []any{map[string]string{"type": "dns", "value": s.name}}}
	if s.given {
		status, o["certificate"] = "valid", url("/certificate/1")
	}
	o["status"] = status
	return o
}

// kind is that of the challenge.
func (s *acmeServer) kind() string {
	if s.http != nil {
		return "http-01"
	}
	return "tls-alpn-01"
}

// challenge looks for the proof at a path of the server that is to have the name
// (https://www.rfc-editor.org/rfc/rfc8555#section-8.3), or in the certificate of the server that is to have
// the name. https://www.rfc-editor.org/rfc/rfc8737
func (s *acmeServer) challenge() {
	if s.http != nil {
		s.proven = s.http(s.name, "/.well-known/acme-challenge/tok") == "tok."+s.thumbprint
		return
	}
	certificate, err := s.try(s.name)
	if err != nil {
		s.t.Error(err)
		return
	}
	sum := sha256.Sum256([]byte("tok." + s.thumbprint))
	want := must(asn1.Marshal(sum[:]))
	for _, e := range certificate.Extensions {
		s.proven = s.proven || e.Id.String() == "1.3.6.1.5.5.7.1.31" && bytes.Equal(e.Value, want)
	}
}

func (s *acmeServer) finalize(payload []byte) {
	var sent struct{ CSR string }
	_ = json.Unmarshal(payload, &sent)
	der, _ := base64.RawURLEncoding.DecodeString(sent.CSR)
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil || !s.proven {
		s.t.Errorf("a request for a certificate: %v, proven: %t", err, s.proven)
		return
	}
	s.der, s.given = s.sign(csr.PublicKey, csr.DNSNames[0], time.Now().Add(40*24*time.Hour)), true
}

// TestACME gets a certificate by ACME, and finds it again after a restart.
func TestACME(t *testing.T) {
	s, dir := newACME(t), filepath.Join(t.TempDir(), "acme")
	cfg := Config{Domains: []string{"fhir.example.org"}, Directory: s.web.URL + "/directory"}
	open := func() *TLS {
		vault := NewVault()
		vault.Open(dir, xor{})
		return must(Open(cfg, vault, (&logBuffer{}).logger()))
	}
	server := open()
	s.try = func(name string) (*x509.Certificate, error) {
		_, given, err := shake(server.Config(), &tls.Config{ServerName: name, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
		if err != nil || given.NegotiatedProtocol != "acme-tls/1" {
			return nil, fmt.Errorf("tls-alpn-01 by %q: %w", given.NegotiatedProtocol, err)
		}
		return given.PeerCertificates[0], nil
	}
	connect := func(name string) error {
		_, _, err := shake(server.Config(), &tls.Config{RootCAs: s.pool(), ServerName: name, NextProtos: []string{"h2"}})
		return err
	}
	if err := connect("fhir.example.org"); err != nil {
		t.Fatal(err)
	}
	if err := connect("evil.example.org"); err == nil || s.orders != 1 {
		t.Errorf("a name that is not configured: %v after %d orders", err, s.orders)
	}
	server = open()
	if err := connect("fhir.example.org"); err != nil || s.orders != 1 {
		t.Errorf("after a restart: %v after %d orders", err, s.orders)
	}
	names, _ := filepath.Glob(dir + "/*")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil || strings.Contains(string(text), "PRIVATE KEY") {
			t.Errorf("%s holds a key that is not sealed, %v", filepath.Base(name), err)
		}
	}
	if len(names) < 2 {
		t.Errorf("the folder has %q", names)
	}
}

// TestACMEOverHTTP proves the name on a plain address, which serves nothing else.
func TestACMEOverHTTP(t *testing.T) {
	s, vault := newACME(t), NewVault()
	vault.Open(filepath.Join(t.TempDir(), "acme"), xor{})
	server := must(Open(Config{Domains: []string{"fhir.example.org"}, Directory: s.web.URL + "/directory", HTTP: "127.0.0.1:0"}, vault, (&logBuffer{}).logger()))
	ask := func(name, path string) string {
		rec, r := httptest.NewRecorder(), httptest.NewRequest("GET", "http://"+name+path, nil)
		server.challenges.ServeHTTP(rec, r)
		return strings.TrimSpace(rec.Body.String())
	}
	s.http = ask
	if _, _, err := shake(server.Config(), &tls.Config{RootCAs: s.pool(), ServerName: "fhir.example.org", NextProtos: []string{"h2"}}); err != nil || s.orders != 1 {
		t.Fatalf("%v after %d orders", err, s.orders)
	}
	for _, path := range []string{"/", "/datastore/x/r4/Patient", "/.well-known/acme-challenge/other"} {
		if text := ask("fhir.example.org", path); strings.Contains(text, s.thumbprint) || path != "/.well-known/acme-challenge/other" && !strings.Contains(text, "use https") {
			t.Errorf("%s is answered with %q", path, text)
		}
	}
}

// TestChallengesHaveAnAddress of their own, until the server ends.
func TestChallengesHaveAnAddress(t *testing.T) {
	taken := must(net.Listen("tcp", "127.0.0.1:0"))
	defer taken.Close()
	cfg := Config{Domains: []string{"fhir.example.org"}, HTTP: taken.Addr().String()}
	if err := must(Open(cfg, NewVault(), (&logBuffer{}).logger())).ServeChallenges(t.Context()); err == nil {
		t.Error("an address that is taken is taken again")
	}
	cfg.HTTP = "127.0.0.1:0"
	if err := must(Open(cfg, NewVault(), (&logBuffer{}).logger())).ServeChallenges(t.Context()); err != nil {
		t.Error(err)
	}
	cfg.HTTP = ""
	if err := must(Open(cfg, NewVault(), (&logBuffer{}).logger())).ServeChallenges(t.Context()); err != nil {
		t.Errorf("without an address: %v", err)
	}
	if (&Config{HTTP: ":80"}).Problem() == "" {
		t.Error("an address without names is taken")
	}
}
