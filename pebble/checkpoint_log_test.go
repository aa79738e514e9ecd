package pebble

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/tarnhealth/tarn/store"
)

// TestCheckpointCopiesTheLog copies a store with a few changes: they are in the
// log, and no table is made for them. What was erased is not in the log of a copy
// that begins after that.
func TestCheckpointCopiesTheLog(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(filepath.Join(dir, "store"), Options{Extract: testExtract})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	if _, err := s.Commit(ctx, []store.Op{testOp("a", "Xanthippe")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkpoint(ctx, filepath.Join(dir, "one")); err != nil {
		t.Fatal(err)
	}
	if tables, _ := filepath.Glob(filepath.Join(dir, "one", "*.sst")); len(tables) > 0 || !folderHolds(t, filepath.Join(dir, "one"), "Xanthippe") {
		t.Errorf("a copy of a small change has the tables %v, or not the change", tables)
	}
	if _, err := s.Erase(ctx, []store.Erasure{{Type: "Patient", ID: "a"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Checkpoint(ctx, filepath.Join(dir, "two")); err != nil {
		t.Fatal(err)
	}
	logs, _ := filepath.Glob(filepath.Join(dir, "two", "*.log"))
	for _, name := range logs {
		if text, err := os.ReadFile(name); err != nil || bytes.Contains(text, []byte("Xanthippe")) {
			t.Errorf("the log of the copy holds what was erased, %v", err)
		}
	}
}

// folderHolds reports whether a file of a folder has a text in it.
func folderHolds(t *testing.T, dir, text string) bool {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, name := range names {
		if content, err := os.ReadFile(name); err == nil && bytes.Contains(content, []byte(text)) {
			return true
		}
	}
	return false
}
