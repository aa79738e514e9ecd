package bearer_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bearer"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/token"
)

// asked is a Rechecker that counts what it is asked, and may say that a token
// was revoked.
type asked struct {
	*token.Keys
	verified, rechecked int
	revoked             error
}

func (a *asked) Verify(ctx context.Context, raw, audience string) (*token.Claims, error) {
	a.verified++
	if a.revoked != nil {
		return nil, a.revoked
	}
	return a.Keys.Verify(ctx, raw, audience)
}

func (a *asked) Recheck(ctx context.Context, claims *token.Claims, audience string) error {
	a.rechecked++
	if a.revoked != nil {
		return a.revoked
	}
	return a.Keys.Recheck(ctx, claims, audience)
}

// knowing is a world whose Authorizer is asked again and again with what is
// known of one connection's credentials.
type knowing struct {
	*world
	asked *asked
	known bearer.Known
}

func newKnowing(t *testing.T) *knowing {
	k := &knowing{asked: &asked{}}
	k.world = newWorld(t, func(c *bearer.Config) { c.Verifier = func(*datastore.Store) token.Verifier { return k.asked } })
	k.asked.Keys = k.keys
	return k
}

// want sends a request and compares how it ends; 0 is for one that is allowed.
func (k *knowing) want(t *testing.T, why string, r *http.Request, ds *datastore.Store, kind fhir.Kind, verified, rechecked int) authz.Access {
	t.Helper()
	k.asked.verified, k.asked.rechecked = 0, 0
	access, err := k.AuthorizeAgain(r, ds, &k.known)
	if kind == 0 && err != nil || kind != 0 && fhir.KindOf(err) != kind {
		t.Errorf("%s: %v", why, err)
	}
	if k.asked.verified != verified || k.asked.rechecked != rechecked {
		t.Errorf("%s: the verifier verified %d times and rechecked %d times, want %d and %d", why, k.asked.verified, k.asked.rechecked, verified, rechecked)
	}
	return access
}

// TestWhatIsKnownIsCheckedAgain uses the memory of one connection for requests
// with the same token, and with others, while the world changes.
func TestWhatIsKnownIsCheckedAgain(t *testing.T) {
	k := newKnowing(t)
	good := request("Bearer " + k.mint(t, nil))
	first := k.want(t, "the first", good, k.ds, 0, 1, 0)
	if again := k.want(t, "the same", good, k.ds, 0, 0, 1); again != first {
		t.Error("another decision for the same token")
	}
	k.asked.revoked = &token.Error{Code: token.InvalidToken, Description: "the token was revoked"}
	k.want(t, "revoked", good, k.ds, fhir.KindUnauthenticated, 1, 1)
	k.want(t, "still revoked", good, k.ds, fhir.KindUnauthenticated, 1, 0)
	k.asked.revoked = nil
	k.want(t, "good after all", good, k.ds, 0, 1, 0)

	k.policy.Store(&authz.Policy{Tenant: "other"})
	k.want(t, "another policy", good, k.ds, fhir.KindForbidden, 0, 1)
	k.policy.Store(&authz.Policy{})
	k.want(t, "and another", good, k.ds, 0, 0, 1)

	other := request("Bearer " + k.mint(t, func(c *token.Claims) { c.Subject = "u2" }))
	if got := k.want(t, "another token", other, k.ds, 0, 1, 0).Caller().Subject; got != "u2" {
		t.Errorf("another token is that of %s", got)
	}
	k.want(t, "no token", request(), k.ds, fhir.KindUnauthenticated, 0, 0)
	k.want(t, "two tokens", request(other.Header.Get("Authorization"), "Bearer x"), k.ds, fhir.KindInvalid, 0, 0)
	k.want(t, "after none", other, k.ds, 0, 1, 0)

	k.want(t, "at another data store", other, must(k.catalog.Create(ctx, "another", "")), fhir.KindUnauthenticated, 1, 1)
	k.want(t, "back again", other, k.ds, 0, 1, 0)
	k.clock.Pass(2 * time.Hour)
	k.want(t, "expired", other, k.ds, fhir.KindUnauthenticated, 1, 1)
}

// TestWhatIsKnownOfBoundTokens: who has the token's header has not its
// certificate.
func TestWhatIsKnownOfBoundTokens(t *testing.T) {
	k := newKnowing(t)
	bound := request("Bearer " + k.mint(t, func(c *token.Claims) { c.Certificate = "x" }))
	k.want(t, "without its certificate", bound, k.ds, fhir.KindUnauthenticated, 1, 0)
	k.want(t, "still without", bound, k.ds, fhir.KindUnauthenticated, 0, 1)
	proven := request("DPoP " + k.mint(t, func(c *token.Claims) { c.Thumbprint = "x" }))
	k.want(t, "without a proof", proven, k.ds, fhir.KindUnauthenticated, 1, 0)
	k.want(t, "still without a proof", proven, k.ds, fhir.KindUnauthenticated, 0, 1)
}
