package graphql_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/graphql"
	"github.com/tarnhealth/tarn/pebble"
)

var ctx = context.Background()

var update = flag.Bool("update", false, "write the answers of testdata anew")

func newStore(t testing.TB) *datastore.Store {
	t.Helper()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	c, err := datastore.Open(ctx, datastore.Options{Backend: folder, BaseURL: "http://example.org"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := c.Create(ctx, "default", "")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put stores resources, one per line.
func put(t testing.TB, s *datastore.Store, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		tree, err := s.Parse([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		root := tree.Root()
		op := datastore.Op{Interaction: authz.Update, Type: root.Type().Name, ID: root.TextOf("id"), Resource: tree}
		if _, err := s.Commit(ctx, authz.Unrestricted(), []datastore.Op{op}, nil); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

func openView(t testing.TB, s *datastore.Store) *datastore.View {
	t.Helper()
	v, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// ask carries out a query at a view of now.
func ask(t testing.TB, s *datastore.Store, request graphql.Request) graphql.Response {
	t.Helper()
	v, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	request.Now = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	return graphql.Execute(ctx, v, s, request)
}

// TestQueries runs testdata/*.txtar. The file "store" holds resources, one a
// line. Each other file is a query, with the answer as "want" after it; lines
// that begin with "#focus", "#variables", "#operation" say what goes with it.
// In an answer {{…}} is what differs from run to run: a time or a cursor.
func TestQueries(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { runScript(t, file) })
	}
}

func runScript(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := newStore(t)
	for i, f := range archive.Files {
		switch f.Name {
		case "want":
			continue
		case "store":
			put(t, s, string(f.Data))
			continue
		}
		if i+1 == len(archive.Files) || archive.Files[i+1].Name != "want" {
			t.Fatalf("%s has no answer", f.Name)
		}
		response := ask(t, s, readRequest(t, s, string(f.Data)))
		got := response.AppendJSON(nil)
		if err := response.Internal(); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		got = variable.ReplaceAll(got, []byte(`"{{$1}}"`))
		want := &archive.Files[i+1]
		if *update {
			want.Data = []byte(compact(t, got) + "\n")
			continue
		}
		if compact(t, want.Data) != compact(t, got) {
			t.Errorf("%s:\n%s\nwant\n%s", f.Name, compact(t, got), compact(t, want.Data))
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// variable is what differs from run to run.
var variable = regexp.MustCompile(`"(?:()[A-Za-z0-9_-]{80,}|\d{4}-\d\d-\d\dT[0-9:.]+Z)"`)

func compact(t *testing.T, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return b.String()
}

func readRequest(t *testing.T, s *datastore.Store, text string) graphql.Request {
	t.Helper()
	var request graphql.Request
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name {
		case "#variables":
			request.Variables = json.RawMessage(value)
		case "#operation":
			request.OperationName = value
		case "#focus":
			resourceType, id, _ := strings.Cut(value, "/")
			v, err := openView(t, s).Read(ctx, resourceType, id)
			if err != nil {
				t.Fatal(err)
			}
			request.Focus = &v
		}
	}
	request.Query = text
	return request
}
