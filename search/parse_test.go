package search_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

func TestLimits(t *testing.T) {
	r := r4(t)
	parse := func(pairs ...search.Pair) error {
		_, err := r.Parse([]string{"Patient"}, pairs, search.Options{})
		return err
	}
	many := make([]search.Pair, search.MaxParameters+1)
	for i := range many {
		many[i] = search.Pair{Name: "name", Value: "x"}
	}
	values := strings.Repeat("x,", search.MaxValues)
	tests := []struct {
		name  string
		pairs []search.Pair
		want  fhir.Kind
	}{
		{"parameters", many, fhir.KindTooCostly},
		{"values", []search.Pair{{Name: "name", Value: values + "x"}}, fhir.KindTooCostly},
		{"values of two parameters", []search.Pair{{Name: "name", Value: values}, {Name: "name", Value: "x"}}, fhir.KindTooCostly},
	}
	for _, tt := range tests {
		if err := parse(tt.pairs...); err == nil || fhir.KindOf(err) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if err := parse(many[1:]...); err != nil {
		t.Errorf("the greatest number of parameters: %v", err)
	}
	if err := parse(search.Pair{Name: "name", Value: values}); err != nil {
		t.Errorf("the greatest number of values: %v", err)
	}
}

func TestErrorsSayWhichParameter(t *testing.T) {
	tests := []struct {
		name, value string
		kind        fhir.Kind
		code        string
	}{
		{"foo", "x", fhir.KindInvalid, "not-supported"},
		{"organization:below", "x", fhir.KindNotSupported, "not-supported"},
		{"birthdate", "x", fhir.KindInvalid, "invalid"},
		{"_summary", "true", fhir.KindNotSupported, "not-supported"},
	}
	for _, tt := range tests {
		_, err := r4(t).Parse([]string{"Patient"}, []search.Pair{{Name: tt.name, Value: tt.value}}, search.Options{})
		e, ok := err.(*fhir.Error)
		if !ok || e.Kind != tt.kind || e.Issues[0].Code != tt.code || e.Issues[0].Expression != "http."+tt.name {
			t.Errorf("%s=%s: %#v", tt.name, tt.value, err)
		}
	}
}

func TestResultParameters(t *testing.T) {
	pairs, err := search.Pairs("_count=7&_total=estimate&_include=Patient:organization&_include=Patient:general-practitioner:Organization&_revinclude=Observation:*")
	if err != nil {
		t.Fatal(err)
	}
	q, err := r4(t).Parse([]string{"Patient"}, pairs, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if q.Count != 7 || q.Total != search.TotalEstimate || len(q.Self) != len(pairs) {
		t.Errorf("the query is %+v", q)
	}
	if len(q.Includes) != 2 || q.Includes[1].Target != "Organization" || q.Includes[1].Params[0].Code != "general-practitioner" {
		t.Errorf("the includes are %+v", q.Includes)
	}
	if len(q.RevIncludes) != 1 {
		t.Fatalf("the revincludes are %+v", q.RevIncludes)
	}
	codes := map[string]bool{}
	for _, p := range q.RevIncludes[0].Params {
		codes[p.Code] = true
	}
	if !codes["subject"] || !codes["performer"] || codes["specimen"] || codes["encounter"] {
		t.Errorf("Observation:* follows %v to Patient", codes)
	}
	if q, err = r4(t).Parse([]string{"Patient"}, nil, search.Options{}); err != nil || q.Count != search.DefaultCount || q.Plan.Parts[0].Where != nil {
		t.Errorf("a search without parameters is %+v, %v", q, err)
	}
}

func candidate(t testing.TB, r *search.Registry, src string) *search.Candidate {
	t.Helper()
	tree, err := fhir.Parse(r.Definitions.Schema, []byte(src), fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	c := &search.Candidate{Type: tree.Root().Type().Name, ID: tree.Root().TextOf("id"), Tree: tree}
	if c.Entries, err = r.Extract(tree, c.ID, base); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIncludes(t *testing.T) {
	r := r4(t)
	obs := candidate(t, r, `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},
		"subject":{"reference":"Patient/p"},"performer":[{"reference":"Practitioner/d"},{"reference":"`+base+`/Organization/g"},{"reference":"Practitioner/d"},{"reference":"http://else.where/Practitioner/e"}]}`)
	tests := []struct{ include, want string }{
		{"Observation:subject", "[{Patient p}]"},
		{"Observation:subject:Group", "[]"},
		{"Observation:performer", "[{Practitioner d} {Organization g}]"},
		{"Observation:performer:Practitioner", "[{Practitioner d}]"},
		{"Observation:*", "[{Patient p} {Practitioner d} {Organization g}]"},
	}
	for _, tt := range tests {
		q, err := r.Parse([]string{"Observation"}, []search.Pair{{Name: "_include", Value: tt.include}}, search.Options{})
		if err != nil {
			t.Fatal(err)
		}
		refs, err := r.Included(q.Includes[0], obs.Tree, base)
		if err != nil || fmt.Sprint(refs) != tt.want {
			t.Errorf("%s includes %v, %v; want %s", tt.include, refs, err, tt.want)
		}
	}
}

func TestMarks(t *testing.T) {
	r := r4(t)
	tests := []struct{ src, want string }{
		{`{"resourceType":"Patient","id":"p"}`, "Patient.$compartment-Patient=Patient/p Patient.$type="},
		{`{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"},"performer":[{"reference":"Patient/q"},{"reference":"Practitioner/d"},{"reference":"Patient/p"}],"encounter":{"reference":"Encounter/e"},"device":{"reference":"Device/v"}}`,
			"Observation.$compartment-Device=Device/v Observation.$compartment-Encounter=Encounter/e Observation.$compartment-Patient=Patient/p Observation.$compartment-Patient=Patient/q Observation.$compartment-Practitioner=Practitioner/d Observation.$type="},
		{`{"resourceType":"ValueSet","id":"v","status":"active"}`, "ValueSet.$type="},
		{`{"resourceType":"Encounter","id":"e","status":"planned","class":{"code":"x"},"subject":{"reference":"http://tarn.test/r4/Patient/p/_history/1"}}`,
			"Encounter.$compartment-Encounter=Encounter/e Encounter.$compartment-Patient=Patient/p Encounter.$type="},
		{`{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Group/p"}}`, "Observation.$type="},
	}
	for _, tt := range tests {
		var marks []string
		for _, e := range candidate(t, r, tt.src).Entries {
			if e.Param.Def == nil && e.Param.Code != search.MarkPresent {
				marks = append(marks, e.Param.Key()+"="+strings.TrimSuffix(string(e.Key), "\x00"))
			}
		}
		want := strings.Fields(tt.want)
		if len(marks) != len(want) {
			t.Errorf("%s has the marks %v; want %v", tt.src, marks, want)
			continue
		}
		for _, m := range marks {
			if !strings.Contains(" "+tt.want+" ", " "+m+" ") {
				t.Errorf("%s has the mark %s; want %v", tt.src, m, want)
			}
		}
	}
}

// A tree without an id is indexed under the id that it will have.
func TestExtractTakesTheID(t *testing.T) {
	r := r4(t)
	tree, err := fhir.Parse(r.Definitions.Schema, []byte(`{"resourceType":"Patient"}`), fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := r.Extract(tree, "new", base)
	if err != nil || string(entries[len(entries)-1].Key) != "Patient/new\x00" {
		t.Errorf("entries %v, %v", entries, err)
	}
}

func TestMatchHasAndNot(t *testing.T) {
	r := r4(t)
	p, q := candidate(t, r, `{"resourceType":"Patient","id":"p"}`), candidate(t, r, `{"resourceType":"Patient","id":"q"}`)
	o := candidate(t, r, `{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p"}}`)
	status, err := r.Parse([]string{"Observation"}, []search.Pair{{Name: "status", Value: "final"}}, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	has := search.Has{Param: r.Param("Observation", "subject"), Where: status.Plan.Parts[0].Where}
	run := func(n search.Node) string {
		var ids string
		for _, c := range search.Run(search.Plan{Parts: []search.Part{{Type: "Patient", Where: n}}}, []*search.Candidate{p, o, q}) {
			ids += c.ID
		}
		return ids
	}
	if got := run(has); got != "p" {
		t.Errorf("has: %s", got)
	}
	if got := run(search.Not{Node: has}); got != "q" {
		t.Errorf("not has: %s", got)
	}
	if got := run(search.Or{}) + run(search.And{search.Or{has}, search.IDs{IDs: []string{"q"}}}); got != "" {
		t.Errorf("nothing: %s", got)
	}
	if got := run(search.And{}); got != "pq" {
		t.Errorf("everything: %s", got)
	}
}

// Parse must never panic, its errors must be for the caller, and a plan that
// it makes must be one that Match can evaluate.
func FuzzParse(f *testing.F) {
	for _, raw := range []string{
		"name=peter&gender=male", "birthdate=ge2020-01-01", "_sort=-birthdate,_id&_count=3", "subject:Patient.name=x",
		"code-value-quantity=a%7Cb$gt5.4%7C%7Cmg", "_include=*&_revinclude=Observation:subject", "identifier=a%5C,b,c%7C", "probability=1e2",
		"subject=Patient/1/_history/2", "_lastUpdated=ap2020", "value-quantity=lt-1e-5||mg", "combo-code-value-concept=a$b", "date=2020-01-01T10:00:00+01:00",
		"name:exact=x&family:contains=y&gender:not=male&code:text=z&identifier:of-type=a%7Cb%7Cc&status:in=http://hl7.org/fhir/ValueSet/observation-status",
		"_has:Observation:patient:code=1&patient._has:Group:member:_id=g&subject:identifier=x&birthdate:missing=true",
		"_filter=name co \"a\" and (birthdate gt 2000 or not (subject[gender eq male].name sw x))",
	} {
		f.Add("Observation", raw)
		f.Add("Patient", raw)
	}
	f.Add("Location", "near=1%7C2%7C3%7Ckm,-90%7C180&near:missing=true&_list=a")
	f.Add("ValueSet", "url:below=http://a.b/c&url:above=http://a.b/c/d&_elements=url&_summary=true&_include:iterate=*")
	r := r4(f)
	tree, err := fhir.Parse(r.Definitions.Schema, []byte(`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"a","code":"b"}]},
		"subject":{"reference":"Patient/1/_history/2"},"effectivePeriod":{"start":"2020"},"valueQuantity":{"value":-5.4,"unit":"mg","code":"mg"}}`), fhir.DefaultLimits)
	if err != nil {
		f.Fatal(err)
	}
	c := &search.Candidate{Type: "Observation", ID: "o", Tree: tree, LastUpdated: time.Unix(0, 0)}
	if c.Entries, err = r.Extract(tree, c.ID, base); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, resourceType, raw string) {
		pairs, err := search.Pairs(raw)
		if err != nil {
			return
		}
		for _, types := range [][]string{{resourceType}, {"Observation", resourceType}} {
			q, err := r.Parse(types, pairs, search.Options{Base: base, Shaping: true, Iterate: true})
			if err != nil {
				if fhir.KindOf(err) == fhir.KindInternal {
					t.Fatalf("%s?%s: an error that is not for the caller: %v", resourceType, raw, err)
				}
				continue
			}
			search.Run(q.Plan, []*search.Candidate{c})
		}
	})
}
