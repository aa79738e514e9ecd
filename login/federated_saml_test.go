package login

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/xml"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	peer "github.com/crewjam/saml"

	"github.com/tarnhealth/tarn/login/saml"
)

// idpKey is the key of the identity provider of these tests.
var idpKey = sync.OnceValues(func() (*rsa.PrivateKey, *x509.Certificate) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotBefore: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		panic(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return key, certificate
})

// An idp is an identity provider by another library, which signs the person in
// whom the test says.
type idp struct {
	peer.IdentityProvider
	t       *testing.T
	w       *world
	session peer.Session
	plain   bool // it does not encrypt
}

const idpEntity = "https://idp.test/metadata"

// samlWorld has one SAML provider, "clinic".
func samlWorld(t *testing.T, change func(*Provider)) (*world, *idp) {
	t.Helper()
	w := newWorld(t)
	now := peer.TimeNow
	peer.TimeNow = w.clock.Now
	t.Cleanup(func() { peer.TimeNow = now })
	key, certificate := idpKey()
	i := &idp{t: t, w: w}
	metadata, _ := url.Parse(idpEntity)
	sso, _ := url.Parse("https://idp.test/sso")
	i.IdentityProvider = peer.IdentityProvider{Key: key, Certificate: certificate, MetadataURL: *metadata, SSOURL: *sso, ServiceProviderProvider: i, SessionProvider: i, SignatureMethod: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"}
	i.session = peer.Session{
		ID: "s", CreateTime: w.clock.Now(), ExpireTime: w.clock.Now().Add(time.Hour), NameID: "sub-1", NameIDFormat: string(peer.PersistentNameIDFormat),
		UserName: "grace", UserEmail: "grace@example.org", UserCommonName: "Grace Hopper", Groups: []string{"Doctors", "Staff"},
	}
	document, err := xml.Marshal(i.Metadata())
	if err != nil {
		t.Fatal(err)
	}
	p := Provider{ID: "clinic", Name: "Clinic ID", Kind: KindSAML, Issuer: idpEntity, SAML: SAML{Metadata: string(document)}}
	if change != nil {
		change(&p)
	}
	w.serve(func(c *Config) { c.Providers = []Provider{p} })
	return w, i
}

// GetServiceProvider reads the service provider's metadata where it says it is.
func (i *idp) GetServiceProvider(_ *http.Request, id string) (*peer.EntityDescriptor, error) {
	p := i.w.person().get(strings.TrimPrefix(id, home))
	var d peer.EntityDescriptor
	if id != home+"/login/saml/clinic/metadata" || p.status != http.StatusOK || p.head.Get("Content-Type") != "application/samlmetadata+xml" {
		return nil, os.ErrNotExist
	}
	if err := xml.Unmarshal([]byte(p.body), &d); err != nil {
		return nil, err
	}
	if i.plain {
		d.SPSSODescriptors[0].KeyDescriptors = nil
	}
	return &d, nil
}

// GetSession is who is signed in there.
func (i *idp) GetSession(http.ResponseWriter, *http.Request, *peer.IdpAuthnRequest) *peer.Session {
	return &i.session
}

// answer is the form that the identity provider has the browser post.
func (i *idp) answer(to string) (string, url.Values) {
	i.t.Helper()
	rec := httptest.NewRecorder()
	i.ServeSSO(rec, httptest.NewRequest("GET", to, nil))
	if rec.Code != http.StatusOK {
		i.t.Fatalf("the identity provider answers %d to %s", rec.Code, to)
	}
	body := rec.Body.String()
	values := url.Values{}
	for _, name := range []string{"SAMLResponse", "RelayState"} {
		_, rest, found := strings.Cut(body, `name="`+name+`" value="`)
		value, _, _ := strings.Cut(rest, `"`)
		if !found {
			i.t.Fatalf("no %s: %s", name, body)
		}
		values.Set(name, strings.NewReplacer("&#43;", "+", "&#34;", `"`, "&amp;", "&").Replace(value))
	}
	return home + "/login/saml/clinic/acs", values
}

// toIDP goes from the sign-in page to the identity provider.
func (p *person) toIDP() string {
	p.t.Helper()
	p.get("/login")
	p.get(p.link("/login/with/clinic"))
	return p.head.Get("Location")
}

// post is what the page of another site has the browser do: without the cookies
// that are SameSite=Lax.
func (p *person) post(to string, values url.Values) *person {
	p.t.Helper()
	r := httptest.NewRequest("POST", to, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://idp.test")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	rec := httptest.NewRecorder()
	p.w.s.ServeHTTP(rec, r)
	if got := rec.Header().Values("Set-Cookie"); len(got) > 0 {
		p.t.Errorf("cookies for another site's request: %v", got)
	}
	p.status, p.head, p.body = rec.Code, rec.Header(), rec.Body.String()
	return p
}

func TestSAMLCreatesUsers(t *testing.T) {
	for name, plain := range map[string]bool{"encrypted": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			w, i := samlWorld(t, func(p *Provider) {
				p.Create, p.LinkByEmail = true, true
				p.Claims = ClaimMapping{Username: "uid", Roles: "eduPersonAffiliation", RoleOf: map[string]string{"Doctors": "practitioner"}, FHIRUser: "fhirUser"}
			})
			i.plain = plain
			i.session.CustomAttributes = []peer.Attribute{{Name: "fhirUser", Values: []peer.AttributeValue{{Type: "xs:string", Value: "Practitioner/7"}}}}
			p := w.person()
			w.signInWith(p, SignInRequest{ReturnTo: "/auth/continue?id=7"})
			p.follow().want(200, "Continue with Clinic ID")
			p.get(p.link("/login/with/clinic"))
			p.post(i.answer(p.head.Get("Location"))).wantRedirect("/login/callback/clinic")
			p.get(p.head.Get("Location")).wantRedirect("/auth/continue?id=7")
			_, user := p.session()
			if user == nil || user.Username != "grace" || user.Name != "Grace Hopper" || user.Email != "grace@example.org" || !slices.Equal(user.Roles, []string{"practitioner"}) {
				t.Fatalf("user %+v", user)
			}
			if profile, _ := user.Profile("any"); profile.FHIRUser != "Practitioner/7" {
				t.Errorf("profile %+v", profile)
			}
			s := p.wantUser(user.ID, "fed")
			if s.Provider != "clinic" || !slices.Equal(w.kinds(), []string{"user-created", "sign-in"}) || w.lastEvent().Provider != "clinic" {
				t.Errorf("session %+v, events %v", s, w.kinds())
			}
			w.clock.Pass(time.Minute)
			again := w.person()
			again.post(i.answer(again.toIDP())).follow0().wantRedirect("/account")
			again.wantUser(user.ID, "fed")
			for _, private := range []string{"grace", "Hopper", "sub-1", "Practitioner/7", "SAMLResponse"} {
				if strings.Contains(w.log.String(), private) {
					t.Errorf("the log says %q:\n%s", private, w.log)
				}
			}
		})
	}
}

