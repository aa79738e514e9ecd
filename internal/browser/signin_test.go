package browser

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp/totp"
)

// enter opens the sign-in page and signs in.
func (b *tab) enter(w *world, user string) {
	b.t.Helper()
	b.open(w.home + "/login")
	b.signIn(user)
}

// enterFirst signs in with the temporary password.
func (b *tab) enterFirst(w *world) {
	b.t.Helper()
	b.open(w.home + "/login")
	b.fill("username", "new")
	b.fill("password", w.first)
	b.press("Sign in")
	b.says("Your password was temporary.")
}

// exit signs out.
func (b *tab) exit(w *world) {
	b.t.Helper()
	b.open(w.home + "/logout")
	b.says("You are signed in as")
	b.press("Sign out") // in the form; the link of the same name is hidden from it
	b.says("You are signed out")
}

// code is what an authenticator app shows for a secret in a time step, counted
// from now. Codes are good once, a step early and a step late.
func code(t *testing.T, secret string, ahead int) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, time.Now().Add(time.Duration(ahead)*30*time.Second))
	must(t, err)
	return code
}

// texts are those of all elements of a selector.
func (b *tab) texts(selector string) []string {
	b.t.Helper()
	return eval[[]string](b, `[...document.querySelectorAll(`+quoted(selector)+`)].map((e) => e.textContent.trim())`)
}

// TestTOTP adds an authenticator app, and signs in with its codes and with a
// recovery code.
func TestTOTP(t *testing.T) {
	needs(t)
	w, b := newWorld(t), newTab(t)
	b.enter(w, "doc")
	b.press("Add an authenticator app")
	secret := strings.ReplaceAll(b.texts("code.code")[0], " ", "")
	if !eval[bool](b, `document.querySelector("img.qr").naturalWidth > 100`) {
		t.Error("the QR code is not shown")
	}
	b.fill("code", "000000")
	b.press("Turn on")
	b.says("This code is not right.")
	b.fill("code", code(t, secret, 0))
	b.press("Turn on")
	b.says("Your authenticator app is asked for from now on.")
	codes := b.texts("ul.codes li")
	if len(codes) < 8 {
		t.Fatalf("recovery codes: %v", codes)
	}
	b.press("Go on")
	b.at("/account")
	b.exit(w)

	b.enter(w, "doc")
	b.says("Second step")
	b.open(w.home + "/account") // a password alone is not enough
	b.at("/login")
	b.signIn("doc")
	good := code(t, secret, 1)
	b.fill("code", good)
	b.press("Continue")
	b.at("/account")
	b.exit(w)

	b.enter(w, "doc")
	b.fill("code", good)
	b.press("Continue")
	b.says("This code is not right, or was used before.")
	b.press("Use a recovery code")
	b.fill("recovery", codes[0])
	b.press("Continue")
	b.at("/account")
	b.exit(w)
	b.enter(w, "doc")
	b.press("Use a recovery code")
	b.fill("recovery", codes[0])
	b.press("Continue")
	b.says("This code is not right, or was used before.")
}

// authenticator gives the page a device that keeps passkeys and knows its
// owner, and returns what takes it away.
func (b *tab) authenticator() (remove func()) {
	b.t.Helper()
	var id webauthn.AuthenticatorID
	yes := true
	b.do(func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
		if _, err := cdp.Call(ctx, target, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return none, err
		}
		added, err := cdp.Call(ctx, target, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
			Options: &webauthn.VirtualAuthenticatorOptions{
				Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
				HasResidentKey: yes, HasUserVerification: yes, IsUserVerified: yes, AutomaticPresenceSimulation: yes,
			},
		})
		id = added.AuthenticatorID
		return none, err
	})
	return func() {
		b.do(func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
			_, err = cdp.Call(ctx, target, webauthn.RemoveVirtualAuthenticator, webauthn.RemoveVirtualAuthenticatorParams{AuthenticatorID: id})
			return none, err
		})
	}
}

// TestPasskey adds a passkey, and signs in with it alone and after the
// password.
func TestPasskey(t *testing.T) {
	needs(t)
	w, b := newWorld(t), newTab(t)
	remove := b.authenticator()
	b.enter(w, "doc")
	b.press("Add a passkey")
	b.fill("name", "Work laptop")
	b.press("Create passkey")
	b.says("Your passkey is ready.")
	b.press("Go on")
	b.says("Passkey “Work laptop”")
	b.exit(w)

	b.open(w.home + "/login")
	b.press("Use a passkey")
	b.at("/account")
	b.says("Dr. Jane Roe")
	b.exit(w)

	b.enter(w, "doc") // with the password
	b.says("Second step", "Confirm with your passkey or security key.")
	b.press("Use a passkey")
	b.at("/account")
	b.exit(w)

	remove()
	b.authenticator() // another device, without this passkey
	b.open(w.home + "/login")
	b.click("Use a passkey")
	b.says("The passkey was not used.")
}

// TestTemporaryPassword makes a person choose a password of their own.
func TestTemporaryPassword(t *testing.T) {
	needs(t)
	w, b := newWorld(t), newTab(t)
	b.enterFirst(w)
	change := func(first, again string) {
		b.fill("password", first)
		b.fill("again", again)
		b.press("Save password")
	}
	change(w.first, w.first)
	b.says("This is the password that you have.")
	change("seven quiet herons wade", "seven quiet herons")
	b.says("The two passwords are not the same.")
	if field := eval[string](b, `document.activeElement.name || document.activeElement.tagName`); field == "" {
		t.Error("nothing has the focus")
	}
	change("seven quiet herons wade", "seven quiet herons wade")
	b.at("/account")
	b.exit(w)
	b.enter(w, "new") // with another password
	b.says("The name or the proof of who you are is not right.")
}

// TestSignOut ends sessions, in this browser and from another.
func TestSignOut(t *testing.T) {
	needs(t)
	w, b, other := newWorld(t), newTab(t), newTab(t)
	b.enter(w, "ann")
	b.says("Your account")
	other.enter(w, "ann")
	other.says("Your account")
	b.press("Sign out everywhere else")
	other.open(w.home + "/account")
	other.at("/login")
	b.open(w.home + "/account")
	b.at("/account")
	b.exit(w)
	b.leave(func() { b.do(chromedp.Evaluate[chromedp.Void](`history.go(-2)`)) })
	b.at("/login") // for the browser kept nothing of the account
	b.open(w.home + "/account")
	b.at("/login")
}
