package codebook

import (
	"cmp"
	"math/bits"
	"runtime"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/terminology/concept"
)

// A term is a word to find: the words of the book that begin with it, and how
// many bytes their postings have.
type term struct {
	word     string
	from, to int
	bytes    int
}

// Matching are the concepts of which code, display or a designation has words
// that begin with each of the words, which are as concept.Words has them.
func (b *Book) Matching(words []string) concept.Bits {
	defer runtime.KeepAlive(b)
	if len(words) == 0 {
		return nil
	}
	terms := make([]term, len(words))
	for i, word := range words {
		from, to := b.words.prefixed(word)
		terms[i] = term{word, from, to, b.postings.size(from, to)}
	}
	slices.SortFunc(terms, func(x, y term) int { return cmp.Compare(x.bytes, y.bytes) })
	found := b.having(&terms[0])
	for i := range terms[1:] {
		b.narrow(found, &terms[1+i])
	}
	return found
}

// having are the concepts that have a term.
func (b *Book) having(t *term) concept.Bits {
	found := concept.NewBits(b.Concepts)
	for at := t.from; at < t.to; at++ {
		b.mark(found, &b.postings, at)
	}
	for _, form := range []string{t.word, strings.ToUpper(t.word)} {
		from, to := b.codes.prefixed(form)
		for at := from; at < to; at++ {
			found.Add(at)
		}
	}
	return found
}

// costOfText is about how many bytes of postings are read in the time in which
// the texts of one concept are looked at.
const costOfText = 500

// narrow takes away the concepts that do not have a term: by the texts of those
// that are left where they are few, and by its postings else.
func (b *Book) narrow(found concept.Bits, t *term) {
	left := 0
	for _, word := range found {
		left += bits.OnesCount64(word)
	}
	if left*costOfText > t.bytes {
		other := b.having(t)
		for i := range found {
			found[i] &= other[i]
		}
		return
	}
	for at := range found.All() {
		if !b.has(at, t.word) {
			found.Remove(at)
		}
	}
}

// has reports whether a concept has a word that begins with one.
func (b *Book) has(at int, word string) bool {
	begins := func(text string) bool {
		return slices.ContainsFunc(concept.Words(text), func(w string) bool { return strings.HasPrefix(w, word) })
	}
	code := b.codes.at(at)
	if strings.HasPrefix(code, word) || strings.HasPrefix(code, strings.ToUpper(word)) {
		return true
	}
	r := cursor{b.records.bytes(at)}
	if begins(b.text(r.next())) {
		return true
	}
	r.next() // the definition
	for n := r.count(3); n > 0; n-- {
		r.next()
		r.next()
		if begins(b.text(r.next())) {
			return true
		}
	}
	return false
}
