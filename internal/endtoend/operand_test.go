package endtoend

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/fulltext"
)

// An operand is the text of one query value that was made from a resource's
// value. hits is set where the specification says that it finds the resource
// again. What it means is written down here a second time, apart from package
// search, so that a mistake there shows.
type operand struct {
	text string
	hits bool
}

// A writer turns values of resources into operands, in random forms.
type writer struct {
	random *rand.Rand
	set    *definition.Set
	base   string
	exprs  map[string]*fhirpath.Expr
	// plain leaves out the forms that composites do not take.
	plain bool
}

func newWriter(random *rand.Rand, registry *search.Registry, base string) *writer {
	return &writer{random: random, set: registry.Definitions, base: base, exprs: map[string]*fhirpath.Expr{}}
}

// operands are made from each value that a parameter selects in a resource.
func (w *writer) operands(p *search.Param, root fhir.Node) []operand {
	if p.Def.Expression == "" {
		return w.words(root)
	}
	var all []operand
	for _, item := range w.items(p.Def.Expression, root) {
		if o, ok := w.operand(p.Def, item); ok {
			all = append(all, o)
		}
	}
	return all
}

// words are those of a narrative, for _text and _content.
func (w *writer) words(root fhir.Node) []operand {
	var all []operand
	fulltext.Words(fulltext.Narrative([]byte(root.Child("text").TextOf("div"))), func(word []byte) {
		all = append(all, operand{`"` + string(word) + `"`, true})
	})
	if len(all) > 1 {
		return all[w.random.IntN(len(all)):]
	}
	return all
}

// hit is an operand that finds the resource again, "" where it has no value.
func (w *writer) hit(p *search.Param, root fhir.Node) string {
	for range 20 { // the forms are random, and most of them hit
		for _, o := range w.operands(p, root) {
			if o.hits {
				return o.text
			}
		}
	}
	return ""
}

// items evaluates an expression. Parameters that select an extension mean its
// value.
func (w *writer) items(expression string, focus fhir.Node) []fhirpath.Item {
	expr := w.exprs[expression]
	if expr == nil {
		var err error
		if expr, err = fhirpath.Compile(w.set.Schema, expression); err != nil {
			panic(err)
		}
		w.exprs[expression] = expr
	}
	items, err := expr.Eval(focus, fhirpath.Env{})
	if err != nil {
		panic(err)
	}
	for i, item := range items {
		if n := item.Node(); n.Exists() && n.Type().Name == "Extension" {
			items[i] = fhirpath.NodeItem(n.Child("value"))
		}
	}
	return items
}

func (w *writer) operand(def *definition.SearchParameter, item fhirpath.Item) (operand, bool) {
	if b, ok := item.Bool(); ok && !item.Node().Exists() {
		return operand{strconv.FormatBool(b), true}, def.Type == definition.ParamToken
	}
	n := item.Node()
	if !n.Exists() {
		return operand{}, false
	}
	switch def.Type {
	case definition.ParamString:
		return w.string(n)
	case definition.ParamToken:
		return w.token(n)
	case definition.ParamDate:
		return w.date(n)
	case definition.ParamNumber:
		return w.number(n)
	case definition.ParamQuantity:
		return w.quantity(n)
	case definition.ParamReference:
		return w.reference(def, n)
	case definition.ParamURI:
		return w.uri(n)
	case definition.ParamComposite:
		return w.composite(def, n)
	}
	return operand{}, false
}

func (w *writer) oneOf(list ...string) string { return list[w.random.IntN(len(list))] }

// chance holds once in n.
func (w *writer) chance(n int) bool { return w.random.IntN(n) == 0 }

// escape protects what separates values.
// http://hl7.org/fhir/R4/search.html#escaping
func escape(text string) string { return escaper.Replace(text) }

