package search_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

func parseFull(t *testing.T, types []string, raw string) *search.Query {
	t.Helper()
	pairs, err := search.Pairs(raw)
	if err != nil {
		t.Fatal(err)
	}
	q, err := r4(t).Parse(types, pairs, search.Options{Base: base, Shaping: true, Iterate: true})
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return q
}

func TestSummaryAndElements(t *testing.T) {
	modes := map[string]search.SummaryMode{
		"true": search.SummaryTrue, "text": search.SummaryText, "data": search.SummaryData, "false": search.SummaryFalse,
	}
	for value, want := range modes {
		if q := parseFull(t, []string{"Patient"}, "_summary="+value); q.Summary != want || q.Count != search.DefaultCount {
			t.Errorf("_summary=%s is %v with %d matches on a page", value, q.Summary, q.Count)
		}
	}
	if q := parseFull(t, []string{"Patient"}, "_count=5&_summary=count"); q.Summary != search.SummaryCount || q.Count != 0 {
		t.Errorf("_summary=count is %v with %d matches on a page", q.Summary, q.Count)
	}
	q := parseFull(t, []string{"Observation"}, "_elements=status,value[x],status&_elements=code")
	if want := []string{"status", "value", "code"}; !slices.Equal(q.Elements, want) {
		t.Errorf("the elements are %v; want %v", q.Elements, want)
	}
}

func TestIterate(t *testing.T) {
	q := parseFull(t, []string{"Observation"}, "_include=Observation:subject&_include:iterate=Patient:link:Patient&_revinclude:iterate=Observation:has-member")
	if len(q.Includes) != 2 || q.Includes[0].Iterate || !q.Includes[1].Iterate || q.Includes[1].Source != "Patient" || q.Includes[1].Target != "Patient" {
		t.Errorf("the includes are %+v", q.Includes)
	}
	if len(q.RevIncludes) != 1 || !q.RevIncludes[0].Iterate || len(q.RevIncludes[0].Params) != 1 {
		t.Errorf("the revincludes are %+v", q.RevIncludes)
	}
}

func TestRevincludeAll(t *testing.T) {
	q := parseFull(t, []string{"Encounter"}, "_revinclude=*")
	sources := map[string]bool{}
	for _, inc := range q.RevIncludes {
		sources[inc.Source] = true
		for _, p := range inc.Params {
			if p.Type != inc.Source || len(p.Def.Target) > 0 && !slices.Contains(p.Def.Target, "Encounter") {
				t.Errorf("%s does not refer to encounters", p.Key())
			}
		}
	}
	if !sources["Observation"] || !sources["Provenance"] || !sources["Encounter"] || sources["Organization"] {
		t.Errorf("the sources are %v", sources)
	}
}

func TestCompartmentNode(t *testing.T) {
	r := r4(t)
	o := candidate(t, r, `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"},"performer":[{"reference":"Patient/q"}]}`)
	for id, want := range map[string]bool{"p": true, "q": true, "x": false} {
		n, ok := r.CompartmentNode("Patient", id, "Observation")
		if !ok || search.Match(n, o, nil) != want {
			t.Errorf("the observation is in the compartment of Patient/%s: %v, %v; want %v", id, ok, !want, want)
		}
	}
	for _, pair := range [][2]string{{"Patient", "ValueSet"}, {"Group", "Observation"}, {"Patient", "Foo"}} {
		if _, ok := r.CompartmentNode(pair[0], "p", pair[1]); ok {
			t.Errorf("a %s may be in the compartment of a %s", pair[1], pair[0])
		}
	}
}

// A caller may know value sets that the definitions do not.
func TestValueSetsOfTheCaller(t *testing.T) {
	o := candidate(t, r4(t), `{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1-1"}]}}`)
	sets := map[string]*definition.ValueSet{
		"http://example.org/vs": {Codes: map[string]map[string]bool{"http://loinc.org": {"1-1": true, "2-2": true}}},
		"ValueSet/other":        {Codes: map[string]map[string]bool{"http://snomed.info/sct": {"1-1": true}}},
		"http://example.org/op": {Open: []string{"http://loinc.org"}},
	}
	opt := search.Options{ValueSets: func(url string) (*definition.ValueSet, error) {
		if url == "http://example.org/hidden" {
			return nil, fhir.Errorf(fhir.KindForbidden, "the value set is not for you")
		}
		return sets[url], nil
	}}
	tests := []struct {
		name, url, err string
		want           bool
	}{
		{"code:in", "http://example.org/vs", "", true},
		{"code:not-in", "http://example.org/vs", "", false},
		{"code:in", "ValueSet/other", "", false},
		{"code:not-in", "ValueSet/other", "", true},
		{"code:in", "http://example.org/vs,ValueSet/other", "", true},
		{"code:in", "http://example.org/op", "it takes in all of http://loinc.org", false},
		{"code:in", "http://example.org/no", "is not known", false},
		{"code:in", "http://example.org/hidden", "is not for you", false},
	}
	for _, tt := range tests {
		q, err := r4(t).Parse([]string{"Observation"}, []search.Pair{{Name: tt.name, Value: tt.url}}, opt)
		switch {
		case tt.err != "":
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s=%s: the error is %v; want %s", tt.name, tt.url, err, tt.err)
			}
		case err != nil:
			t.Errorf("%s=%s: %v", tt.name, tt.url, err)
		case search.Match(q.Plan.Parts[0].Where, o, nil) != tt.want:
			t.Errorf("%s=%s: found is %v; want %v", tt.name, tt.url, !tt.want, tt.want)
		}
	}
}
