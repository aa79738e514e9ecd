package define

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
)

// same reports whether a parameter of the release means for a resource type
// what a definition of a type and an expression does: then there is nothing to
// define. Otherwise difference says what is different.
func (r *reader) same(of *definition.SearchParameter, base string) (difference string) {
	if of.Type != r.def.Type {
		return "by which it is of type " + typeName(of.Type)
	}
	if of.Type == definition.ParamComposite {
		return "a composite"
	}
	own, theirs := r.selects(r.root.TextOf("expression"), base), r.selects(of.Expression, base)
	if slices.Equal(own, theirs) {
		return ""
	}
	if of.Expression == "" {
		return "without an expression"
	}
	return "by the expression " + strings.Join(theirs, " | ")
}

func typeName(t definition.ParamType) string {
	for name, code := range types {
		if code == t {
			return name
		}
	}
	return "special"
}

// selects are the parts of an expression that select something of a resource
// type, each written in one way, sorted.
func (r *reader) selects(expression, base string) []string {
	var all []string
	for _, part := range definition.SplitUnion(For(expression, base, r.Types)) {
		all = append(all, canonical(part, base))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

var (
	// castForm is "x as T", which is x.as(T).
	castForm = regexp.MustCompile(`^(\S+) as (\w+)$`)
	// ofTypeForm is x.ofType(T): x.as(T) of what is at most one value, which
	// the parts of search parameters that have it select.
	ofTypeForm = regexp.MustCompile(`\.ofType\(`)
	// generalForm is a path from a type that all resources are of.
	generalForm = regexp.MustCompile(`^(Resource|DomainResource)\.`)
	spaces      = regexp.MustCompile(`\s+`)
	// around are spaces that mean nothing.
	around = regexp.MustCompile(`\s*([().=,])\s*`)
)

// canonical writes a part of an expression in one way.
func canonical(part, base string) string {
	part = spaces.ReplaceAllString(strings.TrimSpace(part), " ")
	for enclosed(part) {
		part = strings.TrimSpace(part[1 : len(part)-1])
	}
	if m := castForm.FindStringSubmatch(part); m != nil {
		part = m[1] + ".as(" + m[2] + ")"
	}
	part = ofTypeForm.ReplaceAllString(part, ".as(")
	part = generalForm.ReplaceAllLiteralString(part, base+".")
	if strings.Contains(part, "'") {
		return part // spaces in a text mean something
	}
	return around.ReplaceAllString(part, "$1")
}

// enclosed reports whether one pair of parentheses is around all of a part.
func enclosed(part string) bool {
	if !strings.HasPrefix(part, "(") || !strings.HasSuffix(part, ")") {
		return false
	}
	depth := 0
	for i, c := range part {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 && i < len(part)-1 {
			return false
		}
	}
	return true
}
