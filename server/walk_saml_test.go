package server

import (
	"crypto/x509"
	"encoding/xml"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	peer "github.com/crewjam/saml"

	"github.com/tarnhealth/tarn/login"
)

// A samlPeer is an identity provider by another library, where somebody is signed
// in already.
type samlPeer struct {
	peer.IdentityProvider
	session peer.Session
}

func newSAMLPeer(t *testing.T) *samlPeer {
	t.Helper()
	key, der := newCertificate(t)
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	p := &samlPeer{}
	at := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.ServeSSO(w, r) }))
	t.Cleanup(at.Close)
	sso, err := url.Parse(at.URL + "/sso")
	if err != nil {
		t.Fatal(err)
	}
	p.IdentityProvider = peer.IdentityProvider{
		Key: key, Certificate: certificate, MetadataURL: url.URL{Scheme: "https", Host: "idp.test", Path: "/metadata"}, SSOURL: *sso,
		ServiceProviderProvider: p, SessionProvider: p, SignatureMethod: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
	}
	return p
}

// GetServiceProvider reads the service provider's metadata where it says it is.
func (p *samlPeer) GetServiceProvider(_ *http.Request, id string) (*peer.EntityDescriptor, error) {
	answer, err := http.Get(id)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, os.ErrNotExist
	}
	var d peer.EntityDescriptor
	return &d, xml.NewDecoder(answer.Body).Decode(&d)
}

// GetSession is who is signed in there.
func (p *samlPeer) GetSession(http.ResponseWriter, *http.Request, *peer.IdpAuthnRequest) *peer.Session {
	return &p.session
}

var (
	samlLink  = regexp.MustCompile(`href="(/login/with/clinic[^"]*)"`)
	samlForm  = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	samlField = regexp.MustCompile(`<input type="hidden" name="(SAMLResponse|RelayState)" value="([^"]*)"`)
)

// passOn posts the form that the identity provider's page holds as a browser does
// from another site, without this site's cookies, and follows with them.
func (w *walker) passOn() *walker {
	w.t.Helper()
	form, values := samlForm.FindStringSubmatch(w.text), url.Values{}
	for _, m := range samlField.FindAllStringSubmatch(w.text, -1) {
		values.Set(m[1], html.UnescapeString(m[2]))
	}
	if form == nil || len(values) != 2 {
		w.t.Fatalf("at %s: %d %s", w.at, w.status, w.text)
	}
	bare := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := bare.PostForm(html.UnescapeString(form[1]), values)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	back, err := answer.Location()
	if err != nil || len(answer.Cookies()) > 0 {
		w.t.Fatalf("%v: %d, cookies %v", err, answer.StatusCode, answer.Cookies())
	}
	return w.send(http.NewRequest(http.MethodGet, back.String(), nil))
}

// TestSMARTThroughSAML launches an app, signs in at a SAML identity provider in the
// middle of it, and reads what the attributes there allow: one patient.
func TestSMARTThroughSAML(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 100 patients")
	}
	idp := newSAMLPeer(t)
	metadata, err := xml.Marshal(idp.Metadata())
	if err != nil {
		t.Fatal(err)
	}
	c := smartConfig(t, t.TempDir())
	c.Demo = true
	c.Providers = []login.Provider{{
		ID: "clinic", Name: "Clinic ID", Kind: login.KindSAML, Issuer: "https://idp.test/metadata", SAML: login.SAML{Metadata: string(metadata)},
		Create: true, Claims: login.ClaimMapping{Username: "uid", FHIRUser: "fhirUser"},
	}}
	r := start(t, c)
	d := r.demo
	idp.session = peer.Session{
		ID: "s", CreateTime: time.Now(), ExpireTime: time.Now().Add(time.Hour), NameID: "sub-1", NameIDFormat: string(peer.PersistentNameIDFormat), UserName: "grace", UserCommonName: "Grace Hopper",
		CustomAttributes: []peer.Attribute{{Name: "fhirUser", Values: []peer.AttributeValue{{Type: "xs:string", Value: "Patient/" + d.patient}}}},
	}
	w := r.walker().launch()
	link := samlLink.FindStringSubmatch(w.text)
	if link == nil {
		t.Fatalf("%s does not lead there: %s", w.at, w.text)
	}
	w.open(html.UnescapeString(link[1])).passOn()
	if w.at.Path != "/auth/consent" || !strings.Contains(w.text, "Sample SMART app") {
		t.Fatalf("after the sign-in: %d %s %s", w.status, w.at, w.text)
	}
	got := w.submit(map[string]string{"decision": "allow"}).redeem()
	if got.Patient != d.patient || got.ID == "" || got.Refresh == "" {
		t.Fatalf("the token response is %+v", got)
	}
	r.wantFHIR(got.Access, "Patient/"+d.patient, 200, d.patient)
	r.wantFHIR(got.Access, "Patient?_total=accurate", 200, `"total":1`)
	r.wantFHIR(got.Access, "Patient/"+d.other, 404, "does not exist")
	for _, private := range []string{"grace", "Hopper", "sub-1", "SAMLResponse"} {
		if strings.Contains(r.log.String(), private) {
			t.Errorf("the log says %q", private)
		}
	}
}
