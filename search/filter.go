package search

import (
	"bytes"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
	"github.com/tarnhealth/tarn/search/compare"
	"github.com/tarnhealth/tarn/search/define"
	"github.com/tarnhealth/tarn/search/filter"
)

const paramFilter = "_filter"

// filter reads _filter. http://hl7.org/fhir/R4/search_filter.html
func (p *parser) filter(text string) (func(resourceType string) (Node, *fhir.Error), *fhir.Error) {
	e, err := filter.Parse(text)
	if err != nil {
		return nil, fhir.Errorf(fhir.KindOf(err), "%v", err)
	}
	return func(resourceType string) (Node, *fhir.Error) { return p.filterExpr(resourceType, e, 0) }, nil
}

func (p *parser) filterExpr(resourceType string, e filter.Expr, depth int) (Node, *fhir.Error) {
	switch e := e.(type) {
	case filter.And:
		left, right, err := p.filterBoth(resourceType, e.Left, e.Right, depth)
		return And{left, right}, err
	case filter.Or:
		left, right, err := p.filterBoth(resourceType, e.Left, e.Right, depth)
		return Or{left, right}, err
	case filter.Not:
		n, err := p.filterExpr(resourceType, e.Expr, depth)
		return Not{n}, err
	}
	t := e.(filter.Test)
	return p.filterPath(resourceType, &t, t.Path, depth)
}

func (p *parser) filterBoth(resourceType string, a, b filter.Expr, depth int) (left, right Node, err *fhir.Error) {
	if left, err = p.filterExpr(resourceType, a, depth); err != nil {
		return nil, nil, err
	}
	right, err = p.filterExpr(resourceType, b, depth)
	return left, right, err
}

// filterPath follows the references of a path up to its last step.
func (p *parser) filterPath(resourceType string, t *filter.Test, path []filter.Step, depth int) (Node, *fhir.Error) {
	step := path[0]
	if len(path) == 1 {
		n, err := p.filterTest(resourceType, step.Name, t)
		return n, atCharacter(step.At, err)
	}
	link := chainLink{head: step.Name, rest: path[1].Name, depth: depth}
	n, err := p.follow(resourceType, link, func(target string) (Node, *fhir.Error) {
		n, err := p.filterPath(target, t, path[1:], depth+1)
		if err != nil || step.Filter == nil {
			return n, err
		}
		where, err := p.filterExpr(target, step.Filter, depth+1)
		return And{where, n}, err
	})
	return n, atCharacter(step.At, err)
}

// atCharacter tells the place that an error is about, unless it does already.
func atCharacter(at int, err *fhir.Error) *fhir.Error {
	if err == nil || strings.HasPrefix(err.Error(), "at character ") {
		return err
	}
	e := fhir.Errorf(err.Kind, "at character %d of the filter: %v", at, err)
	e.Issues[0].Code = err.Issues[0].Code
	return e
}

// A filterOp is what an operator means for the parameters of some types.
type filterOp struct {
	types []definition.ParamType
	read  func(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error)
}

var filterOps = map[string][]filterOp{
	"eq": {{ordered, filterPrefixed}, {only(definition.ParamString), filterEqual}, {only(definition.ParamURI), filterCode}, {codes, filterCode}},
	"ne": {{ordered, filterPrefixed}, {texts, filterText(unequal)}, {codes, filterOtherCode}},
	"gt": {{ordered, filterPrefixed}, {only(definition.ParamString), filterText(greater)}},
	"lt": {{ordered, filterPrefixed}, {only(definition.ParamString), filterText(less)}},
	"ge": {{ordered, filterPrefixed}, {only(definition.ParamString), filterText(not(less))}},
	"le": {{ordered, filterPrefixed}, {only(definition.ParamString), filterText(not(greater))}},
	"sa": {{ordered, filterPrefixed}},
	"eb": {{ordered, filterPrefixed}},
	"ap": {{ordered, filterPrefixed}},
	"co": {{texts, filterText(bytes.Contains)}, {only(definition.ParamDate), filterPeriod(interval.Covers)}},
	"sw": {{only(definition.ParamString), filterStart}, {only(definition.ParamURI), filterText(bytes.HasPrefix)}},
	"ew": {{texts, filterText(bytes.HasSuffix)}},
	"po": {{only(definition.ParamDate), filterPeriod(interval.Overlaps)}},
	"pr": {{nil, filterPresent}},
	"in": {{only(definition.ParamToken), filterBy(tokenKind{}.in)}},
	"ni": {{only(definition.ParamToken), filterNotIn}},
	"re": {{only(definition.ParamReference), filterCode}},
	"ss": {{only(definition.ParamToken), filterBy(tokenKind{}.below)}},
	"sb": {{only(definition.ParamToken), filterBy(tokenKind{}.above)}},
}

var (
	ordered = only(definition.ParamNumber, definition.ParamDate, definition.ParamQuantity)
	texts   = only(definition.ParamString, definition.ParamURI)
	codes   = only(definition.ParamToken, definition.ParamReference)
)

// filterTest is the last step of a path.
func (p *parser) filterTest(resourceType, code string, t *filter.Test) (Node, *fhir.Error) {
	if p.values++; p.values > MaxValues {
		return nil, fhir.Errorf(fhir.KindTooCostly, "the search has more than %d values", MaxValues)
	}
	param, err := p.param(resourceType, code)
	if err != nil {
		return nil, err
	}
	if param.words && t.Op != "pr" {
		return nil, unknownParam("the comparison %s does not go with %s, which takes pr in a filter", t.Op, code)
	}
	if err := p.checkRules(param, []string{filterValue(param, t)}); err != nil {
		return nil, err
	}
	if define.IsModifier(t.Op) && !define.AllowsModifier(param.Def, t.Op, false) {
		return nil, unknownParam("%s does not take the comparison %s, by its definition (modifier)", code, t.Op)
	}
	for _, op := range filterOps[t.Op] {
		if op.types == nil || slices.Contains(op.types, param.Def.Type) {
			return op.read(p, param, t)
		}
	}
	return nil, unknownParam("the comparison %s does not go with %s, which is of type %s", t.Op, code, typeNames[param.Def.Type])
}

