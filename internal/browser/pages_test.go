package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tarnhealth/tarn/server"
)

// looks are how every page is looked at.
var looks = []struct {
	name          string
	scheme        string
	width, height int64
}{
	{"light", "light", 1280, 900},
	{"dark-phone", "dark", 360, 780},
}

// inspect checks the page that is there against the accessibility rules of
// WCAG 2.2 AA, in light on a desktop and in dark on a phone, and keeps a
// screenshot of both.
func (b *tab) inspect(name string) {
	b.t.Helper()
	axe, err := os.ReadFile(axeScript)
	must(b.t, err)
	b.do(chromedp.Evaluate[chromedp.Void](string(axe)))
	for _, look := range looks {
		b.media(look.scheme)
		b.do(chromedp.EmulateViewport(look.width, look.height))
		for _, problem := range eval[[]string](b, axeRun) {
			b.t.Errorf("%s, %s: %s", name, look.name, problem)
		}
		// WCAG 1.4.10: nothing scrolls sideways.
		if over := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
			b.t.Errorf("%s, %s: %d pixels too wide", name, look.name, over)
		}
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		cancel()
		must(b.t, err)
		must(b.t, keep(name+"-"+look.name, picture))
	}
	b.media("light")
	b.do(chromedp.EmulateViewport(320, 640)) // 1280 pixels at 400 %
	if over := eval[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		b.t.Errorf("%s: %d pixels too wide at 320", name, over)
	}
	b.do(chromedp.EmulateViewport(1280, 900))
}

