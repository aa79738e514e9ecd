package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A fake is a FHIR server that keeps what it is sent.
type fake struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	stored []string // "PUT Patient/1" in the order of arrival
	bodies int      // POSTs that were answered
	kinds  []string // of the Bundles that were answered
	// before, where not nil, answers a POST instead; it returns false to let
	// it pass.
	before func(w http.ResponseWriter, entries []fakeEntry) bool
	// refuse is asked for each entry of a batch; "" accepts it.
	refuse func(e fakeEntry) string
}

type fakeEntry struct {
	Resource struct {
		ResourceType, ID, Gender string
	}
	Request struct{ Method, URL string }
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, refuse: func(fakeEntry) string { return "" }}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Server.Close)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case r.Method == http.MethodGet && r.URL.Path == "/fhir/metadata":
		fmt.Fprint(w, `{"resourceType":"CapabilityStatement"}`)
		return
	case r.Method != http.MethodPost || r.URL.Path != "/fhir":
		http.Error(w, "not here", http.StatusNotFound)
		return
	}
	var bundle struct {
		Type  string
		Entry []fakeEntry
	}
	if err := json.NewDecoder(r.Body).Decode(&bundle); err != nil {
		f.t.Errorf("the body is not JSON: %v", err)
	}
	if f.before != nil && f.before(w, bundle.Entry) {
		return
	}
	f.bodies++
	if f.transaction(w, bundle.Type, bundle.Entry) {
		return
	}
	response := []string{}
	for _, e := range bundle.Entry {
		if why := f.refuse(e); why != "" {
			response = append(response, fmt.Sprintf(`{"response":{"status":"422 Unprocessable Entity","outcome":%s}}`, outcomeText(why, "Bundle.entry[0].resource.gender")))
			continue
		}
		f.stored = append(f.stored, e.Request.Method+" "+e.Request.URL)
		response = append(response, `{"response":{"status":"201 Created"}}`)
	}
	fmt.Fprintf(w, `{"resourceType":"Bundle","type":"%s-response","entry":[%s]}`, bundle.Type, strings.Join(response, ","))
}

// transaction refuses one of several entries as a whole where one is refused: it
// is stored wholly or not at all.
func (f *fake) transaction(w http.ResponseWriter, kind string, entries []fakeEntry) (refused bool) {
	f.kinds = append(f.kinds, kind)
	for i, e := range entries {
		if why := f.refuse(e); kind == "transaction" && len(entries) > 1 && why != "" {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, outcomeText(why, fmt.Sprintf("Bundle.entry[%d].resource", i)))
			return true
		}
	}
	return false
}

func outcomeText(diagnostics, expression string) string {
	return fmt.Sprintf(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid","diagnostics":%q,"expression":[%q]}]}`, diagnostics, expression)
}

// names are what was stored, sorted.
func (f *fake) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := slices.Clone(f.stored)
	slices.Sort(names)
	return names
}

// load runs a load whose waits take no time.
func (f *fake) load(opt Options) (*Summary, error) {
	f.t.Helper()
	if opt.To == "" {
		opt.To = f.URL + "/fhir/"
	}
	opt.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	return Run(context.Background(), opt)
}

