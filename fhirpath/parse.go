package fhirpath

import (
	"strconv"
	"strings"
)

// The limits of what is parsed, so that an expression from outside can
// exhaust neither stack nor memory.
const (
	maxLength = 64 << 10 // bytes of source
	maxDepth  = 128      // nesting of parentheses, arguments and operators
)

// precedence ranks the binary operators; a greater one binds tighter.
// http://hl7.org/fhirpath/N1/#operator-precedence
var precedence = map[string]int{
	"implies": 1,
	"or":      2, "xor": 2,
	"and": 3,
	"in":  4, "contains": 4,
	"=": 5, "~": 5, "!=": 5, "!~": 5,
	"<": 6, ">": 6, "<=": 6, ">=": 6,
	"|":  7,
	"is": 8, "as": 8,
	"+": 9, "-": 9, "&": 9,
	"*": 10, "/": 10, "div": 10, "mod": 10,
}

const precedenceUnary = 11

// parser is a precedence-climbing parser with one token of lookahead.
type parser struct {
	lex   lexer
	tok   token
	depth int
}

// parse reads a whole expression.
func parse(src string) (syntax, error) {
	p := &parser{lex: lexer{src: src}}
	if len(src) > maxLength {
		return nil, p.errorf(0, "the expression is longer than %d bytes", maxLength)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	s, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, p.errorf(p.tok.at, "%s is not expected after a complete expression", p.tok)
	}
	return s, nil
}

func (p *parser) errorf(at int, format string, args ...any) error {
	return syntaxError(p.lex.src, at, format, args...)
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

func (t token) String() string {
	switch t.kind {
	case tokenEnd:
		return "the end"
	case tokenString:
		return "'" + t.text + "'"
	case tokenDelimited:
		return "`" + t.text + "`"
	case tokenVariable:
		return "$" + t.text
	case tokenTemporal:
		return "@" + t.text
	}
	return strconv.Quote(t.text)
}

func (p *parser) is(symbol string) bool {
	return p.tok.kind == tokenSymbol && p.tok.text == symbol
}

func (p *parser) expect(symbol string) error {
	if !p.is(symbol) {
		return p.errorf(p.tok.at, "%q is expected here, not %s", symbol, p.tok)
	}
	return p.advance()
}

// operator returns the binary operator at the current token and its rank, 0
// where there is none.
func (p *parser) operator() (string, int) {
	if p.tok.kind != tokenWord && p.tok.kind != tokenSymbol {
		return "", 0
	}
	return p.tok.text, precedence[p.tok.text]
}

// expression reads an expression whose operators all rank above floor.
func (p *parser) expression(floor int) (syntax, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, p.errorf(p.tok.at, "the expression is nested deeper than %d levels", maxDepth)
	}
	left, err := p.operand()
	for err == nil {
		op, rank := p.operator()
		if rank <= floor {
			return left, nil
		}
		left, err = p.operation(left, op, rank)
	}
	return nil, err
}

func (p *parser) operation(left syntax, op string, rank int) (syntax, error) {
	place := at(p.tok.at)
	if err := p.advance(); err != nil {
		return nil, err
	}
	if op == "is" || op == "as" {
		name, err := p.qualifiedName()
		return &typeOperation{place, op, left, name}, err
	}
	right, err := p.expression(rank)
	return &binary{place, op, left, right}, err
}

// operand reads a term with its signs and what is invoked on it.
func (p *parser) operand() (syntax, error) {
	if p.is("-") || p.is("+") {
		place, op := at(p.tok.at), p.tok.text
		if err := p.advance(); err != nil {
			return nil, err
		}
		operand, err := p.expression(precedenceUnary)
		return &unary{place, op, operand}, err
	}
	s, err := p.term()
	for err == nil {
		switch {
		case p.is("."):
			s, err = p.invocation(s)
		case p.is("["):
			s, err = p.indexer(s)
		default:
			return s, nil
		}
	}
	return nil, err
}

func (p *parser) invocation(on syntax) (syntax, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	switch p.tok.kind {
	case tokenWord, tokenDelimited:
		return p.named(on)
	case tokenVariable:
		return nil, p.errorf(p.tok.at, "$%s stands at the start of a path, not after a dot", p.tok.text)
	}
	return nil, p.errorf(p.tok.at, "an element or function name is expected after the dot, not %s", p.tok)
}

func (p *parser) indexer(on syntax) (syntax, error) {
	place := at(p.tok.at)
	if err := p.advance(); err != nil {
		return nil, err
	}
	index, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	return &indexer{place, on, index}, p.expect("]")
}

