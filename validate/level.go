package validate

import "github.com/tarnhealth/tarn/fhir"

// A Level says which findings make a resource unacceptable.
type Level uint8

// The levels, in HealthLake's words. Structure (known elements, JSON forms) is
// checked by the reader at every level.
const (
	Strict        Level = iota // base R4 and the profiles that a resource declares
	StructureOnly              // base R4, profiles not looked at
	Minimal                    // findings are warnings, for data that breaks rules and must be kept
)

// ParseLevel reads a level's name: "strict", "structure-only" or "minimal".
// "" is Strict.
func ParseLevel(name string) (Level, error) {
	switch name {
	case "", "strict":
		return Strict, nil
	case "structure-only":
		return StructureOnly, nil
	case "minimal":
		return Minimal, nil
	}
	return Strict, fhir.Errorf(fhir.KindInvalid, "%q is not a validation level; use strict, structure-only or minimal", name)
}
