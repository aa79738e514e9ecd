package define

import (
	"slices"

	"github.com/tarnhealth/tarn/definition"
)

// modifierCodes are the codes of modifiers that differ from their names, and
// those of the comparisons of _filter that are modifiers.
var modifierCodes = map[string]string{"of-type": "ofType", "ni": "not-in", "pr": "missing", "ss": "below", "sb": "above", "in": "in"}

// IsModifier reports whether a comparison of _filter is a modifier.
func IsModifier(comparison string) bool { return modifierCodes[comparison] != "" }

// AllowsModifier reports whether a parameter's definition allows a modifier,
// by its name in a query or in _filter; isType is set for a resource type.
func AllowsModifier(p *definition.SearchParameter, name string, isType bool) bool {
	if p.Rules == nil || p.Rules.Modifiers == nil {
		return true
	}
	if isType {
		name = "type"
	} else if code := modifierCodes[name]; code != "" {
		name = code
	}
	return slices.Contains(p.Rules.Modifiers, name)
}

// AllowsChain reports whether a parameter's definition allows a chain to a
// parameter of what it refers to.
func AllowsChain(p *definition.SearchParameter, code string) bool {
	return p.Rules == nil || p.Rules.Chains == nil || slices.Contains(p.Rules.Chains, code)
}
