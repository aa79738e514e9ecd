package server

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/tarnhealth/tarn/server/settings"
	"github.com/tarnhealth/tarn/token"
)

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
