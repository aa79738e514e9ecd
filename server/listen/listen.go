// Package listen owns TLS where it ends at Tarn: certificates from files, which
// are read again when they change, or from a certificate authority that speaks
// ACME (RFC 8555), and the certificates of clients (RFC 8705).
//
// It leaves to others: what a client's certificate proves (smart), and what a
// token that is bound to one may do (bearer).
package listen

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// Config says how TLS ends here. The zero value is no TLS.
type Config struct {
	// CertFile and KeyFile are PEM files, of a certificate with those between it
	// and its root, and of its key.
	CertFile, KeyFile string
	// Domains are the names that certificates are asked for by ACME, in place of
	// files; Email is whom the authority may write to, Directory its URL, "" for
	// Let's Encrypt.
	Domains          []string
	Email, Directory string
	// HTTP is an address at which names are proven over plain HTTP too, "" for
	// over TLS alone: for where port 443 does not lead here when TLS begins.
	HTTP string
	// Clients says whether clients are asked for certificates.
	Clients ClientCertificates
	// ClientCAFile is a PEM file with the authorities of clients' certificates.
	ClientCAFile string
}

// ClientCertificates says whether clients are asked for certificates.
type ClientCertificates string

// The values of ClientCertificates.
const (
	ClientsOff ClientCertificates = ""
	// ClientsRequest asks for a certificate and serves those without one too.
	ClientsRequest ClientCertificates = "request"
	// ClientsRequire serves nobody without a certificate of ClientCAFile.
	ClientsRequire ClientCertificates = "require"
)

// On reports whether there is TLS.
func (c *Config) On() bool { return c.CertFile != "" || len(c.Domains) > 0 }

// Problem says what is wrong between the fields; "" for nothing.
func (c *Config) Problem() string {
	switch {
	case (c.CertFile == "") != (c.KeyFile == ""):
		return "tls.cert_file and tls.key_file go together"
	case c.CertFile != "" && len(c.Domains) > 0:
		return "the certificate is in tls.cert_file or asked for with tls.acme.domains, not both"
	case len(c.Domains) == 0 && (c.Email != "" || c.Directory != "" || c.HTTP != ""):
		return "tls.acme.email, tls.acme.directory and tls.acme.http_listen go with tls.acme.domains"
	case !c.On() && (c.Clients != ClientsOff || c.ClientCAFile != ""):
		return "tls.client_certificates and tls.client_ca_file need a certificate of the server's own: tls.cert_file, or tls.acme.domains"
	case c.Clients == ClientsRequire && c.ClientCAFile == "":
		return "tls.client_certificates is require, and tls.client_ca_file does not say whose certificates are good"
	case c.Clients == ClientsOff && c.ClientCAFile != "":
		return "tls.client_ca_file says whose certificates are good, and tls.client_certificates asks for none"
	}
	return ""
}

// A TLS is the TLS of a server.
type TLS struct {
	cfg   Config
	log   *slog.Logger
	vault *Vault
	acme  *autocert.Manager
	// challenges answers what is asked over plain HTTP, nil where nothing is.
	challenges http.Handler
	// current is what connections are made by, read from files with hash.
	current atomic.Pointer[tls.Config]
	roots   atomic.Pointer[x509.CertPool]
	hash    [sha256.Size]byte
	// failed is why the files were not read the last time.
	failed error
}

// Open reads the files of a configuration. vault keeps what ACME gives; it may
// be opened later.
func Open(cfg Config, vault *Vault, log *slog.Logger) (*TLS, error) {
	t := &TLS{cfg: cfg, log: log, vault: vault}
	if len(cfg.Domains) > 0 {
		t.acme = &autocert.Manager{
			Prompt: autocert.AcceptTOS, HostPolicy: autocert.HostWhitelist(cfg.Domains...), Email: cfg.Email, Cache: vault,
			Client: &acme.Client{DirectoryURL: cfg.Directory},
		}
		if cfg.Directory == "" {
			t.acme.Client.DirectoryURL = autocert.DefaultACMEDirectory
		}
		if cfg.HTTP != "" {
			t.challenges = t.acme.HTTPHandler(http.HandlerFunc(onlyChallenges))
		}
	}
	return t, t.reload()
}

// onlyChallenges answers what is no challenge. Nobody is sent on to https: a client
// that sends its token in the clear is not to get along with it.
func onlyChallenges(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "this address proves the server's names to a certificate authority, and serves nothing else; use https", http.StatusNotFound)
}

// challengeTimeout is how long a request for a challenge may take.
const challengeTimeout = 10 * time.Second

