package authz

import (
	"slices"

	"github.com/tarnhealth/tarn/search"
)

// Narrow returns what of s is also in allowed. A resource scope becomes one
// for each allowed scope that it shares something with, and stays in the form
// it was asked for where that form can say it. Levels do not mix: user/*.rs
// does not allow patient/*.rs.
func (s Scopes) Narrow(allowed Scopes) Scopes {
	out := Scopes{order: s.order}
	for _, f := range flags {
		*f.of(&out) = *f.of(&s) && *f.of(&allowed)
	}
	for _, asked := range s.Resources {
		for _, scope := range asked.narrow(allowed.Resources) {
			if !slices.ContainsFunc(out.Resources, scope.equal) {
				out.Resources = append(out.Resources, scope)
			}
		}
	}
	return out
}

// narrow is what a scope shares with each of others, without repetition.
func (s Scope) narrow(others []Scope) []Scope {
	var parts []Scope
	for _, other := range others {
		if part, ok := s.intersect(other); ok {
			parts = join(parts, part)
		}
	}
	// What another part holds already is left out.
	kept := make([]Scope, 0, len(parts))
	for i, p := range parts {
		covered := false
		for j, q := range parts {
			covered = covered || i != j && q.Covers(p) && (!p.Covers(q) || j < i)
		}
		if !covered {
			kept = append(kept, p)
		}
	}
	return kept
}

// join adds a part, with the letters of one that is the same otherwise.
func join(parts []Scope, part Scope) []Scope {
	for i := range parts {
		if parts[i].sameData(part) {
			parts[i].Actions |= part.Actions
			return parts
		}
	}
	return append(parts, part)
}

// intersect is what two scopes share.
func (s Scope) intersect(other Scope) (Scope, bool) {
	s.Actions &= other.Actions
	if s.Level != other.Level || s.Actions == 0 {
		return s, false
	}
	switch {
	case s.Type == "*":
		s.Type = other.Type
	case other.Type != "*" && other.Type != s.Type:
		return s, false
	}
	if missing := lacking(s.Query, other.Query); len(missing) > 0 {
		s.Query = append(slices.Clone(s.Query), missing...)
		s.query = ""
		if len(s.Query) == len(other.Query) {
			s.query = other.query
		}
	}
	return s, len(s.Query) <= maxQuery
}

// lacking are the conditions of more that query does not have.
func lacking(query, more []search.Pair) []search.Pair {
	var missing []search.Pair
	for _, p := range more {
		if !slices.Contains(query, p) {
			missing = append(missing, p)
		}
	}
	return missing
}

// Covers reports whether everything that other allows is plainly allowed by s
// as well: the same level, a type and letters that include the other's, and no
// condition that the other lacks.
func (s Scope) Covers(other Scope) bool {
	return s.Level == other.Level && (s.Type == "*" || s.Type == other.Type) &&
		other.Actions&^s.Actions == 0 && len(lacking(other.Query, s.Query)) == 0
}

// sameData reports whether two scopes are about the same resources.
func (s Scope) sameData(other Scope) bool {
	return s.Level == other.Level && s.Type == other.Type &&
		len(lacking(s.Query, other.Query)) == 0 && len(lacking(other.Query, s.Query)) == 0
}

func (s Scope) equal(other Scope) bool { return s.String() == other.String() }
