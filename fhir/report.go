package fhir

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// full reports whether there are so many issues that reading should stop.
func (p *parser) full() bool { return len(p.issues) >= maxIssues }

// issueAt records a structural error at an offset; reading goes on until
// there are too many.
func (p *parser) issueAt(offset int, expression, code, format string, args ...any) {
	if p.full() {
		return
	}
	line, column := position(p.src, offset)
	p.issues = append(p.issues, Issue{
		Severity:    SeverityError,
		Code:        code,
		Diagnostics: fmt.Sprintf(format, args...),
		Expression:  expression,
		Line:        line,
		Column:      column,
	})
}

// syntax records that the source is not JSON; reading stops.
func (p *parser) syntax(offset int, format string, args ...any) bool {
	return p.stop("invalid", offset, "not valid JSON: "+format, args...)
}

// stop records the error that ends reading.
func (p *parser) stop(code string, offset int, format string, args ...any) bool {
	p.issues = append(p.issues, fatal(p.src, code, offset, format, args...))
	return false
}

// fatal is the issue of an error at a place of a text, behind which nothing is read.
func fatal(src []byte, code string, offset int, format string, args ...any) Issue {
	line, column := position(src, offset)
	return Issue{Severity: SeverityFatal, Code: code, Diagnostics: fmt.Sprintf(format, args...), Line: line, Column: column}
}

// unexpected records that something else than wanted stands at p.at.
func (p *parser) unexpected(wanted string) bool {
	return p.syntax(p.at, "expected %s, found %s", wanted, p.found())
}

// found names what stands at p.at.
func (p *parser) found() string {
	if p.at >= len(p.src) {
		return "the end of the text"
	}
	return quoteChar(p.src[p.at:])
}

// quoteChar quotes the first character of b.
func quoteChar(b []byte) string {
	r, _ := utf8.DecodeRune(b)
	return fmt.Sprintf("%q", string(r))
}

// quoteKey quotes a key for a message, cut to a length that can be read.
func quoteKey(key []byte) string {
	const most = 64
	if len(key) > most {
		return fmt.Sprintf("%q…", strings.ToValidUTF8(string(key[:most]), ""))
	}
	return fmt.Sprintf("%q", key)
}

// describe names the kind of JSON value that a byte begins, "" for none.
func describe(c byte) string {
	switch {
	case c == '"':
		return "a string"
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == 't' || c == 'f':
		return "a boolean"
	case c == 'n':
		return "null"
	case c == '-' || '0' <= c && c <= '9':
		return "a number"
	}
	return ""
}

// mismatch records that the value at p.at has the wrong JSON form and skips it.
func (p *parser) mismatch(f *frame, companion bool) bool {
	name := keyName(f.prop, companion)
	at := p.at
	if !p.startsValue() {
		return p.skip() // a syntax error
	}
	f.broken = true
	if !p.skip() {
		return false
	}
	switch got := describe(p.src[at]); {
	case got == "null":
		p.issueAt(at, p.itemPath(f), "structure", "%s is null; leave it out", name)
	case companion:
		p.issueAt(at, p.itemPath(f), "structure",
			"%s must be an object with id or extension, got %s", name, got)
	default:
		p.issueAt(at, p.itemPath(f), "structure",
			"%s must be %s, got %s", name, expected(f.prop.Type), got)
	}
	return true
}

// expected names the JSON form of a type's values.
func expected(t *Type) string {
	if t.Kind != KindPrimitive {
		return fmt.Sprintf("an object (%s)", t.Name)
	}
	switch t.JSON {
	case JSONNumber:
		return fmt.Sprintf("a number without quotes (%s)", t.Name)
	case JSONBool:
		return "true or false without quotes (boolean)"
	}
	return fmt.Sprintf("a string (%s)", t.Name)
}

func keyName(prop *Property, companion bool) string {
	if companion {
		return `"_` + prop.JSON + `"`
	}
	return `"` + prop.JSON + `"`
}

// repeated records a second key for an element that has one already.
func (p *parser) repeated(f *frame, key []byte, keyAt int) bool {
	f.broken = true
	for at := f.self + 1; f.last != 0 && at != 0; at = p.nodes[at].next {
		other := p.schema.Properties[p.nodes[at].prop]
		if (p.nodes[at].kind == nodeCompanion) != (key[0] == '_') || other.Element != f.prop.Element {
			continue
		}
		if other != f.prop {
			p.issueAt(keyAt, p.elementPath(f), "structure",
				"%s and %s are both forms of %s[x]; keep one",
				keyName(other, key[0] == '_'), quoteKey(key), other.Element.Name)
			return p.skip()
		}
		break
	}
	p.issueAt(keyAt, p.elementPath(f), "structure", "%s occurs twice; keep one", quoteKey(key))
	return p.skip()
}

// unknown records a key that the type does not have.
func (p *parser) unknown(f *frame, key []byte, keyAt int) {
	p.issueAt(keyAt, p.path(f.self), "structure",
		"%s has no property %s%s", f.typ.Name, quoteKey(key), p.mend(f, string(key)))
}

// mend says what to do about an unknown key, "" where there is no guess.
func (p *parser) mend(f *frame, key string) string {
	bare := strings.TrimPrefix(key, "_")
	if e := f.typ.Element(bare); e != nil && e.Choice {
		return "; the type is part of the name: " + formNames(e)
	}
	if prop := f.typ.Property([]byte(bare)); prop != nil && bare != key {
		return fmt.Sprintf("; %q takes no companion, because it is not a primitive with extensions", bare)
	}
	var names []string
	for _, e := range f.typ.Elements {
		if e.Max == 0 {
			continue
		}
		for _, prop := range e.Properties {
			names = append(names, prop.JSON)
		}
	}
	return didYouMean(Nearest(bare, names))
}

// formNames lists some of a choice element's keys.
func formNames(e *Element) string {
	var b strings.Builder
	for i, prop := range e.Properties {
		if i > 0 {
			b.WriteString(", ")
		}
		if i == 5 {
			b.WriteString("…")
			break
		}
		fmt.Fprintf(&b, "%q", prop.JSON)
	}
	return b.String()
}

func didYouMean(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", name)
}
