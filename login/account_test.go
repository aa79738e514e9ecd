package login

import (
	"testing"
	"time"
)

func TestAccountNeedsSignIn(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	pages := []string{"/account", "/account/password", "/account/totp", "/account/passkeys"}
	posts := []string{
		"/account/password", "/account/totp", "/account/totp/remove", "/account/recovery", "/account/passkeys",
		"/account/passkeys/remove", "/account/links/remove", "/account/sessions/end", "/account/sessions/end-rest",
	}
	p := w.person()
	p.get("/login")
	_, values := p.form("/login")
	for _, path := range posts {
		p.do("POST", path, values).wantRedirect("/login")
	}
	for _, path := range pages {
		p.get(path).wantRedirect("/login")
		w.person().get(path).follow().submit("/login", "username", "ana", "password", good).wantRedirect(path)
	}
	// What proves who somebody is changes only soon after they proved it.
	p.signIn("ana", good)
	w.clock.Pass(freshTime + time.Second)
	p.get("/account").want(200, "Your account")
	for _, path := range pages[1:] {
		p.get(path).wantRedirect("/login")
	}
	for _, path := range posts[:7] {
		p.do("POST", path, values).wantRedirect("/login")
	}
	p.get("/account/totp").follow().want(200, "confirm that it is you").submit("/login", "password", good).wantRedirect("/account/totp").follow().want(200, "Scan")
	p.wantUser(u.ID, "pwd")
}

func TestChangePassword(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	p, q := w.person(), w.person()
	p.signIn("ana", good)
	q.signIn("ana", good)
	p.get("/account/password").want(200, "Current password")
	p.submit("/account/password", "current", "wrong", "password", better, "again", better).want(422, "not your current password")
	p.submit("/account/password", "current", good, "password", better, "again", "x").want(422, "not the same")
	p.submit("/account/password", "current", good, "password", "short", "again", "short").want(422, "at least 12")
	p.submit("/account/password", "current", good, "password", good, "again", good).want(422, "the password that you have")
	p.submit("/account/password", "current", good, "password", better, "again", better).want(200, "Your password is changed")
	p.wantUser(u.ID, "pwd")
	q.wantNobody()
	w.person().signIn("ana", good).want(422, "")
	w.person().signIn("ana", better).wantRedirect("/account")
	// Guessing the current one is limited like signing in.
	for range 5 {
		p.get("/account/password").submit("/account/password", "current", "guess", "password", good, "again", good)
	}
	p.want(422, "not your current").get("/account/password").submit("/account/password", "current", better, "password", good, "again", good).want(429, "Too many attempts")
}

func TestSessionsInAccount(t *testing.T) {
	w := newWorld(t)
	u := w.add("ana")
	eve := w.add("eve")
	p, phone, tablet, other := w.person(), w.person(), w.person(), w.person()
	phone.header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1")
	tablet.header.Set("User-Agent", "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36")
	for _, x := range []*person{p, phone, tablet} {
		x.signIn("ana", good)
	}
	other.signIn("eve", good)
	p.get("/account").want(200, "Safari · iPhone").want(200, "Chrome · Android").want(200, "this browser")
	p.submit("/account/sessions/end", "session", other.wantUser(eve.ID, "pwd").ID).wantRedirect("/account")
	other.wantUser(eve.ID, "pwd") // not hers to end
	p.follow().submit("/account/sessions/end", "session", phone.wantUser(u.ID, "pwd").ID).wantRedirect("/account")
	phone.wantNobody()
	tablet.wantUser(u.ID, "pwd")
	p.follow().submit("/account/sessions/end-rest").wantRedirect("/account")
	tablet.wantNobody()
	mine := p.wantUser(u.ID, "pwd")
	p.follow().submit("/account/sessions/end", "session", mine.ID).wantRedirect("/logout")
	p.wantNobody()
	if list, err := w.s.Sessions(t.Context(), u.ID); err != nil || len(list) != 0 {
		t.Errorf("sessions left: %v, %v", list, err)
	}
}

// TestAccountInSpanish renders each page in the other language.
func TestAccountInSpanish(t *testing.T) {
	w := newWorld(t)
	w.add("ana")
	p := w.person()
	p.header.Set("Accept-Language", "es")
	p.signIn("ana", good).follow().want(200, "Su cuenta")
	p.get("/account/totp").want(200, "Escanee la imagen")
	p.get("/account/passkeys").want(200, "Añadir una llave de acceso")
	p.get("/account/password").want(200, "Contraseña actual")
	p.get("/logout").want(200, "Cerrar sesión").submit("/logout").follow().want(200, "Ha cerrado la sesión")
	p.get("/account/none").want(404, "No ha funcionado")
}
