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
		"AWS":            {&Provider{Strategy: StrategyAWS}, "AWS_AUTH (signed requests of AWS) is not offered; use SMART_ON_FHIR"},
		"none":           {&Provider{}, "allowed is SMART_ON_FHIR or SMART_ON_FHIR_V1"},
		"both":           {&Provider{Strategy: StrategySMART, Metadata: metadata, Function: "https://f", External: &ExternalIssuer{}}, "not both"},
		"own metadata":   {&Provider{Strategy: StrategySMART, Metadata: metadata}, "the server's own is served"},
		"no metadata":    {&Provider{Strategy: StrategySMART, Function: "https://f"}, "a JSON object"},
		"poor metadata":  {&Provider{Strategy: StrategySMART, Function: "https://f", Metadata: json.RawMessage(`{"x":1}`)}, "lacks token_endpoint"},
		"function URL":   {&Provider{Strategy: StrategySMART, Function: "http://f", Metadata: metadata}, "use https"},
		"no issuer":      {external(ExternalIssuer{}), "give one of them"},
		"two":            {external(ExternalIssuer{Issuer: "https://a", IntrospectionURL: "https://b"}), "give one of them"},
		"issuer URL":     {external(ExternalIssuer{Issuer: "http://idp"}), `issuer "http://idp"`},
		"claims":         {external(ExternalIssuer{Issuer: "https://idp", Claims: map[string]string{"Scope": "x"}}), `claims names "Scope"`},
	} {
		err := c.p.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
