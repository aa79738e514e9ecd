package fhir

import (
	"bytes"
	"fmt"
	"html"
	"strconv"
	"strings"
	"unicode/utf8"
)

// xmlReference reads the reference that begins with the & at the start of src:
// a character's number or one of XML's five names. size is 0 where it is not
// one of these.
func xmlReference(src []byte) (r rune, size int) {
	const longest = 32
	end := bytes.IndexByte(src[:min(len(src), longest)], ';')
	if end < 2 {
		return 0, 0
	}
	name := string(src[1:end])
	if name[0] != '#' {
		return xmlEntities[name], sizeIf(xmlEntities[name] != 0, end+1)
	}
	digits, base := name[1:], 10
	if strings.HasPrefix(digits, "x") {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32) // no sign, no underscore in these bases
	r = rune(n)
	return r, sizeIf(err == nil && n <= utf8.MaxRune && isXMLChar(r), end+1)
}

func sizeIf(ok bool, size int) int {
	if ok {
		return size
	}
	return 0
}

var xmlEntities = map[string]rune{"amp": '&', "lt": '<', "gt": '>', "quot": '"', "apos": '\''}

// isXMLChar reports whether XML 1.0 allows a character.
func isXMLChar(r rune) bool {
	return r >= ' ' && r < 0xd800 || r == '\t' || r == '\n' || r == '\r' ||
		r > 0xdfff && r < 0xfffe || r > 0xffff && r <= utf8.MaxRune
}

// referenceProblem says what is wrong with what follows an &.
func referenceProblem(src []byte) string {
	const longest = 40
	end := bytes.IndexByte(src[:min(len(src), longest)], ';')
	if end < 2 || !alphanumeric(strings.TrimPrefix(string(src[1:end]), "#")) {
		return "& must be written &amp;"
	}
	name := string(src[:end+1])
	if name[1] == '#' {
		return name + " is not a character that XML allows"
	}
	if text := html.UnescapeString(name); text != name {
		return fmt.Sprintf("%s is not defined in XML; write %s", name, numericReferences(text))
	}
	return name + " is not defined in XML; & itself is written &amp;"
}

// numericReferences writes each character of a text by its number.
func numericReferences(text string) string {
	var b strings.Builder
	for _, r := range text {
		fmt.Fprintf(&b, "&#%d;", r)
	}
	return b.String()
}

// value is an attribute's value: references resolved, and white space as XML
// has it in attributes, where a line break is a space.
func (s *xmlScanner) value(a xmlAttr) string {
	src := s.src[a.start:a.end]
	if a.plain {
		return string(src)
	}
	var b strings.Builder
	for i := 0; i < len(src); {
		r, size := attributeChar(src[i:])
		b.WriteRune(r)
		i += size
	}
	return b.String()
}

// attributeChar is the first character of a value that the scanner has passed.
func attributeChar(src []byte) (r rune, size int) {
	switch c := src[0]; {
	case c == '&':
		return xmlReference(src)
	case c == '\r' && len(src) > 1 && src[1] == '\n':
		return ' ', 2
	case c < ' ':
		return ' ', 1
	case c < utf8.RuneSelf:
		return rune(c), 1
	}
	return utf8.DecodeRune(src)
}

// appendValue appends an attribute's value as a JSON string.
func (s *xmlScanner) appendValue(b []byte, a xmlAttr) []byte {
	if !a.plain {
		return AppendString(b, s.value(a))
	}
	b = append(b, '"')
	b = append(b, s.src[a.start:a.end]...)
	return append(b, '"')
}

// xmlEscaped are the bytes that cannot stand for themselves in what is written:
// markup, white space that attributes would lose, control characters and the
// first byte of U+FFFE and U+FFFF.
var xmlEscaped = func() (t [256]bool) {
	for c := range ' ' {
		t[c] = true
	}
	for _, c := range []byte("&<>\"\xef") {
		t[c] = true
	}
	return t
}()

// appendXMLText appends text for an attribute's value or an element's content.
// Characters that XML does not allow become U+FFFD.
func appendXMLText[T string | []byte](b []byte, s T) []byte {
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !xmlEscaped[c] {
			continue
		}
		size, text := 1, "\ufffd"
		switch c {
		case '&':
			text = "&amp;"
		case '<':
			text = "&lt;"
		case '>':
			text = "&gt;"
		case '"':
			text = "&quot;"
		case '\t':
			text = "&#9;"
		case '\n':
			text = "&#10;"
		case '\r':
			text = "&#13;"
		case 0xef:
			if i+2 >= len(s) || s[i+1] != 0xbf || s[i+2] < 0xbe {
				continue
			}
			size = 3
		}
		b = append(b, s[from:i]...)
		b = append(b, text...)
		from = i + size
		i = from - 1
	}
	return append(b, s[from:]...)
}
