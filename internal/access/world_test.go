package access

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/validate"
)

var ctx = context.Background()

const base = "http://example.org/datastore/w/r4"

// An object is a resource, decoded.
type object = map[string]any

// A version is what one write stored; content is nil for a deletion.
type version struct {
	number  int
	content object
}

// A world is a data store whose whole content the test knows.
type world struct {
	t       testing.TB
	ds      *datastore.Store
	handler http.Handler
	jobs    *job.Queue
	// versions are those of each resource, "Patient/p1", oldest first.
	versions map[string][]version
	names    []string // of the resources, sorted
	callers  []*caller
	ids      atomic.Int64 // made
	// rules are what counts beside scopes and roles, nil for nothing.
	rules *rules
	// least is how sure links of Persons have to be, "" where none counts.
	least string
	// ahead is how far the data store's clock is ahead.
	ahead time.Duration
	// clock is what every clock shows of a world that has its own, in
	// microseconds, 0 for that of the machine.
	clock atomic.Int64
	// bulk runs the exports of such a world.
	bulk *bulk.Service
}

// now is what the world's clocks show.
func (w *world) now() time.Time {
	if at := w.clock.Load(); at != 0 {
		return time.UnixMicro(at).Add(w.ahead)
	}
	return time.Now().Add(w.ahead)
}

// secret is in each resource that is about a patient: no answer to somebody who
// may not see that patient has it.
func secret(patient string) string { return "secret" + strings.ToUpper(patient) }

// story is what is stored, in order; "-Type/id" is a deletion.
func story() []string {
	var all []string
	add := func(texts ...string) { all = append(all, texts...) }
	add(
		`{"resourceType":"Organization","id":"o1","name":"clinic"}`,
		`{"resourceType":"Practitioner","id":"d1","name":[{"family":"One"}]}`,
		`{"resourceType":"Practitioner","id":"d2","name":[{"family":"Two"}]}`,
		`{"resourceType":"Practitioner","id":"d3","name":[{"family":"Three"}]}`,
		`{"resourceType":"Medication","id":"m1","code":{"text":"aspirin"}}`,
	)
	for n, p := range []string{"p1", "p2"} {
		doctor := []string{"d1", "d2"}[n]
		about := func(resourceType, id, rest string) string {
			return fmt.Sprintf(`{"resourceType":%q,"id":"%s-%s","language":"en","identifier":[{"system":"http://e.org/id","value":"%[3]s-%[2]s"}],%[4]s}`, resourceType, id, p, rest)
		}
		subject := fmt.Sprintf(`"subject":{"reference":"Patient/%s","display":%q}`, p, secret(p))
		patient := strings.Replace(subject, `"subject"`, `"patient"`, 1)
		add(
			fmt.Sprintf(`{"resourceType":"Patient","id":%q,"identifier":[{"system":"http://e.org/id","value":"i-%[1]s"}],"name":[{"family":%q,"given":["Name%[1]s"]}],"birthDate":"19%[3]d0-01-01","managingOrganization":{"reference":"Organization/o1"}%[4]s}`,
				p, secret(p), 7+n, []string{`,"generalPractitioner":[{"reference":"Practitioner/d1"}]`, ``}[n]),
			about("CareTeam", "ct", `"status":"active",`+subject+fmt.Sprintf(`,"participant":[{"member":{"reference":"Practitioner/%s"}}]`, []string{"d3x", "d2"}[n])),
			about("Encounter", "e", `"status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},`+subject+`,"participant":[{"individual":{"reference":"Practitioner/`+doctor+`"}}]`),
			about("Observation", "lab", `"status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"lab"}]},`+subject+`,"effectiveDateTime":"2020-01-0`+fmt.Sprint(n+1)+`","encounter":{"reference":"Encounter/e-`+p+`"},"performer":[{"reference":"Practitioner/`+doctor+`"}],"valueQuantity":{"value":`+fmt.Sprint(10+n)+`,"unit":"mg","system":"http://unitsofmeasure.org","code":"mg"}`),
			about("Observation", "vital", `"status":"final","category":[{"coding":[{"system":"http://c","code":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"vital"}]},`+subject+`,"effectiveDateTime":"2021-01-0`+fmt.Sprint(2-n)+`","hasMember":[{"reference":"Observation/lab-`+p+`"}]`),
			about("Condition", "c", `"code":{"text":"flu"},`+subject+`,"encounter":{"reference":"Encounter/e-`+p+`"}`),
			about("MedicationRequest", "mr", `"status":"active","intent":"order","medicationReference":{"reference":"Medication/m1"},`+subject+`,"requester":{"reference":"Practitioner/`+doctor+`"}`),
			about("RelatedPerson", "rp", `"active":true,`+patient),
			about("List", "l", `"status":"current","mode":"working",`+subject+`,"entry":[{"item":{"reference":"Observation/lab-`+p+`"}},{"item":{"reference":"Observation/lab-p2"}}]`),
			fmt.Sprintf(`{"resourceType":"Binary","id":"b-%s","contentType":"text/plain","securityContext":{"reference":"Patient/%[1]s"},"data":"c2VjcmV0"}`, p),
			fmt.Sprintf(`{"resourceType":"Composition","id":"doc-%s","status":"final","type":{"text":"t"},"date":"2020-01-01","title":"t","author":[{"reference":"Practitioner/%s"}],%s,"section":[{"title":"s","entry":[{"reference":"Observation/lab-%[1]s"},{"reference":"Observation/lab-p2"}]}]}`, p, doctor, subject),
		)
	}
	moved := func(id, p string) string {
		return fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory"}]}],"code":{"text":"moved"},"subject":{"reference":"Patient/%s","display":%q}}`, id, p, secret(p))
	}
	add(
		moved("to-p1", "p2"), moved("to-p1", "p1"), moved("to-p2", "p1"), moved("to-p2", "p2"),
		moved("gone-p1", "p1"), "-Observation/gone-p1", moved("gone-p2", "p2"), "-Observation/gone-p2",
		`{"resourceType":"Binary","id":"b-none","contentType":"text/plain","data":"c2VjcmV0"}`,
		`{"resourceType":"Group","id":"g1","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/p1"}},{"entity":{"reference":"Patient/p2","display":"`+secret("p2")+`"}}]}`,
		`{"resourceType":"Observation","id":"nobody","status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory"}]}],"code":{"text":"of nobody"}}`,
	)
	return all
}

