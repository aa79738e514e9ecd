package profile

import (
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/validate"
)

// Env is what expressions on a resource may ask for: what codes mean, the
// profiles and definitions of the library, and the entries of a Bundle.
func (r *Rules) Env(root fhir.Node) fhirpath.Env {
	c := r.check(func(fhir.Issue) {})
	if root.Exists() && root.Type().Name == "Bundle" {
		c.entries = validate.EntriesOf(root)
	}
	return *c.environment()
}

// ElementDefinition implements fhirpath.Definitions: the definition of R4.
func (c *checker) ElementDefinition(n fhir.Node) (fhir.Node, error) {
	path := n.Type().Name
	if e := n.Element(); e != nil && n.Type().Kind != fhir.KindResource {
		path = e.Path
	}
	of, _, _ := strings.Cut(path, ".")
	root, known := c.definitions[of]
	if !known {
		tree, err := c.rules.source.Find(structure, base+of)
		if err != nil {
			return fhir.Node{}, err
		}
		if tree == nil {
			return fhir.Node{}, fhir.Errorf(fhir.KindNotFound, "the definition of %s is not known", of)
		}
		if c.definitions == nil {
			c.definitions = map[string]fhir.Node{}
		}
		root = tree.Root()
		c.definitions[of] = root
	}
	for e := range root.Child("snapshot").Each("element") {
		if e.TextOf("path") == path {
			return e, nil
		}
	}
	return fhir.Node{}, nil
}

// InSlice implements fhirpath.Definitions.
func (c *checker) InSlice(n fhir.Node, canonical, name string) (bool, error) {
	p, err := c.rules.Profile(canonical)
	if err != nil {
		return false, err
	}
	var steps []fhir.Node // from below the value that the profile is for to n
	for at := n; at.Type().Name != p.Type; at = at.Parent() {
		if at.Property() == nil {
			return false, nil
		}
		steps = append(steps, at)
	}
	e := p.root
	for i := len(steps) - 1; i >= 0; i-- {
		if e = c.child(e, steps[i]); e == nil {
			return false, nil
		}
	}
	return e.slice == name, nil
}

// child is what a profile says of a value inside the value that e is about: of
// its slice, where it is in one. nil where it says nothing.
func (c *checker) child(e *element, n fhir.Node) *element {
	if of := c.onlyProfile(e); len(e.children) == 0 && of != nil {
		e = of
	}
	for _, child := range e.children {
		if child.name != n.Name() {
			continue
		}
		if at := c.sliceOf(child, n); at >= 0 {
			return child.slices[at]
		}
		return child
	}
	return nil
}
