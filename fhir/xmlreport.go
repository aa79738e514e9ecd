package fhir

import (
	"errors"
	"fmt"
	"strings"
)

// full reports whether there are so many issues that reading should stop.
func (r *xmlReader) full() bool { return len(r.issues) >= maxIssues }

// issue records a structural error in what is being read; reading goes on
// until there are too many.
func (r *xmlReader) issue(offset int, code, format string, args ...any) {
	if r.full() {
		return
	}
	line, column := position(r.scan.src, offset)
	r.issues = append(r.issues, Issue{
		Severity:    SeverityError,
		Code:        code,
		Diagnostics: fmt.Sprintf(format, args...),
		Expression:  r.path(),
		Line:        line,
		Column:      column,
	})
}

// issueAbout records an error in an element of what is being read, at the
// start tag taken last.
func (r *xmlReader) issueAbout(e *Element, format string, args ...any) {
	r.steps = append(r.steps, xmlStep{element: e, item: -1})
	r.issue(r.scan.tag.start, "structure", format, args...)
	r.steps = r.steps[:len(r.steps)-1]
}

// path is the FHIRPath location of what is being read.
func (r *xmlReader) path() string {
	var b []byte
	for _, s := range r.steps {
		switch {
		case s.typ != nil:
			b = append(b, s.typ.Name...)
		case s.item < 0: // the element as a whole
			b = append(append(b, '.'), s.element.Name...)
		default:
			b = appendStep(b, s.element, s.item)
		}
	}
	return string(b)
}

// syntax records that the source is not XML; reading stops.
func (r *xmlReader) syntax() bool {
	return r.stop("invalid", r.scan.broken, "not valid XML: %s", r.scan.problem)
}

// stop records the error that ends reading.
func (r *xmlReader) stop(code string, offset int, format string, args ...any) bool {
	r.issues = append(r.issues, fatal(r.scan.src, code, offset, format, args...))
	return false
}

// enter counts one more level of nesting in JSON.
func (r *xmlReader) enter(at int) bool {
	r.depth++
	if r.depth > r.limits.Depth {
		return r.stop("structure", at, "the resource is nested more than %d deep, as the objects and arrays of JSON count", r.limits.Depth)
	}
	return true
}

func (r *xmlReader) tooMany() bool {
	r.kind = KindTooLarge
	r.issues = nil // the limit is the one thing to tell
	return r.stop("too-long", r.scan.tag.start, "the XML has more than %d values; send it in smaller parts", r.limits.Nodes)
}

// skip takes the rest of the element whose start tag was taken last.
func (r *xmlReader) skip() bool { return r.scan.skip() || r.syntax() }

// strayText records the text taken last.
func (r *xmlReader) strayText() {
	text := r.scan.src[r.scan.textAt:r.scan.at]
	r.issue(r.scan.textAt, "structure", `text %s stands between elements; a value is written as an attribute: value="…"`,
		quoteText(strings.TrimSpace(string(text[:min(len(text), 200)]))))
}

// spaceName names a namespace in a message.
func spaceName(uri string) string {
	if uri == "" {
		return "no namespace"
	}
	return "namespace " + quoteText(uri)
}

// unknown records a start tag that the type does not have.
func (r *xmlReader) unknown(f *xmlFrame, name string) {
	r.issue(r.scan.tag.start, "structure", "%s has no element <%s>%s", f.typ.Name, r.scan.full(r.scan.tag.name), mendElement(f.typ, name))
}

// mendElement says what to do about an unknown element, "" where there is no
// guess.
func mendElement(t *Type, name string) string {
	if e := t.Element(name); e != nil && e.Choice {
		return "; the type is part of the name: " + formNames(e)
	}
	if prop := t.Property([]byte(name)); prop != nil && isXMLAttribute(prop) {
		return fmt.Sprintf(`; it is an attribute: %s="…"`, name)
	}
	var names []string
	for _, e := range t.Elements {
		for _, prop := range e.Properties {
			if e.Max != 0 && !isXMLAttribute(prop) {
				names = append(names, prop.JSON)
			}
		}
	}
	return didYouMean(Nearest(name, names))
}

// unknownAttribute records an attribute that the type does not have.
func (r *xmlReader) unknownAttribute(f *xmlFrame, name string, a xmlAttr) {
	mend := ""
	if prop := f.typ.Property([]byte(name)); prop != nil && prop.Type.Kind == KindPrimitive && prop.Element.Max != 0 {
		mend = fmt.Sprintf(`; it is an element: <%s value="…"/>`, name)
	}
	r.issue(a.name.start, "structure", "%s has no attribute %q%s", f.typ.Name, name, mend)
}

// formName names an element as XML writes it; of a choice, without the type.
func formName(e *Element) string {
	if e.Choice {
		return e.Name + "[x]"
	}
	return e.Name
}

// relocate gives issues of the JSON, which is one line, their place in the XML.
func (o *xmlOrigin) relocate(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	for i := range e.Issues {
		issue := &e.Issues[i]
		if issue.Line == 1 {
			issue.Line, issue.Column = o.position(issue.Column - 1)
		}
		issue.Diagnostics = strings.Replace(issue.Diagnostics, "the JSON has", "the XML has", 1)
	}
	return err
}
