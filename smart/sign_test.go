package smart_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/smart"
)

// elsewhere are the clauses that other packages prove, or that are no matter of
// an authorization server.
var elsewhere = map[string]string{
	"A24": "experimental; authorization_details is not offered",
	"A31": "authz: what each letter allows",
	"A34": "authz, datastore: the patient's compartment; internal/browser: as an app sees it",
	"A35": "authz, datastore: granular scopes",
	"A39": "optional; the URI form of scopes is not offered",
	"A70": "the brand bundle is a document of the operator; discovery names it",
	"A71": "the brand bundle is a document of the operator",
	"A75": "experimental; smart-app-state is not offered",
	"A81": "server: TLS",
	"A82": "bearer: answers of the FHIR API to bad tokens",
	"B5":  "token: fetching of key sets",
}

// settings reads the comment of a transcript: "registration: token".
func settings(t *testing.T, comment string) []func(*smart.Config) {
	t.Helper()
	var changes []func(*smart.Config)
	for line := range strings.Lines(comment) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "registration":
			changes = append(changes, func(c *smart.Config) {
				c.Registration.Mode = smart.RegistrationMode(value)
				c.Registration.StatementKeys = map[string]json.RawMessage{"https://issuer.example": publicKeys(t)}
			})
		case "grace":
			changes = append(changes, func(c *smart.Config) { c.Lifetimes.Grace, _ = time.ParseDuration(value) })
		case "failures":
			changes = append(changes, func(c *smart.Config) { c.Limits.Failures = 3 })
		case "requests":
			changes = append(changes, func(c *smart.Config) { c.Limits.Requests = 3 })
		case "brands":
			changes = append(changes, func(c *smart.Config) {
				c.Brands = smart.Brands{Bundle: value, IdentifierSystem: "urn:ietf:rfc:3986", IdentifierValue: "https://tarn.test"}
			})
		}
	}
	return changes
}

// made counts assertions and proofs, for ids that differ.
var made int

// assertion makes a client assertion of the client svc. change is a JSON object
// of claims to set or with null to leave out; "alg", "kid", "typ" and "key"
// change the header and the key.
func (c *conversation) assertion(t *testing.T, change string) string {
	t.Helper()
	made++
	now := c.clock.Now().Unix()
	claims := map[string]any{
		"iss": "svc", "sub": "svc", "aud": home + "/auth/token", "exp": now + 240, "iat": now,
		"jti": "assertion-" + time.Duration(made).String(),
	}
	header := map[string]any{"alg": "ES384", "kid": "ec", "typ": "JWT"}
	changes := map[string]any{}
	if change != "" {
		if err := json.Unmarshal([]byte(change), &changes); err != nil {
			t.Fatal(change, err)
		}
	}
	key, _ := changes["key"].(string)
	delete(changes, "key")
	for _, name := range []string{"alg", "kid", "typ", "jku"} {
		if value, ok := changes[name]; ok {
			header[name] = value
			delete(changes, name)
		}
	}
	if client, ok := changes["client"]; ok {
		claims["iss"], claims["sub"] = client, client
		delete(changes, "client")
	}
	if shift, ok := changes["expires"].(float64); ok {
		claims["exp"] = now + int64(shift)
		delete(changes, "expires")
	}
	maps.Copy(claims, changes)
	for name, value := range claims {
		if value == nil {
			delete(claims, name)
		}
	}
	return sign(t, header, claims, key)
}

// sign makes a JWS by its header, whatever that is.
func sign(t testing.TB, header, claims map[string]any, key string) string {
	t.Helper()
	head, _ := json.Marshal(header)
	body, _ := json.Marshal(claims)
	if header["alg"] == "none" {
		encode := base64.RawURLEncoding.EncodeToString
		return encode(head) + "." + encode(body) + "."
	}
	k := clientKeys()
	var with any = k.ec
	alg, _ := header["alg"].(string)
	switch {
	case key == "other":
		with = k.other
	case strings.HasPrefix(alg, "RS"):
		with = k.rsa
	case alg == "HS256": // the public key as a secret: key confusion
		with, _ = x509.MarshalPKIXPublicKey(k.rsa.Public())
	}
	options := &jose.SignerOptions{}
	for name, value := range header {
		if name != "alg" && value != nil {
			options.WithHeader(jose.HeaderKey(name), value)
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: with}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// proof makes a DPoP proof for a request.
func (c *conversation) proof(t *testing.T, req *http.Request, accessToken string) string {
	t.Helper()
	made++
	claims := map[string]any{
		"htm": req.Method, "htu": home + req.URL.Path, "iat": c.clock.Now().Unix(),
		"jti": "proof-" + time.Duration(made).String(),
	}
	key := ""
	if rest, ok := strings.CutPrefix(accessToken, "other"); ok {
		key, accessToken = "other", strings.TrimSpace(rest)
	}
	if accessToken != "" {
		sum := sha256.Sum256([]byte(accessToken))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	public := jose.JSONWebKey{Key: clientKeys().ec.Public()}
	if key == "other" {
		public.Key = clientKeys().other.Public()
	}
	return sign(t, map[string]any{"alg": "ES384", "typ": "dpop+jwt", "jwk": public}, claims, key)
}
