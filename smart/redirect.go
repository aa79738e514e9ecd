package smart

import (
	"net/url"
	"strings"
)

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
