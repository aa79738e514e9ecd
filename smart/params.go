package smart

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of what is taken from a request, in bytes.
const (
	maxForm  = 256 << 10
	maxQuery = 32 << 10
	maxScope = 16 << 10
	maxParam = 4 << 10
	maxJWT   = 16 << 10
)

// longParams may be longer than maxParam.
var longParams = map[string]int{
	"scope": maxScope, "client_assertion": maxJWT, "id_token_hint": maxJWT, "token": maxJWT, "refresh_token": maxJWT,
}

// params are the parameters of one OAuth request: each occurs once, and an
// empty one counts as absent. RFC 6749 section 3.1
type params map[string]string

// readForm reads the parameters of a POST that must be a form.
func readForm(w http.ResponseWriter, r *http.Request) (params, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return nil, &oauthError{code: codeInvalidRequest, description: "use POST", status: http.StatusMethodNotAllowed}
	}
	if r.URL.RawQuery != "" {
		return nil, refuse(codeInvalidRequest, "parameters belong into the body of the request, not into its URL")
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		return nil, refuse(codeInvalidRequest, "the Content-Type must be application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, formError(err)
	}
	return newParams(r.PostForm)
}

func formError(err error) *oauthError {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &oauthError{code: codeInvalidRequest, description: "the request is too large", status: http.StatusRequestEntityTooLarge}
	}
	return refuse(codeInvalidRequest, "the form is not encoded correctly")
}

// newParams checks and flattens form values. What was understood is returned
// beside the error, for the caller may need to know where the error goes.
// "resource" may be repeated by RFC 8707; one data store is one resource, so
// it may not here.
func newParams(form url.Values) (params, error) {
	p := params{}
	var first error
	for name, values := range form {
		values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
		if len(values) == 0 {
			continue
		}
		p[name] = values[0]
		if err := checkParam(name, values); err != nil {
			first = err
			delete(p, name)
		}
	}
	return p, first
}

func checkParam(name string, values []string) error {
	most := longParams[name]
	if most == 0 {
		most = maxParam
	}
	code := codeInvalidRequest
	if name == "scope" {
		code = codeInvalidScope
	}
	switch {
	case hasControl(name) || !utf8.ValidString(name):
		return refuse(codeInvalidRequest, "a parameter's name holds control characters")
	case len(values) > 1:
		return refuse(codeInvalidRequest, "%s is given more than once", name)
	case len(values[0]) > most:
		return refuse(code, "%s is longer than %d bytes", name, most)
	case hasControl(values[0]) || !utf8.ValidString(values[0]):
		return refuse(code, "%s holds control characters", name)
	}
	return nil
}

// withQuery adds parameters to a redirect URI, which may have a query of its
// own. RFC 6749 section 3.1.2
func withQuery(uri string, add url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	return uri + separator + add.Encode()
}

// hasControl reports whether a text holds what has no place in a URI or a
// parameter: control characters.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f || r == '\uFFFD' })
}
