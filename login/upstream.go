package login

// A Provider is an upstream OpenID Connect provider that people can sign in
// through: Okta, Entra ID, Google, Keycloak or any other.
type Provider struct {
	// ID is in addresses: small letters, digits and dashes. The redirect URI
	// to register at the provider is BaseURL/login/callback/ID.
	ID string
	// Name is on the button.
	Name string
	// Issuer has /.well-known/openid-configuration.
	Issuer       string
	ClientID     string
	ClientSecret string // "" for a public client
	// Scopes beside openid; nil is profile and email.
	Scopes []string
	Claims ClaimMapping
	// LinkByEmail signs in the user with the same e-mail address, where the
	// provider says that it is verified, and links the two from then on. Only
	// for providers that own the addresses.
	LinkByEmail bool
	// Create makes a user at the first sign-in of somebody unknown.
	Create bool
}

// ClaimMapping says which claims of an ID token a user's fields come from. A
// dot goes into an object: "realm_access.roles". A field whose claim is "-"
// stays as the directory has it.
type ClaimMapping struct {
	Username string // "" is preferred_username, else email, else sub
	Name     string // "" is name
	Email    string // "" is email
	// FHIRUser names the claim with "Practitioner/123"; "" is none. DataStore
	// is the data store that it is of; "" is all ("*").
	FHIRUser  string
	DataStore string
	// Roles names the claim with a list of strings; "" is none. RoleOf gives
	// the roles that they stand for; others are left out.
	Roles  string
	RoleOf map[string]string
}

// Providers lists the upstream providers, as configured.
func (s *Service) Providers() []Provider { return s.cfg.Providers }

type upstream struct{ Provider }

func newUpstreams(cfg Config) (map[string]*upstream, error) { return nil, nil }
