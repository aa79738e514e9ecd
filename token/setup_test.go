package token_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-jose/go-jose/v4"

	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/internal/still"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble/record"
	"github.com/tarnhealth/tarn/token"
)

type clock = still.Clock

func newClock() *clock { return still.At(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)) }

func newDB(t testing.TB, c *clock) kv.DB {
	t.Helper()
	db, err := record.Open("records", record.Options{FS: vfs.NewMem(), Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

const masterKey = "0123456789abcdef0123456789abcdef"

func newBox(t testing.TB) *crypt.Box {
	t.Helper()
	box, err := crypt.NewBox([]byte(masterKey))
	if err != nil {
		t.Fatal(err)
	}
	return box
}

// must returns a value of a call that must work.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// Private keys of tests, made once: RSA takes long.
var (
	ec256  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	ec384  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	other  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) })
	rsa2k  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	rsa1k  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
	ctx    = context.Background()
	claims = func(pairs ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	}
)

// with is a copy of claims with others in place; nil takes one out.
func with(base map[string]any, pairs ...any) map[string]any {
	m := map[string]any{}
	for name, value := range base {
		m[name] = value
	}
	for i := 0; i < len(pairs); i += 2 {
		if name := pairs[i].(string); pairs[i+1] == nil {
			delete(m, name)
		} else {
			m[name] = pairs[i+1]
		}
	}
	return m
}

// sign makes a JWT. header has more header parameters; kid "" is none.
func sign(key any, alg, typ, kid string, payload any, header ...any) string {
	opts := &jose.SignerOptions{}
	if typ != "" {
		opts.WithType(jose.ContentType(typ))
	}
	for i := 0; i < len(header); i += 2 {
		opts.WithHeader(jose.HeaderKey(header[i].(string)), header[i+1])
	}
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: jose.JSONWebKey{Key: key, KeyID: kid}}, opts))
	text, ok := payload.(string)
	if !ok {
		text = string(must(json.Marshal(payload)))
	}
	return must(must(signer.Sign([]byte(text))).CompactSerialize())
}

// jwks is a key set of public keys: kid, alg and key for each. The alg "use"
// makes a key for encryption.
func jwks(parts ...any) json.RawMessage {
	set := jose.JSONWebKeySet{}
	for i := 0; i < len(parts); i += 3 {
		key := parts[i+2]
		if signer, ok := key.(crypto.Signer); ok {
			key = signer.Public()
		}
		one := jose.JSONWebKey{KeyID: parts[i].(string), Algorithm: parts[i+1].(string), Use: "sig", Key: key}
		if one.Algorithm == "use" {
			one.Algorithm, one.Use = "", "enc"
		}
		set.Keys = append(set.Keys, one)
	}
	return must(json.Marshal(set))
}

// wantError checks the code and a part of the description of an error.
func wantError(t *testing.T, name string, err error, code, part string) {
	t.Helper()
	if token.CodeOf(err) != code || err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("%s: %v; want %s with %q", name, err, code, part)
	}
}

func newOtherBox() (*crypt.Box, error) {
	return crypt.NewBox([]byte("another master key of 32 bytes!!"))
}

func newP256() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }
