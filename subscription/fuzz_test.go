package subscription

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble"
)

func openStore(t testing.TB) *datastore.Store {
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := datastore.Open(context.Background(), datastore.Options{Backend: folder, BaseURL: "http://example.org"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = catalog.Close() })
	ds, err := catalog.Create(context.Background(), "main", "")
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// FuzzCriteria: criteria are refused as the client's mistake, or can be matched.
func FuzzCriteria(f *testing.F) {
	for _, text := range []string{
		"", "?", "Observation", "Observation?", "Observation?code=http://loinc.org|1975-2", "Observation?status:not=final&date=ge2020", "Patient?name:contains=x,y",
		"Observation?subject.name=x", "Patient?_has:Observation:patient:code=1", "Patient/1/Observation?code=1", "http://e.org/Patient?x", "AuditEvent?date=2020",
		"Observation?code:in=http://e.org/vs", "Observation?_count=1", "Observation?_filter=status eq final and code eq 1", "Location?partof:below=Location/1", "Patient?%zz", "Patient?_text=x",
	} {
		f.Add(text)
	}
	ds := openStore(f)
	tree, err := ds.Parse([]byte(`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1975-2"}]}}`))
	if err != nil {
		f.Fatal(err)
	}
	outcomes, err := ds.Commit(context.Background(), authz.Unrestricted(), []datastore.Op{{Interaction: authz.Create, Type: "Observation", Resource: tree}}, nil)
	if err != nil {
		f.Fatal(err)
	}
	candidate, err := ds.Candidate(outcomes[0].Version)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := readCriteria(t.Context(), ds, authz.Unrestricted(), text)
		if err != nil {
			if kind := fhir.KindOf(aboutCriteria(err)); kind != fhir.KindUnprocessable {
				t.Errorf("%q is refused as %d: %v", text, kind, err)
			}
			return
		}
		if alone(filter.where) != nil {
			t.Errorf("%q looks at others", text)
		}
		filter.match(candidate)
	})
}

// TestCriteria is which of them match.
func TestCriteria(t *testing.T) {
	ds := openStore(t)
	tree, err := ds.Parse([]byte(`{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"1975-2"}]},"subject":{"reference":"Patient/1"},"effectiveDateTime":"2026-01-02"}`))
	if err != nil {
		t.Fatal(err)
	}
	outcomes, err := ds.Commit(t.Context(), authz.Unrestricted(), []datastore.Op{{Interaction: authz.Create, Type: "Observation", Resource: tree}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	candidate, err := ds.Candidate(outcomes[0].Version)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"Observation": true, "Observation?": true, "Patient?": false, "Observation?code=http://loinc.org|1975-2": true, "Observation?code=http://loinc.org%7C1975-2": true,
		"Observation?code=1,1975-2&status=final": true, "Observation?code=x": false, "Observation?status:not=final": false, "Observation?date=gt2026-01-01": true,
		"Observation?subject=Patient/1": true, "Observation?patient=2": false, "Observation?_filter=status eq final": true, "Observation?value-quantity:missing=true": true,
	} {
		filter, err := readCriteria(t.Context(), ds, authz.Unrestricted(), text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if filter.match(candidate) != want {
			t.Errorf("%s matches: %t", text, !want)
		}
	}
}
