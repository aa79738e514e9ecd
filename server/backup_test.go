package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/server/backups"
	"github.com/tarnhealth/tarn/server/vault"
	"github.com/tarnhealth/tarn/terminology/codebook"
	"github.com/tarnhealth/tarn/terminology/concept"
	terms "github.com/tarnhealth/tarn/terminology/shelf"
)

// history is all versions of patients in a data store, newest first: the audit
// log adds AuditEvents at its own time.
func (r *running) history(store string) (all []string) {
	r.t.Helper()
	for url := "/datastore/" + store + "/r4/Patient/_history?_count=1000"; url != ""; {
		status, body := r.get(url)
		var page struct {
			Link  []struct{ Relation, URL string }
			Entry []struct {
				FullURL  string
				Request  struct{ Method, URL string }
				Response struct{ Etag, LastModified string }
				Resource json.RawMessage
			}
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || status != 200 {
			r.t.Fatalf("%d, %v: %s", status, err, body)
		}
		for _, e := range page.Entry {
			all = append(all, fmt.Sprint(e.Request.Method, " ", e.Request.URL, " ", e.Response.Etag, " ", e.Response.LastModified, " ", string(e.Resource)))
		}
		url = ""
		for _, l := range page.Link {
			if l.Relation == "next" {
				url = l.URL[strings.Index(l.URL, "/datastore/"):]
			}
		}
	}
	return all
}

// writeOn writes to a data store until stop is called: pairs of patients in
// transactions, which are there together or not at all.
func (r *running) writeOn(store string) (stop func() (pairs int)) {
	ctx, end := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var mu sync.Mutex
	pairs := 0
	for w := range 3 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				entry := func(half string) string {
					id := fmt.Sprintf("w%d-%d-%s", w, i%9, half)
					return fmt.Sprintf(`{"resource":{"resourceType":"Patient","id":"%s","name":[{"family":"n%d-%d"}]},"request":{"method":"PUT","url":"Patient/%s"}}`, id, w, i, id)
				}
				status, body := r.do(http.MethodPost, "/datastore/"+store+"/r4", `{"resourceType":"Bundle","type":"transaction","entry":[`+entry("a")+","+entry("b")+"]}")
				if status != 200 {
					r.t.Errorf("%d: %s", status, body)
					return
				}
				mu.Lock()
				pairs++
				mu.Unlock()
			}
		})
	}
	return func() int { end(); wg.Wait(); return pairs }
}

