// Package filter owns the syntax of the search parameter _filter: it parses an
// expression into a tree and says where one is wrong. What names and values
// mean is package search's matter.
//
// http://hl7.org/fhir/R4/search_filter.html
package filter

// An Expr is a parsed filter: And, Or, Not or Test.
type Expr interface{ isExpr() }

// And holds if both sides do.
type And struct{ Left, Right Expr }

// Or holds if one side does.
type Or struct{ Left, Right Expr }

// Not holds if Expr does not.
type Not struct{ Expr Expr }

// A Test compares the values that a path leads to with one value.
type Test struct {
	// Path has at least one step. All but the last are references to follow.
	Path []Step
	// Op is one of Ops.
	Op string
	// Value is the text of a string or token.
	Value string
	// At is where the operator stands, counted in characters from 1.
	At int
}

// A Step is one name of a path.
type Step struct {
	// Name is a search parameter, which may be followed by ":Type".
	Name string
	// Filter, where not nil, must hold for what the step leads to. Only a
	// step that another one follows has it.
	Filter Expr
	// At is where the name stands, counted in characters from 1.
	At int
}

func (And) isExpr()  {}
func (Or) isExpr()   {}
func (Not) isExpr()  {}
func (Test) isExpr() {}

// Ops are the comparison operators.
var Ops = []string{"eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr", "po", "ss", "sb", "in", "ni", "re"}

// The limits of one expression.
const (
	MaxLength = 8192 // bytes
	MaxTests  = 200
	MaxDepth  = 50 // of parentheses and brackets
)