func newWorld(t testing.TB) *world { return tellWorld(t, story()) }

// tellWorld is the world of a story.
func tellWorld(t testing.TB, lines []string) *world {
	t.Helper()
	w := &world{t: t, versions: map[string][]version{}}
	w.open(pebble.FolderOptions{FS: vfs.NewMem()}, rest.Options{})
	for _, text := range lines {
		w.tell(text)
	}
	w.callers = makeCallers(t, w)
	return w
}

// open makes the data store and the API of a world.
func (w *world) open(disk pebble.FolderOptions, opt rest.Options) {
	t := w.t
	t.Helper()
	folder, err := pebble.OpenFolder("data", disk)
	if err != nil {
		t.Fatal(err)
	}
	catalog, err := datastore.Open(ctx, datastore.Options{Backend: folder, BaseURL: "http://example.org", Now: w.now, NewID: func() string {
		return fmt.Sprintf("new-%d", w.ids.Add(1))
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := catalog.Close(); err != nil {
			t.Error(err)
		}
	})
	if w.ds, err = catalog.Create(ctx, "w", ""); err != nil {
		t.Fatal(err)
	}
	w.jobs = job.New(job.Options{DB: folder.Records(), Logger: slog.New(slog.DiscardHandler)})
	opt.Stores, opt.Logger = catalog, slog.New(slog.DiscardHandler)
	opt.Authorize = func(r *http.Request, _ *datastore.Store) (authz.Access, error) { return w.caller(r).access, nil }
	opt.Async = &rest.Async{Jobs: w.jobs, Keep: w.keep, Restore: w.restore}
	if w.clock.Load() != 0 {
		opt.Bulk = w.exports(catalog, folder)
	}
	w.handler = rest.New(opt)
}

// keep names the caller of a request, and gives what restore makes its access of.
func (w *world) keep(r *http.Request, _ *datastore.Store) (caller string, grant []byte, err error) {
	c := w.caller(r)
	return c.access.Caller().Identity(), []byte(c.name), nil
}

func (w *world) restore(_ context.Context, _ *datastore.Store, grant []byte) (authz.Access, error) {
	return w.named(string(grant)).access, nil
}

// tell stores a line of the story without asking anybody.
func (w *world) tell(text string) {
	w.t.Helper()
	op := datastore.Op{Interaction: authz.Delete}
	name, deleted := strings.CutPrefix(text, "-")
	var content object
	if !deleted {
		content = decode(w.t, []byte(text))
		name = nameOf(content)
		tree, err := w.ds.Parse([]byte(text))
		if err != nil {
			w.t.Fatalf("%s: %v", text, err)
		}
		op = datastore.Op{Interaction: authz.Update, Resource: tree, Level: validate.Minimal}
	}
	op.Type, op.ID, _ = strings.Cut(name, "/")
	if _, err := w.ds.Commit(ctx, authz.Unrestricted(), []datastore.Op{op}, nil); err != nil {
		w.t.Fatalf("%s: %v", text, err)
	}
	if w.versions[name] == nil {
		w.names = append(w.names, name)
		slices.Sort(w.names)
	}
	w.versions[name] = append(w.versions[name], version{len(w.versions[name]) + 1, content})
}

// current is the content of a resource now, nil where it is deleted.
func (w *world) current(name string) object {
	all := w.versions[name]
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1].content
}

