package fhirpath

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tarnhealth/tarn/fhir"
)

type tokenKind uint8

const (
	tokenEnd       tokenKind = iota
	tokenWord                // identifier or keyword
	tokenDelimited           // `identifier`
	tokenString
	tokenNumber
	tokenTemporal // @2014-01-25T14:30, text without the @
	tokenSymbol   // operator or punctuation
	tokenVariable // $this, text without the $
)

// token is one lexical unit. Text is unescaped for strings and delimited
// identifiers, and as written for the others.
type token struct {
	kind tokenKind
	at   int
	text string
}

// lexer splits an expression into tokens. http://hl7.org/fhirpath/N1/#lexical-elements
type lexer struct {
	src string
	pos int
}

// next returns the token at the current position and moves past it.
func (l *lexer) next() (token, error) {
	if err := l.skipSpace(); err != nil {
		return token{}, err
	}
	at := l.pos
	if at == len(l.src) {
		return token{kind: tokenEnd, at: at}, nil
	}
	c := l.src[at]
	switch {
	case isLetter(c):
		return token{tokenWord, at, l.word()}, nil
	case isDigit(c):
		return token{tokenNumber, at, l.number()}, nil
	}
	switch c {
	case '\'':
		text, err := l.quoted('\'')
		return token{tokenString, at, text}, err
	case '`', '"':
		text, err := l.quoted(c)
		return token{tokenDelimited, at, text}, err
	case '@':
		return l.temporal()
	case '$':
		l.pos++
		return token{tokenVariable, at, l.word()}, nil
	}
	return l.symbol()
}

func (l *lexer) skipSpace() error {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\u00a0", rest[0]) >= 0 && rest[0] < utf8.RuneSelf:
			l.pos++
		case strings.HasPrefix(rest, "\u00a0"):
			l.pos += len("\u00a0")
		case strings.HasPrefix(rest, "//"):
			if end := strings.IndexByte(rest, '\n'); end >= 0 {
				l.pos += end + 1
			} else {
				l.pos = len(l.src)
			}
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return syntaxError(l.src, l.pos, "the comment has no closing */")
			}
			l.pos += end + 4
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) word() string {
	at := l.pos
	for l.pos < len(l.src) && (isLetter(l.src[l.pos]) || isDigit(l.src[l.pos])) {
		l.pos++
	}
	return l.src[at:l.pos]
}

func (l *lexer) digits() int {
	at := l.pos
	for l.pos < len(l.src) && isDigit(l.src[l.pos]) {
		l.pos++
	}
	return l.pos - at
}

func (l *lexer) number() string {
	at := l.pos
	l.digits()
	if l.pos+1 < len(l.src) && l.src[l.pos] == '.' && isDigit(l.src[l.pos+1]) {
		l.pos++
		l.digits()
	}
	return l.src[at:l.pos]
}

// temporal reads @date, @dateTthe time and @Ttime. It takes in what has the
// form; the parser checks the values.
func (l *lexer) temporal() (token, error) {
	at := l.pos
	l.pos++
	if !l.at('T') {
		if l.digits() != 4 {
			return token{}, syntaxError(l.src, at, "a date literal starts with a year of four digits, as in @2014-01-25")
		}
		if l.part('-') {
			l.part('-')
		}
	}
	if l.at('T') {
		l.pos++
		l.timeOfDay()
	}
	return token{tokenTemporal, at, l.src[at+1 : l.pos]}, nil
}

func (l *lexer) timeOfDay() {
	if l.digits() == 0 {
		return
	}
	if l.part(':') { // minutes
		if l.part(':') && l.at('.') && l.digitAt(1) { // seconds and fraction
			l.pos++
			l.digits()
		}
	}
	if l.at('Z') {
		l.pos++
		return
	}
	rest := l.src[l.pos:]
	if len(rest) >= 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':' {
		l.pos += 6
	}
}

func (l *lexer) at(c byte) bool { return l.pos < len(l.src) && l.src[l.pos] == c }

func (l *lexer) digitAt(i int) bool {
	return l.pos+i < len(l.src) && isDigit(l.src[l.pos+i])
}

// part moves past a separator and two digits.
func (l *lexer) part(separator byte) bool {
	if !l.at(separator) || !l.digitAt(1) || !l.digitAt(2) {
		return false
	}
	l.pos += 3
	return true
}

// quoted reads a string or a delimited identifier and resolves its escapes.
func (l *lexer) quoted(quote byte) (string, error) {
	at := l.pos
	l.pos++
	var b strings.Builder
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; c {
		case quote:
			l.pos++
			return b.String(), nil
		case '\\':
			l.escape(&b)
		default:
			b.WriteByte(c)
			l.pos++
		}
	}
	return "", syntaxError(l.src, at, "the text that starts with %c has no closing %c", quote, quote)
}

var escapes = map[byte]byte{
	'\'': '\'', '"': '"', '`': '`', '\\': '\\', '/': '/',
	'r': '\r', 'n': '\n', 't': '\t', 'f': '\f',
}

// escape resolves one escape. A backslash before any other character stands
// for itself, as the grammar has it.
func (l *lexer) escape(b *strings.Builder) {
	rest := l.src[l.pos:]
	if len(rest) >= 6 && rest[1] == 'u' {
		if r, err := strconv.ParseUint(rest[2:6], 16, 32); err == nil {
			b.WriteRune(rune(r))
			l.pos += 6
			return
		}
	}
	if len(rest) >= 2 {
		if c, ok := escapes[rest[1]]; ok {
			b.WriteByte(c)
			l.pos += 2
			return
		}
	}
	b.WriteByte('\\')
	l.pos++
}

// symbols lists the longer ones first.
var symbols = []string{
	"<=", ">=", "!=", "!~",
	".", "[", "]", "(", ")", "{", "}", ",", "|", "+", "-", "*", "/", "&", "=", "~", "<", ">", "%",
}

func (l *lexer) symbol() (token, error) {
	at := l.pos
	for _, s := range symbols {
		if strings.HasPrefix(l.src[at:], s) {
			l.pos += len(s)
			return token{tokenSymbol, at, s}, nil
		}
	}
	r, _ := utf8.DecodeRuneInString(l.src[at:])
	return token{}, syntaxError(l.src, at, "the character %q has no meaning here", r)
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// syntaxError is an error at a place in an expression.
func syntaxError(src string, at int, format string, args ...any) error {
	line := 1 + strings.Count(src[:at], "\n")
	column := at - strings.LastIndexByte(src[:at], '\n')
	e := fhir.Errorf(fhir.KindInvalid, format, args...)
	e.Issues[0].Diagnostics = "FHIRPath, line " + strconv.Itoa(line) +
		", column " + strconv.Itoa(column) + ": " + e.Issues[0].Diagnostics
	return e
}
