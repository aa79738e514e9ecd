package search

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// resultParams are the parameters that say what the answer holds rather than
// which resources match. http://hl7.org/fhir/R4/search.html#result
var resultParams = map[string]func(p *parser, pair Pair) *fhir.Error{
	"_count":              (*parser).count,
	"_sort":               (*parser).sort,
	"_sort:asc":           sortRefused,
	"_sort:desc":          sortRefused,
	"_total":              (*parser).total,
	"_type":               (*parser).typ,
	"_include":            (*parser).include,
	"_revinclude":         (*parser).revinclude,
	"_include:iterate":    (*parser).include,
	"_include:recurse":    recurseRefused,
	"_revinclude:iterate": (*parser).revinclude,
	"_revinclude:recurse": recurseRefused,
	"_format":             ignored,
	"_pretty":             ignored,
	"_summary":            (*parser).summary,
	"_elements":           (*parser).elements,
	"_contained":          (*parser).contained,
	"_containedType":      (*parser).containedType,
	"_score":              scoreRefused,
	"_maxresults":         (*parser).maxResults,
	"_graph":              resultRefused,
	"_include:logical":    resultRefused,
	"_revinclude:logical": resultRefused,
}

func ignored(*parser, Pair) *fhir.Error { return nil }

func resultRefused(_ *parser, pair Pair) *fhir.Error {
	return fhir.Errorf(fhir.KindNotSupported, "the parameter %s is not supported yet", pair.Name)
}

func sortRefused(_ *parser, pair Pair) *fhir.Error {
	return unknownParam("%s is of releases before R4; write _sort=%s, or _sort=-%[2]s for the other way round", pair.Name, pair.Value)
}

func scoreRefused(*parser, Pair) *fhir.Error {
	return unknownParam("_score is no parameter but a key of _sort: _sort=_score")
}

// maxResults reads _maxresults, which R5 has: how many matches all pages
// together have at most. http://hl7.org/fhir/R5/search.html#_maxresults
func (p *parser) maxResults(pair Pair) *fhir.Error {
	if !p.opt.MaxResults {
		return resultRefused(p, pair)
	}
	if err := p.once(pair); err != nil {
		return err
	}
	n, err := strconv.Atoi(pair.Value)
	if err != nil || n < 1 {
		return fhir.Errorf(fhir.KindInvalid, "the value %q of _maxresults is not a whole number from 1", pair.Value)
	}
	p.query.MaxResults = n
	p.keep(pair)
	return nil
}

func recurseRefused(_ *parser, pair Pair) *fhir.Error {
	return fhir.Errorf(fhir.KindNotSupported, "%s is not supported: R4's name for it is :iterate", pair.Name)
}

// iterates reports whether an include has the modifier :iterate.
func (p *parser) iterates(pair Pair) (bool, *fhir.Error) {
	iterate := strings.HasSuffix(pair.Name, ":iterate")
	if iterate && !p.opt.Iterate {
		return false, fhir.Errorf(fhir.KindNotSupported, "%s is not supported yet: includes follow one reference", pair.Name)
	}
	return iterate, nil
}

// once refuses a second occurrence of a parameter.
func (p *parser) once(pair Pair) *fhir.Error {
	if p.seen[pair.Name] {
		return fhir.Errorf(fhir.KindInvalid, "the parameter %s may be given only once", pair.Name)
	}
	p.seen[pair.Name] = true
	return nil
}

// count reads _count. http://hl7.org/fhir/R4/search.html#count
func (p *parser) count(pair Pair) *fhir.Error {
	if err := p.once(pair); err != nil {
		return err
	}
	for _, c := range []byte(pair.Value) {
		if c < '0' || c > '9' {
			return fhir.Errorf(fhir.KindInvalid, "the value %q of _count is not a whole number from 0 to %d", pair.Value, MaxCount)
		}
	}
	n, err := strconv.Atoi(pair.Value)
	if err != nil || n > MaxCount {
		p.warn("_count", "pages have at most %d matches", MaxCount)
		n = MaxCount
		pair.Value = strconv.Itoa(n)
	}
	p.query.Count = n
	p.keep(pair)
	return nil
}

var totals = map[string]TotalMode{"none": TotalNone, "estimate": TotalEstimate, "accurate": TotalAccurate}

// total reads _total. http://hl7.org/fhir/R4/search.html#total
func (p *parser) total(pair Pair) *fhir.Error {
	return choose(p, pair, &p.query.Total, totals, "none, estimate and accurate")
}

