package server

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/tarnhealth/tarn/server/nearby"
	"github.com/tarnhealth/tarn/server/settings"
	"github.com/tarnhealth/tarn/token"
)

var validProviderID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

func providerID(to *string, s string) error {
	if !validProviderID.MatchString(s) {
		return fmt.Errorf("%q is not allowed; write up to 32 small letters, digits and dashes", s)
	}
	*to = s
	return nil
}

// issuer takes the URL of an authorization server. Plain http is for servers on
// this machine.
func issuer(to *string, s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !nearby.Loopback(u.Hostname())) {
		return fmt.Errorf("%q is not an issuer; write https:// and a host, as the provider's metadata has it", s)
	}
	*to = s
	return nil
}

// secretFile reads a secret from a file, without the line end.
func secretFile(to *string, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	if *to = strings.TrimRight(string(b), "\r\n"); *to == "" {
		return fmt.Errorf("the file %s is empty", path)
	}
	return nil
}

// statementIssuers is the shape of registration.statement_issuers.
func statementIssuers(c *Config) settings.Shape {
	return settings.Shape{
		Clear: func() { c.Registration.StatementKeys = nil },
		Items: func() ([]settings.Field, func() error) {
			var name string
			var keys json.RawMessage
			return []settings.Field{
					settings.Required("issuer", settings.Word(&name)),
					settings.Required("jwks_file", settings.Single(func(s string) error { return keyFile(&keys, s) })),
				}, func() error {
					if c.Registration.StatementKeys == nil {
						c.Registration.StatementKeys = map[string]json.RawMessage{}
					}
					c.Registration.StatementKeys[name] = keys
					return nil
				}
		},
	}
}

func keyFile(to *json.RawMessage, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	if err := token.CheckJWKS(b); err != nil {
		return fmt.Errorf("the keys in %s cannot be used: %w", path, err)
	}
	*to = b
	return nil
}
