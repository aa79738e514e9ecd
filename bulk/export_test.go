package bulk_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
)

// clinic fills a world with three patients and what belongs to them.
func clinic(t *testing.T) *world {
	w := newWorld(t, nil)
	for _, id := range []string{"1", "2", "3"} {
		w.put(patient(id))
		w.put(observation("o"+id, id))
		w.put(fmt.Sprintf(`{"resourceType":"Practitioner","id":"dr-%s","qualification":[{"code":{"text":"x"},"issuer":{"reference":"Organization/org-%s"}}]}`, id, id))
		w.put(fmt.Sprintf(`{"resourceType":"Organization","id":"org-%s","name":"x"}`, id))
		w.put(fmt.Sprintf(`{"resourceType":"Provenance","id":"pr-%s","target":[{"reference":"Observation/o%s"}],"recorded":"2026-01-0%sT00:00:00Z","agent":[{"who":{"reference":"Organization/org-1"}}]}`, id, id, id))
	}
	w.put(`{"resourceType":"Provenance","id":"pr-old","target":[{"reference":"Observation/o1"}],"recorded":"2020-01-01T00:00:00Z","agent":[{"who":{"display":"x"}}]}`)
	w.put(`{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/1"}},{"entity":{"reference":"Patient/2"},"inactive":true},{"entity":{"reference":"Patient/3"}}]}`)
	w.put("{\n  \"resourceType\": \"Location\",\n  \"id\": \"far\",\r\n  \"name\": \"a\\nb\"\n}")
	w.run()
	return w
}

// names are the resources of an export: "Patient/1 …", sorted.
func names(t *testing.T, lines map[string][]string) string {
	t.Helper()
	var all []string
	for of, list := range lines {
		for _, l := range list {
			var r struct{ ResourceType, ID string }
			if err := json.Unmarshal([]byte(l), &r); err != nil {
				t.Fatalf("%s: %v", l, err)
			}
			if r.ResourceType != of {
				t.Errorf("a %s in a file of %s", r.ResourceType, of)
			}
			all = append(all, r.ResourceType+"/"+r.ID)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func TestExport(t *testing.T) {
	w := clinic(t)
	everything := w.export(bulk.Export{})
	if got := len(strings.Fields(names(t, everything))); got != 18 {
		t.Errorf("%d resources", got)
	}
	if got := everything["Location"]; len(got) != 1 || strings.Count(got[0], "\n") != 1 || !strings.Contains(got[0], `"a\nb"`) || !strings.Contains(got[0], `"versionId":"1"`) {
		t.Errorf("%q", got)
	}
	for name, test := range map[string]struct {
		in   bulk.Export
		want string
	}{
		"types":     {bulk.Export{Types: []string{"Patient", "Location"}}, "Location/far Patient/1 Patient/2 Patient/3"},
		"filter":    {bulk.Export{Types: []string{"Patient"}, Filters: []string{"Patient?name=Muster1", "Patient?_id=3"}}, "Patient/1 Patient/3"},
		"group":     {bulk.Export{Of: "Group", Group: "g", Types: []string{"Patient", "Observation", "Organization", "Practitioner", "Location"}}, "Observation/o1 Observation/o3 Organization/org-1 Organization/org-3 Patient/1 Patient/3 Practitioner/dr-1 Practitioner/dr-3"},
		"patients":  {bulk.Export{Of: "Patient", Patients: []string{"2"}, Types: []string{"Patient", "Practitioner", "Observation"}}, "Observation/o2 Patient/2 Practitioner/dr-2"},
		"all of it": {bulk.Export{Of: "Patient", Types: []string{"Patient", "Location"}}, "Patient/1 Patient/2 Patient/3"},
		"a filter of what is referred to": {
			bulk.Export{Of: "Patient", Types: []string{"Observation", "Practitioner"}, Filters: []string{"Practitioner?_id=dr-1"}},
			"Observation/o1 Observation/o2 Observation/o3 Practitioner/dr-1",
		},
		"relevant provenance": {
			bulk.Export{Types: []string{"Observation"}, Filters: []string{"Observation?patient=1"}, Associated: []string{"RelevantProvenanceResources"}},
			"Observation/o1 Provenance/pr-1 Provenance/pr-old",
		},
		"latest provenance": {
			bulk.Export{Types: []string{"Observation"}, Associated: []string{"LatestProvenanceResources"}},
			"Observation/o1 Observation/o2 Observation/o3 Provenance/pr-1 Provenance/pr-2 Provenance/pr-3",
		},
		"nothing": {bulk.Export{Types: []string{"Appointment"}}, ""},
	} {
		if got := names(t, w.export(test.in)); got != test.want {
			t.Errorf("%s: %s\n\twant %s", name, got, test.want)
		}
	}
}

func TestExportRefuses(t *testing.T) {
	w := clinic(t)
	for name, in := range map[string]bulk.Export{
		"a type":               {Types: []string{"Nothing"}},
		"a filter's type":      {Filters: []string{"Nothing?a=b"}},
		"a filter left out":    {Types: []string{"Patient"}, Filters: []string{"Observation?status=final"}},
		"a filter's parameter": {Filters: []string{"Patient?nothing=b"}},
		"a filter's sort":      {Filters: []string{"Patient?_sort=name"}},
		"no filter":            {Filters: []string{"Patient"}},
		"an element":           {Elements: []string{"Patient.nothing"}},
		"a deep element":       {Elements: []string{"Patient.name.family"}},
		"a patient":            {Of: "Patient", Patients: []string{"none"}},
		"no member":            {Of: "Group", Group: "g", Patients: []string{"2"}},
	} {
		in.By = "AKIA1"
		if _, err := w.service.StartExport(t.Context(), w.store, authz.Unrestricted(), "", in); fhir.KindOf(err) != fhir.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.service.StartExport(t.Context(), w.store, authz.Unrestricted(), "", bulk.Export{Of: "Group", Group: "none"}); fhir.KindOf(err) != fhir.KindNotFound {
		t.Errorf("a group: %v", err)
	}
	if _, err := w.service.StartExport(t.Context(), w.store, authz.Access{}, "x", bulk.Export{}); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("a caller without rights: %v", err)
	}
}

func TestExportElements(t *testing.T) {
	w := clinic(t)
	lines := w.export(bulk.Export{Types: []string{"Patient", "Observation"}, Elements: []string{"Patient.name", "id", "Observation.subject"}})
	for _, l := range lines["Patient"] {
		if strings.Contains(l, "gender") || !strings.Contains(l, "Muster") || !strings.Contains(l, "SUBSETTED") {
			t.Errorf("%s", l)
		}
	}
	for _, l := range lines["Observation"] {
		if strings.Contains(l, "performer") || !strings.Contains(l, "subject") || !strings.Contains(l, "status") {
			t.Errorf("%s", l)
		}
	}
}

// TestExportSince is two exports of which the second continues the first.
func TestExportSince(t *testing.T) {
	w := clinic(t)
	first := w.awaitExport(w.startExport(bulk.Export{}).ID)
	if first.Time.IsZero() || first.Time.After(time.Now()) {
		t.Errorf("as of %v", first.Time)
	}
	newest := first.Time.Add(time.Millisecond)
	for time.Now().Before(newest.Add(time.Millisecond)) { // versions of one millisecond would be in both
	}
	w.put(patient("4"))
	w.delete("Patient", "2")
	w.delete("Observation", "o2")
	lines := w.export(bulk.Export{Since: newest})
	bundles := lines["Bundle"]
	delete(lines, "Bundle")
	if got := names(t, lines); got != "Patient/4" {
		t.Errorf("since: %s", got)
	}
	if len(bundles) != 1 || strings.TrimSpace(bundles[0]) != `{"resourceType":"Bundle","type":"transaction","entry":[{"request":{"method":"DELETE","url":"Patient/2"}},{"request":{"method":"DELETE","url":"Observation/o2"}}]}` {
		t.Errorf("deleted: %q", bundles)
	}
	if got := len(strings.Fields(names(t, w.export(bulk.Export{Until: newest})))); got != 16 {
		t.Errorf("until: %d resources", got)
	}
}

// TestExportIsOfOneTime writes while exports run: each transaction keeps two
// resources the same.
func TestExportIsOfOneTime(t *testing.T) {
	w := newWorld(t, func(o *bulk.Options) { o.Limits.FileLines = 500 })
	pair := func(n int) []datastore.Op {
		year := 1000 + n%9000 // so many writes may come that a fifth digit would be needed
		var ops []datastore.Op
		for _, text := range []string{
			fmt.Sprintf(`{"resourceType":"Patient","id":"p%d","birthDate":"%d"}`, n%50, year), fmt.Sprintf(`{"resourceType":"Basic","id":"b%d","code":{"text":"%d"}}`, n%50, year),
		} {
			tree, err := w.store.Parse([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			ops = append(ops, datastore.Op{Interaction: authz.Update, Type: tree.Root().Type().Name, ID: tree.Root().TextOf("id"), Resource: tree})
		}
		return ops
	}
	for n := range 50 {
		if _, err := w.store.Commit(t.Context(), authz.Unrestricted(), pair(n), nil); err != nil {
			t.Fatal(err)
		}
	}
	w.put(observations(3000)...)
	w.run()
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := 50; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := w.store.Commit(t.Context(), authz.Unrestricted(), pair(n), nil); err != nil {
				t.Error(err)
			}
		}
	})
	for range 3 {
		lines := w.export(bulk.Export{})
		born := map[string]string{}
		for _, l := range lines["Patient"] {
			var p struct{ ID, BirthDate string }
			if err := json.Unmarshal([]byte(l), &p); err != nil {
				t.Fatal(err)
			}
			born[p.ID[1:]] = p.BirthDate
		}
		for _, l := range lines["Basic"] {
			var b struct {
				ID   string
				Code struct{ Text string }
			}
			if err := json.Unmarshal([]byte(l), &b); err != nil {
				t.Fatal(err)
			}
			if born[b.ID[1:]] != b.Code.Text {
				t.Errorf("%s is of another time: %s and %s", b.ID, born[b.ID[1:]], b.Code.Text)
			}
		}
		if len(born) != 50 || len(lines["Basic"]) != 50 || len(lines["Observation"]) != 3000 {
			t.Errorf("%d, %d, %d", len(born), len(lines["Basic"]), len(lines["Observation"]))
		}
	}
	close(stop)
	writer.Wait()
}

// TestExportGoesOn stops the service while it exports, writes, and lets it go
// on.
func TestExportGoesOn(t *testing.T) {
	w := newWorld(t, nil)
	w.put(observations(2000)...)
	w.put(patient("1"))
	started := w.startExport(bulk.Export{})
	w.run()
	await(w, func() (bulk.ExportStatus, error) { return w.service.DescribeExport(t.Context(), w.store, started.ID) },
		func(s bulk.ExportStatus) bool { return !s.Time.IsZero() })
	w.stop()
	w.put(patient("2"))
	w.delete("Observation", "o1")
	w.open()
	w.run()
	got := w.awaitExport(started.ID)
	lines := w.linesOf(got)
	if got.State != bulk.Completed || len(lines["Observation"]) != 2000 || len(lines["Patient"]) != 1 {
		t.Errorf("%s: %d observations, %d patients", got.State, len(lines["Observation"]), len(lines["Patient"]))
	}
}

func TestExportParquet(t *testing.T) {
	w := clinic(t)
	status := w.awaitExport(w.startExport(bulk.Export{Format: bulk.FormatParquet, Types: []string{"Patient", "Observation"}}).ID)
	if status.State != bulk.Completed || len(status.Files) != 2 {
		t.Fatalf("%+v", status)
	}
	type row struct {
		ID       string    `parquet:"id"`
		Version  string    `parquet:"version_id"`
		Updated  time.Time `parquet:"last_updated,timestamp(millisecond)"`
		Patient  *string   `parquet:"patient_id,optional"`
		Resource string    `parquet:"resource,json,zstd"`
	}
	for _, f := range status.Files {
		text := w.output("one-FHIR_EXPORT-" + status.ID + "/" + f.Key)
		reader := parquet.NewGenericReader[row](bytes.NewReader([]byte(text)))
		rows := make([]row, 10)
		n, err := reader.Read(rows)
		if n != 3 || err != nil && err != io.EOF {
			t.Fatalf("%s: %d rows, %v", f.Key, n, err)
		}
		r := rows[0]
		if r.Patient == nil || *r.Patient != "1" || r.Version != "1" || time.Since(r.Updated) > time.Hour || !json.Valid([]byte(r.Resource)) || !strings.Contains(r.Resource, `"id":"`+r.ID+`"`) {
			t.Errorf("%+v", r)
		}
	}
}

func TestExportFilesAreSplit(t *testing.T) {
	w := newWorld(t, func(o *bulk.Options) { o.Limits.FileLines = 4 })
	for i := range 10 {
		w.put(patient(fmt.Sprint(i)))
	}
	w.run()
	status := w.awaitExport(w.startExport(bulk.Export{}).ID)
	if len(status.Files) != 3 || status.Files[2].Count != 2 || status.Files[2].Key != "Patient/Patient-2.ndjson" || status.Resources != 10 {
		t.Errorf("%+v", status.Files)
	}
	w.linesOf(status)
}
