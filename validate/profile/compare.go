package profile

import "github.com/tarnhealth/tarn/fhir"

// equal reports whether a value is exactly the fixed one.
// http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_
func equal(fixed, n fhir.Node) bool {
	return matches(fixed, n) && count(fixed) == count(n)
}

func count(n fhir.Node) int {
	all := 1
	for c := n.First(); c.Exists(); c = c.Next() {
		all += count(c)
	}
	return all
}

// matches reports whether a value has all that a pattern has: of lists, each
// member of the pattern's.
// http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.pattern_x_
func matches(pattern, n fhir.Node) bool {
	if pattern.HasValue() && (!n.HasValue() || pattern.Text() != n.Text()) {
		return false
	}
	for p := pattern.First(); p.Exists(); p = p.Next() {
		found := false
		for c := n.First(); c.Exists() && !found; c = c.Next() {
			found = c.Name() == p.Name() && matches(p, c)
		}
		if !found {
			return false
		}
	}
	return true
}