// choose reads a parameter that takes one of some words.
func choose[T any](p *parser, pair Pair, to *T, words map[string]T, names string) *fhir.Error {
	if err := p.once(pair); err != nil {
		return err
	}
	value, ok := words[pair.Value]
	if !ok {
		return fhir.Errorf(fhir.KindInvalid, "the value %q of %s is not one of %s", pair.Value, pair.Name, names)
	}
	*to = value
	p.keep(pair)
	return nil
}

// sort reads _sort: codes separated by commas, with a - for descending order.
// http://hl7.org/fhir/R4/search.html#sort
func (p *parser) sort(pair Pair) *fhir.Error {
	var keys []SortKey
	for v := range strings.SplitSeq(pair.Value, ",") {
		code, desc := strings.CutPrefix(v, "-")
		if code == "" {
			return fhir.Errorf(fhir.KindInvalid, "the value %q of _sort has an empty key", pair.Value)
		}
		if code == keyScore {
			if err := p.byScore(); err != nil {
				return err
			}
			continue
		}
		k, err := p.sortKey(code)
		if err != nil {
			return err
		}
		k.Desc = desc
		keys = append(keys, k)
	}
	p.query.Plan.Sort = append(p.query.Plan.Sort, keys...)
	p.keep(pair)
	return nil
}

// keyScore is the key of _sort for relevance.
const keyScore = "_score"

func (p *parser) byScore() *fhir.Error {
	if !p.opt.Rank {
		return fhir.Errorf(fhir.KindNotSupported, "_sort=_score is not supported here")
	}
	p.seen[keyScore] = true
	return nil
}

// checkOrder decides whether relevance is the order.
func (p *parser) checkOrder() error {
	q := p.query
	asked := p.seen[keyScore]
	switch {
	case asked && len(q.Plan.Sort) > 0:
		return fhir.Errorf(fhir.KindInvalid, "_sort: _score is an order by itself, without other keys").At("http._sort")
	case asked && len(q.Relevance) == 0:
		return fhir.Errorf(fhir.KindInvalid, "_sort=_score needs a _text or _content that says which words are relevant").At("http._sort")
	case len(q.Plan.Sort) > 0 || !p.opt.Rank:
		q.Relevance = nil
	}
	return nil
}

func (p *parser) sortKey(code string) (SortKey, *fhir.Error) {
	switch code {
	case paramID:
		return SortKey{ID: true}, nil
	case paramLastUpdated:
		return SortKey{}, nil
	}
	params := make([]*Param, len(p.types))
	for i, t := range p.types {
		param, err := p.param(t, code)
		if err != nil {
			return SortKey{}, err.At("http._sort")
		}
		if t := param.Def.Type; t == definition.ParamComposite || t == definition.ParamSpecial || param.words {
			return SortKey{}, fhir.Errorf(fhir.KindInvalid, "_sort: %s is a %s parameter, which has no order", code, typeNames[t])
		}
		params[i] = param
	}
	return SortKey{Params: params}, nil
}

// restrictTypes applies _type, which a search of several types may have,
// before anything else is read. http://hl7.org/fhir/R4/http.html#search
func (p *parser) restrictTypes(pairs []Pair) error {
	for _, pair := range pairs {
		if pair.Name != "_type" || pair.Value == "" || len(p.types) < 2 {
			continue
		}
		var keep []string
		for t := range strings.SplitSeq(pair.Value, ",") {
			if p.registry.byType[t] == nil {
				return fhir.Errorf(fhir.KindInvalid, "%q in _type is not a resource type", t).At("http._type")
			}
			if slices.Contains(p.types, t) && !slices.Contains(keep, t) {
				keep = append(keep, t)
			}
		}
		p.types, p.byType = keep, true
	}
	return nil
}

func (p *parser) typ(pair Pair) *fhir.Error {
	if !p.byType {
		return unknownParam("_type belongs to a search of several resource types; this one is on %s", strings.Join(p.types, ", "))
	}
	p.keep(pair)
	return p.once(pair)
}

