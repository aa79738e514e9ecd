package search

import (
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
	var keys [][]byte
	for system, codes := range set.Codes {
		for code := range codes {
			keys = o.appendKeys(keys, system, code)
		}
	}
	return o.anyKey(keys)
}

// appendKeys appends the keys of a code in a system: one, and for elements of
// type code, which name no system, another.
func (o *operand) appendKeys(keys [][]byte, system, code string) [][]byte {
	keys = append(keys, o.registry.appendCode(nil, hashSystem([]byte(system)), []byte(code)))
	if o.param.bare {
		keys = append(keys, o.registry.appendCode(nil, 0, []byte(code)))
	}
	return keys
}

func (o *operand) anyKey(keys [][]byte) ([]condition, error) {
	if len(keys) > maxCodes {
		return nil, fhir.Errorf(fhir.KindTooCostly, "%s has %d codes; at most %d can be searched for", o.value, len(keys), maxCodes)
	}
	return []condition{{spans: Exact(keys)}}, nil
}

// above reads a value of :above: a code and all that subsume it.
// http://hl7.org/fhir/R4/search.html#token
func (tokenKind) above(o *operand) ([]condition, error) { return o.related(true) }

// below reads a value of :below: a code and all that it subsumes.
func (tokenKind) below(o *operand) ([]condition, error) { return o.related(false) }

func (o *operand) related(above bool) ([]condition, error) {
	parts := chars.Split(o.value, '|')
	if len(parts) > 2 || parts[len(parts)-1] == "" {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q does not look like system|code", o.value)
	}
	code := chars.Unescape(parts[len(parts)-1])
	if len(parts) == 2 && parts[0] != "" {
		return o.relatedIn(chars.Unescape(parts[0]), code, above)
	}
	systems, err := o.impliedSystems()
	if err != nil {
		return nil, err
	}
	var keys [][]byte
	for _, s := range systems {
		keys = o.appendRelated(keys, s, code, above)
	}
	if len(keys) == 0 {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q is not a code of %s", code, systems[0].URL)
	}
	return o.anyKey(keys)
}

// appendRelated appends the keys of a code of the definitions and of what is
// above or below it; none where the system has no such code.
func (o *operand) appendRelated(keys [][]byte, s *definition.CodeSystem, code string, above bool) [][]byte {
	at := s.Find(code)
	if at < 0 {
		return keys
	}
	which := s.Below
	if above {
		which = s.Above
	}
	for _, i := range which(at) {
		keys = o.appendKeys(keys, s.URL, s.Concepts[i].Code)
	}
	return keys
}

// relatedIn is about a code of a system that the query names: one of the
// definitions, where they have all of it, or else one that relatedCodes knows.
func (o *operand) relatedIn(system, code string, above bool) ([]condition, error) {
	known := o.registry.Definitions.CodeSystem(system)
	var keys [][]byte
	if (known == nil || !known.Complete) && o.relatedCodes != nil {
		codes, err := o.relatedCodes(system, code, above)
		if err != nil {
			return nil, err
		}
		for _, related := range codes {
			keys = o.appendKeys(keys, system, related)
		}
		if codes != nil {
			return o.anyKey(keys)
		}
	}
	if known == nil || len(known.Concepts) == 0 {
		return nil, fhir.Errorf(fhir.KindInvalid, "the concepts of the code system %s are not known", system)
	}
	if keys = o.appendRelated(keys, known, code, above); len(keys) == 0 {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q is not a code of %s", code, system)
	}
	return o.anyKey(keys)
}

// impliedSystems are the code systems that the parameter's elements have.
func (o *operand) impliedSystems() ([]*definition.CodeSystem, error) {
	var systems []*definition.CodeSystem
	for s := range o.registry.Definitions.CodeSystems() {
		if slices.Contains(o.param.implied, hashSystem([]byte(s.URL))) && len(s.Concepts) > 0 {
			systems = append(systems, s)
		}
	}
	if len(systems) == 0 {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q names no code system, which says what is above and below a code: write system|code", o.value)
	}
	return systems, nil
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
