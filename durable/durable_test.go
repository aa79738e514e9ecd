package durable_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tarnhealth/tarn/durable"
)

func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%q %v, want %q", got, err, want)
		}
		if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what was written beside it: %v", err)
		}
	}
	if err := durable.ReplaceWith(path, 0o600, []byte("one")); err != nil {
		t.Fatal(err)
	}
	check("one")
	// What a crash leaves is longer than what comes.
	if err := os.WriteFile(path+".new", []byte("half of something"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.ReplaceWith(path, 0o600, []byte("two")); err != nil {
		t.Fatal(err)
	}
	check("two")
	wrong := errors.New("wrong")
	err := durable.Replace(path, 0o600, func(w io.Writer) error {
		_, _ = io.WriteString(w, "three")
		return wrong
	})
	if !errors.Is(err, wrong) {
		t.Error(err)
	}
	check("two")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

func TestSyncFolder(t *testing.T) {
	if err := durable.SyncFolder(t.TempDir()); err != nil {
		t.Error(err)
	}
	if err := durable.SyncFolder(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestFull(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EIO: false, nil: false, fmt.Errorf("write: %w", &fs.PathError{Err: syscall.ENOSPC}): true,
	} {
		if durable.Full(err) != want {
			t.Errorf("%v: %t", err, !want)
		}
	}
}
