package terminology

import (
	"strings"
)

const snomedURL = "http://snomed.info/sct"

// expression compiles the simple forms of SNOMED CT's expression constraints:
// concepts with the operators < << <! <<! > >> >! >>! and ^, the wildcard *,
// AND, OR, MINUS and parentheses. Refinements by attributes are refused.
// http://snomed.org/ecl
func (c compiler) expression(text string) (test, error) {
	p := constraint{compiler: c, text: text, rest: text}
	t, err := p.compound(0)
	if err != nil {
		return nil, err
	}
	if p.skip(); p.rest != "" {
		return nil, p.errorf("%q is left over", p.rest)
	}
	return t, nil
}

// A constraint is an expression as it is read.
type constraint struct {
	compiler
	text, rest string
}

func (p *constraint) errorf(format string, args ...any) error {
	return p.set.errorf("has the constraint %q, which is not one of the simple forms that are known here: "+format, append([]any{p.text}, args...)...)
}

func (p *constraint) skip() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// took takes a word or sign that comes next.
func (p *constraint) took(what string) bool {
	p.skip()
	if len(p.rest) < len(what) || !strings.EqualFold(p.rest[:len(what)], what) {
		return false
	}
	p.rest = p.rest[len(what):]
	return true
}

// compound reads operands with one kind of connection between them.
func (p *constraint) compound(depth int) (test, error) {
	if depth > maxNesting {
		return nil, p.errorf("its parentheses are more than %d deep", maxNesting)
	}
	left, err := p.operand(depth)
	if err != nil {
		return nil, err
	}
	for used := ""; ; {
		connection := ""
		for _, word := range []string{"AND", ",", "OR", "MINUS"} {
			if p.took(word) {
				connection = strings.Replace(word, ",", "AND", 1)
				break
			}
		}
		if connection == "" {
			return left, nil
		}
		if used == "MINUS" || used != "" && used != connection {
			return nil, p.errorf("%s and %s need parentheses", used, connection)
		}
		used = connection
		right, err := p.operand(depth)
		if err != nil {
			return nil, err
		}
		left = connect(connection, left, right)
	}
}

func connect(connection string, a, b test) test {
	switch connection {
	case "AND":
		return func(m member) bool { return a(m) && b(m) }
	case "OR":
		return func(m member) bool { return a(m) || b(m) }
	}
	return func(m member) bool { return a(m) && !b(m) }
}

// operators are tried in this order, for some begin others.
var operators = []string{"<<!", "<<", "<!", "<", ">>!", ">>", ">!", ">", "^"}

func (p *constraint) operand(depth int) (test, error) {
	operator := ""
	for _, o := range operators {
		if p.took(o) {
			operator = o
			break
		}
	}
	if operator == "" && p.took("(") {
		t, err := p.compound(depth + 1)
		if err == nil && !p.took(")") {
			err = p.errorf("a parenthesis is not closed")
		}
		return t, err
	}
	if operator == "" && p.took("*") {
		return func(m member) bool { return m.at >= 0 }, nil
	}
	code := p.code()
	if code == "" {
		return nil, p.errorf("a concept is expected before %q", p.rest)
	}
	if p.skip(); strings.HasPrefix(p.rest, "|") {
		term, rest, ok := strings.Cut(p.rest[1:], "|")
		if !ok {
			return nil, p.errorf("the term %q is not closed", term)
		}
		p.rest = rest
	}
	if p.skip(); strings.HasPrefix(p.rest, ":") || strings.HasPrefix(p.rest, ".") || strings.HasPrefix(p.rest, "{") {
		return nil, p.errorf("refinements, attributes and filters are not")
	}
	return p.about(operator, code)
}

func (p *constraint) code() string {
	p.skip()
	n := 0
	for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
		n++
	}
	code := p.rest[:n]
	p.rest = p.rest[n:]
	return code
}

// about compiles an operator and a concept.
func (p *constraint) about(operator, code string) (test, error) {
	if operator == "^" {
		bits := p.bits(code)
		if bits == nil {
			return nil, p.set.errorf("is about the reference set %s, which is not loaded", code)
		}
		return func(m member) bool { return bits.Has(m.at) }, nil
	}
	at := -1
	if p.system.concepts != nil {
		at = p.system.concepts.Find(code)
	}
	if at < 0 {
		return nil, p.set.errorf("is about %q, which is not a code of %s", code, p.system.URL)
	}
	near := func(places []int, self bool) test {
		beside := map[int]bool{at: self}
		for _, place := range places {
			beside[place] = true
		}
		return func(m member) bool { return beside[m.at] }
	}
	switch operator {
	case "<", "<<":
		return p.below(at, operator == "<<"), nil
	case ">", ">>":
		return p.above(at, operator == ">>"), nil
	case "<!", "<<!":
		return near(p.system.concepts.Children(at), operator == "<<!"), nil
	case ">!", ">>!":
		return near(p.system.concepts.Parents(at), operator == ">>!"), nil
	}
	return near(nil, true), nil
}
