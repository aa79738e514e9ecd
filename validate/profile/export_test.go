package profile

import (
	"slices"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/terminology"
)

// A Place is what a profile says of an element, at a value of a resource that
// has the element.
type Place struct {
	Profile, ID, Name, Slice string
	Min, Max                 int
	Types, Targets           []string
	Choice                   bool
	// Constant is set where the value is fixed or has a pattern.
	Constant           bool
	Strength, ValueSet string
	// Keys are the invariants that are errors.
	Keys []string
	// In holds the element; Values are its values there, of the slice where
	// there is one.
	In     fhir.Node
	Values []fhir.Node
	// Slices are the slices that In is in or inside of, the innermost last.
	Slices []Slice
	// Unknown is set where the value set or a target profile is not known.
	Unknown bool
}

// A Slice is one that a value is in.
type Slice struct {
	of     *element
	place  int
	Value  fhir.Node
	Min    int
	Closed bool
}

// Places visits all elements that the profiles of a resource speak of.
func (r *Rules) Places(root fhir.Node, visit func(Place)) {
	c := r.checker()
	for declared := range root.Child("meta").Each("profile") {
		if p, err := r.Profile(declared.Text()); err == nil && p.Type == root.Type().Name {
			if p.root.rules != nil {
				visit(c.place(root, p.root, []fhir.Node{root}, nil))
			}
			c.places(root, p.root, nil, visit)
		}
	}
}

func (r *Rules) checker() *checker { return r.check(func(fhir.Issue) {}) }

func (c *checker) places(n fhir.Node, e *element, within []Slice, visit func(Place)) {
	if c.depth++; c.depth > 12 {
		c.depth--
		return
	}
	defer func() { c.depth-- }()
	for _, child := range e.children {
		values := slices.Collect(n.Each(child.name))
		visit(c.place(n, child, values, within))
		members := map[int][]fhir.Node{}
		for _, v := range values {
			at := c.sliceOf(child, v)
			if at < 0 {
				c.places(v, child, within, visit)
				continue
			}
			members[at] = append(members[at], v)
			c.places(v, child.slices[at], inSlice(within, child, at, v), visit)
		}
		for i, slice := range child.slices {
			in := within
			if len(members[i]) > 0 {
				in = inSlice(within, child, i, members[i][0])
			}
			visit(c.place(n, slice, members[i], in))
		}
	}
	if len(e.children) == 0 && !c.isRoot(e) {
		if of := c.onlyProfile(e); of != nil {
			c.places(n, of, within, visit)
		}
	}
}

func inSlice(within []Slice, of *element, at int, v fhir.Node) []Slice {
	in := Slice{of: of, place: at, Value: v, Min: of.slices[at].min}
	in.Closed = of.slicing != nil && of.slicing.rules == "closed"
	return append(slices.Clone(within), in)
}

func (c *checker) place(n fhir.Node, e *element, values []fhir.Node, within []Slice) Place {
	p := Place{
		Profile: e.profile.URL, ID: e.id, Name: e.name, Slice: e.slice, Min: e.min, Max: e.max, Choice: e.choice,
		Constant: e.fixed != nil || e.pattern != nil, In: n, Values: values, Slices: within,
	}
	if e.binding != nil {
		p.Strength, p.ValueSet = "extensible", e.binding.valueSet
		if e.binding.required {
			p.Strength = "required"
		}
	}
	for _, t := range e.types {
		p.Types = append(p.Types, t.code)
		for _, to := range t.targets {
			name := to.name
			if name == "" {
				of, err := c.rules.Profile(to.canonical)
				if err != nil {
					p.Unknown = true
					continue
				}
				name = of.Type
			}
			p.Targets = append(p.Targets, name)
		}
	}
	for i := range e.rules {
		if !e.rules[i].Warning {
			p.Keys = append(p.Keys, e.rules[i].Key)
		}
	}
	return p
}

// In reports whether a value, in another state of the resource, is in the slice
// still.
func (r *Rules) In(s Slice, v fhir.Node) bool {
	return v.Exists() && r.checker().inSlice(s.of, s.place, v)
}

var _ fhirpath.Profiles = (*checker)(nil)

// Knows reports whether all of a value set is known.
func (r *Rules) Knows(canonical string) bool {
	set, err := r.codes.ValueSet(canonical)
	if err != nil {
		return false
	}
	_, err = set.Has(terminology.Coding{System: "http://example.org/none", Code: "no-such-code"})
	return err == nil
}
