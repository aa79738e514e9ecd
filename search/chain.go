package search

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/define"
)

// The limits of chains. A chain that names no type goes to each type that its
// reference may refer to, so that a short query can ask for very many joins.
const (
	// MaxChain is the number of references that one chain may follow, forward
	// and in reverse together: far beyond what data has, and a bound for what a
	// cyclic reference can be asked to go round.
	MaxChain = 100
	// MaxJoins is the number of Chain and Has nodes in a plan.
	MaxJoins = 500
)

// join counts a Chain or Has that depth others lead to.
func (p *parser) join(name string, depth int) *fhir.Error {
	if depth >= MaxChain {
		return fhir.Errorf(fhir.KindTooCostly, "%s follows more than %d references", name, MaxChain)
	}
	if p.joins++; p.joins > MaxJoins {
		return fhir.Errorf(fhir.KindTooCostly, "the chains of this search lead to more than %d types of resources; name the types, as in subject:Patient.name", MaxJoins)
	}
	return nil
}

// chain reads head.rest: a condition on the resource that a reference
// parameter refers to. head is its code, with or without :Type; without, the
// chain goes to each type of target that has the parameter.
//
// http://hl7.org/fhir/R4/search.html#chaining
func (p *parser) chain(resourceType, head, rest string, values []string, depth int) (Node, *fhir.Error) {
	link := chainLink{head: head, rest: rest, depth: depth}
	return p.follow(resourceType, link, func(target string) (Node, *fhir.Error) {
		return p.node(target, rest, values, depth+1)
	})
}

// A chainLink is one step of a chain, and what follows it, as text.
type chainLink struct {
	head, rest string
	depth      int
}

// next is the code of the parameter that comes next.
func (l *chainLink) next() string {
	if i := strings.IndexAny(l.rest, ".:"); i >= 0 {
		return l.rest[:i]
	}
	return l.rest
}

// follow makes the Chain for one step, with the condition that read gives for
// a target.
func (p *parser) follow(resourceType string, link chainLink, read func(target string) (Node, *fhir.Error)) (Node, *fhir.Error) {
	code, target, typed := strings.Cut(link.head, ":")
	param, err := p.param(resourceType, code)
	if err != nil {
		return nil, err
	}
	if param.Def.Type != definition.ParamReference {
		return nil, unknownParam("%s of %s is of type %s; only a reference can be followed by a chain", code, resourceType, typeNames[param.Def.Type])
	}
	if next := link.next(); !define.AllowsChain(param.Def, next) {
		return nil, unknownParam("%s of %s cannot be followed to %s, by its definition (chain)", code, resourceType, next)
	}
	chain := func(target string) (Node, *fhir.Error) {
		if err := p.join(param.Code+"."+link.rest, link.depth); err != nil {
			return nil, err
		}
		where, err := read(target)
		if err != nil {
			return nil, err
		}
		return Chain{Param: param, Target: target, Where: where}, nil
	}
	targets := p.registry.targets(param)
	if typed {
		if !slices.Contains(targets, target) {
			return nil, unknownParam("%s of %s does not refer to %q but to %s", code, resourceType, target, strings.Join(targets, ", "))
		}
		return chain(target)
	}
	return p.followAny(param, targets, link, chain)
}

// followAny is the chain to each target for which the rest can be read. Where
// it can be read for none, the error is that of a target which has the
// parameter.
func (p *parser) followAny(param *Param, targets []string, link chainLink, chain func(target string) (Node, *fhir.Error)) (Node, *fhir.Error) {
	next := link.next()
	var or Or
	var first *fhir.Error
	for _, t := range targets {
		if c := p.registry.byType[t][next]; next != paramHas && next != paramList && (c == nil || c.Def == nil) {
			continue
		}
		n, err := chain(t)
		switch {
		case err == nil:
			or = append(or, n)
		case err.Kind == fhir.KindTooCostly:
			return nil, err
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

// paramHas begins the name of a reverse chain.
const paramHas = "_has"

// has reads _has:Type:reference:rest: a condition on a resource that refers to
// this one.
//
// http://hl7.org/fhir/R4/search.html#has
func (p *parser) has(resourceType, name string, values []string, depth int) (Node, *fhir.Error) {
	parts := strings.SplitN(name, ":", 4)
	if len(parts) < 4 || parts[3] == "" {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q does not look like _has:Observation:patient:code", name)
	}
	source, code, rest := parts[1], parts[2], parts[3]
	if p.registry.byType[source] == nil {
		return nil, unknownParam("%q in %s is not a resource type", source, name)
	}
	param, err := p.param(source, code)
	switch {
	case err != nil:
		return nil, err
	case param.Def.Type != definition.ParamReference:
		return nil, unknownParam("%s of %s is of type %s; _has takes a reference", code, source, typeNames[param.Def.Type])
	case !slices.Contains(p.registry.targets(param), resourceType):
		return nil, unknownParam("%s of %s does not refer to %s but to %s", code, source, resourceType, strings.Join(p.registry.targets(param), ", "))
	}
	if err := p.join(name, depth); err != nil {
		return nil, err
	}
	where, err := p.node(source, rest, values, depth+1)
	if err != nil {
		return nil, err
	}
	return Has{Param: param, Where: where}, nil
}
