package login

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// An authenticator is a security key in software: one credential, made and
// used by the letter of WebAuthn sections 6 and 7.
type authenticator struct {
	t       *testing.T
	key     *ecdsa.PrivateKey
	id      []byte
	user    string // the handle, in base64url
	count   uint32
	flags   byte
	origin  string
	party   string
	damaged bool // signs something else
}

const (
	present  = 0x01
	verified = 0x04
	attested = 0x40
)

func newAuthenticator(t *testing.T) *authenticator {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 20)
	_, _ = rand.Read(id)
	return &authenticator{t: t, key: key, id: id, flags: present | verified, origin: home, party: "tarn.test"}
}

func (a *authenticator) clientData(kind, challenge string) []byte {
	data, err := json.Marshal(map[string]any{"type": "webauthn." + kind, "challenge": challenge, "origin": a.origin, "crossOrigin": false})
	if err != nil {
		a.t.Fatal(err)
	}
	return data
}

func (a *authenticator) data(flags byte) []byte {
	party := sha256.Sum256([]byte(a.party))
	return binary.BigEndian.AppendUint32(append(party[:], flags), a.count)
}

// create makes the credential that a page asks for.
func (a *authenticator) create(options string) string {
	var o struct {
		PublicKey struct {
			Challenge string
			User      struct{ ID string }
		}
	}
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		a.t.Fatal(err)
	}
	a.user = o.PublicKey.User.ID
	data := append(a.data(a.flags|attested), make([]byte, 16)...) // no AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.id)))
	data = append(append(data, a.id...), a.publicKey()...)
	object := append([]byte{0xa3, 0x63}, "fmt"...) // a map of three
	object = append(append(object, 0x64), "none"...)
	object = append(append(object, 0x67), "attStmt"...)
	object = append(object, 0xa0, 0x68)
	object = append(object, "authData"...)
	object = append(binary.BigEndian.AppendUint16(append(object, 0x59), uint16(len(data))), data...)
	return a.answer(map[string]string{"clientDataJSON": b64(a.clientData("create", o.PublicKey.Challenge)), "attestationObject": b64(object)})
}

// publicKey is the COSE form of the key (RFC 9053 section 7.1), in CBOR.
func (a *authenticator) publicKey() []byte {
	point, err := a.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		a.t.Fatal(err)
	}
	b := []byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}
	b = append(append(b, point[1:33]...), 0x22, 0x58, 0x20)
	return append(b, point[33:]...)
}

