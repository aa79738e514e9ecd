package identity

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// maxIssuers bounds the external authorization servers of a data store.
const maxIssuers = 50

// ValidTenant is what the id of a tenant looks like.
var ValidTenant = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}$`)

// Check tells what is wrong with a provider, as an error of
// KindInvalid.
func (p *Provider) Check() error {
	switch {
	case p.Strategy != StrategySMART && p.Strategy != StrategySMART1 && p.Strategy != StrategyAWS:
		return fhir.Errorf(fhir.KindInvalid, "the authorization strategy %q is not known; allowed is %s, %s or %s", p.Strategy, StrategySMART, StrategySMART1, StrategyAWS)
	case p.Strategy == StrategyAWS && (p.others() || p.BuiltIn || len(p.Metadata) > 0):
		return fhir.Errorf(fhir.KindInvalid, "with %s requests are signed and there are no tokens: leave function, external, issuers, builtIn and metadata out, or use %s with signedRequests", StrategyAWS, StrategySMART)
	case p.Strategy == StrategyAWS && p.FineGrained:
		return fhir.Errorf(fhir.KindInvalid, "with %s no user is known, and there is no fine-grained authorization", StrategyAWS)
	case !p.others() && len(p.Metadata) > 0:
		return fhir.Errorf(fhir.KindInvalid, "metadata is that of an external authorization server; without one the server's own is served")
	case p.Tenant != "" && !ValidTenant.MatchString(p.Tenant):
		return fhir.Errorf(fhir.KindInvalid, "the tenant %q is not allowed; write up to 64 letters, digits, _ and -", p.Tenant)
	case p.Function == "" && p.FunctionCache != 0, p.FunctionCache < 0 || p.FunctionCache > 300:
		return fhir.Errorf(fhir.KindInvalid, "functionCacheSeconds is 0 to 300, for a token-check function")
	}
	if err := p.checkMetadata(); err != nil {
		return err
	}
	if p.Function != "" && !isWebURL(p.Function) && !IsFunctionARN(p.Function) {
		return fhir.Errorf(fhir.KindInvalid, "the token-check function %q is neither a URL (https, or http on a loopback address) nor the ARN of a Lambda function", p.Function)
	}
	return p.checkExternals()
}

func (p *Provider) checkMetadata() error {
	if len(p.Metadata) == 0 && (p.Own() || p.Strategy == StrategyAWS) {
		return nil
	}
	var metadata map[string]any
	if err := json.Unmarshal(p.Metadata, &metadata); err != nil || len(metadata) == 0 {
		return fhir.Errorf(fhir.KindInvalid, "metadata must be the smart-configuration of the external authorization server, a JSON object")
	}
	if _, ok := metadata["token_endpoint"].(string); !ok {
		return fhir.Errorf(fhir.KindInvalid, "metadata lacks token_endpoint, which apps need")
	}
	capabilities, _ := metadata["capabilities"].([]any)
	if p.Version1() && slices.ContainsFunc(capabilities, func(c any) bool {
		name, _ := c.(string)
		return strings.HasPrefix(name, "permission-v2")
	}) {
		return fhir.Errorf(fhir.KindInvalid, "metadata has a capability permission-v2, and with %s scopes of version 2 do not count; use %s", StrategySMART1, StrategySMART)
	}
	return nil
}

// checkExternals sees to it that it is clear who decides about a token.
func (p *Provider) checkExternals() error {
	all := p.Externals()
	if len(all) > maxIssuers {
		return fhir.Errorf(fhir.KindInvalid, "there are %d external authorization servers; at most %d are allowed", len(all), maxIssuers)
	}
	seen, asked := map[string]bool{}, p.Function != ""
	for i := range all {
		x := &all[i]
		if err := x.check(); err != nil {
			return err
		}
		if x.Issuer == "" && asked {
			return fhir.Errorf(fhir.KindInvalid, "two are to be asked about tokens of unknown issuers: of token-check functions and introspection endpoints without an issuer there may be one")
		}
		if x.Issuer != "" && seen[x.Issuer] {
			return fhir.Errorf(fhir.KindInvalid, "the issuer %q is there twice", x.Issuer)
		}
		asked, seen[x.Issuer] = asked || x.Issuer == "", true
	}
	return nil
}

func (e *ExternalIssuer) check() error {
	switch {
	case e.Issuer == "" && e.IntrospectionURL == "":
		return fhir.Errorf(fhir.KindInvalid, "an external authorization server has an issuer, whose keys are looked up, or an introspectionUrl: give one of them")
	case e.IntrospectionURL != "" && (e.JWKSURI != "" || len(e.Algorithms) > 0):
		return fhir.Errorf(fhir.KindInvalid, "jwksUri and algorithms are for checking signatures, and introspectionUrl is asked in place of that")
	case e.IntrospectionURL == "" && (e.ClientID != "" || e.SecretFile != "" || e.CacheSeconds != nil):
		return fhir.Errorf(fhir.KindInvalid, "clientId, clientSecretFile and cacheSeconds go with introspectionUrl")
	case e.CacheSeconds != nil && (*e.CacheSeconds < 0 || *e.CacheSeconds > 300):
		return fhir.Errorf(fhir.KindInvalid, "cacheSeconds is 0 to 300")
	}
	for name, uri := range map[string]string{"issuer": strings.Replace(e.Issuer, TenantHole, "tenant", 1), "jwksUri": e.JWKSURI, "introspectionUrl": e.IntrospectionURL} {
		if uri != "" && !isWebURL(uri) {
			return fhir.Errorf(fhir.KindInvalid, "%s %q is not a URL; use https, or http on a loopback address", name, uri)
		}
	}
	for name := range e.Claims {
		switch name {
		case "scope", "clientId", "fhirUser", "patient", "encounter", "patients", "tenant", "roles", "sessionId":
		default:
			return fhir.Errorf(fhir.KindInvalid, "claims names %q; there are scope, clientId, fhirUser, patient, encounter, patients, tenant, roles and sessionId", name)
		}
	}
	return e.checkTenants()
}

// checkTenants wants the tenants of an issuer with a hole to be named: such an
// issuer signs for everybody who opens an account there.
func (e *ExternalIssuer) checkTenants() error {
	template := strings.Contains(e.Issuer, TenantHole)
	switch {
	case template && e.IntrospectionURL != "":
		return fhir.Errorf(fhir.KindInvalid, "the issuer %q with %s is for tokens whose signature is checked, not for introspectionUrl", e.Issuer, TenantHole)
	case strings.Count(e.Issuer, TenantHole) > 1 || strings.ContainsAny(strings.Replace(e.Issuer, TenantHole, "", 1), "{}"):
		return fhir.Errorf(fhir.KindInvalid, "the issuer %q may have %s once, and no other braces", e.Issuer, TenantHole)
	case template && len(e.Tenants) == 0:
		return fhir.Errorf(fhir.KindInvalid, "the issuer %q serves many tenants; name in tenants those whose tokens count", e.Issuer)
	case !template && len(e.Tenants) > 0:
		return fhir.Errorf(fhir.KindInvalid, "tenants goes with an issuer that has %s in it", TenantHole)
	}
	for _, tenant := range e.Tenants {
		if !ValidTenant.MatchString(tenant) {
			return fhir.Errorf(fhir.KindInvalid, "the tenant %q is not allowed; write up to 64 letters, digits, _ and -", tenant)
		}
	}
	return nil
}

// validARN is the ARN of a Lambda function, with a version or alias at will.
// https://docs.aws.amazon.com/healthlake/latest/APIReference/API_IdentityProviderConfiguration.html
var validARN = regexp.MustCompile(`^arn:aws[a-z-]*:lambda:([a-z]{2}-[a-z-]+-[0-9]):[0-9]{12}:function:[a-zA-Z0-9_.-]+(:[a-zA-Z0-9$_-]+)?$`)

// IsFunctionARN reports whether a function is called through AWS Lambda.
func IsFunctionARN(function string) bool { return validARN.MatchString(function) }

// FunctionRegion is the region of the function of an ARN; "" for what is none.
func FunctionRegion(arn string) string {
	if m := validARN.FindStringSubmatch(arn); m != nil {
		return m[1]
	}
	return ""
}

func isWebURL(uri string) bool {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	host := u.Hostname()
	local := host == "localhost" || strings.HasPrefix(host, "127.") || host == "::1"
	return u.Scheme == "https" || u.Scheme == "http" && local
}
