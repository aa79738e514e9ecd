package login

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSignInByPassword(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	for _, name := range []string{"ana", "ANA", "ana@example.org", " Ana@Example.Org "} {
		p := w.person()
		p.get("/login").want(200, "Sign in").submit("/login", "username", name, "password", good).wantRedirect("/account")
		p.wantUser(u.ID, "pwd")
		p.follow().want(200, "Your account").want(200, "Grace ana")
	}
	for _, c := range [][2]string{{"ana", "wrong"}, {"ana", ""}, {"nobody", good}, {"", ""}, {"a\x00b\nc", "x"}, {strings.Repeat("a", 5000), "x"}} {
		p := w.person()
		p.signIn(c[0], c[1]).want(422, "There is a problem").want(422, "The name or the proof")
		p.wantNobody()
	}
}

func TestUnknownUserAndWrongPasswordLookTheSame(t *testing.T) {
	w := newWorld(t)
	w.add("ana")
	w.add("off", func(n *NewUser) { n.Username = "off" })
	off, _ := w.s.Directory().Find(t.Context(), "off")
	if err := w.s.Directory().Disable(t.Context(), off.ID, true); err != nil {
		t.Fatal(err)
	}
	answer := func(p *person) string {
		// What differs for everybody is not part of the answer.
		text := p.body
		for e := range elements(t, p.body) {
			for _, a := range e.Attr {
				if len(a.Value) > 30 {
					text = strings.ReplaceAll(text, a.Value, "…")
				}
			}
		}
		return strings.NewReplacer("ana", "NAME", "off", "NAME", "eve", "NAME").Replace(visible(text))
	}
	var seen []string
	for _, c := range [][2]string{{"ana", "wrong"}, {"eve", "wrong"}, {"off", good}} {
		p := w.person()
		for i := range 12 {
			p.signIn(c[0], c[1])
			seen = append(seen, p.head.Get("Retry-After")+" "+answer(p))
			if i >= 5 && p.status != 429 || i < 5 && p.status != 422 {
				t.Errorf("%s: attempt %d has status %d", c[0], i+1, p.status)
			}
		}
		p.header.Set("Test-Address", "198.51.100.7")
	}
	for i := range 12 {
		if seen[i] != seen[12+i] || seen[i] != seen[24+i] {
			t.Errorf("attempt %d differs:\n%s\n%s\n%s", i+1, seen[i], seen[12+i], seen[24+i])
		}
	}
}

func TestTemporaryPassword(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	temporary, err := w.s.Directory().ResetPassword(t.Context(), u.ID)
	if err != nil {
		t.Fatal(err)
	}
	p := w.person()
	p.signIn("ana", good).want(422, "The name or the proof")
	p.signIn("ana", temporary).wantRedirect("/login/password")
	p.wantNobody()
	p.follow().want(200, "Your password was temporary")
	for _, c := range []struct{ password, again, want string }{
		{"short", "short", "at least 12"},
		{better, "other " + better, "not the same"},
		{temporary, temporary, "the password that you have"},
		{"passwordpassword", "passwordpassword", "among the first"},
		{"ana@example.org", "ana@example.org", "too close to your name"},
		{"a\tlong\tpassword\t", "a\tlong\tpassword\t", "cannot be typed"},
	} {
		p.submit("/login/password", "password", c.password, "again", c.again).want(422, c.want)
		p.wantNobody()
	}
	form, values := p.form("/login/password")
	p.submit("/login/password", "password", better, "again", better).wantRedirect("/account")
	p.wantUser(u.ID, "pwd")
	// The page that changed it does not work a second time.
	values.Set("password", good)
	values.Set("again", good)
	p.do("POST", form, values).want(400, "run out of time")
	w.person().signIn("ana", temporary).want(422, "The name or the proof")
	w.person().signIn("ana", better).wantRedirect("/account")
}

// TestTemporaryPasswordEnds: one that nobody used for a week is none.
func TestTemporaryPasswordEnds(t *testing.T) {
	w := newWorld(t)
	w.add("ana", func(n *NewUser) { n.Temporary = true })
	w.clock.Pass(temporaryTime - 1)
	p := w.person()
	p.signIn("ana", good).wantRedirect("/login/password").follow()
	w.clock.Pass(1)
	w.person().signIn("ana", good).want(422, "The name or the proof")
	p.submit("/login/password", "password", better, "again", better).wantRedirect("/account")
	w.clock.Pass(temporaryTime)
	w.person().signIn("ana", better).wantRedirect("/account")
}

func TestDisabledUser(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	p.signIn("ana", good).wantRedirect("/account")
	if err := w.s.Directory().Disable(t.Context(), u.ID, true); err != nil {
		t.Fatal(err)
	}
	p.wantNobody()
	p.get("/account").wantRedirect("/login")
	p.signIn("ana", good).want(422, "The name or the proof")
	if err := w.s.Directory().Disable(t.Context(), u.ID, false); err != nil {
		t.Fatal(err)
	}
	p.wantNobody() // the old session does not come back
	p.signIn("ana", good).wantRedirect("/account")
}

