package upstream_test

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/server/upstream"
)

var ctx = context.Background()

func records(t *testing.T) kv.DB {
	t.Helper()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	return folder.Records()
}

// open opens the providers of records; served is what people sign in through.
func open(t *testing.T, db kv.DB, served *[]login.Provider, configured ...login.Provider) *upstream.Book {
	t.Helper()
	box, err := crypt.NewBox(bytes.Repeat([]byte{7}, crypt.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	b, err := upstream.Open(ctx, upstream.Config{DB: db, Box: box, Configured: configured, Serve: func(list []login.Provider) error {
		*served = list
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func asked(change func(*upstream.Asked)) upstream.Asked {
	a := upstream.Asked{Provider: upstream.Provider{ID: "okta", Issuer: "https://id.example.org", ClientID: "tarn"}, ClientSecret: "swordfish"}
	if change != nil {
		change(&a)
	}
	return a
}

// TestLifeOfAProvider sets one up, changes and deletes it; what is served follows
// at once, and is the same when the records are opened again.
func TestLifeOfAProvider(t *testing.T) {
	db := records(t)
	var served []login.Provider
	b := open(t, db, &served)
	claims := upstream.Claims{FHIRUser: "fhirUser", Roles: "groups", RoleOf: map[string]string{"Doctors": "practitioner"}}
	known, err := b.Put(ctx, asked(func(a *upstream.Asked) { a.LinkByEmail, a.CreateUsers, a.Claims = true, true, claims }))
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := json.Marshal(known); strings.Contains(string(text), "swordfish") || !known.Same("swordfish") || known.Same("swordfis") || known.Same("") {
		t.Errorf("what is told: %s", text)
	}
	var again []login.Provider
	b = open(t, db, &again)
	for _, list := range [][]login.Provider{served, again} {
		if len(list) != 1 || list[0].ClientSecret != "swordfish" || !list[0].LinkByEmail || !list[0].Create || list[0].Claims.RoleOf["Doctors"] != "practitioner" {
			t.Errorf("served are %+v", list)
		}
	}
	if _, err := b.Put(ctx, asked(func(a *upstream.Asked) { a.Name, a.ClientSecret, a.Kept = "Okta", "", true })); err != nil {
		t.Fatal(err)
	}
	if again[0].Name != "Okta" || again[0].ClientSecret != "swordfish" || again[0].Create {
		t.Errorf("changed, with its secret kept: %+v", again)
	}
	if _, err := b.Put(ctx, asked(func(a *upstream.Asked) { a.ClientSecret = "" })); err != nil {
		t.Fatal(err)
	}
	if list, err := b.List(ctx); err != nil || len(list) != 1 || !list[0].Same("") || again[0].ClientSecret != "" {
		t.Errorf("a public client: %+v, %v", list, err)
	}
	if _, err := b.Delete(ctx, "okta"); err != nil || len(again) != 0 {
		t.Errorf("deleted: %v, %v", again, err)
	}
	if _, err := b.Delete(ctx, "okta"); fhir.KindOf(err) != fhir.KindNotFound {
		t.Error(err)
	}
}

// TestIDsKeepTheirIssuers would otherwise take the users of one for those of
// another.
func TestIDsKeepTheirIssuers(t *testing.T) {
	var served []login.Provider
	b := open(t, records(t), &served)
	other := asked(func(a *upstream.Asked) { a.Issuer = "https://evil.example.org" })
	if _, err := b.Put(ctx, asked(nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(ctx, other); fhir.KindOf(err) != fhir.KindConflict || served[0].Issuer != "https://id.example.org" {
		t.Errorf("%v, %+v", err, served)
	}
	if _, err := b.Delete(ctx, "okta"); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(ctx, other); fhir.KindOf(err) != fhir.KindConflict || len(served) != 0 {
		t.Errorf("after its deletion: %v, %+v", err, served)
	}
	if _, err := b.Put(ctx, asked(func(a *upstream.Asked) { a.ClientSecret, a.Kept = "", true })); fhir.KindOf(err) != fhir.KindInvalid {
		t.Errorf("a secret of what is deleted: %v", err)
	}
	if _, err := b.Put(ctx, asked(nil)); err != nil || len(served) != 1 {
		t.Errorf("with its issuer: %v", err)
	}
}

// TestConfigured come before those of the records, and are not changed.
func TestConfigured(t *testing.T) {
	db := records(t)
	var served []login.Provider
	if _, err := open(t, db, &served).Put(ctx, asked(nil)); err != nil {
		t.Fatal(err)
	}
	b := open(t, db, &served, login.Provider{ID: "google"}, login.Provider{ID: "okta", ClientID: "other"})
	ids := func(p login.Provider) string { return p.ID + " " + p.ClientID }
	if len(served) != 2 || ids(served[0]) != "google " || ids(served[1]) != "okta other" {
		t.Errorf("%+v", served)
	}
	if _, err := b.Put(ctx, asked(nil)); fhir.KindOf(err) != fhir.KindConflict || !strings.Contains(err.Error(), "tarn.yaml") {
		t.Error(err)
	}
}

func TestRefused(t *testing.T) {
	var served []login.Provider
	b := open(t, records(t), &served)
	for want, change := range map[string]func(*upstream.Asked){
		"small letters":      func(a *upstream.Asked) { a.ID = "Okta" },
		"https address":      func(a *upstream.Asked) { a.Issuer = "http://id.example.org" },
		"a user in it":       func(a *upstream.Asked) { a.Issuer = "https://a:b@id.example.org" },
		"no client id":       func(a *upstream.Asked) { a.ClientID = "" },
		"say one of both":    func(a *upstream.Asked) { a.Kept = true },
		"no secret yet":      func(a *upstream.Asked) { a.Kept, a.ClientSecret = true, "" },
		"give both or none":  func(a *upstream.Asked) { a.Claims.Roles = "groups" },
		"give that too":      func(a *upstream.Asked) { a.Claims.DataStore = "clinic" },
		"is not one scope":   func(a *upstream.Asked) { a.Scopes = []string{"a b"} },
		"more than 2048":     func(a *upstream.Asked) { a.Name = strings.Repeat("a", 2049) },
		"claims.roles names": func(a *upstream.Asked) { a.Claims.RoleOf = map[string]string{"a": "b"} },
	} {
		if _, err := b.Put(ctx, asked(change)); fhir.KindOf(err) != fhir.KindInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if slices.ContainsFunc(served, func(login.Provider) bool { return true }) {
		t.Errorf("%+v", served)
	}
}
