package consent

import (
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/search"
)

// selects reports whether a rule is about some data alone, beside whose it is.
func (p *provision) selects() bool {
	return len(p.labels)+len(p.classes)+len(p.codes)+len(p.data) > 0 || p.from+p.to != ""
}

// fitsData is what of a resource type a rule is about.
func (p *provision) fitsData(q *question) bounds {
	all := known(always)
	for _, c := range []struct {
		on  bool
		fit func(*question) bounds
	}{
		{len(p.labels) > 0, p.fitsLabel}, {len(p.classes) > 0, p.fitsClass}, {len(p.codes) > 0, p.fitsCode},
		{p.from+p.to != "", p.fitsPeriod}, {len(p.data) > 0, p.fitsDatum},
	} {
		if c.on {
			all = all.and(c.fit(q))
		}
	}
	return all
}

// fitsLabel: a confidentiality is a mark of the water. What is permitted up to
// it lies below, what is denied from it on lies above.
// http://hl7.org/fhir/R4/consent-definitions.html#Consent.provision.securityLabel
func (p *provision) fitsLabel(q *question) bounds {
	fit := known(never)
	for _, label := range p.labels {
		system, code, _ := strings.Cut(label, "|")
		levels := authz.Confidentialities(code, p.decision != authz.Deny)
		switch {
		case system != authz.ConfidentialitySystem:
			fit = fit.or(q.find(authz.Labelled(q.registry, q.resourceType, []string{label})))
		case levels == nil:
			fit = fit.or(unknown)
		default:
			fit = fit.or(q.confidential(levels, p.decision != authz.Deny))
		}
	}
	return fit
}

// confidential holds for what has one of some confidentialities, and none above
// them where they are the lower ones; what has none counts as N.
func (q *question) confidential(levels []string, lower bool) bounds {
	labels := func(codes []string) search.Node {
		all := make([]string, len(codes))
		for i, code := range codes {
			all[i] = authz.ConfidentialitySystem + "|" + code
		}
		return authz.Labelled(q.registry, q.resourceType, all)
	}
	any := labels(authz.Confidentialities("U", false))
	fit := q.find(labels(levels))
	if any == nil {
		return unknown
	}
	if slices.Contains(levels, "N") {
		fit = fit.or(known(when(search.Not{Node: any})))
	}
	if above := authz.Confidentialities(levels[len(levels)-1], false)[1:]; lower && len(above) > 0 {
		fit = fit.and(known(when(search.Not{Node: labels(above)})))
	}
	return fit
}

// find is a condition that was searched for; nil cannot be evaluated.
func (q *question) find(n search.Node) bounds {
	if n == nil {
		return unknown
	}
	return known(when(n))
}

// query is the condition of a search on the type, unknown where that is none.
func (q *question) query(pairs ...search.Pair) bounds {
	found, err := q.registry.Parse([]string{q.resourceType}, pairs, search.Options{})
	if err != nil {
		return unknown
	}
	return q.find(found.Plan.Parts[0].Where)
}

// coded is a condition by a token parameter, where the type has that.
func (q *question) coded(param string, value code) bounds {
	if p := q.registry.Param(q.resourceType, param); p == nil || p.Def == nil || p.Def.Type != definition.ParamToken {
		return known(never)
	}
	system, code, _ := strings.Cut(value, "|")
	text := search.EscapeValue(code)
	if system != "" {
		text = search.EscapeValue(system) + "|" + text
	}
	return q.query(search.Pair{Name: param, Value: text})
}

// fitsClass: a class is a resource type, a profile, the type of a document, or
// its format.
func (p *provision) fitsClass(q *question) bounds {
	fit := known(never)
	for _, class := range p.classes {
		system, code, _ := strings.Cut(class, "|")
		document := q.resourceType == "DocumentReference" || q.resourceType == "Composition"
		switch {
		case system == "http://hl7.org/fhir/resource-types", system == "" && q.registry.Param(code, search.MarkType) != nil:
			fit = fit.or(known(holds(code == q.resourceType)))
		case strings.Contains(code, "/StructureDefinition/"):
			fit = fit.or(q.query(search.Pair{Name: "_profile", Value: search.EscapeValue(code)}))
		case system == "urn:ietf:bcp:13" && q.resourceType == "DocumentReference":
			fit = fit.or(q.coded("contenttype", "|"+code))
		case document:
			fit = fit.or(q.coded("type", class))
		}
	}
	return fit
}

