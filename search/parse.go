package search

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search/chars"
	"github.com/tarnhealth/tarn/search/literal"
)

// The limits of one search.
const (
	MaxParameters = 100
	MaxValues     = 1000 // over all parameters
)

// A parser reads one search.
type parser struct {
	registry *Registry
	types    []string
	opt      Options
	query    *Query
	// where has the conditions of each part of the plan.
	where []And
	// values counts what MaxValues limits.
	values int
	// joins counts what MaxJoins limits.
	joins int
	seen  map[string]bool
	// byType is set where _type says which types are searched.
	byType bool
	// current is the place of the pair being read; first has those of the
	// parameters with rules.
	current int
	first   map[*Param]int
	// insideAsked is set where _contained asks for what is inside resources.
	insideAsked bool
}

// Parse reads a search on one resource type, or on several: types has the one
// type of a type-level search.
//
// A parameter that is unknown or not offered is an error that names it, or a
// warning where opt.Lenient is set; a value that its parameter cannot have is
// always an error. Parameters without a value are left out.
//
// http://hl7.org/fhir/R4/search.html
func (r *Registry) Parse(types []string, pairs []Pair, opt Options) (*Query, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if len(pairs) > MaxParameters {
		return nil, fhir.Errorf(fhir.KindTooCostly, "the search has %d parameters; at most %d are allowed", len(pairs), MaxParameters)
	}
	p := &parser{registry: r, types: types, opt: opt, query: &Query{Count: DefaultCount}, seen: map[string]bool{}, first: map[*Param]int{}}
	for _, t := range types {
		if r.byType[t] == nil {
			return nil, fhir.Errorf(fhir.KindNotFound, "%s is not a resource type", t)
		}
	}
	if err := p.restrictTypes(pairs); err != nil {
		return nil, err
	}
	p.where = make([]And, len(p.types))
	p.insideAsked = opt.Contained && slices.ContainsFunc(pairs, func(pair Pair) bool {
		return pair.Name == "_contained" && pair.Value != "false" && pair.Value != ""
	})
	for i, pair := range pairs {
		p.current = i
		if err := p.pair(pair); err != nil {
			return nil, err
		}
	}
	for _, check := range []func(*parser) error{(*parser).checkShape, (*parser).checkOrder, (*parser).checkContained} {
		if err := check(p); err != nil {
			return nil, err
		}
	}
	p.query.Plan.Parts = p.parts()
	return p.query, nil
}

// parts are the plan's: one for each type, and those for what is contained.
func (p *parser) parts() []Part {
	parts := make([]Part, len(p.types))
	for i, t := range p.types {
		parts[i].Type = t
		switch len(p.where[i]) {
		case 0:
		case 1:
			parts[i].Where = p.where[i][0]
		default:
			parts[i].Where = p.where[i]
		}
	}
	if p.query.Contained == ContainedFalse {
		return parts
	}
	p.query.inside = func(c *Candidate) ([]fhir.Node, bool, error) { return p.showInside(c, parts) }
	return p.inside(parts)
}

// onlyCondition refuses what a write would have to leave out of its criteria:
// it would then be done to more, or to others, than was meant.
func (p *parser) onlyCondition(pair Pair) error {
	switch {
	case pair.Name == "_format", pair.Name == "_pretty": // they are of any request
		return nil
	case resultParams[pair.Name] != nil:
		return fhir.Errorf(fhir.KindInvalid, "%s says what the answer of a search holds; the criteria of a write have conditions only", pair.Name).At("http." + pair.Name)
	case pair.Value == "":
		return fhir.Errorf(fhir.KindInvalid, "%s has no value; in the criteria of a write every condition has one", pair.Name).At("http." + pair.Name)
	}
	return nil
}