var escaper = strings.NewReplacer(`\`, `\\`, `,`, `\,`, `$`, `\$`, `|`, `\|`)

// string takes the beginning of one of a value's texts, in any case.
// http://hl7.org/fhir/R4/search.html#string
func (w *writer) string(n fhir.Node) (operand, bool) {
	texts := texts(n)
	if len(texts) == 0 {
		return operand{}, false
	}
	runes := []rune(texts[w.random.IntN(len(texts))])
	if !w.chance(3) {
		runes = runes[:min(len(runes), 1+w.random.IntN(12))]
	}
	if w.plain {
		runes = runes[:min(len(runes), 30)]
	}
	text := string(runes)
	if !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return operand{}, false
	}
	switch w.random.IntN(3) {
	case 0:
		text = strings.ToUpper(text)
	case 1:
		text = strings.ToLower(text)
	}
	// ß and the like have no single upper-case form.
	return operand{escape(text), !strings.ContainsAny(string(runes), "ßİıſ")}, true
}

var namePartsOf = map[string][]string{
	"HumanName": {"family", "given", "prefix", "suffix", "text"},
	"Address":   {"line", "city", "district", "state", "postalCode", "country", "text"},
}

// texts are the texts that a string parameter looks at.
func texts(n fhir.Node) []string {
	var list []string
	switch name := n.Type().Name; name {
	case "HumanName", "Address":
		for c := range n.Children() {
			if slices.Contains(namePartsOf[name], c.Name()) && c.HasValue() {
				list = append(list, c.Text())
			}
		}
	case "CodeableConcept":
		if c := n.Child("text"); c.HasValue() {
			list = append(list, c.Text())
		}
	default:
		if n.HasValue() {
			list = append(list, n.Text())
		}
	}
	return list
}

// token writes code, system|code, |code or system|.
// http://hl7.org/fhir/R4/search.html#token
func (w *writer) token(n fhir.Node) (operand, bool) {
	system, code, ok := w.coding(n)
	if !ok {
		return operand{}, false
	}
	system, code = escape(system), escape(code)
	forms := []operand{}
	if code != "" {
		forms = append(forms, operand{code, true}, operand{system + "|" + code, true}, operand{"|" + code, system == ""})
	}
	if system != "" {
		forms = append(forms, operand{system + "|", true})
	}
	if code != "" && n.IsPrimitive() && n.Type().Name == "code" {
		// The instance names no system: without one it is found as well.
		forms = append(forms, operand{"|" + code, true})
	}
	return forms[w.random.IntN(len(forms))], true
}

// coding is the system and code of one of a value's codings.
func (w *writer) coding(n fhir.Node) (system, code string, ok bool) {
	switch n.Type().Name {
	case "Coding":
		system, code = n.TextOf("system"), n.TextOf("code")
	case "Identifier":
		system, code = n.TextOf("system"), n.TextOf("value")
	case "ContactPoint":
		code = n.TextOf("value")
	case "CodeableConcept":
		codings := slices.Collect(n.Each("coding"))
		if len(codings) == 0 {
			return "", "", false
		}
		return w.coding(codings[w.random.IntN(len(codings))])
	case "code":
		system, code = w.boundSystem(n), n.Text()
	default:
		code = n.Text()
	}
	return system, code, system != "" || code != ""
}

// boundSystem is the one system of the value set that a code is bound to, ""
// where there are several.
func (w *writer) boundSystem(n fhir.Node) string {
	e := n.Element()
	if e == nil || e.Binding == nil || e.Binding.Strength != fhir.BindingRequired {
		return ""
	}
	set := w.set.ValueSet(e.Binding.ValueSet)
	if set == nil || len(set.Codes) != 1 || len(set.Open) > 0 {
		return ""
	}
	for system := range set.Codes {
		return system
	}
	return ""
}

// uri writes a URI as it is; a canonical also without its version.
// http://hl7.org/fhir/R4/search.html#uri
func (w *writer) uri(n fhir.Node) (operand, bool) {
	text := n.Text()
	if strings.Trim(text, "|$ ") == "" {
		return operand{}, false
	}
	if bare, _, versioned := strings.Cut(text, "|"); versioned && n.Type().Name == "canonical" && w.chance(2) {
		text = bare
	}
	return operand{escape(text), true}, true
}

// reference writes a reference as it stands, absolute, by id alone or, of a
// canonical, without the version. http://hl7.org/fhir/R4/search.html#reference
func (w *writer) reference(def *definition.SearchParameter, n fhir.Node) (operand, bool) {
	text := n.Text()
	switch name := n.Type().Name; {
	case name == "Reference":
		text = n.TextOf("reference")
	case !n.IsPrimitive() && !slices.Contains(def.Target, name): // another entry of a Bundle
		return operand{}, false
	case !n.IsPrimitive():
		text = name + "/" + n.TextOf("id")
	}
	ref := fhir.ParseReference(text, w.base)
	switch {
	case ref.Kind == fhir.RefRelative && w.set.Schema.Resource(ref.Type) != nil:
		return w.relative(def, ref), true
	case ref.Kind == fhir.RefAbsolute, ref.Kind == fhir.RefURN:
		return w.canonical(n, text), true
	}
	return operand{}, false
}

func (w *writer) relative(def *definition.SearchParameter, ref fhir.Ref) operand {
	name := ref.Type + "/" + ref.ID
	switch w.random.IntN(4) {
	case 0:
		return operand{w.base + "/" + name, true}
	case 1:
		return operand{ref.ID, len(def.Target) == 0 || slices.Contains(def.Target, ref.Type)}
	case 2:
		if ref.Version != "" && !w.plain {
			return operand{name + "/_history/" + ref.Version, true}
		}
	}
	return operand{name, true}
}

func (w *writer) canonical(n fhir.Node, text string) operand {
	bare, _, versioned := strings.Cut(text, "|")
	if versioned && n.Type().Name != "Reference" && (w.plain || w.chance(2)) {
		return operand{escape(bare), true}
	}
	return operand{escape(text), true}
}

// composite joins operands of its components, made from one and the same
// value. http://hl7.org/fhir/R4/search.html#combining
func (w *writer) composite(def *definition.SearchParameter, n fhir.Node) (operand, bool) {
	w.plain = true
	defer func() { w.plain = false }()
	whole := operand{hits: true}
	for i, c := range def.Component {
		items := w.items(c.Expression, n)
		if len(items) == 0 {
			return operand{}, false
		}
		o, ok := w.operand(c.Param, items[w.random.IntN(len(items))])
		if !ok {
			return operand{}, false
		}
		if i > 0 {
			whole.text += "$"
		}
		whole.text += o.text
		whole.hits = whole.hits && o.hits
	}
	return whole, true
}
