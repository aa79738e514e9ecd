package bulk_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/bulk"
)

// TestPollsTooOften refuses a client that does not heed Retry-After, until it
// waits.
func TestPollsTooOften(t *testing.T) {
	ahead := time.Duration(0)
	began := time.Now()
	w := newWorld(t, func(o *bulk.Options) { o.Now = func() time.Time { return began.Add(ahead) } })
	c := w.serve() // nothing runs
	location := c.do("GET", "$export", "").header.Get("Content-Location")
	other := c.do("GET", "$export", "").header.Get("Content-Location")
	ask := func(location string, status int, after string) {
		t.Helper()
		if a := c.do("GET", location, ""); a.status != status || a.header.Get("Retry-After") != after || status == 429 && !strings.Contains(a.body, "throttled") {
			t.Errorf("%d %q %s; want %d %s", a.status, a.header.Get("Retry-After"), a.body, status, after)
		}
	}
	for range 11 {
		ask(location, 202, "1")
	}
	ask(location, 429, "1")
	ask(location, 429, "1")
	ask(other, 202, "1")
	ahead = 950 * time.Millisecond // nearly is enough
	ask(location, 202, "1")
	ahead = 10 * time.Minute
	ask(location, 202, "60")
	ahead += 30 * time.Second
	for range 10 {
		ask(location, 202, "60")
	}
	ask(location, 429, "30")
	if a := c.do("DELETE", location, ""); a.status != 202 {
		t.Errorf("it cannot be cancelled: %d", a.status)
	}
}

// TestSeparateStatus has the job's status in a header of its own.
func TestSeparateStatus(t *testing.T) {
	w := clinic(t)
	w.stop()
	c := w.serve()
	begun := c.do("GET", "$export?_type=Patient", "", "Prefer", "respond-async, separate-export-status")
	if begun.status != 202 || begun.header.Get("Preference-Applied") != "respond-async, separate-export-status" {
		t.Fatalf("%d %v", begun.status, begun.header)
	}
	location := begun.header.Get("Content-Location")
	want := func(export string, status int, body string) {
		t.Helper()
		a := c.do("GET", location, "")
		if a.status != status || a.header.Get("X-Export-Status") != export || !strings.Contains(a.body, body) {
			t.Errorf("%d %v %s; want %d %s", a.status, a.header, a.body, status, export)
		}
	}
	want("202 Accepted", 200, "")
	w.run()
	w.awaitExport(location[strings.LastIndex(location, "/")+1:])
	want("200 OK", 200, `"transactionTime"`)
	w.stop()
	if a := c.do("DELETE", location, ""); a.status != 202 {
		t.Fatal(a.status)
	}
	want("", 404, "OperationOutcome")

	begun = c.do("GET", "$export?_type=Patient", "", "Prefer", "respond-async", "prefer", "separate-export-status;x=1,respond-async")
	location = begun.header.Get("Content-Location")
	w.lost = true
	w.open()
	c = w.serve()
	w.run()
	w.awaitExport(location[strings.LastIndex(location, "/")+1:])
	want("500 Internal Server Error", 200, "OperationOutcome")
	begun = c.do("GET", "$export?_type=Patient", "")
	location = begun.header.Get("Content-Location")
	w.awaitExport(location[strings.LastIndex(location, "/")+1:])
	want("", 500, "OperationOutcome")
}

// TestManifestPages gives pages to who takes them, and a whole to others.
func TestManifestPages(t *testing.T) {
	w := newWorld(t, func(o *bulk.Options) { o.Limits.FileLines, o.Limits.ManifestFiles = 1, 2 })
	for i := range 5 {
		w.put(patient(fmt.Sprint(i)))
	}
	w.delete("Patient", "0")
	w.run()
	c := w.serve()
	whole, _ := c.exported("GET", "$export?_since=2000-01-01", "")
	if len(whole.Output) != 4 || len(whole.Deleted) != 1 || whole.Link != nil {
		t.Errorf("%+v", whole)
	}
	page, location := c.exported("GET", "$export?_since=2000-01-01&allowPartialManifests=true", "")
	var output, deleted []manifestFile
	pages := 1
	for first := page; ; pages++ {
		output, deleted = append(output, page.Output...), append(deleted, page.Deleted...)
		if page.Request != first.Request || !page.TransactionTime.Equal(first.TransactionTime) || !page.RequiresAccessToken {
			t.Errorf("%+v", page)
		}
		if page.Link == nil {
			break
		}
		if len(page.Output) != 2 || len(page.Link) != 1 || page.Link[0].Relation != "next" || len(page.Deleted) > 0 {
			t.Fatalf("%+v", page)
		}
		a := c.do("GET", page.Link[0].URL, "", "Accept", "application/json")
		page = manifest{}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil || a.status != 200 || a.header.Get("Content-Type") != "application/json" || a.header.Get("Expires") == "" {
			t.Fatalf("%d %s %v", a.status, a.body, err)
		}
	}
	m := manifest{Output: output, Deleted: deleted}
	if got := names(t, map[string][]string{"Patient": c.fetch(m)["Patient"]}); pages != 2 || got != "Patient/1 Patient/2 Patient/3 Patient/4" || len(deleted) != 1 {
		t.Errorf("%d pages: %s", pages, got)
	}
	for _, path := range []string{"/manifest-1.json", "/manifest-3.json", "/manifest-02.json", "/manifest.json"} {
		if a := c.do("GET", location+path, ""); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	w.caller = "somebody else"
	if a := c.do("GET", location+"/manifest-2.json", ""); a.status != http.StatusNotFound {
		t.Errorf("another caller: %d", a.status)
	}
}
