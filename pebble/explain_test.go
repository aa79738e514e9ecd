package pebble

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/searchtest"
	"github.com/tarnhealth/tarn/store"
)

// explained is what the searches of TestExplain run over. Patient p1 has a
// superseded version, in which it was female.
var explained = []string{
	`{"resourceType":"Patient","id":"p1","gender":"female"}`,
	`{"resourceType":"Patient","id":"p1","gender":"male","birthDate":"1980-01-01"}`,
	`{"resourceType":"Patient","id":"p2","gender":"male","birthDate":"1990-01-01"}`,
	`{"resourceType":"Patient","id":"p3","gender":"female","birthDate":"1985-01-01"}`,
	`{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}`,
	`{"resourceType":"Observation","id":"o2","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}`,
	`{"resourceType":"Observation","id":"o3","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p3"}}`,
	`{"resourceType":"Practitioner","id":"d1","name":[{"family":"Ek"}]}`,
	`{"resourceType":"Practitioner","id":"d2","name":[{"family":"Dahl"}]}`,
	`{"resourceType":"Practitioner","id":"d3","name":[{"family":"Carr"}]}`,
	`{"resourceType":"Practitioner","id":"d4","name":[{"family":"Bell"}]}`,
	`{"resourceType":"Practitioner","id":"d5","name":[{"family":"Ames"}]}`,
}

