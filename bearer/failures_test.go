package bearer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/bearer"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/identity"
	"github.com/tarnhealth/tarn/throttle"
	"github.com/tarnhealth/tarn/token"
)

// limited is a world where three wrong credentials a minute come from an
// address, and five from all about tokens that another server decides about.
func limited(t *testing.T, change func(*bearer.Config)) *world {
	var w *world
	now := func() time.Time { return w.clock.Now() }
	w = newWorld(t, func(c *bearer.Config) {
		c.Failures = &bearer.Failures{
			Address: func(r *http.Request) string { return r.Header.Get("Test-Address") },
			Of:      throttle.NewFailures(3, now), Store: throttle.NewFailures(5, now),
		}
		if change != nil {
			change(c)
		}
	})
	return w
}

// try sends a credential from an address, and tells what comes of it.
func (w *world) try(t *testing.T, address, credential string) fhir.Kind {
	t.Helper()
	r := request(credential)
	r.Header.Set("Test-Address", address)
	_, err := w.Authorize(r, w.ds)
	if err == nil {
		return 0
	}
	var e *fhir.Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: %v", credential, err)
	}
	if throttled := e.Kind == fhir.KindThrottled; throttled != (len(e.Headers) == 1 && e.Headers[0].Name == "Retry-After") {
		t.Errorf("%s: %v with %v", credential, e, e.Headers)
	}
	return e.Kind
}

