package bulk_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/rest"
)

// A client asks a world over HTTP.
type client struct {
	*world
	url string
	// access is what callers may do.
	access authz.Access
}

func (w *world) serve() *client {
	c := &client{world: w, access: authz.Unrestricted()}
	handler := rest.New(rest.Options{
		Stores: w.catalog, Bulk: w.service,
		Authorize: func(*http.Request, *datastore.Store) (authz.Access, error) { return c.access, nil },
	})
	server := httptest.NewServer(handler)
	w.Cleanup(server.Close)
	c.url = server.URL + "/datastore/one/r4/"
	return c
}

type answer struct {
	status int
	header http.Header
	body   string
}

// do sends a request; headers are names and values.
func (c *client) do(method, path, body string, headers ...string) answer {
	c.Helper()
	if at, ok := strings.CutPrefix(path, "http://fhir.example.org/datastore/one/r4/"); ok {
		path = at
	}
	r, err := http.NewRequestWithContext(c.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	r.Header.Set("Accept", "application/fhir+json")
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	r.Header.Set("Prefer", "respond-async")
	for pair := range slices.Chunk(headers, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		c.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		c.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

type manifest struct {
	TransactionTime     time.Time
	Request             string
	RequiresAccessToken bool
	Output, Error       []manifestFile
	Deleted             []manifestFile
	Link                []struct{ Relation, URL string }
}

type manifestFile struct {
	Type, URL string
	Count     int
}

// poll waits for a job.
func (c *client) poll(location string) answer {
	c.Helper()
	return await(c.world, func() (answer, error) {
		a := c.do("GET", location, "", "Accept", "application/json")
		if a.status == 202 && (a.header.Get("X-Progress") == "" || len(a.header.Get("X-Progress")) >= 100 || a.header.Get("Retry-After") == "") {
			c.Errorf("in progress: %v", a.header)
		}
		if a.status == 429 && a.header.Get("Retry-After") == "" {
			c.Errorf("too often: %v", a.header)
		}
		return a, nil
	}, func(a answer) bool { return a.status != 202 && a.status != 429 })
}

// exported begins an export, waits and returns its manifest.
func (c *client) exported(method, path, body string, headers ...string) (manifest, string) {
	c.Helper()
	begun := c.do(method, path, body, headers...)
	location := begun.header.Get("Content-Location")
	if begun.status != 202 || !strings.HasPrefix(location, "http://fhir.example.org/datastore/one/r4/export/") {
		c.Fatalf("%s %s: %d %s %s", method, path, begun.status, location, begun.body)
	}
	a := c.poll(location)
	var m manifest
	if err := json.Unmarshal([]byte(a.body), &m); err != nil || a.status != 200 || a.header.Get("Content-Type") != "application/json" {
		c.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	if expires, err := http.ParseTime(a.header.Get("Expires")); err != nil || time.Until(expires) < 40*time.Hour {
		c.Errorf("expires %s", a.header.Get("Expires"))
	}
	return m, location
}

// fetch reads the files of a manifest.
func (c *client) fetch(m manifest) map[string][]string {
	c.Helper()
	lines := map[string][]string{}
	for _, f := range slices.Concat(m.Output, m.Deleted, m.Error) {
		a := c.do("GET", f.URL, "", "Accept", "application/fhir+ndjson")
		if a.status != 200 || a.header.Get("Content-Type") != "application/fhir+ndjson" {
			c.Fatalf("%s: %d %s", f.URL, a.status, a.body)
		}
		got := strings.SplitAfter(a.body, "\n")
		if len(got)-1 != f.Count {
			c.Errorf("%s has %d lines, want %d", f.URL, len(got)-1, f.Count)
		}
		lines[f.Type] = append(lines[f.Type], got[:len(got)-1]...)
	}
	return lines
}

func TestExportOverHTTP(t *testing.T) {
	c := clinic(t).serve()
	for _, test := range []struct{ method, path, body, want string }{
		{"GET", "$export?_type=Patient,Location&_outputFormat=ndjson", "", "Location/far Patient/1 Patient/2 Patient/3"},
		{"GET", "$export?_type=Patient&_type=Location", "", "Location/far Patient/1 Patient/2 Patient/3"},
		{"GET", "$export?_typeFilter=Patient%3F_id%3D1%2C2%2CPatient%3F_id%3D3&_type=Patient", "", "Patient/1 Patient/2 Patient/3"},
		{"GET", "Patient/$export?_type=Patient", "", "Patient/1 Patient/2 Patient/3"},
		{"GET", "Group/g/$export?_type=Patient", "", "Patient/1 Patient/3"},
		{"GET", "$export?_type=Patient&_since=2000-01-01T00:00:00%2B01:00&_until=2001-01-01&allowPartialManifests=true", "", ""},
		{
			"POST", "Group/g/$export",
			`{"resourceType":"Parameters","parameter":[{"name":"_type","valueString":"Patient"},{"name":"patient","valueReference":{"reference":"Patient/3"}},{"name":"_since","valueInstant":"2000-01-01T00:00:00Z"}]}`, "Patient/3",
		},
		{"POST", "$export", `{"resourceType":"Parameters","parameter":[{"name":"_typeFilter","valueString":"Patient?_id=2"},{"name":"_type","valueString":"Patient"}]}`, "Patient/2"},
		{"POST", "$export?_type=Location", "", "Location/far"},
	} {
		m, _ := c.exported(test.method, test.path, test.body)
		if got := names(t, c.fetch(m)); got != test.want {
			t.Errorf("%s %s: %s, want %s", test.method, test.path, got, test.want)
		}
		if m.Request != "http://fhir.example.org/datastore/one/r4/"+test.path || !m.RequiresAccessToken || m.TransactionTime.IsZero() || m.Output == nil || m.Error == nil {
			t.Errorf("%+v", m)
		}
	}
}

func TestExportOverHTTPRefuses(t *testing.T) {
	c := clinic(t).serve()
	for _, test := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"GET", "$export?_outputFormat=text/csv", "", 400, "text/csv"},
		{"GET", "$export?_type=Nothing", "", 400, "Nothing"},
		{"GET", "$export?_type=", "", 400, "_type"},
		{"GET", "$export?_since=yesterday", "", 400, "yesterday"},
		{"GET", "$export?_since=2001-01-01&_until=2000-01-01", "", 400, "before"},
		{"GET", "$export?_since=2001-01-01&_since=2000-01-01", "", 400, "twice"},
		{"GET", "$export?nothing=1", "", 400, "nothing"},
		{"GET", "$export?organizeOutputBy=Patient", "", 400, "organizeOutputBy"},
		{"GET", "$export?includeAssociatedData=all", "", 400, "includeAssociatedData"},
		{"GET", "$export?patient=Patient/1", "", 400, "Group"},
		{"GET", "Patient/$export?patient=Patient/1", "", 400, "POST"},
		{"GET", "Group/none/$export", "", 404, "none"},
		{"GET", "Observation/$export", "", 404, "export"},
		{"DELETE", "$export", "", 405, "GET"},
		{"POST", "$export", `{"resourceType":"Patient"}`, 400, "Patient"},
		{"POST", "$export", `{`, 400, ""},
		{"POST", "Patient/$export", `{"resourceType":"Parameters","parameter":[{"name":"patient","valueReference":{"reference":"Patient/none"}}]}`, 400, "none"},
		{"POST", "$export", `{"OutputDataConfig":{"S3Configuration":{"S3Uri":"s3://bucket"}}}`, 400, "bulk.s3_endpoint"},
		{"POST", "$export", `{"OutputDataConfig":{},"More":1}`, 400, "More"},
		{"GET", "export/none", "", 404, "none"},
		{"POST", "export/none", "", 405, ""},
		{"DELETE", "export/none", "", 404, "none"},
		{"GET", "export/none/Patient/Patient-0.ndjson", "", 404, "none"},
		{"GET", "import/none", "", 404, "none"},
		{"POST", "", `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"$export"}}]}`, 200, "cannot be an entry"},
	} {
		a := c.do(test.method, test.path, test.body, "Prefer", "handling=strict")
		if a.status != test.status || !strings.Contains(a.body, test.text) || !strings.Contains(a.body, "OperationOutcome") {
			t.Errorf("%s %s %s: %d %s; want %d %s", test.method, test.path, test.body, a.status, a.body, test.status, test.text)
		}
	}
	m, _ := c.exported("GET", "$export?nothing=1&_type=Patient,Nothing", "", "Prefer", "respond-async, handling=lenient")
	lines := c.fetch(m)
	if len(lines["Patient"]) != 3 || len(lines["OperationOutcome"]) != 2 || !strings.Contains(lines["OperationOutcome"][0], "nothing") {
		t.Errorf("lenient: %v", lines)
	}
}

// TestExportLeavesOutBinaries of callers who read them by their ids alone, and
// says so where they ask for them.
func TestExportLeavesOutBinaries(t *testing.T) {
	c := clinic(t).serve()
	scopes, _ := authz.ParseScopes("patient/*.rs", c.store.Registry())
	var err error
	if c.access, err = authz.Decide(c.store.Registry(), authz.Caller{Scopes: scopes, Patient: "1"}, authz.Policy{}); err != nil {
		t.Fatal(err)
	}
	if a := c.do("GET", "$export", ""); a.status != 202 {
		t.Errorf("of all types: %d %s", a.status, a.body)
	}
	if a := c.do("GET", "$export?_type=Patient,Binary", ""); a.status != 403 || !strings.Contains(a.body, "cannot search for Binary") {
		t.Errorf("of Binary: %d %s", a.status, a.body)
	}
}

// TestImportIsForServices: the app of a patient does not make the server fetch.
func TestImportIsForServices(t *testing.T) {
	c := clinic(t).serve()
	const body = `{"resourceType":"Parameters","parameter":[{"name":"input","part":[{"name":"type","valueCode":"Observation"},{"name":"url","valueUrl":"https://files.example.org/1"}]}]}`
	// Here the server fetches nothing, for nobody: 400.
	for scope, want := range map[string]int{"patient/*.cruds": 403, "system/*.rs": 403, "system/*.cruds": 400} {
		scopes, _ := authz.ParseScopes(scope, c.store.Registry())
		var err error
		if c.access, err = authz.Decide(c.store.Registry(), authz.Caller{Scopes: scopes, Patient: "1"}, authz.Policy{}); err != nil {
			t.Fatal(err)
		}
		if a := c.do("POST", "$import", body); a.status != want {
			t.Errorf("%s: %d %s, want %d", scope, a.status, a.body, want)
		}
	}
}

// TestOrganizedExport has a block for each patient.
func TestOrganizedExport(t *testing.T) {
	c := clinic(t).serve()
	m, _ := c.exported("GET", "Group/g/$export?organizeOutputBy=Patient&_type=Patient,Observation,Practitioner", "")
	if len(m.Output) != 2 || m.Output[0].Type != "" || m.Output[1].Type != "Practitioner" || m.Output[1].Count != 2 {
		t.Fatalf("%+v", m.Output)
	}
	var got []string
	for _, l := range c.fetch(m)[""] {
		var r struct {
			ResourceType, ID string
			Parameter        []struct{ ValueReference struct{ Reference string } }
		}
		if err := json.Unmarshal([]byte(l), &r); err != nil {
			t.Fatal(err)
		}
		if r.Parameter != nil {
			r.ID = "of " + r.Parameter[0].ValueReference.Reference
		}
		got = append(got, r.ResourceType+" "+r.ID)
	}
	if text := strings.Join(got, ", "); text != "Parameters of Patient/1, Patient 1, Observation o1, Parameters of Patient/3, Patient 3, Observation o3" {
		t.Error(text)
	}
}

func TestExportFilesOverHTTP(t *testing.T) {
	w := clinic(t)
	for i := range 10 { // a file that is worth compressing
		w.put(patient(fmt.Sprint("more-", i)))
	}
	w.run()
	c := w.serve()
	m, location := c.exported("GET", "$export?_type=Patient", "")
	file := m.Output[0].URL
	whole := c.do("GET", file, "", "Accept-Encoding", "identity")
	part := c.do("GET", file, "", "Range", "bytes=10-19", "Accept-Encoding", "gzip")
	if part.status != 206 || part.body != whole.body[10:20] || part.header.Get("Content-Encoding") != "" {
		t.Errorf("a range: %d %q %v", part.status, part.body, part.header)
	}
	if head := c.do("HEAD", file, ""); head.status != 200 || head.body != "" {
		t.Errorf("HEAD: %d %q", head.status, head.body)
	}
	if a := c.do("HEAD", "$export", ""); a.status != 405 || a.header.Get("Allow") != "GET, POST, OPTIONS" {
		t.Errorf("HEAD of what would begin an export: %d %v", a.status, a.header)
	}
	if a := c.do("GET", file, "", "Range", "bytes=100000-"); a.status != 416 || !strings.Contains(a.body, "OperationOutcome") || a.header.Get("Content-Range") == "" {
		t.Errorf("beyond: %d %s %v", a.status, a.body, a.header)
	}
	if a := c.do("GET", file, "", "Range", "lines=1-2"); a.status != 200 || a.body != whole.body {
		t.Errorf("a range in another unit: %d, %d bytes", a.status, len(a.body))
	}
	// What was begun compressed cannot go on in the bytes of the plain file.
	packed := c.do("GET", file, "", "Accept-Encoding", "gzip")
	tag := packed.header.Get("ETag")
	if packed.header.Get("Content-Encoding") != "gzip" || packed.header.Get("Accept-Ranges") != "" || tag != "W/"+whole.header.Get("ETag") {
		t.Errorf("compressed: %v; plain: %v", packed.header, whole.header)
	}
	if a := c.do("GET", file, "", "Accept-Encoding", "gzip", "If-Range", tag, "Range", "bytes=10-"); a.status != 200 {
		t.Errorf("the rest of it: %d", a.status)
	}
	if a := c.do("GET", file, "", "Accept-Encoding", "gzip", "If-None-Match", tag); a.status != 304 {
		t.Errorf("compressed, not modified: %d", a.status)
	}
	if a := c.do("GET", file, "", "If-None-Match", whole.header.Get("ETag")); a.status != 304 {
		t.Errorf("not modified: %d", a.status)
	}
	for _, path := range []string{"/../../x", "/Patient/none.ndjson", "/manifest.json"} {
		if a := c.do("GET", location+path, ""); a.status != 404 {
			t.Errorf("%s: %d", path, a.status)
		}
	}
	w.caller = "somebody else"
	for _, url := range []string{location, file} {
		if a := c.do("GET", url, ""); a.status != 404 {
			t.Errorf("another caller: %d %s", a.status, a.body)
		}
	}
	if a := c.do("DELETE", location, ""); a.status != 404 {
		t.Errorf("another caller deletes: %d", a.status)
	}
	w.caller = "somebody"
	if a := c.do("DELETE", location, ""); a.status != 202 {
		t.Errorf("delete: %d %s", a.status, a.body)
	}
	for _, url := range []string{location, file} {
		if a := c.do("GET", url, ""); a.status != 404 || !strings.Contains(a.body, "OperationOutcome") {
			t.Errorf("after it was deleted: %d %s", a.status, a.body)
		}
	}
}

func TestExportExpires(t *testing.T) {
	ahead := time.Duration(0)
	w := newWorld(t, func(o *bulk.Options) { o.Now = func() time.Time { return time.Now().Add(ahead) } })
	w.put(patient("1"))
	w.run()
	c := w.serve()
	m, location := c.exported("GET", "$export", "")
	w.stop()
	ahead = 49 * time.Hour
	for _, url := range []string{location, m.Output[0].URL} {
		if a := c.do("GET", url, ""); a.status != 410 {
			t.Errorf("%s: %d", url, a.status)
		}
	}
	w.open()
	w.run()
	await(w, func() (int, error) {
		n := 0
		for range w.opt.Files.List(t.Context(), "", "") {
			n++
		}
		return n, nil
	}, func(n int) bool { return n == 0 })
}

func TestExportLimits(t *testing.T) {
	w := newWorld(t, nil)
	c := w.serve()
	var last string
	for range 5 {
		last = c.do("GET", "$export", "").header.Get("Content-Location")
	}
	if a := c.do("GET", "$export", ""); a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("the sixth: %d", a.status)
	}
	if a := c.do("GET", last, ""); a.status != 202 || a.header.Get("X-Progress") != "waiting" {
		t.Errorf("waits: %d %v", a.status, a.header)
	}
	if a := c.do("DELETE", last, ""); a.status != 202 {
		t.Errorf("cancel: %d", a.status)
	}
	if a := c.do("GET", last, ""); a.status != 404 {
		t.Errorf("cancelled: %d", a.status)
	}
	if a := c.do("GET", "$export", ""); a.status != 202 {
		t.Errorf("after one was cancelled: %d", a.status)
	}
	w.caller = "somebody else"
	if a := c.do("GET", "$export", ""); a.status != 202 {
		t.Errorf("of another: %d", a.status)
	}
}

// TestPlainExport is what HealthLake's clients send and read.
func TestPlainExport(t *testing.T) {
	w := clinic(t)
	c := w.serve()
	a := c.do("POST", "$export?_type=Patient", `{"JobName":"mine","DataAccessRoleArn":"arn:aws:iam::1:role/x","OutputDataConfig":{"S3Configuration":{"S3Uri":"`+url(w.out)+`","KmsKeyId":"k"}}}`)
	var begun struct{ DatastoreID, JobStatus, JobID string }
	if err := json.Unmarshal([]byte(a.body), &begun); err != nil || a.status != 202 || begun.JobStatus != "SUBMITTED" || begun.DatastoreID != "one" || !strings.HasSuffix(a.header.Get("Content-Location"), "/export/"+begun.JobID) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	type described struct {
		ExportJobProperties struct {
			JobStatus, JobName, SubmitTime string
			Output                         []struct {
				Type, URL string
				Count     int
			}
		}
	}
	got := await(w, func() (d described, err error) {
		a := c.do("GET", "export/"+begun.JobID, "")
		return d, json.Unmarshal([]byte(a.body), &d)
	}, func(d described) bool { return d.ExportJobProperties.JobStatus == "COMPLETED" }).ExportJobProperties
	if got.JobName != "mine" || got.SubmitTime == "" || len(got.Output) != 1 || got.Output[0].URL != url(w.out)+"/one-FHIR_EXPORT-"+begun.JobID+"/Patient/Patient-0.ndjson" {
		t.Errorf("%+v", got)
	}
	if a := c.do("DELETE", "export/"+begun.JobID, ""); a.status != 400 || !strings.Contains(a.body, "not-supported") {
		t.Errorf("cancelled at the end: %d %s", a.status, a.body)
	}
	if !strings.Contains(w.output("one-FHIR_EXPORT-"+begun.JobID+"/manifest.json"), `"transactionTime"`) {
		t.Error("no manifest")
	}
}

func TestImportOverHTTP(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/patients":
			fmt.Fprintln(w, patient("1")+"\n"+patient("2")+"\n"+observation("9", "1"))
		case "/observations.gz":
			_, _ = io.WriteString(w, gzipped(observation("1", "1")))
		case "/manifest":
			fmt.Fprintf(w, `{"output":[{"type":"Patient","url":"http://%s/patients"}]}`, r.Host)
		default:
			http.NotFound(w, r)
		}
	}))
	defer files.Close()
	w := newWorld(t, func(o *bulk.Options) { o.Fetch = files.Client() })
	w.run()
	c := w.serve()
	input := func(resourceType, path string) string {
		return `{"name":"input","part":[{"name":"type","valueCode":"` + resourceType + `"},{"name":"url","valueUrl":"` + files.URL + path + `"}]}`
	}
	begun := c.do("POST", "$import", `{"resourceType":"Parameters","parameter":[{"name":"inputFormat","valueCode":"application/fhir+ndjson"},`+
		input("Patient", "/patients")+`,`+input("Observation", "/observations.gz")+`,`+input("Patient", "/none")+`]}`)
	if begun.status != 202 {
		t.Fatalf("%d %s", begun.status, begun.body)
	}
	a := c.poll(begun.header.Get("Content-Location"))
	var m struct {
		manifest
		Counts map[string]int
	}
	if err := json.Unmarshal([]byte(a.body), &m); err != nil || a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if m.Counts["created"] != 3 || m.Counts["refused"] != 1 || w.count("Observation") != 1 || len(m.Output) != 1 || len(m.Error) != 1 {
		t.Errorf("%+v", m)
	}
	if m.Counts["filesFailed"] != 2 || strings.Contains(a.body, `"count":`) {
		t.Errorf("files that failed: %s", a.body)
	}
	errors := c.do("GET", m.Error[0].URL, "")
	if errors.status != 200 || !strings.Contains(errors.body, `"inputFile":"`+files.URL+`/none"`) || !strings.Contains(errors.body, "404") || !strings.Contains(errors.body, "Observation where only Patient") {
		t.Errorf("%d %s", errors.status, errors.body)
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	if a := c.do("POST", "$import", `{"resourceType":"Parameters","parameter":[{"name":"manifest","valueUrl":"`+gone.URL+`"}]}`); a.status != 422 || !strings.Contains(a.body, "cannot be fetched: connection refused") {
		t.Errorf("a server that is not there: %d %s", a.status, a.body)
	}
	begun = c.do("POST", "$import", `{"resourceType":"Parameters","parameter":[{"name":"manifest","valueUrl":"`+files.URL+`/manifest"}]}`)
	if a := c.poll(begun.header.Get("Content-Location")); a.status != 200 || !strings.Contains(a.body, `"unchanged":2`) {
		t.Errorf("%d %s", a.status, a.body)
	}
	for _, parameter := range []string{
		``, `{"name":"input","part":[]}`, `{"name":"input","part":[{"name":"url","valueUrl":"file:///etc/passwd"}]}`, input("Nothing", "/patients"),
		`{"name":"inputFormat","valueCode":"text/csv"}`, `{"name":"other","valueCode":"x"}`, `{"name":"manifest","valueUrl":"` + files.URL + `/none"}`,
		`{"name":"input","part":[{"name":"url","valueUrl":"s3://bucket/x"}]}`, `{"name":"validationLevel","valueCode":"none"}`,
	} {
		a := c.do("POST", "$import", `{"resourceType":"Parameters","parameter":[`+parameter+`]}`)
		if a.status != 400 && a.status != 422 {
			t.Errorf("%s: %d %s", parameter, a.status, a.body)
		}
	}
	c.access = authz.Access{}
	if a := c.do("POST", "$import", `{"resourceType":"Parameters","parameter":[`+input("Patient", "/patients")+`]}`); a.status != 403 {
		t.Errorf("without the right: %d", a.status)
	}
}

func TestCapability(t *testing.T) {
	c := newWorld(t, nil).serve()
	var statement struct {
		Instantiates []string
		Rest         []struct {
			Operation []struct{ Name, Definition string }
			Resource  []struct {
				Type      string
				Operation []struct{ Name, Definition string }
			}
		}
	}
	if err := json.Unmarshal([]byte(c.do("GET", "metadata", "").body), &statement); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(statement.Instantiates, "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data") {
		t.Error(statement.Instantiates)
	}
	found := fmt.Sprint(statement.Rest[0].Operation)
	for _, r := range statement.Rest[0].Resource {
		for _, o := range r.Operation {
			if o.Name == "export" {
				found += r.Type + " " + o.Definition + " "
			}
		}
	}
	for _, want := range []string{"OperationDefinition/export}", "{import ", "Group http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export Patient http://hl7.org/fhir/uv/bulkdata/OperationDefinition/patient-export "} {
		if !strings.Contains(found, want) {
			t.Errorf("%s is not in %s", want, found)
		}
	}
}
