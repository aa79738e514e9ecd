package endtoend

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/search"
)

// filter makes a _filter. http://hl7.org/fhir/R4/search_filter.html
func (g *generator) filter(seed *search.Candidate, _ int) (condition, bool) {
	text, says := g.filterExpr(seed, 2)
	return condition{name: "_filter", values: []string{text}, says: says}, true
}

// filterExpr joins terms, which apply from left to right. depth bounds the
// parentheses and brackets.
func (g *generator) filterExpr(seed *search.Candidate, depth int) (text string, says verdict) {
	text, says = g.filterTerm(seed, depth)
	for g.chance(2) {
		t, s := g.filterTerm(seed, depth)
		if g.chance(2) {
			text, says = text+" and "+t, min(says, s)
		} else {
			text, says = text+" or "+t, max(says, s)
		}
	}
	return text, says
}

func (g *generator) filterTerm(seed *search.Candidate, depth int) (text string, says verdict) {
	if depth > 0 && g.chance(3) {
		text, says = g.filterExpr(seed, depth-1)
		if g.chance(2) {
			return "not (" + text + ")", -says
		}
		return "(" + text + ")", says
	}
	if g.chance(5) {
		text, _ = g.filterTest(g.another(seed.Type), depth)
		return text, unsure
	}
	return g.filterTest(seed, depth)
}

// filterTest is one comparison, of the seed or of what it refers to.
func (g *generator) filterTest(seed *search.Candidate, depth int) (text string, says verdict) {
	links := g.links(seed)
	if depth > 0 && len(links) > 0 && g.chance(4) {
		l := links[g.random.IntN(len(links))]
		text, says = g.filterTest(l.other, depth-1)
		head := g.head(l, true)
		if g.chance(2) {
			where, s := g.filterExpr(l.other, depth-1)
			head, says = head+"["+where+"]", min(says, s)
		}
		return head + "." + text, max(says, unsure)
	}
	params := paramsOf(seed)
	if len(params) == 0 || g.chance(12) {
		return "_id eq " + seed.ID, hit
	}
	p := params[g.random.IntN(len(params))]
	if items := g.items(p.Def.Expression, seed.Tree.Root()); len(items) > 0 && !g.chance(6) {
		if n := items[g.random.IntN(len(items))].Node(); n.Exists() {
			if op, o, ok := g.compared(p.Def, n); ok {
				return p.Code + " " + op + " " + g.quoted(o.text), verdictOf(o.hits)
			}
		}
	}
	if g.chance(4) {
		return p.Code + " pr false", miss
	}
	return p.Code + " pr true", hit
}

// compared is an operator and value for a value of a resource.
func (g *generator) compared(def *definition.SearchParameter, n fhir.Node) (op string, o operand, ok bool) {
	switch def.Type {
	case definition.ParamString:
		return g.comparedText(n)
	case definition.ParamURI:
		if g.chance(2) {
			o, ok = g.uri(n)
			return "eq", o, ok
		}
		return g.comparedURI(n.Text())
	case definition.ParamToken:
		if o, ok = g.in(n); ok && g.chance(4) {
			return "in", o, true
		}
		o, ok = g.token(n)
		return g.equal("eq", o, ok)
	case definition.ParamReference:
		o, ok = g.reference(def, n)
		return g.equal(g.oneOf("eq", "re"), o, ok && !strings.Contains(o.text, "/_history/"))
	case definition.ParamDate, definition.ParamNumber, definition.ParamQuantity:
		return g.ordered(def, n)
	}
	return "", operand{}, false
}

// equal turns the operator into ne now and then, which finds whatever has
// another value.
func (g *generator) equal(op string, o operand, ok bool) (string, operand, bool) {
	if g.chance(5) {
		return "ne", operand{text: o.text}, ok
	}
	return op, o, ok
}

// ordered makes the prefix an operator.
func (g *generator) ordered(def *definition.SearchParameter, n fhir.Node) (op string, o operand, ok bool) {
	var all []string
	if def.Type == definition.ParamDate {
		all = dates(n)
	}
	if len(all) > 0 && g.chance(4) {
		return g.oneOf("po", "co"), operand{all[g.random.IntN(len(all))], n.IsPrimitive()}, true
	}
	if o, ok = g.operand(def, fhirpath.NodeItem(n)); !ok {
		return "", o, false
	}
	op = "eq"
	if i := slices.IndexFunc(prefixes, func(p prefixText) bool { return p.text != "" && strings.HasPrefix(o.text, p.text) }); i >= 0 {
		op, o.text = o.text[:2], o.text[2:]
	}
	return op, o, true
}

// comparedText compares a text as it is: a filter has no escapes of its own.
func (g *generator) comparedText(n fhir.Node) (op string, o operand, ok bool) {
	text, ok := g.aText(texts(n))
	if !ok {
		return "", o, false
	}
	part := g.part(text)
	switch op = g.oneOf("eq", "ge", "le", "gt", "lt", "ne", "co", "co", "sw", "ew"); op {
	case "co":
		text = part
	case "sw":
		text = text[:strings.Index(text, part)] + part
	case "ew":
		text = text[strings.LastIndex(text, part):]
	}
	if len(text) > maxText || !readable(text) {
		return "", o, false
	}
	hits := foldable(text) && !slices.Contains([]string{"gt", "lt", "ne"}, op)
	return op, operand{g.anyCase(text), hits}, true
}

func (g *generator) comparedURI(text string) (op string, o operand, ok bool) {
	part := g.part(text)
	if strings.TrimSpace(part) == "" || len(text) > maxText {
		return "", o, false
	}
	switch op = g.oneOf("co", "sw", "ew", "ne"); op {
	case "co":
		return op, operand{part, true}, true
	case "sw":
		return op, operand{text[:strings.Index(text, part)] + part, true}, true
	case "ew":
		return op, operand{text[strings.LastIndex(text, part):], true}, true
	}
	return op, operand{text: text}, true
}

// quoted writes a value as a JSON string, or as it is where that can be.
func (g *generator) quoted(value string) string {
	if !strings.ContainsAny(value, " \t\r\n\u00a0()[]\"\\") && readable(value) && g.chance(2) && isASCII(value) {
		return value
	}
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > '~' || r <= ' ' })
}