// filterValue makes a filter's value one that a kind reads: behind an operator
// that is a prefix as well, and with the short names of code systems written
// out.
func filterValue(param *Param, t *filter.Test) string {
	value := t.Value
	for short, system := range map[string]string{
		"loinc": "http://loinc.org", "snomed": "http://snomed.info/sct",
		"rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm", "ucum": ucumSystem,
	} {
		switch {
		case param.Def.Type == definition.ParamToken && strings.HasPrefix(value, short+"|"):
			value = system + value[len(short):]
		case param.Def.Type == definition.ParamQuantity:
			value = strings.Replace(value, "|"+short+"|", "|"+system+"|", 1)
		}
	}
	if slices.Contains(ordered, param.Def.Type) {
		return t.Op + value
	}
	return value
}

// filterPrefixed is for the operators that are compare.Names as well.
func filterPrefixed(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
	if param.Code == paramLastUpdated {
		return p.updated([]string{filterValue(param, t)})
	}
	return p.terms(param, []string{filterValue(param, t)})
}

func filterCode(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
	if param.Code == paramID {
		return idNode([]string{t.Value})
	}
	return p.terms(param, []string{filterValue(param, t)})
}

// filterOtherCode holds for a resource with a code or reference that is not
// the value.
func filterOtherCode(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
	if param.Code == paramID {
		n, err := idNode([]string{t.Value})
		return Not{n}, err
	}
	value := *t
	value.Value = filterValue(param, t)
	return p.anyValue(param, []string{value.Value}, func(o *operand) ([]condition, error) {
		c, err := param.kind.query(o)
		if err == nil && c.recheck != nil {
			err = fhir.Errorf(fhir.KindInvalid, "%q names a version, which ne cannot compare", t.Value)
		}
		return []condition{{spans: []Span{param.kind.sorted()}, test: func(key []byte) bool { return !c.holds(key) }}}, err
	})
}

func filterPresent(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
	switch t.Value {
	case "true":
		return p.missing(param, []string{"false"})
	case "false":
		return p.missing(param, []string{"true"})
	}
	return nil, fhir.Errorf(fhir.KindInvalid, "the value of pr is true or false, not %q", t.Value)
}

// filterBy reads a value as a modifier does.
func filterBy(read func(o *operand) ([]condition, error)) func(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
	return func(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
		return each(read)(p, param, []string{filterValue(param, t)})
	}
}

func filterNotIn(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
	n, err := filterBy(tokenKind{}.in)(p, param, t)
	return Not{n}, err
}

// filterEqual looks for a whole text, without case and accents.
func filterEqual(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
	key := append(chars.AppendFolded(nil, []byte(t.Value)), 0)
	if len(key) == 1 || isCut(key) {
		return filterText(bytes.Equal)(p, param, t)
	}
	return Terms{Param: param, Spans: []Span{Exactly(key)}}, nil
}

// filterStart looks for the beginning of a text, as a string search does.
func filterStart(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
	escaped := strings.ReplaceAll(t.Value, `\`, `\\`)
	return p.terms(param, []string{escaped})
}

// filterText compares the folded text of strings, and that of URIs as it is.
func filterText(compare func(text, value []byte) bool) func(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
	return func(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
		return p.anyValue(param, []string{t.Value}, func(o *operand) ([]condition, error) {
			if param.Def.Type == definition.ParamURI {
				value := []byte(o.value)
				return []condition{{spans: []Span{everything}, test: func(key []byte) bool { return compare(key[:len(key)-1], value) }}}, nil
			}
			value := chars.AppendFolded(nil, []byte(o.value))
			if len(value) == 0 {
				return nil, fhir.Errorf(fhir.KindInvalid, "%q has no character to search for", o.value)
			}
			return wholeText(o, func(text []byte) bool { return compare(text, value) }), nil
		})
	}
}

func unequal(text, value []byte) bool { return !bytes.Equal(text, value) }
func greater(text, value []byte) bool { return bytes.Compare(text, value) > 0 }
func less(text, value []byte) bool    { return bytes.Compare(text, value) < 0 }

func not(compare func(text, value []byte) bool) func(text, value []byte) bool {
	return func(text, value []byte) bool { return !compare(text, value) }
}

// filterPeriod compares the period of a stored date with that of the value.
func filterPeriod(holds func(stored, value interval) bool) func(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
	return func(p *parser, param *Param, t *filter.Test) (Node, *fhir.Error) {
		if param.kind == nil {
			return nil, unknownParam("the comparison %s does not go with %s", t.Op, param.Code)
		}
		return p.anyValue(param, []string{t.Value}, func(o *operand) ([]condition, error) {
			value, ok := compare.ParseInterval(o.value)
			if !ok {
				return nil, fhir.Errorf(fhir.KindInvalid, "%q is not a date; a date looks like 2020, 2020-01, 2020-01-31 or 2020-01-31T10:30:00Z", o.value)
			}
			c := dateCondition(compare.Ap, value)
			c.test, c.sure = func(key []byte) bool { return holds(compare.OfKey(key), value) }, nil
			return []condition{c}, nil
		})
	}
}
