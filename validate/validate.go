// Package validate owns the rules that a resource must keep beyond the
// structure that the reader enforces: cardinality, primitive formats, required
// bindings, reference targets and the few invariants that are matters of
// structure (ele-1, ext-1, dom-2). Other invariants and profiles plug in as
// Rules.
//
// A resource is walked once. What there is to check of each type and property
// is compiled when the validator is made; paths, positions and messages are
// worked out only for the issues that are found.
//
// It leaves to others: reading and structure (fhir), and whether references
// resolve (store).
package validate

import (
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// issueLimit is how many issues of one resource are reported.
const issueLimit = 100

// A Rule is a further check that runs after the built-in ones, such as an
// invariant or a profile.
type Rule interface {
	// Check reports every issue of a resource. The tree must not be kept.
	Check(tree *fhir.Tree, report func(fhir.Issue))
}

// A Validator checks resources against one definition set. It is immutable
// and safe for concurrent use.
type Validator struct {
	schema *fhir.Schema
	types  []typeCheck     // by Type.Index
	props  []propertyCheck // by Property.Index
	rules  []Rule
	bundle int // Type.Index of Bundle, -1 for none
}

// New makes a validator with further rules.
func New(set *definition.Set, rules ...Rule) *Validator {
	v := &Validator{schema: set.Schema, rules: rules, bundle: -1}
	if t := set.Schema.Type("Bundle"); t != nil {
		v.bundle = t.Index
	}
	c := compiler{set: set, codes: map[string]*codes{}}
	for _, t := range set.Schema.Types {
		v.types = append(v.types, c.typeCheck(t))
	}
	for _, p := range set.Schema.Properties {
		v.props = append(v.props, c.propertyCheck(p))
	}
	return v
}

// Validate returns the issues of a resource, a hundred at most; none means
// valid. Issues of severity error make it unacceptable; warnings do not. The
// tree must be of the validator's schema.
func (v *Validator) Validate(tree *fhir.Tree) []fhir.Issue {
	root := tree.Root()
	w := walker{v: v, holder: root}
	w.object(root)
	for _, rule := range v.rules {
		rule.Check(tree, w.add)
	}
	return w.issues
}
