package endtoend

import (
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// deepBasic is a resource with extensions inside extensions.
func deepBasic(depth int) string {
	const open = `"extension":[{"url":"http://example.com/x",`
	return `{"resourceType":"Basic","id":"deep","code":{"text":"x"},` + strings.Repeat(open, depth) + `"valueBoolean":true` + strings.Repeat("}]", depth) + `}`
}

var idIn = regexp.MustCompile(`"id":"(\w+)"`)

// transactionOf is a transaction Bundle that puts resources.
func transactionOf(kind string, resources ...string) string {
	var entries []string
	for _, r := range resources {
		entries = append(entries, fmt.Sprintf(`{"resource":%s,"request":{"method":"PUT","url":"Patient/%s"}}`, r, idIn.FindStringSubmatch(r)[1]))
	}
	return fmt.Sprintf(`{"resourceType":"Bundle","type":%q,"entry":[%s]}`, kind, strings.Join(entries, ","))
}

const (
	goodPatient0 = `{"resourceType":"Patient","id":"t0","name":[{"family":"New"}]}`
	badPatient1  = `{"resourceType":"Patient","id":"t1","birthDate":"1970-02-30"}`
	goodPatient2 = `{"resourceType":"Patient","id":"t2","name":[{"family":"New"}]}`
)

var badRequests = []struct {
	name, method, path, body string
	status                   int
	code, says               string
}{
	{"malformed JSON", "POST", "/Patient", `{"resourceType":"Patient","active":tru}`, 400, "invalid", "not valid JSON"},
	{"cut JSON", "PUT", "/Patient/p", `{"resourceType":"Patient","id":"p","name":[{"fam`, 400, "invalid", "no closing quote"},
	{"no JSON at all", "POST", "/Patient", `<Patient xmlns="http://hl7.org/fhir"/>`, 400, "invalid", "not valid JSON"},
	{"empty body", "POST", "/Patient", ` `, 400, "invalid", "end of the text"},
	{"two resources", "POST", "/Patient", `{"resourceType":"Patient"}{"resourceType":"Patient"}`, 400, "invalid", "after the end of the resource"},
	{"duplicate key", "PUT", "/Patient/p", `{"resourceType":"Patient","id":"p","active":true,"active":false}`, 400, "structure", "active"},
	{"another type than the URL's", "POST", "/Patient", `{"resourceType":"Observation","status":"final","code":{"text":"x"}}`, 400, "invalid", "Observation"},
	{"no resourceType", "POST", "/Patient", `{"active":true}`, 400, "required", "resourceType"},
	{"unknown type", "POST", "/Pateint", `{"resourceType":"Pateint"}`, 404, "not-found", "Pateint"},
	{"unknown type in the body", "POST", "/Patient", `{"resourceType":"Pateint"}`, 400, "value", `did you mean "Patient"`},
	{"unknown element", "PUT", "/Patient/p", `{"resourceType":"Patient","id":"p","bithDate":"1970-01-01"}`, 400, "structure", "bithDate"},
	{"wrong JSON form", "PUT", "/Patient/p", `{"resourceType":"Patient","id":"p","active":"true"}`, 400, "structure", "Patient.active"},
	{"a date that does not exist", "PUT", "/Patient/p", `{"resourceType":"Patient","id":"p","birthDate":"1970-02-30"}`, 422, "value", "Patient.birthDate"},
	{"another id than the URL's", "PUT", "/Patient/p", `{"resourceType":"Patient","id":"q"}`, 400, "invalid", `"q"`},
	{"no id for an update", "PUT", "/Patient/p", `{"resourceType":"Patient"}`, 400, "invalid", `id`},
	{"an id that cannot be", "PUT", "/Patient/a_b", `{"resourceType":"Patient","id":"a_b"}`, 400, "invalid", "a_b"},
	{"too deep", "PUT", "/Basic/deep", deepBasic(5000), 400, "structure", "more than 64 deep"},
	{"a bundle with one bad entry", "POST", "/", transactionOf("transaction", goodPatient0, badPatient1, goodPatient2), 422, "value", "Bundle.entry[1].resource.birthDate"},
	{"a bundle that writes twice", "POST", "/", strings.ReplaceAll(transactionOf("transaction", goodPatient0, goodPatient2), "t2", "t0"), 400, "invalid", "Bundle.entry[1]"},
	{"a bundle of no kind", "POST", "/", transactionOf("collection", goodPatient0), 400, "invalid", "collection"},
	{"unknown parameter", "GET", "/Patient?familie=x", "", 400, "not-supported", "familie"},
	{"negative _count", "GET", "/Patient?_count=-1", "", 400, "invalid", "_count"},
	{"a date that is none", "GET", "/Patient?birthdate=tomorrow", "", 400, "invalid", "birthdate"},
	{"a changed page link", "GET", "/Patient?_count=1&_page=AAAA", "", 400, "invalid", "page link"},
	{"a conditional delete without criteria", "DELETE", "/Patient", "", 412, "conflict", "search criteria"},
}

// TestBadInputChangesNothing sends what is wrong in every way, and looks after
// each whether anything changed.
func TestBadInputChangesNothing(t *testing.T) {
	a := seeded(t, newPopulation(t))
	before := a.state(t)
	for _, bad := range badRequests {
		t.Run(bad.name, func(t *testing.T) {
			var body io.Reader
			if bad.body != "" {
				body = strings.NewReader(bad.body)
			}
			wantRefusal(t, a.ask(t, bad.method, bad.path, body), bad.status, bad.code, bad.says)
			if after := a.state(t); after != before {
				t.Errorf("the state was\n%s and is\n%s", before, after)
			}
		})
	}
}

// seeded serves a data store with some resources.
func seeded(t *testing.T, p *population) *api {
	t.Helper()
	a := serveCatalog(t, p.catalog)
	for _, family := range []string{"One", "Two", "Three"} {
		a.must(t, 201, "POST", "/Patient", fmt.Sprintf(`{"resourceType":"Patient","name":[{"family":%q}]}`, family))
	}
	a.must(t, 201, "PUT", "/Patient/p", `{"resourceType":"Patient","id":"p","active":true}`)
	a.must(t, 200, "PUT", "/Patient/p", `{"resourceType":"Patient","id":"p","active":false}`)
	return a
}

// repeated yields a text again and again, so that a large body needs no memory
// on this side.
type repeated struct {
	text string
	left int
}

func (r *repeated) Read(b []byte) (int, error) {
	n := 0
	for n < len(b) && r.left > 0 {
		k := min(copy(b[n:], r.text), r.left)
		n, r.left = n+k, r.left-k
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// TestBodyThatIsTooLarge sends 60 MB, with and without saying so before. What
// is announced must not be taken into memory at all, and the rest not twice.
func TestBodyThatIsTooLarge(t *testing.T) {
	a := seeded(t, newPopulation(t))
	before := a.state(t)
	const size = 60 << 20
	const head, tail = `{"resourceType":"Patient","name":[{"text":"`, `"}]}`
	for _, try := range []struct {
		announced int64 // the Content-Length; -1 for none
		memory    uint64
	}{{size + int64(len(head)+len(tail)), 8 << 20}, {-1, 160 << 20}} {
		body := io.MultiReader(strings.NewReader(head), &repeated{strings.Repeat("x", 1<<15), size}, strings.NewReader(tail))
		var start, end runtime.MemStats
		runtime.ReadMemStats(&start)
		got := a.stream(t, "/Patient", body, try.announced)
		runtime.ReadMemStats(&end)
		wantRefusal(t, got, 413, "too-long", "52428800")
		used := end.TotalAlloc - start.TotalAlloc
		t.Logf("%d kB of memory", used>>10)
		if used > try.memory {
			t.Errorf("a body of %d MB took %d MB of memory, at most %d", size>>20, used>>20, try.memory>>20)
		}
	}
	if after := a.state(t); after != before {
		t.Errorf("the state was\n%s and is\n%s", before, after)
	}
}

// TestBatchWithABadEntry: the entries of a batch stand each for itself.
func TestBatchWithABadEntry(t *testing.T) {
	a := seeded(t, newPopulation(t))
	got := a.must(t, 200, "POST", "/", transactionOf("batch", goodPatient0, badPatient1, goodPatient2))
	for i, want := range []string{`"status":"201`, `"status":"422`, `"status":"201`} {
		if parts := strings.SplitAfter(string(got.body), `"status":`); !strings.Contains(`"status":`+parts[i+1], want) {
			t.Errorf("entry %d: %.60s, want %s", i, parts[i+1], want)
		}
	}
	if found := a.bundleOf(t, "/Patient?family=new"); found.Total != 2 {
		t.Errorf("%d of the two good entries were stored", found.Total)
	}
	wantRefusal(t, a.ask(t, "GET", "/Patient/t1", nil), 404, "not-found", "Patient/t1")
}

// TestReferenceCycle: two resources of a transaction may refer to each other.
func TestReferenceCycle(t *testing.T) {
	a := seeded(t, newPopulation(t))
	person := func(self, other, family string) string {
		return fmt.Sprintf(`{"fullUrl":"urn:uuid:%s","resource":{"resourceType":"Patient","name":[{"family":%q}],"link":[{"other":{"reference":"urn:uuid:%s"},"type":"seealso"}]},"request":{"method":"POST","url":"Patient"}}`, self, family, other)
	}
	const x, y = "0ba06b2b-4b3c-4b2e-9d3c-7d6a6a1c0001", "0ba06b2b-4b3c-4b2e-9d3c-7d6a6a1c0002"
	a.must(t, 200, "POST", "/", `{"resourceType":"Bundle","type":"transaction","entry":[`+person(x, y, "Here")+`,`+person(y, x, "There")+`]}`)
	for _, family := range []string{"Here", "There"} {
		b := a.bundleOf(t, "/Patient?link:Patient.family="+family+"&_include=Patient:link&_revinclude=Patient:link")
		if b.Total != 1 || len(b.Entry) != 2 {
			t.Errorf("%s: %d matches in %d entries, want 1 in 2", family, b.Total, len(b.Entry))
		}
	}
}

// TestLenientHandling: unknown parameters may be ignored, with a warning.
func TestLenientHandling(t *testing.T) {
	a := seeded(t, newPopulation(t))
	b := a.must(t, 200, "GET", "/Patient?familie=x&family=one", "", "Prefer", "handling=lenient")
	if !strings.Contains(string(b.body), "familie") || !strings.Contains(string(b.body), `"total":1`) {
		t.Errorf("got %.600s", b.body)
	}
}

// TestExpiredPageLink: a page link that is too old says so, and the search can
// be repeated.
func TestExpiredPageLink(t *testing.T) {
	p := newPopulation(t)
	a := seeded(t, p)
	next := a.link(a.bundleOf(t, "/Patient?_count=2"), "next")
	if len(a.bundleOf(t, next).Entry) != 2 {
		t.Fatal("the next page does not have the other two patients")
	}
	p.clock.set(time.Second, time.Hour)
	a.must(t, 201, "POST", "/Patient", `{"resourceType":"Patient"}`)
	p.clock.set(time.Second, time.Hour)
	before := a.state(t)
	wantRefusal(t, a.ask(t, "GET", next, nil), 410, "deleted", "expired")
	if after := a.state(t); after != before {
		t.Errorf("the state was\n%s and is\n%s", before, after)
	}
	if b := a.bundleOf(t, "/Patient?_count=2"); b.Total != 5 || a.link(b, "next") == "" {
		t.Errorf("the search cannot be repeated: %+v", b)
	}
}