// TestExplain checks the steps, each written as
//
//	depth what | how | matches keys
func TestExplain(t *testing.T) {
	tests := []struct{ query, want string }{
		{"Patient?gender=female", `
0 Patient.gender | 1 span, range, counted as the lists are read | 1 1
0 sort | by time | 1 0
0 page | first page of up to 2, the last | 1 0`},
		{"Patient?gender=male&birthdate=ge1985", `
0 Patient | conditions, then visibility | 1 3
1 and | 2 conditions, the cheapest first | 1 3
2 Patient.gender | 1 span, range | 2 1
2 Patient.birthdate | 2 spans, range, keys tested | 1 2
1 visible | without deletions and what was superseded by then | 1 0
0 sort | by time | 1 0
0 page | first page of up to 2, the last | 1 0`},
		{"Patient?birthdate=1970&gender=male&_id=p9", `
0 Patient | conditions, then visibility | 0 1
1 and | 3 conditions, the cheapest first | 0 1
2 Patient._id | 1 looked up by id | 0 1
2 Patient.gender | 1 span, range, skipped: nothing was left to narrow down | 0 0
2 Patient.birthdate | 1 span, range, keys tested, skipped: nothing was left to narrow down | 0 0
1 visible | without deletions and what was superseded by then | 0 0
0 sort | by time | 0 0
0 page | first page of up to 2, the last | 0 0`},
		{"Patient?_filter=gender eq male or birthdate eq 1985-01-01", `
0 Patient | conditions, then visibility | 3 2
1 or | 2 conditions | 3 2
2 Patient.gender | 1 span, range | 2 1
2 Patient.birthdate | 1 span, range, keys tested | 1 1
1 visible | without deletions and what was superseded by then | 3 0
0 sort | by time | 3 0
0 page | first page of up to 2, more follow | 2 0`},
		{"Patient?gender:not=male&_sort=birthdate", `
0 Patient | conditions, then visibility | 1 2
1 not | all but | 2 2
2 Patient.gender | 1 span, range | 2 1
1 visible | without deletions and what was superseded by then | 1 0
0 sort | nothing to sort | 1 0
0 page | first page of up to 2, the last | 1 0`},
		{"Observation?subject:Patient.gender=female", `
0 Observation | conditions, then visibility | 1 2
1 Observation.subject to Patient | exact, one key for each match of the inner search | 1 2
2 Patient | conditions, then visibility | 1 1
3 Patient.gender | 1 span, range | 2 1
3 visible | without deletions and what was superseded by then | 1 0
1 visible | without deletions and what was superseded by then | 1 0
0 sort | by time | 1 0
0 page | first page of up to 2, the last | 1 0`},
		{"Patient?_has:Observation:patient:code:text=x&_sort=_id", `
0 Patient | conditions, then visibility | 2 5
1 _has Observation.patient | walk of the keys | 2 5
2 Observation | conditions, then visibility | 3 1
3 Observation.code | 1 span, range | 3 1
3 visible | without deletions and what was superseded by then | 3 0
1 visible | without deletions and what was superseded by then | 2 0
0 sort | walk of the ids | 2 3
0 page | first page of up to 2, the last | 2 0`},
		{"Patient?_sort=birthdate", `
0 Patient | conditions, then visibility | 3 1
1 all | 1 span, exact: every resource of the type | 4 1
1 visible | without deletions and what was superseded by then | 3 0
0 sort | read of the few | 3 0
0 page | first page of up to 2, more follow | 2 0`},
		{"Practitioner?_sort=family", `
0 Practitioner | everything that there is | 5 0
0 sort | walk of the index | 5 3
0 page | first page of up to 2, more follow | 2 0`},
		{"Device?type=x", `
0 Device | conditions, then visibility | 0 0
1 Device.type | 1 span, range, nothing is indexed under it | 0 0
1 visible | without deletions and what was superseded by then | 0 0
0 sort | by time | 0 0
0 page | first page of up to 2, the last | 0 0`},
	}
	for _, seal := range []int{0, 3} {
		s, registry := explainedStore(t, seal)
		for _, test := range tests {
			t.Run(fmt.Sprintf("seal=%d/%s", seal, test.query), func(t *testing.T) {
				r := explainedSearch(t, s, registry, test.query, store.Page{Limit: 2, Explain: true})
				got, want := stepLines(r.Explanation), strings.TrimSpace(test.want)
				if seal != 0 { // how many places have a key depends on the sealing
					got, want = lastNumber.ReplaceAllString(got, ""), lastNumber.ReplaceAllString(want, "")
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestExplainOnlyWhereAsked(t *testing.T) {
	s, registry := explainedStore(t, 0)
	r := explainedSearch(t, s, registry, "Patient?gender=male", store.Page{Limit: 2})
	if r.Len != 2 || r.Explanation != nil {
		t.Errorf("%d matches, explanation %v; want 2 and none", r.Len, r.Explanation)
	}
}

func explainedStore(t *testing.T, seal int) (*Store, *search.Registry) {
	t.Helper()
	registry, err := search.New(definition.R4())
	if err != nil {
		t.Fatal(err)
	}
	s := newScripted(t, registry, seal)
	var resources []searchtest.Resource
	for _, text := range explained {
		tree, err := fhir.Parse(registry.Definitions.Schema, []byte(text), fhir.DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		r := searchtest.Resource{Type: tree.Root().Type().Name, ID: tree.Root().TextOf("id"), Tree: tree}
		if r.Entries, err = registry.Extract(tree, r.ID, searchtest.Base); err != nil {
			t.Fatal(err)
		}
		resources = append(resources, r)
	}
	if err := s.Load(resources); err != nil {
		t.Fatal(err)
	}
	return s.store, registry
}

func explainedSearch(t *testing.T, s *Store, registry *search.Registry, query string, page store.Page) store.Result {
	t.Helper()
	resourceType, params, _ := strings.Cut(query, "?")
	pairs, err := search.Pairs(params)
	if err != nil {
		t.Fatal(err)
	}
	q, err := registry.Parse([]string{resourceType}, pairs, search.Options{Base: searchtest.Base})
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.View(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	r, err := v.Search(context.Background(), q.Plan, page)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var lastNumber = regexp.MustCompile(`(?m) \d+$`)

func stepLines(steps []store.Step) string {
	lines := make([]string, len(steps))
	for i, s := range steps {
		lines[i] = fmt.Sprintf("%d %s | %s | %d %d", s.Depth, s.What, s.How, s.Matches, s.Keys)
	}
	return strings.Join(lines, "\n")
}
