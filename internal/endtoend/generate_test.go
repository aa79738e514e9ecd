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
	// says is what the specification says of the seed.
	says verdict
}

// A verdict is whether a condition holds for the resource that it was made
// from. Of two conditions both hold with the lesser, and one with the greater.
type verdict int8

const (
	miss   verdict = -1 // it does not
	unsure verdict = 0
	hit    verdict = 1
)

func verdictOf(hits bool) verdict {
	if hits {
		return hit
	}
	return unsure
}

// A condition is one parameter of a query.
type condition struct {
	name string
	// values are the alternatives, escaped.
	values []string
	says   verdict
	// param is the parameter of the searched type that is looked at, nil for
	// those that look elsewhere.
	param *search.Param
}

func (c *condition) String() string { return pair(c.name, c.values...) }

// A generator makes random searches on a population from its own values.
type generator struct {
	*population
	*writer
	// params are the search parameters of a type that some resource has a
	// value of.
	params map[string][]*search.Param
	// incoming are the reference parameters that refer to a type.
	incoming map[string][]*search.Param
	// referrers are what refers to a resource, by "Type/id".
	referrers map[string][]link
}

func newGenerator(p *population, random *rand.Rand) *generator {
	g := &generator{
		population: p, writer: newWriter(random, p.store.Registry(), p.store.Base()),
		params: map[string][]*search.Param{}, incoming: map[string][]*search.Param{},
		referrers: map[string][]link{},
	}
	for _, t := range p.types {
		g.learn(t)
	}
	g.learnReferrers()
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
	if len(g.byType["Location"]) > 0 && g.chance(20) {
		return g.another("Location") // the only ones with "near"
	}
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
	return p.Def != nil && p.Def.Type != definition.ParamSpecial && p.Def.Expression != ""
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
	q := query{seed: seed, says: hit}
	conditions := make([]condition, 1+g.random.IntN(3))
	for i := range conditions {
		conditions[i] = g.condition(seed, 0)
	}
	types := seed.Type
	if g.chance(20) {
		types, conditions = g.severalTypes(seed)
	}
	var pairs []string
	for _, c := range conditions {
		pairs = append(pairs, c.String())
		q.says = min(q.says, c.says)
	}
	pairs = append(pairs, g.results(types, conditions)...)
	q.url = types + "?" + strings.Join(pairs, "&")
	return q
}

// pair is name=value, percent-encoded.
func pair(name string, values ...string) string {
	return name + "=" + url.QueryEscape(strings.Join(values, ","))
}

// condition makes a parameter with its values. depth counts the references
// that were followed to the seed.
func (g *generator) condition(seed *search.Candidate, depth int) condition {
	forms := g.forms(depth)
	if seed.Type == "Location" {
		forms = append(forms, g.near, g.near, g.near, g.near)
	}
	if c, ok := forms[g.random.IntN(len(forms))](seed, depth); ok {
		return c
	}
	return g.id(seed)
}

type form = func(seed *search.Candidate, depth int) (c condition, ok bool)

// forms are the kinds of conditions, each as often as it should come up.
func (g *generator) forms(depth int) []form {
	forms := []form{
		g.own, g.own, g.own, g.own, g.own, g.own, g.others, g.others, g.updated, g.ownID,
		g.modified, g.modified, g.modified, g.modified, g.modified, g.list, g.near,
	}
	if depth < maxSteps {
		forms = append(forms, g.chain, g.chain, g.chain, g.has, g.has, g.has)
	}
	if depth == 0 {
		forms = append(forms, g.filter, g.filter, g.filter)
	}
	return forms
}

// own is a parameter that the seed has a value of.
func (g *generator) own(seed *search.Candidate, _ int) (condition, bool) {
	params := paramsOf(seed)
	if len(params) == 0 {
		return condition{}, false
	}
	p := params[g.random.IntN(len(params))]
	values, hits := g.values(p, seed)
	return condition{p.Code, values, verdictOf(hits), p}, true
}

// others is a parameter that others of the type have, maybe not this one.
func (g *generator) others(seed *search.Candidate, _ int) (condition, bool) {
	all := g.params[seed.Type]
	if len(all) == 0 {
		return condition{}, false
	}
	p := all[g.random.IntN(len(all))]
	values, _ := g.values(p, g.another(seed.Type))
	return condition{p.Code, values, unsure, p}, true
}

func (g *generator) updated(seed *search.Candidate, _ int) (condition, bool) {
	return condition{name: "_lastUpdated", values: []string{g.prefixed(g.instant(seed), false).text}}, true
}

func (g *generator) ownID(seed *search.Candidate, _ int) (condition, bool) { return g.id(seed), true }

// instant is when the seed was written, to the minute, second or whole.
func (g *generator) instant(seed *search.Candidate) string {
	return seed.LastUpdated.Format(g.oneOf("2006-01-02T15:04Z", "2006-01-02T15:04:05Z", fhir.TimeLayout))
}

func (g *generator) id(seed *search.Candidate) condition {
	ids := []string{seed.ID}
	for g.chance(2) {
		ids = append(ids, g.oneOf("no-such-id", g.another(seed.Type).ID, g.all[g.random.IntN(len(g.all))].ID))
	}
	g.shuffle(ids)
	if g.chance(8) {
		return condition{name: "_id:not", values: ids, says: miss}
	}
	return condition{name: "_id", values: ids, says: hit}
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

// severalTypes turns to a search of several types by what all of them have.
func (g *generator) severalTypes(seed *search.Candidate) (types string, conditions []condition) {
	list := []string{seed.Type}
	for len(list) < 3 {
		if t := g.types[g.random.IntN(len(g.types))]; !slices.Contains(list, t) {
			list = append(list, t)
		}
	}
	c := g.id(seed)
	if !g.chance(3) {
		c, _ = g.updated(seed, 0)
	}
	return strings.Join(list, ","), []condition{c}
}

// results makes the parameters that say what the answer holds.
func (g *generator) results(types string, conditions []condition) []string {
	pairs := []string{fmt.Sprintf("_count=%d", 1+g.random.IntN(50))}
	if g.chance(2) {
		pairs = append(pairs, pair("_sort", g.sortKeys(types, conditions)...))
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

// sortKeys takes, every second time, what the conditions are on.
func (g *generator) sortKeys(types string, conditions []condition) []string {
	codes := []string{"_id", "_lastUpdated"}
	if !strings.Contains(types, ",") {
		for _, p := range g.params[types] {
			if p.Def.Type != definition.ParamComposite {
				codes = append(codes, p.Code)
			}
		}
	}
	var on []string
	for _, c := range conditions {
		if c.param != nil && slices.Contains(codes, c.param.Code) {
			on = append(on, c.param.Code)
		}
	}
	if len(on) > 0 && g.chance(2) {
		codes = on
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
