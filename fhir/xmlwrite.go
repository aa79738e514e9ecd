package fhir

import (
	"bytes"
	"cmp"
	"html"
	"slices"
	"strings"
)

// AppendXML appends a resource as XML to dst, without XML declaration and
// without white space between the elements: http://hl7.org/fhir/R4/xml.html.
// Elements stand in the order of the definition, numbers and strings as the
// tree has them, and a div as it is; where it declares no namespace, uses HTML's
// names of characters or is not well formed, it is mended so that the whole is
// XML whatever the tree holds. Characters that XML does not allow become U+FFFD.
//
// n must be a resource; for an absent node nothing is appended.
func AppendXML(dst []byte, n Node) []byte {
	if !n.Exists() {
		return dst
	}
	w := xmlWriter{out: dst}
	w.element(n, n.Type().Name, ` xmlns="`+fhirSpace+`"`)
	return w.out
}

// XMLFromJSON is the XML of one resource in JSON, as AppendXML writes it. The
// error is as Parse gives it.
func XMLFromJSON(schema *Schema, src []byte) ([]byte, error) {
	tree, err := Parse(schema, src, DefaultLimits)
	if err != nil {
		return nil, err
	}
	return AppendXML(make([]byte, 0, len(src)+len(src)/4+64), tree.Root()), nil
}

type xmlWriter struct {
	out  []byte
	kids []Node // a stack of the children being written
}

// element writes a value as an element of a name; space is its declaration of
// a namespace.
func (w *xmlWriter) element(n Node, name, space string) {
	base := len(w.kids)
	w.children(n)
	end := len(w.kids)
	w.out = append(append(w.out, '<'), name...)
	w.out = append(w.out, space...)
	content := false
	for _, c := range w.kids[base:end] {
		if isXMLAttribute(c.Property()) {
			w.attribute(c.Property().JSON, c)
		} else {
			content = true
		}
	}
	if n.HasValue() {
		w.attribute("value", n)
	}
	if !content {
		w.out = append(w.out, "/>"...)
		w.kids = w.kids[:base]
		return
	}
	w.out = append(w.out, '>')
	for i := base; i < end; i++ {
		w.child(w.kids[i])
	}
	w.kids = w.kids[:base]
	w.close(name)
}

func (w *xmlWriter) close(name string) {
	w.out = append(append(append(w.out, "</"...), name...), '>')
}

// children puts a node's children on the stack in definition order.
func (w *xmlWriter) children(n Node) {
	base, sorted, last := len(w.kids), true, 0
	for c := n.First(); c.Exists(); c = c.Next() {
		index := c.Property().Element.Index
		sorted = sorted && index >= last
		last = index
		w.kids = append(w.kids, c)
	}
	if !sorted {
		slices.SortStableFunc(w.kids[base:], func(a, b Node) int {
			return cmp.Compare(a.Property().Element.Index, b.Property().Element.Index)
		})
	}
}

// child writes one child as an element; attributes are written already.
func (w *xmlWriter) child(n Node) {
	prop, t := n.Property(), n.Type()
	switch {
	case isXMLAttribute(prop):
	case isXHTML(t):
		w.div(n.Text())
	case t.Kind == KindResource:
		w.out = append(append(append(w.out, '<'), prop.JSON...), '>')
		w.element(n, t.Name, "")
		w.close(prop.JSON)
	default:
		w.element(n, prop.JSON, "")
	}
}

// attribute writes a primitive's value as an attribute.
func (w *xmlWriter) attribute(name string, n Node) {
	w.out = append(append(append(w.out, ' '), name...), `="`...)
	if n.node().flags&flagEscaped != 0 {
		w.out = appendXMLText(w.out, n.Text())
	} else {
		w.out = appendXMLText(w.out, n.Raw())
	}
	w.out = append(w.out, '"')
}

// div writes a narrative's div.
func (w *xmlWriter) div(text string) {
	text = strings.Trim(text, " \t\r\n")
	if text == "" {
		return
	}
	src := []byte(text)
	declared, ok := scanDiv(src)
	if !ok {
		src = []byte(namedCharacters(text))
		declared, ok = scanDiv(src)
	}
	const begin = "<div"
	switch {
	case !ok:
		w.out = append(w.out, begin+` xmlns="`+xhtmlSpace+`">`...)
		w.out = appendXMLText(w.out, text)
		w.close("div")
	case !declared:
		w.out = append(w.out, begin+` xmlns="`+xhtmlSpace+`"`...)
		w.out = append(w.out, src[len(begin):]...)
	default:
		w.out = append(w.out, src...)
	}
}

// scanDiv reports whether a text is a div that can stand in XML as it is, and
// whether it declares its namespace.
func scanDiv(src []byte) (declared, ok bool) {
	if at, _ := badXMLChar(src); at >= 0 || !bytes.HasPrefix(src, []byte("<div")) {
		return false, false
	}
	s := xmlScanner{src: src}
	if s.next() != xmlStart || string(s.full(s.tag.name)) != "div" {
		return false, false
	}
	declared = s.tag.declaresDefault()
	if declared && s.tag.space != xhtmlSpace || !s.skip() {
		return declared, false
	}
	return declared, s.next() == xmlDone && src[len(src)-1] == '>'
}

// namedCharacters writes HTML's names of characters, which XML does not know,
// as numbers.
func namedCharacters(text string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(text, '&')
		if i < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:i])
		text = text[i:]
		name, size := htmlName(text)
		b.WriteString(name)
		text = text[size:]
	}
}

// htmlName reads what begins with an &: a name that only HTML knows becomes
// numbers, all else stays.
func htmlName(text string) (string, int) {
	const longest = 40
	end := strings.IndexByte(text[:min(len(text), longest)], ';')
	if end < 2 || !alphanumeric(text[1:end]) {
		return "&", 1
	}
	name := text[:end+1]
	if _, known := xmlEntities[text[1:end]]; known {
		return name, len(name)
	}
	if r := html.UnescapeString(name); !strings.Contains(r, "&") {
		return numericReferences(r), len(name)
	}
	return name, len(name)
}
