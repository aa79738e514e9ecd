package pairs

import (
	"bytes"
	"slices"

	"github.com/tarnhealth/tarn/pebble/internal/lists"
	"github.com/tarnhealth/tarn/search"
)

// A composite is a composite parameter that has a key for each pair of a key of
// one parameter, a token, and one of another, a quantity, of the same resource:
// it takes both from the resource itself, by the expressions of the two. A test
// compares the keys.
type composite struct{ resourceType, first, second, code string }

var composites = []composite{
	{"Observation", "code", "value-quantity", "code-value-quantity"},
}

// cutKey is the composite's key of a resource that has more pairs than are
// indexed. Keys of pairs begin with a code's, and so with another byte.
var cutKey = []byte{0}

// IsCut reports whether one of a resource's entries says that pairs of it were
// left out of a composite that a Joint may rest on.
func IsCut(entries []search.Entry) bool {
	return slices.ContainsFunc(entries, func(e search.Entry) bool {
		return bytes.Equal(e.Key, cutKey) && slices.ContainsFunc(composites, func(c composite) bool {
			return c.resourceType == e.Param.Type && c.code == e.Param.Code
		})
	})
}

// A Joint is a condition on a composite that holds where two others of a
// conjunction do.
type Joint struct {
	// Param is the composite's search.Param.Key.
	Param string
	Spans []search.Span
	Test  func(key []byte) bool
	// Rest are the other conditions.
	Rest search.And
}

func (j *Joint) query(number uint16) *lists.Query {
	return &lists.Query{Param: number, Spans: j.Spans, Test: j.Test}
}

// Join looks for a Joint among the conditions of a conjunction: one on single
// codes and one on numbers. ok is false where there is none.
func Join(nodes search.And) (j Joint, ok bool) {
	for _, c := range composites {
		i := slices.IndexFunc(nodes, func(n search.Node) bool { return c.hasFirst(n) })
		k := slices.IndexFunc(nodes, func(n search.Node) bool { return c.hasSecond(n) })
		if i < 0 || k < 0 {
			continue
		}
		j.Param = c.resourceType + "." + c.code
		j.pair(nodes[i].(search.Terms), nodes[k].(search.Terms))
		for at, node := range nodes {
			if at != i && at != k {
				j.Rest = append(j.Rest, node)
			}
		}
		return j, true
	}
	return j, false
}

// hasFirst reports whether a condition asks for keys that are in pairs: codes
// with their systems. Other forms of a token's keys begin with a zero byte.
func (c *composite) hasFirst(n search.Node) bool {
	t, ok := n.(search.Terms)
	if !ok || t.Param.Type != c.resourceType || t.Param.Code != c.first || t.Test != nil || t.Recheck != nil {
		return false
	}
	for _, s := range t.Spans {
		if len(s.From) == 0 || s.From[0] == 0 || !s.Single() {
			return false
		}
	}
	return len(t.Spans) > 0
}

// hasSecond reports whether a condition asks for keys of the form of a quantity
// that is in pairs, which begins with a zero byte.
func (c *composite) hasSecond(n search.Node) bool {
	t, ok := n.(search.Terms)
	if !ok || t.Param.Type != c.resourceType || t.Param.Code != c.second || t.Recheck != nil {
		return false
	}
	for _, s := range t.Spans {
		inForm := len(s.To) > 0 && s.To[0] == 0 || bytes.Equal(s.To, []byte{1})
		if len(s.From) == 0 || s.From[0] != 0 || !inForm {
			return false
		}
	}
	return len(t.Spans) > 0
}

// pair makes spans of each code with each range, and tests what is behind the
// code.
func (j *Joint) pair(first, second search.Terms) {
	for _, code := range first.Spans {
		for _, s := range second.Spans {
			j.Spans = append(j.Spans, search.Span{From: slices.Concat(code.From, s.From), To: slices.Concat(code.From, s.To)})
		}
	}
	if second.Test == nil {
		return
	}
	j.Test = func(key []byte) bool {
		// No code begins another one.
		for _, code := range first.Spans {
			if number, found := bytes.CutPrefix(key, code.From); found {
				return second.Test(number)
			}
		}
		return false
	}
}