// pair reads one parameter and decides what an error of it means.
func (p *parser) pair(pair Pair) error {
	if p.opt.Criteria {
		if err := p.onlyCondition(pair); err != nil {
			return err
		}
	}
	if pair.Value == "" && pair.Name != "_format" && pair.Name != "_pretty" {
		p.warn(pair.Name, "the parameter %s has no value and was ignored", pair.Name)
		return nil
	}
	var err *fhir.Error
	if !utf8.ValidString(pair.Name+pair.Value) || strings.IndexByte(pair.Value, 0) >= 0 {
		return fhir.Errorf(fhir.KindInvalid, "the parameter %q is not text in UTF-8", pair.Name)
	}
	if result := resultParams[pair.Name]; result != nil {
		err = result(p, pair)
	} else if err = p.condition(pair); err == nil {
		p.keep(pair)
	}
	if err == nil {
		return nil
	}
	if len(err.Issues) > 0 && err.Issues[0].Expression == "" {
		err = err.At("http." + pair.Name)
	}
	if refused(err) && p.opt.Lenient {
		issue := err.Issues[0]
		issue.Severity = fhir.SeverityWarning
		p.query.Warnings = append(p.query.Warnings, issue)
		return nil
	}
	return err
}

// codeUnknown marks the errors about parameters, not values; it is the issue
// code that KindNotSupported has by default.
const codeUnknown = "not-supported"

func refused(err *fhir.Error) bool { return len(err.Issues) > 0 && err.Issues[0].Code == codeUnknown }

// keep puts a pair into the self link.
func (p *parser) keep(pair Pair) { p.query.Self = append(p.query.Self, pair) }

func (p *parser) warn(name, format string, args ...any) {
	issue := fhir.Errorf(fhir.KindInvalid, format, args...).At("http." + name).Issues[0]
	issue.Severity = fhir.SeverityWarning
	p.query.Warnings = append(p.query.Warnings, issue)
}

// condition adds what a search parameter demands to every part of the plan.
func (p *parser) condition(pair Pair) *fhir.Error {
	if err := p.followsNothing(pair); err != nil {
		return err
	}
	read, err := p.reading(pair)
	if err != nil {
		return err
	}
	nodes := make([]Node, len(p.types))
	for i, t := range p.types {
		if nodes[i], err = read(t); err != nil {
			return err
		}
	}
	for i, n := range nodes {
		p.where[i] = append(p.where[i], n)
	}
	return nil
}

// reading is how a search parameter becomes a condition on resources of a type.
func (p *parser) reading(pair Pair) (func(resourceType string) (Node, *fhir.Error), *fhir.Error) {
	if pair.Name == paramFilter {
		return p.filter(pair.Value)
	}
	values, err := p.alternatives(pair)
	return func(t string) (Node, *fhir.Error) { return p.node(t, pair.Name, values, 0) }, err
}

