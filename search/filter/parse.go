package filter

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tarnhealth/tarn/fhir"
)

// Parse parses an expression. There is no precedence between and and or: they
// apply from left to right. Its errors are for the caller and tell the
// position, counted in characters from 1.
func Parse(src string) (Expr, error) {
	if len(src) > MaxLength {
		return nil, fhir.Errorf(fhir.KindTooCostly, "the filter has %d bytes; at most %d are allowed", len(src), MaxLength)
	}
	if !utf8.ValidString(src) {
		return nil, fhir.Errorf(fhir.KindInvalid, "the filter is not text in UTF-8")
	}
	p := parser{src: src}
	e := p.filter()
	p.space()
	if p.err == nil && p.at < len(src) {
		p.failf(`%s is left over; tests are joined by "and" or "or"`, p.found())
	}
	if p.err != nil {
		return nil, p.err
	}
	return e, nil
}

// A parser reads src from at on. After the first error it reads nothing more.
type parser struct {
	src   string
	at    int
	depth int
	tests int
	err   error
}

func (p *parser) failf(format string, args ...any) {
	if p.err != nil {
		return
	}
	args = append([]any{p.position(p.at)}, args...)
	p.err = fhir.Errorf(fhir.KindInvalid, "at character %d of the filter: "+format, args...)
}

func (p *parser) position(at int) int { return utf8.RuneCountInString(p.src[:at]) + 1 }

// found names what stands at the current place.
func (p *parser) found() string {
	rest := p.src[p.at:]
	if rest == "" {
		return "the end"
	}
	if i := strings.IndexFunc(rest[1:], func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune("()[]", r) }); i >= 0 {
		rest = rest[:i+1]
	}
	return `"` + strings.ToValidUTF8(rest[:min(len(rest), 30)], "") + `"`
}

func (p *parser) space() {
	p.at = len(p.src) - len(strings.TrimLeftFunc(p.src[p.at:], unicode.IsSpace))
}

// punct takes a character, where it is the next one.
func (p *parser) punct(c byte) bool {
	p.space()
	if p.at < len(p.src) && p.src[p.at] == c {
		p.at++
		return true
	}
	return false
}

// word takes a word, where it is the next one.
func (p *parser) word(w string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.src[p.at:], w)
	if !ok || rest != "" && isNameChar(rest[0]) {
		return false
	}
	p.at += len(w)
	return true
}

func isNameChar(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// filter reads tests joined by and and or.
func (p *parser) filter() Expr {
	if p.depth++; p.depth > MaxDepth {
		p.failf("more than %d parentheses and brackets are open", MaxDepth)
		return nil
	}
	defer func() { p.depth-- }()
	left := p.term()
	for p.err == nil {
		switch {
		case p.word("and"):
			left = And{left, p.term()}
		case p.word("or"):
			left = Or{left, p.term()}
		default:
			return left
		}
	}
	return nil
}

// term reads (filter), not (filter) or a test.
func (p *parser) term() Expr {
	if p.punct('(') {
		return p.closed()
	}
	start := p.at
	if p.word("not") {
		if p.punct('(') {
			return Not{p.closed()}
		}
		p.at = start
	}
	return p.test()
}

// closed reads what follows an opening parenthesis.
func (p *parser) closed() Expr {
	e := p.filter()
	if p.err == nil && !p.punct(')') {
		p.failf(`there is %s where a ")" is missing`, p.found())
	}
	return e
}

func (p *parser) test() Expr {
	if p.tests++; p.tests > MaxTests {
		p.failf("more than %d tests", MaxTests)
		return nil
	}
	t := Test{Path: p.path()}
	if p.err != nil {
		return nil
	}
	p.space()
	t.At = p.position(p.at)
	for _, op := range Ops {
		if p.word(op) {
			t.Op = op
			break
		}
	}
	if t.Op == "" {
		p.failf("%s is not a comparison; those are %s", p.found(), strings.Join(Ops, ", "))
		return nil
	}
	t.Value = p.value()
	return t
}

// path reads name.name and name[filter].name.
func (p *parser) path() (steps []Step) {
	for p.err == nil {
		s := p.step()
		steps = append(steps, s)
		if p.at < len(p.src) && p.src[p.at] == '.' {
			p.at++
			continue
		}
		if s.Filter != nil && p.err == nil {
			p.failf(`there is %s where a "." and a name must follow the brackets`, p.found())
		}
		break
	}
	return steps
}

func (p *parser) step() Step {
	p.space()
	start := p.at
	for p.at < len(p.src) && (isNameChar(p.src[p.at]) || p.src[p.at] == ':' && p.at > start) {
		p.at++
	}
	s := Step{Name: p.src[start:p.at], At: p.position(start)}
	if c := p.src[start:]; c == "" || c[0] >= '0' && c[0] <= '9' || c[0] == '-' || s.Name == "" {
		p.at = start
		p.failf("there is %s where the name of a search parameter is expected", p.found())
		return s
	}
	if p.at < len(p.src) && p.src[p.at] == '[' {
		p.at++
		s.Filter = p.filter()
		if p.err == nil && !p.punct(']') {
			p.failf(`there is %s where a "]" is missing`, p.found())
		}
	}
	return s
}

// value reads a JSON string, or whatever is not white space, ) or ].
func (p *parser) value() string {
	p.space()
	if p.at < len(p.src) && p.src[p.at] == '"' {
		return p.text()
	}
	rest := p.src[p.at:]
	n := strings.IndexFunc(rest, func(r rune) bool { return unicode.IsSpace(r) || r == ')' || r == ']' })
	if n < 0 {
		n = len(rest)
	}
	if n == 0 {
		p.failf("there is %s where a value is expected", p.found())
	}
	p.at += n
	return rest[:n]
}

// text reads a JSON string.
func (p *parser) text() (value string) {
	rest := p.src[p.at:]
	end := 1
	for end < len(rest) && rest[end] != '"' {
		if rest[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(rest) {
		p.failf("the string has no closing quote")
		return ""
	}
	if err := json.Unmarshal([]byte(rest[:end+1]), &value); err != nil {
		p.failf("the string is not one of JSON: %v", err)
	}
	if strings.TrimSpace(value) == "" || slices.Contains([]byte(value), 0) {
		p.failf("the value is empty")
	}
	p.at += end + 1
	return value
}
