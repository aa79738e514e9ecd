package endtoend

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/search"
)

// maxSteps is the number of references that a condition follows.
const maxSteps = 3

// A link is a reference parameter and the resource on its other side.
type link struct {
	param *search.Param
	other *search.Candidate
}

// refersTo reports whether a reference parameter may refer to a type.
func refersTo(p *search.Param, resourceType string) bool {
	return len(p.Def.Target) == 0 || slices.Contains(p.Def.Target, resourceType)
}

// links are the references of a resource to others that there are.
func (g *generator) links(c *search.Candidate) []link {
	var links []link
	for _, e := range c.Entries {
		if e.Param.Def == nil || e.Param.Def.Type != definition.ParamReference {
			continue
		}
		targetType, id, _ := search.ParseReferenceKey(e.Key)
		if target := g.byID[targetType+"/"+id]; target != nil && refersTo(e.Param, targetType) {
			links = append(links, link{e.Param, target})
		}
	}
	return links
}

func (g *generator) learnReferrers() {
	for _, c := range g.all {
		for _, l := range g.links(c) {
			name := l.other.Type + "/" + l.other.ID
			g.referrers[name] = append(g.referrers[name], link{l.param, c})
		}
	}
}

// chain makes a condition on a resource that the seed refers to.
func (g *generator) chain(seed *search.Candidate, depth int) (condition, bool) {
	links := g.links(seed)
	if len(links) == 0 {
		return condition{}, false
	}
	l := links[g.random.IntN(len(links))]
	c := g.condition(l.other, depth+1)
	rest := c.name
	further := depth > 0 || strings.Contains(rest, ".") || strings.HasPrefix(rest, "_has:")
	return condition{name: g.head(l, further) + "." + rest, values: c.values, says: max(c.says, unsure)}, true
}

// head is a step of a chain, with or without the type that it leads to. Where
// more steps come before or after it, it has the type unless there are few
// others.
func (g *generator) head(l link, further bool) string {
	targets := len(l.param.Def.Target)
	if g.chance(2) || further && (targets == 0 || targets > 4) {
		return l.param.Code + ":" + l.other.Type
	}
	return l.param.Code
}

// has makes a condition on a resource that refers to the seed.
func (g *generator) has(seed *search.Candidate, depth int) (condition, bool) {
	links := g.referrers[seed.Type+"/"+seed.ID]
	if len(links) == 0 {
		return condition{}, false
	}
	l := links[g.random.IntN(len(links))]
	c := g.condition(l.other, depth+1)
	name := "_has:" + l.param.Type + ":" + l.param.Code + ":" + c.name
	return condition{name: name, values: c.values, says: max(c.says, unsure)}, true
}

// list is the Lists that have the seed as an item, or any Lists.
func (g *generator) list(seed *search.Candidate, _ int) (condition, bool) {
	c := condition{name: "_list"}
	for _, l := range g.referrers[seed.Type+"/"+seed.ID] {
		if l.param.Type == "List" && l.param.Code == "item" {
			c.values, c.says = append(c.values, l.other.ID), hit
		}
	}
	if lists := g.byType["List"]; len(lists) > 0 && (len(c.values) == 0 || g.chance(3)) {
		c.values = append(c.values, lists[g.random.IntN(len(lists))].ID)
	}
	return c, len(c.values) > 0 && (c.says == hit || g.chance(4))
}
