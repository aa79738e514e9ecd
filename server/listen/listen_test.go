package listen

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/acme/autocert"
)

// named is the name in the certificate that a server shows.
func named(t *testing.T, a *authority, server *TLS) string {
	t.Helper()
	_, given, err := shake(server.Config(), &tls.Config{RootCAs: a.pool(), ServerName: "127.0.0.1", NextProtos: []string{"h2"}, MaxVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	if given.NegotiatedProtocol != "h2" {
		t.Errorf("the protocol is %q", given.NegotiatedProtocol)
	}
	return given.PeerCertificates[0].Subject.CommonName
}

// TestReload changes the files under a server that listens.
func TestReload(t *testing.T) {
	a, dir, log := newAuthority(), t.TempDir(), &logBuffer{}
	cert, key := a.write(t, dir, "first", time.Now().Add(time.Hour))
	server, err := Open(Config{CertFile: cert, KeyFile: key}, nil, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	listening := server.Config() // as the listener has it from its beginning
	want := func(name string) {
		t.Helper()
		if got := named(t, a, server); got != name {
			t.Errorf("the certificate is of %q, not of %q", got, name)
		}
		_, given, err := shake(listening, &tls.Config{RootCAs: a.pool(), ServerName: "127.0.0.1", MaxVersion: tls.VersionTLS12})
		if err != nil || given.PeerCertificates[0].Subject.CommonName != name {
			t.Errorf("the listener's: %v", err)
		}
	}
	want("first")
	a.write(t, dir, "second", time.Now().Add(time.Hour))
	server.look()
	want("second")
	a.write(t, dir, "expired", time.Now().Add(-time.Minute))
	server.look()
	want("second")
	if err := os.WriteFile(key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	server.look()
	server.look()
	want("second")
	if text := log.String(); strings.Count(text, "were not read again") != 2 || !strings.Contains(text, "expired at") {
		t.Errorf("the log is\n%s", text)
	}
	a.write(t, dir, "third", time.Now().Add(time.Hour))
	ctx, stop := context.WithCancel(context.Background())
	tick, told, done := make(chan time.Time), make(chan os.Signal), make(chan struct{})
	go func() { defer close(done); server.watch(ctx, tick, told) }()
	told <- os.Interrupt // as SIGHUP would come
	tick <- time.Time{}  // taken when that is done with
	stop()
	<-done
	want("third")
}

func TestClientCertificates(t *testing.T) {
	a, stranger, dir := newAuthority(), newAuthority(), t.TempDir()
	cert, key := a.write(t, dir, "server", time.Now().Add(time.Hour))
	roots := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(roots, a.pem(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ask    ClientCertificates
		client *authority
		name   string // that the server sees; "" for none
		ok     bool
	}{
		{ClientsOff, a, "", true},
		{ClientsRequest, nil, "", true},
		{ClientsRequest, a, "app", true},
		{ClientsRequest, stranger, "app", true},
		{ClientsRequire, nil, "", false},
		{ClientsRequire, stranger, "", false},
		{ClientsRequire, a, "app", true},
	} {
		cfg := Config{CertFile: cert, KeyFile: key, Clients: c.ask}
		if c.ask != ClientsOff {
			cfg.ClientCAFile = roots
		}
		server, err := Open(cfg, nil, (&logBuffer{}).logger())
		if err != nil {
			t.Fatal(err)
		}
		client := &tls.Config{RootCAs: a.pool(), ServerName: "127.0.0.1", MaxVersion: tls.VersionTLS12}
		if c.client != nil {
			pair := c.client.pair("app")
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		seen, _, err := shake(server.Config(), client)
		name := ""
		if len(seen.PeerCertificates) > 0 {
			name = seen.PeerCertificates[0].Subject.CommonName
		}
		if (err == nil) != c.ok || c.ok && name != c.name || (server.ClientRoots() == nil) != (c.ask == ClientsOff) {
			t.Errorf("%q: %v, %q", c.ask, err, name)
		}
	}
}

func TestProblems(t *testing.T) {
	for want, c := range map[string]Config{
		"":                           {CertFile: "c", KeyFile: "k", Clients: ClientsRequire, ClientCAFile: "r"},
		"go together":                {CertFile: "c"},
		"not both":                   {CertFile: "c", KeyFile: "k", Domains: []string{"d"}},
		"go with tls.acme.domains":   {Email: "e"},
		"a certificate of the serve": {Clients: ClientsRequest},
		"whose certificates":         {CertFile: "c", KeyFile: "k", Clients: ClientsRequire},
		"asks for none":              {CertFile: "c", KeyFile: "k", ClientCAFile: "r"},
	} {
		if got := c.Problem(); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
	if _, err := Open(Config{CertFile: "none", KeyFile: "none"}, nil, (&logBuffer{}).logger()); err == nil {
		t.Error("a certificate that is not there was taken")
	}
}

// xor is a box that anybody can open.
type xor struct{}

func (xor) turn(purpose string, b []byte) []byte {
	out := []byte(purpose)
	for _, c := range b {
		out = append(out, c^0x55)
	}
	return out
}
func (x xor) Seal(purpose string, plain []byte) []byte { return x.turn(purpose, plain) }
func (x xor) Open(purpose string, sealed []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(sealed, []byte(purpose))
	if !ok {
		return nil, errors.New("for another purpose")
	}
	return x.turn("", rest), nil
}

func TestVault(t *testing.T) {
	v, ctx, dir := NewVault(), context.Background(), filepath.Join(t.TempDir(), "acme")
	early, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := v.Get(early, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("before it is open: %v", err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- v.Put(ctx, "k", []byte("secret")) }()
	v.Open(dir, xor{})
	if err := <-waiting; err != nil {
		t.Fatal(err)
	}
	if got, err := v.Get(ctx, "k"); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "k"))
	if err != nil || bytes.Contains(raw, []byte("secret")) {
		t.Errorf("the file is %q, %v", raw, err)
	}
	if err := os.Rename(filepath.Join(dir, "k"), filepath.Join(dir, "other")); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Get(ctx, "other"); err == nil {
		t.Error("a value under another name was taken")
	}
	if _, err := v.Get(ctx, "k"); !errors.Is(err, autocert.ErrCacheMiss) {
		t.Errorf("missing: %v", err)
	}
	if err := v.Delete(ctx, "other"); err != nil {
		t.Error(err)
	}
}
