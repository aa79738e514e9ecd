package sealedblob_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/blob/blobtest"
	"github.com/tarnhealth/tarn/blob/sealedblob"
	"github.com/tarnhealth/tarn/crypt/seal"
	"github.com/tarnhealth/tarn/crypt/seal/sealtest"
)

func open(t *testing.T, dir string) *blob.Dir {
	t.Helper()
	d, err := blob.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestSealedBucket(t *testing.T) {
	blobtest.Test(t, func(t *testing.T) blob.Bucket { return sealedblob.New(open(t, t.TempDir()), sealtest.Of(1)) })
}

// TestOnlyWithTheKey looks at the file, and opens it with another key.
func TestOnlyWithTheKey(t *testing.T) {
	dir := t.TempDir()
	in := open(t, dir)
	if err := blob.Write(t.Context(), in, "before", []byte("Wolfeschlegelstein, from before")); err != nil {
		t.Fatal(err)
	}
	b := sealedblob.New(in, sealtest.Of(1))
	if err := blob.Write(t.Context(), b, "one", []byte("Wolfeschlegelstein")); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(dir, "one"))
	if err != nil || bytes.Contains(file, []byte("Wolfe")) {
		t.Errorf("the file shows what is in it, or %v", err)
	}
	if _, err := sealedblob.New(in, sealtest.Of(2)).Open(t.Context(), "one", 0, -1); !errors.Is(err, seal.ErrAltered) {
		t.Errorf("with another key: %v", err)
	}
	r, err := b.Open(t.Context(), "before", 20, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := io.ReadAll(r); err != nil || string(text) != "from before" {
		t.Errorf("%q, %v", text, err)
	}
}