// ServeChallenges proves the server's names at Config.HTTP until ctx ends; it does
// nothing where there is none. The error is of the address.
// https://www.rfc-editor.org/rfc/rfc8555#section-8.3
func (t *TLS) ServeChallenges(ctx context.Context) error {
	if t.challenges == nil {
		return nil
	}
	listener, err := net.Listen("tcp", t.cfg.HTTP)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: t.challenges, ReadTimeout: challengeTimeout, WriteTimeout: challengeTimeout, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(t.log.Handler(), slog.LevelDebug),
	}
	context.AfterFunc(ctx, func() { _ = server.Close() }) // nothing is left to be answered
	go func() {
		if err := server.Serve(listener); ctx.Err() == nil {
			t.log.Error("challenges over HTTP are served no more", "error", err)
		}
	}()
	return nil
}

// Config is for the server that listens. Each connection is made by the files as
// they were read last.
func (t *TLS) Config() *tls.Config {
	c := t.current.Load().Clone()
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return t.current.Load(), nil }
	return c
}

// ClientRoots are the authorities of clients' certificates; nil for none.
func (t *TLS) ClientRoots() *x509.CertPool { return t.roots.Load() }

// reload reads the files, and keeps what was there where they are not good.
func (t *TLS) reload() error {
	texts, hash, err := t.read()
	if err != nil {
		return err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if t.acme != nil {
		c.GetCertificate = t.acme.GetCertificate
		c.NextProtos = append(c.NextProtos, acme.ALPNProto)
	} else {
		pair, err := tls.X509KeyPair(texts[0], texts[1])
		if err != nil {
			return fmt.Errorf("the certificate %s with the key %s: %w", t.cfg.CertFile, t.cfg.KeyFile, err)
		}
		if now := time.Now(); now.After(pair.Leaf.NotAfter) {
			return fmt.Errorf("the certificate %s expired at %s", t.cfg.CertFile, pair.Leaf.NotAfter.UTC().Format(time.RFC3339))
		}
		c.Certificates = []tls.Certificate{pair}
	}
	if err := t.askClients(c, texts[2]); err != nil {
		return err
	}
	t.current.Store(c)
	t.hash = hash
	return nil
}

func (t *TLS) askClients(c *tls.Config, roots []byte) error {
	var pool *x509.CertPool
	if t.cfg.ClientCAFile != "" {
		if pool = x509.NewCertPool(); !pool.AppendCertsFromPEM(roots) {
			return fmt.Errorf("the file %s holds no certificates in PEM", t.cfg.ClientCAFile)
		}
	}
	switch t.cfg.Clients {
	case ClientsRequest:
		// Not verified here, and the authorities are not told: a certificate may
		// be good for a client whose own it is, and clients do not send one of an
		// authority that is not named.
		c.ClientAuth = tls.RequestClientCert
	case ClientsRequire:
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pool
	}
	t.roots.Store(pool)
	return nil
}

// read returns the files' texts, and the hash of all of them.
func (t *TLS) read() (texts [3][]byte, hash [sha256.Size]byte, err error) {
	h := sha256.New()
	for i, name := range []string{t.cfg.CertFile, t.cfg.KeyFile, t.cfg.ClientCAFile} {
		if name == "" {
			continue
		}
		if texts[i], err = os.ReadFile(name); err != nil {
			return texts, hash, err
		}
		sum := sha256.Sum256(texts[i])
		h.Write(sum[:])
	}
	return texts, [sha256.Size]byte(h.Sum(nil)), nil
}

// looked is how often the files are looked at.
const looked = 10 * time.Second

// Watch reads the files again when they change, or when the process is told to
// by SIGHUP, until ctx ends.
func (t *TLS) Watch(ctx context.Context) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP)
	defer signal.Stop(told)
	tick := time.NewTicker(looked)
	defer tick.Stop()
	t.watch(ctx, tick.C, told)
}

func (t *TLS) watch(ctx context.Context, tick <-chan time.Time, told <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			t.look()
		case <-told:
			t.failed = nil
			t.again()
		}
	}
}

// look reads the files again where they changed.
func (t *TLS) look() {
	if _, hash, err := t.read(); err != nil || hash != t.hash {
		t.again()
	}
}

// again reads the files again, and tells how that went: a failure once.
func (t *TLS) again() {
	err := t.reload()
	switch {
	case err == nil:
		t.log.Info("the TLS certificates were read again")
	case t.failed == nil || err.Error() != t.failed.Error():
		t.log.Error("the TLS certificates were not read again; those of before still serve", "error", err)
	}
	t.failed = err
}
