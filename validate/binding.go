package validate

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// This file checks required bindings.
// http://hl7.org/fhir/R4/terminologies.html#required

const mimeSystem = "urn:ietf:bcp:13"

// listLimit is how many codes a message lists.
const listLimit = 12

// code checks an element of type code, which names no system.
func (w *walker) code(n fhir.Node, p *propertyCheck) {
	code := n.View()
	if p.codes.any[code] {
		return
	}
	if err := fhir.CheckPrimitive(p.typeName, code); err != nil {
		w.report(n, "value", "%v", err)
		return
	}
	switch {
	case !p.codes.open(""):
		w.report(n, "code-invalid", "%q is not in the value set that is required here; %s", code, p.codes.mend(code))
	case slices.Contains(p.codes.set.Open, mimeSystem) && !isMIME(code):
		w.report(n, "code-invalid", `%q is not a MIME type; write type/subtype, such as "application/pdf"`, code)
	}
}

// coding checks an element of type Coding.
func (w *walker) coding(n fhir.Node, p *propertyCheck) {
	system, code := w.parts(n)
	if w.inSet(system, code, p) {
		return
	}
	if code == "" {
		if !hasExtension(n) {
			w.report(n, "code-invalid", "the coding has no code; %s", p.codes.mend(""))
		}
		return
	}
	w.report(n, "code-invalid", "%s is not in the value set that is required here; %s", quoteCoding(system, code), p.codes.mend(code))
}

// concept checks an element of type CodeableConcept: one of its codings must
// be in the set; others may stand beside it. Text alone is not enough, but an
// extension may say why there is no code.
func (w *walker) concept(n fhir.Node, p *propertyCheck) {
	var wrong []string
	var code string
	for c := n.First(); c.Exists(); c = c.Next() {
		if c.Name() != "coding" {
			continue
		}
		s, co := w.parts(c)
		if w.inSet(s, co, p) {
			return
		}
		if co != "" {
			code = co
			wrong = append(wrong, quoteCoding(s, co))
		} else if hasExtension(c) {
			return
		}
	}
	switch {
	case len(wrong) > 0:
		w.report(n, "code-invalid", "none of the codings (%s) is in the value set that is required here; %s",
			strings.Join(wrong[:min(len(wrong), listLimit)], ", "), p.codes.mend(code))
	case !hasExtension(n):
		w.report(n, "code-invalid", "a coding is required here, text alone is not enough; %s", p.codes.mend(""))
	}
}

// parts are the system and the code of a Coding.
func (w *walker) parts(coding fhir.Node) (system, code string) {
	for c := coding.First(); c.Exists(); c = c.Next() {
		if !c.HasValue() {
			continue
		}
		switch c.Name() {
		case "system":
			system = c.View()
		case "code":
			code = c.View()
		}
	}
	return system, code
}

// inSet reports whether a coding is in the set. A coding without a system
// means nothing, so it is in none.
func (w *walker) inSet(system, code string, p *propertyCheck) bool {
	return system != "" && code != "" && (p.codes.set.Has(system, code) || p.codes.open(system))
}

func hasExtension(n fhir.Node) bool { return n.Child("extension").Exists() }

func quoteCoding(system, code string) string {
	if system == "" {
		return fmt.Sprintf("%q without a system", code)
	}
	return fmt.Sprintf("%q of %s", code, system)
}

// mend says which codes are right: the one that was probably meant, all of a
// small set, or where to find them.
func (c *codes) mend(code string) string {
	systems := slices.Sorted(maps.Keys(c.set.Codes))
	var all []string
	for _, system := range systems {
		for _, right := range slices.Sorted(maps.Keys(c.set.Codes[system])) {
			if strings.EqualFold(right, code) && right != code {
				return fmt.Sprintf("did you mean %q of %s? Codes are case-sensitive", right, system)
			}
			all = append(all, right)
		}
	}
	switch {
	case len(all) == 0 || len(all) > listLimit:
		return "see " + c.set.URL
	case len(systems) == 1:
		return "use one of " + strings.Join(all, ", ") + " of " + systems[0]
	}
	slices.Sort(all)
	return "use one of " + strings.Join(all, ", ") + " of " + c.set.URL
}
