// Package identity owns how a data store is told to know its callers, in the
// words of HealthLake's IdentityProviderConfiguration and beyond them: by the
// server's own authorization server, by others, by a token-check function, by
// signed requests, in any combination, and whose data store it is.
//
// It leaves to others: verifying (token, sigv4, apikey), keeping (datastore),
// and choosing the verifier (server).
package identity

import (
	"encoding/json"
	"regexp"
	"strings"
)

// A Strategy says how the callers of a data store prove who they are, in
// HealthLake's words.
type Strategy string

// The strategies. Both forms of SMART take tokens; that of version 1 knows no
// scopes of version 2. AWS_AUTH takes signed requests and no tokens.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_IdentityProviderConfiguration.html
const (
	StrategySMART1 Strategy = "SMART_ON_FHIR_V1"
	StrategySMART  Strategy = "SMART_ON_FHIR"
	StrategyAWS    Strategy = "AWS_AUTH"
)

// A Provider is how a data store knows its callers, as HealthLake's
// IdentityProviderConfiguration has it, and what that has no words for. Without
// one a data store has the server's own authorization server, and fine-grained
// authorization.
//
// Without Function, External and Issuers the server's own tokens count, and
// beside them where BuiltIn is set. Of those who are asked about a token that
// names no known issuer, Function and an introspection endpoint without an
// issuer, there is at most one.
type Provider struct {
	Strategy Strategy `json:"authorizationStrategy"`
	// FineGrained lets scopes of level user reach what the user may see;
	// without it the scopes alone decide.
	FineGrained bool `json:"fineGrainedAuthorizationEnabled"`
	// Metadata is the smart-configuration document of an external
	// authorization server, a JSON object.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Function is a token-check function: the URL that takes the question, or
	// the ARN of a function that is called through AWS Lambda's Invoke API.
	Function string `json:"function,omitempty"`
	// FunctionCache is how many seconds an answer of the function is believed
	// for the same token and operation; 0 for not at all, as HealthLake does.
	FunctionCache int `json:"functionCacheSeconds,omitempty"`
	// External is another authorization server than the server's own, and
	// Issuers are more of them.
	External *ExternalIssuer  `json:"external,omitempty"`
	Issuers  []ExternalIssuer `json:"issuers,omitempty"`
	// BuiltIn lets the server's own tokens count beside those of others.
	BuiltIn bool `json:"builtIn,omitempty"`
	// Signed lets requests count that are signed with an access key, beside
	// tokens.
	Signed bool `json:"signedRequests,omitempty"`
	// APIKey wants an API key beside the credential of every request.
	APIKey bool `json:"apiKeyRequired,omitempty"`
	// Tenant is whose data store it is: callers of other tenants are refused.
	// "" is for a data store of no tenant.
	Tenant string `json:"tenant,omitempty"`
}

// An ExternalIssuer is an authorization server that is not part of Tarn.
type ExternalIssuer struct {
	// Issuer is the claim iss of its tokens, which are JWTs; JWKSURI is where
	// its keys are, "" to find it by the issuer's metadata. An issuer that
	// serves many tenants has TenantHole in the place of the tenant's id, which
	// the claim tid has.
	Issuer  string `json:"issuer,omitempty"`
	JWKSURI string `json:"jwksUri,omitempty"`
	// Tenants are the values of the claim tid that count, for an Issuer with
	// TenantHole.
	Tenants []string `json:"tenants,omitempty"`
	// Algorithms are those that it may sign with; empty for all that are safe.
	Algorithms []string `json:"algorithms,omitempty"`
	// IntrospectionURL answers for its tokens (RFC 7662), asked with ClientID
	// and the secret that SecretFile holds. With an Issuer beside it, it is
	// asked about that issuer's JWTs alone.
	IntrospectionURL string `json:"introspectionUrl,omitempty"`
	ClientID         string `json:"clientId,omitempty"`
	SecretFile       string `json:"clientSecretFile,omitempty"`
	// CacheSeconds is how long an answer of IntrospectionURL is believed, and a
	// token outlives its revocation; nil for ten.
	CacheSeconds *int `json:"cacheSeconds,omitempty"`
	// Audiences are accepted beside the data store's base URL.
	Audiences []string `json:"audiences,omitempty"`
	// Required are names of claims that a token must have.
	Required []string `json:"requiredClaims,omitempty"`
	// Claims says under which names it has claims, by Tarn's: scope, clientId,
	// fhirUser, patient, encounter, patients, tenant, roles, sessionId.
	Claims map[string]string `json:"claims,omitempty"`
}

