package access

import (
	"net/http"
	"slices"
	"testing"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// TestEachOfSeveralConditionsIsConfined asks through what is hidden in one of
// two conditions: beside another, it must find no more than by itself.
func TestEachOfSeveralConditionsIsConfined(t *testing.T) {
	w := newWorld(t)
	patient, system := w.as("patient p1", "patient/*.rs"), w.as("system", "system/*.rs")
	for _, query := range []string{
		"List?item:Observation.subject=Patient/p2",
		"List?status=current&item:Observation.subject=Patient/p2",
		"List?item:Observation.subject=Patient/p2&status=current",
		"Composition?entry:Observation.subject=Patient/p2&status=final",
		"Patient?_has:Group:member:type=person&active:missing=true",
	} {
		if names, _ := entries(t, w.ask(system, "GET", query, ""), "match"); len(names) == 0 {
			t.Errorf("%s finds nothing for anybody", query)
		}
		if names, _ := entries(t, w.ask(patient, "GET", query, ""), "match"); len(names) > 0 {
			t.Errorf("%s finds %v for the patient", query, names)
		}
	}
}

// TestHierarchiesOfHiddenTypesAreLeftOut has a hierarchy of a type that the
// caller may not search beside something that it may.
func TestHierarchiesOfHiddenTypesAreLeftOut(t *testing.T) {
	w := newWorld(t)
	c := w.as("patient p1", "patient/Observation.rs")
	below, err := w.ds.Query(ctx, c.access, []string{"Observation"}, []search.Pair{{Name: "part-of:below", Value: "Procedure/top"}}, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	either := search.Or{below.Plan.Parts[0].Where, search.IDs{IDs: []string{"lab-p1"}}}
	view, err := w.ds.View(ctx, c.access, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	r, err := view.Search(ctx, &search.Query{Plan: search.Plan{Parts: []search.Part{{Type: "Observation", Where: either}}}}, store.Page{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for v, err := range r.Matches {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, v.ID)
	}
	if !slices.Equal(found, []string{"lab-p1"}) {
		t.Errorf("found %v, want lab-p1 alone", found)
	}
}

// TestSeenIsNotWritable has a caller that reads more than it may change: what
// it submits is within its rights, what is stored is not.
func TestSeenIsNotWritable(t *testing.T) {
	w := newWorld(t)
	c := w.as("system", "system/Observation.rs system/Observation.ud?category=http://c|laboratory")
	expect(t, "read", w.ask(c, "GET", "Observation/vital-p1", ""), http.StatusOK, "vital")
	const lab = `{"resourceType":"Observation","id":"vital-p1","status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory"}]}],"code":{"text":"x"}}`
	expect(t, "update", w.ask(c, "PUT", "Observation/vital-p1", lab), http.StatusForbidden, "vital-p1")
	const patch = `[{"op":"replace","path":"/category/0/coding/0/code","value":"laboratory"}]`
	expect(t, "patch", w.ask(c, "PATCH", "Observation/vital-p1", patch, "Content-Type", "application/json-patch+json"), http.StatusForbidden, "vital-p1")
	expect(t, "delete", w.ask(c, "DELETE", "Observation/vital-p1", ""), http.StatusForbidden, "vital-p1")
	expect(t, "it is still there", w.ask(c, "GET", "Observation/vital-p1", ""), http.StatusOK, `"vital"`)
	expect(t, "one of its own", w.ask(c, "DELETE", "Observation/lab-p1", ""), http.StatusNoContent, "")
}
