package upstream

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/server/nearby"
	"github.com/tarnhealth/tarn/server/settings"
)

// Settings is the shape of the list of OpenID Connect providers in a
// configuration, SAMLSettings that of the SAML ones. Both add to one list.
func Settings(list *[]login.Provider) settings.Shape {
	return shape(list, login.KindOpenIDConnect, func(p *login.Provider) []settings.Field {
		return []settings.Field{
			settings.Required("issuer", settings.Single(func(s string) error { return Issuer(&p.Issuer, s) })),
			settings.Required("client_id", settings.Word(&p.ClientID)),
			settings.Optional("client_secret", settings.Word(&p.ClientSecret)),
			settings.Optional("client_secret_file", settings.Single(func(s string) error { return file(&p.ClientSecret, s, "\r\n") })),
			settings.Optional("scopes", settings.Words(&p.Scopes)),
		}
	})
}

// SAMLSettings is described at Settings.
func SAMLSettings(list *[]login.Provider) settings.Shape {
	return shape(list, login.KindSAML, func(p *login.Provider) []settings.Field {
		return []settings.Field{
			settings.Required("entity_id", settings.Word(&p.Issuer)),
			settings.Optional("metadata_url", settings.Word(&p.SAML.MetadataURL)),
			settings.Optional("metadata_file", settings.Single(func(s string) error { return file(&p.SAML.Metadata, s, "") })),
			settings.Optional("subject", settings.Word(&p.SAML.Subject)),
			settings.Optional("sign_requests", settings.Flag(&p.SAML.SignRequests)),
		}
	})
}

// shape is that of a list of providers of one kind, which have some fields of
// their own.
func shape(list *[]login.Provider, kind string, own func(*login.Provider) []settings.Field) settings.Shape {
	return settings.Shape{
		Clear: func() {
			*list = slices.DeleteFunc(*list, func(p login.Provider) bool { return p.Kind == kind })
		},
		Items: func() ([]settings.Field, func() error) {
			p := &login.Provider{Kind: kind}
			fields := []settings.Field{
				settings.Required("id", settings.Single(func(s string) error { return providerID(&p.ID, s) })),
				settings.Optional("name", settings.Word(&p.Name)),
			}
			fields = append(append(fields, own(p)...),
				settings.Optional("link_by_email", settings.Flag(&p.LinkByEmail)),
				settings.Optional("create_users", settings.Flag(&p.Create)),
				settings.Optional("claims", settings.Shape{Group: claimFields(&p.Claims)}))
			return fields, func() error {
				if slices.ContainsFunc(*list, func(other login.Provider) bool { return other.ID == p.ID }) {
					return fmt.Errorf("the provider %q is there twice", p.ID)
				}
				*list = append(*list, *p)
				return p.Check()
			}
		},
	}
}

func claimFields(m *login.ClaimMapping) []settings.Field {
	return []settings.Field{
		settings.Optional("username", settings.Word(&m.Username)),
		settings.Optional("name", settings.Word(&m.Name)),
		settings.Optional("email", settings.Word(&m.Email)),
		settings.Optional("fhir_user", settings.Word(&m.FHIRUser)),
		settings.Optional("data_store", settings.Word(&m.DataStore)),
		settings.Optional("roles", settings.Word(&m.Roles)),
		settings.Optional("role_of", settings.Shape{Pairs: func(key, value string) error {
			if m.RoleOf == nil {
				m.RoleOf = map[string]string{}
			}
			m.RoleOf[key] = value
			return nil
		}}),
	}
}

var validID = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

func providerID(to *string, s string) error {
	if !validID.MatchString(s) {
		return fmt.Errorf("%q is not allowed; write up to 32 small letters, digits and dashes", s)
	}
	*to = s
	return nil
}

// Issuer takes the URL of an authorization server. Plain http is for servers on
// this machine.
func Issuer(to *string, s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !nearby.Loopback(u.Hostname())) {
		return fmt.Errorf("%q is not an issuer; write https:// and a host, as the provider's metadata has it", s)
	}
	*to = s
	return nil
}

// file reads a text from a file, without what it ends in of cut.
func file(to *string, path, cut string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("it cannot be read: %w", err)
	}
	if *to = strings.TrimRight(string(b), cut); *to == "" {
		return errors.New("the file " + path + " is empty")
	}
	return nil
}
