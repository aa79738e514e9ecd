package page

import (
	"net/http"
	"regexp"
	"strings"
)

// headers are those of every page: nothing is loaded but what the page names,
// nobody frames it, nothing keeps it.
func (s *Set) headers(w http.ResponseWriter, v *view) {
	policy := []string{
		"default-src 'none'",
		"style-src 'nonce-" + v.Nonce + "'",
		"img-src 'self' data:",
		"form-action " + strings.Join(append([]string{"'self'"}, v.formAction...), " "),
		"frame-ancestors 'none'",
		"base-uri 'none'",
	}
	if len(v.Scripts) > 0 {
		policy = append(policy, "script-src 'nonce-"+v.Nonce+"'")
	}
	if v.connect {
		policy = append(policy, "connect-src 'self'")
	}
	h := w.Header()
	h.Set("Content-Security-Policy", strings.Join(policy, "; "))
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // not no-referrer: forms would have the Origin "null"
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), publickey-credentials-create=(self), publickey-credentials-get=(self)")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Language", v.Lang)
	h.Add("Vary", "Accept-Language, Cookie")
	if s.Secure() {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// source is an origin or a scheme, with nothing that could end a directive.
var source = regexp.MustCompile(`^(https?://[A-Za-z0-9.-]+(:[0-9]+)?|https?://\[[0-9A-Fa-f:]+\](:[0-9]+)?|[A-Za-z][A-Za-z0-9+.-]*:)$`)

// dangerous are schemes that a form must never lead to.
var dangerous = []string{"javascript:", "data:", "vbscript:", "blob:", "file:", "http:", "https:"}

func policySource(text string) bool {
	for _, scheme := range dangerous {
		if strings.EqualFold(text, scheme) {
			return false
		}
	}
	return source.MatchString(text)
}
