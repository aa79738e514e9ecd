package search_test

import (
	"slices"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// fuzzed are the resources that fuzzed queries are evaluated on.
var fuzzed = []string{
	`{"resourceType":"Patient","id":"p1","active":true,"birthDate":"1980-05","name":[{"family":"Ångström","given":["A,b"]}],"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">heart</div>"}}`,
	`{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"s","code":"c"}]},"subject":{"reference":"Patient/p1"},"valueQuantity":{"value":5.4,"system":"http://unitsofmeasure.org","code":"mg"}}`,
	`{"resourceType":"Location","id":"l1","position":{"latitude":1,"longitude":2},"partOf":{"reference":"Location/l2"}}`,
}

// FuzzQuery reads any query string, and evaluates what can be read: strict
// handling must give an error that says whose fault it is, lenient handling
// must leave out only what it warns of.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"name=peter&_sort=-birthdate,_id", "birthdate=ap1980-05&gender:not=male,female", "_has:Observation:subject:code=s|c",
		"subject:Patient.name:exact=x", "code-value-quantity=s|c$5.4||mg", "near=1|2|3|km", "_filter=name eq \"x\" or not (active eq true)",
		"_include=Observation:subject:Patient&_include:iterate=*", "_text=heart -\"x y*\"", "_content=a|b,c", "_contained=both&_containedType=contained",
		"partof:below=l2", "code:above=http://x|y", "_elements=name,id&_summary=text", "_list=1,$current-allergies", "value-quantity=5.40|http://unitsofmeasure.org|g",
		"_id:missing=false&_lastUpdated=ge2020", "a%zz=%ff", "%5fformat=json&_p%72etty=true", "name=\\,\\|\\$\\\\", "_count=99999999999999999999&_total=none", "_maxresults=3&_sort=_score",
	} {
		f.Add(seed)
	}
	r := r4(f)
	var all []*search.Candidate
	for _, src := range fuzzed {
		all = append(all, candidate(f, r, src))
	}
	f.Fuzz(func(t *testing.T, text string) {
		pairs, err := search.Pairs(text)
		if err != nil {
			checkFault(t, text, err)
			return
		}
		for _, types := range [][]string{{"Patient"}, {"Observation", "Location"}} {
			opt := search.Options{Base: base, Shaping: true, Iterate: true, Expand: true, Rank: true, MaxResults: true, Contained: true}
			if q, err := r.Parse(types, pairs, opt); err != nil {
				checkFault(t, text, err)
			} else {
				search.Run(q.Plan, all)
			}
			opt.Lenient = true
			if q, err := r.Parse(types, pairs, opt); err == nil && len(q.Self)+len(q.Warnings) == 0 && slices.ContainsFunc(pairs, isSearched) {
				t.Fatalf("%q: nothing is honoured and nothing warned of", text)
			}
		}
	})
}

// isSearched reports whether a parameter is one of searches: these two are for
// every request.
func isSearched(p search.Pair) bool { return p.Name != "_format" && p.Name != "_pretty" }

// checkFault demands an error that is the caller's fault and says where.
func checkFault(t *testing.T, text string, err error) {
	t.Helper()
	if k := fhir.KindOf(err); k != fhir.KindInvalid && k != fhir.KindNotSupported && k != fhir.KindTooCostly && k != fhir.KindUnprocessable && k != fhir.KindNotFound {
		t.Fatalf("%q: the error is of kind %v: %v", text, k, err)
	}
}
