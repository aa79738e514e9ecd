package bulk_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/validate"
)

func TestImport(t *testing.T) {
	w := newWorld(t, func(o *bulk.Options) { o.ReadOnly = []string{"AuditEvent"} })
	w.write("a.ndjson", "\xef\xbb\xbf"+patient("1")+"\r\n\n  \n"+patient("2")+"\n"+patient("1")) // one twice, no newline at the end
	w.write("b/c.ndjson.gz", gzipped(observation("1", "1")+"\n"+observation("2", "1")+"\n"))
	w.write("b/d.jsonl.zst", zstandard(t, observation("3", "2")+"\n"))
	w.write("b/e.ndjson", strings.Join([]string{
		`{"resourceType":"Patient","id":"3","gender":"wrong"}`, `{`, `{"resourceType":"Nothing","id":"1"}`, `{"resourceType":"Patient"}`,
		`{"resourceType":"Patient","id":"not an id"}`, `{"resourceType":"AuditEvent","id":"1"}`, patient("4"), `null`,
	}, "\n"))
	w.write("b/broken.ndjson.gz", gzipped(strings.Repeat(patient("5")+"\n", 1000))[:30])
	w.write("empty.ndjson", "")
	w.write("README.txt", "not read")
	w.run()
	started := w.startImport(bulk.Import{Name: "first", Output: url(w.out)})
	if started.State != bulk.Queued || started.ID == "" || len(started.ID) > 32 {
		t.Errorf("started: %+v", started)
	}
	got := w.awaitImport(started.ID)
	if got.State != bulk.CompletedWithErrors || got.Message != "" || got.Name != "first" || got.EndTime.IsZero() {
		t.Errorf("%s %q", got.State, got.Message)
	}
	want := bulk.Counts{
		FilesScanned: 6, FilesImported: 5, FilesFailed: 2, FilesSkipped: 1,
		Scanned: 14, Stored: 7, Refused: 7, Created: 6, Updated: 1, Bytes: got.Bytes, Read: got.Read, Busy: got.Busy,
	}
	if got.Counts != want {
		t.Errorf("counted %+v\nwant    %+v", got.Counts, want)
	}
	if w.count("Patient") != 3 || w.count("Observation") != 3 {
		t.Errorf("stored %d patients and %d observations", w.count("Patient"), w.count("Observation"))
	}
	checkReport(w, got)
	if len(w.events) != 1 || w.events[0].By != "AKIA1" || w.events[0].Status != 200 || !strings.Contains(w.events[0].Detail, "7 resources stored") {
		t.Errorf("recorded %+v", w.events)
	}
}

// checkReport checks the output of TestImport.
func checkReport(w *world, got bulk.ImportStatus) {
	w.Helper()
	success := w.report(got.ID, "SUCCESS")
	if len(success) != 7 || success[0].LineID != 1 || success[0].InputFile != "a.ndjson" || success[0].Response.StatusCode != 201 ||
		string(success[1].Response.Blob) != `{"resourceType":"Patient","id":"2","meta":{"versionId":"1"}}` || success[1].LineID != 4 {
		w.Errorf("SUCCESS: %+v", success)
	}
	var failures []string
	for _, l := range w.report(got.ID, "FAILURE") {
		var outcome struct {
			ResourceType string
			Issue        []struct{ Diagnostics string }
		}
		if err := json.Unmarshal(l.Response.Blob, &outcome); err != nil || outcome.ResourceType != "OperationOutcome" || outcome.Issue[0].Diagnostics == "" {
			w.Errorf("%s: %v", l.Response.Blob, err)
		}
		failures = append(failures, fmt.Sprint(l.InputFile, " ", l.LineID, " ", l.Response.StatusCode))
	}
	want := "README.txt 0 400, b/broken.ndjson.gz 1 422, b/e.ndjson 1 422, b/e.ndjson 2 400, b/e.ndjson 3 400, b/e.ndjson 4 400, b/e.ndjson 5 400, b/e.ndjson 6 403, b/e.ndjson 8 400"
	if text := strings.Join(failures, ", "); text != want {
		w.Errorf("FAILURE: %s\nwant:    %s", text, want)
	}
	var manifest struct {
		InputDataConfig               struct{ S3Uri string }
		SuccessOutput                 struct{ SuccessOutputS3Uri string }
		NumberOfScannedFiles          int
		NumberOfResourcesScanned      int
		NumberOfResourcesWithCustomer int `json:"numberOfResourcesWithCustomerError"`
	}
	if err := json.Unmarshal([]byte(w.output("one-FHIR_IMPORT-"+got.ID+"/manifest.json")), &manifest); err != nil {
		w.Error(err)
	}
	if manifest.InputDataConfig.S3Uri != url(w.in) || manifest.SuccessOutput.SuccessOutputS3Uri != url(w.out)+"/one-FHIR_IMPORT-"+got.ID+"/SUCCESS/" ||
		manifest.NumberOfScannedFiles != 6 || manifest.NumberOfResourcesScanned != 14 || manifest.NumberOfResourcesWithCustomer != 7 {
		w.Errorf("manifest: %+v", manifest)
	}
}

