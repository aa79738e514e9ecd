package bulk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/search"
)

// A world is a data store and a service over it.
type world struct {
	testing.TB
	catalog *datastore.Catalog
	store   *datastore.Store
	opt     bulk.Options
	service *bulk.Service
	// in and out are folders that are allowed; files is the server's own.
	in, out, files string
	stop           func()
	// disk is that of the data folder.
	disk failingDisk

	mu     sync.Mutex
	events []bulk.Event
	// lost makes Restore refuse.
	lost bool
	// caller is who Keep says the caller is.
	caller string
}

func newWorld(t testing.TB, change func(*bulk.Options)) *world {
	t.Helper()
	w := &world{TB: t, in: t.TempDir(), out: t.TempDir(), files: t.TempDir(), caller: "somebody", stop: func() {}}
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: w.disk.wrap(vfs.NewMem())})
	if err != nil {
		t.Fatal(err)
	}
	if w.catalog, err = datastore.Open(t.Context(), datastore.Options{Backend: folder, BaseURL: "http://fhir.example.org"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.stop(); w.catalog.Close() })
	if w.store, err = w.catalog.Create(t.Context(), "one", ""); err != nil {
		t.Fatal(err)
	}
	files, err := blob.OpenDir(w.files)
	if err != nil {
		t.Fatal(err)
	}
	w.opt = bulk.Options{
		Stores: w.catalog, Records: folder.Records(), Files: files, Places: blob.Places{Roots: []string{w.in, w.out}},
		Keep: func(*http.Request, *datastore.Store) (string, []byte, error) { return w.caller, []byte(`{}`), nil },
		Restore: func(context.Context, *datastore.Store, []byte) (authz.Access, error) {
			if w.lost {
				return authz.Access{}, errors.New("lost")
			}
			return authz.Unrestricted(), nil
		},
		Record: func(_ context.Context, e bulk.Event) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
			return nil
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&w.opt)
	}
	w.open()
	return w
}

// open makes the service, as a new process would.
func (w *world) open() {
	w.Helper()
	var err error
	if w.service, err = bulk.New(w.opt); err != nil {
		w.Fatal(err)
	}
}

// run lets the service work until stop.
func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); w.service.Run(ctx) }()
	w.stop = sync.OnceFunc(func() { cancel(); <-ended })
}

func (w *world) write(name, text string) {
	w.Helper()
	name = filepath.Join(w.in, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

func url(folder string) string { return "file://" + filepath.ToSlash(folder) }

// await waits until ended says so, for as long as the tests may take.
func await[T any](w *world, ask func() (T, error), ended func(T) bool) T {
	w.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := ask()
		if err != nil {
			w.Fatal(err)
		}
		if ended(got) {
			return got
		}
		<-tick.C
	}
}

func (w *world) startImport(in bulk.Import) bulk.ImportStatus {
	w.Helper()
	in.By = "AKIA1"
	if in.Input == "" && in.Files == nil {
		in.Input = url(w.in)
	}
	status, err := w.service.StartImport(w.Context(), w.store, "", in)
	if err != nil {
		w.Fatal(err)
	}
	return status
}

func (w *world) awaitImport(id string) bulk.ImportStatus {
	w.Helper()
	return await(w, func() (bulk.ImportStatus, error) { return w.service.DescribeImport(w.Context(), w.store, id) },
		func(s bulk.ImportStatus) bool { return s.State.Ended() })
}

func (w *world) startExport(in bulk.Export) bulk.ExportStatus {
	w.Helper()
	in.By = "AKIA1"
	if in.Output == "" {
		in.Output = url(w.out)
	}
	status, err := w.service.StartExport(w.Context(), w.store, authz.Unrestricted(), "", in)
	if err != nil {
		w.Fatal(err)
	}
	return status
}

func (w *world) awaitExport(id string) bulk.ExportStatus {
	w.Helper()
	return await(w, func() (bulk.ExportStatus, error) { return w.service.DescribeExport(w.Context(), w.store, id) },
		func(s bulk.ExportStatus) bool { return s.State.Ended() })
}

// export exports and returns the lines of each type.
func (w *world) export(in bulk.Export) map[string][]string {
	w.Helper()
	status := w.awaitExport(w.startExport(in).ID)
	if status.State != bulk.Completed {
		w.Fatalf("%+v", status)
	}
	return w.linesOf(status)
}

func (w *world) linesOf(status bulk.ExportStatus) map[string][]string {
	w.Helper()
	lines := map[string][]string{}
	for _, f := range slices.Concat(status.Files, status.Deleted, status.Errors) {
		text := w.output("one-FHIR_EXPORT-" + status.ID + "/" + f.Key)
		got := strings.SplitAfter(text, "\n")
		got = got[:len(got)-1]
		if int64(len(got)) != f.Count || int64(len(text)) != f.Size {
			w.Errorf("%s: %d lines and %d bytes, want %+v", f.Key, len(got), len(text), f)
		}
		lines[f.Type] = append(lines[f.Type], got...)
	}
	return lines
}

func (w *world) output(name string) string {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(w.out, filepath.FromSlash(name)))
	if err != nil {
		w.Fatal(err)
	}
	return string(text)
}

