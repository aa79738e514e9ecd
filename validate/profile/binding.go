package profile

import (
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/terminology"
)

// binding checks codes against a value set. That a required one cannot be
// evaluated, as its code systems are not known, is a warning.
// http://hl7.org/fhir/R4/terminologies.html#strength
func (c *checker) binding(n fhir.Node, e *element) {
	b := e.binding
	if c.quiet && !b.required {
		return
	}
	ok, known := c.bound(n, b.valueSet)
	switch {
	case ok || !known && (!b.required || !hasCodes(n)):
	case !known:
		c.warn(n, "not-supported", "%s was not checked against the required value set %s: not all of it is known here%s", shownCodes(n), b.valueSet, c.by(e))
	case b.required:
		c.fail(n, "code-invalid", "%s is not in the value set %s, which is required here%s", shownCodes(n), b.valueSet, c.by(e))
	default:
		c.warn(n, "code-invalid", "%s is not in the value set %s; use a code of that unless it has none that fits%s", shownCodes(n), b.valueSet, c.by(e))
	}
}

// bound reports whether one of the codes of a value is in a value set; a text
// without codes is not. known is false where that cannot be told.
func (c *checker) bound(n fhir.Node, canonical string) (ok, known bool) {
	if c.surely(n, canonical) {
		return true, true
	}
	codings, isCoded := codings(n)
	if !isCoded {
		return false, false
	}
	set, err := c.rules.valueSet(canonical)
	if err != nil {
		return false, false
	}
	unknown := false
	for _, coding := range codings {
		if coding.System == "" && n.HasValue() {
			in, err := set.HasCode(coding.Code)
			unknown = unknown || err != nil
			ok = ok || in
			continue
		}
		in, err := set.Has(coding)
		unknown = unknown || err != nil
		ok = ok || in
	}
	return ok, ok || !unknown
}

// surely reports whether one of the codes of a value is in a value set whatever
// is known of codes.
func (c *checker) surely(n fhir.Node, canonical string) bool {
	codes := c.rules.surely(canonical)
	if codes == nil {
		return false
	}
	switch n.Type().Name {
	case "Coding", "Quantity":
		return hasPair(codes, n)
	case "CodeableConcept":
		for x := n.First(); x.Exists(); x = x.Next() {
			if x.Name() == "coding" && hasPair(codes, x) {
				return true
			}
		}
	case "code", "string", "uri":
		if !n.HasValue() {
			return false
		}
		_, ok := codes[[2]string{"", n.View()}]
		return ok
	}
	return false
}

// hasPair reports whether the system and code of a value are among codes.
func hasPair(codes map[[2]string]struct{}, n fhir.Node) bool {
	var pair [2]string
	for x := n.First(); x.Exists(); x = x.Next() {
		switch x.Name() {
		case "system":
			pair[0] = x.View()
		case "code":
			pair[1] = x.View()
		}
	}
	_, ok := codes[pair]
	return ok && pair[0] != ""
}

// codings are the codes of a coded value.
func codings(n fhir.Node) ([]terminology.Coding, bool) {
	read := func(n fhir.Node) terminology.Coding {
		return terminology.Coding{System: n.TextOf("system"), Code: n.TextOf("code")}
	}
	switch n.Type().Name {
	case "code", "string", "uri":
		return []terminology.Coding{{Code: n.Text()}}, n.HasValue()
	case "Coding", "Quantity":
		return []terminology.Coding{read(n)}, n.Child("code").Exists()
	case "CodeableConcept":
		var all []terminology.Coding
		for c := range n.Each("coding") {
			all = append(all, read(c))
		}
		return all, true
	}
	return nil, false
}

func hasCodes(n fhir.Node) bool {
	all, ok := codings(n)
	return ok && len(all) > 0
}

func shownCodes(n fhir.Node) string {
	all, _ := codings(n)
	if len(all) == 0 {
		return "a text without a code"
	}
	text := ""
	for i, c := range all {
		if i > 0 {
			text += ", "
		}
		if c.System != "" {
			text += c.System + "|"
		}
		text += c.Code
	}
	return text
}

// Codes tells what codes mean, as the functions of FHIRPath ask for it.
func Codes(service *terminology.Service) fhirpath.Terminology { return codesOf{service} }

// codesOf serves the functions of FHIRPath that ask what codes mean.
type codesOf struct{ service *terminology.Service }

// MemberOf implements fhirpath.Terminology.
func (t codesOf) MemberOf(valueSet string, codings []fhirpath.Coding) (bool, error) {
	set, err := t.service.ValueSet(valueSet)
	if err != nil {
		return false, err
	}
	for _, c := range codings {
		in, err := set.Has(terminology.Coding{System: c.System, Code: c.Code})
		if c.System == "" {
			in, err = set.HasCode(c.Code)
		}
		if in || err != nil {
			return in, err
		}
	}
	return false, nil
}

// Subsumes implements fhirpath.Terminology.
func (t codesOf) Subsumes(ancestor, descendant fhirpath.Coding) (bool, error) {
	if ancestor.System != descendant.System {
		return false, nil
	}
	system, err := t.service.System(ancestor.System)
	if err != nil {
		return false, err
	}
	outcome, err := system.Subsumption(ancestor.Code, descendant.Code)
	return outcome == "subsumes" || outcome == "equivalent", err
}
