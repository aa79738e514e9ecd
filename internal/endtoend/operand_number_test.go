package endtoend

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// prefixes with, for a query made from the whole of a value, whether it finds
// the value again.
var prefixes = []prefixText{
	{"", true}, {"", true}, {"eq", true}, {"ne", false}, {"gt", false}, {"lt", false},
	{"ge", true}, {"le", true}, {"sa", false}, {"eb", false}, {"ap", true},
}

type prefixText struct {
	text string
	hits bool
}

// prefixed puts a random prefix before the text of a value. whole says that
// the text is all of the value.
func (w *writer) prefixed(text string, whole bool) operand {
	p := prefixes[w.random.IntN(len(prefixes))]
	return operand{p.text + text, p.hits && whole}
}

// date writes a date with any prefix and precision. Of a Period or Timing it
// takes an end or an event, of which only "approximately" finds it for sure.
// http://hl7.org/fhir/R4/search.html#date
func (w *writer) date(n fhir.Node) (operand, bool) {
	texts := dates(n)
	if len(texts) == 0 {
		return operand{}, false
	}
	text := texts[w.random.IntN(len(texts))]
	if n.IsPrimitive() {
		if w.chance(2) {
			return w.prefixed(text, true), true
		}
		return w.prefixed(w.truncated(text), false), true
	}
	if w.chance(3) {
		return operand{"ap" + text, true}, true
	}
	if w.chance(2) {
		text = w.truncated(text)
	}
	return w.prefixed(text, false), true
}

// dates are the texts of the points in time in a value.
func dates(n fhir.Node) []string {
	var list []string
	add := func(c fhir.Node) {
		if c.HasValue() {
			list = append(list, c.Text())
		}
	}
	switch n.Type().Name {
	case "Period":
		add(n.Child("start"))
		add(n.Child("end"))
	case "Timing":
		for e := range n.Each("event") {
			add(e)
		}
		if bounds := n.Child("repeat").Child("bounds"); bounds.Exists() && bounds.Type().Name == "Period" {
			list = append(list, dates(bounds)...)
		}
	case "date", "dateTime", "instant":
		add(n)
	}
	return list
}

// truncated cuts a date down to the year, month, day, minute or second.
func (w *writer) truncated(text string) string {
	cuts := []int{len("2006"), len("2006-01"), len("2006-01-02"), len("2006-01-02T15:04"), len("2006-01-02T15:04:05")}
	cuts = slices.DeleteFunc(cuts, func(c int) bool { return c > len(text) })
	cut := cuts[w.random.IntN(len(cuts))]
	if cut <= len("2006-01-02") {
		return text[:cut]
	}
	return text[:cut] + zoneOf(text)
}

func zoneOf(text string) string {
	clock := text[len("2006-01-02"):]
	if i := strings.IndexAny(clock, "Z+-"); i >= 0 {
		return clock[i:]
	}
	return ""
}

// number writes a number with any prefix, in full or with fewer digits.
// http://hl7.org/fhir/R4/search.html#number
func (w *writer) number(n fhir.Node) (operand, bool) {
	text, ok := w.numberText(n)
	if !ok {
		return operand{}, false
	}
	return w.decimal(text), true
}

func (w *writer) numberText(n fhir.Node) (string, bool) {
	if n.Type().Name == "Range" {
		n = n.Child(w.oneOf("low", "high")).Child("value")
	}
	return n.Text(), n.Exists() && n.IsPrimitive() && n.HasValue()
}

func (w *writer) decimal(text string) operand {
	whole, fraction, _ := strings.Cut(text, ".")
	switch {
	case strings.ContainsAny(text, "eE") || w.chance(2):
		return w.prefixed(text, true)
	case fraction != "" && w.chance(2):
		return w.prefixed(whole, false)
	case fraction != "":
		return w.prefixed(whole+fraction+"e-"+strconv.Itoa(len(fraction)), true)
	}
	// "120" means 119.5 to 120.5; "12e1" means 115 to 125. Only where nothing
	// is cut off do both find 120.
	if digits := len(whole); digits > 2 && w.chance(2) {
		return operand{whole[:digits-1] + "e1", strings.HasSuffix(whole, "0")}
	}
	return w.prefixed(text+".0", true)
}