func TestSessionFixation(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	eve := w.add("eve")
	p := w.person()
	at, _ := url.Parse(home)
	cookie := func() string {
		for _, c := range p.client.Jar.Cookies(at) {
			if c.Name == "__Host-tarn-session" {
				return c.Value
			}
		}
		return ""
	}
	p.signIn("eve", good).wantRedirect("/account")
	planted, old := cookie(), p.wantUser(eve.ID, "pwd")
	p.get("/login").wantRedirect("/account")
	w.signInWith(p, SignInRequest{ReturnTo: "/account", Force: true})
	p.follow().want(200, "confirm that it is you").submit("/login", "username", "ana", "password", good).wantRedirect("/account")
	fresh := p.wantUser(u.ID, "pwd")
	if cookie() == planted || fresh.ID == old.ID {
		t.Error("the session has the id that the browser had before")
	}
	if s, err := w.s.SessionByID(t.Context(), old.ID); s != nil || err != nil {
		t.Errorf("the session before lives on: %v, %v", s, err)
	}
	q := w.person()
	q.client.Jar.SetCookies(at, p.client.Jar.Cookies(at))
	q.wantUser(u.ID, "pwd")
	for _, forged := range []string{fresh.ID, fresh.ID + ".", fresh.ID + ".x", "." + cookie(), strings.Repeat("x", 5000)} {
		c := w.s.pages.Cookie(sessionCookie, forged, 0)
		q.client.Jar.SetCookies(at, append(q.client.Jar.Cookies(at)[:0:0], c))
		q.wantNobody()
	}
}

func TestSessionLimits(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	p.signIn("ana", good).wantRedirect("/account")
	for range 23 { // used every half an hour less a minute
		w.clock.Pass(29 * time.Minute)
		p.wantUser(u.ID, "pwd")
	}
	w.clock.Pass(29 * time.Minute)
	p.wantUser(u.ID, "pwd")
	w.clock.Pass(24*time.Minute + time.Second) // 12 hours since the sign-in
	p.wantNobody()

	p.signIn("ana", good).wantRedirect("/account")
	w.clock.Pass(30 * time.Minute)
	p.wantNobody()
	if list, err := w.s.Sessions(t.Context(), u.ID); err != nil || len(list) != 0 {
		t.Errorf("sessions %v, %v", list, err)
	}
}

func TestSignOut(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p, q := w.person(), w.person()
	p.header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	p.signIn("ana", good)
	q.signIn("ana", good)
	p.get("/account").want(200, "Firefox · Linux")
	p.get("/logout").want(200, "signed in as Grace ana").submit("/logout").wantRedirect("/logout").follow().want(200, "You are signed out")
	p.wantNobody()
	q.wantUser(u.ID, "pwd")
	p.signIn("ana", good)
	if err := w.s.SignOutEverywhere(t.Context(), u.ID); err != nil {
		t.Fatal(err)
	}
	p.wantNobody()
	q.wantNobody()
}

func TestForgedForms(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	p.get("/account")
	other := w.person().get("/login")
	_, foreign := other.form("/login")
	for name, change := range map[string]func(url.Values){
		"no token":          func(v url.Values) { v.Del("csrf") },
		"another browser's": func(v url.Values) { v.Set("csrf", foreign.Get("csrf")) },
		"altered":           func(v url.Values) { v.Set("csrf", v.Get("csrf")+"x") },
	} {
		to, values := p.get("/logout").form("/logout")
		change(values)
		if p.do("POST", to, values); p.status != 403 {
			t.Errorf("%s: status %d", name, p.status)
		}
	}
	to, values := p.get("/logout").form("/logout")
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		p.header.Set(header, value)
		p.do("POST", to, values).want(403, "was not sent from this site")
		p.header.Del(header)
	}
	p.header.Set("Content-Type", "text/plain")
	p.do("POST", to, values).want(415, "could not be read")
	p.header.Del("Content-Type")
	values.Set("filler", strings.Repeat("x", 70<<10))
	p.do("POST", to, values).want(400, "could not be read")
	p.wantUser(u.ID, "pwd")
	for _, path := range []string{"/login/nowhere", "/account/nowhere", "/logout/x"} {
		p.get(path).want(404, "There is no such page")
	}
	p.do("DELETE", "/account", nil).want(405, "There is no such page")
}

func TestReturnTo(t *testing.T) {
	w := newWorld(t)
	w.add("ana")
	for to, ok := range map[string]bool{
		"/auth/continue?id=1&x=%20y": true, "": true, "https://evil.example/": false, "//evil.example": false, "/\\evil.example": false,
		"\\/evil.example": false, "javascript:alert(1)": false, "/a\nb": false, "/" + strings.Repeat("x", 1500): false, "auth": false,
	} {
		p := w.person()
		w.signInWith(p, SignInRequest{ReturnTo: to})
		if !ok {
			p.want(400, "")
			continue
		}
		want := to
		if to == "" {
			want = "/account"
		}
		p.follow().submit("/login", "username", "ana", "password", good).wantRedirect(want)
	}
	p := w.person()
	p.get("/login?flow=AAAA").want(400, "run out of time")
	p.get("/login/second?flow=AAAA").want(400, "run out of time")
	p.get("/login/password").want(400, "run out of time")
}

