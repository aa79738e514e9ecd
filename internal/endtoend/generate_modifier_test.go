package endtoend

import (
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/search"
)

// modifiersOf are the modifiers of a type of parameter, besides :missing.
var modifiersOf = map[definition.ParamType][]string{
	definition.ParamString:    {"exact", "contains", "contains"},
	definition.ParamToken:     {"not", "not", "text", "in", "not-in", "of-type"},
	definition.ParamReference: {"identifier", "[type]"},
	definition.ParamURI:       {"above", "below"},
}

// modified makes a parameter with a modifier.
func (g *generator) modified(seed *search.Candidate, _ int) (condition, bool) {
	params := paramsOf(seed)
	if len(params) == 0 || g.chance(6) {
		params = g.params[seed.Type]
	}
	if len(params) == 0 {
		return condition{}, false
	}
	if c, ok := g.rare(params, seed); ok && g.chance(2) {
		return c, true
	}
	for range 5 { // not every modifier goes with a value
		p := params[g.random.IntN(len(params))]
		modifiers := append([]string{"missing"}, modifiersOf[p.Def.Type]...)
		if c, ok := g.withModifier(p, modifiers[g.random.IntN(len(modifiers))], seed); ok {
			return c, true
		}
	}
	return condition{}, false
}

// rare makes a modifier that goes with few values.
func (g *generator) rare(params []*search.Param, seed *search.Candidate) (condition, bool) {
	modifier := g.oneOf("of-type", "identifier")
	for _, p := range params {
		if p.Def.Type == definition.ParamToken && modifier == "of-type" || p.Def.Type == definition.ParamReference && modifier == "identifier" {
			if c, ok := g.withModifier(p, modifier, seed); ok {
				return c, true
			}
		}
	}
	return condition{}, false
}

func (g *generator) withModifier(p *search.Param, modifier string, seed *search.Candidate) (condition, bool) {
	c := condition{name: p.Code + ":" + modifier, param: p}
	switch modifier {
	case "missing":
		return g.missing(p, seed), true
	case "not":
		return g.not(p, seed), true
	case "[type]":
		return g.typed(p, seed)
	}
	form := modifier
	if modifier == "not-in" {
		form = "in"
	}
	var hits bool
	if c.values, hits = g.modifiedValues(p, form, seed); len(c.values) == 0 {
		return c, false
	}
	c.says = verdictOf(hits)
	if modifier == "not-in" {
		c.says = -c.says
	}
	return c, true
}

// missing asks whether there is a value.
// http://hl7.org/fhir/R4/search.html#missing
func (g *generator) missing(p *search.Param, seed *search.Candidate) condition {
	c := condition{name: p.Code + ":missing", values: []string{"false"}, param: p}
	for _, e := range seed.Entries {
		if e.Param == p {
			c.says = hit
		}
	}
	if len(g.items(p.Def.Expression, seed.Tree.Root())) == 0 {
		c.says = miss
	}
	if (c.says == miss) != g.chance(4) { // mostly what it finds
		c.values, c.says = []string{"true"}, -c.says
	}
	return c
}

// not finds what has no such code, or no code at all.
func (g *generator) not(p *search.Param, seed *search.Candidate) condition {
	if g.chance(2) {
		return condition{p.Code + ":not", []string{g.miss(p.Def)}, hit, p}
	}
	values, hits := g.values(p, seed)
	return condition{p.Code + ":not", values, -verdictOf(hits), p}
}

// typed names the type that a reference is to.
func (g *generator) typed(p *search.Param, seed *search.Candidate) (condition, bool) {
	for _, e := range seed.Entries {
		target, id, ok := search.ParseReferenceKey(e.Key)
		if e.Param != p || !ok || !refersTo(p, target) || g.chance(4) {
			continue
		}
		c := condition{p.Code + ":" + target, []string{g.oneOf("", target+"/") + id}, hit, p}
		if g.chance(3) {
			c.values = append(c.values, "no-such-id")
		}
		return c, true
	}
	return condition{}, false
}

// modifiedValues are one alternative made from the seed, and sometimes one
// from another resource.
func (g *generator) modifiedValues(p *search.Param, modifier string, seed *search.Candidate) (values []string, hits bool) {
	for _, c := range []*search.Candidate{seed, g.another(p.Type)} {
		all := g.modifiedOperands(p, modifier, c.Tree.Root())
		if len(all) == 0 || c != seed && len(values) > 0 && !g.chance(3) {
			continue
		}
		o := all[g.random.IntN(len(all))]
		values, hits = append(values, o.text), hits || c == seed && o.hits
	}
	g.shuffle(values)
	return values, hits
}

// near is a circle around a Location, or not far from it.
// http://hl7.org/fhir/R4/location.html#search
func (g *generator) near(seed *search.Candidate, _ int) (condition, bool) {
	position := seed.Tree.Root().Child("position")
	if seed.Type != "Location" || !position.Exists() {
		return condition{}, false
	}
	lat, lon := position.TextOf("latitude"), position.TextOf("longitude")
	c := condition{name: "near", says: hit}
	if lat == "" || lon == "" || len(g.entriesOf(seed, "near")) == 0 {
		return condition{}, false
	}
	if g.chance(2) {
		// A tenth of a degree is up to 11 km.
		lat, lon, c.says = cutTenths(lat), cutTenths(lon), unsure
	}
	distance := g.oneOf("", "|", "|0.1", "|5|km", "|12000|m", "|3e1", "|20|[mi_i]", "|1000|[ft_i]", "|25000|km")
	c.values = []string{lat + "|" + lon + distance}
	if g.chance(4) {
		c.values = append(c.values, "-48.87|-123.39|10")
	}
	return c, true
}

func cutTenths(text string) string {
	if i := strings.IndexByte(text, '.'); i > 0 {
		return text[:min(i+2, len(text))]
	}
	return text
}

func (g *generator) entriesOf(c *search.Candidate, code string) []search.Entry {
	var entries []search.Entry
	for _, e := range c.Entries {
		if e.Param.Code == code {
			entries = append(entries, e)
		}
	}
	return entries
}