// TestImportLevels imports what is whole but breaks a rule, and what is not
// whole, at each level.
func TestImportLevels(t *testing.T) {
	const (
		whole  = `{"resourceType":"Patient","id":"whole","gender":"male"}`
		rule   = `{"resourceType":"Observation","id":"rule","code":{"text":"no status"}}`
		code   = `{"resourceType":"Patient","id":"code","gender":"wrong"}`
		broken = `{"resourceType":"Patient","id":"broken","gendre":"male"}`
	)
	for _, c := range []struct {
		level                     validate.Level
		success, failure, flagged string
	}{
		{validate.Strict, "1", "2 3 4", ""},
		{validate.StructureOnly, "1", "2 3 4", ""},
		{validate.Minimal, "1", "4", "2 3"},
	} {
		w := newWorld(t, nil)
		w.write("a.ndjson", strings.Join([]string{whole, rule, code, broken}, "\n"))
		w.run()
		got := w.awaitImport(w.startImport(bulk.Import{Level: c.level, Output: url(w.out)}).ID)
		for folder, want := range map[string]string{"SUCCESS": c.success, "FAILURE": c.failure, "SUCCESS_WITH_SEARCH_VALIDATION_FAILURES": c.flagged} {
			var lines []string
			for _, l := range w.report(got.ID, folder) {
				lines = append(lines, fmt.Sprint(l.LineID))
				if folder != "SUCCESS" && !strings.Contains(string(l.Response.Blob), `"OperationOutcome"`) {
					t.Errorf("%v: line %d of %s has %s", c.level, l.LineID, folder, l.Response.Blob)
				}
			}
			if text := strings.Join(lines, " "); text != want {
				t.Errorf("%v: %s has the lines %q, want %q", c.level, folder, text, want)
			}
		}
		if want := int64(strings.Count(c.success+" "+c.flagged, " ") + 1); c.flagged == "" && got.Stored != 1 || c.flagged != "" && got.Stored != want {
			t.Errorf("%v: %+v", c.level, got.Counts)
		}
	}
}

// TestImportLastLineWins has one resource many times, far apart.
func TestImportLastLineWins(t *testing.T) {
	w := newWorld(t, nil)
	var text strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&text, `{"resourceType":"Patient","id":"p%d","multipleBirthInteger":%d,"name":[{"text":"%s"}]}`+"\n", i%7_000, i, strings.Repeat("x", 300))
	}
	w.write("a.ndjson", text.String())
	w.run()
	got := w.awaitImport(w.startImport(bulk.Import{}).ID)
	if got.State != bulk.Completed || got.Created != 7_000 || got.Updated != 13_000 {
		t.Fatalf("%+v", got)
	}
	for _, l := range w.export(bulk.Export{})["Patient"] {
		var p struct {
			ID                   string
			MultipleBirthInteger int
		}
		if err := json.Unmarshal([]byte(l), &p); err != nil {
			t.Fatal(err)
		}
		last := 0
		for i := p.MultipleBirthInteger; i < 20_000; i += 7_000 {
			last = i
		}
		if p.MultipleBirthInteger != last {
			t.Fatalf("%s has the content of line %d, want %d", p.ID, p.MultipleBirthInteger+1, last+1)
		}
	}
}

// TestImportGoesOn stops the service again and again.
func TestImportGoesOn(t *testing.T) {
	w := newWorld(t, func(o *bulk.Options) { o.Every = time.Nanosecond })
	const files, each = 6, 4000
	for f := range files {
		var text strings.Builder
		for i := range each {
			text.WriteString(patient(fmt.Sprintf("%d-%d", f, i)))
			text.WriteString("  " + strings.Repeat(" ", 300) + "\n")
			if i%1000 == 0 {
				text.WriteString("{\n")
			}
		}
		content, ending := text.String(), ".ndjson"
		switch f % 3 {
		case 1:
			content, ending = gzipped(content), ".ndjson.gz"
		case 2:
			content, ending = zstandard(t, content), ".ndjson.zst"
		}
		w.write(fmt.Sprint(f, ending), content)
	}
	started := w.startImport(bulk.Import{Output: url(w.out)})
	stops := 0
	for before := int64(-1); ; stops++ {
		w.run()
		now := await(w, func() (bulk.ImportStatus, error) { return w.service.DescribeImport(t.Context(), w.store, started.ID) },
			func(s bulk.ImportStatus) bool { return s.State.Ended() || s.Scanned > before })
		w.stop()
		w.open()
		if now.State.Ended() {
			break
		}
		before = now.Scanned
	}
	got := w.awaitImport(started.ID)
	t.Logf("stopped %d times", stops)
	if stops < 3 {
		t.Errorf("stopped %d times only", stops)
	}
	if got.State != bulk.CompletedWithErrors || got.Scanned != files*(each+4) || got.Stored != files*each || got.Refused != files*4 || got.FilesScanned != files || got.Updated != 0 {
		t.Errorf("after %d stops: %s %+v", stops, got.State, got.Counts)
	}
	if w.count("Patient") != files*each {
		t.Errorf("%d patients", w.count("Patient"))
	}
	seen := map[string]bool{}
	for _, l := range append(w.report(got.ID, "SUCCESS"), w.report(got.ID, "FAILURE")...) {
		name := fmt.Sprint(l.InputFile, l.LineID)
		if seen[name] {
			t.Errorf("%s is reported twice", name)
		}
		seen[name] = true
	}
	if len(seen) != files*(each+4) {
		t.Errorf("%d lines are reported", len(seen))
	}
}

func TestImportOfNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.write("README.txt", "x")
	w.run()
	got := w.awaitImport(w.startImport(bulk.Import{}).ID)
	if got.State != bulk.Failed || !strings.Contains(got.Message, "no files of NDJSON") {
		t.Errorf("%s %q", got.State, got.Message)
	}
	got = w.awaitImport(w.startImport(bulk.Import{Input: url(filepath.Join(w.in, "none"))}).ID)
	if got.State != bulk.Failed {
		t.Errorf("a folder that is not there: %s %q", got.State, got.Message)
	}
	for _, place := range []string{"file:///", "s3://bucket/x", "https://example.org", url(w.in) + "/../x"} {
		if _, err := w.service.StartImport(t.Context(), w.store, "", bulk.Import{Input: place}); fhir.KindOf(err) != fhir.KindInvalid {
			t.Errorf("%s: %v", place, err)
		}
	}
}

func TestImportOneFile(t *testing.T) {
	w := newWorld(t, nil)
	w.write("in/a", patient("1"))
	w.write("in/b.ndjson", patient("2"))
	w.run()
	for _, name := range []string{"in/a", "in/b.ndjson"} {
		if got := w.awaitImport(w.startImport(bulk.Import{Input: url(w.in) + "/" + name}).ID); got.State != bulk.Completed || got.Stored != 1 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestClientTokens(t *testing.T) {
	w := newWorld(t, nil)
	first := w.startImport(bulk.Import{Token: "t1"})
	if again := w.startImport(bulk.Import{Token: "t1"}); again.ID != first.ID {
		t.Error("the same request made another job")
	}
	_, err := w.service.StartImport(t.Context(), w.store, "", bulk.Import{Token: "t1", Name: "x", Input: url(w.in), By: "AKIA1"})
	if fhir.KindOf(err) != fhir.KindInvalid {
		t.Errorf("another request with that token: %v", err)
	}
	if other := w.startImport(bulk.Import{Token: "t2"}); other.ID == first.ID {
		t.Error("another token gives the same job")
	}
}

func TestQueueIsBounded(t *testing.T) {
	w := newWorld(t, nil)
	var last string
	for range 26 {
		last = w.startImport(bulk.Import{}).ID
	}
	_, err := w.service.StartImport(t.Context(), w.store, "", bulk.Import{Input: url(w.in), By: "A"})
	if fhir.KindOf(err) != fhir.KindThrottled {
		t.Errorf("the 27th: %v", err)
	}
	if err := w.service.CancelImport(t.Context(), w.store, last); err != nil {
		t.Fatal(err)
	}
	if got := w.awaitImport(last); got.State != bulk.CancelCompleted {
		t.Errorf("cancelled: %s", got.State)
	}
	w.startImport(bulk.Import{})
	all, err := w.service.ListImports(t.Context(), w.store)
	if err != nil || len(all) != 27 || all[25].ID != last {
		t.Errorf("%d jobs, %v", len(all), err)
	}
	if busy, err := w.service.Busy(t.Context(), w.store.Record()); err != nil || !strings.HasPrefix(busy, "import job") {
		t.Errorf("busy: %q, %v", busy, err)
	}
	other, err := w.catalog.Create(t.Context(), "two", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.DescribeImport(t.Context(), other, last); fhir.KindOf(err) != fhir.KindNotFound {
		t.Errorf("another data store has it: %v", err)
	}
}

// TestOutputVanishes removes the output folder while the job waits.
func TestOutputVanishes(t *testing.T) {
	w := newWorld(t, nil)
	w.write("a.ndjson", patient("1"))
	started := w.startImport(bulk.Import{Output: url(w.out)})
	if err := os.RemoveAll(w.out); err != nil {
		t.Fatal(err)
	}
	w.run()
	if got := w.awaitImport(started.ID); got.State != bulk.Failed || !strings.Contains(got.Message, "does not exist") {
		t.Errorf("%s %q", got.State, got.Message)
	}
}

// TestLostAccess is for a caller who may no longer do it.
func TestLostAccess(t *testing.T) {
	w := newWorld(t, nil)
	w.write("a.ndjson", patient("1"))
	w.lost = true
	started, err := w.service.StartImport(t.Context(), w.store, "somebody", bulk.Import{Input: url(w.in)})
	if err != nil {
		t.Fatal(err)
	}
	w.run()
	if got := w.awaitImport(started.ID); got.State != bulk.Failed || w.count("Patient") != 0 {
		t.Errorf("%s %q", got.State, got.Message)
	}
}
