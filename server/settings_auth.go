package server

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/server/roles"
	"github.com/tarnhealth/tarn/server/settings"
	"github.com/tarnhealth/tarn/server/upstream"
	"github.com/tarnhealth/tarn/smart"
)

// authSettings are the settings of sign-in and access.
var authSettings = []setting{
	flat("master_key_file", "the file with the key that seals secrets, made where it is not there; master.key in the data folder where empty",
		func(c *Config, s string) error { return text(&c.MasterKey, s) },
		func(c *Config) string { return c.MasterKey }),
	flat("session.idle", "a session ends when it was not used so long",
		func(c *Config, s string) error { return duration(&c.SessionIdle, s, time.Minute, 24*time.Hour) },
		func(c *Config) string { return c.SessionIdle.String() }),
	flat("session.absolute", "a session ends after so long at the latest",
		func(c *Config, s string) error { return duration(&c.SessionAbsolute, s, time.Minute, 30*24*time.Hour) },
		func(c *Config) string { return c.SessionAbsolute.String() }),
	flat("password.min_length", "the least number of characters of a password",
		func(c *Config, s string) error { return number(&c.MinPassword, s, 12, 64) },
		func(c *Config) string { return strconv.Itoa(c.MinPassword) }),
	flat("token.access", "how long an access token of a user is valid",
		func(c *Config, s string) error { return duration(&c.Tokens.Access, s, time.Minute, 24*time.Hour) },
		func(c *Config) string { return c.Tokens.Access.String() }),
	flat("token.service", "how long an access token of a service (client_credentials) is valid",
		func(c *Config, s string) error { return duration(&c.Tokens.Service, s, time.Minute, 24*time.Hour) },
		func(c *Config) string { return c.Tokens.Service.String() }),
	flat("token.refresh", "how long a refresh token is valid from its last use",
		func(c *Config, s string) error { return duration(&c.Tokens.Refresh, s, time.Hour, 366*24*time.Hour) },
		func(c *Config) string { return c.Tokens.Refresh.String() }),
	flat("token.refresh_grace", "how long a used refresh token may be used again, for clients that lost the answer",
		func(c *Config, s string) error { return duration(&c.Tokens.Grace, s, 0, time.Minute) },
		func(c *Config) string { return c.Tokens.Grace.String() }),
	flat("token.rotate_keys", "signing keys are replaced when they are so old; 0s never",
		func(c *Config, s string) error { return duration(&c.RotateKeys, s, 0, 2*366*24*time.Hour) },
		func(c *Config) string { return c.RotateKeys.String() }),
	flat("registration.mode", "whether apps may register themselves: off, token (with an initial access token) or open",
		func(c *Config, s string) error { return registrationMode(&c.Registration.Mode, s) },
		func(c *Config) string { return registrationText(c.Registration.Mode) }),
	flat("registration.scopes", "the most that such apps may ask for; what a patient's app reads where empty",
		func(c *Config, s string) error { return text(&c.Registration.Scopes, s) },
		func(c *Config) string { return c.Registration.Scopes }),
	list("registration.data_stores", "the data stores that such apps may use; all where empty",
		func(c *Config, list []string) error { c.Registration.DataStores = list; return nil },
		func(c *Config) []string { return c.Registration.DataStores }),
	flat("registration.require_statement", "refuse apps without a software statement",
		func(c *Config, s string) error { return boolean(&c.Registration.RequireStatement, s) },
		func(c *Config) string { return strconv.FormatBool(c.Registration.RequireStatement) }),
	settings.Records("registration.statement_issuers", "whose software statements are believed: a list of issuer and jwks_file", statementIssuers,
		func(c *Config) int { return len(c.Registration.StatementKeys) }),
	list("access.practitioners", "whose data a practitioner sees: all, or some of general-practitioner, care-team, encounter, group, organization",
		func(c *Config, list []string) error { return relations(&c.Practitioners, list) },
		func(c *Config) []string { return relationNames(c.Practitioners) }),
	flat("access.links", "a patient also sees the patients whose Patient.link refers to it",
		func(c *Config, s string) error { return boolean(&c.Links, s) },
		func(c *Config) string { return strconv.FormatBool(c.Links) }),
	flat("access.persons", "how sure a link of a Person has to be to lead its user to a patient: level1 to level4, or off",
		func(c *Config, s string) (err error) { c.Persons, err = authz.ParseAssurance(s); return err },
		func(c *Config) string { return c.Persons.String() }),
	settings.Records("access.roles", "further roles: a list of name, unconfined, and rules of interactions, types and query", roleShape,
		func(c *Config) int { return len(c.Roles) }),
	settings.Records("providers", "OpenID Connect providers that people can sign in through; docs/operations.md has the fields",
		func(c *Config) settings.Shape { return upstream.Settings(&c.Providers) }, func(c *Config) int { return c.providers(login.KindOpenIDConnect) }),
	settings.Records("saml_providers", "SAML 2.0 identity providers that people can sign in through; docs/operations.md has the fields",
		func(c *Config) settings.Shape { return upstream.SAMLSettings(&c.Providers) }, func(c *Config) int { return c.providers(login.KindSAML) }),
	list("cors.origins", "origins whose scripts may use the FHIR API beside those of registered apps, such as https://app.example.org; * is all",
		func(c *Config, list []string) error { return origins(&c.Origins, list) },
		func(c *Config) []string { return c.Origins }),
	list("trusted_proxies", "addresses of reverse proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8",
		func(c *Config, list []string) error { return networks(&c.Proxies, list) },
		func(c *Config) []string { return texts(c.Proxies) }),
}

