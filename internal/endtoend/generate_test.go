package endtoend

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// A query is a generated search.
type query struct {
	url string // "Patient?name=x", of several types "Patient,Group?…"
	// seed is the resource that the search was made from.
	seed *search.Candidate
	// found is set where the specification says that the seed is a match.
	found bool
}

// A generator makes random searches on a population from its own values.
type generator struct {
	*population
	*writer
	// params are the search parameters of a type that some resource has a
	// value of.
	params map[string][]*search.Param
	// incoming are the reference parameters that refer to a type.
	incoming map[string][]*search.Param
}

func newGenerator(p *population, random *rand.Rand) *generator {
	g := &generator{
		population: p, writer: newWriter(random, p.store.Registry(), p.store.Base()),
		params: map[string][]*search.Param{}, incoming: map[string][]*search.Param{},
	}
	for _, t := range p.types {
		g.learn(t)
	}
	return g
}

// learn notes which parameters of a type have values and what they refer to.
func (g *generator) learn(resourceType string) {
	used, refers := map[*search.Param]bool{}, map[*search.Param]map[string]bool{}
	for _, c := range g.byType[resourceType] {
		for _, e := range c.Entries {
			if !offered(e.Param) {
				continue
			}
			used[e.Param] = true
			if target, _, ok := search.ParseReferenceKey(e.Key); ok && e.Param.Def.Type == definition.ParamReference {
				if refers[e.Param] == nil {
					refers[e.Param] = map[string]bool{}
				}
				refers[e.Param][target] = true
			}
		}
	}
	g.params[resourceType] = inOrder(used)
	for _, p := range inOrder(used) {
		for _, target := range slices.Sorted(maps.Keys(refers[p])) {
			g.incoming[target] = append(g.incoming[target], p)
		}
	}
}

func inOrder[V any](params map[*search.Param]V) []*search.Param {
	return slices.SortedFunc(maps.Keys(params), func(a, b *search.Param) int { return a.Ordinal - b.Ordinal })
}

// resource chooses a type, then a resource of it, so that rare types come up
// as often as others; every second time among the types that are many.
func (g *generator) resource() *search.Candidate {
	if g.chance(2) {
		return g.all[g.random.IntN(len(g.all))]
	}
	return g.another(g.types[g.random.IntN(len(g.types))])
}

func (g *generator) another(resourceType string) *search.Candidate {
	list := g.byType[resourceType]
	return list[g.random.IntN(len(list))]
}

// offered reports whether the generator makes values for a parameter.
func offered(p *search.Param) bool {
	return p.Def != nil && p.Def.Type != definition.ParamSpecial
}

// paramsOf are the parameters that a resource has values of.
func paramsOf(c *search.Candidate) []*search.Param {
	var params []*search.Param
	for _, e := range c.Entries {
		if offered(e.Param) && (len(params) == 0 || params[len(params)-1] != e.Param) {
			params = append(params, e.Param)
		}
	}
	return params
}

// query makes one search.
func (g *generator) query() query {
	seed := g.resource()
	q := query{seed: seed, found: true}
	var pairs []string
	for range 1 + g.random.IntN(3) {
		pair, hits := g.condition(seed)
		pairs = append(pairs, pair)
		q.found = q.found && hits
	}
	types := seed.Type
	if g.chance(20) {
		types, pairs, q.found = g.severalTypes(seed)
	}
	pairs = append(pairs, g.results(types)...)
	q.url = types + "?" + strings.Join(pairs, "&")
	return q
}

// pair is name=value, percent-encoded.
func pair(name string, values ...string) string {
	return name + "=" + url.QueryEscape(strings.Join(values, ","))
}

// condition makes a parameter with its value; hits is set where the seed must
// fulfil it.
func (g *generator) condition(seed *search.Candidate) (text string, hits bool) {
	params := paramsOf(seed)
	switch n := g.random.IntN(20); {
	case n == 0:
		return g.id(seed)
	case n == 1:
		return pair("_lastUpdated", g.prefixed(g.instant(seed), false).text), false
	case n < 6:
		if text, hits, ok := g.chain(seed); ok {
			return text, hits
		}
	case n < 8:
		// A parameter that others of the type have, maybe not this one.
		if all := g.params[seed.Type]; len(all) > 0 {
			p := all[g.random.IntN(len(all))]
			values, _ := g.values(p, g.another(seed.Type))
			return pair(p.Code, values...), false
		}
	}
	if len(params) == 0 {
		return g.id(seed)
	}
	p := params[g.random.IntN(len(params))]
	values, hits := g.values(p, seed)
	return pair(p.Code, values...), hits
}

// instant is when the seed was written, to the minute, second or whole.
func (g *generator) instant(seed *search.Candidate) string {
	return seed.LastUpdated.Format(g.oneOf("2006-01-02T15:04Z", "2006-01-02T15:04:05Z", fhir.TimeLayout))
}

func (g *generator) id(seed *search.Candidate) (text string, hits bool) {
	ids := []string{seed.ID}
	for g.chance(2) {
		ids = append(ids, g.oneOf("no-such-id", g.another(seed.Type).ID, g.all[g.random.IntN(len(g.all))].ID))
	}
	g.shuffle(ids)
	return pair("_id", ids...), true
}

