package datastore_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// bulk writes lines and returns an outcome for each as text.
func bulk(t *testing.T, s *datastore.Store, access authz.Access, opt datastore.BulkOptions, text string) []string {
	t.Helper()
	var lines [][]byte
	for line := range strings.Lines(text) {
		lines = append(lines, []byte(line))
	}
	outcomes, err := s.BulkWriter(access, opt).Write(ctx, lines)
	if err != nil {
		t.Fatal(err)
	}
	results := []string{"refused", "created", "updated", "unchanged"}
	var said []string
	for _, o := range outcomes {
		one := fmt.Sprintf("%s/%s %s %d", o.Type, o.ID, results[o.Result], o.Number)
		if o.Err != nil {
			one = fmt.Sprintf("%s %d %v", o.Type, fhir.KindOf(o.Err), o.Err)
		}
		said = append(said, one)
	}
	return said
}

// exported is what Bulk yields, as text.
func exported(t *testing.T, s *datastore.Store, access authz.Access, q datastore.BulkQuery) []string {
	t.Helper()
	view, err := s.View(ctx, access, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	found, err := view.Bulk(ctx, q)
	if err != nil {
		return []string{err.Error()}
	}
	var said []string
	for v, err := range found {
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, v.Type+"/"+v.ID+" "+strconv.FormatUint(v.Number, 10))
	}
	return said
}

const threeLines = `{"resourceType":"Patient","id":"a","active":true}
{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/a"}}
{"resourceType":"Patient","id":"b"}
`

func TestBulkTellsOfEachResource(t *testing.T) {
	s := newStore(t)
	all := authz.Unrestricted()
	want := []string{"Patient/a created 1", "Observation/o created 1", "Patient/b created 1"}
	if got := bulk(t, s, all, datastore.BulkOptions{}, threeLines); !slices.Equal(got, want) {
		t.Errorf("first load: %q", got)
	}
	want = []string{"Patient/a unchanged 1", "Observation/o unchanged 1", "Patient/b unchanged 1"}
	if got := bulk(t, s, all, datastore.BulkOptions{}, threeLines); !slices.Equal(got, want) {
		t.Errorf("the same again: %q", got)
	}
	changed := strings.ReplaceAll(threeLines, "true", "false") + `{"resourceType":"Patient","id":"a"}`
	want = []string{"Patient/a updated 2", "Observation/o unchanged 1", "Patient/b unchanged 1", "Patient/a updated 3"}
	if got := bulk(t, s, all, datastore.BulkOptions{}, changed); !slices.Equal(got, want) {
		t.Errorf("with changes, and one id twice: %q", got)
	}
	if got := find(t, s, "Observation", "subject=Patient/a"); !slices.Equal(got, []string{"o"}) {
		t.Errorf("found by the patient: %q", got)
	}
}

func TestBulkRefusesOneByOne(t *testing.T) {
	s := newStore(t)
	got := bulk(t, s, authz.Unrestricted(), datastore.BulkOptions{Type: "Patient"}, `{"resourceType":"Patient","id":"good"}
{"resourceType":"Patient","id":"cut
{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"}}
{"resourceType":"Patient"}
{"resourceType":"Patient","id":"no good"}
{"resourceType":"Patient","id":"date","birthDate":"1999-13-01"}
{"resourceType":"Patient","id":"last"}
`)
	for i, part := range []string{"Patient/good created 1", "string", "where only Patient", "needs one", "not a resource id", "birthDate", "Patient/last created 1"} {
		if !strings.Contains(got[i], part) {
			t.Errorf("line %d: %s, want %q in it", i+1, got[i], part)
		}
	}
	if got := find(t, s, "Patient", ""); !slices.Equal(got, []string{"good", "last"}) {
		t.Errorf("stored: %q", got)
	}
}

func TestBulkAssignsIDs(t *testing.T) {
	s := newStore(t)
	got := bulk(t, s, authz.Unrestricted(), datastore.BulkOptions{AssignIDs: true}, `{"resourceType":"Patient"}`)
	if ids := find(t, s, "Patient", ""); len(ids) != 1 || got[0] != "Patient/"+ids[0]+" created 1" {
		t.Errorf("%q, and %q is stored", got, ids)
	}
}

