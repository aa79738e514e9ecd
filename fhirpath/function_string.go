package fhirpath

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/tarnhealth/tarn/fhir"
)

// stringFunctions are those of http://hl7.org/fhirpath/N1/#string-manipulation
// with join, split, trim, encode and decode of later versions.
func stringFunctions() map[string]signature {
	return map[string]signature{
		"startsWith": values(1, 1, stringTest(strings.HasPrefix)),
		"endsWith":   values(1, 1, stringTest(strings.HasSuffix)),
		"contains":   values(1, 1, stringTest(strings.Contains)),
		"indexOf": values(1, 1, stringFunction(func(m *machine, s, part string) error {
			at := strings.Index(s, part)
			if at > 0 {
				at = utf8.RuneCountInString(s[:at])
			}
			m.push(Integer(int64(at)))
			return nil
		})),
		"upper": values(0, 0, stringMap(strings.ToUpper)),
		"lower": values(0, 0, stringMap(strings.ToLower)),
		"trim":  values(0, 0, stringMap(strings.TrimSpace)),
		"length": values(0, 0, func(m *machine, in []Item, _ arguments) error {
			s, ok, err := stringArgument(in)
			if ok {
				m.push(Integer(int64(utf8.RuneCountInString(s))))
			}
			return err
		}),
		"toChars": values(0, 0, func(m *machine, in []Item, _ arguments) error {
			s, _, err := stringArgument(in)
			for _, r := range s {
				m.push(String(string(r)))
			}
			return err
		}),
		"substring":      values(1, 2, substring),
		"replace":        values(2, 2, replace),
		"matches":        matching("", ""),
		"matchesFull":    matching(`^(?:`, `)$`),
		"replaceMatches": {2, 2, buildReplaceMatches},
		"split": values(1, 1, stringFunction(func(m *machine, s, separator string) error {
			for _, part := range strings.Split(s, separator) {
				m.push(String(part))
			}
			return m.spend(len(s))
		})),
		"join":   values(0, 1, join),
		"encode": values(1, 1, stringFunction(encode)),
		"decode": values(1, 1, stringFunction(decode)),
	}
}

// stringFunction is a function of a string and a string argument; empty where
// either is.
func stringFunction(f func(m *machine, s, arg string) error) runner {
	return func(m *machine, in []Item, args arguments) error {
		s, ok, err := stringArgument(in)
		if err != nil || !ok {
			return err
		}
		arg, ok, err := stringArgument(args[0])
		if err != nil || !ok {
			return err
		}
		return f(m, s, arg)
	}
}

func stringTest(test func(s, part string) bool) runner {
	return func(m *machine, in []Item, args arguments) error {
		s, ok, err := stringView(in)
		if err != nil || !ok {
			return err
		}
		part, ok, err := stringView(args[0])
		if err != nil || !ok {
			return err
		}
		m.push(Boolean(test(s, part)))
		return nil
	}
}

func stringMap(f func(string) string) runner {
	return func(m *machine, in []Item, _ arguments) error {
		s, ok, err := stringArgument(in)
		if err != nil || !ok {
			return err
		}
		return m.pushText(f(s), "")
	}
}

// substring counts in characters, from 0.
func substring(m *machine, in []Item, args arguments) error {
	s, ok, err := stringArgument(in)
	if err != nil || !ok {
		return err
	}
	start, ok, err := integerArgument(args[0])
	if err != nil || !ok {
		return err
	}
	runes := []rune(s)
	if start < 0 || start >= int64(len(runes)) {
		return nil
	}
	runes = runes[start:]
	length, ok, err := integerArgument(args[1])
	if ok {
		runes = runes[:clamp(length, len(runes))]
	}
	if err == nil {
		m.push(String(string(runes)))
	}
	return err
}

func replace(m *machine, in []Item, args arguments) error {
	s, ok, err := stringArgument(in)
	if err != nil || !ok {
		return err
	}
	pattern, okPattern, err := stringArgument(args[0])
	if err != nil {
		return err
	}
	with, okWith, err := stringArgument(args[1])
	if err != nil || !okPattern || !okWith {
		return err
	}
	if grown := len(s) + strings.Count(s, pattern)*len(with); grown > maxText {
		return textTooLong()
	}
	return m.pushText(strings.ReplaceAll(s, pattern, with), "")
}

func textTooLong() error {
	return fhir.Errorf(fhir.KindTooCostly, "FHIRPath: a string grows beyond %d bytes", maxText)
}