func (g *generator) shuffle(list []string) {
	g.random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// values are the alternatives of one parameter: one made from the seed, and
// sometimes others, of which some are nobody's.
func (g *generator) values(p *search.Param, seed *search.Candidate) (values []string, hits bool) {
	if all := g.operands(p, seed.Tree.Root()); len(all) > 0 {
		o := all[g.random.IntN(len(all))]
		values, hits = append(values, o.text), o.hits
	}
	for len(values) == 0 || len(values) < 4 && g.chance(3) {
		values = append(values, g.otherValue(p))
	}
	g.shuffle(values)
	return values, hits
}

// otherValue is a value of another resource or of none.
func (g *generator) otherValue(p *search.Param) string {
	if all := g.operands(p, g.another(p.Type).Tree.Root()); len(all) > 0 && !g.chance(4) {
		return all[g.random.IntN(len(all))].text
	}
	return g.miss(p.Def)
}

func (g *generator) miss(def *definition.SearchParameter) string {
	switch def.Type {
	case definition.ParamDate:
		return g.oneOf("1801-02", "eb1802", "gt2999-01-01", "2020")
	case definition.ParamNumber:
		return "987654321.5"
	case definition.ParamQuantity:
		return g.oneOf("987654321.5", "1||no-such-unit", "1|http://example.com/none|mg")
	case definition.ParamReference:
		return g.oneOf("Patient/no-such-id", "no-such-id", "http://example.com/fhir/Patient/none")
	case definition.ParamURI:
		return "urn:no:such"
	case definition.ParamToken:
		return g.oneOf("no-such-code", "http://example.com/none|x", "|no-such-code", "http://example.com/none|")
	case definition.ParamComposite:
		parts := make([]string, len(def.Component))
		for i, c := range def.Component {
			parts[i] = escapeSeparators(g.miss(c.Param))
		}
		return strings.Join(parts, "$")
	}
	return "zzqx"
}

func escapeSeparators(text string) string { return strings.ReplaceAll(text, "$", `\$`) }

// chain makes a condition on a resource that the seed refers to.
func (g *generator) chain(seed *search.Candidate) (text string, hits, ok bool) {
	type link struct {
		param  *search.Param
		target *search.Candidate
	}
	var links []link
	for _, e := range seed.Entries {
		if e.Param.Def == nil || e.Param.Def.Type != definition.ParamReference {
			continue
		}
		targetType, id, _ := search.ParseReferenceKey(e.Key)
		target := g.byID[targetType+"/"+id]
		allowed := len(e.Param.Def.Target) == 0 || slices.Contains(e.Param.Def.Target, targetType)
		if target != nil && allowed && len(paramsOf(target)) > 0 {
			links = append(links, link{e.Param, target})
		}
	}
	if len(links) == 0 {
		return "", false, false
	}
	l := links[g.random.IntN(len(links))]
	params := paramsOf(l.target)
	p := params[g.random.IntN(len(params))]
	values, hits := g.values(p, l.target)
	head := l.param.Code
	if g.chance(2) {
		head += ":" + l.target.Type
	}
	if g.chance(8) {
		return pair(head+"._id", l.target.ID, "no-such-id"), true, true
	}
	return pair(head+"."+p.Code, values...), hits, true
}

// severalTypes turns to a search of several types by what all of them have.
func (g *generator) severalTypes(seed *search.Candidate) (types string, pairs []string, hits bool) {
	list := []string{seed.Type}
	for len(list) < 3 {
		if t := g.types[g.random.IntN(len(g.types))]; !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	text, hits := g.id(seed)
	if !g.chance(3) {
		text, hits = pair("_lastUpdated", g.prefixed(g.instant(seed), false).text), false
	}
	return strings.Join(list, ","), []string{text}, hits
}

// results makes the parameters that say what the answer holds.
func (g *generator) results(types string) []string {
	pairs := []string{fmt.Sprintf("_count=%d", 1+g.random.IntN(50))}
	if g.chance(2) {
		pairs = append(pairs, pair("_sort", g.sortKeys(types)...))
	}
	if strings.Contains(types, ",") {
		if g.chance(2) {
			pairs = append(pairs, pair("_include"+g.iterate(), "*"))
		}
		return pairs
	}
	if g.chance(6) {
		if p := g.referenceParam(types); p != nil {
			pairs = append(pairs, pair("_include"+g.iterate(), g.oneOf(types+":"+p.Code, types+":*", "*")))
		}
	}
	if incoming := g.incoming[types]; len(incoming) > 0 && g.chance(6) {
		p := incoming[g.random.IntN(len(incoming))]
		if allowed := p.Def.Target; len(allowed) == 0 || slices.Contains(allowed, types) {
			pairs = append(pairs, pair("_revinclude"+g.iterate(), g.oneOf(p.Type+":"+p.Code, p.Type+":"+p.Code+":"+types, p.Type+":*", "*")))
		}
	}
	return pairs
}

func (g *generator) iterate() string { return g.oneOf("", "", ":iterate") }

func (g *generator) sortKeys(types string) []string {
	codes := []string{"_id", "_lastUpdated"}
	if !strings.Contains(types, ",") {
		for _, p := range g.params[types] {
			if p.Def.Type != definition.ParamComposite {
				codes = append(codes, p.Code)
			}
		}
	}
	keys := make([]string, 1+g.random.IntN(2))
	for i := range keys {
		keys[i] = g.oneOf("", "-") + codes[g.random.IntN(len(codes))]
	}
	return keys
}

func (g *generator) referenceParam(resourceType string) *search.Param {
	var list []*search.Param
	for _, p := range g.params[resourceType] {
		if p.Def.Type == definition.ParamReference {
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[g.random.IntN(len(list))]
}
