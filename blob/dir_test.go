package blob_test

import (
	"errors"
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
