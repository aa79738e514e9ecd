package search

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// maxChain is the number of references that a chain may follow.
const maxChain = 1

// chain reads head.rest: a condition on the resource that a reference
// parameter refers to. head is its code, with or without :Type; without, the
// chain goes to each type of target that has the parameter.
//
// http://hl7.org/fhir/R4/search.html#chaining
func (p *parser) chain(resourceType, head, rest string, values []string, depth int) (Node, *fhir.Error) {
	if depth >= maxChain {
		return nil, fhir.Errorf(fhir.KindNotSupported, "chains over more than %d reference are not supported yet", maxChain)
	}
	code, target, typed := strings.Cut(head, ":")
	param, err := p.param(resourceType, code)
	if err != nil {
		return nil, err
	}
	if param.Def.Type != definition.ParamReference {
		return nil, unknownParam("%s of %s is of type %s; only a reference can be followed by a chain", code, resourceType, typeNames[param.Def.Type])
	}
	targets := p.registry.targets(param)
	if typed {
		if !slices.Contains(targets, target) {
			return nil, unknownParam("%s of %s does not refer to %q but to %s", code, resourceType, target, strings.Join(targets, ", "))
		}
		where, err := p.node(target, rest, values, depth+1)
		if err != nil {
			return nil, err
		}
		return Chain{Param: param, Target: target, Where: where}, nil
	}
	return p.anyChain(param, targets, rest, values, depth)
}

// anyChain is the chain to each target for which rest can be read. Where it
// can be read for none, the error is that of a target which has the parameter.
func (p *parser) anyChain(param *Param, targets []string, rest string, values []string, depth int) (Node, *fhir.Error) {
	next := rest
	if i := strings.IndexAny(rest, ".:"); i >= 0 {
		next = rest[:i]
	}
	var or Or
	var first *fhir.Error
	for _, t := range targets {
		if c := p.registry.byType[t][next]; c == nil || c.Def == nil {
			continue
		}
		where, err := p.node(t, rest, values, depth+1)
		switch {
		case err == nil:
			or = append(or, Chain{Param: param, Target: t, Where: where})
		case first == nil:
			first = err
		}
	}
	switch {
	case len(or) == 1:
		return or[0], nil
	case len(or) > 1:
		return or, nil
	case first != nil:
		return nil, first
	case len(targets) == 1:
		_, err := p.param(targets[0], next)
		return nil, err
	}
	return nil, unknownParam("%s of %s refers to %s; none of them has a search parameter %q", param.Code, param.Type, strings.Join(targets, ", "), next)
}