func join(m *machine, in []Item, args arguments) error {
	if len(in) == 0 {
		return nil
	}
	separator, _, err := stringArgument(args[0])
	if err != nil {
		return err
	}
	var b strings.Builder
	for i, item := range in {
		s, ok := item.system().value.(string)
		if !ok {
			return evaluationError("join() takes strings, not %s", item.TypeName())
		}
		if i > 0 {
			b.WriteString(separator)
		}
		b.WriteString(s)
		if b.Len() > maxText {
			return textTooLong()
		}
	}
	return m.pushText(b.String(), "")
}

var encodings = map[string]*base64.Encoding{
	"base64": base64.StdEncoding, "urlbase64": base64.URLEncoding,
}

func encode(m *machine, s, format string) error {
	if format == "hex" {
		return m.pushText(hex.EncodeToString([]byte(s)), "")
	}
	if e := encodings[format]; e != nil {
		return m.pushText(e.EncodeToString([]byte(s)), "")
	}
	return nil
}

func decode(m *machine, s, format string) error {
	var text []byte
	var err error
	switch e := encodings[format]; {
	case format == "hex":
		text, err = hex.DecodeString(s)
	case e != nil:
		text, err = e.DecodeString(s)
	default:
		return nil
	}
	if err != nil {
		return evaluationError("the text is not %s", format)
	}
	return m.pushText(string(text), "")
}

// pattern is a regular expression that is compiled with the expression where
// it is a literal, and at each evaluation where it is not.
type pattern struct {
	fixed      *regexp.Regexp
	head, tail string
}

// compilePattern compiles the pattern of a call's first argument if it can be.
// A dot matches a line break too, as the standard's single-line mode has it.
func (c *compiler) compilePattern(s *callSite, head, tail string) (*pattern, error) {
	p := &pattern{head: "(?s)" + head, tail: tail}
	l, ok := s.args[0].(*literal)
	if !ok || l.value == nil {
		return p, nil
	}
	text, ok := l.value.value.(string)
	if !ok {
		return nil, c.errorf(l, "%s() takes a regular expression as a string", s.name)
	}
	var err error
	if p.fixed, err = regexp.Compile(p.head + text + p.tail); err != nil {
		return nil, c.errorf(l, "%s() takes a regular expression: %v", s.name, err)
	}
	return p, nil
}

// regexp is the regular expression for an argument; nil where that is empty.
func (p *pattern) regexp(arg []Item) (*regexp.Regexp, error) {
	if p.fixed != nil {
		return p.fixed, nil
	}
	text, ok, err := stringArgument(arg)
	if err != nil || !ok {
		return nil, err
	}
	re, err := regexp.Compile(p.head + text + p.tail)
	if err != nil {
		return nil, evaluationError("not a regular expression: %v", err)
	}
	return re, nil
}

// matching defines matches() and matchesFull(): the first looks for the
// pattern anywhere in the string.
func matching(head, tail string) signature {
	return signature{1, 1, func(c *compiler, s *callSite) (evaluator, typeSet, error) {
		p, err := c.compilePattern(s, head, tail)
		if err != nil {
			return nil, nil, err
		}
		f, err := c.function(s, func(m *machine, in []Item, args arguments) error {
			text, ok, err := stringView(in)
			if err != nil || !ok {
				return err
			}
			re, err := p.regexp(args[0])
			if err != nil || re == nil {
				return err
			}
			m.push(Boolean(re.MatchString(text)))
			return m.spend(len(text) / 64)
		})
		return f, nil, err
	}}
}

func buildReplaceMatches(c *compiler, s *callSite) (evaluator, typeSet, error) {
	p, err := c.compilePattern(s, "", "")
	if err != nil {
		return nil, nil, err
	}
	f, err := c.function(s, func(m *machine, in []Item, args arguments) error {
		text, ok, err := stringArgument(in)
		if err != nil || !ok {
			return err
		}
		with, ok, err := stringArgument(args[1])
		if err != nil || !ok {
			return err
		}
		re, err := p.regexp(args[0])
		if err != nil || re == nil {
			return err
		}
		if (len(text)+1)*(len(with)+1) > maxText {
			return textTooLong()
		}
		return m.pushText(re.ReplaceAllString(text, groupReferences(with)), "")
	})
	return f, nil, err
}

var groupReference = regexp.MustCompile(`\$(\d+)`)

// groupReferences writes $1 as ${1}, which is what Go takes where a letter
// follows.
func groupReferences(with string) string {
	return groupReference.ReplaceAllString(with, `$${$1}`)
}