func texts[T fmt.Stringer](list []T) []string {
	var out []string
	for _, one := range list {
		out = append(out, one.String())
	}
	return out
}

func registrationMode(to *smart.RegistrationMode, s string) error {
	var mode string
	if err := oneOf(&mode, s, "off", string(smart.RegistrationToken), string(smart.RegistrationOpen)); err != nil {
		return err
	}
	*to = smart.RegistrationMode(strings.TrimPrefix(mode, "off"))
	return nil
}

func registrationText(m smart.RegistrationMode) string {
	if m == smart.RegistrationOff {
		return "off"
	}
	return string(m)
}

// relationFields are the relations by their names in tarn.yaml.
var relationFields = []struct {
	name string
	of   func(*authz.Relations) *bool
}{
	{"all", func(r *authz.Relations) *bool { return &r.All }},
	{"general-practitioner", func(r *authz.Relations) *bool { return &r.GeneralPractitioner }},
	{"care-team", func(r *authz.Relations) *bool { return &r.CareTeam }},
	{"encounter", func(r *authz.Relations) *bool { return &r.Encounter }},
	{"group", func(r *authz.Relations) *bool { return &r.Group }},
	{"organization", func(r *authz.Relations) *bool { return &r.Organization }},
}

func relations(to *authz.Relations, list []string) error {
	*to = authz.Relations{}
next:
	for _, s := range list {
		for _, f := range relationFields {
			if f.name == s {
				*f.of(to) = true
				continue next
			}
		}
		return fmt.Errorf("%q is not known; allowed is all, or some of general-practitioner, care-team, encounter, group, organization", s)
	}
	return nil
}

func relationNames(r authz.Relations) []string {
	var names []string
	for _, f := range relationFields {
		if *f.of(&r) {
			names = append(names, f.name)
		}
	}
	return names
}

func origins(to *[]string, list []string) error {
	for _, s := range list {
		if s == "*" {
			continue
		}
		var base string
		if err := settings.BaseURL(&base, s); err != nil || s == "" || strings.Count(s, "/") != 2 || s != strings.ToLower(s) {
			return fmt.Errorf("%q is not an origin; write scheme, host and port, such as https://app.example.org, or *", s)
		}
	}
	*to = list
	return nil
}

func networks(to *[]netip.Prefix, list []string) error {
	*to = nil
	for _, s := range list {
		prefix, err := netip.ParsePrefix(s)
		if address, single := netip.ParseAddr(s); single == nil {
			prefix, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			return fmt.Errorf("%q is not a network; write an address or a prefix, such as 10.0.0.0/8", s)
		}
		*to = append(*to, prefix.Masked())
	}
	return nil
}

// roleShape is the shape of access.roles.
func roleShape(c *Config) settings.Shape {
	return settings.Shape{
		Clear: func() { c.Roles = nil },
		Items: func() ([]settings.Field, func() error) {
			var name string
			var role authz.Role
			return []settings.Field{
					settings.Required("name", settings.Word(&name)),
					settings.Optional("unconfined", settings.Flag(&role.Unconfined)),
					settings.Optional("clearance", settings.Single(func(s string) error { return confidentiality(&role.Clearance, s) })),
					settings.Optional("labels", settings.Shape{Texts: func(list []string) error { return labels(&role.Labels, list) }}),
					settings.Required("rules", rules(&role)),
				}, func() error {
					if _, twice := c.Roles[name]; twice {
						return fmt.Errorf("the role %q is there twice", name)
					}
					if c.Roles == nil {
						c.Roles = map[string]authz.Role{}
					}
					c.Roles[name] = role
					return nil
				}
		},
	}
}

func rules(role *authz.Role) settings.Shape {
	return settings.Shape{Items: func() ([]settings.Field, func() error) {
		var rule authz.Rule
		return []settings.Field{
				settings.Optional("interactions", settings.Shape{Texts: func(list []string) error {
					for _, s := range list {
						rule.Interactions = append(rule.Interactions, authz.Interaction(s))
					}
					return nil
				}}),
				settings.Optional("types", settings.Words(&rule.Types)),
				settings.Optional("query", settings.Single(func(s string) error { return query(&rule.Query, s) })),
			}, func() error {
				role.Rules = append(role.Rules, rule)
				return nil
			}
	}}
}

// query reads the conditions of a rule, as they stand in a URL.
func query(to *[]search.Pair, s string) error {
	if s == "" {
		return fmt.Errorf("it is empty; write name=value, several joined by &")
	}
	pairs, err := roles.Conditions(s)
	*to = append(*to, pairs...)
	return err
}

// providers counts the upstream providers of a kind.
func (c *Config) providers(kind string) (n int) {
	for _, p := range c.Providers {
		if p.Kind == kind {
			n++
		}
	}
	return n
}
