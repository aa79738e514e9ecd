package search

import (
	"bytes"
	"slices"
)

// joint is a composite parameter that has a key for each pair of a key of one
// parameter and one of another, with, of the same resource. Conditions on both
// then are one condition on the pairs.
type joint struct{ with, pairs *Param }

// joints are the composites for which that holds, by the URLs of their
// definitions, with the codes of the two parameters: the composite takes both
// parts from the resource itself, by the expressions of the parameters, and of
// the second there is one value at most. A test compares the keys.
var joints = map[string][2]string{
	"http://hl7.org/fhir/SearchParameter/Observation-code-value-quantity": {"code", "value-quantity"},
}

func (r *Registry) addJoints(resourceType string) {
	for _, p := range r.byType[resourceType] {
		if p.Def == nil {
			continue
		}
		codes, ok := joints[p.Def.URL]
		if !ok {
			continue
		}
		first, second := r.byType[resourceType][codes[0]], r.byType[resourceType][codes[1]]
		if first != nil && second != nil {
			first.joint, p.pairs = &joint{second, p}, true
		}
	}
}

// cutKey is the key of a resource that has more pairs than a composite indexes.
// Keys of pairs begin with a token's, and so never with a zero byte.
var cutKey = []byte{0}

// cut adds cutKey where others rest on the composite.
func (x *indexer) cut() {
	if x.param.pairs {
		x.keys = append(x.keys, cutKey...)
		x.end()
	}
}

// IsCut reports whether one of a resource's entries says that pairs of it were
// left out of a composite that a Joint may rest on.
func IsCut(entries []Entry) bool {
	return slices.ContainsFunc(entries, func(e Entry) bool { return e.Param.pairs && bytes.Equal(e.Key, cutKey) })
}

// A Joint is a condition on a composite parameter that holds where two others
// of a conjunction do.
type Joint struct {
	Terms Terms
	// Cut is a key of the composite that resources have some of whose pairs
	// were left out. Where there are such, or where resources were stored
	// before there was this key, the condition does not tell all.
	Cut []byte
	// Rest are the other conditions.
	Rest And
}

// JoinTerms looks for a Joint among the conditions of a conjunction: one on
// single codes and one on numbers. ok is false where there is none.
func JoinTerms(nodes And) (j Joint, ok bool) {
	for i, n := range nodes {
		first, isTerms := n.(Terms)
		if !isTerms || first.Param.joint == nil || !singleCodes(&first) {
			continue
		}
		for k, m := range nodes {
			second, isTerms := m.(Terms)
			if !isTerms || second.Param != first.Param.joint.with || !ofNumbers(&second) {
				continue
			}
			j.Terms, j.Cut = paired(&first, &second), cutKey
			for at, node := range nodes {
				if at != i && at != k {
					j.Rest = append(j.Rest, node)
				}
			}
			return j, true
		}
	}
	return j, false
}

// singleCodes reports whether a condition asks for keys that are in pairs: a
// code with its system.
func singleCodes(t *Terms) bool {
	for _, s := range t.Spans {
		if len(s.From) == 0 || s.From[0] == 0 || !s.Single() {
			return false
		}
	}
	return t.Test == nil && t.Recheck == nil && len(t.Spans) > 0
}

// ofNumbers reports whether a condition asks for keys of the form of a quantity
// that is in pairs.
func ofNumbers(t *Terms) bool {
	for _, s := range t.Spans {
		inForm := len(s.To) > 0 && s.To[0] == quantityByNumber || bytes.Equal(s.To, []byte{quantityByNumber + 1})
		if len(s.From) == 0 || s.From[0] != quantityByNumber || !inForm {
			return false
		}
	}
	return t.Recheck == nil && len(t.Spans) > 0
}

func paired(first, second *Terms) Terms {
	t := Terms{Param: first.Param.joint.pairs}
	for _, code := range first.Spans {
		for _, s := range second.Spans {
			t.Spans = append(t.Spans, Span{From: concat(code.From, s.From), To: concat(code.From, s.To)})
		}
	}
	if test := second.Test; test != nil {
		t.Test = func(key []byte) bool { return test(key[tokenKind{}.size(key):]) }
	}
	return t
}

func concat(a, b []byte) []byte { return append(bytes.Clone(a), b...) }