// named reads a member name or a function call.
func (p *parser) named(on syntax) (syntax, error) {
	place, name := at(p.tok.at), p.tok.text
	if name == "" {
		return nil, p.errorf(p.tok.at, "an empty name names nothing")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if !p.is("(") {
		return &member{place, on, name}, nil
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	args, err := p.arguments()
	return &call{place, on, name, args}, err
}

func (p *parser) arguments() ([]syntax, error) {
	var args []syntax
	if p.is(")") {
		return nil, p.advance()
	}
	for {
		arg, err := p.expression(0)
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
		if !p.is(",") {
			return args, p.expect(")")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

// reserved are the words that cannot start a path without backticks.
var reserved = map[string]bool{"and": true, "or": true, "xor": true, "implies": true, "div": true, "mod": true}

func (p *parser) term() (syntax, error) {
	place := at(p.tok.at)
	switch p.tok.kind {
	case tokenWord:
		switch text := p.tok.text; {
		case text == "true" || text == "false":
			return p.constant(Boolean(text == "true"))
		case reserved[text]:
			return nil, p.errorf(p.tok.at, "the operator %q has no left operand", text)
		}
		return p.named(nil)
	case tokenDelimited:
		return p.named(nil)
	case tokenString:
		return p.constant(String(p.tok.text))
	case tokenNumber:
		return p.number()
	case tokenTemporal:
		return p.temporal()
	case tokenVariable:
		if v := p.tok.text; v != "this" && v != "index" && v != "total" {
			return nil, p.errorf(p.tok.at, "$%s is unknown; there are $this, $index and $total", v)
		}
		v := &variable{place, p.tok.text}
		return v, p.advance()
	}
	return p.symbolTerm()
}

func (p *parser) symbolTerm() (syntax, error) {
	place := at(p.tok.at)
	open := p.tok.text
	if p.tok.kind != tokenSymbol || open != "(" && open != "{" && open != "%" {
		return nil, p.errorf(p.tok.at, "an expression is expected here, not %s", p.tok)
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	switch open {
	case "{":
		return &literal{at: place}, p.expect("}")
	case "%":
		if k := p.tok.kind; k != tokenWord && k != tokenDelimited && k != tokenString {
			return nil, p.errorf(p.tok.at, "a name is expected after %%, not %s", p.tok)
		}
		e := &external{place, p.tok.text}
		return e, p.advance()
	}
	s, err := p.expression(0)
	if err != nil {
		return nil, err
	}
	return s, p.expect(")")
}

func (p *parser) constant(v Item) (syntax, error) {
	l := &literal{at(p.tok.at), &v}
	return l, p.advance()
}

// number reads an integer, a decimal, or either with a unit: 4 'mg', 4 days.
func (p *parser) number() (syntax, error) {
	tok := p.tok
	if err := p.advance(); err != nil {
		return nil, err
	}
	d, ok := parseDecimal(tok.text)
	if !ok {
		return nil, p.errorf(tok.at, "the number %s is too long", tok.text)
	}
	unit, isUnit := p.tok.text, p.tok.kind == tokenString
	if p.tok.kind == tokenWord {
		unit, isUnit = calendarUnit(p.tok.text)
	}
	if isUnit {
		q := quantityItem(quantity{d, unit})
		return &literal{at(tok.at), &q}, p.advance()
	}
	if strings.Contains(tok.text, ".") {
		v := decimalItem(d)
		return &literal{at(tok.at), &v}, nil
	}
	n, err := strconv.ParseInt(tok.text, 10, 64)
	if err != nil {
		return nil, p.errorf(tok.at, "the integer %s is too large", tok.text)
	}
	v := Integer(n)
	return &literal{at(tok.at), &v}, nil
}

func (p *parser) temporal() (syntax, error) {
	kind, text := KindDate, p.tok.text
	if strings.HasPrefix(text, "T") {
		kind, text = KindTime, text[1:]
	} else if strings.Contains(text, "T") {
		kind, text = KindDateTime, strings.TrimSuffix(text, "T")
	}
	t, ok := parseTemporal(kind, text)
	if !ok {
		return nil, p.errorf(p.tok.at, "@%s is not a date or time that exists", p.tok.text)
	}
	return p.constant(temporalItem(t))
}

func (p *parser) qualifiedName() (string, error) {
	var name string
	for {
		if p.tok.kind != tokenWord && p.tok.kind != tokenDelimited {
			return "", p.errorf(p.tok.at, "a type name is expected here, not %s", p.tok)
		}
		name += p.tok.text
		if err := p.advance(); err != nil || !p.is(".") {
			return name, err
		}
		name += "."
		if err := p.advance(); err != nil {
			return "", err
		}
	}
}