// include reads _include=Source:param[:Target], _include=Source:* and
// _include=*. With :iterate the source may be a type that another include
// adds, and * is every type. http://hl7.org/fhir/R4/search.html#include
func (p *parser) include(pair Pair) *fhir.Error {
	iterate, err := p.iterates(pair)
	if err != nil {
		return err
	}
	if pair.Value == "*" {
		types := p.types
		if iterate {
			types = p.registry.allTypes
		}
		for _, t := range types {
			p.query.Includes = append(p.query.Includes, Include{Source: t, Params: p.registry.references(t), Iterate: iterate})
		}
		p.keep(pair)
		return nil
	}
	inc, err := p.includeOf(pair)
	if err != nil {
		return err
	}
	inc.Iterate = iterate
	if !iterate && !slices.Contains(p.types, inc.Source) {
		return unknownParam("_include=%s starts from %s, but the search is on %s", pair.Value, inc.Source, strings.Join(p.types, ", "))
	}
	p.query.Includes = append(p.query.Includes, inc)
	p.keep(pair)
	return nil
}

// revinclude reads _revinclude=Source:param[:Target], _revinclude=Source:* and
// _revinclude=*, which stands for Source:* of each type that refers to one of
// those searched. With :iterate the resources referred to may be any.
func (p *parser) revinclude(pair Pair) *fhir.Error {
	iterate, err := p.iterates(pair)
	if err != nil {
		return err
	}
	if pair.Value == "*" {
		return p.revincludeAll(pair, iterate)
	}
	inc, err := p.includeOf(pair)
	if err != nil {
		return err
	}
	inc.Iterate = iterate
	if !iterate {
		inc.Params = p.referring(inc)
	}
	if len(inc.Params) == 0 {
		return unknownParam("_revinclude=%s refers to no resource of type %s", pair.Value, strings.Join(p.types, ", "))
	}
	p.query.RevIncludes = append(p.query.RevIncludes, inc)
	p.keep(pair)
	return nil
}

func (p *parser) revincludeAll(pair Pair, iterate bool) *fhir.Error {
	if !p.opt.Iterate {
		return fhir.Errorf(fhir.KindNotSupported, "_revinclude=* is not supported: name the resource type, as in Observation:*")
	}
	for _, t := range p.registry.allTypes {
		inc := Include{Source: t, Params: p.registry.references(t), Iterate: iterate}
		if !iterate {
			inc.Params = p.referring(inc)
		}
		if len(inc.Params) > 0 {
			p.query.RevIncludes = append(p.query.RevIncludes, inc)
		}
	}
	p.keep(pair)
	return nil
}

// referring are those parameters of a _revinclude that may refer to a searched
// type.
func (p *parser) referring(inc Include) []*Param {
	return slices.DeleteFunc(slices.Clone(inc.Params), func(param *Param) bool {
		return !slices.ContainsFunc(p.types, func(t string) bool {
			return (inc.Target == "" || inc.Target == t) && slices.Contains(p.registry.targets(param), t)
		})
	})
}

// includeOf reads Source:param[:Target].
func (p *parser) includeOf(pair Pair) (Include, *fhir.Error) {
	parts := strings.Split(pair.Value, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return Include{}, fhir.Errorf(fhir.KindInvalid, "the value %q of %s does not look like Observation:subject or Observation:subject:Patient", pair.Value, pair.Name)
	}
	inc := Include{Source: parts[0]}
	if p.registry.byType[inc.Source] == nil {
		return Include{}, unknownParam("%q in %s is not a resource type", inc.Source, pair.Name)
	}
	if len(parts) == 3 && parts[2] != "" {
		inc.Target = parts[2]
		if p.registry.byType[inc.Target] == nil {
			return Include{}, unknownParam("%q in %s is not a resource type", inc.Target, pair.Name)
		}
	}
	if parts[1] == "*" {
		inc.Params = p.registry.references(inc.Source)
		return inc, nil
	}
	param, err := p.param(inc.Source, parts[1])
	if err != nil {
		return Include{}, err
	}
	if param.Def.Type != definition.ParamReference {
		return Include{}, unknownParam("%s: %s of %s is of type %s; only references can be followed", pair.Name, param.Code, inc.Source, typeNames[param.Def.Type])
	}
	if inc.Target != "" && !slices.Contains(p.registry.targets(param), inc.Target) {
		return Include{}, unknownParam("%s: %s of %s does not refer to %s but to %s", pair.Name, param.Code, inc.Source, inc.Target, strings.Join(p.registry.targets(param), ", "))
	}
	inc.Params = []*Param{param}
	return inc, nil
}

// references are a type's reference parameters, by code.
func (r *Registry) references(resourceType string) []*Param {
	var params []*Param
	for _, code := range slices.Sorted(maps.Keys(r.byType[resourceType])) {
		if p := r.byType[resourceType][code]; p.Def != nil && p.Def.Type == definition.ParamReference && !p.building {
			params = append(params, p)
		}
	}
	return params
}
