// Package xhtml owns the rules of a resource's narrative: which XHTML a
// Narrative.div may hold, so that it is safe to show.
//
// It leaves to others: where narratives are, and what a broken rule means
// (invariants txt-1 and txt-2, by htmlChecks() of FHIRPath).
//
// https://hl7.org/fhir/R4/narrative.html#xhtml
package xhtml

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// Namespace is that of XHTML.
const Namespace = "http://www.w3.org/1999/xhtml"

// ErrHollow is that there is nothing to see (invariant txt-2).
var ErrHollow error = fhir.Errorf(fhir.KindUnprocessable, "the narrative has neither text nor an image")

// maxDepth bounds how deep elements nest.
const maxDepth = 200

// Check reports what in a narrative's div is not allowed: anything but
// well-formed XHTML with one div at its root, of the elements and attributes
// for basic formatting, without scripts, forms, frames, objects and links that
// run, and with something to see in it.
func Check(div string) error {
	c := &checker{decoder: xml.NewDecoder(strings.NewReader(div))}
	for {
		t, err := c.decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fhir.Errorf(fhir.KindUnprocessable, "the narrative is not well-formed XHTML: %v", err)
		}
		if err := c.token(t); err != nil {
			return err
		}
	}
	switch {
	case !c.rooted:
		return fhir.Errorf(fhir.KindUnprocessable, "the narrative has no div")
	case !c.visible:
		return ErrHollow
	}
	return nil
}

type checker struct {
	decoder         *xml.Decoder
	depth           int
	rooted, visible bool
}

func (c *checker) token(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		c.depth++
		return c.element(t)
	case xml.EndElement:
		c.depth--
	case xml.CharData:
		text := strings.TrimSpace(string(t))
		if text != "" && c.depth == 0 {
			return fhir.Errorf(fhir.KindUnprocessable, "the narrative has text outside its div")
		}
		c.visible = c.visible || text != ""
	case xml.Directive, xml.ProcInst:
		return fhir.Errorf(fhir.KindUnprocessable, "the narrative may hold neither declarations nor processing instructions")
	}
	return nil
}

func (c *checker) element(e xml.StartElement) error {
	name := e.Name.Local
	switch {
	case e.Name.Space != Namespace:
		return fhir.Errorf(fhir.KindUnprocessable, "the element %s of the narrative is not in the namespace %s", name, Namespace)
	case c.depth > maxDepth:
		return fhir.Errorf(fhir.KindUnprocessable, "the narrative is nested deeper than %d elements", maxDepth)
	case c.depth == 1 && (c.rooted || name != "div"):
		return fhir.Errorf(fhir.KindUnprocessable, "the narrative has %s where only one div may be", name)
	case !elements[name]:
		return fhir.Errorf(fhir.KindUnprocessable, "the narrative may not hold the element %s", name)
	}
	c.rooted = true
	c.visible = c.visible || name == "img"
	for _, a := range e.Attr {
		if err := attribute(name, a); err != nil {
			return err
		}
	}
	return nil
}

func attribute(element string, a xml.Attr) error {
	name := a.Name.Local
	switch {
	case name == "xmlns" || a.Name.Space == "xmlns":
		return nil
	case a.Name.Space == "xml" || strings.HasSuffix(a.Name.Space, "/namespace"):
		return nil // xml:lang, xml:space
	case a.Name.Space != "", !common[name] && !special[element+" "+name]:
		return fhir.Errorf(fhir.KindUnprocessable, "the element %s of the narrative may not have the attribute %s", element, name)
	case name == "href" || name == "src" || name == "cite" || name == "longdesc":
		if runs(a.Value) {
			return fhir.Errorf(fhir.KindUnprocessable, "the attribute %s of the narrative's %s may not run anything", name, element)
		}
	case name == "style" && runs(a.Value):
		return fhir.Errorf(fhir.KindUnprocessable, "a style of the narrative may not run anything")
	}
	return nil
}

// runs reports whether a browser would execute a link or style. White space
// and control characters within a scheme are ignored by browsers.
func runs(value string) bool {
	folded := strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == 0xa0 {
			return -1
		}
		return r
	}, strings.ToLower(value))
	for _, part := range []string{"javascript:", "vbscript:", "expression(", "-moz-binding", "behavior:", "@import", "data:text/html", "data:image/svg"} {
		if strings.Contains(folded, part) {
			return true
		}
	}
	return false
}
