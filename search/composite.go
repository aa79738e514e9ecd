package search

import (
	"bytes"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/search/chars"
)

// compositeKind: for each value that the composite's expression selects, a key
// for each combination of its components' values: the components' keys one
// after the other. Of a component that has several forms of keys only the one
// with the whole value goes in. A value with more than compositeMax
// combinations is indexed by the first of them; where the first component is a
// token, whose keys begin with another byte, it has the key 0 as well.
//
// http://hl7.org/fhir/R4/search.html#combining
type compositeKind struct{}

const (
	compositeMax  = 4096
	maxComponents = 4
)

// A component is one part of a composite parameter.
type component struct {
	// param stands for the component's own parameter, with the composite's
	// expression for it. It is not one of the registry's.
	param *Param
	kind  kind
	expr  *fhirpath.Expr
}

func (compositeKind) index(x *indexer, n fhir.Node) {
	if x.sub == nil {
		x.sub = &indexer{part: true}
	}
	sub := x.sub
	sub.registry = x.registry
	sub.reset(x.base)
	var ends [maxComponents]int
	for i, c := range x.param.components {
		sub.param = c.param
		sub.values(c.expr, c.kind, n)
		if ends[i] = len(sub.spans); ends[i] == 0 || i > 0 && ends[i] == ends[i-1] {
			return
		}
	}
	x.combine(sub, ends[:len(x.param.components)])
}

// combine adds the combinations: part i's keys are sub's from the end of the
// part before to ends[i].
func (x *indexer) combine(sub *indexer, ends []int) {
	var at [maxComponents]int
	for i := 1; i < len(ends); i++ {
		at[i] = ends[i-1]
	}
	for n := 0; ; n++ {
		if n == compositeMax {
			if x.param.components[0].param.Def.Type == definition.ParamToken {
				x.keys = append(x.keys, 0)
				x.end()
			}
			return
		}
		for i := range ends {
			s := sub.spans[at[i]]
			x.keys = append(x.keys, sub.keys[s.start:s.end]...)
		}
		x.end()
		i := len(ends) - 1
		for ; i >= 0; i-- {
			if at[i]++; at[i] < ends[i] {
				break
			}
			at[i] = 0
			if i > 0 {
				at[i] = ends[i-1]
			}
		}
		if i < 0 {
			return
		}
	}
}

func (compositeKind) sorted() Span { return everything }

func (compositeKind) size(b []byte) int { return len(b) }

func (compositeKind) query(o *operand) (condition, error) {
	parts := chars.Split(o.value, '$')
	components := o.param.components
	if len(parts) != len(components) {
		return condition{}, fhir.Errorf(fhir.KindInvalid, "%q has %d parts; %s takes %d, with a $ between them", o.value, len(parts), o.param.Code, len(components))
	}
	conditions := make([]condition, len(parts))
	for i, c := range components {
		if parts[i] == "" {
			return condition{}, fhir.Errorf(fhir.KindInvalid, "part %d of %q is empty", i+1, o.value)
		}
		po := *o
		po.param, po.value, po.part = c.param, parts[i], true
		var err error
		if conditions[i], err = c.kind.query(&po); err != nil {
			return condition{}, err
		}
		if conditions[i].recheck != nil {
			return condition{}, fhir.Errorf(fhir.KindNotSupported, "%q is not supported in a composite parameter: give it without a version, and in no more than %d bytes", parts[i], stringMax)
		}
	}
	return joined(components, conditions), nil
}

// joined is the condition on the composite's key: spans as far as the first
// component is one exact key, a test for what they leave open.
func joined(components []component, conditions []condition) condition {
	first, second := &conditions[0], &conditions[1]
	var c condition
	exact := first.plain()
	for _, s := range first.spans {
		exact = exact && s.Single()
	}
	for _, s := range first.spans {
		switch {
		case exact:
			c.spans = append(c.spans, opened(within(s.From, second.spans))...)
		default:
			c.spans = append(c.spans, opened([]Span{s})...)
		}
	}
	if exact && second.plain() && len(conditions) == 2 {
		return c
	}
	c.test = func(key []byte) bool {
		for i := range conditions {
			n := components[i].kind.size(key)
			if !conditions[i].holds(key[:n]) {
				return false
			}
			key = key[n:]
		}
		return true
	}
	return c
}

// opened makes spans of one key into spans of the keys that begin with it.
func opened(spans []Span) []Span {
	for i, s := range spans {
		if s.Single() {
			spans[i] = Prefix(bytes.Clone(s.From))
		}
	}
	return spans
}
