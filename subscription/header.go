package subscription

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// hidden stands for the value of a header in a Subscription that is stored.
const hidden = "********"

// Bounds of the headers of one channel.
const (
	maxHeaders     = 20
	maxHeaderBytes = 8 << 10
)

// ownHeaders are those of the connection and of the body: the server's matter.
var ownHeaders = []string{
	"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive", "Proxy-Authenticate",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent", "X-Request-Id",
}

// cutHeader takes a header apart.
func cutHeader(text string) (name, value string, ok bool) {
	name, value, ok = strings.Cut(text, ":")
	return strings.TrimSpace(name), strings.TrimSpace(value), ok
}

// checkHeader says what is wrong with a header, "" for nothing.
func checkHeader(text string) string {
	name, value, ok := cutHeader(text)
	switch {
	case !ok || !isToken(name):
		return `a header is written as in HTTP: "Authorization: Bearer …"`
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
		return "the value of the header has characters that HTTP does not allow"
	case slices.ContainsFunc(ownHeaders, func(own string) bool { return strings.EqualFold(own, name) }):
		return fmt.Sprintf("the header %s is set by the server", name)
	}
	return ""
}

// isToken reports whether a text can name a header.
// https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
func isToken(text string) bool {
	const marks = "!#$%&'*+-.^_`|~"
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		return !letter && !strings.ContainsRune(marks, r)
	})
}

// mask is a header without its value.
func mask(header string) string {
	name, _, _ := cutHeader(header)
	return name + ": " + hidden
}

// isMasked reports whether a header is what mask makes.
func isMasked(header string) bool {
	_, value, _ := cutHeader(header)
	return value == hidden
}

// masked is a Subscription whose headers have no values; nil where none had any.
func masked(root fhir.Node) []byte {
	var edits []fhir.Edit
	for h := range root.Child("channel").Each("header") {
		if !h.HasValue() || isMasked(h.Text()) {
			continue
		}
		from, to := h.Span()
		quoted := fhir.AppendString(nil, mask(h.Text()))
		edits = append(edits, fhir.Edit{Start: from, End: to, Text: string(quoted[1 : len(quoted)-1])})
	}
	if edits == nil {
		return nil
	}
	return fhir.Rewrite(root, edits).Source
}

// unmask puts back the values that headers had in the version before. bad is the
// place of one whose value is not known, -1 for none.
func unmask(headers, before []string) (whole []string, bad int) {
	left := slices.Clone(before)
	for i, h := range headers {
		if !isMasked(h) {
			whole = append(whole, h)
			continue
		}
		name, _, _ := cutHeader(h)
		at := slices.IndexFunc(left, func(b string) bool { known, _, _ := cutHeader(b); return strings.EqualFold(known, name) })
		if at < 0 {
			return nil, i
		}
		whole = append(whole, left[at])
		left = slices.Delete(left, at, at+1)
	}
	return whole, -1
}