// follow0 goes where the redirect leads, once.
func (p *person) follow0() *person { p.t.Helper(); return p.get(p.head.Get("Location")) }

// TestSAMLBrowser signs in nobody but who began.
func TestSAMLBrowser(t *testing.T) {
	w, i := samlWorld(t, func(p *Provider) { p.Create = true })
	mallory, victim := w.person(), w.person()
	to, values := i.answer(mallory.toIDP())
	victim.get("/login")
	victim.post(to, values).wantRedirect("/login/callback/clinic")
	callback := victim.head.Get("Location")
	victim.get(callback).want(400, "")
	victim.wantNobody()

	mallory.get(callback).wantRedirect("/account") // what was begun there is good there
	mallory.get(callback).want(400, "")            // and once
	mallory.post(to, values).wantRedirect("/login/callback/clinic")
	if !strings.Contains(mallory.head.Get("Location"), "refused=upstream.wrong") {
		t.Errorf("a response again: %s", mallory.head.Get("Location"))
	}
}

// TestSAMLRefusals tells on a page of this site why nobody is signed in.
func TestSAMLRefusals(t *testing.T) {
	w, i := samlWorld(t, nil)
	p := w.person()
	p.post(i.answer(p.toIDP())).follow0().want(403, "has no access here")
	if e := w.lastEvent(); e.Kind != "sign-in-failed" || e.Provider != "clinic" {
		t.Errorf("%+v", e)
	}
	to, values := i.answer(p.toIDP())
	values.Set("SAMLResponse", strings.Replace(values.Get("SAMLResponse"), "A", "B", 1))
	p.post(to, values).follow0().want(403, "could not be trusted")
	if e := w.lastEvent(); e.Kind != "sign-in-failed" {
		t.Errorf("%+v", e)
	}
	i.session.NameIDFormat = string(peer.TransientNameIDFormat)
	p.post(i.answer(p.toIDP())).follow0().want(403, "could not be trusted")
	for name, bad := range map[string]url.Values{
		"nothing": {}, "two": {"SAMLResponse": {"a", "b"}, "RelayState": {"x"}}, "nobody asked": {"SAMLResponse": values["SAMLResponse"]},
		"too large": {"SAMLResponse": {strings.Repeat("A", maxPosted)}, "RelayState": {"x"}},
	} {
		if p.post(to, bad); p.status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, p.status)
		}
	}
	p.post(to, url.Values{"SAMLResponse": {"x"}, "RelayState": {"of another"}}).follow0().want(400, "")
	p.post(home+"/login/saml/none/acs", values).want(404, "")
	p.get("/login/saml/none/metadata").want(404, "")
	to2 := p.toIDP()
	u, _ := url.Parse(to2)
	p.get("/login/callback/clinic?refused=evil&state="+u.Query().Get("RelayState")).want(400, "")
	p.wantNobody()
}

