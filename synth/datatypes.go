package synth

import "time"

// A code is a Coding: a code in a system with its display.
type code struct{ system, code, display string }

// A unit is a UCUM unit (https://ucum.org) with the text that people write.
type unit struct{ text, ucum string }

// A ref is a Reference to a resource. A shared one belongs to the
// infrastructure and has the same id everywhere.
type ref struct {
	typ, id, display string
	shared           bool
}

func (r ref) exists() bool { return r.id != "" }

func (w *builder) coding(c code) {
	w.open()
	w.str("system", c.system)
	w.str("code", c.code)
	w.str("display", c.display)
	w.end()
}

// conceptBody writes a CodeableConcept's members; the text is the first
// coding's display.
func (w *builder) conceptBody(codings ...code) {
	w.arr("coding")
	for _, c := range codings {
		if c.code != "" {
			w.coding(c)
		}
	}
	w.endArr()
	w.str("text", codings[0].display)
	w.end()
}

func (w *builder) concept(name string, codings ...code) {
	w.obj(name)
	w.conceptBody(codings...)
}

// concepts writes an array of CodeableConcepts with one coding each.
func (w *builder) concepts(name string, codings ...code) {
	w.arr(name)
	for _, c := range codings {
		w.open()
		w.conceptBody(c)
	}
	w.endArr()
}

func (w *builder) referenceBody(r ref) {
	w.key("reference")
	w.b = append(w.b, '"')
	if w.urn && !r.shared {
		w.b = append(w.b, "urn:uuid:"...)
	} else {
		w.b = append(w.b, r.typ...)
		w.b = append(w.b, '/')
	}
	w.b = append(w.b, r.id...)
	w.b = append(w.b, '"')
	w.str("display", r.display)
	w.end()
}

func (w *builder) reference(name string, r ref) {
	w.obj(name)
	w.referenceBody(r)
}

// references writes an array of References, nothing where there is none.
func (w *builder) references(name string, refs ...ref) {
	if len(refs) == 0 {
		return
	}
	w.arr(name)
	for _, r := range refs {
		w.open()
		w.referenceBody(r)
	}
	w.endArr()
}

func (w *builder) quantityBody(value float64, digits int, u unit) {
	w.decimal("value", value, digits)
	w.str("unit", u.text)
	w.str("system", systemUCUM)
	w.str("code", u.ucum)
	w.end()
}

func (w *builder) quantity(name string, value float64, digits int, u unit) {
	w.obj(name)
	w.quantityBody(value, digits, u)
}

// period writes a Period; a zero end leaves it open.
func (w *builder) period(name string, start, end time.Time) {
	w.obj(name)
	w.dateTime("start", start)
	if !end.IsZero() {
		w.dateTime("end", end)
	}
	w.end()
}

// money writes an amount given in cents.
func (w *builder) money(name string, cents int) {
	w.obj(name)
	w.decimal("value", float64(cents)/100, 2)
	w.str("currency", "USD")
	w.end()
}

// identifier writes one item of an identifier array; kind is a code of
// HL7 table 0203, "" for none.
func (w *builder) identifier(kind, kindDisplay, system, value string) {
	w.open()
	if kind != "" {
		w.concept("type", code{systemIdentifierType, kind, kindDisplay})
	}
	w.str("system", system)
	w.str("value", value)
	w.end()
}

func (w *builder) telecom(system, value, use string) {
	w.open()
	w.str("system", system)
	w.str("value", value)
	w.str("use", use)
	w.end()
}

func (w *builder) address(use, line string, t *town, state string) {
	w.open()
	w.str("use", use)
	w.arr("line")
	w.item(line)
	w.endArr()
	w.str("city", t.name)
	w.str("state", state)
	w.str("postalCode", t.zip)
	w.str("country", "US")
	w.end()
}