func TestBulkKeepsToTheAccess(t *testing.T) {
	s := newStore(t)
	bulk(t, s, authz.Unrestricted(), datastore.BulkOptions{}, threeLines)
	access := patientAccess(t, s, "a")
	got := bulk(t, s, access, datastore.BulkOptions{}, `{"resourceType":"Patient","id":"a","active":false}
{"resourceType":"Patient","id":"b","active":false}
{"resourceType":"Organization","id":"g","name":"G"}
`)
	if got[0] != "Patient/a updated 2" || !strings.Contains(got[1], "is not among the resources that this caller may update") || !strings.Contains(got[2], "do not allow update") {
		t.Errorf("writing as patient a: %q", got)
	}
	if got := exported(t, s, access, datastore.BulkQuery{}); !slices.Equal(got, []string{"Observation/o 1", "Patient/a 2"}) {
		t.Errorf("reading as patient a: %q", got)
	}
	if got := exported(t, s, authz.Access{}, datastore.BulkQuery{}); len(got) != 1 || !strings.Contains(got[0], "may not") {
		t.Errorf("reading as nobody: %q", got)
	}
}

// patientAccess is that of a patient who may do everything in the compartment.
func patientAccess(t *testing.T, s *datastore.Store, id string) authz.Access {
	t.Helper()
	scopes, dropped := authz.ParseScopes("patient/Patient.cruds patient/Observation.cruds", s.Registry())
	if len(dropped) > 0 {
		t.Fatal(dropped)
	}
	access, err := authz.Decide(s.Registry(), authz.Caller{Scopes: scopes, Patient: id}, authz.Policy{Base: s.Base()})
	if err != nil {
		t.Fatal(err)
	}
	return access
}

func TestBulkReadsStretches(t *testing.T) {
	s := newStore(t)
	all := authz.Unrestricted()
	bulk(t, s, all, datastore.BulkOptions{}, threeLines)
	if _, err := commit(s, datastore.Op{Interaction: authz.Delete, Type: "Patient", ID: "b"}); err != nil {
		t.Fatal(err)
	}
	bulk(t, s, all, datastore.BulkOptions{}, `{"resourceType":"Patient","id":"a","active":false}`)
	v, err := s.View(ctx, all, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	newest, err := v.Read(ctx, "Patient", "a")
	if err != nil {
		t.Fatal(err)
	}
	query, err := s.Query(ctx, all, []string{"Observation"}, []search.Pair{{Name: "status", Value: "final"}}, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	later := newest.LastUpdated.Add(time.Hour)
	for name, test := range map[string]struct {
		q    datastore.BulkQuery
		want []string
	}{
		"all":        {datastore.BulkQuery{}, []string{"Observation/o 1", "Patient/a 2"}},
		"one type":   {datastore.BulkQuery{Parts: []search.Part{{Type: "Patient"}}}, []string{"Patient/a 2"}},
		"condition":  {datastore.BulkQuery{Parts: append([]search.Part{{Type: "Patient"}}, query.Plan.Parts...)}, []string{"Observation/o 1", "Patient/a 2"}},
		"deleted":    {datastore.BulkQuery{Deleted: true}, []string{"Patient/b 2"}},
		"after":      {datastore.BulkQuery{After: 2}, []string{"Patient/a 2"}},
		"after all":  {datastore.BulkQuery{After: store.T(1 << 40)}, nil},
		"up to":      {datastore.BulkQuery{UpTo: 2}, []string{"Observation/o 1"}},
		"since":      {datastore.BulkQuery{Since: newest.LastUpdated}, []string{"Patient/a 2"}},
		"since then": {datastore.BulkQuery{Since: later}, nil},
		"until":      {datastore.BulkQuery{Until: newest.LastUpdated}, []string{"Observation/o 1"}},
	} {
		if got := exported(t, s, all, test.q); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
