package identity

import (
	"encoding/json"
	"strings"
	"testing"
)

const externalMetadata = `{"token_endpoint":"https://idp/token"}`

func TestCheck(t *testing.T) {
	metadata := json.RawMessage(externalMetadata)
	external := func(e ExternalIssuer) *Provider {
		return &Provider{Strategy: StrategySMART, Metadata: metadata, External: &e}
	}
	for name, c := range map[string]struct {
		p    *Provider
		want string // "" is right
	}{
		"own":            {&Provider{Strategy: StrategySMART, FineGrained: true}, ""},
		"own, version 1": {&Provider{Strategy: StrategySMART1}, ""},
		"issuer":         {external(ExternalIssuer{Issuer: "https://idp", Claims: map[string]string{"scope": "scp"}}), ""},
		"introspection":  {external(ExternalIssuer{IntrospectionURL: "http://127.0.0.1:1/introspect"}), ""},
		"function":       {&Provider{Strategy: StrategySMART, Metadata: metadata, Function: "https://f"}, ""},
		"AWS":            {&Provider{Strategy: StrategyAWS}, ""},
		"AWS and tokens": {&Provider{Strategy: StrategyAWS, BuiltIn: true}, "there are no tokens"},
		"AWS and users":  {&Provider{Strategy: StrategyAWS, FineGrained: true}, "no user is known"},
		"signed beside":  {&Provider{Strategy: StrategySMART, Signed: true, APIKey: true, Tenant: "north"}, ""},
		"none":           {&Provider{}, "allowed is SMART_ON_FHIR, SMART_ON_FHIR_V1 or AWS_AUTH"},
		"tenant":         {&Provider{Strategy: StrategySMART, Tenant: "../x"}, "the tenant"},
		"function, own, two issuers": {&Provider{Strategy: StrategySMART, Function: "https://f", FunctionCache: 5, BuiltIn: true,
			External: &ExternalIssuer{Issuer: "https://a"}, Issuers: []ExternalIssuer{{Issuer: "https://b", IntrospectionURL: "https://b/i"}}}, ""},
		"function and introspection": {&Provider{Strategy: StrategySMART, Metadata: metadata, Function: "https://f", External: &ExternalIssuer{IntrospectionURL: "https://i"}}, "there may be one"},
		"issuer twice":               {&Provider{Strategy: StrategySMART, Metadata: metadata, Issuers: []ExternalIssuer{{Issuer: "https://a"}, {Issuer: "https://a"}}}, "there twice"},
		"cache alone":                {&Provider{Strategy: StrategySMART, FunctionCache: 5}, "for a token-check function"},
		"version 2 of version 1": {&Provider{Strategy: StrategySMART1, Function: "https://f",
			Metadata: json.RawMessage(`{"token_endpoint":"https://idp/token","capabilities":["permission-v2"]}`)}, "scopes of version 2 do not count"},
		"Lambda":           {&Provider{Strategy: StrategySMART, Metadata: metadata, Function: "arn:aws:lambda:us-east-1:123456789012:function:check:live"}, ""},
		"no Lambda":        {&Provider{Strategy: StrategySMART, Metadata: metadata, Function: "arn:aws:s3:::bucket"}, "neither a URL"},
		"template":         {external(ExternalIssuer{Issuer: "https://login/{tenantid}/v2.0", Tenants: []string{"t1"}}), ""},
		"open template":    {external(ExternalIssuer{Issuer: "https://login/{tenantid}/v2.0"}), "name in tenants"},
		"two holes":        {external(ExternalIssuer{Issuer: "https://login/{tenantid}/{tenantid}", Tenants: []string{"t1"}}), "once"},
		"needless tenants": {external(ExternalIssuer{Issuer: "https://login", Tenants: []string{"t1"}}), "goes with an issuer"},
		"cache of keys":    {external(ExternalIssuer{Issuer: "https://a", CacheSeconds: new(int)}), "go with introspectionUrl"},
		"own metadata":     {&Provider{Strategy: StrategySMART, Metadata: metadata}, "the server's own is served"},
		"no metadata":      {&Provider{Strategy: StrategySMART, Function: "https://f"}, "a JSON object"},
		"poor metadata":    {&Provider{Strategy: StrategySMART, Function: "https://f", Metadata: json.RawMessage(`{"x":1}`)}, "lacks token_endpoint"},
		"function URL":     {&Provider{Strategy: StrategySMART, Function: "http://f", Metadata: metadata}, "neither a URL"},
		"no issuer":        {external(ExternalIssuer{}), "give one of them"},
		"two":              {external(ExternalIssuer{Issuer: "https://a", IntrospectionURL: "https://b", JWKSURI: "https://c"}), "in place of that"},
		"issuer URL":       {external(ExternalIssuer{Issuer: "http://idp"}), `issuer "http://idp"`},
		"claims":           {external(ExternalIssuer{Issuer: "https://idp", Claims: map[string]string{"Scope": "x"}}), `claims names "Scope"`},
	} {
		err := c.p.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestScopesOfVersion1(t *testing.T) {
	const asked = "openid launch/patient patient/*.read patient/Observation.rs user/*.* system/Patient.write patient/Observation.read?category=x nonsense"
	if got, want := (&Provider{Strategy: StrategySMART1}).Scopes(asked), "openid launch/patient patient/*.read user/*.* system/Patient.write nonsense"; got != want {
		t.Errorf("%q", got)
	}
	for _, p := range []*Provider{nil, {Strategy: StrategySMART}} {
		if p.Scopes(asked) != asked {
			t.Errorf("%+v drops scopes", p)
		}
	}
}

func TestKeep(t *testing.T) {
	bound := &Provider{Strategy: StrategySMART, Tenant: "north", APIKey: true}
	for _, p := range []*Provider{nil, {Strategy: StrategyAWS}, {Strategy: StrategySMART, Tenant: "south"}} {
		if got := p.Keep(bound); got.TenantID() != "north" || !got.NeedsAPIKey() || got.Check() != nil || got.Own() != p.Own() {
			t.Errorf("%+v became %+v", p, got)
		}
		if p.Keep(nil) != p || p.Keep(&Provider{}) != p {
			t.Errorf("%+v changed", p)
		}
	}
}
