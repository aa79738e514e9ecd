package profile

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// sliced checks the values of an element that is sliced: each belongs to the
// first slice that its discriminators fit.
// http://hl7.org/fhir/R4/profiling.html#slicing
func (c *checker) sliced(n fhir.Node, e *element, values []fhir.Node) {
	var few [8]int
	counts := append(few[:0], make([]int, len(e.slices))...)
	last := -1
	for _, v := range values {
		at := c.sliceOf(e, v)
		if at < 0 {
			if e.slicing != nil && e.slicing.rules == "closed" {
				c.fail(v, "structure", "the value is of none of the slices %s, and others are not allowed%s", e.sliceNames(), c.by(e))
			}
			if e.slicing != nil && e.slicing.rules == "openAtEnd" {
				last = len(e.slices)
			}
			c.element(v, e)
			continue
		}
		if e.slicing != nil && (e.slicing.ordered || e.slicing.rules == "openAtEnd") && at < last {
			c.fail(v, "structure", "the value of the slice %s comes too late; the order is %s%s", e.slices[at].slice, e.sliceNames(), c.by(e))
		}
		last = max(last, at)
		counts[at]++
		slice := e.slices[at]
		c.element(v, slice)
		if len(slice.slices) > 0 {
			c.sliced(n, slice, []fhir.Node{v})
		}
	}
	for i, slice := range e.slices {
		c.count(n, slice, counts[i])
	}
}

func (e *element) sliceNames() string {
	var names []string
	for _, s := range e.slices {
		names = append(names, s.slice)
	}
	return strings.Join(names, ", ")
}

// sliceOf is the place of the slice that a value belongs to, -1 for none.
func (c *checker) sliceOf(e *element, v fhir.Node) int {
	if e.slicing != nil && e.slicing.byText != nil {
		return e.slicing.told(v)
	}
	for i := range e.slices {
		if c.inSlice(e, i, v) {
			return i
		}
	}
	return -1
}

// told is the place of the slice that the text at the key of a value tells.
func (s *slicing) told(v fhir.Node) int {
	var few [8]fhir.Node
	at := -1
	for _, n := range follow(append(few[:0], v), s.key) {
		if !n.HasValue() {
			continue
		}
		if i, ok := s.byText[n.View()]; ok && (at < 0 || i < at) {
			at = i
		}
	}
	return at
}

// inSlice reports whether a value belongs to the slice at a place.
func (c *checker) inSlice(e *element, place int, v fhir.Node) bool {
	slice := e.slices[place]
	if e.slicing == nil || len(e.slicing.discriminators) == 0 {
		if e.choice {
			return slice.allows(v.Type())
		}
		return c.conforms(v, slice)
	}
	for i, d := range e.slicing.discriminators {
		if k := e.slicing.wanted[place][i]; k != nil {
			if !anyMatches(k, follow([]fhir.Node{v}, d.path)) {
				return false
			}
			continue
		}
		if !c.discriminates(d, slice, v) {
			return false
		}
	}
	return true
}

func anyMatches(k *constant, values []fhir.Node) bool {
	return slices.ContainsFunc(values, k.matches)
}

// discriminates reports whether a value has at a discriminator's path what the
// slice has there.
func (c *checker) discriminates(d discriminator, slice *element, v fhir.Node) bool {
	path := d.path
	found := follow([]fhir.Node{v}, path)
	switch d.kind {
	case "exists":
		wanted := c.elementAt(slice, path)
		return wanted != nil && (len(found) > 0) == (wanted.max > 0)
	case "type":
		wanted := c.elementAt(slice, path)
		return wanted != nil && (len(found) > 0 && wanted.allows(found[0].Type()) || endsInResolve(path) && c.refers(slice, v))
	case "profile":
		return c.hasProfile(slice, path, found, v)
	}
	return c.hasValue(slice, path, found)
}

// hasValue is the discriminator types value and pattern: a fixed value, a
// pattern or a required binding of the slice, at the path or above it.
func (c *checker) hasValue(slice *element, path []string, found []fhir.Node) bool {
	for depth := len(path); depth >= 0; depth-- {
		wanted := c.elementAt(slice, path[:depth])
		if wanted == nil {
			continue
		}
		for _, of := range []*constant{wanted.fixed, wanted.pattern} {
			if of == nil {
				continue
			}
			at := of.follow(path[depth:])
			if len(at) == 0 {
				continue
			}
			return slices.ContainsFunc(at, func(k *constant) bool { return anyMatches(k, found) })
		}
		if depth == len(path) && wanted.binding != nil && wanted.binding.required {
			for _, n := range found {
				if ok, known := c.bound(n, wanted.binding.valueSet); ok && known {
					return true
				}
			}
			return false
		}
	}
	// All values of children at the path that the slice fixes one by one.
	wanted := c.elementAt(slice, path)
	if wanted == nil || len(wanted.children) == 0 {
		return false
	}
	for _, n := range found {
		if c.conforms(n, wanted) {
			return true
		}
	}
	return false
}

