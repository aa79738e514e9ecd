package search

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/fulltext"
	"github.com/tarnhealth/tarn/search/need"
)

// textKind: _text and _content have a key for each word (package fulltext) and
// a zero byte. The text of _text is the narrative; that of _content is, with
// the resources inside, the narratives, strings, markdown and codes. URIs, ids,
// numbers, dates and data are not text.
//
// Where the registry does not index _content, a search by it reads resources.
//
// http://hl7.org/fhir/R4/search.html#text
type textKind struct{}

const (
	paramText    = "_text"
	paramContent = "_content"
)

func (textKind) index(*indexer, fhir.Node) {}
func (textKind) sorted() Span              { return everything }
func (textKind) size(b []byte) int         { return len(b) }

func (textKind) query(*operand) (condition, error) {
	return condition{}, fhir.Errorf(fhir.KindNotSupported, "words cannot be part of another condition")
}

// An Option changes what New makes.
type Option func(*Registry)

// WithContent says whether the words of whole resources are indexed, so that
// _content need not read resources. A data store that changes it must be
// indexed again.
func WithContent(indexed bool) Option {
	return func(r *Registry) { r.content = indexed }
}

// compileText makes a parameter for words.
func (r *Registry) compileText(p *Param, t *fhir.Type) *Param {
	p.kind, p.words = textKind{}, true
	if e := t.Element("text"); p.Code == paramText && e != nil {
		var s need.Set
		s.Add(e)
		p.needs = []need.Set{s}
	}
	return p
}

// words adds the keys of a resource's words.
func (x *indexer) words(p *Param, root fhir.Node) {
	content := p.Code == paramContent
	if content && !x.registry.content {
		return
	}
	x.registry.eachText(root, content, func(text []byte) {
		fulltext.Words(text, func(word []byte) {
			x.keys = append(append(x.keys, word...), 0)
			x.end()
		})
	})
}

// eachText calls f with each text of a resource: its narrative, or all.
func (r *Registry) eachText(n fhir.Node, content bool, f func(text []byte)) {
	if !content {
		if div := n.Child("text").Child("div"); div.Exists() {
			f(fulltext.Narrative(textOf(div)))
		}
		return
	}
	for c := range n.Children() {
		if text := r.contentOf(c); text != nil {
			f(text)
		}
		r.eachText(c, true, f)
	}
}

// contentOf is a value's text, nil where it is none.
func (r *Registry) contentOf(n fhir.Node) []byte {
	t := n.Type()
	if t == nil || t.Kind != fhir.KindPrimitive {
		return nil
	}
	switch r.valueTypes[t.Index] {
	case valueString, valueCode:
		return textOf(n)
	case valueOther:
		if t.Name == "xhtml" {
			return fulltext.Narrative(textOf(n))
		}
	}
	return nil
}

// Document is a resource's text as _text or, with content, as _content looks
// at it.
func (r *Registry) Document(tree *fhir.Tree, content bool) *fulltext.Document {
	d := &fulltext.Document{}
	if tree != nil {
		r.eachText(tree.Root(), content, d.Add)
	}
	return d
}

// A Relevance is a phrase of _text or _content by which matches are ranked.
type Relevance struct {
	fulltext.Phrase
	Content bool
	// Parts are the searches for what has the phrase, for each part of the
	// plan.
	Parts []Part
}

// fulltext reads _text and _content. A chain may lead to them; what they find
// there says nothing of the relevance of a match.
func (p *parser) fulltext(param *Param, values []string, depth int) (Node, *fhir.Error) {
	q, err := fulltext.Parse(strings.Join(values, ","))
	if err != nil {
		return nil, fhir.Errorf(fhir.KindOf(err), "%s: %v", param.Code, err)
	}
	if depth == 0 {
		p.relevance(param, fulltext.Phrases(q))
	}
	return p.textNode(param, q), nil
}

// relevance notes phrases, each once, for the type of resource that is being
// read.
func (p *parser) relevance(param *Param, phrases []fulltext.Phrase) {
	content := param.Code == paramContent
	for _, phrase := range phrases {
		part := Part{Type: param.Type, Where: p.textNode(param, phrase)}
		at := slices.IndexFunc(p.query.Relevance, func(r Relevance) bool {
			return r.Content == content && r.Prefix == phrase.Prefix && slices.Equal(r.Words, phrase.Words)
		})
		if at < 0 {
			at = len(p.query.Relevance)
			p.query.Relevance = append(p.query.Relevance, Relevance{Phrase: phrase, Content: content})
		}
		r := &p.query.Relevance[at]
		if !slices.ContainsFunc(r.Parts, func(other Part) bool { return other.Type == part.Type }) {
			r.Parts = append(r.Parts, part)
		}
	}
}

func (p *parser) textNode(param *Param, q fulltext.Query) Node {
	if !p.registry.indexes(param) {
		return p.registry.readAll(param, func(d *fulltext.Document) bool { return d.Has(q) })
	}
	switch q := q.(type) {
	case fulltext.And:
		and := make(And, len(q))
		for i, sub := range q {
			and[i] = p.textNode(param, sub)
		}
		return and
	case fulltext.Or:
		or := make(Or, len(q))
		for i, sub := range q {
			or[i] = p.textNode(param, sub)
		}
		return or
	case fulltext.Not:
		return Not{p.textNode(param, q.Query)}
	}
	return p.phraseNode(param, q.(fulltext.Phrase))
}

// indexes reports whether Extract gives the words of the parameter.
func (r *Registry) indexes(param *Param) bool { return param.Code != paramContent || r.content }

// readAll is the condition that f holds for the words of a whole resource.
func (r *Registry) readAll(param *Param, f func(d *fulltext.Document) bool) Node {
	return Terms{
		Param: r.Param(param.Type, MarkType), Spans: []Span{Exactly([]byte{})},
		Recheck: func(c *Candidate) bool { return f(r.Document(c.Tree, true)) },
	}
}

// phraseNode looks up each word; where there are several, the resource must
// have them in that order.
func (p *parser) phraseNode(param *Param, phrase fulltext.Phrase) Node {
	var and And
	for i, w := range phrase.Words {
		key := append([]byte(w), 0)
		span := Exactly(key)
		if phrase.Prefix && i == len(phrase.Words)-1 {
			span = Prefix(key[:len(w)])
		}
		and = append(and, Terms{Param: param, Spans: []Span{span}})
	}
	if len(and) == 1 {
		return and[0]
	}
	last := and[len(and)-1].(Terms)
	last.Recheck = func(c *Candidate) bool { return p.registry.Document(c.Tree, param.Code == paramContent).Has(phrase) }
	and[len(and)-1] = last
	return and
}
