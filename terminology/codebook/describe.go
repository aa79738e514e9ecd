package codebook

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/tarnhealth/tarn/terminology/concept"
)

// describe makes the texts and the records.
func (b *Builder) describe(w *writer) {
	texts := b.texts()
	number := make(map[string]int, len(texts))
	for i, text := range texts {
		number[text] = i + 1
	}
	number[""] = 0
	w.addTable("texts", texts)
	languages, uses, kinds := numbers[string]{}, numbers[concept.Coding]{}, numbers[PropertyKind]{}
	w.addBytes("records", len(b.concepts), func(to []byte, i int) []byte {
		c := &b.concepts[i]
		put := func(n int) { to = binary.AppendUvarint(to, uint64(n)) }
		put(number[c.Display])
		put(number[c.Definition])
		put(len(c.Designations))
		for _, d := range c.Designations {
			put(languages.of(d.Language))
			put(uses.of(d.Use))
			put(number[d.Value])
		}
		put(len(c.Properties))
		for _, p := range c.Properties {
			put(kinds.of(PropertyKind{p.Code, p.Kind}))
			put(number[p.Text])
		}
		return to
	})
	w.Languages, w.Uses, w.Meta.Properties = languages.list, uses.list, kinds.list
}

// texts are all texts of the concepts, each once, sorted.
func (b *Builder) texts() []string {
	seen := map[string]bool{}
	for i := range b.concepts {
		c := &b.concepts[i]
		seen[c.Display], seen[c.Definition] = true, true
		for _, d := range c.Designations {
			seen[d.Value] = true
		}
		for _, p := range c.Properties {
			seen[p.Text] = true
		}
	}
	delete(seen, "")
	return slices.Sorted(maps.Keys(seen))
}

// numbers number values from 0 as they come.
type numbers[T comparable] struct {
	list  []T
	known map[T]int
}

func (n *numbers[T]) of(value T) int {
	if at, ok := n.known[value]; ok {
		return at
	}
	if n.known == nil {
		n.known = map[T]int{}
	}
	n.known[value] = len(n.list)
	n.list = append(n.list, value)
	return len(n.list) - 1
}

// index makes the words and where they occur.
func (b *Builder) index(w *writer) {
	at := map[string][]int32{}
	for i := range b.concepts {
		c := &b.concepts[i]
		b.indexText(at, c.Display, int32(i))
		for _, d := range c.Designations {
			b.indexText(at, d.Value, int32(i))
		}
	}
	words := slices.Sorted(maps.Keys(at))
	w.addTable("words", words)
	postings := make([][]int32, len(words))
	for i, word := range words {
		postings[i] = at[word]
	}
	w.addLists("postings", postings)
}

func (b *Builder) indexText(at map[string][]int32, text string, place int32) {
	for _, word := range concept.Words(text) {
		if list := at[word]; len(list) == 0 || list[len(list)-1] != place {
			at[word] = append(list, place)
		}
	}
}

func (b *Builder) addSets(w *writer, find func(string) int) {
	w.Meta.Sets = slices.Sorted(maps.Keys(b.sets))
	all := make([][]int32, len(w.Meta.Sets))
	for i, name := range w.Meta.Sets {
		for _, code := range b.sets[name] {
			if at := find(code); at >= 0 {
				all[i] = append(all[i], int32(at))
			}
		}
		slices.Sort(all[i])
		all[i] = slices.Compact(all[i])
	}
	w.addLists("sets", all)
}

// A hierarchy is who subsumes whom, by places.
type hierarchy struct {
	any                          bool
	parents, children, ancestors [][]int32
}

func (b *Builder) hierarchy(find func(string) int) (*hierarchy, error) {
	n := len(b.concepts)
	h := &hierarchy{parents: make([][]int32, n), children: make([][]int32, n), ancestors: make([][]int32, n)}
	for i := range b.concepts {
		for _, code := range b.concepts[i].parents {
			if at := find(code); at >= 0 {
				h.parents[i] = append(h.parents[i], int32(at))
				h.any = true
			}
		}
		slices.Sort(h.parents[i])
		h.parents[i] = slices.Compact(h.parents[i])
		for _, parent := range h.parents[i] {
			h.children[parent] = append(h.children[parent], int32(i))
		}
	}
	return h, b.close(h)
}

// close finds all ancestors of each concept: those of its parents, in an order
// in which the parents come first.
func (b *Builder) close(h *hierarchy) error {
	waits := make([]int, len(h.parents))
	var next []int32
	for i, parents := range h.parents {
		if waits[i] = len(parents); waits[i] == 0 {
			next = append(next, int32(i))
		}
	}
	done := 0
	for ; len(next) > 0; done++ {
		at := next[len(next)-1]
		next = next[:len(next)-1]
		var all []int32
		for _, parent := range h.parents[at] {
			all = append(append(all, parent), h.ancestors[parent]...)
		}
		slices.Sort(all)
		h.ancestors[at] = slices.Clone(slices.Compact(all))
		for _, child := range h.children[at] {
			if waits[child]--; waits[child] == 0 {
				next = append(next, child)
			}
		}
	}
	if done < len(waits) {
		at := slices.IndexFunc(waits, func(n int) bool { return n > 0 })
		return fmt.Errorf("concepts subsume each other in a circle, at %s", b.concepts[at].Code)
	}
	return nil
}