// decided is the content that a version is decided by: a deletion by what was
// there before.
func (w *world) decided(name string, number int) object {
	for n := number; n > 0; n-- {
		if c := w.versions[name][n-1].content; c != nil {
			return c
		}
	}
	return nil
}

func decode(t testing.TB, src []byte) object {
	t.Helper()
	var o object
	if err := json.Unmarshal(src, &o); err != nil {
		t.Fatalf("%v: %.300s", err, src)
	}
	return o
}

func encode(o object) string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func nameOf(o object) string { return text(o["resourceType"]) + "/" + text(o["id"]) }
func text(v any) string      { s, _ := v.(string); return s }

// at is all texts at a path through lists and objects.
func at(v any, path ...string) []string {
	switch v := v.(type) {
	case []any:
		var all []string
		for _, one := range v {
			all = append(all, at(one, path...)...)
		}
		return all
	case object:
		if len(path) > 0 {
			return at(v[path[0]], path[1:]...)
		}
	case string:
		if len(path) == 0 {
			return []string{v}
		}
	}
	return nil
}

// An answer is a response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request as a caller. Headers are pairs.
func (w *world) ask(c *caller, method, path, body string, headers ...string) answer {
	if !strings.HasPrefix(path, "http") {
		path = base + "/" + strings.TrimPrefix(path, "/")
	}
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, strings.ReplaceAll(path, " ", "%20"), content)
	r.Header.Set("Caller", c.name)
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return answer{rec.Code, rec.Header(), bytes.TrimSpace(rec.Body.Bytes())}
}

func (w *world) caller(r *http.Request) *caller { return w.named(r.Header.Get("Caller")) }

func (w *world) named(name string) *caller {
	for _, c := range w.callers {
		if c.name == name {
			return c
		}
	}
	return &caller{} // whose access allows nothing
}

// entries are the names of a Bundle's entries with a search mode, each with its
// version in a history; total is -1 where there is none.
func entries(t testing.TB, a answer, mode string) (names []string, total int) {
	t.Helper()
	b := decode(t, a.body)
	total = -1
	if n, ok := b["total"].(float64); ok {
		total = int(n)
	}
	list, _ := b["entry"].([]any)
	for _, e := range list {
		e := e.(object)
		if mode == "history" {
			names = append(names, historyName(e))
			continue
		}
		search, _ := e["search"].(object)
		if resource, ok := e["resource"].(object); ok && (mode == "" || search["mode"] == mode) {
			names = append(names, nameOf(resource))
		}
	}
	slices.Sort(names)
	return names, total
}

func historyName(e object) string {
	url := strings.TrimPrefix(text(e["fullUrl"]), base+"/")
	etag := at(e["response"], "etag")
	return url + "#" + strings.Trim(strings.TrimPrefix(etag[0], "W/"), `"`)
}

// diagnostics is the first text of an OperationOutcome.
func diagnostics(a answer) string {
	var o object
	if json.Unmarshal(a.body, &o) != nil {
		return ""
	}
	all := at(o["issue"], "diagnostics")
	if len(all) == 0 {
		return ""
	}
	return all[0]
}
