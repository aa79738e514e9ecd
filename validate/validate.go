// Package validate owns the rules that a resource must keep beyond the
// structure that the reader enforces: cardinality, primitive formats, required
// bindings, reference targets. Invariants and profiles plug in as Rules.
//
// It leaves to others: reading and structure (fhir), and whether references
// resolve (store).
package validate

import (
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// A Validator checks resources against one definition set. It is immutable
// and safe for concurrent use.
type Validator struct {
	definitions *definition.Set
}

// New makes a validator.
func New(set *definition.Set) *Validator { return &Validator{definitions: set} }

// Validate returns every issue of a resource; none means valid. Issues of
// severity error make it unacceptable; warnings do not.
func (v *Validator) Validate(tree *fhir.Tree) []fhir.Issue { panic("not implemented") }