// alternatives are the values between commas, the empty ones left out.
func (p *parser) alternatives(pair Pair) ([]string, *fhir.Error) {
	var values []string
	for _, v := range chars.Split(pair.Value, ',') {
		if strings.Trim(v, "|$ ") != "" {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return nil, fhir.Errorf(fhir.KindInvalid, "the value %q of %s has only separators", pair.Value, pair.Name)
	}
	if p.values += len(values); p.values > MaxValues {
		return nil, fhir.Errorf(fhir.KindTooCostly, "the search has more than %d values", MaxValues)
	}
	return values, nil
}

// node reads a parameter, by its name as it stands in the query, of a
// resource type. depth counts the links of a chain that lead to it.
func (p *parser) node(resourceType, name string, values []string, depth int) (Node, *fhir.Error) {
	if strings.HasPrefix(name, paramHas+":") {
		return p.has(resourceType, name, values, depth)
	}
	if head, rest, ok := strings.Cut(name, "."); ok {
		return p.chain(resourceType, head, rest, values, depth)
	}
	if name == paramList {
		return p.list(values)
	}
	code, modifier, hasModifier := strings.Cut(name, ":")
	param, err := p.param(resourceType, code)
	if err != nil {
		return nil, err
	}
	if err := p.checkRules(param, values); err != nil {
		return nil, err
	}
	if param.words && !hasModifier {
		return p.fulltext(param, values, depth)
	}
	if hasModifier {
		return p.modified(param, modifier, values)
	}
	switch code {
	case paramID:
		return idNode(values)
	case paramLastUpdated:
		return p.updated(values)
	}
	return p.terms(param, values)
}

// terms is the condition that an entry of the parameter has one of values.
func (p *parser) terms(param *Param, values []string) (Node, *fhir.Error) {
	return p.anyValue(param, values, func(o *operand) ([]condition, error) {
		c, err := param.kind.query(o)
		return []condition{c}, err
	})
}

// anyValue is the condition that an entry of the parameter has one of values,
// each read by read.
func (p *parser) anyValue(param *Param, values []string, read func(o *operand) ([]condition, error)) (Node, *fhir.Error) {
	conditions := make([]condition, 0, len(values))
	for _, v := range values {
		o := operand{
			registry: p.registry, param: param, value: v, base: p.opt.Base, now: p.opt.Now,
			valueSets: p.opt.ValueSets, relatedCodes: p.opt.Related,
		}
		c, err := read(&o)
		if err != nil {
			return nil, valueError(param, err)
		}
		conditions = append(conditions, c...)
	}
	return anyOf(param, conditions), nil
}

// valueError says which parameter an error about a value is of.
func valueError(param *Param, err error) *fhir.Error {
	e := fhir.Errorf(fhir.KindOf(err), "the %s parameter %s: %v", typeNames[param.Def.Type], param.Code, err)
	if e.Issues[0].Code == codeUnknown {
		e.Issues[0].Code = "value"
	}
	return e
}

func idNode(values []string) (Node, *fhir.Error) {
	ids := make([]string, len(values))
	for i, v := range values {
		if ids[i] = chars.Unescape(v); !literal.IsID([]byte(ids[i])) {
			return nil, fhir.Errorf(fhir.KindInvalid, "the value %q of _id is not a logical id: 1 to 64 letters, digits, - and .", v)
		}
	}
	return IDs{IDs: sortedSet(ids)}, nil
}

func (p *parser) updated(values []string) (Node, *fhir.Error) {
	var or Or
	for _, v := range values {
		n, err := updatedNode(v, p.opt.Now)
		if err != nil {
			return nil, fhir.Errorf(fhir.KindInvalid, "the date parameter _lastUpdated: %v", err)
		}
		or = append(or, n)
	}
	if len(or) == 1 {
		return or[0], nil
	}
	return or, nil
}

// param finds an offered parameter of a type.
func (p *parser) param(resourceType, code string) (*Param, *fhir.Error) {
	if param := p.registry.byType[resourceType][code]; param != nil && param.Def != nil {
		if param.building {
			return nil, unknownParam("the parameter %s of %s is being indexed; it can be searched when that is done", code, resourceType)
		}
		return param, nil
	}
	if reason := p.registry.notOffered(resourceType, code); reason != "" {
		return nil, fhir.Errorf(fhir.KindNotSupported, "the parameter %s of %s is not supported: %s", code, resourceType, reason)
	}
	return nil, p.registry.unknown(resourceType, code)
}

// notOffered says why a parameter that the standard knows is refused, and is
// "" for one that it does not know.
func (r *Registry) notOffered(resourceType, code string) string {
	if reason := refusedParams[code]; reason != "" {
		return reason
	}
	def := r.Definitions.SearchParameter(resourceType, code)
	switch {
	case def == nil:
		return ""
	case def.Type == definition.ParamSpecial:
		return "special parameters are not offered yet"
	}
	return "its definition has no expression"
}

// refusedParams are parameters of every resource that are not offered yet.
var refusedParams = map[string]string{
	"_filter": "it stands by itself, without a modifier and outside of chains",
	"_has":    "a reverse chain looks like _has:Observation:patient:code",
	"_list":   "it takes no modifier and is no part of a _filter",
	"_query":  "there are no named queries",
}
