package access

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/rest"
)

// beginning is when the story of a pinned world begins.
var beginning = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// pin tells a story in a world whose clocks stand still but for what is told of
// those who are not hidden: a minute for each such line. So two worlds that
// differ in what is hidden alone show the same times, and no time has to be left
// out when their answers are compared.
//
// In the end an hour goes by in which only what is told late happens.
func pin(t testing.TB, lines []string, hidden func(line string) bool, late ...string) *world {
	t.Helper()
	w := &world{t: t, versions: map[string][]version{}}
	w.clock.Store(beginning.UnixMicro())
	w.open(pebble.FolderOptions{FS: vfs.NewMem(), Now: w.now}, rest.Options{Now: w.now})
	for _, text := range lines {
		if !hidden(text) {
			w.clock.Add(time.Minute.Microseconds())
		}
		w.tell(text)
		if strings.Contains(text, `"resourceType":"SearchParameter"`) {
			if err := w.ds.WaitIndexed(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.clock.Add(time.Hour.Microseconds() / 2)
	for _, text := range late {
		w.tell(text)
	}
	w.clock.Add(time.Hour.Microseconds() / 2)
	return w
}

// exports is the service that carries out the exports of a pinned world.
func (w *world) exports(catalog *datastore.Catalog, folder *pebble.Folder) *bulk.Service {
	w.t.Helper()
	files, err := blob.OpenDir(w.t.TempDir())
	if err != nil {
		w.t.Fatal(err)
	}
	w.bulk, err = bulk.New(bulk.Options{
		Stores: catalog, Records: folder.Records(), Files: files, Keep: w.keep, Restore: w.restore, Now: w.now,
		Logger: slog.New(slog.DiscardHandler), Limits: bulk.Limits{ExportsPerCaller: 1000, Waiting: 1000},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.bulk
}

// run runs all jobs that wait.
func (w *world) run(next func(context.Context) (ran bool, err error)) {
	w.t.Helper()
	for {
		switch ran, err := next(ctx); {
		case err != nil:
			w.t.Fatal(err)
		case !ran:
			return
		}
	}
}

// later is what an answer leads to that was promised: that of a request to be
// answered later, or the files of an export.
func (w *world) later(c *caller, a answer) (text string) {
	w.t.Helper()
	place := a.header.Get("Content-Location")
	id := place[strings.LastIndexByte(place, '/')+1:]
	defer func() { text = strings.ReplaceAll(text, id, "JOB") }()
	if !strings.Contains(place, "/export/") {
		w.run(w.jobs.RunNext)
		return w.plain(c, w.ask(c, "GET", place, ""))
	}
	w.run(w.bulk.RunNextExport)
	manifest := w.ask(c, "GET", place, "")
	text = w.plain(c, manifest)
	for _, file := range at(decode(w.t, manifest.body)["output"], "url") {
		text += "\n" + string(w.ask(c, "GET", file, "").body)
	}
	return text
}

var (
	took = regexp.MustCompile(`\d+ µs`)
	// requestIDs are in internal errors, which are not to be.
	requestIDs = regexp.MustCompile(`(under request id )[A-Z0-9]+`)
	uuids      = regexp.MustCompile(`urn:uuid:[0-9a-f-]{36}`)
	cursors    = regexp.MustCompile(`(_page=)[A-Za-z0-9_-]+|(":")[A-Za-z0-9_-]{60,}`)
)

// same is an answer without what varies from run to run. Cursors are followed
// once, and replaced by their length.
func (w *world) same(c *caller, a answer) string {
	text := w.plain(c, a)
	if a.status == 202 && a.header.Get("Content-Location") != "" {
		place := a.header.Get("Content-Location")
		text = strings.ReplaceAll(text, place[strings.LastIndexByte(place, '/')+1:], "JOB") + "\n" + w.later(c, a)
	}
	return text
}

// next is the page that a page leads to, "" for none.
func (w *world) next(c *caller, page string) string {
	if m := connected.FindStringSubmatch(page); m != nil {
		query := `{ObservationConnection(cursor: "` + m[1] + `") {count offset next edges {resource {id subject {display}}}}}`
		return string(w.ask(c, "POST", "$graphql", query, "Content-Type", "application/graphql").body)
	}
	_, rest, ok := strings.Cut(page, `{"relation":"next","url":"`)
	if url, _, _ := strings.Cut(rest, `"`); ok {
		return string(w.ask(c, "GET", url, "").body)
	}
	return ""
}

// connected is the cursor of the page of a connection's after this one.
var connected = regexp.MustCompile(`"next":"([A-Za-z0-9_-]{60,})"`)

// plain is an answer with its headers.
func (w *world) plain(c *caller, a answer) string {
	text := string(a.body)
	for page, n := text, 0; page != "" && n < 4; n++ {
		page = w.next(c, page)
		text += "\n" + page
	}
	text = requestIDs.ReplaceAllString(text, "$1")
	text = uuids.ReplaceAllString(took.ReplaceAllString(text, "TOOK"), "UUID")
	text = cursors.ReplaceAllStringFunc(text, func(found string) string { return found[:2] + fmt.Sprint("CURSOR", len(found)) })
	var b strings.Builder
	fmt.Fprintln(&b, a.status)
	for _, name := range slices.Sorted(maps.Keys(a.header)) {
		if name != "X-Request-Id" && name != "Content-Length" {
			fmt.Fprintln(&b, name, a.header[name])
		}
	}
	return b.String() + text
}
