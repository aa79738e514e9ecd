package fhir

import (
	"encoding/binary"
	"math/bits"
)

// peek is the byte at p.at, 0 at the end. It is next without the skipping,
// small enough for the compiler to inline.
func (p *parser) peek() byte {
	if p.at < len(p.src) {
		return p.src[p.at]
	}
	return 0
}

// next skips white space and returns the byte that follows without taking it;
// 0 at the end.
func (p *parser) next() byte {
	if c := p.peek(); c > ' ' {
		return c
	}
	return p.space()
}

const eightSpaces = 0x2020202020202020

func (p *parser) space() byte {
	src, at := p.src, p.at
	for at < len(src) {
		switch c := src[at]; c {
		case ' ':
			at++
			for at+8 <= len(src) && binary.LittleEndian.Uint64(src[at:]) == eightSpaces {
				at += 8
			}
		case '\n', '\r', '\t':
			at++
		default:
			p.at = at
			return c
		}
	}
	p.at = at
	return 0
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// stops marks, in the high bit of each byte of a little-endian word, the bytes
// that end a run of plain string text: the quote, the backslash and control
// characters. The lowest mark is exact; those above it need not be.
func stops(w uint64) uint64 {
	quote := w ^ ones*'"'
	slash := w ^ ones*'\\'
	return ((quote-ones)&^quote | (slash-ones)&^slash | (w-ones*0x20)&^w) & highs
}

// text takes the string whose opening quote is at p.at. start and end span it
// without the quotes.
func (p *parser) text() (start, end int, escaped, ok bool) {
	src := p.src
	start = p.at + 1
	for at := start; ; {
		for at+8 <= len(src) {
			m := stops(binary.LittleEndian.Uint64(src[at:]))
			if m != 0 {
				at += bits.TrailingZeros64(m) / 8
				break
			}
			at += 8
		}
		if at >= len(src) {
			p.at = len(src)
			return 0, 0, false, p.syntax(start-1, "the string that begins here has no closing quote")
		}
		switch c := src[at]; {
		case c == '"':
			p.at = at + 1
			return start, at, escaped, true
		case c == '\\':
			escaped = true
			n, ok := p.escape(at)
			if !ok {
				return 0, 0, false, false
			}
			at += n
		case c < ' ':
			return 0, 0, false, p.syntax(at, `a string holds control character 0x%02x; write it as an escape such as \n or \u%04x`, c, c)
		default:
			at++
		}
	}
}

// escape checks the escape sequence at an offset and returns its length; a
// surrogate pair counts as one.
func (p *parser) escape(at int) (int, bool) {
	if at+1 >= len(p.src) {
		return 0, p.syntax(at, "the string ends within an escape")
	}
	switch p.src[at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, true
	case 'u':
		return p.unicodeEscape(at)
	}
	return 0, p.syntax(at, `\%s is not an escape of JSON; those are \" \\ \/ \b \f \n \r \t and \uXXXX`, quoteChar(p.src[at+1:]))
}

func (p *parser) unicodeEscape(at int) (int, bool) {
	r, ok := hex4(p.src, at+2)
	switch {
	case !ok:
		return 0, p.syntax(at, `\u must be followed by four hexadecimal digits`)
	case r < 0xd800 || r > 0xdfff:
		return 6, true
	case r < 0xdc00:
		low, ok := surrogate(p.src, at+6)
		if ok && low >= 0xdc00 && low <= 0xdfff {
			return 12, true
		}
	}
	return 0, p.syntax(at, `\u%04x is half of a surrogate pair; the other half is missing`, r)
}

// surrogate reads a whole \uXXXX at an offset.
func surrogate(src []byte, at int) (rune, bool) {
	if at+2 > len(src) || src[at] != '\\' || src[at+1] != 'u' {
		return 0, false
	}
	return hex4(src, at+2)
}

func hex4(src []byte, at int) (r rune, ok bool) {
	if at+4 > len(src) {
		return 0, false
	}
	for _, c := range src[at : at+4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number takes a number: -? int frac? exp? (RFC 8259 section 6).
func (p *parser) number() bool {
	src, at := p.src, p.at
	if src[at] == '-' {
		at++
	}
	switch digits := digits(src, at); {
	case digits == 0:
		return p.syntax(at, `"-" must be followed by a digit`)
	case digits > 1 && src[at] == '0':
		return p.syntax(at, "a number may not begin with 0")
	default:
		at += digits
	}
	if at < len(src) && src[at] == '.' {
		n := digits(src, at+1)
		if n == 0 {
			return p.syntax(at, "the decimal point must be followed by a digit")
		}
		at += 1 + n
	}
	if at < len(src) && src[at]|0x20 == 'e' {
		at++
		if at < len(src) && (src[at] == '+' || src[at] == '-') {
			at++
		}
		n := digits(src, at)
		if n == 0 {
			return p.syntax(at, "the exponent of a number must have a digit")
		}
		at += n
	}
	p.at = at
	return true
}

// digits counts the decimal digits from an offset.
func digits(src []byte, at int) int {
	n := 0
	for at+n < len(src) && '0' <= src[at+n] && src[at+n] <= '9' {
		n++
	}
	return n
}

// word takes true, false or null.
func (p *parser) word() bool {
	for _, w := range [...]string{"true", "false", "null"} {
		if p.src[p.at] != w[0] {
			continue
		}
		if end := p.at + len(w); end <= len(p.src) && string(p.src[p.at:end]) == w {
			p.at = end
			return true
		}
	}
	return p.unexpected("a value")
}

// key takes an object's key and the colon after it, up to the value.
func (p *parser) key() ([]byte, bool) {
	start, end, escaped, ok := p.text()
	if !ok {
		return nil, false
	}
	if p.peek() != ':' && p.next() != ':' {
		return nil, p.unexpected(`":"`)
	}
	p.at++
	if p.peek() <= ' ' {
		p.space()
	}
	if escaped {
		return []byte(unescape(p.src[start:end])), true
	}
	return p.src[start:end], true
}

// startsValue reports whether the byte at p.at can begin a value.
func (p *parser) startsValue() bool {
	return p.at < len(p.src) && describe(p.src[p.at]) != ""
}

// skip takes any value, checking its syntax only.
func (p *parser) skip() bool {
	switch c := p.next(); {
	case c == '"':
		_, _, _, ok := p.text()
		return ok
	case c == '{':
		return p.skipObject()
	case c == '[':
		return p.skipArray()
	case c == '-' || '0' <= c && c <= '9':
		return p.number()
	case c == 't' || c == 'f' || c == 'n':
		return p.word()
	}
	return p.unexpected("a value")
}

func (p *parser) skipArray() bool {
	if !p.enter() {
		return false
	}
	p.at++
	if p.next() != ']' {
		for {
			if !p.skip() {
				return false
			}
			if p.next() != ',' {
				break
			}
			p.at++
		}
	}
	if p.next() != ']' {
		return p.unexpected(`"," or "]"`)
	}
	p.at++
	p.depth--
	return true
}

func (p *parser) skipObject() bool {
	if !p.enter() {
		return false
	}
	p.at++
	if p.next() != '}' {
		for {
			if p.next() != '"' {
				return p.unexpected("a key in double quotes")
			}
			if _, ok := p.key(); !ok || !p.skip() {
				return false
			}
			if p.next() != ',' {
				break
			}
			p.at++
		}
	}
	if p.next() != '}' {
		return p.unexpected(`"," or "}"`)
	}
	p.at++
	p.depth--
	return true
}
