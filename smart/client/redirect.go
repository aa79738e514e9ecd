package client

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/tarnhealth/tarn/fhir"
)

// checkRedirectURI says what is wrong with a redirect URI that a client wants
// to register, nil if nothing. RFC 6749 section 3.1.2, RFC 8252 section 7
func checkRedirectURI(uri string, public bool) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "" || hasControl(uri):
		return fhir.Errorf(fhir.KindInvalid, "the redirect URI %q is not an absolute URI", uri)
	case strings.Contains(uri, "#"):
		return fhir.Errorf(fhir.KindInvalid, "the redirect URI %q has a fragment, which RFC 6749 does not allow", uri)
	case strings.Contains(uri, "*"):
		return fhir.Errorf(fhir.KindInvalid, "the redirect URI %q has a wildcard; name every redirect URI in full", uri)
	case u.User != nil:
		return fhir.Errorf(fhir.KindInvalid, "the redirect URI %q has user information", uri)
	case u.Scheme == "https" && u.Host != "":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	case strings.Contains(u.Scheme, ".") && public:
		return nil // a private-use scheme, com.example.app:/callback
	}
	return fhir.Errorf(fhir.KindInvalid, "the redirect URI %q is not allowed: use https, http on a loopback address, or for a public client a private-use scheme such as com.example.app", uri)
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// MayRedirect reports whether a client registered a redirect URI: the same
// text, or for a public client on a loopback address one that differs in
// nothing but the port. RFC 8252 section 7.3
func (c *Client) MayRedirect(uri string) bool {
	if hasControl(uri) {
		return false
	}
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	return c.Type == Public && slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		return sameButPort(registered, uri)
	})
}

// sameButPort reports whether two http URIs on the same loopback IP address
// differ in their port alone. Names, localhost among them, may resolve to
// other machines, and are compared as they are.
func sameButPort(registered, uri string) bool {
	a, errA := url.Parse(registered)
	b, errB := url.Parse(uri)
	if errA != nil || errB != nil || a.Scheme != "http" || b.Scheme != "http" || a.Hostname() != b.Hostname() {
		return false
	}
	ip, err := netip.ParseAddr(a.Hostname())
	if err != nil || !ip.IsLoopback() {
		return false
	}
	return withoutPort(a, registered) == withoutPort(b, uri)
}

// withoutPort cuts the port out of a URI's text, where the rest stays as it is.
func withoutPort(u *url.URL, text string) string {
	host, ok := strings.CutSuffix(u.Host, ":"+u.Port())
	if !ok {
		return text
	}
	return strings.Replace(text, u.Host, host, 1)
}

// MayRemember reports whether consent for a client may be remembered. Of a
// public client nobody knows that it is itself, unless its answers go to a web
// address that it owns. RFC 8252 section 8.6
func (c *Client) MayRemember(redirectURI string) bool {
	return c.Type != Public || strings.HasPrefix(redirectURI, "https://")
}

// ShowsLogo reports whether the client's logo is one that pages show.
func (c *Client) ShowsLogo() bool { return validLogo.MatchString(c.LogoURL) }

// hasControl reports whether a text holds what has no place in a URI or a name:
// control characters, and those that turn the text around them, by which a name
// could show something else on the consent page.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp) || r == '\uFFFD'
	})
}
