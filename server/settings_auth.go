package server

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/search"
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
	{"registration.statement_issuers", "whose software statements are believed: a list of issuer and jwks_file", statementIssuers,
		func(c *Config) string { return counted(len(c.Registration.StatementKeys)) }},
	list("access.practitioners", "whose data a practitioner sees: all, or some of general-practitioner, care-team, encounter, group, organization",
		func(c *Config, list []string) error { return relations(&c.Practitioners, list) },
		func(c *Config) []string { return relationNames(c.Practitioners) }),
	flat("access.links", "a patient also sees the patients whose Patient.link refers to it",
		func(c *Config, s string) error { return boolean(&c.Links, s) },
		func(c *Config) string { return strconv.FormatBool(c.Links) }),
	{"access.roles", "further roles: a list of name, unconfined, and rules of interactions, types and query", roles,
		func(c *Config) string { return counted(len(c.Roles)) }},
	{"providers", "OpenID Connect providers that people can sign in through; docs/operations.md has the fields", providers,
		func(c *Config) string { return counted(len(c.Providers)) }},
	list("cors.origins", "origins whose scripts may use the FHIR API beside those of registered apps, such as https://app.example.org; * is all",
		func(c *Config, list []string) error { return origins(&c.Origins, list) },
		func(c *Config) []string { return c.Origins }),
	list("trusted_proxies", "addresses of reverse proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8",
		func(c *Config, list []string) error { return networks(&c.Proxies, list) },
		func(c *Config) []string { return texts(c.Proxies) }),
}

// list makes a setting of several values.
func list(name, help string, set func(*Config, []string) error, get func(*Config) []string) setting {
	return setting{name, help, func(c *Config) shape {
		return shape{texts: func(list []string) error { return set(c, list) }}
	}, func(c *Config) string { return strings.Join(get(c), ",") }}
}

// counted stands for a list of records in the list of defaults.
func counted(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of them", n)
}

func texts[T fmt.Stringer](list []T) []string {
	var out []string
	for _, one := range list {
		out = append(out, one.String())
	}
	return out
}

func boolean(to *bool, s string) error {
	switch s {
	case "true":
		*to = true
	case "false":
		*to = false
	default:
		return fmt.Errorf("%q is not allowed; write true or false", s)
	}
	return nil
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
		if err := baseURL(&base, s); err != nil || s == "" || strings.Count(s, "/") != 2 || s != strings.ToLower(s) {
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

// roles is the shape of access.roles.
func roles(c *Config) shape {
	return shape{
		clear: func() { c.Roles = nil },
		items: func() ([]field, func() error) {
			var name string
			var role authz.Role
			return []field{
					{"name", true, shape{text: func(s string) error { return text(&name, s) }}},
					{"unconfined", false, shape{text: func(s string) error { return boolean(&role.Unconfined, s) }}},
					{"rules", true, rules(&role)},
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

func rules(role *authz.Role) shape {
	return shape{items: func() ([]field, func() error) {
		var rule authz.Rule
		return []field{
				{"interactions", false, shape{texts: func(list []string) error {
					for _, s := range list {
						rule.Interactions = append(rule.Interactions, authz.Interaction(s))
					}
					return nil
				}}},
				{"types", false, shape{texts: func(list []string) error { rule.Types = list; return nil }}},
				{"query", false, shape{text: func(s string) error { return query(&rule.Query, s) }}},
			}, func() error {
				role.Rules = append(role.Rules, rule)
				return nil
			}
	}}
}

// query reads the conditions of a rule, as they stand in a URL.
func query(to *[]search.Pair, s string) error {
	for part := range strings.SplitSeq(s, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, value, err := unescape(name, value)
		if err != nil || name == "" || value == "" {
			return fmt.Errorf("%q is not a search; write name=value, several joined by &", s)
		}
		*to = append(*to, search.Pair{Name: name, Value: value})
	}
	return nil
}

// providers is the shape of the list of upstream providers.
func providers(c *Config) shape {
	return shape{
		clear: func() { c.Providers = nil },
		items: func() ([]field, func() error) {
			p := &login.Provider{}
			single := func(to *string) shape { return shape{text: func(s string) error { return text(to, s) }} }
			flag := func(to *bool) shape { return shape{text: func(s string) error { return boolean(to, s) }} }
			return []field{
					{"id", true, shape{text: func(s string) error { return providerID(&p.ID, s) }}},
					{"name", false, single(&p.Name)},
					{"issuer", true, shape{text: func(s string) error { return issuer(&p.Issuer, s) }}},
					{"client_id", true, single(&p.ClientID)},
					{"client_secret", false, single(&p.ClientSecret)},
					{"client_secret_file", false, shape{text: func(s string) error { return secretFile(&p.ClientSecret, s) }}},
					{"scopes", false, shape{texts: func(list []string) error { p.Scopes = list; return nil }}},
					{"link_by_email", false, flag(&p.LinkByEmail)},
					{"create_users", false, flag(&p.Create)},
					{"claims", false, shape{group: claimFields(&p.Claims)}},
				}, func() error {
					if slices.ContainsFunc(c.Providers, func(other login.Provider) bool { return other.ID == p.ID }) {
						return fmt.Errorf("the provider %q is there twice", p.ID)
					}
					c.Providers = append(c.Providers, *p)
					return nil
				}
		},
	}
}

func claimFields(m *login.ClaimMapping) []field {
	single := func(to *string) shape { return shape{text: func(s string) error { return text(to, s) }} }
	return []field{
		{"username", false, single(&m.Username)},
		{"name", false, single(&m.Name)},
		{"email", false, single(&m.Email)},
		{"fhir_user", false, single(&m.FHIRUser)},
		{"data_store", false, single(&m.DataStore)},
		{"roles", false, single(&m.Roles)},
		{"role_of", false, shape{pairs: func(key, value string) error {
			if m.RoleOf == nil {
				m.RoleOf = map[string]string{}
			}
			m.RoleOf[key] = value
			return nil
		}}},
	}
}