func (f *fake) mustLoad(opt Options) *Summary {
	f.t.Helper()
	s, err := f.load(opt)
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

// files writes name → text into a folder; .gz and .zst are packed.
func files(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, packed(name, text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func packed(name, text string) []byte {
	var b bytes.Buffer
	switch filepath.Ext(name) {
	case ".gz":
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
	case ".zst":
		w, _ := zstd.NewWriter(&b)
		_, _ = w.Write([]byte(text))
		_ = w.Close()
	default:
		b.WriteString(text)
	}
	return b.Bytes()
}

func patient(id string) string { return fmt.Sprintf(`{"resourceType":"Patient","id":%q}`, id) }

// lines are n patients as NDJSON.
func lines(prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(patient(fmt.Sprintf("%s%03d", prefix, i)) + "\n")
	}
	return b.String()
}

// transaction is a Bundle of POSTs.
func transaction(types ...string) string {
	entries := make([]string, len(types))
	for i, typ := range types {
		entries[i] = fmt.Sprintf(`{"fullUrl":"urn:uuid:%d","resource":{"resourceType":%q},"request":{"method":"POST","url":%q}}`, i, typ, typ)
	}
	return `{"resourceType":"Bundle","type":"transaction","entry":[` + strings.Join(entries, ",") + "]}"
}

func wantNames(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("stored %q, want %q", got, want)
	}
}

func TestRunReadsEveryKindOfFile(t *testing.T) {
	f := newFake(t)
	dir := files(t, map[string]string{
		"a/bundle.json":        transaction("Patient", "Observation"),
		"a/bundle2.json.gz":    transaction("Encounter"),
		"a/b/lines.ndjson":     lines("p", 2) + "\n\n" + `{"resourceType":"Device"}`,
		"a/b/lines.ndjson.gz":  lines("q", 1),
		"a/b/lines.ndjson.zst": lines("r", 1),
		"one.json":             "\ufeff" + patient("one"),
		"searchset.json.zst":   `{"resourceType":"Bundle","id":"set","type":"searchset"}`,
		"coverage.json":        `{"resourceType":"Coverage","id":"c","type":{"text":"not a string"}}`,
		"README.txt":           "not for loading",
	})
	s := f.mustLoad(Options{Paths: []string{dir, filepath.Join(dir, "one.json")}})
	wantNames(t, f.names(), "POST Device", "POST Encounter", "POST Observation", "POST Patient", "PUT Bundle/set", "PUT Coverage/c",
		"PUT Patient/one", "PUT Patient/p000", "PUT Patient/p001", "PUT Patient/q000", "PUT Patient/r000")
	if s.Files != 8 || s.Total != (Counts{Created: 11}) || s.Types["Patient"].Created != 6 || s.Rejected != 0 {
		t.Errorf("the summary is %+v", s)
	}
	var text bytes.Buffer
	if err := s.Print(&text); err != nil || !strings.Contains(text.String(), "8 files (0 done earlier), 11 resources stored") {
		t.Errorf("the summary reads\n%s", &text)
	}
}

func TestRunPacksLines(t *testing.T) {
	f := newFake(t)
	f.mustLoad(Options{Paths: []string{files(t, map[string]string{"a.ndjson": lines("p", 25)})}, Lines: 10})
	if f.bodies != 3 || len(f.names()) != 25 {
		t.Errorf("%d requests stored %d resources, want 3 and 25", f.bodies, len(f.names()))
	}
}

func TestRunOrdersGroups(t *testing.T) {
	f := newFake(t)
	texts := map[string]string{
		"0-practitionerInformation1.json": transaction("Practitioner"),
		"x/hospitalInformation2.json.gz":  transaction("Organization"),
		"x/infrastructure.json":           transaction("Location"),
	}
	for i := range 20 {
		texts[fmt.Sprintf("a%d.json", i)] = transaction("Patient")
	}
	texts["z.json.gz"] = strings.Replace(transaction("Encounter"), `"Encounter"}`, `"Encounter","subject":{ "reference" : "Patient?identifier=7"}}`, 1)
	f.mustLoad(Options{Paths: []string{files(t, texts)}, Parallel: 8})
	first := slices.Clone(f.stored[:2])
	slices.Sort(first)
	if !slices.Equal(first, []string{"POST Location", "POST Organization"}) || f.stored[2] != "POST Practitioner" || f.stored[3] != "POST Encounter" || len(f.stored) != 24 {
		t.Errorf("the order is %q", f.stored)
	}
}

func TestRunRefusesBadArguments(t *testing.T) {
	f := newFake(t)
	dir := files(t, map[string]string{"a.json": patient("a"), "b.txt": "x"})
	for _, c := range []struct {
		opt  Options
		want string
	}{
		{Options{To: "localhost/fhir", Paths: []string{dir}}, "is not a FHIR base URL"},
		{Options{Paths: []string{filepath.Join(dir, "none")}}, "none"},
		{Options{Paths: []string{filepath.Join(dir, "b.txt")}}, "no file to load"},
		{Options{Paths: []string{t.TempDir()}}, "no file to load"},
		{Options{To: f.URL + "/elsewhere", Paths: []string{dir}}, "is not the base URL of a FHIR server"},
		{Options{To: "http://127.0.0.1:1/fhir", Paths: []string{dir}}, "connection refused"},
	} {
		if _, err := f.load(c.opt); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.opt, err, c.want)
		}
	}
	if len(f.stored) > 0 {
		t.Errorf("stored %q", f.stored)
	}
}