// codeParams are the parameters of what a resource is about.
var codeParams = []string{"code", "vaccine-code", "type"}

func (p *provision) fitsCode(q *question) bounds {
	fit := known(never)
	for _, code := range p.codes {
		for _, param := range codeParams {
			fit = fit.or(q.coded(param, code))
		}
		if m := q.registry.Param(q.resourceType, "medication"); m != nil && q.resourceType != "Medication" {
			of := *q
			of.resourceType = "Medication"
			if found := of.coded("code", code); found.may.ok {
				fit = fit.or(known(when(search.Chain{Param: m, Target: "Medication", Where: found.may.node})))
			}
		}
	}
	return fit
}

// dateParams are the parameters of when something was done; the first that a
// type has counts.
var dateParams = []string{
	"authoredon", "authored", "authored-on", "date", "onset-date", "recorded-date", "effective-time", "effective", "whenhandedover",
	"occurrence", "started", "collected", "identified", "start-date", "sent", "issued", "created", "datetime", "datewritten", "period",
}

// fitsPeriod: what has no date may be of that time.
func (p *provision) fitsPeriod(q *question) bounds {
	for _, code := range dateParams {
		param := q.registry.Param(q.resourceType, code)
		if param == nil || param.Def == nil || param.Def.Type != definition.ParamDate {
			continue
		}
		var pairs []search.Pair
		if p.from != "" {
			pairs = append(pairs, search.Pair{Name: code, Value: "ge" + p.from})
		}
		if p.to != "" {
			pairs = append(pairs, search.Pair{Name: code, Value: "le" + p.to})
		}
		within := q.query(pairs...)
		undated := search.Not{Node: search.Terms{Param: param, Spans: []search.Span{{From: []byte{}}}}}
		within.may = within.may.or(when(undated))
		return within
	}
	return unknown
}

func (p *provision) fitsDatum(q *question) bounds {
	fit := never
	for _, d := range p.data {
		if d.meaning == "authoredby" {
			fit = fit.or(q.authored(d.resourceType + "/" + d.id))
			continue
		}
		if d.resourceType == q.resourceType {
			fit = fit.or(when(search.IDs{IDs: []string{d.id}}))
		}
		if d.meaning == "dependents" || d.meaning == "related" {
			fit = fit.or(q.referring(d.resourceType, d.id, nil))
		}
		if d.meaning == "related" {
			fit = fit.or(q.referred(d))
		}
	}
	return known(fit)
}

// authorParams are the parameters of whom a resource is from.
var authorParams = []string{"author", "performer", "requester", "recorder", "asserter", "source", "sender", "provider", "enterer", "authenticator", "attester", "prescriber"}

// authored holds for what is from somebody.
func (q *question) authored(ref string) formula {
	resourceType, id, ok := strings.Cut(ref, "/")
	if !ok {
		return never
	}
	return q.referring(resourceType, id, authorParams)
}

// references are the reference parameters of a type; those among codes where
// that is not nil.
func references(registry *search.Registry, resourceType string, codes []string) []*search.Param {
	var all []*search.Param
	for _, p := range registry.Params {
		if p.Type == resourceType && p.Def != nil && p.Def.Type == definition.ParamReference && (codes == nil || slices.Contains(codes, p.Code)) {
			all = append(all, p)
		}
	}
	return all
}

// referring holds for what refers to a resource.
func (q *question) referring(resourceType, id string, codes []string) formula {
	fit := never
	for _, p := range references(q.registry, q.resourceType, codes) {
		fit = fit.or(when(search.Terms{Param: p, Spans: []search.Span{search.Exactly(search.ReferenceKey(resourceType, id))}}))
	}
	return fit
}

// referred holds for what a resource refers to.
func (q *question) referred(d datum) formula {
	fit := never
	for _, p := range references(q.registry, d.resourceType, nil) {
		if len(p.Def.Target) == 0 || slices.Contains(p.Def.Target, q.resourceType) {
			fit = fit.or(when(search.Has{Param: p, Where: search.IDs{IDs: []string{d.id}}}))
		}
	}
	return fit
}
