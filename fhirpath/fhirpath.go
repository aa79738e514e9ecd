// Package fhirpath parses, compiles and evaluates FHIRPath over the resource
// tree. http://hl7.org/fhirpath/N1/
//
// It leaves to others: what an expression is for (search parameters, later
// invariants), and terminology functions. It does no I/O: resolve() looks only
// at the reference's text, which is what search parameters need of it.
package fhirpath

import (
	"github.com/tarnhealth/tarn/fhir"
)

// An Expr is a compiled expression. It is immutable and safe for concurrent use.
type Expr struct{}

// Compile parses an expression and resolves the type names in it against a
// schema. Errors say where and what; a function that the engine does not have
// is an error here, never at evaluation.
func Compile(schema *fhir.Schema, expression string) (*Expr, error) { panic("not implemented") }

// Nodes evaluates the expression with focus as context and returns the tree
// nodes selected, in order. Selected values that are not tree nodes (the
// booleans of a comparison) are left out: see Eval for those.
func (e *Expr) Nodes(focus fhir.Node) ([]fhir.Node, error) { panic("not implemented") }
