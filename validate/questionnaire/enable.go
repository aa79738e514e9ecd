package questionnaire

import (
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

// truth is what is known of a condition.
type truth uint8

const (
	unknown truth = iota
	no
	yes
)

func truthOf(b bool) truth {
	if b {
		return yes
	}
	return no
}

// enabled reports whether an item inside an item of the response, or in the
// response itself (nil), is to be answered. at is its number, or that which it
// would have.
// http://hl7.org/fhir/R4/questionnaire-definitions.html#Questionnaire.item.enableWhen
func (c *check) enabled(i *item, parent *given, at int) truth {
	one := i.n.TextOf("enableBehavior") == "any"
	all, found := yes, no
	if one {
		all = no
	}
	for when := range i.n.Each("enableWhen") {
		found = yes
		switch t := c.holds(when, parent, at); {
		case one && t == yes:
			return yes
		case !one && t == no:
			return no
		case t == unknown:
			all = unknown
		}
	}
	if found == no {
		return yes
	}
	return all
}

// holds reports whether a condition holds. That of a question without an answer
// does not, but for !=, of which the standard leaves it open.
func (c *check) holds(when fhir.Node, parent *given, at int) truth {
	answers := c.nearest(when.TextOf("question"), parent, at)
	operator, wanted := when.TextOf("operator"), when.Child("answer")
	if operator == "exists" {
		return truthOf(len(answers) > 0 == (wanted.Text() == "true"))
	}
	if len(answers) == 0 {
		if operator == "!=" {
			return unknown
		}
		return no
	}
	if operator == "!=" {
		return not(c.anyAnswer(answers, "=", wanted))
	}
	return c.anyAnswer(answers, operator, wanted)
}

func not(t truth) truth {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return unknown
}

// anyAnswer reports whether any of the answers compares so.
func (c *check) anyAnswer(answers []answer, operator string, wanted fhir.Node) truth {
	result := no
	for _, a := range answers {
		if c.work++; c.work > maxWork || !a.value.Exists() {
			result = unknown
			continue
		}
		switch c.compares(a.value, operator, wanted) {
		case yes:
			return yes
		case unknown:
			result = unknown
		}
	}
	return result
}

func (c *check) compares(v fhir.Node, operator string, wanted fhir.Node) truth {
	if operator == "=" && (wanted.Type().Name == "Coding" || wanted.Type().Name == "Reference") {
		return truthOf(isSame(v, wanted) || wanted.Type().Name == "Coding" && v.Type() == wanted.Type() &&
			wanted.TextOf("system") == "" && v.TextOf("code") == wanted.TextOf("code"))
	}
	expr := c.compare[operator]
	if expr == nil {
		return unknown
	}
	holds, known, err := expr.Condition(v, fhirpath.Env{Variables: map[string][]fhirpath.Item{
		"answer": {fhirpath.NodeItem(v)}, "wanted": {fhirpath.NodeItem(wanted)},
	}})
	if err != nil || !known {
		return unknown
	}
	return truthOf(holds)
}

// nearest are the answers of a question as an item inside parent sees them,
// whose number is at. Of several occurrences that one counts which shares the
// innermost item with it; of those, the last before it, or else the first after.
func (c *check) nearest(linkID string, parent *given, at int) []answer {
	var best *given
	deepest := -1
	for _, g := range c.given[linkID] {
		if c.work++; c.work > maxWork {
			return nil
		}
		depth := shared(g, parent)
		if depth > deepest || depth == deepest && (g.number < at || best.number > at && g.number < best.number) {
			deepest, best = depth, g
		}
	}
	if best == nil {
		return nil
	}
	return best.answers
}

// shared is how deep the innermost item is that holds both: 0 for the response
// itself.
func shared(g, parent *given) int {
	around := map[*given]bool{}
	for p := parent; p != nil; p = p.parent {
		around[p] = true
	}
	for ; g != nil; g = g.parent {
		if around[g] {
			depth := 0
			for p := g; p != nil; p = p.parent {
				depth++
			}
			return depth
		}
	}
	return 0
}
