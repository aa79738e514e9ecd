package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

const (
	fhirClient  = "node_modules/fhir-client.js"
	axeScript   = "node_modules/axe-core/axe.min.js"
	screenshots = "screenshots"
	// patience is how long a page may take on a busy machine; tests fail after
	// it.
	patience = 3 * time.Minute
	// glance is how often a page is looked at that is waited for.
	glance = 10 * time.Millisecond
)

// needs skips a test where setup.sh did not run.
func needs(t *testing.T, files ...string) {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("chromium is absent: run internal/browser/setup.sh")
	}
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			t.Skipf("%s is absent: run internal/browser/setup.sh", file)
		}
	}
}

// chromium starts the one browser of all tests.
var chromium = sync.OnceValues(func() (context.Context, error) {
	dir, err := os.MkdirTemp("", "tarn-chromium")
	if err != nil {
		return nil, err
	}
	ctx, end := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(dir),
		chromedp.WindowSize(1280, 900), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en-US"), chromedp.WSURLReadTimeout(patience),
	)...)
	ctx, close := chromedp.NewContext(ctx)
	stop = func() {
		close()
		end()
		_ = os.RemoveAll(dir)
	}
	return ctx, chromedp.Do(ctx)
})

// stop ends the browser.
var stop = func() {}

func TestMain(m *testing.M) {
	code := m.Run()
	stop()
	os.Exit(code)
}

// A tab is a page of a browser with cookies of its own.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// newTab opens an empty page that is closed with the test.
func newTab(t *testing.T) *tab {
	t.Helper()
	parent, err := chromium()
	must(t, err)
	ctx, end := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	must(t, chromedp.Do(ctx)) // without a time limit, which would be the page's
	b := &tab{t, ctx}
	t.Cleanup(b.autopsy)
	b.do(chromedp.EmulateViewport(1280, 900))
	return b
}

// autopsy keeps what the page of a failed test looked like.
func (b *tab) autopsy() {
	if !b.t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if where, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`)); err == nil {
		b.t.Logf("the page was %s", where)
	}
	if picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100)); err == nil {
		_ = keep("failed-"+strings.ReplaceAll(b.t.Name(), "/", "-"), picture)
	}
}

// keep stores a picture among the screenshots.
func keep(name string, picture []byte) error {
	if err := os.MkdirAll(screenshots, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(screenshots, name+".png"), picture, 0o644)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// open goes to an address.
func (b *tab) open(address string) {
	b.t.Helper()
	b.do(chromedp.Navigate(address))
}

// eval is the value of an expression or promise in the page.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
	return value
}

// until waits for an expression to be true, over as many pages as it takes.
func (b *tab) until(script string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	look := time.NewTicker(glance)
	defer look.Stop()
	for {
		// An error is a page that is just being left.
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+script+")"))
		if ok && err == nil {
			return
		}
		select {
		case <-ctx.Done():
			b.t.Fatalf("never came true: %s (%v)", script, err)
		case <-look.C:
		}
	}
}

// at waits for a page of the path, with nothing left to load.
func (b *tab) at(path string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`document.readyState == "complete" && location.pathname == %q`, path))
}

// says waits for a page to show a text.
func (b *tab) says(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		b.until(fmt.Sprintf(`document.readyState == "complete" && document.body.innerText.includes(%s)`, quoted(text)))
	}
}

// lacks wants a text not to be on the page that is there.
func (b *tab) lacks(texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		if eval[bool](b, fmt.Sprintf(`document.body.innerText.includes(%s)`, quoted(text))) {
			b.t.Errorf("the page shows %q", text)
		}
	}
}

// fill types into the field with a name, in place of what is there.
func (b *tab) fill(name, value string) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf(`(() => { const field = document.querySelector("input[name=%s]"); field.focus(); field.select(); return true })()`, name))
	b.do(func(ctx context.Context, target *chromedp.Target) (none chromedp.Void, err error) {
		_, err = cdp.Call(ctx, target, input.InsertText, input.InsertTextParams{Text: value})
		return none, err
	})
}

// press clicks what has a text or name for screen readers, and waits for the
// next page.
func (b *tab) press(text string) {
	b.t.Helper()
	b.leave(func() { b.click(text) })
}

// leave waits until another page has replaced the one that was there.
func (b *tab) leave(by func()) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](`window.left = true`))
	by()
	b.until(`document.readyState == "complete" && !window.left`)
}

// click clicks what has a text or name for screen readers.
func (b *tab) click(text string) {
	b.t.Helper()
	at := eval[[]float64](b, fmt.Sprintf(`(() => {
		const named = (e) => e.innerText.trim() == %[1]s || e.getAttribute("aria-label") == %[1]s;
		const found = [...document.querySelectorAll("button, a, summary, label")].filter((e) => e.checkVisibility() && named(e));
		if (found.length != 1) return [];
		found[0].scrollIntoView({block: "center", behavior: "instant"});
		const at = found[0].getBoundingClientRect();
		return [at.x + at.width / 2, at.y + at.height / 2];
	})()`, quoted(text)))
	if len(at) != 2 {
		b.t.Fatalf("there is not one %q to click", text)
	}
	b.do(chromedp.MouseClickXY(at[0], at[1]))
}

// toggle clicks the checkbox with a value.
func (b *tab) toggle(value string) {
	b.t.Helper()
	if !eval[bool](b, fmt.Sprintf(`(() => {
		const box = document.querySelector('input[type=checkbox][value=' + CSS.escape(%[1]s) + ']');
		const before = box.checked;
		box.click();
		return box.checked != before;
	})()`, quoted(value))) {
		b.t.Fatalf("%s cannot be ticked or unticked", value)
	}
}

// ready waits for an app to have its tokens.
func (b *tab) ready() {
	b.t.Helper()
	b.until(`document.body.dataset.state && document.body.dataset.state != "busy"`)
	if state := eval[string](b, `document.body.dataset.state`); state != "ready" {
		b.t.Fatalf("the app is %s: %s", state, eval[string](b, `document.getElementById("message").textContent`))
	}
}

// refused waits for an app to say that it got no tokens, and returns why.
func (b *tab) refused() string {
	b.t.Helper()
	b.until(`document.body.dataset.state == "failed"`)
	return eval[string](b, `document.getElementById("message").textContent`)
}

// signIn signs in on the page that is there.
func (b *tab) signIn(user string) {
	b.t.Helper()
	b.at("/login")
	b.fill("username", user)
	b.fill("password", password)
	b.press("Sign in")
}

func quoted(text string) string {
	raw, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(raw)
}
