package synth

import "time"

// record collects resources in one buffer, which serves again for the next
// bundle.
type record struct {
	builder
	spans []span
	// transaction is a second buffer, for the record as a transaction Bundle.
	transaction []byte
}

// span is where a resource lies in the buffer.
type span struct {
	ref
	start, end int
}

func (rec *record) reset() {
	rec.b = rec.b[:0]
	rec.spans = rec.spans[:0]
}

// begin opens a resource; profile is "" for none.
func (rec *record) begin(r ref, profile string) {
	rec.spans = append(rec.spans, span{ref: r, start: len(rec.b)})
	rec.b = append(rec.b, '{')
	rec.str("resourceType", r.typ)
	if r.shared || !rec.urn {
		rec.str("id", r.id)
	}
	if profile != "" {
		rec.obj("meta")
		rec.arr("profile")
		rec.item(profile)
		rec.endArr()
		rec.end()
	}
}

// finish closes the resource that begin opened.
func (rec *record) finish() {
	rec.end()
	rec.spans[len(rec.spans)-1].end = len(rec.b)
}

func (rec *record) humanName(use, prefix, family string, given ...string) {
	rec.open()
	rec.str("use", use)
	rec.str("family", family)
	rec.arr("given")
	for _, g := range given {
		if g != "" {
			rec.item(g)
		}
	}
	rec.endArr()
	if prefix != "" {
		rec.arr("prefix")
		rec.item(prefix)
		rec.endArr()
	}
	rec.end()
}

// narrative writes a generated text; div is its XHTML content.
func (rec *record) narrative(div string) {
	rec.obj("text")
	rec.str("status", "generated")
	rec.str("div", `<div xmlns="http://www.w3.org/1999/xhtml">`+div+`</div>`)
	rec.end()
}

// years is the time from a to b in years.
func years(a, b time.Time) float64 { return b.Sub(a).Hours() / (24 * 365.25) }

// months is the number of whole months from a date of birth to b.
func months(born, b time.Time) int {
	n := (b.Year()-born.Year())*12 + int(b.Month()) - int(born.Month())
	if b.Day() < born.Day() {
		n--
	}
	return n
}
