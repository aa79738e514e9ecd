package datastore_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
)

const externalMetadata = `{"token_endpoint":"https://idp/token"}`

func TestIdentityCheck(t *testing.T) {
	metadata := json.RawMessage(externalMetadata)
	external := func(e datastore.ExternalIssuer) *datastore.IdentityProvider {
		return &datastore.IdentityProvider{Strategy: datastore.StrategySMART, Metadata: metadata, External: &e}
	}
	for name, c := range map[string]struct {
		p    *datastore.IdentityProvider
		want string // "" is right
	}{
		"own":            {&datastore.IdentityProvider{Strategy: datastore.StrategySMART, FineGrained: true}, ""},
		"own, version 1": {&datastore.IdentityProvider{Strategy: datastore.StrategySMART1}, ""},
		"issuer":         {external(datastore.ExternalIssuer{Issuer: "https://idp", Claims: map[string]string{"scope": "scp"}}), ""},
		"introspection":  {external(datastore.ExternalIssuer{IntrospectionURL: "http://127.0.0.1:1/introspect"}), ""},
		"function":       {&datastore.IdentityProvider{Strategy: datastore.StrategySMART, Metadata: metadata, Function: "https://f"}, ""},
		"AWS":            {&datastore.IdentityProvider{Strategy: datastore.StrategyAWS}, "AWS_AUTH (signed requests of AWS) is not offered; use SMART_ON_FHIR"},
		"none":           {&datastore.IdentityProvider{}, "allowed is SMART_ON_FHIR or SMART_ON_FHIR_V1"},
		"both":           {&datastore.IdentityProvider{Strategy: datastore.StrategySMART, Metadata: metadata, Function: "https://f", External: &datastore.ExternalIssuer{}}, "not both"},
		"own metadata":   {&datastore.IdentityProvider{Strategy: datastore.StrategySMART, Metadata: metadata}, "the server's own is served"},
		"no metadata":    {&datastore.IdentityProvider{Strategy: datastore.StrategySMART, Function: "https://f"}, "a JSON object"},
		"poor metadata":  {&datastore.IdentityProvider{Strategy: datastore.StrategySMART, Function: "https://f", Metadata: json.RawMessage(`{"x":1}`)}, "lacks token_endpoint"},
		"function URL":   {&datastore.IdentityProvider{Strategy: datastore.StrategySMART, Function: "http://f", Metadata: metadata}, "use https"},
		"no issuer":      {external(datastore.ExternalIssuer{}), "give one of them"},
		"two":            {external(datastore.ExternalIssuer{Issuer: "https://a", IntrospectionURL: "https://b"}), "give one of them"},
		"issuer URL":     {external(datastore.ExternalIssuer{Issuer: "http://idp"}), `issuer "http://idp"`},
		"claims":         {external(datastore.ExternalIssuer{Issuer: "https://idp", Claims: map[string]string{"Scope": "x"}}), `claims names "Scope"`},
	} {
		err := c.p.Check()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestSetIdentity changes it, and opens the catalog again.
func TestSetIdentity(t *testing.T) {
	ctx, fs := context.Background(), vfs.NewMem()
	c := openCatalog(t, fs)
	s, err := c.Create(ctx, "trial", "")
	if err != nil {
		t.Fatal(err)
	}
	if s.Identity() != nil || !s.Identity().Own() {
		t.Errorf("a new data store has %+v", s.Identity())
	}
	p := &datastore.IdentityProvider{Strategy: datastore.StrategySMART, Metadata: json.RawMessage(externalMetadata), Function: "https://f"}
	r, err := c.SetIdentity(ctx, "trial", p)
	if err != nil || r.Identity != p || s.Identity() != p || s.Record().Identity != p {
		t.Errorf("SetIdentity = %+v, %v", r, err)
	}
	if _, err := c.SetIdentity(ctx, "none", nil); fhir.KindOf(err) != fhir.KindNotFound {
		t.Errorf("of nothing: %v", err)
	}
	if _, err := c.SetIdentity(ctx, "trial", &datastore.IdentityProvider{Strategy: datastore.StrategyAWS}); fhir.KindOf(err) != fhir.KindNotSupported {
		t.Errorf("AWS: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openCatalog(t, fs)
	defer c.Close()
	if s, err = c.Store("trial"); err != nil || s.Identity().Own() || s.Identity().Function != "https://f" {
		t.Errorf("after a restart: %+v, %v", s.Identity(), err)
	}
}
