package definition

import "strings"

// PartsFor cuts a search parameter's expression down to the parts that can
// select something in a resource of the base type: those that begin with that
// type, with a more general one, or with none. isResource tells the names of
// the concrete resource types. It is "" where no part applies.
func PartsFor(expression, base string, isResource func(name string) bool) string {
	var parts []string
	for _, part := range SplitUnion(expression) {
		word := strings.TrimLeft(part, "( ")
		if end := strings.IndexFunc(word, func(r rune) bool { return r != '_' && (r < 'A' || r > 'z') }); end >= 0 {
			word = word[:end]
		}
		if word == base || !isResource(word) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " | ")
}

// SplitUnion splits a FHIRPath expression at the "|" outside brackets and strings.
func SplitUnion(expression string) []string {
	var parts []string
	depth, start, quoted := 0, 0, false
	for i := 0; i < len(expression); i++ {
		switch c := expression[i]; {
		case c == '\'':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '|' && depth == 0:
			parts = append(parts, strings.TrimSpace(expression[start:i]))
			start = i + 1
		}
	}
	if last := strings.TrimSpace(expression[start:]); last != "" {
		parts = append(parts, last)
	}
	return parts
}
