package server

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/tarnhealth/tarn/rest"
)

// demoPrefix is the path of the sample app of a demo.
const demoPrefix = "/demo"

//go:embed demo
var demoFiles embed.FS

var demoPage = template.Must(template.ParseFS(demoFiles, "demo/app.html"))

// demoPolicy lets the sample app load its own files and call its own server.
const demoPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// mountDemo serves the sample SMART app: one page at /demo/launch and /demo/app,
// the redirect URI, with its script and style.
func mountDemo(mux *http.ServeMux, base string) {
	page := func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		if own, err := url.Parse(base); err == nil && !strings.EqualFold(own.Host, r.Host) {
			// By another name of the server nothing would fit together.
			http.Redirect(w, r, base+r.URL.RequestURI(), http.StatusFound)
			return
		}
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", demoPolicy)
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		_ = demoPage.Execute(w, struct{ Base, Client string }{base + rest.Prefix + DefaultStore + "/r4", demoAppID})
	}
	mux.HandleFunc("GET "+demoPrefix+"/launch", page)
	mux.HandleFunc("GET "+demoPrefix+"/app", page)
	for name, kind := range map[string]string{"app.js": "text/javascript", "app.css": "text/css"} {
		mux.HandleFunc("GET "+demoPrefix+"/"+name, func(w http.ResponseWriter, _ *http.Request) {
			content, _ := demoFiles.ReadFile("demo/" + name) // is embedded
			w.Header().Set("Content-Type", kind+"; charset=utf-8")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write(content)
		})
	}
}

// originOf is the origin of a URL, as browsers send it.
func originOf(base string) (string, bool) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" {
		return "", false
	}
	return u.Scheme + "://" + strings.ToLower(u.Host), true
}