// get signs the challenge of a page.
func (a *authenticator) get(options string) string {
	var o struct{ PublicKey struct{ Challenge string } }
	if err := json.Unmarshal([]byte(options), &o); err != nil {
		a.t.Fatal(err)
	}
	a.count++
	data, client := a.data(a.flags), a.clientData("get", o.PublicKey.Challenge)
	hash := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte(nil), data...), hash[:]...))
	if a.damaged {
		digest[0]++
	}
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, digest[:])
	if err != nil {
		a.t.Fatal(err)
	}
	return a.answer(map[string]string{"clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), "userHandle": a.user})
}

func (a *authenticator) answer(response map[string]string) string {
	text, err := json.Marshal(map[string]any{"id": b64(a.id), "rawId": b64(a.id), "type": "public-key", "clientExtensionResults": map[string]any{}, "response": response})
	if err != nil {
		a.t.Fatal(err)
	}
	return string(text)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// options are what the page's script would hand to the browser.
func (p *person) options(kind string) string {
	p.t.Helper()
	for e := range elements(p.t, p.body) {
		if attr(e, "data-passkey") == kind {
			return attr(e, "data-options")
		}
	}
	p.t.Fatalf("no passkey is asked for on the page:\n%s", visible(p.body))
	return ""
}

// addPasskey registers an authenticator for who is signed in.
func (p *person) addPasskey(a *authenticator, name string) *person {
	p.t.Helper()
	p.get("/account/passkeys").want(200, "Add a passkey")
	return p.submit("/account/passkeys", "name", name, "credential", a.create(p.options("create")))
}

func (p *person) usePasskey(a *authenticator) *person {
	p.t.Helper()
	p.get("/login")
	return p.submit("/login/passkey", "credential", a.get(p.options("get")))
}

func TestPasskeys(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	a := newAuthenticator(t)
	p.addPasskey(a, "Blue key").want(200, "Your passkey is ready")
	if codes := p.codes(); len(codes) != recoveryCodes {
		t.Errorf("recovery codes %v", codes)
	}
	p.get("/account").want(200, "Passkey “Blue key”")
	if script := p.get("/login/passkey.js"); script.head.Get("Content-Type") != "text/javascript; charset=utf-8" || !strings.Contains(script.body, "navigator.credentials") {
		t.Errorf("the script: %v", script.head)
	}

	q := w.person()
	w.signInWith(q, SignInRequest{ReturnTo: "/auth/continue?id=1"})
	q.follow()
	if policy := q.head.Get("Content-Security-Policy"); !strings.Contains(policy, "script-src 'nonce-") {
		t.Errorf("policy %s", policy)
	}
	q.submit("/login/passkey", "credential", a.get(q.options("get"))).wantRedirect("/auth/continue?id=1")
	q.wantUser(u.ID, "hwk", "user", "mfa")

	second := w.person()
	second.signIn("ana", good).wantRedirect("/login/second").follow().want(200, "Confirm with your passkey")
	a.flags = present // as a second factor, holding it is enough
	second.submit("/login/second", "credential", a.get(second.options("get"))).wantRedirect("/account")
	second.wantUser(u.ID, "pwd", "hwk", "mfa")
	w.person().usePasskey(a).want(422, "proof of who you are")
	a.flags = present | verified

	b := newAuthenticator(t)
	p.addPasskey(b, "Phone").wantRedirect("/account")
	p.get("/account").want(200, "Passkey “Phone”")
	for _, f := range forms(t, p.body) {
		if f.action == "/account/passkeys/remove" && f.values.Get("id") == b64(a.id) {
			p.do("POST", f.action, f.values).wantRedirect("/account")
		}
	}
	w.person().usePasskey(a).want(422, "proof of who you are")
	w.person().usePasskey(b).wantRedirect("/account")
}

func TestPasskeyRefusals(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	eve := w.add("eve")
	p := w.person()
	p.signIn("ana", good)
	a := newAuthenticator(t)
	p.addPasskey(a, "Key")
	p.get("/account")
	for name, change := range map[string]func(*authenticator){
		"another origin":      func(a *authenticator) { a.origin = "https://evil.example" },
		"another party":       func(a *authenticator) { a.party = "evil.example" },
		"a wrong signature":   func(a *authenticator) { a.damaged = true },
		"another key":         func(a *authenticator) { a.key = newAuthenticator(t).key },
		"an unknown id":       func(a *authenticator) { a.id = []byte("another credential id") },
		"another user":        func(a *authenticator) { a.user = b64([]byte(eve.ID)) },
		"no user":             func(a *authenticator) { a.user = "" },
		"nobody present":      func(a *authenticator) { a.flags = 0 },
		"nobody verified":     func(a *authenticator) { a.flags = present },
		"a counter gone back": func(a *authenticator) { a.count = 0 },
	} {
		a.count += 5
		w.person().usePasskey(a).wantRedirect("/account")
		bad := *a
		change(&bad)
		q := w.person()
		q.usePasskey(&bad)
		if q.status != 422 || !strings.Contains(visible(q.body), "proof of who you are") {
			t.Errorf("%s: status %d\n%s", name, q.status, visible(q.body))
		}
		q.wantNobody()
	}
	for _, text := range []string{"", "{}", "not JSON", `{"id":"x"}`, strings.Repeat("[", 15000)} {
		q := w.person()
		q.get("/login").submit("/login/passkey", "credential", text).want(422, "proof of who you are")
	}
	// An answer is good once, in time, and in the browser that was asked.
	q := w.person()
	q.get("/login")
	action, values := q.form("/login/passkey")
	values.Set("credential", a.get(q.options("get")))
	q.do("POST", action, values).wantRedirect("/account")
	a.count += 5
	q.do("POST", action, values).want(400, "run out of time")
	q.usePasskeyLate(a)
	other := w.person()
	other.get("/login")
	q.get("/login")
	_, values = q.form("/login/passkey")
	_, mine := other.form("/login/passkey")
	values.Set("credential", a.get(q.options("get")))
	values.Set("csrf", mine.Get("csrf"))
	other.do("POST", "/login/passkey", values).want(400, "another browser")

	if err := w.s.Directory().Disable(t.Context(), u.ID, true); err != nil {
		t.Fatal(err)
	}
	w.person().usePasskey(a).want(422, "proof of who you are")
}

// usePasskeyLate answers a challenge after its time.
func (p *person) usePasskeyLate(a *authenticator) {
	p.t.Helper()
	p.get("/logout").submit("/logout")
	p.get("/login")
	p.w.clock.Pass(11 * time.Minute)
	p.submit("/login/passkey", "credential", a.get(p.options("get"))).want(400, "run out of time")
	p.wantNobody()
}

func TestPasskeyRegistrationRefusals(t *testing.T) {
	w := newWorld(t)
	w.add("ana")
	w.add("eve")
	p, q := w.person(), w.person()
	p.signIn("ana", good)
	q.signIn("eve", good)
	a := newAuthenticator(t)
	p.addPasskey(a, "").want(422, "1 to 60 characters")
	p.addPasskey(a, strings.Repeat("x", 61)).want(422, "1 to 60 characters")
	a.origin = "https://evil.example"
	p.addPasskey(a, "Key").want(422, "could not be checked")
	a.origin = home
	p.get("/account/passkeys").submit("/account/passkeys", "name", "Key", "credential", "nonsense").want(422, "could not be checked")
	p.addPasskey(a, "Key").want(200, "ready")
	q.addPasskey(a, "Stolen").want(422, "could not be checked")
	q.get("/account/passkeys")
	options := q.options("create")
	action, values := q.form("/account/passkeys")
	values.Set("name", "Other browser")
	b := newAuthenticator(t)
	values.Set("credential", b.create(options))
	p.get("/account/passkeys")
	_, mine := p.form("/account/passkeys")
	values.Set("csrf", mine.Get("csrf"))
	p.do("POST", action, values).want(400, "another browser")
}

// TestNoPasskeysWithoutHostName: browsers have none for addresses.
func TestNoPasskeysWithoutHostName(t *testing.T) {
	for base, offered := range map[string]bool{
		"http://127.0.0.1:8080": false, "http://[::1]:8080": false, "http://fhir.example": false,
		"http://localhost:8080": true, "https://fhir.example/tarn": true, "https://192.0.2.1": false,
	} {
		p, err := newPasskeys(Config{BaseURL: base})
		if err != nil || (p != nil) != offered {
			t.Errorf("%s: %v, %v", base, p, err)
		}
	}
}
