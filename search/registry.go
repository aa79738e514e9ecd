package search

import (
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// A Registry is the compiled search parameters of a definition set. It is
// immutable and safe for concurrent use.
type Registry struct {
	Definitions *definition.Set
	// Params lists all parameters and marks by Ordinal.
	Params []*Param

	byType map[string]map[string]*Param
}

// New compiles every search parameter of a set. An expression that does not
// compile is an error that names the parameter.
func New(set *definition.Set) (*Registry, error) { panic("not implemented") }

// Param returns a resource type's parameter or mark, or nil.
func (r *Registry) Param(resourceType, code string) *Param { return r.byType[resourceType][code] }

// The marks: entries that Extract adds beside those of search parameters.
//
//	$type                every resource has one entry with an empty key
//	$compartment-Patient one entry for each patient whose compartment holds the
//	                     resource; the key is ReferenceKey("Patient", id).
//	                     Likewise for the other compartments.
const (
	MarkType        = "$type"
	MarkCompartment = "$compartment-"
)

// Extract returns every entry of a resource, sorted by parameter ordinal, then
// by key, without duplicates. base is the data store's base URL: absolute
// references below it are indexed as relative ones. A resource that validate
// accepts never fails.
func (r *Registry) Extract(tree *fhir.Tree, id, base string) ([]Entry, error) { panic("not implemented") }

// Parse reads a search on one resource type, or on several: types has the one
// type of a type-level search.
func (r *Registry) Parse(types []string, pairs []Pair, opt Options) (*Query, error) {
	panic("not implemented")
}

// Match reports whether a node holds for a candidate. Chain and Has look at
// other resources through lookup, which yields the current candidates of a
// type (all of them where id is ""); it may be nil where the node has neither.
func Match(n Node, c *Candidate, lookup func(resourceType, id string) []*Candidate) bool {
	panic("not implemented")
}

// extractor turns the value nodes that an expression selects into keys.
type extractor any

func sortSpan(p *Param) Span { panic("not implemented") }
