package backups

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/tarnhealth/tarn/backup"
	"github.com/tarnhealth/tarn/blob"
)

// TestContentsThatMove backs up contents of which some lie in the data folder and
// some in the bucket, while they are moved there: each is held once, whatever is
// moved when.
func TestContentsThatMove(t *testing.T) {
	ctx := context.Background()
	data := t.TempDir()
	folder := filepath.Join(data, "stores", "s", "content")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	bucket, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer bucket.Close()
	inFolder := func(key string) string { return filepath.Join(folder, key) }
	for _, key := range []string{"both", "here", "moves-before", "moves-after", "erased"} {
		if err := os.WriteFile(inFolder(key), []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"both", "there", "moves-before"} {
		if err := blob.Write(ctx, bucket, "tarn/s/"+key, []byte(key)); err != nil {
			t.Fatal(err)
		}
	}
	snapshot := &backup.Snapshot{Files: []backup.Source{{Name: "keys/s", Content: []byte("keys/s")}}}
	staged := &Staged{}
	if err := staged.addContents(data, "s", snapshot); err != nil {
		t.Fatal(err)
	}
	move := func(key string) {
		t.Helper()
		if err := blob.Write(ctx, bucket, "tarn/s/"+key, []byte(key)); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(inFolder(key)); err != nil {
			t.Fatal(err)
		}
	}
	move("moves-before")
	if err := addBucket(ctx, bucket, "tarn/s/", contentsOf("s"), snapshot); err != nil {
		t.Fatal(err)
	}
	move("moves-after")
	if err := os.Remove(inFolder("erased")); err != nil {
		t.Fatal(err)
	}
	place, err := backup.Make(ctx, backup.Options{Bucket: dirOf(t)})
	if err != nil {
		t.Fatal(err)
	}
	result, err := place.Take(ctx, snapshot, nil)
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]int{}
	to := t.TempDir()
	for _, f := range result.Files {
		held[f.Name]++
	}
	if err := place.Fetch(ctx, result.Manifest, func(f backup.File) string { return filepath.Join(to, filepath.FromSlash(f.Name)) }, nil); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"both", "here", "there", "moves-before", "moves-after"} {
		name := contentsOf("s") + key
		f, err := os.Open(filepath.Join(to, filepath.FromSlash(name)))
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		text, err := io.ReadAll(f)
		f.Close()
		if err != nil || string(text) != key || held[name] != 1 {
			t.Errorf("%s is %q, held %d times, %v", key, text, held[name], err)
		}
	}
	if len(held) != 6 {
		t.Errorf("held are %v", held)
	}
}

func dirOf(t *testing.T) blob.Bucket {
	t.Helper()
	dir, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
}
