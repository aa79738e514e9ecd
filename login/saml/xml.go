package saml

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"

	"github.com/beevik/etree"
)

// The namespaces.
const (
	protocolNS  = "urn:oasis:names:tc:SAML:2.0:protocol"
	assertionNS = "urn:oasis:names:tc:SAML:2.0:assertion"
	metadataNS  = "urn:oasis:names:tc:SAML:2.0:metadata"
	signatureNS = "http://www.w3.org/2000/09/xmldsig#"
	cipherNS    = "http://www.w3.org/2001/04/xmlenc#"
	cipher11NS  = "http://www.w3.org/2009/xmlenc11#"
)

// The bounds of a document.
const (
	maxResponse = 256 << 10
	maxMetadata = 1 << 20
	maxElements = 20_000
	maxDepth    = 64
	maxAttrs    = 64 // of one element
	maxPrefixes = 64 // declared at one place, which canonicalization copies for each element
)

// parse reads a document that is in bounds and has nothing that SAML has no use
// for and attacks have: a DTD, comments, processing instructions, prefixes that
// are not declared, attributes that are there twice, two elements with one ID.
func parse(text []byte, most int, comments bool) (*etree.Element, error) {
	if len(text) > most {
		return nil, wrong("the document is larger than %d bytes", most)
	}
	if err := scan(text, comments); err != nil {
		return nil, err
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(text); err != nil || doc.Root() == nil {
		return nil, wrong("the document is not well-formed XML")
	}
	return doc.Root(), nil
}

func scan(text []byte, comments bool) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	s := scanner{ids: map[string]bool{}}
	for {
		offset := d.InputOffset()
		token, err := d.RawToken()
		switch {
		case err == io.EOF && s.roots == 1 && len(s.open) == 0:
			return nil
		case err != nil:
			return wrong("the document is not well-formed XML")
		}
		switch t := token.(type) {
		case xml.StartElement:
			err = s.start(t)
		case xml.EndElement:
			err = s.end(t)
		case xml.Comment:
			if !comments {
				err = wrong("the document has a comment")
			}
		case xml.ProcInst:
			if t.Target != "xml" || offset != 0 || !utf8Declared(t.Inst) {
				err = wrong("the document has a processing instruction or is not UTF-8")
			}
		case xml.Directive:
			err = wrong("the document has a DTD")
		case xml.CharData:
			if len(s.open) == 0 && trim(string(t)) != "" {
				err = wrong("the document has text beside its root")
			}
		}
		if err != nil {
			return err
		}
	}
}

// utf8Declared reports whether an XML declaration is of the only encoding.
func utf8Declared(declaration []byte) bool {
	_, encoding, found := strings.Cut(strings.ToLower(string(declaration)), "encoding")
	return !found || strings.Contains(encoding, "utf-8")
}

// A scanner knows what is open at a place of a document.
type scanner struct {
	open                      []opened
	ids                       map[string]bool
	roots, elements, prefixes int
}

type opened struct {
	name     xml.Name
	declared []string // prefixes
}

func (s *scanner) start(t xml.StartElement) error {
	if len(s.open) == 0 {
		s.roots++
	}
	s.elements++
	if s.roots > 1 || s.elements > maxElements || len(s.open) >= maxDepth || len(t.Attr) > maxAttrs {
		return wrong("the document has more than one root, or is too large or too deep")
	}
	here := opened{name: t.Name}
	seen := map[xml.Name]bool{}
	for _, a := range t.Attr {
		if seen[a.Name] {
			return wrong("an attribute is there twice")
		}
		seen[a.Name] = true
		if a.Name.Space == "xmlns" {
			here.declared = append(here.declared, a.Name.Local)
		}
	}
	s.open = append(s.open, here)
	if s.prefixes += len(here.declared); s.prefixes > maxPrefixes {
		return wrong("the document declares too many prefixes")
	}
	for _, a := range t.Attr {
		if err := s.attribute(a); err != nil {
			return err
		}
	}
	if !s.known(t.Name.Space) || !plainName(t.Name.Local) {
		return wrong("a prefix is not declared")
	}
	return nil
}

// xmlNamespace is what the prefix xml means, declared or not.
const xmlNamespace = "http://www.w3.org/XML/1998/namespace"

// attribute checks one attribute. IDs are what signatures refer to: there is one
// way to write them, and no two elements have the same. Prefixes have one meaning
// to every reader (Namespaces in XML section 3).
// https://www.w3.org/TR/xml-names/
func (s *scanner) attribute(a xml.Attr) error {
	if a.Name.Space == "xmlns" && (a.Value == "" || a.Name.Local == "xmlns" || (a.Name.Local == "xml") != (a.Value == xmlNamespace)) {
		return wrong("a prefix is declared that cannot be, or as what it cannot be")
	}
	if a.Name.Space != "xmlns" && !s.known(a.Name.Space) || !plainName(a.Name.Local) {
		return wrong("a prefix is not declared")
	}
	if !strings.EqualFold(a.Name.Local, "id") || a.Name.Space == "xmlns" {
		return nil
	}
	if a.Name.Space != "" || s.ids[a.Value] {
		return wrong("an ID is there twice, or in a namespace")
	}
	s.ids[a.Value] = true
	return nil
}

func (s *scanner) known(prefix string) bool {
	if prefix == "" || prefix == "xml" {
		return true
	}
	for _, o := range s.open {
		for _, declared := range o.declared {
			if declared == prefix {
				return true
			}
		}
	}
	return false
}

// plainName reports whether a local name is one to every reader of XML.
func plainName(name string) bool { return name != "" && !strings.Contains(name, ":") }

func (s *scanner) end(t xml.EndElement) error {
	if len(s.open) == 0 || s.open[len(s.open)-1].name != t.Name {
		return wrong("the document is not well-formed XML")
	}
	s.prefixes -= len(s.open[len(s.open)-1].declared)
	s.open = s.open[:len(s.open)-1]
	return nil
}

func is(e *etree.Element, ns, tag string) bool { return e.Tag == tag && e.NamespaceURI() == ns }

// children are those of a name.
func children(e *etree.Element, ns, tag string) (list []*etree.Element) {
	for _, c := range e.ChildElements() {
		if is(c, ns, tag) {
			list = append(list, c)
		}
	}
	return list
}

// one is the only child of a name; nil where there is none or there are several.
func one(e *etree.Element, ns, tag string) *etree.Element {
	if list := children(e, ns, tag); len(list) == 1 {
		return list[0]
	}
	return nil
}

// down goes from only child to only child.
func down(e *etree.Element, ns string, tags ...string) *etree.Element {
	for _, tag := range tags {
		if e == nil {
			return nil
		}
		e = one(e, ns, tag)
	}
	return e
}

// all are the elements of a name in a tree, its root too.
func all(e *etree.Element, ns, tag string) (list []*etree.Element) {
	if is(e, ns, tag) {
		list = append(list, e)
	}
	for _, c := range e.ChildElements() {
		list = append(list, all(c, ns, tag)...)
	}
	return list
}

// text is what an element without children says.
func text(e *etree.Element) string {
	if e == nil || len(e.ChildElements()) > 0 {
		return ""
	}
	return trim(e.Text())
}

// trim takes away the white space of XML, and no other: to Unicode there is more,
// and an identity provider may tell names apart by it.
func trim(text string) string { return strings.Trim(text, " \t\r\n") }

// attr is the value of an attribute without a namespace.
func attr(e *etree.Element, name string) string {
	if e == nil {
		return ""
	}
	for _, a := range e.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value
		}
	}
	return ""
}
