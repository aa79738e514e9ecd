package endtoend

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// indexCrashes is how often the server is killed.
const indexCrashes = 4

// TestKilledWhileIndexing defines search parameters over thousands of
// resources and kills the server while they are indexed and clients write.
// After the restart the work goes on by itself, and each parameter finds
// exactly the resources that have its value.
func TestKilledWhileIndexing(t *testing.T) {
	if testing.Short() {
		t.Skip("kills the server several times")
	}
	s := serve(t, t.TempDir())
	w := &shelf{acked: map[string]int{}}
	w.fill(t, s)
	random := rand.New(rand.NewPCG(3, 4))
	unfinished := 0
	for round := range indexCrashes {
		code := fmt.Sprintf("shelf%d", round)
		if !send(http.MethodPut, s.url("default")+"/SearchParameter/"+code, fmt.Sprintf(
			`{"resourceType":"SearchParameter","id":%q,"url":"http://example.org/%[1]s","name":"shelf","status":"active","description":"Shelf","code":%[1]q,"base":["Patient"],"type":"token","expression":"Patient.extension('http://example.org/shelf').value"}`, code)) {
			t.Fatal("the definition was refused")
		}
		w.writeUntilKilled(s, round, 1+random.IntN(60))
		s.start()
		if !w.ready(t, s, code) {
			unfinished++
		}
		for tick := time.Tick(20 * time.Millisecond); !w.ready(t, s, code); {
			<-tick // another process: there is nothing to wait on
		}
		w.check(t, s, code)
	}
	t.Logf("%d of %d kills left a parameter that was not ready at the restart", unfinished, indexCrashes)
}

// shelves is how many values the parameter has.
const shelves = 7

// A shelf is what the clients know was acknowledged: the value of each
// patient.
type shelf struct {
	mu    sync.Mutex
	acked map[string]int
}

func shelved(id string, n int) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"extension":[{"url":"http://example.org/shelf","valueCode":"s%d"}]}`, id, n)
}

// fill stores what is there before the first definition.
func (w *shelf) fill(t *testing.T, s *server) {
	t.Helper()
	for from := 0; from < 6000; from += 500 {
		var entries []string
		for i := from; i < from+500; i++ {
			id := fmt.Sprintf("old%d", i)
			w.acked[id] = i % shelves
			entries = append(entries, fmt.Sprintf(`{"resource":%s,"request":{"method":"PUT","url":"Patient/%s"}}`, shelved(id, i%shelves), id))
		}
		if !send(http.MethodPost, s.url("default"), `{"resourceType":"Bundle","type":"transaction","entry":[`+strings.Join(entries, ",")+`]}`) {
			t.Fatal("a transaction was refused")
		}
	}
}

// writeUntilKilled lets four clients write, and kills the server once some
// writes were acknowledged. Each writes to patients of its own; what was in
// flight is written again by the check, for its outcome is not known.
func (w *shelf) writeUntilKilled(s *server, round, stopAfter int) {
	var group sync.WaitGroup
	var once sync.Once
	written := 0
	for c := range 4 {
		group.Go(func() {
			for i := 0; ; i++ {
				id := fmt.Sprintf("old%d", (i*4+c)%400)
				if i%2 == 0 {
					id = fmt.Sprintf("r%d-c%d-i%d", round, c, i)
				}
				value := (i + round) % shelves
				ok := send(http.MethodPut, s.url("default")+"/Patient/"+id, shelved(id, value))
				w.mu.Lock()
				w.acked[id] = value
				if !ok {
					w.acked[id] = -1
				}
				written++
				enough := written >= stopAfter
				w.mu.Unlock()
				if enough {
					once.Do(func() { _ = s.cmd.Process.Kill() })
				}
				if !ok {
					return
				}
			}
		})
	}
	group.Wait()
	s.kill()
}

func (w *shelf) ready(t *testing.T, s *server, code string) bool {
	t.Helper()
	status := string(get(t, s.url("default")+"/$reindex-status"))
	_, of, ok := strings.Cut(status, `"SearchParameter/`+code+`"`)
	if !ok {
		t.Fatalf("%s is not in the status: %s", code, status)
	}
	of, _, _ = strings.Cut(of, `"name":"searchParameter"`)
	if strings.Contains(of, `"failed"`) {
		t.Fatalf("indexing failed: %s", of)
	}
	return strings.Contains(of, `"ready"`)
}

// check compares what the parameter finds with what was acknowledged.
func (w *shelf) check(t *testing.T, s *server, code string) {
	t.Helper()
	for id, value := range w.acked {
		if value < 0 {
			w.acked[id] = 0
			if !send(http.MethodPut, s.url("default")+"/Patient/"+id, shelved(id, 0)) {
				t.Fatal("a write was refused")
			}
		}
	}
	for n := range shelves {
		var want []string
		for id, value := range w.acked {
			if value == n {
				want = append(want, id)
			}
		}
		got := w.find(t, s.url("default")+fmt.Sprintf("/Patient?%s=s%d&_count=1000&_elements=id", code, n))
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%s=s%d finds %d patients, want %d", code, n, len(got), len(want))
		}
	}
}

// find walks all pages of a search.
func (w *shelf) find(t *testing.T, url string) (ids []string) {
	t.Helper()
	for url != "" {
		var page struct {
			Link  []struct{ Relation, URL string }
			Entry []struct{ Resource struct{ ID string } }
		}
		if err := json.Unmarshal(get(t, url), &page); err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entry {
			ids = append(ids, e.Resource.ID)
		}
		url = ""
		for _, l := range page.Link {
			if l.Relation == "next" {
				url = l.URL
			}
		}
	}
	return ids
}
