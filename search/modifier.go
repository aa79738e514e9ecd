package search

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/define"
	"github.com/tarnhealth/tarn/search/fulltext"
)

// A modifier is a way to read the values of parameters of some types.
type modifier struct {
	// types are nil for all.
	types []definition.ParamType
	read  reader
}

// modifiers are those of R4. http://hl7.org/fhir/R4/search.html#modifiers
var modifiers = map[string][]modifier{
	"missing":  {{nil, (*parser).missing}},
	"exact":    {{only(definition.ParamString), each(stringKind{}.exact)}},
	"contains": {{only(definition.ParamString), each(stringKind{}.contains)}},
	"text":     {{only(definition.ParamToken), each(tokenKind{}.text)}},
	"not":      {{only(definition.ParamToken), (*parser).not}},
	"in":       {{only(definition.ParamToken), each(tokenKind{}.in)}},
	"not-in":   {{only(definition.ParamToken), negated(each(tokenKind{}.in))}},
	"of-type":  {{only(definition.ParamToken), each(tokenKind{}.ofType)}},
	"above": {{only(definition.ParamURI), each(uriKind{}.above)}, {only(definition.ParamToken), each(tokenKind{}.above)},
		{only(definition.ParamReference), hierarchy(true)}},
	"below": {{only(definition.ParamURI), each(uriKind{}.below)}, {only(definition.ParamToken), each(tokenKind{}.below)},
		{only(definition.ParamReference), hierarchy(false)}},
	"identifier": {{only(definition.ParamReference), each(referenceKind{}.identifier)}},
}

func only(types ...definition.ParamType) []definition.ParamType { return types }

type reader = func(p *parser, param *Param, values []string) (Node, *fhir.Error)

// each reads one value after the other.
func each(read func(o *operand) ([]condition, error)) reader {
	return func(p *parser, param *Param, values []string) (Node, *fhir.Error) {
		if param.kind == nil { // _id
			return nil, unknownParam("the modifier does not go with %s, which takes :missing and :not", param.Code)
		}
		return p.anyValue(param, values, read)
	}
}

// negated holds for what read does not hold for, a resource without a value
// included.
func negated(read reader) reader {
	return func(p *parser, param *Param, values []string) (Node, *fhir.Error) {
		n, err := read(p, param, values)
		if err != nil {
			return nil, err
		}
		return Not{n}, nil
	}
}

// modified reads a parameter with a modifier. The error for one that cannot be
// read tells those that the standard has from others.
func (p *parser) modified(param *Param, name string, values []string) (Node, *fhir.Error) {
	known, ok := modifiers[name]
	isType := p.registry.byType[name] != nil
	if !define.AllowsModifier(param.Def, name, isType) {
		return nil, unknownParam("%s does not take the modifier :%s, by its definition", param.Code, name)
	}
	if param.words && name != "missing" {
		return nil, unknownParam("the modifier :%s does not go with %s, which takes :missing", name, param.Code)
	}
	if isType {
		return p.typedReference(param, name, values)
	}
	if !ok {
		return nil, unknownParam("%q is not a modifier of %s; R4 has :%s", name, param.Code,
			strings.Join(slices.Sorted(maps.Keys(modifiers)), ", :"))
	}
	for _, m := range known {
		if len(m.types) == 0 || slices.Contains(m.types, param.Def.Type) {
			return m.read(p, param, values)
		}
	}
	return nil, unknownParam("the modifier :%s does not go with %s, which is of type %s", name, param.Code, typeNames[param.Def.Type])
}

// typedReference reads :[type], as in subject:Patient=1.
func (p *parser) typedReference(param *Param, target string, values []string) (Node, *fhir.Error) {
	if param.Def.Type != definition.ParamReference {
		return nil, unknownParam("the modifier :%s does not go with %s, which is of type %s", target, param.Code, typeNames[param.Def.Type])
	}
	if targets := p.registry.targets(param); !slices.Contains(targets, target) {
		return nil, unknownParam("%s of %s does not refer to %q but to %s", param.Code, param.Type, target, strings.Join(targets, ", "))
	}
	return p.anyValue(param, values, func(o *operand) ([]condition, error) { return referenceKind{}.typed(o, target) })
}

// missing reads :missing=true and :missing=false.
// http://hl7.org/fhir/R4/search.html#missing
func (p *parser) missing(param *Param, values []string) (Node, *fhir.Error) {
	if len(values) != 1 || values[0] != "true" && values[0] != "false" {
		return nil, fhir.Errorf(fhir.KindInvalid, "the value of %s:missing is true or false, not %q", param.Code, strings.Join(values, ","))
	}
	missing := values[0] == "true"
	if param.kind == nil { // _id and _lastUpdated, which every resource has
		if missing {
			return Or{}, nil
		}
		return And{}, nil
	}
	present := p.present(param)
	if param.words && !p.registry.indexes(param) {
		present = p.registry.readAll(param, func(d *fulltext.Document) bool { return d.Len() > 0 })
	}
	if missing {
		return Not{present}, nil
	}
	return present, nil
}

// present is the condition that a resource has a value for a parameter.
func (p *parser) present(param *Param) Node {
	marks := Terms{Param: p.registry.Param(param.Type, MarkPresent), Spans: []Span{Exactly(param.presence)}}
	if param.Def.Bases == nil {
		code := append([]byte{0}, param.presence...)
		marks.Spans, marks.Test = []Span{Prefix([]byte{0})}, func(key []byte) bool { return bytes.Contains(key, code) }
	}
	return marks
}

// not reads :not: a resource that has none of the values, or no value at all.
func (p *parser) not(param *Param, values []string) (Node, *fhir.Error) {
	if param.kind == nil {
		ids, err := idNode(values)
		return Not{ids}, err
	}
	return negated((*parser).terms)(p, param, values)
}
