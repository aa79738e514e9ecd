package profile

import (
	"fmt"

	"github.com/tarnhealth/tarn/fhir"
)

// MustSupport reports, as information, the elements that the profiles of a
// resource, and of those in it, mark as must-support and that are absent. That
// is no fault: what must be supported need not be there.
// http://hl7.org/fhir/R4/conformance-rules.html#mustSupport
func (r *Rules) MustSupport(tree *fhir.Tree, report func(fhir.Issue)) {
	c := r.check(func(fhir.Issue) {})
	s := support{c, report}
	s.resource(tree.Root())
}

type support struct {
	*checker
	tell func(fhir.Issue)
}

func (s support) resource(n fhir.Node) {
	for _, p := range s.profiles(n) {
		s.children(n, p.root)
	}
	s.inside(n)
}

// inside looks for further resources.
func (s support) inside(n fhir.Node) {
	for child := n.First(); child.Exists(); child = child.Next() {
		if child.Type().Kind == fhir.KindResource {
			s.resource(child)
			continue
		}
		s.inside(child)
	}
}

// profiles are those that a resource is checked against, as far as they are
// known.
func (c *checker) profiles(n fhir.Node) []*Profile {
	var all []*Profile
	add := func(canonical string) {
		if c.rules.isBase(canonical) {
			return
		}
		if p, err := c.rules.Profile(canonical); err == nil && p.Type == n.Type().Name {
			all = append(all, p)
		}
	}
	for declared := range n.Child("meta").Each("profile") {
		add(declared.Text())
	}
	for _, asked := range c.rules.opt.Asked {
		add(asked)
	}
	return all
}

// children tells which elements of a value are absent.
func (s support) children(n fhir.Node, e *element) {
	if s.depth++; s.depth > maxDepth {
		s.depth--
		return
	}
	defer func() { s.depth-- }()
	for _, child := range e.children {
		found := 0
		in := make([]int, len(child.slices))
		for v := range n.Each(child.name) {
			found++
			of := child
			if at := s.sliceOf(child, v); at >= 0 {
				in[at]++
				of = child.slices[at]
			}
			s.children(v, of)
		}
		if found == 0 {
			s.absent(n, child)
		}
		for i, slice := range child.slices {
			if in[i] == 0 {
				s.absent(n, slice)
			}
		}
	}
	if len(e.children) == 0 && !s.isRoot(e) {
		if of := s.onlyProfile(e); of != nil {
			s.children(n, of)
		}
	}
}

func (s support) absent(n fhir.Node, e *element) {
	if !e.mustSupport || e.max == 0 {
		return
	}
	name := e.name
	if e.slice != "" {
		name += " of the slice " + e.slice
	}
	issue := fhir.Issue{
		Severity: fhir.SeverityInformation, Code: "informational", Expression: n.Path() + "." + e.name,
		Diagnostics: fmt.Sprintf("%s is must-support and absent%s", name, s.by(e)),
	}
	issue.Line, issue.Column = n.Position()
	if !s.before(issue.Expression, issue.Diagnostics) {
		s.tell(issue)
	}
}
