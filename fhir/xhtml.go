package fhir

import (
	"fmt"
	"strings"
)

// checkXHTML checks that a narrative is one well-formed <div> without active
// content: http://hl7.org/fhir/R4/narrative.html#xhtml. It does not know which
// elements may stand in which.
func checkXHTML(s string) string {
	x := xhtmlReader{rest: strings.TrimSpace(s)}
	if !strings.HasPrefix(x.rest, "<div") {
		return "it must begin with <div"
	}
	for x.problem == "" && x.rest != "" {
		if x.rest[0] == '<' {
			x.markup()
		} else {
			x.text()
		}
	}
	if x.problem == "" && len(x.open) > 0 {
		x.fail("<%s> is not closed", x.open[len(x.open)-1])
	}
	return x.problem
}

type xhtmlReader struct {
	rest    string
	open    []string // names of the elements that are open
	closed  bool     // the outer div has ended
	problem string
}

func (x *xhtmlReader) fail(format string, args ...any) {
	if x.problem == "" {
		x.problem = fmt.Sprintf(format, args...)
	}
	x.rest = ""
}

// text takes characters up to the next markup.
func (x *xhtmlReader) text() {
	end := strings.IndexByte(x.rest, '<')
	if end < 0 {
		end = len(x.rest)
	}
	text := x.rest[:end]
	x.rest = x.rest[end:]
	if x.closed && strings.TrimSpace(text) != "" {
		x.fail("text follows the outer </div>")
	}
	x.entities(text)
}

// entities checks every & of a text.
func (x *xhtmlReader) entities(text string) {
	for {
		i := strings.IndexByte(text, '&')
		if i < 0 {
			return
		}
		name, after, ok := strings.Cut(text[i+1:], ";")
		digits := strings.TrimPrefix(name, "#")
		if !ok || digits == "" || !alphanumeric(digits) {
			x.fail("& must be written &amp;")
			return
		}
		text = after
	}
}

func alphanumeric(s string) bool {
	for i := range len(s) {
		if !isLetter(s[i]) && (s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return true
}

// markup takes a comment or a tag.
func (x *xhtmlReader) markup() {
	switch {
	case strings.HasPrefix(x.rest, "<!--"):
		end := strings.Index(x.rest[4:], "-->")
		if end < 0 {
			x.fail("a comment is not closed")
			return
		}
		x.rest = x.rest[4+end+3:]
	case strings.HasPrefix(x.rest, "<!"), strings.HasPrefix(x.rest, "<?"):
		x.fail("declarations and processing instructions are not allowed")
	case strings.HasPrefix(x.rest, "</"):
		x.endTag()
	default:
		x.startTag()
	}
}

func (x *xhtmlReader) endTag() {
	x.rest = x.rest[2:]
	name := x.name()
	x.space()
	if !strings.HasPrefix(x.rest, ">") {
		x.fail("</%s is not closed with >", name)
		return
	}
	x.rest = x.rest[1:]
	last := len(x.open) - 1
	if last < 0 || x.open[last] != name {
		x.fail("</%s> closes an element that is not open", name)
		return
	}
	x.open = x.open[:last]
	x.closed = last == 0
}

func (x *xhtmlReader) startTag() {
	x.rest = x.rest[1:]
	name := x.name()
	switch {
	case name == "":
		x.fail("< must be written &lt;")
		return
	case x.closed:
		x.fail("<%s> follows the outer </div>", name)
		return
	case activeElements[strings.ToLower(name)]:
		x.fail("<%s> is not allowed in a narrative", name)
		return
	}
	for x.space(); x.attribute(); x.space() {
	}
	switch {
	case strings.HasPrefix(x.rest, "/>"):
		x.rest = x.rest[2:]
		x.closed = len(x.open) == 0
	case strings.HasPrefix(x.rest, ">"):
		x.rest = x.rest[1:]
		x.open = append(x.open, name)
	default:
		x.fail("<%s is not closed with >", name)
	}
}

// attribute takes one attribute if one is next.
func (x *xhtmlReader) attribute() bool {
	name := x.name()
	if name == "" {
		return false
	}
	x.space()
	if !strings.HasPrefix(x.rest, "=") {
		x.fail("attribute %s has no value", name)
		return false
	}
	x.rest = x.rest[1:]
	x.space()
	if x.rest == "" || x.rest[0] != '"' && x.rest[0] != '\'' {
		x.fail("the value of attribute %s must be in quotes", name)
		return false
	}
	value, after, ok := strings.Cut(x.rest[1:], x.rest[:1])
	if !ok || strings.Contains(value, "<") {
		x.fail("the value of attribute %s is not closed", name)
		return false
	}
	x.rest = after
	if len(name) > 2 && strings.EqualFold(name[:2], "on") || scripted(value) {
		x.fail("attribute %s carries a script, which is not allowed in a narrative", name)
	}
	x.entities(value)
	return x.problem == ""
}

// scripted reports whether an attribute's value is a script as a URL.
func scripted(value string) bool {
	value = strings.ToLower(strings.Map(func(r rune) rune {
		if r <= ' ' {
			return -1
		}
		return r
	}, value[:min(len(value), 64)]))
	return strings.HasPrefix(value, "javascript:") || strings.HasPrefix(value, "vbscript:")
}

// name takes a name, "" where none is next.
func (x *xhtmlReader) name() string {
	n := 0
	for n < len(x.rest) {
		c := x.rest[n]
		inside := n > 0 && (c >= '0' && c <= '9' || c == '-' || c == '.')
		if !isLetter(c) && c != '_' && c != ':' && c < 0x80 && !inside {
			break
		}
		n++
	}
	name := x.rest[:n]
	x.rest = x.rest[n:]
	return name
}

func (x *xhtmlReader) space() { x.rest = strings.TrimLeft(x.rest, " \t\r\n") }

// activeElements are those that FHIR shuts out of narratives because they run,
// embed or submit something.
var activeElements = map[string]bool{
	"applet": true, "base": true, "body": true, "button": true, "embed": true, "form": true, "frame": true,
	"frameset": true, "head": true, "html": true, "iframe": true, "input": true, "link": true, "meta": true,
	"object": true, "script": true, "select": true, "textarea": true, "xlink": true,
}
