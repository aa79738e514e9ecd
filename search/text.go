package search

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/tarnhealth/tarn/fhir"
)

// textOf is the text of a primitive without a copy, except where the source
// has escapes in it.
func textOf(n fhir.Node) []byte {
	if !n.HasValue() {
		return nil
	}
	raw := n.Raw()
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	return []byte(n.Text())
}

// childText is textOf of the first child with a name.
func childText(n fhir.Node, name string) []byte { return textOf(n.Child(name)) }

// appendFolded appends text as string search compares it: without accents, in
// lower case, runs of white space as one space and none at the ends.
// http://hl7.org/fhir/R4/search.html#string
func appendFolded(dst, text []byte) []byte {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return appendFoldedSlow(dst, text)
		}
	}
	start, space := len(dst), false
	for _, c := range text {
		switch {
		case c == ' ' || c >= '\t' && c <= '\r':
			space = len(dst) > start
			continue
		case c < ' ':
			continue // FHIR allows no other control characters; keys must not hold them
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		}
		if space {
			dst, space = append(dst, ' '), false
		}
		dst = append(dst, c)
	}
	return dst
}

func appendFoldedSlow(dst, text []byte) []byte {
	start, space := len(dst), false
	var it norm.Iter
	it.Init(norm.NFD, text)
	for !it.Done() {
		for seg := it.Next(); len(seg) > 0; {
			r, n := utf8.DecodeRune(seg)
			seg = seg[n:]
			switch {
			case unicode.IsSpace(r):
				space = len(dst) > start
				continue
			case r < ' ' || unicode.Is(unicode.Mn, r):
				continue
			}
			if space {
				dst, space = append(dst, ' '), false
			}
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		}
	}
	return dst
}

// appendLower appends text in lower case.
func appendLower(dst, text []byte) []byte {
	for i, c := range text {
		if c >= utf8.RuneSelf {
			return append(dst, bytes.ToLower(text[i:])...)
		}
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// runeCut is the length of the longest prefix of at most max bytes that does
// not end inside a character.
func runeCut(text []byte, max int) int {
	if len(text) <= max {
		return len(text)
	}
	for max > 0 && !utf8.RuneStart(text[max]) {
		max--
	}
	return max
}

// appendCapped appends text and a zero byte. A text longer than max bytes is
// cut there and a hash of all of it put after the cut, so that it still equals
// itself only.
func appendCapped(dst, text []byte, max int) []byte {
	if len(text) > max {
		dst = append(dst, text[:runeCut(text, max)]...)
		dst = append(dst, 1)
		const digits = "0123456789abcdef"
		for h, i := xxhash.Sum64(text), 60; i >= 0; i -= 4 {
			dst = append(dst, digits[h>>i&15])
		}
	} else {
		dst = append(dst, text...)
	}
	return append(dst, 0)
}

// hashSize is the length of what appendHash appends.
const hashSize = 8

// appendHash appends the hash of a code system's URI: zero for none.
func appendHash(dst []byte, hash uint64) []byte { return binary.BigEndian.AppendUint64(dst, hash) }

// hashSystem is the hash of a code system's URI, and 0 for none.
func hashSystem(system []byte) uint64 {
	if len(system) == 0 {
		return 0
	}
	return max(xxhash.Sum64(system), 1)
}

// split cuts a query value at each sep that is not escaped by a backslash. The
// parts keep their escapes. http://hl7.org/fhir/R4/search.html#escaping
func split(value string, sep byte) []string {
	if strings.IndexByte(value, sep) < 0 {
		return []string{value}
	}
	var parts []string
	start := 0
	for i := 0; i < len(value); i++ {
		switch value[i] {
		case '\\':
			i++
		case sep:
			parts = append(parts, value[start:i])
			start = i + 1
		}
	}
	return append(parts, value[start:])
}

// unescape undoes \, \$ \| and \\. Any other backslash stands for itself.
func unescape(value string) string {
	if strings.IndexByte(value, '\\') < 0 {
		return value
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		if value[i] == '\\' && i+1 < len(value) && strings.IndexByte(`,$|\`, value[i+1]) >= 0 {
			i++
		}
		b.WriteByte(value[i])
	}
	return b.String()
}
