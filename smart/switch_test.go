package smart_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/smart"
)

// everything is what a user sees who sees everything.
func everything(context.Context, *login.User, *datastore.Store) (authz.Access, error) {
	return authz.Unrestricted(), nil
}

// switchTo lets another user sit at a browser, where somebody was signed in.
func (c *conversation) switchTo(t *testing.T, browser, user string) {
	t.Helper()
	const cookie = "__Host-tarn-session"
	c.signIn(t, "elsewhere", user)
	if c.browsers["elsewhere"][cookie] == "" {
		t.Fatal("there is no session")
	}
	c.browsers[browser][cookie] = c.browsers["elsewhere"][cookie]
	delete(c.browsers, "elsewhere")
	delete(c.pages, "elsewhere")
}

var requestInput = regexp.MustCompile(`name="request" value="([^"]+)"`)

// get asks for a step of the request that a browser shows, without following.
func (c *conversation) get(t *testing.T, browser, path string) *httptest.ResponseRecorder {
	t.Helper()
	m := requestInput.FindStringSubmatch(c.pages[browser])
	if m == nil {
		t.Fatalf("the page has no request:\n%.2000s", c.pages[browser])
	}
	return c.do(c.browsers[browser], httptest.NewRequest(http.MethodGet, home+path+"?request="+m[1], nil))
}

const (
	patientsForm = `action="/auth/patients?`
	consentForm  = `action="/auth/consent?`
)

// What was settled for one user is nothing for the next who sits there: neither
// the patient, nor what was agreed to, nor the page.
func TestAnotherUserGoesOn(t *testing.T) {
	c := start(t)
	c.signIn(t, "x", "parent")
	c.authorize("x", nil)
	if rec := c.submit(t, "x", "patient=bob"); !strings.Contains(rec.Body.String(), consentForm) {
		t.Fatalf("no consent page: %d %s", rec.Code, seen(rec))
	}
	c.switchTo(t, "x", "cy") // who may act for bob too
	if rec := c.get(t, "x", "/auth/consent"); rec.Code != http.StatusSeeOther || !strings.HasPrefix(rec.Header().Get("Location"), "/auth/continue?") {
		t.Errorf("another user is asked for the first one's consent: %d\n%.500s", rec.Code, seen(rec))
	}
	rec := c.follow(c.browsers["x"], c.get(t, "x", "/auth/continue"))
	if !strings.Contains(rec.Body.String(), patientsForm) {
		t.Errorf("another user goes on with the first one's patient: %d %s\n%.500s", rec.Code, rec.Header().Get("Location"), seen(rec))
	}
}

// See TestAnotherUserGoesOn: here the first user has agreed already.
func TestAnotherUserHasNotAgreed(t *testing.T) {
	c := start(t)
	c.signIn(t, "x", "parent")
	c.authorize("x", nil)
	c.submit(t, "x", "patient=bob")
	page := c.pages["x"]
	sent := postedForm(t, page)
	sent.Set("decision", "allow")
	if rec := c.do(c.browsers["x"], form(http.MethodPost, home+"/auth/consent", sent)); rec.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	c.switchTo(t, "x", "aunt") // whose only patient is bob
	rec := c.follow(c.browsers["x"], c.get(t, "x", "/auth/continue"))
	if isCode(rec) || !strings.Contains(rec.Body.String(), consentForm) {
		t.Errorf("what the first user agreed to is given: %d %s\n%.500s", rec.Code, rec.Header().Get("Location"), seen(rec))
	}
}

// postedForm are the hidden and ticked inputs of a page.
func postedForm(t *testing.T, page string) url.Values {
	t.Helper()
	values := url.Values{}
	for _, tag := range inputTag.FindAllString(page, -1) {
		attr := map[string]string{}
		for _, a := range attrTag.FindAllStringSubmatch(tag, -1) {
			attr[a[1]] = a[2]
		}
		if attr["type"] == "hidden" || attr["type"] == "checkbox" && strings.Contains(tag, " checked") {
			values.Add(attr["name"], attr["value"])
		}
	}
	return values
}

// A request ends with the redirect URI that it came with.
func TestRedirectsThatWereTaken(t *testing.T) {
	c := start(t)
	c.signIn(t, "ann", "ann")
	c.authorize("ann", url.Values{"client_id": {"web"}})
	web, err := c.s.Clients().Show(ctx, "web")
	if err != nil {
		t.Fatal(err)
	}
	web.RedirectURIs = []string{"https://app.example/moved"}
	if _, err := c.s.Clients().Update(ctx, web); err != nil {
		t.Fatal(err)
	}
	if rec := c.submit(t, "ann", "decision=allow"); rec.Code != http.StatusBadRequest || rec.Header().Get("Location") != "" {
		t.Errorf("%d %s", rec.Code, rec.Header().Get("Location"))
	}
}

// What a user told to remember is about one patient.
func TestConsentIsRememberedForOnePatient(t *testing.T) {
	c := start(t)
	c.signIn(t, "x", "parent")
	c.authorize("x", nil)
	c.submit(t, "x", "patient=bob")
	if rec := c.submit(t, "x", "decision=allow\nremember=yes"); !isCode(rec) {
		t.Fatalf("no code: %d %s", rec.Code, rec.Header().Get("Location"))
	}
	for patient, remembered := range map[string]bool{"bob": true, "ann": false} {
		c.authorize("x", nil)
		if rec := c.submit(t, "x", "patient="+patient); isCode(rec) != remembered {
			t.Errorf("%s: %d %s", patient, rec.Code, rec.Header().Get("Location"))
		}
	}
}

// Consent for an app that could be anybody is not kept for when it is itself.
func TestConsentForAnybodyIsNotKept(t *testing.T) {
	c := start(t)
	const anybody = "com.example.mobile:/cb"
	c.register(t, smart.Client{ID: "mobile", Type: smart.Public, RedirectURIs: []string{callback, anybody}, Scopes: "launch/patient patient/*.rs", Grants: []string{"authorization_code"}})
	c.signIn(t, "ann", "ann")
	c.authorize("ann", url.Values{"client_id": {"mobile"}, "redirect_uri": {anybody}})
	if rec := c.submit(t, "ann", "decision=allow\nremember=yes"); !strings.HasPrefix(rec.Header().Get("Location"), anybody+"?code=") {
		t.Fatalf("no code: %d %s", rec.Code, rec.Header().Get("Location"))
	}
	if rec := c.authorize("ann", url.Values{"client_id": {"mobile"}}); isCode(rec) || rec.Code != http.StatusOK {
		t.Errorf("it was remembered: %d %s", rec.Code, rec.Header().Get("Location"))
	}
	c.submit(t, "ann", "decision=allow\nremember=yes")
	if rec := c.authorize("ann", url.Values{"client_id": {"mobile"}}); !isCode(rec) {
		t.Errorf("it was not remembered of the app itself: %d\n%.500s", rec.Code, seen(rec))
	}
}
