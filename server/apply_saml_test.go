package server

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/stack"
)

// newCertificate makes a key of an identity provider, and its certificate.
func newCertificate(t *testing.T) (key *rsa.PrivateKey, der []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err = x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

// samlMetadata is what a SAML identity provider says of itself.
func samlMetadata(t *testing.T) string {
	t.Helper()
	_, der := newCertificate(t)
	return `<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="http://adfs.test/adfs/services/trust"><IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` +
		base64.StdEncoding.EncodeToString(der) + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor><SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="https://adfs.test/adfs/ls/"/></IDPSSODescriptor></EntityDescriptor>`
}

// TestApplySAML sets up a SAML identity provider by a file: it is offered at once,
// leads to the identity provider, and comes back as it was exported.
func TestApplySAML(t *testing.T) {
	c := smartConfig(t, t.TempDir())
	r := start(t, c)
	a := openTestAdmin(t, c.Data)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "adfs.xml"), []byte(samlMetadata(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	text := `identityProviders: [{id: adfs, kind: saml, name: Hospital sign-in, issuer: "http://adfs.test/adfs/services/trust", metadataFile: adfs.xml, createUsers: true}]`
	make := func(text string) (*stack.Plan, error) {
		t.Helper()
		f, err := stack.Read([]byte(text))
		if err == nil {
			err = f.Locate(dir)
		}
		if err != nil {
			return nil, err
		}
		return stack.Make(context.Background(), a, f, true)
	}
	plan, err := make(text)
	if err != nil {
		t.Fatal(err)
	}
	carryOut(t, a, plan)
	if again, err := make(text); err != nil || len(again.Changes) != 0 {
		t.Errorf("again: %v %+v", err, again)
	}
	visit := r.walker()
	if page := visit.open("/login").text; !strings.Contains(page, "Continue with Hospital sign-in") {
		t.Errorf("it is not offered: %s", page)
	}
	base := strings.TrimSuffix(visit.open("/login").at.String(), "/login")
	straight := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	way, err := straight.Get(base + "/login/with/adfs")
	if err != nil {
		t.Fatal(err)
	}
	defer way.Body.Close()
	if to := way.Header.Get("Location"); !strings.HasPrefix(to, "https://adfs.test/adfs/ls/?SAMLRequest=") {
		t.Errorf("it leads to %s", to)
	}
	response, err := http.Get(base + "/login/saml/adfs/metadata")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "application/samlmetadata+xml" {
		t.Errorf("metadata: %d %v", response.StatusCode, response.Header)
	}
	exported, err := stack.Export(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := exported.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := make(string(yaml)); err != nil || len(again.Changes) != 0 {
		t.Errorf("what was exported: %v %+v\n%s", err, again, yaml)
	}
	for want, wrong := range map[string]string{
		"client id":    strings.Replace(text, "createUsers: true", "clientId: tarn", 1),
		"no entity":    strings.Replace(text, "services/trust\"", "other\"", 1),
		"cannot becom": strings.Replace(text, `kind: saml, name: Hospital sign-in, issuer: "http://adfs.test/adfs/services/trust", metadataFile: adfs.xml`, `issuer: "https://adfs.test", clientId: tarn`, 1),
		"one of both":  strings.Replace(text, "metadataFile: adfs.xml, ", "", 1),
	} {
		if _, err := make(wrong); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	list, err := a.SAMLKeys(context.Background())
	if err != nil || len(list) != 1 {
		t.Errorf("%+v %v", list, err)
	}
	if _, err := a.SwitchSAMLKey(context.Background()); err == nil || !strings.Contains(err.Error(), "prepare one") {
		t.Error(err)
	}
	if list, err = a.PrepareSAMLKey(context.Background()); err != nil || len(list) != 2 {
		t.Errorf("%+v %v", list, err)
	}
	if list, err = a.SwitchSAMLKey(context.Background()); err != nil || len(list) != 1 {
		t.Errorf("%+v %v", list, err)
	}
}

// TestSAMLSettings reads SAML providers of a configuration beside the others.
func TestSAMLSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "m.xml")
	if err := os.WriteFile(file, []byte(samlMetadata(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	good := "providers: [{id: a, issuer: \"https://a\", client_id: x}]\nsaml_providers:\n  - {id: b, entity_id: \"http://adfs.test/adfs/services/trust\", metadata_file: " + file + ", subject: mail}\n  - {id: c, entity_id: \"urn:c\", metadata_url: \"https://c/m\"}"
	c, _, err := loadFile(t, good, Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Providers) != 3 || c.Providers[1].Kind != "saml" || c.Providers[1].SAML.Subject != "mail" || c.Providers[2].SAML.MetadataURL != "https://c/m" {
		t.Errorf("%+v", c.Providers)
	}
	for text, want := range map[string]string{
		strings.Replace(good, "id: c", "id: a", 1):                          `the provider "a" is there twice`,
		strings.Replace(good, "https://c/m", "http://c/m", 1):               "https address",
		strings.Replace(good, "subject", "client_id", 1):                    "has no client_id",
		strings.Replace(good, ", metadata_url: \"https://c/m\"", "", 1):     "one of both",
		strings.Replace(good, "adfs/services/trust", "adfs/other/trust", 1): "no entity",
	} {
		if _, _, err := loadFile(t, text, Sources{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
