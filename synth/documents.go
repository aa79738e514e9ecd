package synth

import (
	"fmt"
	"strings"
	"time"
)

var (
	noteProgress  = loinc("11506-3", "Progress note")
	noteHistory   = loinc("34117-2", "History and physical note")
	noteDischarge = loinc("18842-5", "Discharge summary")
)

// writeNote writes what the practitioner noted, as a DocumentReference.
func (v *visit) writeNote(l *life) {
	if v.kind == screening && l.chance(0.5) {
		return
	}
	kind := noteProgress
	switch {
	case v.class == classInpatient:
		kind = noteDischarge
	case v.kind == wellness:
		kind = noteHistory
	}
	l.begin(l.newRef("DocumentReference"), usCore+"us-core-documentreference")
	l.str("status", "current")
	l.concept("type", kind)
	l.concepts("category", code{usCoreSystem + "us-core-documentreference-category", "clinical-note", "Clinical Note"})
	l.reference("subject", l.patient)
	l.dateTime("date", v.end)
	l.references("author", v.doctor.ref)
	l.reference("custodian", v.provider)
	l.arr("content")
	l.open()
	l.obj("attachment")
	l.str("contentType", "text/plain")
	l.base64("data", []byte(v.note(l, kind)))
	l.str("title", kind.display)
	l.end()
	l.key("format")
	l.coding(code{"http://ihe.net/fhir/ValueSet/IHE.FormatCode.codesystem", "urn:ihe:iti:xds:2017:mimeTypeSufficient", "mimeType Sufficient"})
	l.end()
	l.endArr()
	l.obj("context")
	l.references("encounter", v.ref)
	l.period("period", v.start, v.end)
	l.end()
	l.finish()
}

// note is the text of the note.
func (v *visit) note(l *life, kind code) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n\n%s is a %s %s.\n", kind.display, v.start.Format(time.DateOnly), l.fullName(), l.spokenAge(v.start), l.spokenSex(v.start))
	fmt.Fprintf(&b, "Seen at %s by %s: %s.\n", v.provider.display, v.doctor.display, v.typ.display)
	if v.problem != nil {
		fmt.Fprintf(&b, "\nReason for visit\n%s since %s.\n", v.problem.code.display, v.problem.onset.Format(time.DateOnly))
	}
	section := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "\n%s\n- %s\n", title, strings.Join(lines, "\n- "))
		}
	}
	var history []string
	for _, p := range l.problems {
		if p.written {
			history = append(history, p.code.display)
		}
	}
	section("Problem list", history)
	var allergic []string
	for _, i := range l.sensitive {
		allergic = append(allergic, allergies[i].code.display)
	}
	section("Allergies", allergic)
	section("Done today", v.done)
	section("Prescribed", v.drugs)
	b.WriteString("\n" + pick(l.rng, closings) + "\n")
	return b.String()
}

var closings = []string{
	"The plan was discussed and questions were answered.",
	"Return if symptoms persist or become worse.",
	"Patient agrees with the plan and will call with any concern.",
	"Follow up as scheduled.",
}

func (l *life) spokenAge(at time.Time) string {
	if m := months(l.born, at); m < 24 {
		return fmt.Sprintf("%d-month-old", m)
	}
	return fmt.Sprintf("%d-year-old", months(l.born, at)/12)
}

func (l *life) spokenSex(at time.Time) string {
	adult := l.ageAt(at) >= 18
	switch {
	case l.female && adult:
		return "woman"
	case l.female:
		return "girl"
	case adult:
		return "man"
	}
	return "boy"
}

// writeProvenance writes one Provenance, which says where the patient's first
// resource of each type comes from.
func (l *life) writeProvenance() {
	var targets []ref
	seen := map[string]bool{}
	for _, s := range l.spans {
		if !seen[s.typ] {
			seen[s.typ] = true
			targets = append(targets, ref{typ: s.typ, id: s.id})
		}
	}
	l.begin(l.newRef("Provenance"), usCore+"us-core-provenance")
	l.references("target", targets...)
	l.dateTime("recorded", l.now)
	l.arr("agent")
	for _, agent := range []code{
		{terminology + "provenance-participant-type", "author", "Author"},
		{usCoreSystem + "us-core-provenance-participant-type", "transmitter", "Transmitter"},
	} {
		l.open()
		l.concept("type", agent)
		l.reference("who", l.doctor.ref)
		l.reference("onBehalfOf", l.site.clinic)
		l.end()
	}
	l.endArr()
	l.finish()
}
