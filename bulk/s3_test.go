package bulk_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/blob/blobtest"
	"github.com/tarnhealth/tarn/blob/s3blob"
	"github.com/tarnhealth/tarn/bulk"
)

// A cloud is an S3 server with the buckets "input" and "output" behind a proxy.
type cloud struct {
	*world
	server *blobtest.Server
	// choose says what becomes of a request; nil passes all.
	choose atomic.Pointer[func(n int64, r *http.Request) blobtest.Fault]
}

func newCloud(t *testing.T, attempts int) *cloud {
	t.Helper()
	c := &cloud{server: blobtest.StartServer(t)}
	c.server.MakeBucket(t, "input")
	c.server.MakeBucket(t, "output")
	proxy := c.server.Behind(t, func(n int64, r *http.Request) blobtest.Fault {
		if choose := c.choose.Load(); choose != nil {
			return (*choose)(n, r)
		}
		return blobtest.Passed
	})
	c.world = newWorld(t, func(o *bulk.Options) {
		o.Places = blob.Places{Buckets: []string{"*"}, S3: func(ctx context.Context, name string) (blob.Bucket, error) {
			return s3blob.Open(ctx, name, s3blob.Options{
				Endpoint: proxy.Endpoint, KeyID: proxy.KeyID, Secret: proxy.Secret, Attempts: attempts, Pause: time.Millisecond,
			})
		}}
	})
	c.world.out = filepath.Join(c.server.Folder, "output") // the report is read from there
	return c
}

func (c *cloud) faults(choose func(n int64, r *http.Request) blobtest.Fault) { c.choose.Store(&choose) }

// object writes an object past the proxy.
func (c *cloud) object(key, content string) {
	c.Helper()
	name := filepath.Join(c.server.Folder, "input", filepath.FromSlash(key))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		c.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		c.Fatal(err)
	}
}

func isObject(r *http.Request, bucket string) bool {
	return strings.HasPrefix(r.URL.Path, "/"+bucket+"/") && len(r.URL.Path) > len(bucket)+2
}

// TestS3FailsNowAndThen imports and exports through a service that fails every
// third request: nothing is missing, and nothing is there twice.
func TestS3FailsNowAndThen(t *testing.T) {
	c := newCloud(t, 12)
	const files, each = 24, 50
	for f := range files {
		var text strings.Builder
		for i := range each {
			text.WriteString(patient(fmt.Sprintf("%d-%d", f, i)) + "\n")
		}
		content, ending := text.String()+"{\n", ".ndjson"
		switch f % 3 {
		case 1:
			content, ending = gzipped(content), ".ndjson.gz"
		case 2:
			content, ending = zstandard(t, content), ".ndjson.zst"
		}
		c.object(fmt.Sprintf("in/%02d%s", f, ending), content)
	}
	kinds := []blobtest.Fault{blobtest.SlowDown, blobtest.Reset, blobtest.Lost, blobtest.Cut}
	var failed atomic.Int64
	c.faults(func(n int64, _ *http.Request) blobtest.Fault {
		if n%3 != 0 {
			return blobtest.Passed
		}
		return kinds[failed.Add(1)%int64(len(kinds))]
	})
	c.run()
	got := c.awaitImport(c.startImport(bulk.Import{Input: "s3://input/in/", Output: "s3://output"}).ID)
	if got.State != bulk.CompletedWithErrors || got.Created != files*each || got.Updated+got.Unchanged != 0 || got.Refused != files || got.FilesImported != files {
		t.Fatalf("%s %q: %+v", got.State, got.Message, got.Counts)
	}
	seen := map[string]int{}
	for _, l := range append(c.report(got.ID, "SUCCESS"), c.report(got.ID, "FAILURE")...) {
		seen[fmt.Sprint(l.InputFile, " ", l.LineID)]++
	}
	if len(seen) != files*(each+1) {
		t.Errorf("%d lines are reported", len(seen))
	}
	if lines := c.export(bulk.Export{Output: "s3://output"})["Patient"]; len(lines) != files*each {
		t.Errorf("%d patients are exported", len(lines))
	}
	if failed.Load() < 10 {
		t.Errorf("%d requests failed only", failed.Load())
	}
}

// TestS3IsTooBusy has the service refuse for longer than anybody waits: the jobs
// say so, and the next one finds what is there.
func TestS3IsTooBusy(t *testing.T) {
	c := newCloud(t, 2)
	for f := range 40 {
		c.object(fmt.Sprintf("%02d.ndjson", f), patient(fmt.Sprint(f))+"\n")
	}
	var read atomic.Int64
	c.faults(func(_ int64, r *http.Request) blobtest.Fault {
		if r.Method == http.MethodGet && isObject(r, "input") && read.Add(1) > 20 {
			return blobtest.SlowDown
		}
		return blobtest.Passed
	})
	c.run()
	job := bulk.Import{Input: "s3://input", Output: "s3://output"}
	got := c.awaitImport(c.startImport(job).ID)
	if got.State != bulk.Failed || !strings.Contains(got.Message, "asks to slow down") || !strings.Contains(got.Message, ".ndjson cannot be read") || strings.Contains(got.Message, "refused by the proxy") {
		t.Errorf("%s %q", got.State, got.Message)
	}
	stored := int64(c.count("Patient"))
	c.faults(func(_ int64, r *http.Request) blobtest.Fault {
		if r.Method == http.MethodPut {
			return blobtest.Reset
		}
		return blobtest.Passed
	})
	if got := c.awaitExport(c.startExport(bulk.Export{Output: "s3://output"}).ID); got.State != bulk.Failed || stored > 0 && !strings.Contains(got.Message, "the output cannot be written: its service does not answer") {
		t.Errorf("export: %s %q", got.State, got.Message)
	}
	c.faults(func(int64, *http.Request) blobtest.Fault { return blobtest.Passed })
	if got := c.awaitImport(c.startImport(job).ID); got.State != bulk.Completed || got.Created != 40-stored || got.Unchanged != stored || got.Updated != 0 {
		t.Errorf("again, with %d stored: %s %q %+v", stored, got.State, got.Message, got.Counts)
	}
}

