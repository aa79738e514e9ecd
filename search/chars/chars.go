// Package chars owns text as search compares it: folded texts, texts cut to a
// length, and the escapes of query values.
package chars

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/text/unicode/norm"
)

// AppendFolded appends text as string search compares it: without accents, in
// lower case, runs of white space as one space and none at the ends.
// http://hl7.org/fhir/R4/search.html#string
func AppendFolded(dst, text []byte) []byte {
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

// AppendLower appends text in lower case.
func AppendLower(dst, text []byte) []byte {
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

// Cut is the length of the longest prefix of at most max bytes that does
// not end inside a character.
func Cut(text []byte, max int) int {
	if len(text) <= max {
		return len(text)
	}
	for max > 0 && !utf8.RuneStart(text[max]) {
		max--
	}
	return max
}

// AppendCapped appends text and a zero byte. A text longer than max bytes is
// cut there and a hash of all of it put after the cut, so that it still equals
// itself only.
func AppendCapped(dst, text []byte, max int) []byte {
	if len(text) > max {
		dst = append(dst, text[:Cut(text, max)]...)
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

// Split cuts a query value at each sep that is not escaped by a backslash. The
// parts keep their escapes. http://hl7.org/fhir/R4/search.html#escaping
func Split(value string, sep byte) []string {
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

// Unescape undoes \, \$ \| and \\. Any other backslash stands for itself.
func Unescape(value string) string {
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
