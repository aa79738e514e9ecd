package login

import (
	"errors"
	"math"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/tarnhealth/tarn/kv"
)

// set changes a user's record, beside the ways that there are for it.
func (w *world) set(id string, change func(*record)) *record {
	w.t.Helper()
	r, err := w.s.directory.update(w.t.Context(), id, func(r *record) error { change(r); return nil })
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// TestSessionsThatAreOver: each reason by itself ends a session, whatever the
// others say.
func TestSessionsThatAreOver(t *testing.T) {
	for name, end := range map[string]func(w *world, u *User, s *Session){
		"a disabled user": func(w *world, u *User, _ *Session) {
			err := w.db.Update(t.Context(), func(tx kv.Tx) error { // updateUser ends sessions too
				r, err := getUser(tx, u.ID)
				if err != nil {
					return err
				}
				r.Disabled = true
				return userTable.Put(tx, u.ID, *r, time.Time{})
			})
			if err != nil {
				t.Fatal(err)
			}
		},
		"no longer the user": func(w *world, u *User, _ *Session) { w.set(u.ID, func(r *record) { r.Sessions = nil }) },
		"unused for longer than is allowed by now": func(w *world, _ *User, _ *Session) {
			w.serve(func(c *Config) { c.Idle = 10 * time.Minute })
			w.clock.Pass(10 * time.Minute)
		},
		"its end, without one of the record": func(w *world, _ *User, s *Session) {
			err := w.db.Update(t.Context(), func(tx kv.Tx) error {
				found, err := sessionTable.Get(tx, s.ID)
				if err != nil {
					return err
				}
				found.Expires = w.clock.Now()
				return sessionTable.Put(tx, s.ID, found, time.Time{})
			})
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			u, p := w.add("ana"), w.person()
			p.signIn("ana", good)
			s := p.wantUser(u.ID, "pwd")
			end(w, u, s)
			p.wantNobody()
			if found, err := w.s.SessionByID(t.Context(), s.ID); found != nil || err != nil {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

// TestUsersThatChangedMeanwhile: what was read of a user before the password, a
// factor or the user's state changed proves nothing afterwards.
func TestUsersThatChangedMeanwhile(t *testing.T) {
	w := newWorld(t)
	u, p := w.add("ana"), w.person()
	p.signIn("ana", good)
	secret, codes := p.addTOTP()
	a := newAuthenticator(t)
	p.addPasskey(a, "Key")
	w.clock.Pass(time.Minute)
	d := w.s.directory
	used := func(r *record, more uint32) *webauthn.Credential {
		c := r.Passkeys[0].Credential
		c.Authenticator.SignCount += more
		return &c
	}
	ways := map[string]func(*record) error{
		"a session": func(r *record) error {
			_, err := w.s.start(httptest.NewRecorder(), httptest.NewRequest("POST", home+"/login", nil), r, []string{"pwd"}, "")
			return err
		},
		"a new password":  func(r *record) error { _, err := d.changePassword(t.Context(), r, better, ""); return err },
		"an app's code":   func(r *record) error { _, err := d.useTOTP(t.Context(), r, w.code(secret)); return err },
		"a recovery code": func(r *record) error { _, err := d.useRecovery(t.Context(), r, codes[0]); return err },
		"a passkey":       func(r *record) error { _, err := d.usePasskey(t.Context(), r, used(r, 1)); return err },
		"a passkey's copy": func(r *record) error {
			_, err := d.usePasskey(t.Context(), w.set(u.ID, func(*record) {}), used(r, 0))
			return err
		},
	}
	w.set(u.ID, func(r *record) { r.Passkeys[0].Credential.Authenticator.SignCount = 7 })
	stale, err := d.get(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.set(u.ID, func(r *record) { r.Stamp++ })
	for name, way := range ways {
		var bad *Error
		if err := way(stale); !errors.Is(err, errStale) && !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	fresh := w.set(u.ID, func(r *record) { r.Disabled = true })
	if err := ways["a session"](fresh); !errors.Is(err, errStale) {
		t.Errorf("a session of a disabled user: %v", err)
	}
	fresh = w.set(u.ID, func(r *record) { r.Disabled = false })
	for _, name := range []string{"a session", "an app's code", "a recovery code", "a passkey", "a new password"} {
		if err := ways[name](fresh); err != nil {
			t.Errorf("%s of a user who has not changed: %v", name, err)
		}
	}
}

// TestDisabledBetweenSteps: a user who is disabled after the password has no
// second step.
func TestDisabledBetweenSteps(t *testing.T) {
	w := newWorld(t)
	u, p := w.add("ana"), w.person()
	p.signIn("ana", good)
	p.addTOTP()
	q := w.person()
	q.signIn("ana", good).wantRedirect("/login/second")
	w.set(u.ID, func(r *record) { r.Disabled = true })
	q.follow().want(400, "run out of time")
}

// TestSecretsOfOthers: the sealed secret of one user's app is not another's.
func TestSecretsOfOthers(t *testing.T) {
	w := newWorld(t)
	ana, eve, p := w.add("ana"), w.add("eve"), w.person()
	p.signIn("eve", good)
	secret, _ := p.addTOTP()
	w.clock.Pass(time.Minute)
	theirs, err := w.s.directory.get(t.Context(), eve.ID)
	if err != nil {
		t.Fatal(err)
	}
	mine := w.set(ana.ID, func(r *record) { r.TOTP = theirs.TOTP })
	if _, err := w.s.directory.useTOTP(t.Context(), mine, w.code(secret)); err == nil {
		t.Error("the code of another user's app is right")
	}
	if _, err := w.s.directory.useTOTP(t.Context(), theirs, w.code(secret)); err != nil {
		t.Error(err)
	}
}

// TestFlowsAreOfOneKind: what was sealed for one step opens no other.
func TestFlowsAreOfOneKind(t *testing.T) {
	w := newWorld(t)
	rec, r := httptest.NewRecorder(), httptest.NewRequest("GET", home+"/login", nil)
	text, err := w.s.seal(rec, r, "start", flow{ReturnTo: "/account"}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range rec.Result().Cookies() {
		r.AddCookie(c)
	}
	for _, kind := range []string{"second", "password", "passkey", ""} {
		if _, err := w.s.open(httptest.NewRecorder(), r, kind, text); !errors.Is(err, errFlow) {
			t.Errorf("%q: %v", kind, err)
		}
	}
	if _, err := w.s.open(httptest.NewRecorder(), r, "start", text); err != nil {
		t.Error(err)
	}
}

// TestPasskeyThatCountsNoMore: an authenticator that counted and answers with 0
// is a copy without its counter.
func TestPasskeyThatCountsNoMore(t *testing.T) {
	w := newWorld(t)
	w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	a := newAuthenticator(t)
	p.addPasskey(a, "Key")
	w.person().usePasskey(a).wantRedirect("/account")
	a.count = math.MaxUint32 // the next is 0
	q := w.person()
	q.usePasskey(a).want(422, "proof of who you are")
	q.wantNobody()
}

// TestStatesOfProviders: the response of a provider is for the visit that it
// names, to the last letter, and once, though the browser keeps its cookie.
func TestStatesOfProviders(t *testing.T) {
	w, i := federation(t, func(p *Provider) { p.Create = true })
	p := w.person()
	p.get("/login")
	p.get(p.link("/login/with/clinic"))
	to, u := p.head.Get("Location"), must(url.Parse(home+"/login/callback/clinic"))
	kept := p.client.Jar.Cookies(u)
	back := must(url.Parse(i.authorize(to)))
	q := back.Query()
	last := len(q.Get("state")) - 1
	for _, c := range "ab" {
		if byte(c) != q.Get("state")[last] {
			q.Set("state", q.Get("state")[:last]+string(c))
			break
		}
	}
	p.get(back.Path+"?"+q.Encode()).want(400, "run out of time")
	p.wantNobody()

	p.client.Jar.SetCookies(u, kept)
	p.get(i.authorize(to)).wantRedirect("/account")
	p.get("/logout").submit("/logout")
	p.client.Jar.SetCookies(u, kept)
	p.get(i.authorize(to)).want(400, "run out of time")
	p.wantNobody()
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// TestProvidersNameThemselves: of a provider that names itself in its responses, one
// without a name could be another's. RFC 9207 section 2.4
func TestProvidersNameThemselves(t *testing.T) {
	w, i := federation(t, func(p *Provider) { p.Create = true })
	i.mu.Lock()
	i.names = true
	i.mu.Unlock()
	p := w.person()
	p.get("/login")
	p.get(p.link("/login/with/clinic"))
	back := must(url.Parse(i.authorize(p.head.Get("Location"))))
	q := back.Query()
	q.Del("iss")
	p.get(back.Path+"?"+q.Encode()).want(403, "could not be trusted")
	p.wantNobody()
}

// TestLinksAreOfWhoBegan: an account at a provider is linked to nobody where another
// user signed in on the way.
func TestLinksAreOfWhoBegan(t *testing.T) {
	w, i := federation(t, nil)
	grace, ana := w.add("grace"), w.add("ana")
	p := w.person()
	p.signIn("grace", good)
	p.get("/account")
	p.get(p.link("/account/links/clinic"))
	back := i.authorize(p.head.Get("Location"))
	p.get("/logout").submit("/logout")
	p.signIn("ana", good)
	p.get(back).want(400, "run out of time")
	for _, u := range []*User{grace, ana} {
		if f, err := w.s.Directory().Factors(t.Context(), u.ID); err != nil || len(f.Links) > 0 {
			t.Errorf("%s: links %+v, %v", u.Username, f.Links, err)
		}
	}
}
