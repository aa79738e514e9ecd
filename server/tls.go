package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/server/listen"
	"github.com/tarnhealth/tarn/server/settings"
	"github.com/tarnhealth/tarn/server/upstream"
	"github.com/tarnhealth/tarn/smart/client"
)

// acmeName is the folder in a data folder with what ACME gave, sealed.
const acmeName = "acme"

// secure has a listener speak TLS where the configuration says so, by files that
// are read again when they change, until ctx ends.
func (s *Server) secure(ctx context.Context, listener net.Listener) (net.Listener, error) {
	if !s.cfg.TLS.On() {
		return listener, nil
	}
	s.vault = listen.NewVault()
	t, err := listen.Open(s.cfg.TLS, s.vault, s.log)
	if err != nil {
		return nil, &Refusal{Text: "TLS: " + err.Error(), Cause: err}
	}
	if err := t.ServeChallenges(ctx); err != nil {
		return nil, &Refusal{Text: "tls.acme.http_listen: " + err.Error(), Cause: err}
	}
	s.clientRoots = t.ClientRoots
	go t.Watch(ctx)
	return tls.NewListener(listener, t.Config()), nil
}

// keepACME gives what ACME gives its place in the data folder.
func (s *Server) keepACME(f *folder) error {
	if s.vault == nil {
		return nil
	}
	master, err := crypt.MasterKey(cmp.Or(s.cfg.MasterKey, filepath.Join(f.dir, masterKeyName)))
	if err != nil {
		return &Refusal{Text: err.Error(), Cause: err}
	}
	box, err := crypt.NewBox(master)
	if err == nil {
		s.vault.Open(filepath.Join(f.dir, acmeName), box)
	}
	return err
}

// certificates are those of clients.
func (f *folder) certificates(a *authority) client.Certificates {
	return client.Certificates{On: a.cfg.TLS.Clients != listen.ClientsOff, Roots: f.clientRoots, Known: a.clientKeys.HasCertificate}
}

// tlsSettings are the settings of TLS.
var tlsSettings = []setting{
	flat("tls.cert_file", "the server's certificate, PEM, with those between it and its root; read again when it changes",
		func(c *Config, s string) error { c.TLS.CertFile = strings.TrimSpace(s); return nil },
		func(c *Config) string { return c.TLS.CertFile }),
	flat("tls.key_file", "the certificate's key, PEM",
		func(c *Config, s string) error { c.TLS.KeyFile = strings.TrimSpace(s); return nil },
		func(c *Config) string { return c.TLS.KeyFile }),
	list("tls.acme.domains", "names that certificates are asked for by ACME, in place of files",
		func(c *Config, list []string) error { c.TLS.Domains = list; return nil },
		func(c *Config) []string { return c.TLS.Domains }),
	flat("tls.acme.email", "whom the certificate authority may write to",
		func(c *Config, s string) error { c.TLS.Email = strings.TrimSpace(s); return nil },
		func(c *Config) string { return c.TLS.Email }),
	flat("tls.acme.directory", "the directory URL of the certificate authority; Let's Encrypt's where empty",
		func(c *Config, s string) error {
			if c.TLS.Directory = s; s == "" {
				return nil
			}
			return upstream.Issuer(&c.TLS.Directory, s)
		},
		func(c *Config) string { return c.TLS.Directory }),
	flat("tls.acme.http_listen", "an address that proves the names over plain HTTP too, which the authority reaches at port 80",
		func(c *Config, s string) error {
			if c.TLS.HTTP = ""; s == "" {
				return nil
			}
			return settings.Address(&c.TLS.HTTP, s)
		},
		func(c *Config) string { return c.TLS.HTTP }),
	flat("tls.client_certificates", "whether clients are asked for certificates: off, request, or require",
		func(c *Config, s string) error { return clientCertificates(&c.TLS.Clients, s) },
		func(c *Config) string { return cmp.Or(string(c.TLS.Clients), "off") }),
	flat("tls.client_ca_file", "the authorities of clients' certificates, PEM; read again when it changes",
		func(c *Config, s string) error { c.TLS.ClientCAFile = strings.TrimSpace(s); return nil },
		func(c *Config) string { return c.TLS.ClientCAFile }),
}

func clientCertificates(to *listen.ClientCertificates, s string) error {
	var word string
	if err := settings.OneOf(&word, s, "off", string(listen.ClientsRequest), string(listen.ClientsRequire)); err != nil {
		return err
	}
	if *to = listen.ClientCertificates(word); word == "off" {
		*to = listen.ClientsOff
	}
	return nil
}

// checkTLS is the rule between TLS and the base URL.
func checkTLS(c *Config) string {
	if problem := c.TLS.Problem(); problem != "" {
		return problem
	}
	u, err := url.Parse(c.BaseURL)
	if c.TLS.On() && c.BaseURL != "" && err == nil && u.Scheme != "https" {
		return "base_url is " + c.BaseURL + ", and with tls the server speaks https"
	}
	return ""
}
