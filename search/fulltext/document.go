package fulltext

import (
	"math"
	"strings"
)

// A Document is the words of some texts, in their order. A phrase does not go
// from one text into the next. The zero Document is empty.
type Document struct {
	// words has "" between texts.
	words []string
	size  int
}

// Add adds a text.
func (d *Document) Add(text []byte) {
	if len(d.words) > 0 {
		d.words = append(d.words, "")
	}
	Words(text, func(w []byte) {
		d.words = append(d.words, string(w))
		d.size++
	})
}

// Len is the number of words.
func (d *Document) Len() int { return d.size }

// Has reports whether the document is what a query asks for.
func (d *Document) Has(q Query) bool {
	switch q := q.(type) {
	case And:
		for _, sub := range q {
			if !d.Has(sub) {
				return false
			}
		}
		return true
	case Or:
		for _, sub := range q {
			if d.Has(sub) {
				return true
			}
		}
		return false
	case Not:
		return !d.Has(q.Query)
	}
	return d.count(q.(Phrase), 1) > 0
}

// count is how often the document has a phrase, at most limit times.
func (d *Document) count(p Phrase, limit int) int {
	n := 0
	for i := 0; i+len(p.Words) <= len(d.words) && n < limit; i++ {
		if d.at(i, p) {
			n++
		}
	}
	return n
}

func (d *Document) at(i int, p Phrase) bool {
	last := len(p.Words) - 1
	for j, w := range p.Words {
		got := d.words[i+j]
		if got != w && !(j == last && p.Prefix && strings.HasPrefix(got, w)) {
			return false
		}
	}
	return true
}

// The constants of the score: BM25's k1 and b, and the length in words of a
// document that is neither long nor short. It is fixed, so that a score
// depends on the words of the document and on how many documents have them,
// not on how long the others are.
const (
	saturation = 1.2
	lengthBias = 0.75
	usualWords = 100
)

// A Wanted is a phrase that makes a document relevant: Matches of Documents
// documents have it.
type Wanted struct {
	Phrase
	Matches, Documents int
}

// weight is the phrase's inverse document frequency.
func (w *Wanted) weight() float64 {
	n, all := float64(w.Matches), float64(max(w.Documents, w.Matches))
	return math.Log(1 + (all-n+0.5)/(n+0.5))
}

// Score is how relevant the document is, from 0 to 1: BM25 over the share of
// it that could be reached at most.
func (d *Document) Score(wanted []Wanted) float64 {
	score, most := 0.0, 0.0
	length := 1 - lengthBias + lengthBias*float64(d.size)/usualWords
	for i := range wanted {
		w := &wanted[i]
		n := float64(d.count(w.Phrase, len(d.words)))
		score += w.weight() * n / (n + saturation*length)
		most += w.weight()
	}
	if most == 0 {
		return 0
	}
	return score / most
}
