// Package table owns the packed form of a release's definitions: plain facts
// in slices, and the binary form that they are embedded in. The generator in
// definition/internal/pack fills a Table and encodes it; package definition
// decodes it and builds its Set from it.
//
// It leaves to others: reading published packages (pack) and every look-up
// (definition).
package table

// A Table is one release's definitions as facts. Numbers in it that stand for
// strings, lists or parameters are indexes; index 0 of a list of lists is
// always the empty list.
type Table struct {
	Release    string
	Package    Source
	Expansions Source

	// Constraints are the distinct invariants; ConstraintLists and
	// TargetLists are the distinct lists that elements refer to.
	Constraints     []Constraint
	ConstraintLists [][]int
	TargetLists     [][]string
	// Bindings are the distinct bindings; index 0 stands for none.
	Bindings []Binding

	Types        []Type
	Params       []Param
	Compartments []Compartment
	Operations   []Operation
	ValueSets    []ValueSet
	CodeSystems  []CodeSystem
	// Definitions counts the SearchParameter definitions that were read.
	Definitions int
}

// A Source identifies a package archive.
type Source struct{ Name, Version, SHA256 string }

// A Constraint is one invariant.
type Constraint struct {
	Key, Human, Expression string
	Error                  bool
}

// A Binding is one coded element's value set; Strength is fhir.BindingStrength.
type Binding struct {
	Strength int
	ValueSet string
}

// A Type is one FHIR type; Kind is fhir.TypeKind and JSON is fhir.JSONKind.
type Type struct {
	Name, Base  string
	Kind, JSON  int
	Constraints int // index in ConstraintLists
	Elements    []Element
}

// An Element is one element of a type. Max is 0 for "*".
type Element struct {
	Name, Path                string
	Min, Max                  int
	Choice, Summary, Modifier bool
	Types                     []TypeRef
	Binding                   int // index in Bindings
	Constraints               int // index in ConstraintLists
	MaxLength                 int
	Fixed, Pattern            string
}

// A TypeRef is one allowed type of an element and its JSON key.
type TypeRef struct {
	Type    string
	JSON    string
	Targets int // index in TargetLists
}

// A Param is a search parameter of one base type; Type is definition.ParamType.
type Param struct {
	Code, Base, URL string
	Type            int
	Expression      string
	Targets         int // index in TargetLists
	Components      []Component
	Description     string
}

// A Component is one part of a composite; Param is an index in Params.
type Component struct {
	Param      int
	Expression string
}

// A Compartment is a compartment's members, sorted by resource type.
type Compartment struct {
	Code    string
	Members []Member
}

// A Member is one resource type of a compartment.
type Member struct {
	Type   string
	Params []string
}

// An Operation is one operation definition.
type Operation struct {
	Code, URL                            string
	System, Type, Instance, AffectsState bool
	Resource                             []string
}

// A ValueSet is the codes of a value set, sorted by system.
type ValueSet struct {
	URL     string
	Systems []System
	Open    []string
}

// A System is the codes of one code system, in the value set's order.
type System struct {
	URL   string
	Codes []string
}

// A CodeSystem is what is kept of a code system.
type CodeSystem struct {
	URL           string
	CaseSensitive bool
	// Complete is set where Concepts are all there are.
	Complete bool
	Concepts []Concept
}

// A Concept is one code, with the places of those that subsume it directly.
type Concept struct {
	Code    string
	Parents []int
}