// TenantHole stands for a tenant's id in the issuer of an authorization server
// that serves many, as Microsoft Entra's metadata has it.
const TenantHole = "{tenantid}"

// Own reports whether the server's own tokens count.
func (p *Provider) Own() bool {
	return p == nil || p.Strategy != StrategyAWS && (p.BuiltIn || !p.others())
}

// others reports whether anybody else's tokens count.
func (p *Provider) others() bool {
	return p.Function != "" || p.External != nil || len(p.Issuers) > 0
}

// MetadataText is Metadata, empty for nobody.
func (p *Provider) MetadataText() json.RawMessage {
	if p == nil {
		return nil
	}
	return p.Metadata
}

// Tokens reports whether any tokens count.
func (p *Provider) Tokens() bool { return p == nil || p.Strategy != StrategyAWS }

// TakesSigned reports whether signed requests count.
func (p *Provider) TakesSigned() bool {
	return p != nil && (p.Signed || p.Strategy == StrategyAWS)
}

// NeedsAPIKey reports whether a request needs an API key.
func (p *Provider) NeedsAPIKey() bool { return p != nil && p.APIKey }

// TenantID is the tenant that the data store is bound to; "" for none.
func (p *Provider) TenantID() string {
	if p == nil {
		return ""
	}
	return p.Tenant
}

// Externals are all external authorization servers.
func (p *Provider) Externals() []ExternalIssuer {
	if p == nil || p.External == nil {
		return p.issuers()
	}
	return append([]ExternalIssuer{*p.External}, p.Issuers...)
}

func (p *Provider) issuers() []ExternalIssuer {
	if p == nil {
		return nil
	}
	return p.Issuers
}

// Version1 reports whether scopes of version 2 are not known.
func (p *Provider) Version1() bool { return p != nil && p.Strategy == StrategySMART1 }

// version1 is a scope of resources as SMART 1.0 has it.
// http://hl7.org/fhir/smart-app-launch/1.0.0/scopes-and-launch-context/index.html
var version1 = regexp.MustCompile(`^(patient|user|system)/(\*|[A-Z][A-Za-z]*)\.(read|write|\*)$`)

// Scopes are those scopes of a text that count at the data store: with
// StrategySMART1, those of version 1 and those that are about no resources.
func (p *Provider) Scopes(text string) string {
	if !p.Version1() {
		return text
	}
	var kept []string
	for scope := range strings.FieldsSeq(text) {
		if !aboutResources(scope) || version1.MatchString(scope) {
			kept = append(kept, scope)
		}
	}
	return strings.Join(kept, " ")
}

func aboutResources(scope string) bool {
	level, _, ok := strings.Cut(scope, "/")
	return ok && (level == "patient" || level == "user" || level == "system")
}

// Keep is p with what HealthLake's configuration has no words for, and nobody
// takes away without saying so: whose data store it is, and that it wants API
// keys. old is what p replaces; nil stays nil where there is nothing to keep.
func (p *Provider) Keep(old *Provider) *Provider {
	if old == nil || old.Tenant == "" && !old.APIKey {
		return p
	}
	kept := Provider{Strategy: StrategySMART, FineGrained: true}
	if p != nil {
		kept = *p
	}
	kept.Tenant, kept.APIKey = old.Tenant, old.APIKey
	return &kept
}
