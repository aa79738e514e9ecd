package load

import "bytes"

// quickHead reads the top of a resource without reading the rest of it as JSON:
// it passes over the values of other members by their brackets and quotes, at
// some 2 µs for each KB. What is no plain case is left to headOf, and what is
// wrong inside of a value is the server's to refuse.
func quickHead(text []byte) (h head, ok bool) {
	p := headReader{rest: text}
	if !p.take('{') {
		return h, false
	}
	for !p.take('}') {
		name, plain := p.text()
		if !plain || !p.take(':') {
			return h, false
		}
		var to *string
		switch string(name) {
		case "resourceType":
			to = &h.ResourceType
		case "id":
			to = &h.ID
		case "type":
			to = &h.Type
		}
		p.space()
		if to != nil && len(p.rest) > 0 && p.rest[0] == '"' {
			value, plain := p.text()
			if !plain {
				return h, false
			}
			*to = string(value)
		} else if !p.pass() {
			return h, false
		}
		if !p.take(',') && (len(p.rest) == 0 || p.rest[0] != '}') {
			return h, false
		}
	}
	p.space()
	return h, len(p.rest) == 0 && h.ResourceType != ""
}

// A headReader reads JSON from the front of rest.
type headReader struct{ rest []byte }

func (p *headReader) space() {
	for len(p.rest) > 0 && (p.rest[0] == ' ' || p.rest[0] == '\t' || p.rest[0] == '\n' || p.rest[0] == '\r') {
		p.rest = p.rest[1:]
	}
}

// take passes over a byte, where it comes next.
func (p *headReader) take(c byte) bool {
	p.space()
	if len(p.rest) == 0 || p.rest[0] != c {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// text reads a string without escapes.
func (p *headReader) text() (s []byte, plain bool) {
	if !p.take('"') {
		return nil, false
	}
	end := bytes.IndexByte(p.rest, '"')
	if end < 0 || bytes.IndexByte(p.rest[:end], '\\') >= 0 {
		return nil, false
	}
	s, p.rest = p.rest[:end], p.rest[end+1:]
	return s, true
}

// pass passes over a value: to the comma or bracket behind it.
func (p *headReader) pass() bool {
	depth := 0
	for i := 0; i < len(p.rest); i++ {
		switch p.rest[i] {
		case '"':
			n := stringEnd(p.rest[i:])
			if n < 0 {
				return false
			}
			i += n
		case '{', '[':
			depth++
		case ',':
			if depth == 0 {
				p.rest = p.rest[i:]
				return i > 0
			}
		case '}', ']':
			if depth == 0 {
				p.rest = p.rest[i:]
				return i > 0
			}
			depth--
		}
	}
	return false
}

// stringEnd is the place of the quote that ends the string at the front of b;
// -1 where there is none.
func stringEnd(b []byte) int {
	for i := 1; i < len(b); {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n
		slashes := 0
		for b[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
		i++
	}
	return -1
}
