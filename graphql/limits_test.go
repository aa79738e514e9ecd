package graphql_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/graphql"
)

// people are n patients, each with an observation.
func people(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"resourceType":"Patient","id":"p%02d","active":true,"name":[{"family":"Family%d"}]}`+"\n", i, i)
		fmt.Fprintf(&b, `{"resourceType":"Observation","id":"o%02d","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p%02d"}}`+"\n", i, i)
	}
	return b.String()
}

func TestLimits(t *testing.T) {
	s := newStore(t)
	put(t, s, people(5))
	nested := func(n int) string {
		return "{ObservationList{" + strings.Repeat("subject{resource{...on Patient{ObservationList(_reference:subject){", n) + "id" + strings.Repeat("}}}}", n) + "}}"
	}
	limits := func(change func(*graphql.Limits)) graphql.Limits {
		l := graphql.DefaultLimits
		change(&l)
		return l
	}
	for _, test := range []struct {
		name, query, message string
		limits               graphql.Limits
	}{
		{"length", "{PatientList{id}}" + strings.Repeat(" ", 100), "the query has 117 bytes; at most 100 are allowed", limits(func(l *graphql.Limits) { l.Length = 100 })},
		{"depth", nested(9), "the query nests 29 fields; at most 25 are allowed", graphql.DefaultLimits},
		{"fields", "{PatientList{" + strings.Repeat("id ", 2000) + "}}", "more than 2000 fields", graphql.DefaultLimits},
		{"fields of fragments", doubling(30), "more than 2000 fields", graphql.DefaultLimits},
		{"fields of any resource", "{Bundle(id:x){entry{resource{" + aliases("a%d:contained{id}", 900) + "}}}}", "too many fields of resources whose type is not known", graphql.DefaultLimits},
		{"tokens", "{PatientList{" + strings.Repeat("a ", 30000) + "}}", "exceeded token limit", graphql.DefaultLimits},
		{"nesting", strings.Repeat("{a", 2000), "exceeded maximum nesting depth", graphql.DefaultLimits},
		{"resources of a list", "{PatientList{id}}", "reads more than 5 resources", limits(func(l *graphql.Limits) { l.Resources = 5 })},
		{"resources of reverse lists", "{PatientList{ObservationList(_reference:subject){id}}}", "reads more than 15 resources", limits(func(l *graphql.Limits) { l.Resources = 15 })},
		{"resources of references", "{ObservationList{subject{resource{id}}}}", "reads more than 10 resources", limits(func(l *graphql.Limits) { l.Resources = 10 })},
		{"resources of a connection", "{PatientConnection{edges{resource{id}}}}", "reads more than 5 resources", limits(func(l *graphql.Limits) { l.Resources = 5 })},
		{"output", "{PatientList{id name{family}}}", "more than 100 bytes", limits(func(l *graphql.Limits) { l.Output = 100 })},
		{"introspection that finds nothing", "{__schema{types{" + strings.Repeat("fields{type{", 8) + "ofType{ofType{ofType{ofType{name}}}}" + strings.Repeat("}}", 8) + "}}}", "more than 1000000 bytes", limits(func(l *graphql.Limits) { l.Output = 1_000_000 })},
		{"output of introspection", "{__schema{types{fields{type{fields{name}}}}}}", "more than 100000 bytes", limits(func(l *graphql.Limits) { l.Output = 100_000 })},
	} {
		response := ask(t, s, graphql.Request{Query: test.query, Limits: test.limits})
		if len(response.Errors) != 1 || !strings.Contains(response.Errors[0].Message, test.message) {
			t.Errorf("%s: %v, want %s", test.name, response.Errors, test.message)
			continue
		}
		if kind := fhir.KindOf(response.Errors[0].Cause); kind != fhir.KindTooCostly && !strings.Contains(test.message, "exceeded") {
			t.Errorf("%s: kind %d, want too costly", test.name, kind)
		}
		if response.Data != nil {
			t.Errorf("%s: there is data", test.name)
		}
	}
}

func aliases(field string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, field+" ", i)
	}
	return b.String()
}

// doubling is n fragments, each twice in the one before.
func doubling(n int) string {
	var b strings.Builder
	b.WriteString("{...f0}")
	for i := range n {
		fmt.Fprintf(&b, " fragment f%d on Query {...f%d ...f%d}", i, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment f%d on Query {__typename}", n)
	return b.String()
}

// TestLimitsAreExact carries out queries that need all that is allowed.
func TestLimitsAreExact(t *testing.T) {
	s := newStore(t)
	put(t, s, people(5))
	for query, n := range map[string]int{
		"{PatientList{id}}": 6,
		"{PatientList{ObservationList(_reference:subject){id}}}":           16,
		"{a:ObservationList{subject{resource{id}}} Patient(id:p00){id}}":   11, // p00 is read once
		"{PatientConnection(first:3){edges{resource{id}}}}":                4,
		"{PatientConnection{count} PatientList(_count:2){id}}":             4,
		"{Patient(id:p00){id} Observation(id:o00){subject{resource{id}}}}": 2,
	} {
		for _, over := range []int{0, 1} {
			limits := graphql.DefaultLimits
			limits.Resources = n - over
			response := ask(t, s, graphql.Request{Query: query, Limits: limits})
			if (len(response.Errors) > 0) != (over > 0) {
				t.Errorf("%s with %d resources: %v", query, limits.Resources, response.Errors)
			}
		}
	}
}

// TestPages walks the pages of a search forth and back while others write.
func TestPages(t *testing.T) {
	s := newStore(t)
	put(t, s, people(7))
	type page struct {
		Connection struct {
			Count, Offset, Pagesize int
			Edges                   []struct{ Resource struct{ ID string } }
			First, Previous, Next   string
		}
	}
	get := func(arguments string) (page, string) {
		t.Helper()
		response := ask(t, s, graphql.Request{Query: `{Connection: PatientConnection(` + arguments + `){count offset pagesize edges{resource{id}} first previous next}}`})
		var p page
		if len(response.Errors) > 0 {
			t.Fatal(response.Errors[0])
		}
		if err := json.Unmarshal(response.Data, &p); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, e := range p.Connection.Edges {
			ids = append(ids, e.Resource.ID)
		}
		return p, strings.Join(ids, " ")
	}
	var seen []string
	p, ids := get(`first: 3, _sort: _id, active: "true", fhirpath: "id != 'p04'"`)
	first := p
	for i := 0; ; i++ {
		seen = append(seen, ids)
		if p.Connection.Count != 7 || p.Connection.Offset != i*3 || p.Connection.Pagesize != 3 {
			t.Errorf("page %d: %+v", i, p)
		}
		if p.Connection.Next == "" {
			break
		}
		put(t, s, fmt.Sprintf(`{"resourceType":"Patient","id":"a%d","active":true}`, i))
		p, ids = get(`cursor: "` + p.Connection.Next + `"`)
	}
	if got, want := strings.Join(seen, "|"), "p00 p01 p02|p03 p05|p06"; got != want {
		t.Fatalf("pages %s, want %s", got, want)
	}
	for i := len(seen) - 2; i >= 0; i-- {
		if p, ids = get(`_cursor: "` + p.Connection.Previous + `"`); ids != seen[i] || p.Connection.Offset != i*3 {
			t.Errorf("back to page %d: %s at %d, want %s", i, ids, p.Connection.Offset, seen[i])
		}
	}
	if p.Connection.Previous != "" {
		t.Error("there is a page before the first")
	}
	if _, ids = get(`cursor: "` + first.Connection.First + `"`); ids != seen[0] {
		t.Errorf("first leads to %s", ids)
	}
	response := ask(t, s, graphql.Request{Query: `{ObservationConnection(cursor: "` + first.Connection.Next + `"){count}}`})
	if len(response.Errors) != 1 || response.Errors[0].Message != "this cursor is of PatientConnection" {
		t.Errorf("a cursor of another type: %v", response.Errors)
	}
}

// TestCursorKeepsView reads what a page refers to as it was then.
func TestCursorKeepsView(t *testing.T) {
	s := newStore(t)
	put(t, s, people(2))
	query := `{c: PatientConnection(first: 1, _sort: _id) { next }}`
	var answer struct{ C struct{ Next string } }
	if err := json.Unmarshal(ask(t, s, graphql.Request{Query: query}).Data, &answer); err != nil {
		t.Fatal(err)
	}
	put(t, s, `{"resourceType":"Observation","id":"new","status":"final","code":{"text":"new"},"subject":{"reference":"Patient/p01"}}`)
	response := ask(t, s, graphql.Request{Query: `{PatientConnection(cursor: "` + answer.C.Next + `"){edges{resource{id ObservationList(_reference:subject){id}}}} Patient(id:p01){ObservationList(_reference:subject,_sort:_id){id}}}`})
	want := `{"PatientConnection":{"edges":[{"resource":{"id":"p01","ObservationList":[{"id":"o01"}]}}]},"Patient":{"ObservationList":[{"id":"new"},{"id":"o01"}]}}`
	if string(response.Data) != want {
		t.Errorf("%s %v\nwant %s", response.Data, response.Errors, want)
	}
}

// TestAccess asks as a caller who may do nothing.
func TestAccess(t *testing.T) {
	s := newStore(t)
	put(t, s, people(1))
	focus, err := openView(t, s).Read(ctx, "Observation", "o00")
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.View(ctx, authz.Access{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for _, request := range []graphql.Request{
		{Query: `{Patient(id: p00){id}}`},
		{Query: `{PatientList{id}}`},
		{Query: `{PatientConnection{count}}`},
		{Query: `{PatientConnection(_count: 0){count}}`},
		{Query: `{subject{resource{id}}}`, Focus: &focus},
		{Query: `{ObservationList(_reference: has_member){id}}`, Focus: &focus},
	} {
		response := graphql.Execute(ctx, v, s, request)
		if len(response.Errors) != 1 || response.Status() != 403 || response.Data != nil {
			t.Errorf("%s: %s %v, want status 403", request.Query, response.Data, response.Errors)
		}
	}
	response := graphql.Execute(ctx, v, s, graphql.Request{Query: `{id subject{resource(optional: true){id}}}`, Focus: &focus})
	if want := `{"id":"o00","subject":{}}`; string(response.Data) != want {
		t.Errorf("%s %v, want %s", response.Data, response.Errors, want)
	}
}

func TestCancel(t *testing.T) {
	s := newStore(t)
	put(t, s, people(1))
	canceled, cancel := context.WithCancel(ctx)
	v := openView(t, s)
	cancel()
	response := graphql.Execute(canceled, v, s, graphql.Request{Query: `{Patient(id: p00){id}}`})
	if len(response.Errors) != 1 || response.Internal() == nil {
		t.Errorf("%s %v", response.Data, response.Errors)
	}
}

// BenchmarkExecute asks for 100 patients with their observations: 301
// resources and searches.
func BenchmarkExecute(b *testing.B) {
	s := newStore(b)
	put(b, s, people(100))
	for b.Loop() {
		response := ask(b, s, graphql.Request{Query: `{PatientList(active: "true") { id name { family } ObservationList(_reference: subject) { id status code { text } } }}`})
		if len(response.Errors) > 0 {
			b.Fatal(response.Errors[0])
		}
	}
}

// BenchmarkRead asks for one resource.
func BenchmarkRead(b *testing.B) {
	s := newStore(b)
	put(b, s, people(1))
	for b.Loop() {
		if response := ask(b, s, graphql.Request{Query: `{Patient(id: p00) { id name { family } }}`}); len(response.Errors) > 0 {
			b.Fatal(response.Errors[0])
		}
	}
}
