package shelf_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology/codebook"
	"github.com/tarnhealth/tarn/terminology/concept"
	"github.com/tarnhealth/tarn/terminology/shelf"
)

const url = "http://x.org/codes"

func add(t *testing.T, s *shelf.Shelf, store, version string) {
	t.Helper()
	meta := codebook.Meta{URL: url, Version: version, Source: "x"}
	b := codebook.NewBuilder(meta)
	b.Add(concept.Concept{Code: "a"})
	if _, err := s.Add(store, meta, b); err != nil {
		t.Fatal(err)
	}
}

// TestShelf loads and removes books while the shelf is used: what changes is seen
// within a second, and a data store's own come first.
func TestShelf(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s := shelf.Open(dir, slog.New(slog.DiscardHandler), func() time.Time { return now })
	want := func(what, store, canonical, version string) {
		t.Helper()
		got := ""
		if b := s.Book(store, canonical); b != nil {
			got = b.Version
		}
		if got != version {
			t.Errorf("%s: found %q, want %q", what, got, version)
		}
	}
	want("nothing is there", "s", url, "")
	add(t, s, "", "1/version/2")
	want("just loaded", "s", url, "")
	now = now.Add(2 * time.Second)
	want("a second later", "s", url, "1/version/2")
	want("of a version", "s", url+"|1/version/2", "1/version/2")
	want("of an edition", "s", url+"|1", "1/version/2")
	want("of another version", "s", url+"|3", "")
	want("of another system", "s", url+"/other", "")

	add(t, s, "s", "7")
	now = now.Add(2 * time.Second)
	want("the data store's own", "s", url, "7")
	want("of all, by its version", "s", url+"|1", "1/version/2")
	want("another data store", "t", url, "1/version/2")

	// Of two versions it is the one that was loaded last.
	add(t, s, "", "9")
	old := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(dir, "terminology", "x-9.book"), old, old); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	want("an older one", "t", url, "1/version/2")

	damaged := filepath.Join(dir, "terminology", "x-9.book")
	if err := os.WriteFile(damaged, []byte("TARNBOOK and no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	want("a damaged one", "t", url+"|9", "")
	problems := 0
	for _, v := range s.All() {
		if v.Problem != nil {
			problems++
		}
	}
	if len(s.All()) != 3 || problems != 1 {
		t.Errorf("%d files are there, %d with problems", len(s.All()), problems)
	}

	if err := s.RemoveStore("s"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("", "x-1-2"); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * time.Second)
	want("removed", "s", url, "")
	if err := s.Remove("", "x-1-2"); fhir.KindOf(err) != fhir.KindNotFound {
		t.Errorf("removed twice: %v", err)
	}
	for _, name := range []string{"../x", ".hidden", "a/b"} {
		if err := s.Remove("", name); fhir.KindOf(err) != fhir.KindInvalid || err == nil {
			t.Errorf("the name %q: %v", name, err)
		}
		if err := s.RemoveStore(name); fhir.KindOf(err) != fhir.KindInvalid || err == nil {
			t.Errorf("the data store %q: %v", name, err)
		}
	}
}