// TestS3Denies exports to a bucket that may be read only, and imports with a
// report there.
func TestS3Denies(t *testing.T) {
	c := newCloud(t, 2)
	c.object("a.ndjson", patient("1"))
	c.put(patient("2"))
	c.faults(func(_ int64, r *http.Request) blobtest.Fault {
		if r.Method == http.MethodPut || r.Method == http.MethodPost {
			return blobtest.Denied
		}
		return blobtest.Passed
	})
	c.run()
	const want = "the output cannot be written: the bucket or folder refuses access to this server"
	if got := c.awaitExport(c.startExport(bulk.Export{Output: "s3://output"}).ID); got.State != bulk.Failed || got.Message != want {
		t.Errorf("export: %s %q", got.State, got.Message)
	}
	if got := c.awaitImport(c.startImport(bulk.Import{Input: "s3://input", Output: "s3://output"}).ID); got.State != bulk.Failed || got.Message != want {
		t.Errorf("import: %s %q", got.State, got.Message)
	}
	c.faults(func(_ int64, r *http.Request) blobtest.Fault {
		if isObject(r, "input") {
			return blobtest.Denied
		}
		return blobtest.Passed
	})
	if got := c.awaitImport(c.startImport(bulk.Import{Input: "s3://input", Output: "s3://output"}).ID); got.State != bulk.Failed || !strings.Contains(got.Message, "a.ndjson cannot be read: it, or its bucket") {
		t.Errorf("import of what may be listed only: %s %q", got.State, got.Message)
	}
}

// TestBucketVanishes removes the bucket while it is read: the job fails, and does
// not take what is gone for read.
func TestBucketVanishes(t *testing.T) {
	c := newCloud(t, 2)
	for f := range 40 {
		c.object(fmt.Sprintf("%02d.ndjson", f), patient(fmt.Sprint(f))+"\n")
	}
	var read atomic.Int64
	c.faults(func(_ int64, r *http.Request) blobtest.Fault {
		if isObject(r, "input") && read.Add(1) == 20 {
			if err := os.Rename(filepath.Join(c.server.Folder, "input"), filepath.Join(t.TempDir(), "gone")); err != nil {
				t.Error(err)
			}
		}
		return blobtest.Passed
	})
	c.run()
	got := c.awaitImport(c.startImport(bulk.Import{Input: "s3://input", Output: "s3://output"}).ID)
	if got.State != bulk.Failed || !strings.Contains(got.Message, "was changed or removed meanwhile") {
		t.Errorf("%s %q %+v", got.State, got.Message, got.Counts)
	}
	if manifest := c.output("one-FHIR_IMPORT-" + got.ID + "/manifest.json"); !strings.Contains(manifest, "was changed or removed meanwhile") {
		t.Errorf("the manifest does not say why: %s", manifest)
	}
	got = c.awaitImport(c.startImport(bulk.Import{Input: "s3://input", Output: "s3://output"}).ID)
	if got.State != bulk.Failed || got.Message != "s3://input does not exist" {
		t.Errorf("without the bucket: %s %q", got.State, got.Message)
	}
}

// TestManyFiles imports more files than one page of a list holds, and does not
// list them faster than it reads them.
func TestManyFiles(t *testing.T) {
	const files = 2_500
	var listed, opened, most atomic.Int64
	w := newWorld(t, func(o *bulk.Options) {
		o.Places = blob.Places{Buckets: []string{"*"}, S3: func(context.Context, string) (blob.Bucket, error) {
			return &countless{files: files, listed: &listed, opened: &opened, most: &most}, nil
		}}
	})
	w.run()
	got := w.awaitImport(w.startImport(bulk.Import{Input: "s3://input"}).ID)
	if got.State != bulk.Completed || got.Created != files || got.FilesImported != files || listed.Load() != files {
		t.Errorf("%s %q, %d listed: %+v", got.State, got.Message, listed.Load(), got.Counts)
	}
	if ahead := most.Load(); ahead > 30 {
		t.Errorf("%d files were listed before they were opened", ahead)
	}
}

// countless is a bucket of so many files that are made up as they are asked for.
type countless struct {
	blob.Bucket
	files                int
	listed, opened, most *atomic.Int64
}

func (b *countless) Stat(context.Context, string) (blob.Info, error) {
	return blob.Info{}, blob.ErrNotFound
}

func (b *countless) List(_ context.Context, _, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		for i := range b.files {
			name := fmt.Sprintf("%08d.ndjson", i)
			if name <= after {
				continue
			}
			waiting := b.listed.Add(1) - b.opened.Load()
			b.most.Store(max(b.most.Load(), waiting))
			if !yield(blob.Info{Key: name, Size: 1}, nil) {
				return
			}
		}
	}
}

func (b *countless) Open(_ context.Context, key string, _, _ int64) (io.ReadCloser, error) {
	b.opened.Add(1)
	return io.NopCloser(bytes.NewReader([]byte(patient(strings.TrimSuffix(key, ".ndjson"))))), nil
}