// TestRejections checks that every refused resource is named with its place.
func TestRejections(t *testing.T) {
	f := newFake(t)
	f.refuse = func(e fakeEntry) string {
		if e.Resource.Gender != "" {
			return "unknown code"
		}
		return ""
	}
	f.before = func(w http.ResponseWriter, entries []fakeEntry) bool {
		if len(entries) == 2 && entries[1].Resource.ResourceType == "Bad" {
			w.WriteHeader(400)
			fmt.Fprint(w, outcomeText("no such type", "Bundle.entry[1].resource"))
			return true
		}
		return false
	}
	dir := files(t, map[string]string{
		"a.ndjson":    patient("ok") + "\nnot JSON\n[]\n{}\n" + `{"resourceType":"Patient","id":"x","gender":"q"}` + "\n",
		"b.json":      transaction("Patient", "Bad"),
		"c.json":      "{",
		"d.json":      strings.Replace(transaction("Patient"), `"Patient"}`, `"Patient","gender":"q"}`, 1),
		"g.json":      `{"resourceType":"Patient","id":"g","gender":"q"}`,
		"e.ndjson.gz": "",
	})
	if err := os.WriteFile(filepath.Join(dir, "f.json.gz"), []byte("not gzip"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := f.mustLoad(Options{Paths: []string{dir}, Errors: &log})
	got := []string{}
	for _, r := range s.Rejections {
		got = append(got, strings.TrimPrefix(r.String(), dir+string(filepath.Separator)))
	}
	slices.Sort(got)
	want := []string{
		"a.ndjson:2: not JSON at byte 2",
		"a.ndjson:3: not a JSON object",
		"a.ndjson:4: not a FHIR resource: it has no resourceType",
		"a.ndjson:5 Patient/x: 422: Patient.gender: unknown code",
		"b.json entry 1 Bad: 400: Bundle.entry[1].resource: no such type (and with it 1 other resources of the transaction)",
		"c.json: not JSON",
		"d.json entry 0 Patient: 422: Bundle.entry[0].resource.gender: unknown code",
		"f.json.gz: not gzip",
		"g.json Patient/g: 422: Patient.gender: unknown code",
	}
	if len(got) != len(want) {
		t.Fatalf("%d rejections, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("rejection %q, want %q", got[i], want[i])
		}
	}
	if s.Total != (Counts{Created: 1, Rejected: 10}) || bytes.Count(log.Bytes(), []byte("\n")) != len(want) {
		t.Errorf("the totals are %+v, the log is\n%s", s.Total, &log)
	}
}

// TestBlamedEntries sends batches to a server that refuses a whole batch for
// one entry, and names the entry or does not.
func TestBlamedEntries(t *testing.T) {
	for _, names := range []bool{true, false} {
		f := newFake(t)
		f.before = func(w http.ResponseWriter, entries []fakeEntry) bool {
			for i, e := range entries {
				if strings.HasSuffix(e.Resource.ID, "7") {
					expression := ""
					if names {
						expression = fmt.Sprintf("Bundle.entry[%d].resource.id", i)
					}
					w.WriteHeader(400)
					fmt.Fprint(w, outcomeText("sevens are not allowed", expression))
					return true
				}
			}
			return false
		}
		s := f.mustLoad(Options{Paths: []string{files(t, map[string]string{"a.ndjson": lines("p", 40)})}, Lines: 20})
		if s.Total != (Counts{Created: 36, Rejected: 4}) || len(f.names()) != 36 {
			t.Errorf("names=%v: the totals are %+v, %d stored", names, s.Total, len(f.names()))
		}
		at := []int{}
		for _, r := range s.Rejections {
			at = append(at, r.Line)
		}
		slices.Sort(at)
		if !slices.Equal(at, []int{8, 18, 28, 38}) {
			t.Errorf("names=%v: rejected lines %v", names, at)
		}
	}
}

func TestTooLargeBatchesAreSplit(t *testing.T) {
	f := newFake(t)
	f.before = func(w http.ResponseWriter, entries []fakeEntry) bool {
		if len(entries) > 3 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return true
		}
		return false
	}
	s := f.mustLoad(Options{Paths: []string{files(t, map[string]string{"a.ndjson": lines("p", 10)})}})
	if s.Total != (Counts{Created: 10}) {
		t.Errorf("the totals are %+v", s.Total)
	}
}

func TestBusyServerIsWaitedFor(t *testing.T) {
	f := newFake(t)
	statuses := []int{429, 503, 502, 504, 429}
	f.before = func(w http.ResponseWriter, _ []fakeEntry) bool {
		if len(statuses) == 0 {
			return false
		}
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(statuses[0])
		statuses = statuses[1:]
		return true
	}
	var waits []time.Duration
	var shown []string
	opt := Options{To: f.URL + "/fhir", Paths: []string{files(t, map[string]string{"a.json": transaction("Patient")})},
		Sleep:    func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil },
		Progress: func(p Progress) { shown = append(shown, p.Waiting) }}
	s, err := Run(context.Background(), opt)
	if err != nil || s.Total != (Counts{Created: 1}) {
		t.Fatalf("%+v, %v", s, err)
	}
	if len(waits) != 5 || slices.Min(waits) < 3*time.Second {
		t.Errorf("waited %v, want five times 3s or more", waits)
	}
	if !strings.Contains(strings.Join(shown, ","), "429 Too Many Requests") {
		t.Errorf("the progress says %q", shown)
	}
}

