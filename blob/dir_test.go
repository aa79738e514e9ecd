package blob_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/blob/blobtest"
)

func openDir(t *testing.T, name string) *blob.Dir {
	t.Helper()
	d, err := blob.OpenDir(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestDir(t *testing.T) {
	blobtest.Test(t, func(t *testing.T) blob.Bucket { return openDir(t, t.TempDir()) })
}

func TestDirIsABoundary(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	inside := t.TempDir()
	for name, target := range map[string]string{"folder": outside, "file": filepath.Join(outside, "secret")} {
		if err := os.Symlink(target, filepath.Join(inside, name)); err != nil {
			t.Skip(err)
		}
	}
	d := openDir(t, inside)
	for _, key := range []string{"folder/secret", "file"} {
		if r, err := d.Open(t.Context(), key, 0, -1); err == nil {
			r.Close()
			t.Errorf("%s can be read", key)
		}
	}
	if _, err := d.Create(t.Context(), "folder/new"); err == nil {
		t.Error("written through a link")
	}
	for info, err := range d.List(t.Context(), "folder/", "") {
		if err == nil {
			t.Errorf("lists %s", info.Key)
		}
	}
}

// TestLargeFile writes a file that the system is asked to write on beside.
func TestLargeFile(t *testing.T) {
	d := openDir(t, t.TempDir())
	w, err := d.Create(t.Context(), "large")
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	for i := range 50 {
		piece := bytes.Repeat([]byte{byte(i)}, 77_777)
		want.Write(piece)
		if _, err := w.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	r, err := d.Open(t.Context(), "large", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%d bytes and %v are read of %d", len(got), err, want.Len())
	}
}

func TestSweep(t *testing.T) {
	name := t.TempDir()
	d := openDir(t, name)
	w, err := d.Create(t.Context(), "a/b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := blob.Write(t.Context(), d, "a/c", []byte("x")); err != nil {
		t.Fatal(err)
	}
	// The process dies here.
	if err := openDir(t, name).Sweep(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(filepath.Join(name, "a"))
	if err != nil || len(left) != 1 || left[0].Name() != "c" {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestOpenDirThatIsNotThere(t *testing.T) {
	if _, err := blob.OpenDir(filepath.Join(t.TempDir(), "none")); !errors.Is(err, blob.ErrNoBucket) {
		t.Error(err)
	}
}
