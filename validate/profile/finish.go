package profile

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/validate/invariant"
)

// finish works out what the check of values needs of the elements of a profile.
func finish(all []*element) {
	for _, e := range all {
		for _, slice := range e.slices {
			e.lend(slice)
		}
	}
	for _, e := range all {
		e.active = e.demands()
	}
	for changed := true; changed; { // contents of other elements may go in circles
		changed = false
		for _, e := range all {
			if !e.active && (slices.ContainsFunc(e.children, isActive) || slices.ContainsFunc(e.slices, isActive)) {
				e.active, changed = true, true
			}
		}
	}
	for _, e := range all {
		for _, child := range e.children {
			if child.active {
				e.watched = append(e.watched, child)
			}
		}
		e.watched = slices.Clip(e.watched)
		if len(e.slices) > 0 && e.slicing != nil {
			e.slicing.prepare(e)
		}
	}
}

func isActive(e *element) bool { return e.active }

// lend gives a slice what holds of all values of the element, where the snapshot
// does not repeat it.
func (e *element) lend(slice *element) {
	for i := range e.rules {
		if !slices.ContainsFunc(slice.rules, func(k invariant.Invariant) bool { return k.Key == e.rules[i].Key }) {
			slice.rules = append(slice.rules, e.rules[i])
		}
	}
	ofProfile := slices.ContainsFunc(slice.types, func(t typeRef) bool { return len(t.profiles) > 0 })
	if len(slice.children) == 0 && len(e.children) > 0 && slice.inside == e.inside && !ofProfile {
		slice.children, slice.lent = e.children, true
	}
}

// prepare finds the constants that tell the slices of an element apart.
func (s *slicing) prepare(e *element) {
	s.wanted = make([][]*constant, len(e.slices))
	for i, slice := range e.slices {
		for _, d := range s.discriminators {
			var k *constant
			if d.kind == "value" || d.kind == "pattern" {
				k = slice.constantAt(d.path)
			}
			s.wanted[i] = append(s.wanted[i], k)
		}
	}
	if len(s.discriminators) != 1 {
		return
	}
	byText := map[string]int{}
	for i := range e.slices {
		k := s.wanted[i][0]
		if k == nil || !k.hasText {
			return
		}
		if _, twice := byText[k.text]; !twice { // the first slice counts
			byText[k.text] = i
		}
	}
	s.key, s.byText = s.discriminators[0].path, byText
}

// constantAt is the one constant that a slice has at a path, or above it; nil
// where there is none, or another profile has to be asked.
func (e *element) constantAt(path []string) *constant {
	for depth := len(path); depth >= 0; depth-- {
		at, known := e.at(path[:depth])
		if !known {
			return e.urlOfExtension(path)
		}
		if at == nil {
			continue
		}
		for _, k := range []*constant{at.fixed, at.pattern} {
			if k == nil {
				continue
			}
			if found := k.follow(path[depth:]); len(found) == 1 {
				return found[0]
			} else if len(found) > 1 {
				return nil
			}
		}
		if depth == len(path) && at.binding != nil {
			return nil
		}
	}
	return nil
}

// at is the element at a path below another, by the profile alone; known is
// false where another profile has to be asked, or a function is in the path.
func (e *element) at(path []string) (found *element, known bool) {
	for _, part := range path {
		if isFunction(part) {
			return nil, false
		}
		next := slices.IndexFunc(e.children, func(child *element) bool { return child.name == part })
		if next < 0 {
			return nil, len(e.types) != 1 || len(e.types[0].profiles) == 0
		}
		e = e.children[next]
	}
	return e, true
}

func isFunction(part string) bool { return len(part) > 0 && part[len(part)-1] == ')' }

// urlOfExtension is the url of an extension with one definition, which is that
// of the definition.
func (e *element) urlOfExtension(path []string) *constant {
	if e.name != "extension" && e.name != "modifierExtension" || !slices.Equal(path, []string{"url"}) || len(e.types) != 1 || len(e.types[0].profiles) != 1 {
		return nil
	}
	return &constant{name: "url", text: withoutVersion(e.types[0].profiles[0]), hasText: true, typeName: "uri", size: 1}
}

func withoutVersion(canonical string) string {
	url, _, _ := strings.Cut(canonical, "|")
	return url
}
