package endtoend

import (
	"strings"
	"unicode"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// modifiedOperands are made for a modifier from each value that a parameter
// selects in a resource. http://hl7.org/fhir/R4/search.html#modifiers
func (w *writer) modifiedOperands(p *search.Param, modifier string, root fhir.Node) []operand {
	read := map[string]func(fhir.Node) (operand, bool){
		"exact": w.exact, "contains": w.contains, "text": w.tokenText, "in": w.in,
		"of-type": w.ofType, "identifier": w.identifier, "above": w.above, "below": w.below,
	}[modifier]
	var all []operand
	for _, item := range w.items(p.Def.Expression, root) {
		if n := item.Node(); n.Exists() {
			if o, ok := read(n); ok {
				all = append(all, o)
			}
		}
	}
	return all
}

func readable(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

// foldable reports whether upper and lower case of a text are the same to
// string search.
func foldable(text string) bool { return !strings.ContainsAny(text, "ßİıſ") }

// maxText is how long the texts are that are searched for as a whole.
const maxText = 300

// aText is one of the texts of a value.
func (w *writer) aText(list []string) (string, bool) {
	if len(list) == 0 {
		return "", false
	}
	text := list[w.random.IntN(len(list))]
	return text, readable(text)
}

// exact is a whole text, now and then in another case.
func (w *writer) exact(n fhir.Node) (operand, bool) {
	text, ok := w.aText(texts(n))
	if !ok || len(text) > maxText {
		return operand{}, false
	}
	if w.chance(4) {
		return operand{escape(strings.ToUpper(text)), strings.ToUpper(text) == text}, true
	}
	return operand{escape(text), true}, true
}

// contains is a part of a text, in any case.
func (w *writer) contains(n fhir.Node) (operand, bool) {
	text, ok := w.aText(texts(n))
	part := w.part(text)
	return operand{escape(w.anyCase(part)), foldable(part)}, ok && readable(part)
}

func (w *writer) part(text string) string {
	runes := []rune(text)
	if len(runes) == 0 {
		return ""
	}
	from := w.random.IntN(len(runes))
	return string(runes[from:min(len(runes), from+1+w.random.IntN(20))])
}

func (w *writer) anyCase(text string) string {
	return w.oneOf(text, strings.ToUpper(text), strings.ToLower(text))
}

// tokenText is the beginning of a text that goes with a code.
func (w *writer) tokenText(n fhir.Node) (operand, bool) {
	var list []string
	add := func(text string) {
		if text != "" {
			list = append(list, text)
		}
	}
	switch n.Type().Name {
	case "Coding":
		add(n.TextOf("display"))
	case "CodeableConcept":
		add(n.TextOf("text"))
		for c := range n.Each("coding") {
			add(c.TextOf("display"))
		}
	case "Identifier":
		if t := n.Child("type"); t.Exists() {
			add(t.TextOf("text"))
		}
	}
	text, ok := w.aText(list)
	runes := []rune(text)
	text = string(runes[:min(len(runes), 1+w.random.IntN(30))])
	return operand{escape(w.anyCase(text)), foldable(text)}, ok && readable(text)
}

// in is the value set that an element is bound to.
func (w *writer) in(n fhir.Node) (operand, bool) {
	e := n.Element()
	if e == nil || e.Binding == nil {
		return operand{}, false
	}
	set := w.set.ValueSet(e.Binding.ValueSet)
	if set == nil || len(set.Open) > 0 || w.set.ValueSet(set.URL) == nil || size(set) > 5000 {
		return operand{}, false
	}
	return operand{escape(set.URL), contains(set, n)}, true
}

func size(set *definition.ValueSet) int {
	n := 0
	for _, codes := range set.Codes {
		n += len(codes)
	}
	return n
}

// contains reports whether one of an element's codes is in a value set.
func contains(set *definition.ValueSet, n fhir.Node) bool {
	switch n.Type().Name {
	case "code":
		for _, codes := range set.Codes {
			if codes[n.Text()] {
				return true
			}
		}
	case "Coding":
		return set.Codes[n.TextOf("system")][n.TextOf("code")]
	case "CodeableConcept":
		for c := range n.Each("coding") {
			if contains(set, c) {
				return true
			}
		}
	}
	return false
}

// ofType is system|code|value of an identifier with a type.
func (w *writer) ofType(n fhir.Node) (operand, bool) {
	if n.Type().Name != "Identifier" || n.TextOf("value") == "" || !n.Child("type").Exists() {
		return operand{}, false
	}
	for c := range n.Child("type").Each("coding") {
		if code := c.TextOf("code"); code != "" {
			return operand{escape(c.TextOf("system")) + "|" + escape(code) + "|" + escape(n.TextOf("value")), true}, true
		}
	}
	return operand{}, false
}

// identifier is that of a reference.
func (w *writer) identifier(n fhir.Node) (operand, bool) {
	if n.Type().Name != "Reference" || !n.Child("identifier").Exists() {
		return operand{}, false
	}
	return w.token(n.Child("identifier"))
}

// path is a URL without its version, and where its path begins.
func path(n fhir.Node) (url string, start int, ok bool) {
	url = n.Text()
	if n.Type().Name == "canonical" {
		url, _, _ = strings.Cut(url, "|")
	}
	start = strings.Index(url, "://") + 3
	return url, start, start > 3 && start < len(url) && !strings.HasSuffix(url, "/")
}

// above is the URL or one under it.
func (w *writer) above(n fhir.Node) (operand, bool) {
	url, _, ok := path(n)
	return operand{escape(url + w.oneOf("", "/", "/x", "/x/y.z/")), true}, ok
}

// below is the URL or one that it is under.
func (w *writer) below(n fhir.Node) (operand, bool) {
	url, start, ok := path(n)
	for ok && w.chance(2) {
		i := strings.LastIndexByte(url, '/')
		if i <= start {
			break
		}
		url = url[:i]
	}
	return operand{escape(url), true}, ok
}