// axeRun are the violations of a page, a line each.
const axeRun = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) =>
	r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html.slice(0, 200) + " " + n.failureSummary.replace(/\s+/g, " "))))`

// media sets whether the person prefers light or dark.
func (b *tab) media(scheme string) {
	b.t.Helper()
	b.do(func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return none, err
	})
}

// TestSignInPages inspects what people see who sign in.
func TestSignInPages(t *testing.T) {
	needs(t, axeScript)
	w, b := newWorld(t), newTab(t)
	b.authenticator()
	b.open(w.home + "/login")
	b.inspect("sign-in")
	b.fill("username", "doc")
	b.fill("password", "not this")
	b.press("Sign in")
	b.inspect("sign-in-wrong")
	b.press("Español")
	b.says("Contraseña")
	b.inspect("sign-in-spanish")

	b = newTab(t)
	b.enterFirst(w)
	b.fill("password", "short")
	b.fill("again", "shorter")
	b.press("Save password")
	b.inspect("temporary-password")

	b.open(w.home + "/login/no-such-page")
	b.inspect("error")
}

// TestAccountPages inspects what people see who look after their account.
func TestAccountPages(t *testing.T) {
	needs(t, axeScript)
	w, b := newWorld(t), newTab(t)
	b.authenticator()
	b.enter(w, "doc")
	b.press("Add an authenticator app")
	b.inspect("totp")
	b.fill("code", code(t, strings.ReplaceAll(b.texts("code.code")[0], " ", ""), 0))
	b.press("Turn on")
	b.inspect("recovery-codes")
	b.press("Go on")
	b.press("Add a passkey")
	b.inspect("passkey")
	b.fill("name", "Work laptop")
	b.press("Create passkey")
	b.open(w.home + "/account")
	b.says("Work laptop")
	b.inspect("account")
	b.press("Change password")
	b.inspect("change-password")
	b.open(w.home + "/logout")
	b.inspect("sign-out")
	b.press("Sign out")
	b.inspect("signed-out")
	b.enter(w, "doc")
	b.inspect("second-step")
	b.press("Use a recovery code")
	b.inspect("second-step-recovery")
}

// TestLaunchPages inspects what people see on the way into an app.
func TestLaunchPages(t *testing.T) {
	needs(t, fhirClient, axeScript)
	w, b := newWorld(t), newTab(t)
	b.open(w.standalone("visits"))
	b.signIn("doc")
	b.at("/auth/patients")
	b.fill("name", "lee")
	b.press("Search")
	b.inspect("patients")
	b.fill("name", "nobody")
	b.press("Search")
	b.inspect("patients-none")
	b.fill("name", "lee")
	b.press("Search")
	b.press("Choose Ann Lee")
	b.inspect("encounters")
	b.press("Go on without a visit")
	b.inspect("consent-everything")
	b.press("Allow")
	b.ready()
	b.open(w.home + "/auth/apps")
	b.inspect("apps")
	b.press("Revoke access of Visit Notes")
	b.inspect("apps-none")
	b.open(w.home + "/auth/authorize?client_id=unknown")
	b.inspect("launch-error")
	b.open(w.home + "/auth/logout")
	b.inspect("app-sign-out")
}

// TestDemo launches the sample app of the demonstration, with what the server
// prints at its start.
func TestDemo(t *testing.T) {
	needs(t, axeScript)
	if testing.Short() {
		t.Skip("makes 100 patients")
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir()) // where the server saves a profile
	cfg := server.Default()
	cfg.Data, cfg.Demo = t.TempDir(), true
	w, b := startServer(t, cfg), newTab(t)
	text := w.said.String()
	printed := regexp.MustCompile(`demo-patient\s+password (\S+)`).FindStringSubmatch(text)
	if printed == nil || !strings.Contains(text, w.home+"/demo/launch") {
		t.Fatalf("the server prints %s", text)
	}
	b.open(w.home + "/demo/launch")
	b.at("/login")
	b.fill("username", "demo-patient")
	b.fill("password", printed[1])
	b.press("Sign in")
	b.says("Sample SMART app asks for access")
	b.press("Allow")
	b.at("/demo/app")
	b.until(`!document.getElementById("patient").hidden && document.querySelectorAll("#facts dd").length > 1 && document.querySelectorAll("#lists li, #lists tr").length > 2`)
	b.inspect("demo-app")
}

// A focus is where the focus is on a page.
type focus struct {
	What    string // tag, name and value or text
	Outline bool   // whether one can see it
}

// TestConsentByKeyboard goes through the consent page with the keyboard alone,
// unticks a scope, and allows the rest. Clause A15.
func TestConsentByKeyboard(t *testing.T) {
	needs(t, fhirClient, axeScript)
	w, b := newWorld(t), newTab(t)
	b.open(w.standalone("growth"))
	b.signIn("ann")
	b.says("Growth Chart asks for access")
	b.inspect("consent")
	var stops []string
	for range 40 {
		b.do(chromedp.KeyEvent(kb.Tab))
		at := eval[focus](b, `(() => {
			const e = document.activeElement;
			const style = getComputedStyle(e);
			return {What: e.tagName.toLowerCase() + " " + (e.name || "") + " " + (e.value || e.textContent.trim()), Outline: style.outlineStyle != "none" && parseFloat(style.outlineWidth) >= 2};
		})()`)
		if !at.Outline {
			t.Errorf("one cannot see that the focus is on %s", at.What)
		}
		stops = append(stops, at.What)
		if strings.Contains(at.What, "patient/Condition.rs") {
			b.do(chromedp.KeyEvent(" "))
		}
		if strings.HasPrefix(at.What, "button decision allow") {
			break
		}
	}
	if !strings.HasPrefix(stops[0], "a  Skip to content") || !slices.Contains(stops, "input scope patient/Observation.rs") {
		t.Fatalf("the focus went over %s", strings.Join(stops, "; "))
	}
	b.do(chromedp.KeyEvent(kb.Tab))
	if name := eval[string](b, `document.activeElement.value`); name != "deny" {
		t.Errorf("after Allow the focus is on %q", name)
	}
	b.do(chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)))
	b.leave(func() { b.do(chromedp.KeyEvent(kb.Enter)) })
	b.ready()
	if got := b.reply(); strings.Contains(got.Scope, "Condition") || !strings.Contains(got.Scope, "Observation") {
		t.Errorf("the app got %s", got.Scope)
	}
}

// TestPolicies checks that pages run no script of others and are framed by
// nobody: with an app as the attacker. Clause A15.
func TestPolicies(t *testing.T) {
	needs(t, fhirClient)
	w, b := newWorld(t), newTab(t)
	b.open(w.apps + "/growth/bye")
	framed := eval[bool](b, fmt.Sprintf(`new Promise((resolve) => {
		const frame = document.createElement("iframe");
		frame.onload = () => { try { resolve(frame.contentDocument !== null) } catch { resolve(false) } };
		frame.src = %s;
		document.body.append(frame);
	})`, quoted(w.home+"/login")))
	if framed {
		t.Error("the sign-in page can be read in a frame")
	}
	b.open(w.home + "/login")
	if ran := eval[bool](b, `(() => {
		const script = document.createElement("script");
		script.textContent = "window.injected = true";
		document.head.append(script);
		document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.injected = true'>");
		return !!window.injected;
	})()`); ran {
		t.Error("an injected script ran")
	}
	raw, err := json.Marshal(eval[map[string]bool](b, `({storage: Object.keys(localStorage).length == 0, cookie: document.cookie == ""})`))
	must(t, err)
	if string(raw) != `{"cookie":true,"storage":true}` {
		t.Errorf("scripts see what they should not: %s", raw)
	}
}
