package synth_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/synth"
)

func TestWriteBundles(t *testing.T) {
	for _, compress := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "out")
		p := synth.New(synth.Options{Patients: 4, Seed: 1})
		last := -1
		sum, err := p.WriteBundles(t.Context(), dir, compress, func(done, total int) {
			if done != last+1 || total != 4 {
				t.Errorf("progress %d of %d after %d", done, total, last)
			}
			last = done
		})
		if err != nil {
			t.Fatal(err)
		}
		if last != 4 || sum.Patients != 4 || sum.Files != 5 || sum.Resources["Patient"] != 4 {
			t.Errorf("last progress %d, summary %+v", last, sum)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.json*"))
		if err != nil || len(files) != 5 || !strings.HasPrefix(filepath.Base(files[0]), "infrastructure.json") {
			t.Fatalf("files are %v (%v)", files, err)
		}
		k, size := 0, int64(0)
		for want := range p.Bundles(t.Context()) {
			got := read(t, files[k])
			if string(got) != string(want) {
				t.Errorf("%s is not what Bundles yields", files[k])
			}
			size += int64(len(got))
			k++
		}
		if size != sum.Bytes {
			t.Errorf("summary says %d bytes, files have %d", sum.Bytes, size)
		}
	}
}

func TestWriteNDJSON(t *testing.T) {
	for _, compress := range []bool{false, true} {
		dir := t.TempDir()
		p := synth.New(synth.Options{Patients: 4, Seed: 1})
		sum, err := p.WriteNDJSON(t.Context(), dir, compress, nil)
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.ndjson*"))
		if err != nil || len(files) != sum.Files {
			t.Fatalf("files are %v (%v), summary says %d", files, err, sum.Files)
		}
		size := int64(0)
		for _, name := range files {
			kind, _, _ := strings.Cut(filepath.Base(name), ".")
			size += int64(len(read(t, name)))
			if n := checkLines(t, name, kind); n != sum.Resources[kind] {
				t.Errorf("%s has %d resources, summary says %d", name, n, sum.Resources[kind])
			}
		}
		if size != sum.Bytes {
			t.Errorf("summary says %d bytes, files have %d", sum.Bytes, size)
		}
	}
}

// checkLines counts the resources of a file and checks their type.
func checkLines(t *testing.T, name, kind string) int {
	t.Helper()
	lines := bufio.NewScanner(strings.NewReader(string(read(t, name))))
	lines.Buffer(nil, 1<<20)
	n := 0
	for lines.Scan() {
		var r struct{ ResourceType, ID string }
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil || r.ResourceType != kind || r.ID == "" {
			t.Fatalf("%s: %+v (%v)", name, r, err)
		}
		n++
	}
	return n
}

func TestWritingStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := synth.New(synth.Options{Patients: 1000, Seed: 1})
	sum, err := p.WriteNDJSON(ctx, t.TempDir(), false, func(done, _ int) {
		if done == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || sum.Patients >= 1000 {
		t.Errorf("stopped with %v after %d patients", err, sum.Patients)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := p.WriteBundles(t.Context(), filepath.Join(file, "dir"), false, nil); err == nil {
		t.Error("a folder inside a file was made")
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