func TestAbsentServerIsGivenUp(t *testing.T) {
	f := newFake(t)
	f.before = func(w http.ResponseWriter, _ []fakeEntry) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	_, err := f.load(Options{Paths: []string{files(t, map[string]string{"a.json": transaction("Patient")})}})
	if err == nil || !strings.Contains(err.Error(), "503 Service Unavailable") || !strings.Contains(err.Error(), "repeat the command") {
		t.Errorf("Run: %v", err)
	}
}

// TestBrokenConnection breaks connections after the request was read: what can
// be sent twice is, what cannot is reported.
func TestBrokenConnection(t *testing.T) {
	f := newFake(t)
	broken := map[string]bool{}
	f.before = func(_ http.ResponseWriter, entries []fakeEntry) bool {
		kind := entries[0].Request.Method
		if !broken[kind] {
			broken[kind] = true
			panic(http.ErrAbortHandler)
		}
		return false
	}
	state := filepath.Join(t.TempDir(), "state")
	dir := files(t, map[string]string{"put.ndjson": lines("p", 2), "post.json": transaction("Patient")})
	s := f.mustLoad(Options{Paths: []string{dir}, State: state, Parallel: 1})
	if s.Total != (Counts{Created: 2, Rejected: 1}) || !strings.Contains(s.Rejections[0].Reason, "may or may not be stored") {
		t.Errorf("%+v", s)
	}
	s = f.mustLoad(Options{Paths: []string{dir}, State: state})
	if s.Total != (Counts{Created: 1}) || s.Skipped != 1 {
		t.Errorf("the second time: %+v; want the transaction only", s)
	}
}

var errStop = errors.New("stop")

