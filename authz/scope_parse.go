package authz

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/search"
)

// MaxScopeText is the length of the longest scope text, in bytes.
const MaxScopeText = 16 << 10

// A Dropped is a part of a scope text that means nothing here.
type Dropped struct {
	// Scope is at most 100 bytes of it.
	Scope string
	// Reason says why, in words that are no full sentence.
	Reason string
}

// ParseScopes reads the scopes of a text, separated by spaces. Those that are
// not understood are left out, never widened, and told in dropped; of a text
// longer than MaxScopeText all are. registry says which resource types and
// search parameters there are.
//
// https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
func ParseScopes(text string, registry *search.Registry) (s Scopes, dropped []Dropped) {
	if len(text) > MaxScopeText {
		return s, []Dropped{{shorten(text), fmt.Sprintf("the scopes are %d bytes long; at most %d are read", len(text), MaxScopeText)}}
	}
	for word := range strings.SplitSeq(text, " ") {
		if word == "" || slices.Contains(s.order, word) {
			continue
		}
		if reason := s.add(word, registry); reason != "" {
			dropped = append(dropped, Dropped{shorten(word), reason})
			continue
		}
		s.order = append(s.order, word)
	}
	return s, dropped
}

func shorten(text string) string {
	if len(text) > 100 {
		return text[:97] + "…"
	}
	return text
}

// add reads one scope, or says why it cannot.
func (s *Scopes) add(word string, registry *search.Registry) (reason string) {
	for i := range len(word) {
		if c := word[i]; c < '!' || c > '~' || c == '"' || c == '\\' {
			return "a scope is printable ASCII without spaces, quotes and backslashes"
		}
	}
	for _, f := range flags {
		if f.name == word {
			*f.of(s) = true
			return ""
		}
	}
	scope, reason := parseScope(word, registry)
	if reason == "" {
		s.Resources = append(s.Resources, scope)
	}
	return reason
}

// parseScope reads (patient|user|system)/Type.letters?query.
func parseScope(word string, registry *search.Registry) (s Scope, reason string) {
	level, rest, ok := strings.Cut(word, "/")
	switch {
	case ok && level == "launch":
		return s, "of the launch contexts, launch/patient and launch/encounter are offered"
	case !ok || s.setLevel(level) != nil:
		return s, "not known here; resource scopes look like patient/Observation.rs"
	}
	rest, s.query, ok = strings.Cut(rest, "?")
	resourceType, actions, dotted := strings.Cut(rest, ".")
	if s.Type = resourceType; !dotted {
		return s, "what may be done is missing, as in patient/Observation.rs"
	}
	if s.Type != "*" && !offersType(registry, s.Type) {
		return s, fmt.Sprintf("%q is not a resource type", s.Type)
	}
	if s.Actions, s.V1 = parseActions(actions); s.Actions == 0 {
		return s, fmt.Sprintf("%q is none of read, write and *, nor some of the letters c, r, u, d and s in that order", actions)
	}
	if ok {
		reason = s.parseQuery(registry)
	}
	return s, reason
}

func (s *Scope) setLevel(name string) error {
	for l := LevelPatient; l <= LevelSystem; l++ {
		if l.String() == name {
			s.Level = l
			return nil
		}
	}
	return fmt.Errorf("%q is not a level", name)
}

func offersType(registry *search.Registry, resourceType string) bool {
	return registry.Param(resourceType, search.MarkType) != nil
}

// parseActions reads the part behind the dot; 0 where it cannot.
func parseActions(text string) (a Actions, v1 bool) {
	for actions, word := range v1Words {
		if word == text {
			return actions, true
		}
	}
	rest := text
	for i, letter := range []byte("cruds") {
		if len(rest) > 0 && rest[0] == letter {
			a |= 1 << i
			rest = rest[1:]
		}
	}
	if rest != "" {
		return 0, false
	}
	return a, false
}

// maxQuery limits the conditions of one scope.
const maxQuery = 30

// parseQuery reads the conditions of a granular scope, or says why it cannot.
func (s *Scope) parseQuery(registry *search.Registry) (reason string) {
	if s.V1 {
		return "conditions go with letters (patient/Observation.rs?…), not with read, write and *"
	}
	if s.Type == "*" {
		return "conditions go with one resource type, not with *"
	}
	pairs, err := search.Pairs(s.query)
	if err != nil {
		return err.Error()
	}
	if len(pairs) == 0 || len(pairs) > maxQuery {
		return fmt.Sprintf("a scope has 1 to %d conditions behind the question mark", maxQuery)
	}
	s.Query = pairs
	_, reason = s.node(registry, search.Options{})
	return reason
}

// node is the condition that Query means, nil for none, or why it cannot be a
// scope's.
func (s *Scope) node(registry *search.Registry, opt search.Options) (n search.Node, reason string) {
	if len(s.Query) == 0 {
		return nil, ""
	}
	for _, p := range s.Query {
		if reason := conditionReason(registry, s.Type, p); reason != "" {
			return nil, reason
		}
	}
	query, err := registry.Parse([]string{s.Type}, s.Query, opt)
	if err != nil {
		return nil, err.Error()
	}
	if len(query.Plan.Parts) != 1 || query.Plan.Parts[0].Where == nil {
		return nil, "the conditions restrict nothing"
	}
	return query.Plan.Parts[0].Where, ""
}

// conditionReason says why a search parameter cannot be the condition of a
// scope: it is no condition on the resource alone, or no single one.
func conditionReason(registry *search.Registry, resourceType string, p search.Pair) string {
	code, _, _ := strings.Cut(p.Name, ":")
	if strings.Contains(p.Name, ".") {
		return "chains are not allowed in scopes"
	}
	if p.Value == "" {
		return fmt.Sprintf("the parameter %q has no value", p.Name)
	}
	param := registry.Param(resourceType, code)
	switch {
	case param == nil || param.Def == nil:
		return fmt.Sprintf("%q is not a search parameter of %s that a scope can have", p.Name, resourceType)
	case len(param.Def.Component) > 0:
		return fmt.Sprintf("%q is a composite parameter, which scopes cannot have", p.Name)
	}
	return ""
}