func (c *checker) hasProfile(slice *element, path []string, found []fhir.Node, v fhir.Node) bool {
	if endsInResolve(path) {
		return c.refers(slice, v)
	}
	wanted := c.elementAt(slice, path)
	if wanted == nil {
		return false
	}
	for _, t := range wanted.types {
		for _, canonical := range t.profiles {
			for _, n := range found {
				if ok, err := c.ConformsTo(n, canonical); ok && err == nil {
					return true
				}
			}
		}
	}
	return false
}

// refers reports whether a reference names a type that the target profiles of a
// slice are for.
func (c *checker) refers(slice *element, v fhir.Node) bool {
	ref := fhir.ParseReference(v.TextOf("reference"), "")
	for _, t := range slice.types {
		for _, to := range t.targets {
			name := to.name
			if name == "" {
				if p, err := c.rules.Profile(to.canonical); err == nil {
					name = p.Type
				}
			}
			if name == ref.Type {
				return true
			}
		}
	}
	return false
}

func endsInResolve(path []string) bool {
	return len(path) > 0 && path[len(path)-1] == "resolve()"
}

// splitPath splits a discriminator's path, in which only names, $this,
// extension(url), ofType(T) and resolve() may be.
func splitPath(path string) []string {
	var parts []string
	depth, from := 0, 0
	for i := 0; i <= len(path); i++ {
		switch {
		case i == len(path) || path[i] == '.' && depth == 0:
			if part := path[from:i]; part != "" && part != "$this" {
				parts = append(parts, part)
			}
			from = i + 1
		case path[i] == '(':
			depth++
		case path[i] == ')':
			depth--
		}
	}
	return parts
}

// argument is what stands in the brackets of a function.
func argument(part, function string) (string, bool) {
	inner, ok := strings.CutPrefix(part, function+"(")
	return strings.Trim(strings.TrimSuffix(inner, ")"), `'"`), ok
}

// follow goes along a path from values.
func follow(nodes []fhir.Node, path []string) []fhir.Node {
	for _, part := range path {
		if len(nodes) == 0 {
			return nil
		}
		if len(nodes) == 1 && !isFunction(part) {
			nodes = named(nodes, part)
			continue
		}
		next := make([]fhir.Node, 0, 2)
		for _, n := range nodes {
			if of, ok := argument(part, "ofType"); ok {
				if n.Type().Name == of {
					next = append(next, n)
				}
				continue
			}
			url, isExtension := argument(part, "extension")
			for c := n.First(); c.Exists(); c = c.Next() {
				if c.Name() == part || isExtension && c.Name() == "extension" && c.TextOf("url") == url {
					next = append(next, c)
				}
			}
		}
		nodes = next
	}
	return nodes
}

// named are the children of the one node of a list, which may be overwritten.
func named(one []fhir.Node, name string) []fhir.Node {
	n, found := one[0], one[:0]
	for c := n.First(); c.Exists(); c = c.Next() {
		if c.Name() == name {
			found = append(found, c)
		}
	}
	return found
}

// elementAt is what a profile says of the element at a path below another; nil
// where it says nothing. It goes on in the profile of a type where that is the
// only one.
func (c *checker) elementAt(e *element, path []string) *element {
	for i, part := range path {
		if part == "resolve()" {
			return e
		}
		if _, ok := argument(part, "ofType"); ok {
			continue
		}
		name, url := part, ""
		if of, ok := argument(part, "extension"); ok {
			name, url = "extension", of
		}
		var next *element
		for _, child := range e.children {
			if child.name == name {
				next = child
			}
		}
		if next != nil && url != "" {
			next = c.extensionSlice(next, url)
		}
		if next == nil {
			if of := c.onlyProfile(e); of != nil {
				return c.elementAt(of, path[i:])
			}
			return nil
		}
		e = next
	}
	return e
}

func (c *checker) extensionSlice(e *element, url string) *element {
	for _, slice := range e.slices {
		for _, t := range slice.types {
			for _, canonical := range t.profiles {
				if withoutVersion(canonical) == url {
					return slice
				}
			}
		}
	}
	return nil
}

// onlyProfile is the root of the profile of an element's type.
func (c *checker) onlyProfile(e *element) *element {
	if len(e.types) != 1 || len(e.types[0].profiles) != 1 || e == e.profile.root {
		return nil
	}
	p, err := c.rules.Profile(e.types[0].profiles[0])
	if err != nil || p.root == e {
		return nil
	}
	return p.root
}
