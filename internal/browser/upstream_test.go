package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/server"
)

// upstream runs an OpenID Connect provider for the server that it returns.
func upstream(t *testing.T, change func(*login.Provider)) *world {
	t.Helper()
	in, out := startNode(t, "upstream.mjs")
	issuer, err := out.ReadString('\n')
	if err != nil {
		t.Fatalf("the upstream provider does not start: %v", err)
	}
	p := login.Provider{
		ID: "other", Name: "Other Health", Issuer: strings.TrimSpace(issuer), ClientID: "tarn", ClientSecret: "of the tests",
		Claims: login.ClaimMapping{FHIRUser: "fhir"},
	}
	change(&p)
	w := newWorld(t, func(cfg *server.Config) { cfg.Providers = []login.Provider{p} })
	_, err = fmt.Fprintln(in, w.home+"/login/callback/other")
	must(t, err)
	return w
}

// upstreamAs signs in at the provider.
func (b *tab) upstreamAs(name string) {
	b.t.Helper()
	b.says("Upstream provider")
	b.fill("login", name)
	b.press("Sign in upstream")
}

// TestUpstreamCreates signs in somebody new through another provider, in the
// middle of a launch.
func TestUpstreamCreates(t *testing.T) {
	needs(t, fhirClient, "node_modules/oidc-provider")
	w, b := upstream(t, func(p *login.Provider) { p.Create = true }), newTab(t)
	b.open(w.standalone("visits"))
	b.at("/login")
	b.press("Continue with Other Health")
	b.upstreamAs("grace")
	b.at("/auth/patients")
	b.fill("identifier", "MRN-1")
	b.press("Search")
	b.press("Choose Ann Lee")
	b.press("Go on without a visit")
	b.press("Allow")
	b.ready()
	b.gets(`client.user.read()`, "Practitioner/doc")
	b.gets(`client.patient.read()`, "Patient/ann")

	b.open(w.home + "/account")
	b.says("Grace Hopper", "grace@example.org", "You sign in through another provider")
	b.exit(w)
	b.open(w.home + "/login")
	b.press("Continue with Other Health") // where the browser is still signed in
	b.says("Your account", "Grace Hopper")
}

// TestUpstreamLinks links an account at another provider to one that is here,
// and takes the link away.
func TestUpstreamLinks(t *testing.T) {
	needs(t, "node_modules/oidc-provider")
	w, b := upstream(t, func(*login.Provider) {}), newTab(t)
	b.open(w.home + "/login")
	b.press("Continue with Other Health")
	b.upstreamAs("stranger") // whose e-mail address is another's, unverified
	b.says("Your account at Other Health has no access here.")

	linked := newTab(t)
	linked.enter(w, "doc")
	linked.says("Not linked")
	linked.press("Link Other Health")
	linked.upstreamAs("grace")
	linked.says("Linked")
	linked.exit(w)
	linked.open(w.home + "/login")
	linked.press("Continue with Other Health")
	linked.says("Your account", "Dr. Jane Roe")
	linked.press("Remove the link to Other Health")
	linked.says("Not linked")

	third := newTab(t)
	third.open(w.home + "/login")
	third.press("Continue with Other Health")
	third.says("Upstream provider")
	third.press("Do not")
	third.says("You did not sign in at Other Health")
}