// TestResume stops loads after every possible number of requests and goes on.
func TestResume(t *testing.T) {
	dir := files(t, map[string]string{"a.ndjson": lines("a", 35), "b.json": transaction("Patient"), "c.ndjson.gz": lines("c", 12)})
	const requests = 4 + 1 + 2
	for stopAfter := range requests {
		f := newFake(t)
		state := filepath.Join(t.TempDir(), "deep", "state")
		opt := Options{To: f.URL + "/fhir", Paths: []string{dir}, State: state, Lines: 10, Parallel: 2}
		ctx, cancel := context.WithCancelCause(context.Background())
		answered := 0
		first := opt
		first.Progress = func(p Progress) {
			if answered++; answered > stopAfter {
				cancel(errStop)
			}
		}
		_, err := Run(ctx, first)
		if !errors.Is(err, context.Canceled) && stopAfter < requests-3 {
			t.Fatalf("stopped after %d: %v", stopAfter, err)
		}
		s, err := Run(context.Background(), opt)
		if err != nil {
			t.Fatal(err)
		}
		names := f.names()
		if distinct := slices.Compact(slices.Clone(names)); len(distinct) != 48 {
			t.Errorf("stopped after %d: %d of 48 stored", stopAfter, len(distinct))
		}
		// Requests that ran while the load was stopped were waited for.
		if len(names) != 48 {
			t.Errorf("stopped after %d: %d stored, some again", stopAfter, len(names))
		}
		if again, err := Run(context.Background(), opt); err != nil || again.Skipped != 3 || again.Total != (Counts{}) {
			t.Errorf("a third time: %+v, %v", again, err)
		}
		opt.Restart = true
		if again, err := Run(context.Background(), opt); err != nil || again.Total.Created != 48 || s.Files != 3 {
			t.Errorf("restarted: %+v, %v", again, err)
		}
	}
}

// TestResumeKnowsFilesAndServers loads the same path with other content, and
// to another server.
func TestResumeKnowsFilesAndServers(t *testing.T) {
	f, g := newFake(t), newFake(t)
	state := filepath.Join(t.TempDir(), "state")
	dir := files(t, map[string]string{"a.ndjson": lines("a", 1)})
	opt := Options{Paths: []string{dir}, State: state}
	f.mustLoad(opt)
	g.mustLoad(opt)
	if err := os.WriteFile(filepath.Join(dir, "a.ndjson"), []byte(lines("b", 2)), 0o600); err != nil {
		t.Fatal(err)
	}
	f.mustLoad(opt)
	wantNames(t, f.names(), "PUT Patient/a000", "PUT Patient/b000", "PUT Patient/b001")
	wantNames(t, g.names(), "PUT Patient/a000")
}

func TestTemporaryState(t *testing.T) {
	f := newFake(t)
	state := filepath.Join(t.TempDir(), "state")
	opt := Options{Paths: []string{files(t, map[string]string{"a.ndjson": lines("a", 1)})}, State: state, StateIsTemporary: true}
	for want := 1; want <= 2; want++ {
		f.mustLoad(opt)
		if len(f.names()) != want {
			t.Errorf("%d stored, want %d", len(f.names()), want)
		}
		if _, err := os.Stat(state); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the state is still there: %v", err)
		}
	}
}

func TestForeignState(t *testing.T) {
	f := newFake(t)
	dir := files(t, map[string]string{"a.ndjson": lines("a", 1), "other": `{"hello":"world"}` + "\n", "cut": `{"target":"x`})
	if _, err := f.load(Options{Paths: []string{dir}, State: filepath.Join(dir, "other")}); err == nil || !strings.Contains(err.Error(), "is no state of tarn load") {
		t.Errorf("another file as state: %v", err)
	}
	for range 2 { // what follows a line that a crash cut off is remembered
		f.mustLoad(Options{Paths: []string{dir}, State: filepath.Join(dir, "cut")})
		wantNames(t, f.names(), "PUT Patient/a000")
	}
}

func TestMeter(t *testing.T) {
	var out bytes.Buffer
	m := NewMeter(&out)
	now := m.begin
	m.now = func() time.Time { return now }
	p := Progress{Files: 1, AllFiles: 4, Bytes: 100, AllBytes: 400, Resources: 50}
	m.Show(p)
	now = now.Add(meterEvery)
	m.Show(p)
	m.Show(p)
	p.Waiting, p.Rejected = "the server answers 503", 2
	m.Show(p)
	m.Close()
	want := "1/4 files, 50 resources, 10/s, 25%, about 15s left\n" +
		"1/4 files, 50 resources, 10/s, 2 rejected, waiting: the server answers 503, 25%, about 15s left\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", &out, want)
	}
}
