package search

import (
	"bytes"
	"slices"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
)

// maxCodes is up to how many codes of a value set :in looks for.
const maxCodes = 10000

// text reads a value of :text: the beginning of a text that goes with a code.
func (tokenKind) text(o *operand) ([]condition, error) {
	head := []byte{0, tokenText}
	q := chars.AppendFolded(head, []byte(chars.Unescape(o.value)))
	if len(q) == len(head) {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q has no character to search for", o.value)
	}
	if len(q) > len(head)+stringMax {
		return nil, fhir.Errorf(fhir.KindInvalid, "the text is longer than %d bytes", stringMax)
	}
	return []condition{{spans: []Span{Prefix(q)}}}, nil
}

// ofType reads a value of :of-type, system|code|value: the system and code of
// an identifier's type, and its value.
func (tokenKind) ofType(o *operand) ([]condition, error) {
	parts := chars.Split(o.value, '|')
	if len(parts) != 3 || parts[1] == "" || parts[2] == "" {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q does not look like system|code|value: the system and code of the identifier's type, and its value", o.value)
	}
	key := o.registry.appendTyped(nil, []byte(chars.Unescape(parts[0])), []byte(chars.Unescape(parts[1])), []byte(chars.Unescape(parts[2])))
	return []condition{{spans: []Span{Exactly(key)}}}, nil
}

// in reads a value of :in: a value set's URL.
func (tokenKind) in(o *operand) ([]condition, error) {
	set, err := o.valueSet(chars.Unescape(o.value))
	if err != nil {
		return nil, err
	}
	var spans []Span
	for system, codes := range set.Codes {
		for code := range codes {
			spans = append(spans, Exactly(o.registry.appendCode(nil, hashSystem([]byte(system)), []byte(code))))
			if o.param.bare {
				spans = append(spans, Exactly(o.registry.appendCode(nil, 0, []byte(code))))
			}
		}
	}
	if len(spans) > maxCodes {
		return nil, fhir.Errorf(fhir.KindTooCostly, "the value set %s has %d codes; at most %d can be searched for", o.value, len(spans), maxCodes)
	}
	slices.SortFunc(spans, func(a, b Span) int { return bytes.Compare(a.From, b.From) })
	spans = slices.CompactFunc(spans, func(a, b Span) bool { return bytes.Equal(a.From, b.From) })
	return []condition{{spans: spans}}, nil
}

// valueSet finds a value set of which all codes are known.
func (o *operand) valueSet(url string) (*definition.ValueSet, error) {
	set := o.registry.Definitions.ValueSet(url)
	if set == nil && o.valueSets != nil {
		var err error
		if set, err = o.valueSets(url); err != nil {
			return nil, err
		}
	}
	switch {
	case set == nil:
		return nil, fhir.Errorf(fhir.KindInvalid, "the value set %s is not known", url)
	case len(set.Open) > 0:
		return nil, fhir.Errorf(fhir.KindInvalid, "the codes of the value set %s are not known: it takes in all of %s", url, set.Open[0])
	}
	return set, nil
}
