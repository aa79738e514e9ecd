package fulltext

import (
	"strings"
	"unicode/utf8"

	"github.com/tarnhealth/tarn/fhir"
)

// A Query is what a document must have: And, Or, Not or Phrase.
type Query interface{ isQuery() }

// And holds if all do.
type And []Query

// Or holds if one does.
type Or []Query

// Not holds if Query does not.
type Not struct{ Query Query }

// A Phrase is words that follow each other: one, or more. With Prefix the last
// one may go on.
type Phrase struct {
	Words  []string
	Prefix bool
}

func (And) isQuery()    {}
func (Or) isQuery()     {}
func (Not) isQuery()    {}
func (Phrase) isQuery() {}

// Phrases are those that make a document relevant: all but the negated.
func Phrases(q Query) []Phrase {
	var all []Phrase
	switch q := q.(type) {
	case And:
		for _, sub := range q {
			all = append(all, Phrases(sub)...)
		}
	case Or:
		for _, sub := range q {
			all = append(all, Phrases(sub)...)
		}
	case Phrase:
		all = append(all, q)
	}
	return all
}

// The limits of one query.
const (
	MaxLength = 4096 // bytes
	MaxWords  = 100
	MaxDepth  = 50 // of parentheses and negations
)

// Parse reads a query:
//
//	heart failure        both words; AND between them may be written
//	heart OR failure     either; so with | and with a comma, which binds least
//	-heart, NOT heart    without the word
//	"heart failure"      the words in this order
//	cardio*              words that begin so; also at the end of a phrase
//	( … )                as one
//
// AND, OR and NOT count as such in capitals only. A backslash takes its
// meaning from the character behind it. A word that punctuation divides, such
// as covid-19, is a phrase. The error is of KindInvalid and says what is
// wrong, and where, in characters from 1.
func Parse(text string) (Query, error) {
	p := &parser{text: text}
	if len(text) > MaxLength {
		return nil, fhir.Errorf(fhir.KindTooCostly, "the text to search for is longer than %d bytes", MaxLength)
	}
	q, err := p.any(lowest)
	if err == nil && p.at < len(p.text) {
		err = p.fail("a ) that nothing opened")
	}
	return q, err
}

type parser struct {
	text         string
	at           int
	words, depth int
}

func (p *parser) fail(what string) error {
	return fhir.Errorf(fhir.KindInvalid, "at character %d: %s", utf8.RuneCountInString(p.text[:p.at])+1, what)
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n+", p.text[p.at]) >= 0 {
		p.at++
	}
}

// keyword takes a word in capitals, which a space or a bracket ends.
func (p *parser) keyword(word string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.text[p.at:], word)
	if !ok || rest != "" && strings.IndexByte(" \t\r\n(),|\"", rest[0]) < 0 {
		return false
	}
	p.at += len(word)
	return true
}

// next takes a character if it is next.
func (p *parser) next(c byte) bool {
	p.space()
	if p.at < len(p.text) && p.text[p.at] == c {
		p.at++
		return true
	}
	return false
}

// The two levels of alternatives.
const (
	lowest = iota // between commas
	inner         // between | and OR
)

func (p *parser) any(level int) (Query, error) {
	var or Or
	for {
		var q Query
		var err error
		if level == lowest {
			q, err = p.any(inner)
		} else {
			q, err = p.all()
		}
		if err != nil {
			return nil, err
		}
		or = append(or, q)
		if more := level == lowest && p.next(',') || level == inner && (p.next('|') || p.keyword("OR")); !more {
			break
		}
	}
	if len(or) == 1 {
		return or[0], nil
	}
	return or, nil
}

func (p *parser) all() (Query, error) {
	var and And
	for {
		q, err := p.one()
		if err != nil {
			return nil, err
		}
		if q != nil {
			and = append(and, q)
		}
		demanded := p.keyword("AND")
		p.space()
		if !demanded && (p.at == len(p.text) || strings.IndexByte("),|", p.text[p.at]) >= 0 || p.peekOr()) {
			break
		}
	}
	switch len(and) {
	case 0:
		return nil, p.fail("a word is missing")
	case 1:
		return and[0], nil
	}
	return and, nil
}

func (p *parser) peekOr() bool {
	at := p.at
	or := p.keyword("OR")
	p.at = at
	return or
}

// one reads a word, a phrase, a negation or what stands in parentheses. It is
// nil for punctuation alone.
func (p *parser) one() (Query, error) {
	p.space()
	switch {
	case p.at == len(p.text):
		return nil, p.fail("a word is missing")
	case p.text[p.at] == '-' && p.at+1 < len(p.text) && p.text[p.at+1] != ' ':
		p.at++
		return p.negated()
	case p.keyword("NOT"):
		return p.negated()
	case p.next('('):
		return p.nested()
	case p.next('"'):
		return p.quoted()
	case strings.IndexByte("),|", p.text[p.at]) >= 0, p.peekOr():
		return nil, p.fail("a word is missing")
	}
	return p.phrase(p.bare())
}

func (p *parser) enter() error {
	if p.depth++; p.depth > MaxDepth {
		return p.fail("parentheses and negations are nested too deep")
	}
	return nil
}

func (p *parser) negated() (Query, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	q, err := p.one()
	p.depth--
	if err == nil && q == nil {
		err = p.fail("a word is missing")
	}
	return Not{q}, err
}

func (p *parser) nested() (Query, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	q, err := p.any(lowest)
	p.depth--
	if err == nil && !p.next(')') {
		err = p.fail("a ) is missing")
	}
	return q, err
}

// quoted reads a phrase up to its closing quotation mark; a * behind it is the
// phrase's.
func (p *parser) quoted() (Query, error) {
	var b strings.Builder
	for ; p.at < len(p.text) && p.text[p.at] != '"'; p.at++ {
		if p.text[p.at] == '\\' && p.at+1 < len(p.text) {
			p.at++
		}
		b.WriteByte(p.text[p.at])
	}
	if p.at == len(p.text) {
		return nil, p.fail(`a " is missing`)
	}
	p.at++
	text := b.String()
	if p.at < len(p.text) && p.text[p.at] == '*' {
		p.at++
		text += "*"
	}
	return p.phrase(text)
}

// bare reads up to a space or a character of the syntax.
func (p *parser) bare() string {
	var b strings.Builder
	for ; p.at < len(p.text) && strings.IndexByte(" \t\r\n(),|\"", p.text[p.at]) < 0; p.at++ {
		if p.text[p.at] == '\\' && p.at+1 < len(p.text) {
			p.at++
		}
		b.WriteByte(p.text[p.at])
	}
	return b.String()
}

// phrase makes a phrase of a text; nil where it has no word.
func (p *parser) phrase(text string) (Query, error) {
	text, prefix := strings.CutSuffix(text, "*")
	if strings.Contains(text, "*") {
		return nil, p.fail("a * stands at the end of a word only")
	}
	q := Phrase{Prefix: prefix}
	Words([]byte(text), func(w []byte) { q.Words = append(q.Words, string(w)) })
	if len(q.Words) == 0 {
		if prefix {
			return nil, p.fail("a * needs the beginning of a word before it")
		}
		return nil, nil
	}
	if p.words += len(q.Words); p.words > MaxWords {
		return nil, fhir.Errorf(fhir.KindTooCostly, "the text to search for has more than %d words", MaxWords)
	}
	return q, nil
}