// quantity writes a number alone, number|system|code or number||unit.
// http://hl7.org/fhir/R4/search.html#quantity
func (w *writer) quantity(n fhir.Node) (operand, bool) {
	if !n.Exists() {
		return operand{}, false
	}
	var system, code, unit string
	value := n.Child("value")
	switch n.Type().Name {
	case "Range":
		return w.quantity(n.Child(w.oneOf("low", "high")))
	case "Money":
		system, code = "urn:iso:std:iso:4217", n.TextOf("currency")
	case "SampledData":
		return operand{}, false
	default:
		system, code, unit = n.TextOf("system"), n.TextOf("code"), n.TextOf("unit")
	}
	if !value.Exists() || !value.HasValue() {
		return operand{}, false
	}
	if others := conversions[code]; system == ucum && len(others) > 0 && w.chance(2) {
		return w.converted(value.Text(), others[w.random.IntN(len(others))]), true
	}
	o := w.decimal(value.Text())
	o.text += w.unit(system, code, unit)
	return o, true
}

const ucum = "http://unitsofmeasure.org"

// A conversion is another unit for the same quantity, of which there are
// 10^shift as many.
type conversion struct {
	code  string
	shift int
}

var conversions = map[string][]conversion{
	"g":         {{"mg", 3}, {"kg", -3}, {"ug", 6}},
	"mg":        {{"g", -3}, {"ug", 3}, {"cg", -1}},
	"kg":        {{"g", 3}, {"mg", 6}},
	"pg":        {{"ng", -3}, {"fg", 3}},
	"cm":        {{"mm", 1}, {"m", -2}, {"10.mm", 0}},
	"mm":        {{"cm", -1}, {"m", -3}},
	"m":         {{"cm", 2}, {"km", -3}},
	"mL":        {{"L", -3}, {"cm3", 0}, {"l", -3}},
	"L":         {{"mL", 3}, {"dm3", 0}},
	"fL":        {{"um3", 0}, {"pL", -3}},
	"mg/dL":     {{"g/L", -2}, {"mg/L", 1}, {"g/dL", -3}},
	"g/dL":      {{"g/L", 1}, {"mg/mL", 1}, {"kg/m3", 1}},
	"mmol/L":    {{"umol/L", 3}, {"mol/m3", 0}, {"mol/L", -3}},
	"kg/m2":     {{"g/cm2", -1}, {"g/m2", 3}},
	"mm[Hg]":    {{"cm[Hg]", -1}, {"m[Hg]", -3}},
	"10*3/uL":   {{"10*9/L", 0}, {"/nL", 0}},
	"10*6/uL":   {{"10*12/L", 0}, {"/pL", 0}},
	"mL/min":    {{"L/min", -3}},
	"%":         {{"10*-2", 0}, {"1", -2}},
	"mg/kg":     {{"ug/g", 0}},
	"ng/mL":     {{"ug/L", 0}, {"pg/mL", 3}},
	"10*3/mm3":  {{"10*9/L", 0}},
	"meq/L":     {{"eq/m3", 0}},
	"mL/min/m2": {{"L/min/m2", -3}},
}

// converted writes a number in another unit, with the digits it has.
func (w *writer) converted(number string, to conversion) operand {
	if to.shift != 0 && !strings.ContainsAny(number, "eE") {
		number += "e" + strconv.Itoa(to.shift)
	} else if to.shift != 0 {
		return operand{"ne0", false}
	}
	o := w.prefixed(number, true)
	o.text += "|" + ucum + "|" + escape(to.code)
	return o
}

// unit writes what follows the number: nothing, or one of the forms that the
// quantity has the parts for.
func (w *writer) unit(system, code, unit string) string {
	forms := []string{""}
	if code != "" {
		forms = append(forms, "||"+escape(code))
	}
	if unit != "" {
		forms = append(forms, "||"+escape(unit))
	}
	if system != "" && code != "" {
		forms = append(forms, "|"+escape(system)+"|"+escape(code), "|"+escape(system)+"|"+escape(code))
	}
	return w.oneOf(forms...)
}