func TestFlowBelongsToOneBrowser(t *testing.T) {
	w := newWorld(t)
	w.add("ana")
	p, q := w.person(), w.person()
	w.signInWith(p, SignInRequest{ReturnTo: "/auth/continue?id=1"})
	to := p.head.Get("Location")
	q.get("/login")
	q.get(to).want(400, "another browser")
	p.follow()
	w.clock.Pass(61 * time.Minute)
	p.submit("/login", "username", "ana", "password", good).want(400, "run out of time")
	p.wantNobody()
}

func TestMaxAgeAndForce(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	first := p.wantUser(u.ID, "pwd")
	w.clock.Pass(10 * time.Minute)
	w.signInWith(p, SignInRequest{ReturnTo: "/x", MaxAge: 10 * time.Minute})
	p.wantRedirect("/x")
	w.clock.Pass(time.Second)
	w.signInWith(p, SignInRequest{ReturnTo: "/x", MaxAge: 10 * time.Minute})
	p.wantRedirect("/login").follow().want(200, "confirm that it is you")
	p.submit("/login", "password", good).wantRedirect("/x")
	if second := p.wantUser(u.ID, "pwd"); !second.AuthTime.After(first.AuthTime) {
		t.Error("the sign-in has the time of the one before")
	}
	w.signInWith(p, SignInRequest{ReturnTo: "/x", Force: true, Hint: "somebody@example.org"})
	p.wantRedirect("/login").follow().want(200, "confirm that it is you")
	if _, values := p.form("/login"); values.Get("username") != "somebody@example.org" {
		t.Errorf("the hint is not on the page: %v", values)
	}
}

func TestPolicyOfRedirectsAfterTheForm(t *testing.T) {
	w := newWorld(t)
	p := w.person()
	w.signInWith(p, SignInRequest{ReturnTo: "/x", FormAction: []string{
		"https://app.example", "com.example.app:", "https://a.example; script-src *", "javascript:", "*", "https:", "http://[::1]:8080",
	}})
	policy := p.follow().head.Get("Content-Security-Policy")
	if !strings.Contains(policy, "form-action 'self' https://app.example com.example.app: http://[::1]:8080;") {
		t.Errorf("policy: %s", policy)
	}
}

func TestLanguages(t *testing.T) {
	w := newWorld(t)
	p := w.person()
	p.header.Set("Accept-Language", "fr, es-MX;q=0.8, en;q=0.5")
	p.get("/login").want(200, "Iniciar sesión").submit("/login", "username", "x", "password", "y").want(422, "Hay un problema")
	p.get(p.link("/login?")).want(200, "Sign in") // the first choice is English
	p.get("/login").want(200, "Sign in")
	w.signInWith(p, SignInRequest{ReturnTo: "/x", Locales: "fr es"})
	p.follow().want(200, "Iniciar sesión")
}

// TestLogsHoldNoNames signs in and fails to, and looks for what was typed.
func TestLogsHoldNoNames(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p := w.person()
	p.signIn("ana", good)
	w.person().signIn("ana\nlevel=ERROR forged", "wrong password here")
	w.person().signIn("ana@example.org", "wrong password here")
	text := w.log.String()
	for _, secret := range []string{"example.org", "Grace", "forged", good, "wrong password", "192.0.2.1", "=ana"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %q:\n%s", secret, text)
		}
	}
	if !strings.Contains(text, "event=sign-in user="+u.ID) {
		t.Errorf("the log does not tell of the sign-in:\n%s", text)
	}
}

// TestManySessions signs in more often than a user may have sessions.
func TestManySessions(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	first := w.person()
	first.signIn("ana", good)
	var second *person
	for i := range maxSessions {
		p := w.person()
		p.signIn("ana", good).wantRedirect("/account")
		if i == 0 {
			second = p
		}
	}
	first.wantNobody()
	second.wantUser(u.ID, "pwd")
	if list, err := w.s.Sessions(t.Context(), u.ID); err != nil || len(list) != maxSessions {
		t.Errorf("%d sessions, %v", len(list), err)
	}
}

// TestSameWork: whatever is wrong, and where nothing is, one password is
// hashed.
func TestSameWork(t *testing.T) {
	w := newWorld(t)
	w.add("ana")
	w.add("federated", func(n *NewUser) { n.Password = "" })
	off := w.add("off")
	if err := w.s.Directory().Disable(t.Context(), off.ID, true); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"ana", good}, {"ana", "wrong"}, {"nobody", good}, {"federated", ""}, {"federated", good}, {"off", good}, {"off", "wrong"}, {"", ""}, {"\x00", "x"}} {
		before := w.s.directory.hasher.runs.Load()
		w.person().signIn(c[0], c[1])
		if n := w.s.directory.hasher.runs.Load() - before; n != 1 {
			t.Errorf("%q: %d hashes", c, n)
		}
	}
}
