package validate

import "slices"

// With is the validator with further rules, which come last. What it compiled
// is shared.
func (v *Validator) With(rules ...Rule) *Validator {
	other := *v
	other.rules = slices.Concat(v.rules, rules)
	return &other
}
