// Package fulltext owns words: how texts and narratives fall into words, the
// syntax of a query for them, whether a document has what a query asks for,
// and how relevant it is.
//
// A word is a run of letters and digits, without case and accents. Each
// character of a script that is written without spaces (Han, Hiragana,
// Katakana, Thai, Lao, Khmer, Myanmar) is a word by itself, so that a longer
// text in it is looked for as a phrase.
//
// It leaves to others: which parts of a resource are its text, and indexes
// (search).
package fulltext

import (
	"bytes"
	"html"
	"unicode"
	"unicode/utf8"

	"github.com/tarnhealth/tarn/search/chars"
)

// MaxWord is the length in bytes that words are cut to; longer ones that begin
// alike are the same word.
const MaxWord = 64

// Words calls f with each word of a text, in order. The bytes are good until f
// returns.
func Words(text []byte, f func(word []byte)) {
	var buffer [2 * MaxWord]byte
	for len(text) > 0 {
		n, one := wordLength(text)
		if n == 0 {
			_, size := utf8.DecodeRune(text)
			text = text[size:]
			continue
		}
		// Folding may leave nothing of a character that counts as a letter.
		if w := chars.AppendFolded(buffer[:0], text[:n]); len(w) > 0 {
			if !one && len(w) > MaxWord {
				w = w[:chars.Cut(w, MaxWord)]
			}
			f(w)
		}
		text = text[n:]
	}
}

// wordLength is the length of the word that a text begins with; one is set
// where it is a single character.
func wordLength(text []byte) (n int, one bool) {
	for n < len(text) {
		if c := text[n]; c < utf8.RuneSelf {
			if c|0x20 < 'a' || c|0x20 > 'z' {
				if c < '0' || c > '9' {
					return n, false
				}
			}
			n++
			continue
		}
		r, size := utf8.DecodeRune(text[n:])
		switch {
		case unicode.In(r, unspaced...):
			if n == 0 {
				return size, true
			}
			return n, false
		case unicode.IsLetter(r) || unicode.IsDigit(r) || n > 0 && unicode.IsMark(r):
			n += size
		default:
			return n, false
		}
	}
	return n, false
}

var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// inline are the XHTML elements inside which a word may go on.
var inline = map[string]bool{
	"a": true, "abbr": true, "acronym": true, "b": true, "big": true, "em": true, "font": true, "i": true, "q": true,
	"small": true, "span": true, "strong": true, "sub": true, "sup": true, "tt": true, "u": true,
}

// Narrative is the text of a narrative's div: without tags and comments, and
// with its character references resolved.
// http://hl7.org/fhir/R4/narrative.html
func Narrative(div []byte) []byte {
	text := make([]byte, 0, len(div))
	for len(div) > 0 {
		at := bytes.IndexByte(div, '<')
		if at < 0 {
			at = len(div)
		}
		text = append(text, div[:at]...)
		div = div[at:]
		if len(div) == 0 {
			break
		}
		end := tagEnd(div)
		name := bytes.TrimLeft(div[1:end], "/")
		if i := bytes.IndexAny(name, " \t\r\n/>"); i >= 0 {
			name = name[:i]
		}
		if !inline[string(name)] {
			text = append(text, ' ')
		}
		div = div[end:]
	}
	if bytes.IndexByte(text, '&') >= 0 {
		return []byte(html.UnescapeString(string(text)))
	}
	return text
}

// tagEnd is the length of the tag or comment that markup begins with.
func tagEnd(markup []byte) int {
	if bytes.HasPrefix(markup, []byte("<!--")) {
		if i := bytes.Index(markup, []byte("-->")); i >= 0 {
			return i + len("-->")
		}
		return len(markup)
	}
	quote := byte(0)
	for i, c := range markup {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '>':
			return i + 1
		}
	}
	return len(markup)
}