func openPlace(t *testing.T, dir string) *backup.Place {
	t.Helper()
	w := backups.Where{Place: dir}
	p, free, err := w.Open(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(free)
	return p
}

// takeBackup backs a folder up through the running server, or without one.
func takeBackup(t *testing.T, p *backup.Place, data, store string) backup.Result {
	t.Helper()
	a := openTestAdmin(t, data)
	result, _, err := a.Backup(context.Background(), p, data, backups.Part{Store: store}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(data, ".backup-*")); len(left) > 0 {
		t.Errorf("the backup leaves %v", left)
	}
	return result
}

func restoreWhole(t *testing.T, p *backup.Place, id, master string) string {
	t.Helper()
	ctx, dir := context.Background(), filepath.Join(t.TempDir(), "restored")
	m, err := p.Manifest(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	keys := backups.Keys{MasterKey: master}
	if err := backups.Whole(ctx, p, m, dir, nil, func(at string) error { return keys.Check(ctx, at) }); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checklist 222: TestBackupIsOneTime backs a server up again and again while it is written to.
// What each backup restores to is a beginning of the history that the server has
// in the end, exactly as far as the backup says, and of two data stores alike.
func TestBackupIsOneTime(t *testing.T) {
	for mode, audited := range map[string]string{vault.AtRestOn: AuditOn, vault.AtRestOff: AuditOff} {
		t.Run(mode, func(t *testing.T) {
			c := testConfig(t.TempDir())
			c.Audit.Mode, c.Encryption.AtRest = audited, mode
			r := start(t, c)
			if _, err := openTestAdmin(t, c.Data).Create(context.Background(), "second", "", nil); err != nil {
				t.Fatal(err)
			}
			p := openPlace(t, t.TempDir())
			stops := []func() int{r.writeOn("default"), r.writeOn("second")}
			var made []backup.Result
			for range 4 {
				made = append(made, takeBackup(t, p, c.Data, ""))
			}
			for _, stop := range stops {
				if stop() == 0 {
					t.Error("nothing was written meanwhile")
				}
			}
			whole := map[string][]string{"default": r.history("default"), "second": r.history("second")}
			r.stop()
			if err := r.wait(); err != nil {
				t.Fatal(err)
			}
			checkBackups(t, c, p, made, whole)
		})
	}
}

func checkBackups(t *testing.T, c Config, p *backup.Place, made []backup.Result, whole map[string][]string) {
	t.Helper()
	master := filepath.Join(c.Data, "master.key")
	for _, result := range made {
		c.Data = restoreWhole(t, p, result.ID, master)
		c.MasterKey = master
		r := start(t, c)
		for id, all := range whole {
			got := r.history(id)
			if at := int(result.Store(id).T); len(got) != at && c.Audit.Mode == AuditOff || len(got) > at {
				t.Errorf("%s of %s: %d versions, %d were to be there", id, result.ID, len(got), at)
			}
			if len(got)%2 != 0 || len(got) > len(all) || !slices.Equal(got, all[len(all)-len(got):]) {
				t.Fatalf("%s of %s is not the beginning of the history: %d versions, the newest is %q", id, result.ID, len(got), got[:min(1, len(got))])
			}
			there := map[string]bool{}
			for _, line := range got {
				there[strings.Fields(line)[1]] = true
			}
			r.want("/datastore/"+id+"/r4/Patient?_summary=count", 200, fmt.Sprintf(`"total":%d`, len(there)))
		}
		r.stop()
		if err := r.wait(); err != nil {
			t.Fatal(err)
		}
		if c.Audit.Mode == AuditOff {
			continue
		}
		v, err := AuditCheck{Data: c.Data, MasterKey: master}.Verify()
		if err != nil || v.Last == 0 {
			t.Errorf("the restored audit log: %+v, %v", v, err)
		}
	}
}

// TestBackupTakesWhatIsNew writes little between two backups. Large contents are
// beside the versions, in files of their own.
func TestBackupTakesWhatIsNew(t *testing.T) {
	c := testConfig(t.TempDir())
	c.Encryption.AtRest = vault.AtRestOn
	r := start(t, c)
	for i := range 3 {
		noise := make([]byte, 1_500_000)
		rand.Read(noise)
		body := fmt.Sprintf(`{"resourceType":"Binary","id":"b%d","contentType":"text/plain","data":"%s"}`, i, base64.StdEncoding.EncodeToString(noise))
		if status, text := r.do(http.MethodPut, fmt.Sprint("/datastore/default/r4/Binary/b", i), body); status != 201 {
			t.Fatalf("%d: %s", status, text)
		}
	}
	p := openPlace(t, t.TempDir())
	first := takeBackup(t, p, c.Data, "")
	r.do(http.MethodPut, "/datastore/default/r4/Patient/one", `{"resourceType":"Patient","id":"one"}`)
	second := takeBackup(t, p, c.Data, "")
	if first.New < 4_500_000 || second.New > first.New/10 {
		t.Errorf("the first backup wrote %d bytes, the second %d", first.New, second.New)
	}
	if left, err := filepath.Glob(filepath.Join(c.Data, "stores", "default", "content", "*")); err != nil || len(left) == 0 {
		t.Errorf("no content is beside the versions: %v", err)
	}
	_, before := r.get("/datastore/default/r4/Binary/b1")
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	c.MasterKey = filepath.Join(c.Data, "master.key")
	c.Data = restoreWhole(t, p, second.ID, c.MasterKey)
	if _, after := start(t, c).get("/datastore/default/r4/Binary/b1"); after != before || len(after) < 2_000_000 {
		t.Errorf("a content is another one when restored: %d bytes, %d before", len(after), len(before))
	}
}

// TestStagedCopiesGo leaves a staged copy behind as a client does that is
// killed: the next start removes it, and closing does.
func TestStagedCopiesGo(t *testing.T) {
	c := testConfig(t.TempDir())
	left := filepath.Join(c.Data, ".backup-left")
	if err := os.MkdirAll(filepath.Join(left, "stores"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := start(t, c)
	a := openTestAdmin(t, c.Data)
	staged, err := a.Stage(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("a staged copy of a process that is gone is still there")
	}
	if _, err := os.Stat(filepath.Join(c.Data, staged.Name, "stores", "default")); err != nil {
		t.Error(err)
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(filepath.Join(c.Data, ".backup-*")); len(names) > 0 {
		t.Errorf("closing left %v", names)
	}
}

// TestContinuousBackup backs up at the start, when the time has come, and at the
// end: what was acknowledged before the server stopped is in the last backup, and
// each time of day can be had from it.
func TestContinuousBackup(t *testing.T) {
	c := testConfig(t.TempDir())
	c.Encryption.AtRest = vault.AtRestOn
	to := t.TempDir()
	c.Backup = backups.Config{Where: backups.Where{Place: to}, Every: time.Hour}
	r := start(t, c)
	put := func(resourceType, id, more string) time.Time {
		t.Helper()
		status, body := r.do(http.MethodPut, "/datastore/default/r4/"+resourceType+"/"+id, `{"resourceType":"`+resourceType+`","id":"`+id+`",`+more+`}`)
		if status/100 != 2 {
			t.Fatalf("%d: %s", status, body)
		}
		var p struct {
			Meta struct{ LastUpdated time.Time }
		}
		if err := json.Unmarshal([]byte(body), &p); err != nil {
			t.Fatal(err)
		}
		return p.Meta.LastUpdated
	}
	first, second := `"name":[{"family":"first"}]`, `"name":[{"family":"second"}]`
	put("Patient", "one", first)
	early := put("Patient", "two", first)
	for now := early; !now.After(early); { // times have milliseconds: nothing of what follows is to have that one
		now = put("Organization", "clock", `"name":"clock"`)
	}
	put("Patient", "one", second)
	if status, _ := r.do(http.MethodDelete, "/datastore/default/r4/Patient/two", ""); status/100 != 2 {
		t.Error(status)
	}
	whole := r.history("default")
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	master := filepath.Join(c.Data, "master.key")
	p := openPlace(t, to)
	latest, err := p.Latest(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	c.Backup, c.MasterKey = backups.Config{}, master
	c.Data = restoreWhole(t, p, latest.ID, master)
	if r = start(t, c); !slices.Equal(r.history("default"), whole) {
		t.Error("the last backup holds another history")
	}
	c.Data = filepath.Join(t.TempDir(), "early")
	keys := backups.Keys{MasterKey: master}
	err = backups.Whole(context.Background(), p, latest, c.Data, nil, func(dir string) error {
		return keys.Rewind(context.Background(), dir, latest, early)
	})
	if err != nil {
		t.Fatal(err)
	}
	r = start(t, c)
	r.want("/datastore/default/r4/Patient/two", 200, `"versionId":"1"`)
	r.want("/datastore/default/r4/Patient/one", 200, `"versionId":"1"`, "first")
	r.want("/datastore/default/r4/Patient?name=second&_summary=count", 200, `"total":0`)
	r.want("/datastore/default/r4/Patient?name=first&_summary=count", 200, `"total":2`)
	if got := r.history("default"); !slices.Equal(got, whole[len(whole)-len(got):]) {
		t.Errorf("taken back, the history is %q", got)
	}
}

// TestContinuousBackupRests writes nothing where nothing has changed, and goes on
// after a place that failed.
func TestContinuousBackupRests(t *testing.T) {
	c := testConfig(t.TempDir())
	r := start(t, c)
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	f := &folder{dir: c.Data}
	if err := f.open(context.Background(), &c); err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tick, done := make(chan time.Time), make(chan string)
	place := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(place, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := &backups.Continuous{
		Config: backups.Config{Where: backups.Where{Place: place}, Every: time.Minute, KeepDays: 1}, Stages: f.stages, Log: slog.New(slog.DiscardHandler),
		Wait: func(time.Duration) <-chan time.Time { return tick },
		Done: func(r *backup.Result, err error) {
			switch {
			case err != nil:
				done <- "failed"
			case r == nil:
				done <- "rested"
			default:
				done <- "took"
			}
		},
	}
	ctx, stop := context.WithCancel(context.Background())
	go b.Run(ctx)
	want := func(what string) {
		t.Helper()
		if got := <-done; got != what {
			t.Errorf("it %s, and was to have %s", got, what)
		}
	}
	want("failed")
	if err := os.Remove(place); err != nil {
		t.Fatal(err)
	}
	tick <- time.Time{}
	want("took")
	// What opening the folder began may still write something: it comes to rest.
	for n := 0; ; n++ {
		tick <- time.Time{}
		if got := <-done; got == "rested" {
			break
		} else if got != "took" || n == 50 {
			t.Fatalf("it %s, and was to have rested", got)
		}
	}
	if _, err := f.catalog.Create(context.Background(), "more", ""); err != nil {
		t.Fatal(err)
	}
	tick <- time.Time{}
	want("took")
	stop()
	if got := <-done; got == "failed" {
		t.Error("the last backup failed")
	}
}

// TestRestoreOneStore brings a data store back that was deleted, beside others
// and while they are used: as it was, as it was at a time under another id, and
// on a server with another master key. Its contents come along.
func TestRestoreOneStore(t *testing.T) {
	ctx := context.Background()
	c := testConfig(t.TempDir())
	c.Encryption.AtRest = vault.AtRestOn
	r := start(t, c)
	a := openTestAdmin(t, c.Data)
	if _, err := a.Create(ctx, "trial", "Trial seven", nil); err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 1_500_000)
	rand.Read(noise)
	put := func(id, text string) {
		t.Helper()
		if status, body := r.do(http.MethodPut, "/datastore/trial/r4/"+id, text); status/100 != 2 {
			t.Fatalf("%d: %s", status, body)
		}
	}
	put("Patient/one", `{"resourceType":"Patient","id":"one","name":[{"family":"first"}]}`)
	early := time.Now()
	for !time.Now().After(early.Add(3 * time.Millisecond)) {
	}
	put("Binary/b", `{"resourceType":"Binary","id":"b","contentType":"text/plain","data":"`+base64.StdEncoding.EncodeToString(noise)+`"}`)
	put("Patient/one", `{"resourceType":"Patient","id":"one","name":[{"family":"second"}]}`)
	guide := guidetest.Package{Name: "test.own", Version: "1.0.0", Resources: []string{
		`{"resourceType":"ValueSet","url":"http://example.org/vs","status":"active","compose":{"include":[{"system":"http://example.org/cs","concept":[{"code":"a"}]}]}}`,
	}}
	if _, err := a.AddGuide(ctx, "trial", bytes.NewReader(guide.Archive(t)), false); err != nil {
		t.Fatal(err)
	}
	if _, err := a.SetGuideSettings(ctx, "trial", conformance.Settings{RefuseUnknown: true}); err != nil {
		t.Fatal(err)
	}
	loadBook(t, c.Data, "trial", "http://example.org/own")
	loadBook(t, c.Data, "", "http://example.org/all")
	whole := r.history("trial")
	_, content := r.get("/datastore/trial/r4/Binary/b")
	p := openPlace(t, t.TempDir())
	m := takeBackup(t, p, c.Data, "trial").Manifest
	if !m.Part || len(m.Stores) != 1 {
		t.Errorf("it holds %+v", m.Stores)
	}
	restore := func(a *admin.Admin, data string, ask backups.Adoption) error {
		t.Helper()
		ask.Source = "trial"
		record, err := a.RestoreStore(ctx, p, m, data, ask, nil)
		if left, _ := filepath.Glob(filepath.Join(data, ".restore-*")); len(left) > 0 {
			t.Errorf("restoring leaves %v", left)
		}
		if err == nil && (record.Name != "Trial seven" || record.ID != ask.ID) {
			t.Errorf("%+v", record)
		}
		return err
	}
	if err := restore(a, c.Data, backups.Adoption{ID: "trial"}); fhir.KindOf(err) != fhir.KindConflict {
		t.Errorf("over the one that is there: %v", err)
	}
	if _, err := a.Delete(ctx, "trial"); err != nil {
		t.Fatal(err)
	}
	if err := restore(a, c.Data, backups.Adoption{ID: "trial"}); err != nil {
		t.Fatal(err)
	}
	if err := restore(a, c.Data, backups.Adoption{ID: "before", Time: early}); err != nil {
		t.Fatal(err)
	}
	check := func(r *running, id string) {
		t.Helper()
		if got := r.history(id); !slices.Equal(got, whole) {
			t.Errorf("%s has another history: %d versions of %d", id, len(got), len(whole))
		}
		if _, body := r.get("/datastore/" + id + "/r4/Binary/b"); body != content {
			t.Errorf("%s has another content, %d bytes: %.300s", id, len(body), body)
		}
		r.want("/datastore/"+id+"/r4/Patient?name=second&_summary=count", 200, `"total":1`)
		r.want("/datastore/"+id+"/r4/ValueSet/$expand?url=http://example.org/vs", 200, `"code":"a"`)
		if status, body := r.do(http.MethodPost, "/datastore/"+id+"/r4/Patient/$validate", `{"resourceType":"Patient","meta":{"profile":["http://example.org/none"]}}`); !strings.Contains(body, "http://example.org/none") || !strings.Contains(body, `"error"`) {
			t.Errorf("%s takes unknown profiles: %d %s", id, status, body)
		}
	}
	check(r, "trial")
	r.want("/datastore/before/r4/Patient?name=first&_summary=count", 200, `"total":1`)
	r.want("/datastore/before/r4/Binary/b", 404)
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	r = start(t, c)
	check(r, "trial")
	for _, system := range []string{"own", "all"} {
		r.want("/datastore/trial/r4/CodeSystem/$lookup?code=x&system=http://example.org/"+system, 200, "a concept")
	}

	other := testConfig(t.TempDir())
	other.Encryption.AtRest = vault.AtRestOn
	r2 := start(t, other)
	b := openTestAdmin(t, other.Data)
	if err := restore(b, other.Data, backups.Adoption{ID: "guest"}); err == nil || !strings.Contains(err.Error(), "master key") {
		t.Errorf("without the backup's master key: %v", err)
	}
	if err := restore(b, other.Data, backups.Adoption{ID: "guest", MasterKey: filepath.Join(c.Data, "master.key")}); err != nil {
		t.Fatal(err)
	}
	check(r2, "guest")
	if books, _ := filepath.Glob(filepath.Join(other.Data, "terminology", "stores", "guest", "*.book")); len(books) != 2 {
		t.Errorf("its terminologies are %v", books)
	}
}

// loadBook makes a large terminology of a data folder, of one concept: for a data
// store, or all where store is "".
func loadBook(t *testing.T, data, store, url string) {
	t.Helper()
	meta := codebook.Meta{URL: url, Version: "1", Source: path.Base(url)}
	b := codebook.NewBuilder(meta)
	b.Add(concept.Concept{Code: "x", Display: "a concept"})
	if _, err := terms.Open(data, slog.New(slog.DiscardHandler), nil).Add(store, meta, b); err != nil {
		t.Fatal(err)
	}
}