func (w *world) want(t *testing.T, what, address, credential string, want fhir.Kind) {
	t.Helper()
	if got := w.try(t, address, credential); got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// TestWrongTokensAreLimited: what this server can check itself is limited for
// whoever is wrong, and for nobody else.
func TestWrongTokensAreLimited(t *testing.T) {
	w := limited(t, nil)
	good := "Bearer " + w.mint(t, nil)
	for i := range 3 {
		w.want(t, "wrong", "192.0.2.1", fmt.Sprint("Bearer x", i), fhir.KindUnauthenticated)
	}
	w.want(t, "wrong once more", "192.0.2.1", "Bearer y", fhir.KindThrottled)
	w.want(t, "without a token", "192.0.2.1", "Basic eA==", fhir.KindUnauthenticated)
	w.want(t, "good, from the same address", "192.0.2.1", good, 0)
	w.want(t, "wrong, from another", "192.0.2.2", "Bearer y", fhir.KindUnauthenticated)
	for i := range 3 {
		w.want(t, "wrong", fmt.Sprintf("2001:db8::%d", i+1), "Bearer x", fhir.KindUnauthenticated)
	}
	w.want(t, "wrong, of the same /64", "2001:db8::9:9", "Bearer x", fhir.KindThrottled)
	w.clock.Pass(20 * time.Second)
	w.want(t, "after the wait", "192.0.2.1", "Bearer y", fhir.KindUnauthenticated)
	w.want(t, "and again", "192.0.2.1", "Bearer y", fhir.KindThrottled)
}

// TestExpiredTokensAreAnswered: a client whose token has expired learns it,
// whoever else is at its address, and is not taken for a guesser.
func TestExpiredTokensAreAnswered(t *testing.T) {
	w := limited(t, nil)
	var old []string
	for range 5 {
		old = append(old, "Bearer "+w.mint(t, nil))
	}
	w.clock.Pass(2 * time.Hour)
	for i := range 3 {
		w.want(t, "wrong", "192.0.2.1", fmt.Sprint("Bearer x", i), fhir.KindUnauthenticated)
	}
	for _, credential := range old {
		w.want(t, "expired", "192.0.2.1", credential, fhir.KindUnauthenticated)
	}
	for range 2 {
		w.want(t, "expired", "192.0.2.1", old[0], fhir.KindUnauthenticated)
	}
	w.want(t, "expired, over and over", "192.0.2.1", old[0], fhir.KindThrottled)
	w.want(t, "another that expired", "192.0.2.1", old[1], fhir.KindUnauthenticated)
}

// TestIssuersAreSpared: random tokens cost few questions to the issuer, from one
// address and from many; who was known goes on.
func TestIssuersAreSpared(t *testing.T) {
	var asked atomic.Int64
	var good atomic.Pointer[string]
	var expires atomic.Int64
	issuer := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.PostFormValue("token") != *good.Load() {
			_, _ = rw.Write([]byte(`{"active":false}`))
			return
		}
		_, _ = fmt.Fprintf(rw, `{"active":true,"sub":"u","client_id":"c","scope":"system/*.rs","exp":%d}`, expires.Load())
	}))
	defer issuer.Close()
	var v token.Verifier
	w := limited(t, func(c *bearer.Config) { c.Verifier = func(*datastore.Store) token.Verifier { return v } })
	expires.Store(w.clock.Now().Add(time.Hour).Unix())
	v = must(token.NewIntrospection(token.IntrospectionConfig{URL: issuer.URL, AudienceOptional: true, Cache: time.Second, Now: w.clock.Now, Timeout: time.Minute}))
	p := datastore.IdentityProvider{Strategy: datastore.StrategySMART, FineGrained: true, External: &identity.ExternalIssuer{IntrospectionURL: issuer.URL},
		Metadata: json.RawMessage(`{"token_endpoint":"https://idp.example.org/token"}`)}
	if _, err := w.catalog.SetIdentity(ctx, "main", &p); err != nil {
		t.Fatal(err)
	}
	questions := func(what string, want int64) {
		t.Helper()
		if got := asked.Swap(0); got != want {
			t.Errorf("%s: %d questions, want %d", what, got, want)
		}
	}
	known := "known"
	good.Store(&known)
	w.want(t, "a good token", "192.0.2.1", "Bearer known", 0)
	questions("a good token", 1)
	for i := range 50 {
		w.try(t, "192.0.2.1", fmt.Sprint("Bearer x", i))
	}
	questions("from one address", 3)
	w.clock.Pass(2 * time.Second)
	w.want(t, "the known one, from there", "192.0.2.1", "Bearer known", 0)
	questions("the known one", 1)
	for i := range 50 {
		w.try(t, fmt.Sprint("192.0.2.", 100+i), fmt.Sprint("Bearer z", i))
	}
	questions("from many addresses", 2)
	w.want(t, "yet another address", "192.0.2.9", "Bearer q", fhir.KindThrottled)
	w.want(t, "the known one, from yet another", "192.0.2.9", "Bearer known", 0)
	w.clock.Pass(12 * time.Second)
	w.want(t, "after the wait", "192.0.2.9", "Bearer q", fhir.KindUnauthenticated)
}

// TestWrongAPIKeysAreLimited by the client that sends them.
func TestWrongAPIKeysAreLimited(t *testing.T) {
	w := limited(t, func(c *bearer.Config) {
		c.APIKeysAlways = true
		c.APIKeys = func(_ context.Context, values []string, _, _ string) (apikey.Key, error) {
			if len(values) == 1 && strings.HasPrefix(values[0], "good") {
				return apikey.Key{}, nil
			}
			return apikey.Key{}, fhir.Errorf(fhir.KindForbidden, "not known")
		}
	})
	send := func(client, key string) fhir.Kind {
		r := request("Bearer " + w.mint(t, func(c *token.Claims) { c.ClientID = client }))
		r.Header.Set("X-Api-Key", key)
		_, err := w.Authorize(r, w.ds)
		if err == nil {
			return 0
		}
		return fhir.KindOf(err)
	}
	for n := range 5 {
		want := fhir.KindForbidden
		if n >= 3 {
			want = fhir.KindThrottled
		}
		if got := send("app", "bad"); got != want {
			t.Errorf("wrong key %d: %v, want %v", n+1, got, want)
		}
	}
	if got := send("app", "good"); got != 0 {
		t.Errorf("the right key: %v", got)
	}
	if got := send("other", "bad"); got != fhir.KindForbidden {
		t.Errorf("another client: %v", got)
	}
}
