package questionnaire

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

// types are the types of answers by the type of item.
// http://hl7.org/fhir/R4/valueset-item-type.html
var types = map[string][]string{
	"boolean": {"boolean"}, "decimal": {"decimal"}, "integer": {"integer"}, "date": {"date"}, "dateTime": {"dateTime"},
	"time": {"time"}, "string": {"string"}, "text": {"string"}, "url": {"uri"}, "choice": {"Coding"},
	"open-choice": {"Coding", "string"}, "attachment": {"Attachment"}, "reference": {"Reference"}, "quantity": {"Quantity"},
}

// value checks one answer.
func (c *check) value(v fhir.Node, i *item) {
	allowed := types[i.kind]
	var options []fhir.Node
	for option := range i.n.Each("answerOption") {
		options = append(options, option.Child("value"))
	}
	if i.kind == "choice" && len(options) > 0 {
		allowed = nil
	}
	if i.kind == "choice" || i.kind == "open-choice" {
		for _, option := range options {
			allowed = append(slices.Clip(allowed), option.Type().Name)
		}
	}
	if len(allowed) > 0 && !slices.Contains(allowed, v.Type().Name) {
		slices.Sort(allowed)
		c.fail(v, "value", "the item %s takes an answer of type %s, not %s", i.name(), strings.Join(slices.Compact(allowed), " or "), v.Type().Name)
		return
	}
	if i.maxLength > 0 && v.HasValue() && utf8.RuneCountInString(v.Text()) > i.maxLength {
		c.fail(v, "too-long", "the answer to the item %s has %d characters; at most %d are allowed", i.name(), utf8.RuneCountInString(v.Text()), i.maxLength)
	}
	if i.kind == "open-choice" && v.Type().Name == "string" {
		return // free text
	}
	if len(options) > 0 {
		c.option(v, i, options)
		return
	}
	if set := i.n.TextOf("answerValueSet"); set != "" && v.Type().Name == "Coding" {
		c.inSet(v, i, set)
	}
}

func (c *check) option(v fhir.Node, i *item, options []fhir.Node) {
	var shown []string
	for _, option := range options {
		if isSame(v, option) {
			return
		}
		shown = append(shown, show(option))
	}
	const few = 12
	c.fail(v, "code-invalid", "%s is none of the answers to the item %s: %s", show(v), i.name(), strings.Join(shown[:min(few, len(shown))], ", "))
}

// isSame reports whether an answer is an option: a code of the same system, or
// an equal value.
func isSame(v, option fhir.Node) bool {
	if v.Type() != option.Type() {
		return false
	}
	switch v.Type().Name {
	case "Coding":
		return v.TextOf("code") == option.TextOf("code") && v.TextOf("system") == option.TextOf("system")
	case "Reference":
		return v.TextOf("reference") == option.TextOf("reference")
	}
	return v.Text() == option.Text()
}

func show(v fhir.Node) string {
	switch v.Type().Name {
	case "Coding":
		return v.TextOf("system") + "|" + v.TextOf("code")
	case "Reference":
		return v.TextOf("reference")
	}
	return v.Text()
}

// inSet checks an answer against the value set of its item.
func (c *check) inSet(v fhir.Node, i *item, set string) {
	in, known := c.contained(v, set)
	if !known && c.codes != nil && !strings.HasPrefix(set, "#") {
		member, err := c.codes.MemberOf(set, []fhirpath.Coding{{System: v.TextOf("system"), Code: v.TextOf("code")}})
		in, known = member, err == nil
	}
	switch {
	case !known:
		c.issue(fhir.SeverityWarning, v, v.Path(), "not-supported", "%s was not checked against the value set %s of the item %s: not all of it is known here", show(v), set, i.name())
	case !in:
		c.fail(v, "code-invalid", "%s is not in the value set %s of the item %s", show(v), set, i.name())
	}
}

// contained looks for an answer in a value set that the questionnaire contains,
// as far as that lists its codes.
func (c *check) contained(v fhir.Node, set string) (in, known bool) {
	id, inside := strings.CutPrefix(set, "#")
	if !inside {
		return false, false
	}
	for n := range c.asked.Each("contained") {
		if n.TextOf("id") != id || n.Type().Name != "ValueSet" {
			continue
		}
		if n.Child("compose").Child("exclude").Exists() {
			return false, false
		}
		known = true
		for include := range n.Child("compose").Each("include") {
			known = known && include.Child("concept").Exists() && !include.Child("valueSet").Exists()
			for concept := range include.Each("concept") {
				in = in || include.TextOf("system") == v.TextOf("system") && concept.TextOf("code") == v.TextOf("code")
			}
		}
	}
	return in, known
}
