package datastore_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
)

const externalMetadata = `{"token_endpoint":"https://idp/token"}`

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
	if _, err := c.SetIdentity(ctx, "trial", &datastore.IdentityProvider{Strategy: "TRUST_ALL"}); err == nil {
		t.Error("an unknown strategy is taken")
	}
	if _, err := c.SetIdentity(ctx, "trial", &datastore.IdentityProvider{Strategy: datastore.StrategyAWS}); err != nil || s.Identity().Own() {
		t.Errorf("AWS: %v", err)
	}
	if _, err := c.SetIdentity(ctx, "trial", p); err != nil {
		t.Fatal(err)
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