// TestSAMLAgain asks the identity provider to ask the person again, and wants it
// to have done so.
func TestSAMLAgain(t *testing.T) {
	w, i := samlWorld(t, func(p *Provider) { p.Create = true })
	p := w.person()
	i.session.CreateTime = w.clock.Now().Add(-time.Hour)
	w.signInWith(p, SignInRequest{ReturnTo: "/auth/continue", Force: true})
	p.follow()
	p.get(p.link("/login/with/clinic"))
	p.post(i.answer(p.head.Get("Location"))).follow0().want(403, "could not be trusted")
	i.session.CreateTime = w.clock.Now()
	w.signInWith(p, SignInRequest{ReturnTo: "/auth/continue", Force: true})
	p.follow()
	p.get(p.link("/login/with/clinic"))
	p.post(i.answer(p.head.Get("Location"))).follow0().wantRedirect("/auth/continue")
}

// TestSAMLLinks links an account to the user who is signed in.
func TestSAMLLinks(t *testing.T) {
	w, i := samlWorld(t, nil)
	user := w.add("jane")
	p := w.person()
	p.signIn("jane", good).wantRedirect("/account")
	p.get("/account")
	p.get(p.link("/account/links/clinic"))
	p.post(i.answer(p.head.Get("Location"))).follow0().follow().want(200, "Linked")
	other := w.person()
	other.post(i.answer(other.toIDP())).follow0().wantRedirect("/account")
	other.wantUser(user.ID, "fed")
}

// TestSAMLProviderCheck refuses settings that cannot be used.
func TestSAMLProviderCheck(t *testing.T) {
	w, _ := samlWorld(t, nil)
	good := w.s.Providers()[0]
	for name, change := range map[string]func(*Provider){
		"a client":     func(p *Provider) { p.ClientID = "tarn" },
		"scopes":       func(p *Provider) { p.Scopes = []string{"email"} },
		"a kind":       func(p *Provider) { p.Kind = "ldap" },
		"OIDC":         func(p *Provider) { p.Kind = KindOpenIDConnect; p.ClientID = "tarn" },
		"no metadata":  func(p *Provider) { p.SAML = SAML{} },
		"another name": func(p *Provider) { p.Issuer = "https://other.test" },
	} {
		p := good
		change(&p)
		if err := p.Check(); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

// TestSAMLClaims lets no attribute say what the assertion itself has to.
func TestSAMLClaims(t *testing.T) {
	given := map[string][]string{"sub": {"admin"}, "email_verified": {"true"}, "amr": {"mfa", "pwd"}, "mail": {"grace@example.org"}}
	for _, trusted := range []bool{false, true} {
		c := samlClaims(&saml.Identity{Subject: "sub-1", Attributes: given}, trusted)
		if c["sub"] != "sub-1" || c["email_verified"] != trusted || c["amr"] != nil || c["email"] != "grace@example.org" {
			t.Errorf("%v: %v", trusted, c)
		}
	}
}
