package fhir

import "bytes"

// The namespaces that matter here.
const (
	fhirSpace  = "http://hl7.org/fhir"
	xhtmlSpace = "http://www.w3.org/1999/xhtml"
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace = "http://www.w3.org/2000/xmlns/" // of the declarations themselves
	xsiSpace   = "http://www.w3.org/2001/XMLSchema-instance"
)

// xmlNamespace binds a prefix, "" for the default, in an element at a depth and
// below it.
type xmlNamespace struct {
	prefix, uri string
	depth       int
}

func isXMLSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func (s *xmlScanner) peek() byte {
	if s.at < len(s.src) {
		return s.src[s.at]
	}
	return 0
}

// space passes over white space and reports whether there was any.
func (s *xmlScanner) space() bool {
	start := s.at
	for s.at < len(s.src) && isXMLSpace(s.src[s.at]) {
		s.at++
	}
	return s.at > start
}

// name takes a name with at most one prefix.
func (s *xmlScanner) name() (n xmlName, ok bool) {
	start := s.at
	n = xmlName{start, start, start}
	first, colons := true, 0
	at := start
	for ; at < len(s.src); at++ {
		c := s.src[at]
		if isLetter(c) || c == '_' {
			first = false
			continue
		}
		if c == ':' && !first {
			n.colon, first = at, true
			colons++
			continue
		}
		if first || (c < '0' || c > '9') && c != '-' && c != '.' {
			break
		}
	}
	n.end, s.at = at, at
	switch {
	case at < len(s.src) && s.src[at] >= 0x80:
		s.fail(at, "expected a name in ASCII letters, found %s", quoteChar(s.src[at:]))
	case first && at == len(s.src):
		s.fail(at, "expected a name, found the end of the text")
	case first && start > 0 && s.src[start-1] == '<':
		s.fail(start-1, "< must begin a tag, or be written &lt;")
	case first:
		s.fail(at, "expected a name, found %s", quoteChar(s.src[at:]))
	case colons > 1:
		s.fail(start, "%s has more than one colon", s.src[start:at])
	default:
		return n, true
	}
	return n, false
}

// Classes of bytes in an attribute's value.
const (
	xmlQuoted = 1 << iota // needs work before it is a JSON string
	xmlStop               // may end the value
)

var xmlClass = [256]uint8{
	'&': xmlQuoted, '\\': xmlQuoted, '\t': xmlQuoted, '\n': xmlQuoted, '\r': xmlQuoted,
	'"': xmlQuoted | xmlStop, '\'': xmlStop, '<': xmlStop,
}

// attribute takes one attribute.
func (s *xmlScanner) attribute() bool {
	name, ok := s.name()
	if !ok {
		return false
	}
	s.space()
	if s.peek() != '=' {
		s.fail(name.start, `attribute %s has no value; write %s="…"`, s.full(name), s.full(name))
		return false
	}
	s.at++
	s.space()
	quote := s.peek()
	if quote != '"' && quote != '\'' {
		s.fail(s.at, "the value of attribute %s must be in quotes", s.full(name))
		return false
	}
	s.at++
	a := xmlAttr{name: name, start: s.at}
	seen := uint8(0)
	at := s.at
	for ; at < len(s.src); at++ {
		class := xmlClass[s.src[at]]
		if class&xmlStop != 0 && (s.src[at] == quote || s.src[at] == '<') {
			break
		}
		seen |= class
	}
	return s.endAttribute(a, at, seen)
}

// endAttribute checks and keeps an attribute whose value ends at an offset.
func (s *xmlScanner) endAttribute(a xmlAttr, end int, seen uint8) bool {
	switch {
	case end == len(s.src):
		s.fail(a.start-1, "the value of attribute %s has no closing quote", s.full(a.name))
		return false
	case s.src[end] == '<':
		s.fail(end, "< must be written &lt; in the value of attribute %s", s.full(a.name))
		return false
	case len(s.tag.attrs) == maxXMLAttributes:
		s.fail(a.name.start, "an element has more than %d attributes", maxXMLAttributes)
		return false
	}
	s.at = end + 1
	a.end, a.plain = end, seen&xmlQuoted == 0
	s.tag.attrs = append(s.tag.attrs, a)
	return a.plain || s.references(a.start, s.src[a.start:a.end])
}

// enter begins the element of the tag just taken: it puts its namespaces into
// force and finds those of the names.
func (s *xmlScanner) enter() xmlToken {
	t := &s.tag
	t.end = s.at
	s.open = append(s.open, t.name)
	for i := range t.attrs {
		if !s.declare(&t.attrs[i]) {
			return xmlBroken
		}
	}
	var ok bool
	if t.space, ok = s.resolve(t.name); !ok {
		return xmlBroken
	}
	for i := range t.attrs {
		a := &t.attrs[i]
		if a.space == "" && a.name.colon > a.name.start {
			if a.space, ok = s.resolve(a.name); !ok {
				return xmlBroken
			}
		}
		for _, b := range t.attrs[:i] {
			if a.space == b.space && bytes.Equal(s.local(a.name), s.local(b.name)) {
				return s.fail(a.name.start, "attribute %s occurs twice; keep one", s.full(a.name))
			}
		}
	}
	return xmlStart
}

// declare puts a namespace into force where the attribute declares one.
func (s *xmlScanner) declare(a *xmlAttr) bool {
	prefix := ""
	switch {
	case string(s.full(a.name)) == "xmlns":
	case string(s.prefix(a.name)) == "xmlns":
		prefix = string(s.local(a.name))
	default:
		return true
	}
	a.space = xmlnsSpace
	uri := s.value(*a)
	switch {
	case prefix == "xmlns" || (prefix == "xml") != (uri == xmlSpace) || uri == xmlnsSpace:
		s.fail(a.name.start, "%s=%q declares a namespace that XML reserves", s.full(a.name), uri)
	case prefix != "" && uri == "":
		s.fail(a.name.start, "%s declares an empty namespace", s.full(a.name))
	case len(s.spaces) == maxXMLNamespaces:
		s.fail(a.name.start, "more than %d namespaces are declared", maxXMLNamespaces)
	default:
		s.spaces = append(s.spaces, xmlNamespace{prefix, uri, len(s.open)})
		return true
	}
	return false
}

// resolve finds the namespace that a name's prefix stands for, "" for none.
func (s *xmlScanner) resolve(n xmlName) (string, bool) {
	prefix := s.prefix(n)
	if string(prefix) == "xml" {
		return xmlSpace, true
	}
	for i := len(s.spaces) - 1; i >= 0; i-- {
		b := &s.spaces[i]
		if b.prefix != string(prefix) {
			continue
		}
		if len(prefix) > 0 && i < s.floor {
			break
		}
		return b.uri, true
	}
	if len(prefix) == 0 {
		return "", true
	}
	where := ""
	if s.floor > 0 {
		where = " inside the div"
	}
	s.fail(n.start, `prefix %q is not declared%s; add xmlns:%s="…"`, prefix, where, prefix)
	return "", false
}

// declaresDefault reports whether the tag taken last declares the default namespace.
func (t *xmlTag) declaresDefault() bool {
	for _, a := range t.attrs {
		if a.space == xmlnsSpace && a.name.colon == a.name.start {
			return true
		}
	}
	return false
}
