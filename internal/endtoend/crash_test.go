package endtoend

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// crashRounds is how often the server is killed.
const crashRounds = 50

// TestKilledServerLosesNothing kills the server at random moments while
// clients create, update and commit transactions. After each restart every
// acknowledged write must be there and be found by its search entries, and a
// transaction must be there whole or not at all.
func TestKilledServerLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("kills the server fifty times")
	}
	killWhileWriting(t, serve(t, t.TempDir()), crashRounds, func(int) {})
}

// killWhileWriting kills a server as often as rounds say. meanwhile runs in each
// round beside the clients.
func killWhileWriting(t *testing.T, s *server, rounds int, meanwhile func(round int)) *writers {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	w := &writers{acked: map[string]string{}}
	for round := range rounds {
		var beside sync.WaitGroup
		beside.Go(func() { meanwhile(round) })
		w.run(s, round, 20+random.IntN(200))
		beside.Wait()
		s.kill()
		s.start()
		w.check(t, s, round)
	}
	if len(w.acked) < rounds*20 {
		t.Errorf("only %d writes were acknowledged in all: the test did not bite", len(w.acked))
	}
	return w
}

// TestKilledEncryptedServerLosesNothing does the same to an encrypted data store,
// whose data key is replaced in every other round while the clients write: the
// server dies within that. What is on disk never shows a name.
func TestKilledEncryptedServerLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("kills the server six times")
	}
	t.Setenv("TARN_ENCRYPTION_AT_REST", "on")
	s := serve(t, t.TempDir())
	w := killWhileWriting(t, s, 6, func(round int) {
		if round%2 == 1 {
			// It may fail, for the server is killed under it.
			_ = command(t.Context(), t, "encryption", "rotate", "default", "--data", s.dir).Run()
		}
	})
	tarn(t, "encryption", "rotate", "default", "--data", s.dir)
	w.fresh = w.all()
	w.check(t, s, 6)
	s.kill()
	wantSealed(t, s.dir)
}

// all are the ids of all that was acknowledged.
func (w *writers) all() (ids []string) {
	for id := range w.acked {
		ids = append(ids, id)
	}
	return ids
}

// written are the ids that clients chose, which are also in the index.
var written = regexp.MustCompile(`r\d+-c\d+-i\d+`)

// wantSealed looks for what was written in the files of a folder.
func wantSealed(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		text, err := os.ReadFile(name)
		for at := bytes.Index(text, []byte("-c")); at >= 0; {
			if found := written.Find(text[max(0, at-4):min(at+12, len(text))]); found != nil {
				t.Errorf("%s shows %s", name, found)
				break
			}
			next := bytes.Index(text[at+1:], []byte("-c"))
			if next < 0 {
				break
			}
			at += 1 + next
		}
		return err
	})
	if err != nil || files < 10 {
		t.Errorf("%d files: %v", files, err)
	}
}

// writers is what the clients know was acknowledged.
type writers struct {
	mu    sync.Mutex
	acked map[string]string // patient id → family name
	fresh []string          // ids acknowledged in this round
	pairs []string          // tags of the transactions tried in this round
}

// run lets eight clients write until stopAfter writes were acknowledged, and
// kills the server at that moment, while the others are in flight.
func (w *writers) run(s *server, round, stopAfter int) {
	w.fresh, w.pairs = nil, nil
	var group sync.WaitGroup
	var once sync.Once
	for c := range 8 {
		group.Go(func() {
			for i := 0; ; i++ {
				if !w.write(s, fmt.Sprintf("r%d-c%d-i%d", round, c, i), i) {
					return
				}
				w.mu.Lock()
				enough := len(w.fresh) >= stopAfter
				w.mu.Unlock()
				if enough {
					once.Do(func() { _ = s.cmd.Process.Kill() })
				}
			}
		})
	}
	group.Wait()
}

// write does one write; it reports whether the server is still there.
func (w *writers) write(s *server, tag string, i int) bool {
	if i%3 == 2 {
		return w.writePair(s, tag)
	}
	family := "F" + strings.ReplaceAll(tag, "-", "")
	body := fmt.Sprintf(`{"resourceType":"Patient","id":%q,"name":[{"family":%q}]}`, tag, family)
	if !send(http.MethodPut, s.url("default")+"/Patient/"+tag, body) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked[tag] = family
	w.fresh = append(w.fresh, tag)
	return true
}

// writePair commits two resources in one transaction: a patient and an
// observation of that patient.
func (w *writers) writePair(s *server, tag string) bool {
	w.mu.Lock()
	w.pairs = append(w.pairs, tag)
	w.mu.Unlock()
	family := "F" + strings.ReplaceAll(tag, "-", "")
	body := fmt.Sprintf(`{"resourceType":"Bundle","type":"transaction","entry":[
		{"resource":{"resourceType":"Patient","id":%[1]q,"name":[{"family":%[2]q}]},"request":{"method":"PUT","url":"Patient/%[1]s"}},
		{"resource":{"resourceType":"Observation","id":%[1]q,"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/%[1]s"}},"request":{"method":"PUT","url":"Observation/%[1]s"}}]}`, tag, family)
	if !send(http.MethodPost, s.url("default"), body) {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked[tag] = family
	w.fresh = append(w.fresh, tag)
	return true
}

func send(method, url, body string) bool {
	req, err := http.NewRequest(method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err == nil && resp.StatusCode < 300
}

func (w *writers) check(t *testing.T, s *server, round int) {
	t.Helper()
	for _, tag := range w.fresh {
		var p struct{ Name []struct{ Family string } }
		if err := json.Unmarshal(get(t, s.url("default")+"/Patient/"+tag), &p); err != nil {
			t.Fatal(err)
		}
		if p.Name[0].Family != w.acked[tag] {
			t.Errorf("round %d: Patient/%s has family %q, acknowledged was %q", round, tag, p.Name[0].Family, w.acked[tag])
		}
		found := getBundle(t, s.url("default")+"/Patient?family="+w.acked[tag])
		if found.Total < 1 {
			t.Errorf("round %d: Patient/%s is not found by its family name", round, tag)
		}
	}
	for _, tag := range w.pairs {
		patients := getBundle(t, s.url("default")+"/Patient?_id="+tag).Total
		observations := getBundle(t, s.url("default")+"/Observation?subject=Patient/"+tag).Total
		if patients != observations {
			t.Errorf("round %d: transaction %s is half there: %d patient, %d observation", round, tag, patients, observations)
		}
	}
	if total := getBundle(t, s.url("default")+"/Patient?_count=0").Total; total < len(w.acked) {
		t.Errorf("round %d: %d patients of %d acknowledged", round, total, len(w.acked))
	}
}
