package saml

import (
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	peer "github.com/crewjam/saml"
)

func TestMetadata(t *testing.T) {
	good := metadataOf(ours())
	for name, c := range map[string]struct{ document, want string }{
		"good":             {good, ""},
		"with a mark":      {"\xef\xbb\xbf" + good, ""},
		"among others":     {`<EntitiesDescriptor xmlns="` + metadataNS + `"><EntityDescriptor entityID="https://other.test"/>` + good[strings.Index(good, "<Entity"):] + `</EntitiesDescriptor>`, ""},
		"weak and strong":  {metadataOf(weak(), ours()), ""},
		"empty":            {"", "well-formed"},
		"a DTD":            {`<!DOCTYPE a>` + good[strings.Index(good, "<Entity"):], "DTD"},
		"another entity":   {strings.Replace(good, entity, "https://other.test", 1), "no entity"},
		"SAML 1.1":         {strings.Replace(good, protocolNS, "urn:oasis:names:tc:SAML:1.1:protocol", 1), "no identity provider"},
		"no certificate":   {metadataOf(), "certificate"},
		"a weak key":       {metadataOf(weak()), "certificate"},
		"for encryption":   {strings.Replace(good, `use="signing"`, `use="encryption"`, 1), "certificate"},
		"another binding":  {strings.Replace(good, redirectBinding, postBinding, 1), "HTTP-Redirect"},
		"http":             {strings.Replace(good, "https://idp.test/sso", "http://idp.test/sso", 1), "https"},
		"a script":         {strings.Replace(good, "https://idp.test/sso", "javascript:alert(1)", 1), "https"},
		"valid until when": {strings.Replace(good, "<EntityDescriptor", `<EntityDescriptor validUntil="soon"`, 1), "valid until"},
		"too large":        {good + strings.Repeat(" ", maxMetadata), "larger"},
	} {
		p := Provider{ID: "clinic", EntityID: entity, Metadata: c.document}
		if c.document == "" {
			p.Metadata = " "
		}
		err := p.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	for name, p := range map[string]Provider{
		"no entity":    {Metadata: good},
		"spaces":       {EntityID: "a b", Metadata: good},
		"no metadata":  {EntityID: entity},
		"both":         {EntityID: entity, Metadata: good, MetadataURL: "https://idp.test/m"},
		"http":         {EntityID: entity, MetadataURL: "http://idp.test/m"},
		"a user in it": {EntityID: entity, MetadataURL: "https://a:b@idp.test/m"},
		"a file":       {EntityID: entity, MetadataURL: "file:///etc/passwd"},
	} {
		if p.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// A source is a server of metadata.
type source struct {
	*httptest.Server
	mu       sync.Mutex
	document string
	status   int
	asked    int
}

func newSource(t *testing.T, document string) *source {
	s := &source{document: document, status: http.StatusOK}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.document)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *source) says(document string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.document, s.status = document, status
}

func (s *source) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func fetching(t *testing.T, document string) (*world, *source) {
	s := newSource(t, document)
	return newWorld(t, func(p *Provider) { p.Metadata, p.MetadataURL = "", s.URL+"/metadata" }), s
}

// signs wants a response by a key to be believed, or not.
func (w *world) signs(by *pair, want bool) {
	w.t.Helper()
	state := w.begin()
	f := w.form(state)
	now := w.clock.Now()
	f.signer, f.issued, f.notBefore, f.until, f.at, f.id = by, now, now, now.Add(time.Minute), now, "_"+state
	if _, err := w.post(f.text(), state); (err == nil) != want {
		w.t.Errorf("%v, want it believed: %v", err, want)
	}
}

// TestKeysChange takes a key that is new in the metadata at once, and one that is
// gone no more.
func TestKeysChange(t *testing.T) {
	w, s := fetching(t, metadataOf(ours()))
	w.signs(ours(), true)
	w.signs(others(), false) // asked again once
	if n := s.times(); n != 1 {
		t.Errorf("asked %d times within the pause", n)
	}
	w.clock.Pass(pause)
	s.says(metadataOf(others(), ours()), http.StatusOK)
	w.signs(others(), true)
	w.signs(ours(), true)
	if n := s.times(); n != 2 {
		t.Errorf("asked %d times", n)
	}
	s.says(metadataOf(others()), http.StatusOK)
	w.clock.Pass(freshTime)
	w.signs(others(), true)
	w.signs(ours(), false)
}

// TestAway goes on with what is kept while the metadata cannot be fetched, also
// after a start, and not for ever.
func TestAway(t *testing.T) {
	w, s := fetching(t, metadataOf(ours()))
	w.signs(ours(), true)
	for _, bad := range []struct {
		document string
		status   int
	}{{"", http.StatusBadGateway}, {"<html/>", http.StatusOK}, {metadataOf(ours()) + strings.Repeat(" ", maxMetadata), http.StatusOK}, {strings.ReplaceAll(metadataOf(others()), entity, "https://evil.test"), http.StatusOK}} {
		s.says(bad.document, bad.status)
		w.clock.Pass(freshTime)
		w.signs(ours(), true)
		w.signs(others(), false)
	}
	again := w.party.Peer(w.peer.Provider)
	(&world{t, w.clock, w.db, w.party, again}).signs(ours(), true)
	elsewhere := w.peer.Provider
	elsewhere.MetadataURL += "2"
	var no *Error
	if _, _, err := w.party.Peer(elsewhere).Begin(t.Context(), false); !errors.As(err, &no) || no.Reason != Away {
		t.Errorf("what was kept of another address: %v", err)
	}
	w.clock.Pass(keptTime)
	if _, _, err := w.peer.Begin(t.Context(), false); !errors.As(err, &no) || no.Reason != Away {
		t.Errorf("after all that time: %v", err)
	}
	s.says(metadataOf(ours()), http.StatusOK)
	w.clock.Pass(pause)
	w.signs(ours(), true)
}

// TestValidUntil believes metadata no longer than it says.
func TestValidUntil(t *testing.T) {
	until := strings.Replace(metadataOf(ours()), "<EntityDescriptor", `<EntityDescriptor validUntil="`+when(noon.Add(time.Hour))+`"`, 1)
	w, _ := fetching(t, until)
	w.signs(ours(), true)
	w.clock.Pass(time.Hour)
	if _, _, err := w.peer.Begin(t.Context(), false); err == nil {
		t.Error("metadata that is over is believed")
	}
	if _, _, err := w.party.Peer(Provider{ID: "x", EntityID: entity, Metadata: until}).Begin(t.Context(), false); err == nil {
		t.Error("written metadata that is over is believed")
	}
}

// TestStaleKey refuses the key of a certificate that is over.
func TestStaleKey(t *testing.T) {
	w := newWorld(t, func(p *Provider) { p.Metadata = metadataOf(stale(), ours()) })
	w.signs(stale(), false)
	w.signs(ours(), true)
}

// TestRequest reads a signed request as an identity provider does.
func TestRequest(t *testing.T) {
	w := newWorld(t, func(p *Provider) {
		p.Metadata = strings.Replace(p.Metadata, "<IDPSSODescriptor", `<IDPSSODescriptor WantAuthnRequestsSigned="true"`, 1)
	})
	state, to, err := w.peer.Begin(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(to)
	q := u.Query()
	signed, _, _ := strings.Cut(u.RawQuery, "&Signature=")
	sum := sha256.Sum256([]byte(strings.TrimPrefix(signed, "tenant=1&")))
	value, _ := base64.StdEncoding.DecodeString(q.Get("Signature"))
	if err := rsa.VerifyPKCS1v15(&server().key.PublicKey, crypto.SHA256, sum[:], value); err != nil || q.Get("SigAlg") != "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" {
		t.Errorf("%v: %s", err, to)
	}
	deflated, _ := base64.StdEncoding.DecodeString(q.Get("SAMLRequest"))
	message, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
	if err != nil {
		t.Fatal(err)
	}
	var r peer.AuthnRequest
	if err := xml.Unmarshal(message, &r); err != nil {
		t.Fatal(err)
	}
	if r.ID != w.peer.requestID(state) || r.Version != "2.0" || !r.IssueInstant.Equal(noon) || r.Destination != "https://idp.test/sso?tenant=1" || r.ForceAuthn == nil || !*r.ForceAuthn ||
		r.AssertionConsumerServiceURL != home+"/login/saml/clinic/acs" || r.ProtocolBinding != postBinding || r.Issuer.Value != home+"/login/saml/clinic/metadata" {
		t.Errorf("%s", message)
	}
	if len(state) > 80 { // SAML bindings section 3.4.3
		t.Errorf("RelayState of %d bytes", len(state))
	}
}

// TestKeys makes one key, prepares another and switches: the metadata has both
// meanwhile, and both decrypt.
func TestKeys(t *testing.T) {
	w := newWorld(t, nil)
	keys, ctx := w.party.Keys(), t.Context()
	if err := keys.Switch(ctx); !errors.Is(err, ErrNotPrepared) {
		t.Error(err)
	}
	if err := keys.Prepare(ctx); err != nil {
		t.Fatal(err)
	}
	if err := keys.Prepare(ctx); !errors.Is(err, ErrPrepared) {
		t.Error(err)
	}
	if n := w.published(); n != 2 {
		t.Errorf("%d keys in the metadata", n)
	}
	list, err := keys.List(ctx)
	if err != nil || len(list) != 2 || !list[0].Signs || list[1].Signs || list[0].Fingerprint == list[1].Fingerprint {
		t.Errorf("%+v %v", list, err)
	}
	signer, err := keys.signer(ctx)
	if err != nil || !signer.Equal(server().key) {
		t.Errorf("another key signs before the switch: %v", err)
	}
	f := w.form(w.begin())
	f.cipher = "http://www.w3.org/2009/xmlenc11#aes256-gcm"
	if _, err := w.post(f.text(), f.state); err != nil {
		t.Errorf("the key before decrypts no more: %v", err)
	}
	if err := keys.Switch(ctx); err != nil {
		t.Fatal(err)
	}
	after, err := keys.List(ctx)
	if err != nil || len(after) != 1 || !after[0].Signs || after[0].Fingerprint != list[1].Fingerprint || w.published() != 1 {
		t.Errorf("%+v %v", after, err)
	}
	late := w.form(w.begin())
	late.cipher, late.id = f.cipher, "_a9"
	w.refuses(late.text(), late.state, "cannot be decrypted")
}

// published counts the keys of the metadata, as an identity provider reads it.
func (w *world) published() int {
	w.t.Helper()
	document, err := w.peer.Describe(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	var d peer.EntityDescriptor
	if err := xml.Unmarshal(document, &d); err != nil {
		w.t.Fatalf("%v\n%s", err, document)
	}
	role := d.SPSSODescriptors[0]
	if d.EntityID != w.peer.entityID() || role.AssertionConsumerServices[0].Location != w.peer.acs() || !*role.WantAssertionsSigned {
		w.t.Errorf("%s", document)
	}
	seen := map[string]int{}
	for _, k := range role.KeyDescriptors {
		seen[k.Use]++
		if len(k.KeyInfo.X509Data.X509Certificates) != 1 {
			w.t.Errorf("%s", document)
		}
	}
	if seen["signing"] != seen["encryption"] {
		w.t.Errorf("keys: %v", seen)
	}
	return seen["signing"]
}

// TestFirstKey makes the first key when it is needed, once.
func TestFirstKey(t *testing.T) {
	w := newWorld(t, nil)
	if err := w.party.keys.change(t.Context(), func([]key) ([]key, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	before, err := w.party.Keys().List(t.Context())
	if err != nil || len(before) != 0 {
		t.Fatalf("%v %v", before, err)
	}
	for range 2 {
		if n := w.published(); n != 1 {
			t.Errorf("%d keys", n)
		}
	}
	list, err := w.party.Keys().List(t.Context())
	if err != nil || len(list) != 1 || !list[0].Signs || list[0].Expires.Before(noon.AddDate(9, 0, 0)) {
		t.Errorf("%+v %v", list, err)
	}
}

// TestSubjectAttribute takes the subject from an attribute.
func TestSubjectAttribute(t *testing.T) {
	for name, c := range map[string]struct{ attribute, want string }{
		"by URI": {"urn:oid:0.9.2342.19200300.100.1.3", "grace@example.org"}, "by friendly name": {"mail", "grace@example.org"},
		"of two values": {"groups", ""}, "not there": {"uid", ""},
	} {
		w := newWorld(t, func(p *Provider) { p.Subject = c.attribute })
		f := w.form(w.begin())
		f.format = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
		got, err := w.post(f.text(), f.state)
		if c.want == "" && err == nil || c.want != "" && (err != nil || got.Subject != c.want) {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	w := newWorld(t, func(p *Provider) { p.Subject = "mail" })
	f := w.form(w.begin())
	f.attributes = `<AttributeStatement><Attribute Name="a" FriendlyName="mail"><AttributeValue>x</AttributeValue></Attribute><Attribute Name="b" FriendlyName="mail"><AttributeValue>y</AttributeValue></Attribute></AttributeStatement>`
	if got, err := w.post(f.text(), f.state); err == nil {
		t.Errorf("a friendly name of two attributes: %+v", got)
	}
	many := w.form(w.begin())
	many.attributes = "<AttributeStatement>"
	for i := range maxAttributes + 1 {
		many.attributes += fmt.Sprintf(`<Attribute Name="a%d"><AttributeValue>x</AttributeValue></Attribute>`, i)
	}
	many.attributes += "</AttributeStatement>"
	w.refuses(many.text(), many.state, "too many")
}

// FuzzReceive feeds the address that responses are posted to.
func FuzzReceive(f *testing.F) {
	w := newWorld(f, nil)
	state := w.begin()
	for _, c := range []func(*form){
		func(*form) {}, func(f *form) { f.signResponse = true },
		func(f *form) { f.cipher = "http://www.w3.org/2009/xmlenc11#aes256-gcm" },
		func(f *form) { f.cipher, f.signResponse = "http://www.w3.org/2001/04/xmlenc#aes256-cbc", true },
	} {
		g := w.form(state)
		c(g)
		f.Add(g.text())
	}
	x := exchange{peer: w.peer, now: noon, started: noon, request: w.peer.requestID(state)}
	x.trusted, _ = w.peer.trust(f.Context(), noon, false)
	f.Fuzz(func(t *testing.T, document string) {
		_, _ = readMetadata([]byte(document), entity)
		root, err := parse([]byte(document), maxResponse, false)
		if err != nil {
			return
		}
		a, err := x.read(t.Context(), root)
		if err == nil && (a.identity.Subject != "sub-1" || a.id != "_a1") {
			t.Fatalf("believed: %+v\n%s", a, document)
		}
		if encrypted := one(root, assertionNS, "EncryptedAssertion"); encrypted != nil {
			keys, _ := x.decrypters(t.Context())
			_, _ = decrypt(encrypted, keys, true) // also where no signature lets it through
		}
	})
}
