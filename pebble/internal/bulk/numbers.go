package bulk

import (
	"encoding/binary"
	"sync"

	"github.com/tarnhealth/tarn/pebble/internal/posting"
	"github.com/tarnhealth/tarn/search"
)

// Numbers are the numbers of the parameters of some versions' entries, and of
// the marks that the store adds.
type Numbers struct {
	// Param and Name look a number up, of a parameter and of a mark by its
	// name.
	Param func(p *search.Param) (number uint16, ok bool)
	Name  func(name string) (number uint16, ok bool)

	params []numbered // by Ordinal
	marks  map[mark]uint16
}

type numbered struct {
	param  *search.Param
	number uint16
}

type mark struct{ resourceType, code string }

// Find notes the numbers of a version's mark and entries, and puts the names of
// those without a number in missing.
func (n *Numbers) Find(resourceType, code string, entries []search.Entry, missing map[string]bool) {
	m := mark{resourceType, code}
	if _, ok := n.marks[m]; !ok {
		name := resourceType + "." + code
		if number, ok := n.Name(name); ok {
			if n.marks == nil {
				n.marks = map[mark]uint16{}
			}
			n.marks[m] = number
		} else {
			missing[name] = true
		}
	}
	var last *search.Param
	for i := range entries {
		if p := entries[i].Param; p != last {
			last = p
			n.findParam(p, missing)
		}
	}
}

func (n *Numbers) findParam(p *search.Param, missing map[string]bool) {
	for p.Ordinal >= len(n.params) {
		n.params = append(n.params, make([]numbered, 256)...)
	}
	if n.params[p.Ordinal].param == p {
		return
	}
	if number, ok := n.Param(p); ok {
		n.params[p.Ordinal] = numbered{p, number}
	} else {
		missing[p.Key()] = true
	}
}

// number is a parameter's number, which Find has seen. Parameters of several
// registries may share an ordinal.
func (n *Numbers) number(p *search.Param) uint16 {
	if known := &n.params[p.Ordinal]; known.param == p {
		return known.number
	}
	number, _ := n.Param(p)
	return number
}

// AppendTerms appends the terms of a version: its mark, and its entries.
func (n *Numbers) AppendTerms(terms []posting.Term, resourceType, code string, entries []search.Entry) []posting.Term {
	own := n.marks[mark{resourceType, code}]
	terms = append(terms, posting.Term{Param: own})
	for _, e := range entries {
		if number := n.number(e.Param); number != own {
			terms = append(terms, posting.Term{Param: number, Key: e.Key})
		}
	}
	return terms
}

// termMemory keeps the memory of groups' terms, up to keptTerms of each.
var termMemory = sync.Pool{New: func() any { return new([]posting.Term) }}

const keptTerms = 16 << 10

// Terms is memory for the terms of a group, which FreeTerms takes back when
// nobody looks at them any more.
func Terms() *[]posting.Term { return termMemory.Get().(*[]posting.Term) }

// FreeTerms ends the use of Terms. There may be none.
func FreeTerms(terms *[]posting.Term) {
	if terms == nil || cap(*terms) > keptTerms {
		return
	}
	clear(*terms)
	*terms = (*terms)[:0]
	termMemory.Put(terms)
}

// AppendFacts appends the facts of a version: the number of the way that entries
// are made in, and the entries of parameters that factual says are facts.
func (n *Numbers) AppendFacts(b []byte, entriesVersion int, entries []search.Entry, factual func(*search.Param) bool) []byte {
	b = binary.AppendUvarint(b, uint64(entriesVersion))
	for _, e := range entries {
		if factual(e.Param) {
			b = AppendFact(b, n.number(e.Param), e.Key)
		}
	}
	return b
}

// AppendFact appends one fact.
func AppendFact(b []byte, number uint16, key []byte) []byte {
	b = binary.AppendUvarint(b, uint64(number))
	b = binary.AppendUvarint(b, uint64(len(key)))
	return append(b, key...)
}
