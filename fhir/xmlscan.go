package fhir

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// xmlScanner takes an XML document apart: https://www.w3.org/TR/xml/ and
// https://www.w3.org/TR/xml-names/. It is stricter than these where FHIR has no
// use for more: there is no DOCTYPE, hence no entity but XML's own five, and
// names are ASCII. It keeps offsets, so that a div can be cut out of the source
// as it stands; encoding/xml gives neither the place of an attribute nor the
// difference between a line break in a value and &#10;.
type xmlScanner struct {
	src    []byte
	at     int
	tag    xmlTag         // the tag taken last
	textAt int            // where the text taken last begins
	open   []xmlName      // the elements that are open, innermost last
	spaces []xmlNamespace // the namespaces in force
	floor  int            // prefixes declared before this one may not be used

	rooted  bool // the root element has begun
	closing bool // the element was written <a/>: its end is due
	problem string
	broken  int // where the problem is
}

// xmlToken is what next has taken.
type xmlToken uint8

const (
	xmlBroken xmlToken = iota // not XML: see problem
	xmlStart                  // a start tag: see tag
	xmlEnd                    // the end of the innermost element
	xmlText                   // characters other than white space
	xmlDone                   // the end of the document
)

// xmlName is a name in the source: colon is the offset of the colon after its
// prefix, or the start of a name without prefix.
type xmlName struct{ start, colon, end int }

type xmlTag struct {
	start, end int // of the tag, brackets included
	name       xmlName
	space      string // the namespace
	attrs      []xmlAttr
}

// xmlAttr is an attribute; start and end are those of its value without quotes.
type xmlAttr struct {
	name       xmlName
	space      string
	start, end int
	plain      bool // the value stands for itself, in JSON too
}

// The greatest numbers of attributes of one element and of namespaces in force.
// They keep the search for them cheap whatever a client sends.
const (
	maxXMLAttributes = 64
	maxXMLNamespaces = 64
)

func (s *xmlScanner) fail(at int, format string, args ...any) xmlToken {
	if s.problem == "" {
		s.problem, s.broken = fmt.Sprintf(format, args...), at
	}
	s.at = len(s.src)
	return xmlBroken
}

// local is a name without its prefix.
func (s *xmlScanner) local(n xmlName) []byte {
	if n.colon > n.start {
		return s.src[n.colon+1 : n.end]
	}
	return s.src[n.start:n.end]
}

func (s *xmlScanner) prefix(n xmlName) []byte { return s.src[n.start:n.colon] }

// full is a name as it is written.
func (s *xmlScanner) full(n xmlName) []byte { return s.src[n.start:n.end] }

// begin checks the document as a whole and takes the XML declaration.
func (s *xmlScanner) begin() bool {
	if bytes.HasPrefix(s.src, []byte{0xff, 0xfe}) || bytes.HasPrefix(s.src, []byte{0xfe, 0xff}) {
		s.fail(0, "the text is encoded in UTF-16; send it in UTF-8")
		return false
	}
	if at, what := badXMLChar(s.src); at >= 0 {
		s.fail(at, "%s", what)
		return false
	}
	if bytes.HasPrefix(s.src, []byte("\xef\xbb\xbf")) {
		s.at = 3
	}
	if bytes.HasPrefix(s.src[s.at:], []byte("<?xml")) && s.at+5 < len(s.src) && isXMLSpace(s.src[s.at+5]) {
		return s.declaration()
	}
	return true
}