// count is how many resources of a type there are.
func (w *world) count(resourceType string) int {
	w.Helper()
	view, err := w.store.View(w.Context(), authz.Unrestricted(), 0)
	if err != nil {
		w.Fatal(err)
	}
	defer view.Close()
	n, err := view.Count(w.Context(), &search.Query{Plan: search.Plan{Parts: []search.Part{{Type: resourceType}}}})
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// put stores resources.
func (w *world) put(resources ...string) {
	w.Helper()
	var texts [][]byte
	for _, r := range resources {
		texts = append(texts, []byte(r))
	}
	outcomes, err := w.store.BulkWriter(authz.Unrestricted(), datastore.BulkOptions{}).Write(w.Context(), texts)
	if err != nil {
		w.Fatal(err)
	}
	for _, o := range outcomes {
		if o.Err != nil {
			w.Fatal(o.Err)
		}
	}
}

// observations are so many of one patient.
func observations(n int) (all []string) {
	for i := range n {
		all = append(all, observation(fmt.Sprint("o", i), "1"))
	}
	return all
}

func (w *world) delete(resourceType, id string) {
	w.Helper()
	op := datastore.Op{Interaction: authz.Delete, Type: resourceType, ID: id}
	if _, err := w.store.Commit(w.Context(), authz.Unrestricted(), []datastore.Op{op}, nil); err != nil {
		w.Fatal(err)
	}
}

func patient(id string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"gender":"male","name":[{"family":"Muster%s"}]}`, id, id)
}

func observation(id, patient string) string {
	return fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/%s"},"performer":[{"reference":"Practitioner/dr-%s"}]}`, id, patient, patient)
}

func gzipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func zstandard(t testing.TB, text string) string {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(z.EncodeAll([]byte(text), nil))
}

// readLines reads the files of a folder of an import's report.
func (w *world) report(id, folder string) []reportLine {
	w.Helper()
	names, err := filepath.Glob(filepath.Join(w.out, "one-FHIR_IMPORT-"+id, folder, "*.ndjson"))
	if err != nil {
		w.Fatal(err)
	}
	var lines []reportLine
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			w.Fatal(err)
		}
		for text := range bytes.Lines(text) {
			var l reportLine
			if err := json.Unmarshal(text, &l); err != nil {
				w.Fatalf("%s: %v", text, err)
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// A reportLine is one of an import's report.
type reportLine struct {
	LineID    int    `json:"lineId"`
	InputFile string `json:"inputFile"`
	Response  struct {
		Blob       json.RawMessage `json:"jsonBlob"`
		StatusCode int             `json:"statusCode"`
	} `json:"UpdateResourceResponse"`
}
