package fhirpath

import "github.com/tarnhealth/tarn/fhir"

// quantity is a number with a unit: a UCUM code or the word of a calendar
// duration in the singular. http://hl7.org/fhirpath/N1/#quantity
type quantity struct {
	value decimal
	unit  string
}

const ucumSystem = "http://unitsofmeasure.org"

var calendarUnits = map[string]string{
	"year": "year", "years": "year", "month": "month", "months": "month",
	"week": "week", "weeks": "week", "day": "day", "days": "day",
	"hour": "hour", "hours": "hour", "minute": "minute", "minutes": "minute",
	"second": "second", "seconds": "second",
	"millisecond": "millisecond", "milliseconds": "millisecond",
}

// calendarUnit is the singular of a calendar duration's word.
func calendarUnit(word string) (string, bool) {
	unit, ok := calendarUnits[word]
	return unit, ok
}

// definite maps the calendar durations that are the same length as a UCUM
// unit to that unit; years and months are not, their length varies.
var definite = map[string]string{
	"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms",
}

// ucumCalendar is the calendar duration that a UCUM time unit stands for in a
// conversion or an equivalence.
var ucumCalendar = map[string]string{
	"a": "year", "mo": "month", "wk": "week", "d": "day", "h": "hour",
	"min": "minute", "s": "second", "ms": "millisecond",
}

// sameUnit reports whether two units name the same size. Units of different
// sizes are not converted.
func sameUnit(a, b string) bool { return unitKey(a) == unitKey(b) }

func unitKey(unit string) string {
	if u, ok := definite[unit]; ok {
		return u
	}
	return unit
}

func (q quantity) String() string {
	if _, ok := calendarUnits[q.unit]; ok {
		return q.value.String() + " " + q.unit
	}
	return q.value.String() + " '" + q.unit + "'"
}

// quantityOf converts a FHIR Quantity, or a type derived from it, where it has
// a value and no comparator.
func quantityOf(n fhir.Node) (quantity, bool) {
	switch n.Type().Name {
	case "Quantity", "Age", "Count", "Distance", "Duration":
	default:
		return quantity{}, false
	}
	value, ok := parseDecimal(n.TextOf("value"))
	if !ok || n.Child("comparator").Exists() {
		return quantity{}, false
	}
	q := quantity{value, n.TextOf("code")}
	if q.unit == "" {
		q.unit = n.TextOf("unit")
	}
	if q.unit == "" {
		q.unit = "1"
	}
	return q, true
}