// badXMLChar finds the first byte that may stand nowhere in XML, -1 for none.
func badXMLChar(src []byte) (at int, what string) {
	for i, c := range src {
		if c < ' ' && c != '\n' && c != '\t' && c != '\r' {
			return i, fmt.Sprintf("control character 0x%02x is not allowed in XML", c)
		}
	}
	for _, bad := range []string{"\ufffe", "\uffff"} {
		if i := bytes.Index(src, []byte(bad)); i >= 0 {
			return i, fmt.Sprintf("character %U is not allowed in XML", []rune(bad)[0])
		}
	}
	if utf8.Valid(src) {
		return -1, ""
	}
	for at < len(src) {
		r, size := utf8.DecodeRune(src[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	return at, fmt.Sprintf("byte 0x%02x is not valid UTF-8; FHIR is exchanged in UTF-8", src[at])
}

// declaration takes <?xml version="1.0" encoding="UTF-8"?>.
func (s *xmlScanner) declaration() bool {
	start := s.at
	s.at += len("<?xml")
	for s.space() && s.peek() != '?' {
		if !s.attribute() {
			return false
		}
	}
	if !bytes.HasPrefix(s.src[s.at:], []byte("?>")) {
		s.fail(s.at, "the XML declaration must end with ?>")
		return false
	}
	s.at += 2
	version := false
	for _, a := range s.tag.attrs {
		name, value := string(s.full(a.name)), string(s.src[a.start:a.end])
		switch {
		case name == "version" && value == "1.0":
			version = true
		case name == "version":
			s.fail(a.start, "XML version %q is not supported; write 1.0", value)
		case name == "encoding" && !strings.EqualFold(value, "UTF-8"):
			s.fail(a.start, "the encoding is declared as %q; send the XML in UTF-8", value)
		case name != "encoding" && name != "standalone":
			s.fail(a.name.start, "the XML declaration takes version, encoding and standalone, not %s", name)
		}
	}
	if !version {
		s.fail(start, `the XML declaration must have version="1.0"`)
	}
	s.tag.attrs = s.tag.attrs[:0]
	return s.problem == ""
}

// next takes the next token. Comments, processing instructions and white space
// are passed over.
func (s *xmlScanner) next() xmlToken {
	if s.closing {
		s.closing = false
		return s.leave()
	}
	for s.at < len(s.src) {
		if s.src[s.at] != '<' {
			if s.text() {
				return xmlText
			}
			continue
		}
		rest := s.src[s.at:]
		switch {
		case len(rest) > 1 && rest[1] == '/':
			return s.endTag()
		case len(rest) > 1 && rest[1] == '!':
			if s.declared() {
				return xmlText
			}
		case len(rest) > 1 && rest[1] == '?':
			s.instruction()
		default:
			return s.startTag()
		}
	}
	switch {
	case s.problem != "":
		return xmlBroken
	case len(s.open) > 0:
		name := s.open[len(s.open)-1]
		return s.fail(name.start-1, "<%s> is not closed", s.full(name))
	case !s.rooted:
		return s.fail(len(s.src), "there is no element; a resource is written as one element, such as <Patient>")
	}
	return xmlDone
}

// text takes characters up to the next tag and reports whether there are any
// but white space.
func (s *xmlScanner) text() bool {
	start := s.at
	s.space()
	if s.at == len(s.src) || s.src[s.at] == '<' {
		return false
	}
	s.textAt = s.at
	switch {
	case !s.rooted:
		s.fail(s.at, "expected <, found %s", quoteChar(s.src[s.at:]))
		return false
	case len(s.open) == 0:
		s.fail(s.at, "text stands after the root element")
		return false
	}
	end := bytes.IndexByte(s.src[s.at:], '<')
	if end < 0 {
		end = len(s.src) - s.at
	}
	text := s.src[start : s.at+end]
	s.at += end
	if i := bytes.Index(text, []byte("]]>")); i >= 0 {
		s.fail(start+i, "]]> must be written ]]&gt; in text")
		return false
	}
	return s.references(start, text)
}

// references checks every & of a text that begins at an offset.
func (s *xmlScanner) references(start int, text []byte) bool {
	for i := 0; ; {
		n := bytes.IndexByte(text[i:], '&')
		if n < 0 {
			return true
		}
		i += n
		_, size := xmlReference(text[i:])
		if size == 0 {
			s.fail(start+i, "%s", referenceProblem(text[i:]))
			return false
		}
		i += size
	}
}

// declared takes what begins with <! and reports whether it was text.
func (s *xmlScanner) declared() bool {
	rest := s.src[s.at:]
	switch {
	case bytes.HasPrefix(rest, []byte("<!--")):
		n := bytes.Index(rest[4:], []byte("--"))
		switch {
		case n < 0:
			s.fail(s.at, "a comment is not closed with -->")
		case len(rest) < 4+n+3 || rest[4+n+2] != '>':
			s.fail(s.at+4+n, "-- may not stand inside a comment")
		default:
			s.at += 4 + n + 3
		}
	case bytes.HasPrefix(rest, []byte("<![CDATA[")):
		return s.cdata()
	case bytes.HasPrefix(rest, []byte("<!DOCTYPE")):
		s.fail(s.at, "a DOCTYPE is not allowed in FHIR; leave it out")
	default:
		s.fail(s.at, "<! must begin a comment: <!-- … -->")
	}
	return false
}

func (s *xmlScanner) cdata() bool {
	const lead = len("<![CDATA[")
	n := bytes.Index(s.src[s.at+lead:], []byte("]]>"))
	switch {
	case n < 0:
		s.fail(s.at, "a CDATA section is not closed with ]]>")
		return false
	case len(s.open) == 0:
		s.fail(s.at, "text stands outside the root element")
		return false
	}
	s.textAt = s.at
	s.at += lead + n + len("]]>")
	return true
}

// instruction takes a processing instruction.
func (s *xmlScanner) instruction() {
	start := s.at
	s.at += 2
	target, ok := s.name()
	if !ok {
		return
	}
	n := bytes.Index(s.src[s.at:], []byte("?>"))
	switch {
	case strings.EqualFold(string(s.full(target)), "xml"):
		s.fail(start, "an XML declaration must be the first thing in the text")
	case n < 0:
		s.fail(start, "a processing instruction is not closed with ?>")
	case n > 0 && !isXMLSpace(s.src[s.at]) || target.colon > target.start:
		s.fail(start, "a processing instruction begins with a name and a space")
	default:
		s.at += n + 2
	}
}

func (s *xmlScanner) endTag() xmlToken {
	start := s.at
	s.at += 2
	name, ok := s.name()
	if !ok {
		return xmlBroken
	}
	s.space()
	if s.peek() != '>' {
		return s.fail(s.at, "</%s must be closed with >", s.full(name))
	}
	s.at++
	last := len(s.open) - 1
	switch {
	case last < 0:
		return s.fail(start, "</%s> closes an element that is not open", s.full(name))
	case !bytes.Equal(s.full(name), s.full(s.open[last])):
		return s.fail(start, "</%s> stands where </%s> must", s.full(name), s.full(s.open[last]))
	}
	return s.leave()
}

// leave ends the innermost element.
func (s *xmlScanner) leave() xmlToken {
	for n := len(s.spaces); n > 0 && s.spaces[n-1].depth == len(s.open); n-- {
		s.spaces = s.spaces[:n-1]
	}
	s.open = s.open[:len(s.open)-1]
	return xmlEnd
}

func (s *xmlScanner) startTag() xmlToken {
	if s.rooted && len(s.open) == 0 {
		return s.fail(s.at, "a second root element begins; send one resource")
	}
	s.rooted = true
	s.tag.start = s.at
	s.tag.attrs = s.tag.attrs[:0]
	s.at++
	name, ok := s.name()
	if !ok {
		return xmlBroken
	}
	s.tag.name = name
	for {
		spaced := s.space()
		switch c := s.peek(); {
		case c == '>':
			s.at++
			return s.enter()
		case c == '/' && s.at+1 < len(s.src) && s.src[s.at+1] == '>':
			s.at += 2
			s.closing = true
			return s.enter()
		case s.at == len(s.src):
			return s.fail(s.tag.start, "<%s is not closed with >", s.full(name))
		case !spaced:
			return s.fail(s.at, "expected a space, > or /> in <%s, found %s", s.full(name), quoteChar(s.src[s.at:]))
		}
		if !s.attribute() {
			return xmlBroken
		}
	}
}

// skip takes the rest of the element whose start tag was taken last.
func (s *xmlScanner) skip() bool {
	for depth := len(s.open); len(s.open) >= depth; {
		if s.next() == xmlBroken {
			return false
		}
	}
	return true
}
