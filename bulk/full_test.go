package bulk_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/bulk"
)

// A fullBucket has no space from one of its writes on: it cannot begin a blob, go
// on with one, or complete one.
type fullBucket struct {
	blob.Bucket
	// left is how many writes there is space for; negative is without end.
	left atomic.Int64
}

func (b *fullBucket) write() error {
	if left := b.left.Load(); left < 0 || left > 0 && b.left.CompareAndSwap(left, left-1) {
		return nil
	}
	return &fs.PathError{Op: "write", Path: "Patient-0.ndjson", Err: syscall.ENOSPC}
}

func (b *fullBucket) Create(ctx context.Context, key string) (blob.Writer, error) {
	if err := b.write(); err != nil {
		return nil, err
	}
	w, err := b.Bucket.Create(ctx, key)
	return &fullWriter{w, b}, err
}

type fullWriter struct {
	blob.Writer
	bucket *fullBucket
}

func (w *fullWriter) Write(p []byte) (int, error) {
	if err := w.bucket.write(); err != nil {
		return 0, err
	}
	return w.Writer.Write(p)
}

func (w *fullWriter) Commit() error {
	if err := w.bucket.write(); err != nil {
		return err
	}
	return w.Writer.Commit()
}

// TestExportFullDisk has no space for the output of an export, wherever it comes:
// the job fails and says what to do, and nothing tells of a file that is not
// whole. With space, the same export is complete.
func TestExportFullDisk(t *testing.T) {
	for _, format := range []bulk.Format{bulk.FormatNDJSON, bulk.FormatParquet} {
		for space := range int64(12) {
			t.Run(fmt.Sprint(format, " ", space), func(t *testing.T) { exportToFull(t, format, space) })
		}
	}
}

func exportToFull(t *testing.T, format bulk.Format, space int64) {
	out := t.TempDir()
	dir, err := blob.OpenDir(out)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	full := &fullBucket{Bucket: dir}
	w := newWorld(t, func(o *bulk.Options) {
		o.Places = blob.Places{Buckets: []string{"*"}, S3: func(context.Context, string) (blob.Bucket, error) { return full, nil }}
		o.Limits.FileLines = 2
	})
	for n := range 5 {
		w.put(patient(fmt.Sprint(n)))
	}
	w.run()
	full.left.Store(space)
	ask := bulk.Export{Output: "s3://full/", Format: format, Types: []string{"Patient"}}
	got := w.awaitExport(w.startExport(ask).ID)
	if got.State == bulk.Completed {
		return // there was space enough
	}
	if got.State != bulk.Failed || !strings.Contains(got.Message, "the output cannot be written") || !strings.Contains(got.Message, "full") {
		t.Errorf("%s, %q", got.State, got.Message)
	}
	folder := filepath.Join(out, "one-FHIR_EXPORT-"+got.ID)
	if _, err := os.Stat(filepath.Join(folder, "manifest.json")); err == nil {
		t.Error("there is a manifest")
	}
	for _, f := range got.Files {
		if info, err := os.Stat(filepath.Join(folder, f.Key)); err != nil || info.Size() != f.Size {
			t.Errorf("%s is told of, and is not whole: %v", f.Key, err)
		}
	}
	err = filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(d.Name(), ".") {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	full.left.Store(-1)
	if again := w.awaitExport(w.startExport(ask).ID); again.State != bulk.Completed || len(again.Files) == 0 {
		t.Errorf("with space: %s, %q, %d files", again.State, again.Message, len(again.Files))
	}
}

// TestBulkDataFullDisk is the same for exports over FHIR, whose files are the
// server's.
func TestBulkDataFullDisk(t *testing.T) {
	full := &fullBucket{}
	w := newWorld(t, func(o *bulk.Options) {
		full.Bucket, o.Files = o.Files, full
	})
	for n := range 5 {
		w.put(patient(fmt.Sprint(n)))
	}
	w.run()
	c := w.serve()
	full.left.Store(2)
	location := c.do("GET", "$export?_type=Patient", "").header.Get("Content-Location")
	w.awaitExport(location[strings.LastIndex(location, "/")+1:])
	if a := c.do("GET", location, ""); a.status < 500 || !strings.Contains(a.body, "full") || strings.Contains(a.body, "ndjson") {
		t.Errorf("%d %s", a.status, a.body)
	}
	err := filepath.WalkDir(w.files, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			t.Errorf("%s is left", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	full.left.Store(-1)
	if whole, _ := c.exported("GET", "$export?_type=Patient", ""); len(whole.Output) != 1 {
		t.Errorf("%+v", whole)
	}
}
