package search

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
)

// ContainedMode is the value of _contained: what matches.
// http://hl7.org/fhir/R4/search.html#contained
type ContainedMode uint8

// The modes.
const (
	ContainedFalse ContainedMode = iota // resources
	ContainedTrue                       // resources that are inside others
	ContainedBoth
)

// ContainedType is the value of _containedType: what the answer shows of a
// match inside a resource.
type ContainedType uint8

// The types.
const (
	ContainedInContainer ContainedType = iota // the resource around it
	ContainedAlone                            // itself: Query.InsideMatches finds it
)

// MarkContained is the mark of resources that have others inside them: one
// entry for each type of those, whose key is the type's name and a zero byte.
const MarkContained = "$contained"

// contained adds the mark.
func (x *indexer) contained(mark *Param, root fhir.Node) {
	x.param = mark
	first := len(x.spans)
	for c := range root.Each("contained") {
		x.keys = append(append(x.keys, c.Type().Name...), 0)
		x.end()
	}
	x.sort(first)
}

var containedModes = map[string]ContainedMode{"false": ContainedFalse, "true": ContainedTrue, "both": ContainedBoth}

var containedTypes = map[string]ContainedType{"container": ContainedInContainer, "contained": ContainedAlone}

// contained reads _contained.
func (p *parser) contained(pair Pair) *fhir.Error {
	if !p.opt.Contained {
		return resultRefused(p, pair)
	}
	return choose(p, pair, &p.query.Contained, containedModes, "true, false and both")
}

// containedType reads _containedType.
func (p *parser) containedType(pair Pair) *fhir.Error {
	if !p.opt.Contained {
		return resultRefused(p, pair)
	}
	return choose(p, pair, &p.query.ContainedType, containedTypes, "container and contained")
}

// followsNothing refuses conditions that a resource inside another cannot
// fulfil: those that lead to other resources.
func (p *parser) followsNothing(pair Pair) *fhir.Error {
	if !p.insideAsked {
		return nil
	}
	name, _, _ := strings.Cut(pair.Name, ":")
	switch {
	case name == paramHas, name == paramList, strings.Contains(pair.Name, "."), name == paramFilter,
		strings.HasSuffix(pair.Name, ":above"), strings.HasSuffix(pair.Name, ":below"):
		return fhir.Errorf(fhir.KindNotSupported, "%s cannot be given together with _contained: it leads to other resources, and a contained resource is looked at by itself", pair.Name)
	}
	return nil
}

// checkContained refuses what goes by parameters of the type searched.
func (p *parser) checkContained() error {
	q := p.query
	if q.Contained == ContainedFalse {
		return nil
	}
	if len(q.Includes)+len(q.RevIncludes) > 0 {
		return fhir.Errorf(fhir.KindInvalid, "_include and _revinclude cannot be given together with _contained").At("http._contained")
	}
	for _, k := range q.Plan.Sort {
		if k.Params != nil {
			return fhir.Errorf(fhir.KindInvalid, "together with _contained, _sort takes _id and _lastUpdated only").At("http._sort")
		}
	}
	q.Relevance = nil
	return nil
}

// inside are the parts that look for resources inside others: one for each
// type that can have some. All conditions must hold for the same one.
func (p *parser) inside(direct []Part) []Part {
	var parts []Part
	for _, t := range p.registry.allTypes {
		at := slices.IndexFunc(direct, func(part Part) bool { return part.Type == t })
		var or Or
		if p.query.Contained == ContainedBoth && at >= 0 {
			if direct[at].Where == nil {
				parts = append(parts, direct[at])
				continue
			}
			or = append(or, direct[at].Where)
		}
		if mark := p.registry.Param(t, MarkContained); mark != nil {
			or = append(or, p.insideNode(mark, direct))
		}
		if len(or) > 0 {
			parts = append(parts, Part{Type: t, Where: or})
		}
	}
	return parts
}

func (p *parser) insideNode(mark *Param, direct []Part) Node {
	keys := make([][]byte, len(direct))
	for i, part := range direct {
		keys[i] = append([]byte(part.Type), 0)
	}
	return Terms{Param: mark, Spans: Exact(keys), Recheck: func(c *Candidate) bool {
		return c.Tree != nil && len(p.registry.insideMatches(c, direct, p.opt.Base)) > 0
	}}
}

// insideMatches are the resources inside a candidate for which a part holds.
func (r *Registry) insideMatches(c *Candidate, direct []Part, base string) []fhir.Node {
	var found []fhir.Node
	for n := range c.Tree.Root().Each("contained") {
		at := slices.IndexFunc(direct, func(part Part) bool { return part.Type == n.Type().Name })
		if at < 0 {
			continue
		}
		id := n.TextOf("id")
		entries, err := r.Extract(n.Detach(), id, base)
		if err != nil {
			continue
		}
		own := &Candidate{Type: n.Type().Name, ID: id, LastUpdated: c.LastUpdated, Entries: entries, Tree: n.Detach()}
		if Match(direct[at].Where, own, nil) {
			found = append(found, n)
		}
	}
	return found
}

// InsideMatches are the resources inside a match of the query that match it:
// what the answer shows where ContainedType is ContainedAlone. itself reports
// whether the match does as well, which it may where Contained is
// ContainedBoth. c has Type, ID, LastUpdated and Tree.
func (q *Query) InsideMatches(c *Candidate) (inside []fhir.Node, itself bool, err error) {
	if q.inside == nil || c.Tree == nil {
		return nil, q.inside == nil, nil
	}
	return q.inside(c)
}

// showInside finds what InsideMatches does.
func (p *parser) showInside(c *Candidate, direct []Part) (inside []fhir.Node, itself bool, err error) {
	inside = p.registry.insideMatches(c, direct, p.opt.Base)
	at := slices.IndexFunc(direct, func(part Part) bool { return part.Type == c.Type })
	if p.query.Contained != ContainedBoth || at < 0 {
		return inside, false, nil
	}
	own := *c
	if own.Entries, err = p.registry.Extract(c.Tree, c.ID, p.opt.Base); err != nil {
		return nil, false, err
	}
	return inside, Match(direct[at].Where, &own, nil), nil
}
