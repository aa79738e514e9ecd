package browser

import (
	"encoding/base64"
	"fmt"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/server"
	"github.com/tarnhealth/tarn/server/admin"
)

// newConsole starts a server, signs an administrator in, and opens the console.
func newConsole(t *testing.T) (*world, *tab) {
	t.Helper()
	cfg := server.Default()
	cfg.Data = t.TempDir()
	w, b := startServer(t, cfg), newTab(t)
	a, err := server.OpenAdmin(t.Context(), cfg.Data)
	must(t, err)
	defer a.Close()
	_, err = a.AddUser(t.Context(), admin.NewUser{Name: "Ada Roe", Username: "ada", Password: password, Roles: []string{authz.RoleAdmin, authz.RoleAuditor}})
	must(t, err)
	b.open(w.home + "/console")
	b.signIn("ada")
	b.at("/console")
	return w, b
}

// choose puts a file into the field for files.
func (b *tab) choose(name string, data []byte) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf(`(() => {
		const chosen = new DataTransfer();
		chosen.items.add(new File([Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))], %q));
		document.querySelector("input[type=file]").files = chosen.files;
		return true;
	})()`, base64.StdEncoding.EncodeToString(data), name))
}

// TestConsoleGuides adds a guide, whose title tries to run script, and removes it.
func TestConsoleGuides(t *testing.T) {
	needs(t, axeScript)
	_, b := newConsole(t)
	b.inspect("console-stores")
	b.press("Implementation guides of default")
	b.says("follows no implementation guide yet")
	b.inspect("console-guides-none")

	b.choose("broken.tgz", []byte("no archive"))
	b.press("Upload and add")
	b.says("broken.tgz was not added", "it is not a gzip archive")
	b.inspect("console-guides-refused")

	b.choose("example.tgz", guidetest.Archive(t,
		"package/package.json", `{"name": "example", "version": "1.0.0", "title": "\u003cimg src=x onerror='window.injected = true'>\u003cscript>window.injected = true\u003c/script>", "canonical": "http://example.org/example", "fhirVersions": ["4.0.1"]}`,
		"package/StructureDefinition-p.json", guidetest.Profile("http://example.org/p", "1.0.0", "name")))
	b.press("Upload and add")
	b.says("example.tgz was added", "example@1.0.0", "<script>window.injected = true</script>")
	if eval[bool](b, `!!window.injected || document.querySelectorAll("main img, main script").length > 0`) {
		t.Error("the title of a guide ran as script")
	}
	b.inspect("console-guides")
	b.press("Remove example@1.0.0")
	b.says("The guide was removed.", "follows no implementation guide yet")
	b.lacks("example@1.0.0")
}

// TestConsolePages inspects the other pages.
func TestConsolePages(t *testing.T) {
	needs(t, axeScript)
	w, b := newConsole(t)
	for name, path := range map[string]string{
		"store": "/stores/default", "jobs": "/jobs", "users": "/users", "apps": "/apps", "keys": "/keys", "audit": "/audit",
		"search": "/stores/default/browse?type=Patient", "missing": "/no-such-page",
	} {
		b.open(w.home + "/console" + path)
		b.inspect("console-" + name)
	}
}
