package search

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/search/need"
)

// A Param is one compiled parameter of one resource type: a search parameter,
// or one of the marks that Extract adds to each resource (see Registry.Mark).
type Param struct {
	// Def is the definition; nil for a mark.
	Def *definition.SearchParameter
	// Type is the resource type that the parameter indexes.
	Type string
	// Code is the parameter's code, "birthdate"; a mark's begins with "$".
	Code string
	// Ordinal numbers a registry's parameters from 0 without gaps. It is not
	// stable between releases; Key is.
	Ordinal int

	// kind and expr are nil for a mark and for _id and _lastUpdated, which
	// are answered without entries.
	kind kind
	expr *fhirpath.Expr
	// computed is set where expr makes a boolean instead of selecting one.
	computed bool
	// words is set for _text and _content, which have no expression.
	words bool
	// needs, where not empty, are sets of the resource's elements of which each
	// must have a member present for expr to select anything.
	needs []need.Set
	// components are a composite's parts.
	components []component
	// implied are the hashes of the systems that a token parameter's elements
	// of type code have by their binding.
	implied []uint64
	// bare is set where some of a token parameter's elements are of type code
	// without such a system.
	bare bool
	// presence is the parameter's key of MarkPresent.
	presence []byte
	// generation is that of a custom parameter; building is set while it
	// cannot be searched.
	generation int
	building   bool
}

// Key names the parameter for storage: "Patient.birthdate"; a custom one with
// its generation, "Patient.nickname@3".
func (p *Param) Key() string {
	if p.Def == nil || p.Def.Bases == nil {
		return p.Type + "." + p.Code
	}
	return p.Type + "." + p.Code + "@" + strconv.Itoa(p.generation)
}

// An Entry is one indexed value of a resource.
type Entry struct {
	Param *Param
	// Key is the value, encoded as the parameter's type says. Read-only.
	Key []byte
}

// A Span is a range of keys: From ≤ key < To. A nil To has no upper end.
type Span struct{ From, To []byte }

// Contains reports whether the span holds a key.
func (s Span) Contains(key []byte) bool {
	return bytes.Compare(key, s.From) >= 0 && (s.To == nil || bytes.Compare(key, s.To) < 0)
}

// Exactly is the span of one key.
func Exactly(key []byte) Span { return Span{From: key, To: append(bytes.Clone(key), 0)} }

// Single reports whether the span holds one key only, as Exactly makes it.
func (s Span) Single() bool {
	n := len(s.From)
	return len(s.To) == n+1 && s.To[n] == 0 && bytes.Equal(s.To[:n], s.From)
}

// Prefix is the span of all keys that begin with prefix.
func Prefix(prefix []byte) Span {
	to := bytes.Clone(prefix)
	for i := len(to) - 1; i >= 0; i-- {
		if to[i] < 0xff {
			to[i]++
			return Span{From: prefix, To: to[:i+1]}
		}
	}
	return Span{From: prefix}
}

// A Candidate is a resource that Match looks at.
type Candidate struct {
	Type, ID    string
	LastUpdated time.Time
	// Entries are what Extract returned for the resource.
	Entries []Entry
	// Tree is needed only by plans with Terms.Recheck.
	Tree *fhir.Tree
}

// Exact is the spans of several keys, sorted and without repetition.
func Exact(keys [][]byte) []Span {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, bytes.Compare)
	keys = slices.CompactFunc(keys, bytes.Equal)
	spans := make([]Span, len(keys))
	for i, k := range keys {
		spans[i] = Exactly(k)
	}
	return spans
}

// mayHaveValues is false where the resource lacks an element without which
// the parameter selects nothing.
func (p *Param) mayHaveValues(present *need.Set) bool {
	for i := range p.needs {
		if !p.needs[i].Meets(present) {
			return false
		}
	}
	return true
}
