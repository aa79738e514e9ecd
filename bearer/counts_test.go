package bearer_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/bearer"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/sigv4"
	"github.com/tarnhealth/tarn/token"
)

// TestWhatCountsAtADataStore is what its identity provider says: tokens, signatures,
// and whether it takes an API key beside them.
func TestWhatCountsAtADataStore(t *testing.T) {
	keyed := func(_ context.Context, values []string, client, store string) (apikey.Key, error) {
		if len(values) == 1 && client != "" && store == "main" {
			return apikey.Key{}, nil
		}
		return apikey.Key{}, fhir.Errorf(fhir.KindForbidden, "no API key")
	}
	signed := func(stores ...string) *bearer.Signatures {
		return &bearer.Signatures{
			Verify: func(*http.Request) (sigv4.Key, error) { return sigv4.Key{ID: "K", DataStores: stores}, nil },
			Claims: func(sigv4.Key, *datastore.Store, *http.Request) (*token.Claims, error) {
				return &token.Claims{Issuer: "access-key", Subject: "K", ClientID: "K", Scope: "system/*.rs"}, nil
			},
		}
	}
	const signature = "AWS4-HMAC-SHA256 Credential=K/20260301/us-east-1/healthlake/aws4_request, SignedHeaders=host, Signature=00"
	smart := datastore.IdentityProvider{Strategy: datastore.StrategySMART, FineGrained: true}
	withKey, withSigned := smart, smart
	withKey.APIKey, withSigned.Signed = true, true
	aws := datastore.IdentityProvider{Strategy: datastore.StrategyAWS}
	for _, c := range []struct {
		what       string
		identity   datastore.IdentityProvider
		always     bool
		signatures *bearer.Signatures
		sign       bool
		key        string
		want       fhir.Kind // 0 where it is let in
	}{
		{what: "a token", identity: smart},
		{what: "a token without the API key that the data store wants", identity: withKey, want: fhir.KindForbidden},
		{what: "with it", identity: withKey, key: "x"},
		{what: "a token without the API key that the server wants", identity: smart, always: true, want: fhir.KindForbidden},
		{what: "with that", identity: smart, always: true, key: "x"},
		{what: "a token where none counts", identity: aws, signatures: signed(), want: fhir.KindUnauthenticated},
		{what: "a signature", identity: aws, signatures: signed(), sign: true},
		{what: "a signature beside tokens", identity: withSigned, signatures: signed(), sign: true},
		{what: "a token beside signatures", identity: withSigned, signatures: signed()},
		{what: "a signature where none counts", identity: smart, signatures: signed(), sign: true, want: fhir.KindUnauthenticated},
		{what: "a signature where nobody checks it", identity: aws, sign: true, want: fhir.KindUnauthenticated},
		{what: "a signature for another data store", identity: aws, signatures: signed("other"), sign: true, want: fhir.KindForbidden},
		{what: "a signature for this one", identity: aws, signatures: signed("main"), sign: true},
	} {
		w := newWorld(t, func(cfg *bearer.Config) {
			cfg.APIKeys, cfg.APIKeysAlways, cfg.Signatures = keyed, c.always, c.signatures
		})
		good := "Bearer " + w.mint(t, nil)
		if _, err := w.catalog.SetIdentity(ctx, "main", &c.identity); err != nil {
			t.Fatal(c.what, err)
		}
		if c.sign {
			good = signature
		}
		r := request(good)
		if c.key != "" {
			r.Header.Set("X-Api-Key", c.key)
		}
		_, err := w.Authorize(r, w.ds)
		if (err != nil) != (c.want != 0) || err != nil && fhir.KindOf(err) != c.want {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}
