package contents_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/blob/blobtest"
	"github.com/tarnhealth/tarn/blob/s3blob"
	"github.com/tarnhealth/tarn/crypt/seal"
	"github.com/tarnhealth/tarn/crypt/seal/sealtest"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/server/contents"
	"github.com/tarnhealth/tarn/store"
)

// A place is where a test keeps contents.
type place struct {
	config contents.Config
	sealed bool
	s3     func(context.Context, string) (blob.Bucket, error)
	// root is the folder that has the files in the end.
	root string
}

// TestPlaces writes, reads and erases in each kind of place.
func TestPlaces(t *testing.T) {
	for name, sealed := range map[string]bool{"folder": false, "sealed folder": true} {
		t.Run(name, func(t *testing.T) {
			testPlace(t, place{config: contents.Config{Inline: 1024}, sealed: sealed, root: t.TempDir()})
		})
	}
	for name, sealed := range map[string]bool{"bucket": false, "sealed bucket": true} {
		t.Run(name, func(t *testing.T) {
			server := blobtest.StartServer(t)
			server.MakeBucket(t, "contents")
			testPlace(t, place{
				config: contents.Config{Inline: 1024, Bucket: "contents/of/tarn"}, sealed: sealed, root: filepath.Join(server.Folder, "contents"),
				s3: func(ctx context.Context, name string) (blob.Bucket, error) {
					return s3blob.Open(ctx, name, s3blob.Options{Endpoint: server.Endpoint, KeyID: server.KeyID, Secret: server.Secret, Attempts: 1})
				},
			})
		})
	}
}

func testPlace(t *testing.T, p place) {
	ctx := t.Context()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	keeper := &contents.Keeper{Config: p.config, Data: p.root, Records: folder.Records(), S3: p.s3, Keys: func(context.Context, string) (seal.Keys, error) {
		if p.sealed {
			return sealtest.Of(7), nil
		}
		return nil, nil
	}}
	catalog, err := datastore.Open(ctx, datastore.Options{Backend: folder, BaseURL: "http://example.org", Contents: keeper})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := catalog.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := catalog.Create(ctx, "s", "")
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("Frau Mustermann has a long letter. "), 300_000)
	put(t, s, content)
	if n, plain := files(t, p.root, []byte("Mustermann")); n != 1 || plain == p.sealed {
		t.Errorf("there are %d files, readable: %v", n, plain)
	}
	readBack(t, s, content, p.s3 != nil && !p.sealed)
	if _, err := s.Erase(ctx, authz.Unrestricted(), datastore.Erasing{Operation: "$erase"}, []store.Erasure{{Type: "Binary", ID: "b"}}); err != nil {
		t.Fatal(err)
	}
	if n, _ := files(t, p.root, nil); n != 0 {
		t.Errorf("after the erasure there are %d files", n)
	}
	put(t, s, content)
	if _, err := catalog.Delete(ctx, "s"); err != nil {
		t.Fatal(err)
	}
	if n, _ := files(t, p.root, nil); n != 0 {
		t.Errorf("after the deletion of the data store there are %d files", n)
	}
	if s, err = catalog.Create(ctx, "t", ""); err != nil {
		t.Fatal(err)
	}
	put(t, s, content)
	if err := os.RemoveAll(p.root); err != nil {
		t.Fatal(err)
	}
	view, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if _, err := view.Read(ctx, "Binary", "b"); fhir.KindOf(err) != fhir.KindUnavailable {
		t.Errorf("read of a place that is gone: %v", err)
	}
	if _, err := s.Contents().Take(ctx, bytes.NewReader(content), binary.Expected{Size: -1}); fhir.KindOf(err) != fhir.KindUnavailable {
		t.Errorf("written to a place that is gone: %v", err)
	}
}

// put stores a Binary.
func put(t *testing.T, s *datastore.Store, content []byte) {
	t.Helper()
	u, err := s.Contents().Take(t.Context(), bytes.NewReader(content), binary.Expected{Size: int64(len(content))})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Discard(t.Context())
	tree, err := s.Parse([]byte(`{"resourceType":"Binary","id":"b","contentType":"text/plain","data":"` + u.Text() + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	op := datastore.Op{Interaction: authz.Update, Type: "Binary", ID: "b", Resource: tree, Contents: []*binary.Upload{u}}
	if _, err := s.Commit(t.Context(), authz.Unrestricted(), []datastore.Op{op}, nil); err != nil {
		t.Fatal(err)
	}
}

// readBack reads the Binary as a resource, as content from some place on, and
// where the service gives it itself.
func readBack(t *testing.T, s *datastore.Store, content []byte, direct bool) {
	t.Helper()
	view, err := s.View(t.Context(), authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	v, err := view.Read(t.Context(), "Binary", "b")
	if err != nil || !bytes.Contains(v.Body.JSON, []byte(base64.StdEncoding.EncodeToString(content))) {
		t.Fatalf("the resource is not whole: %v", err)
	}
	filler := new(binary.Filler)
	ctx := binary.With(t.Context(), filler)
	if v, err = view.Read(ctx, "Binary", "b"); err != nil {
		t.Fatal(err)
	}
	tree, err := s.Parse(v.Body.JSON)
	if err != nil {
		t.Fatal(err)
	}
	apart := filler.Content(ctx, tree.Root().TextOf("data"))
	if apart == nil {
		t.Fatal("the content is in the resource")
	}
	defer apart.Close()
	if _, err := apart.Seek(-1000, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(apart); err != nil || !bytes.Equal(rest, content[len(content)-1000:]) {
		t.Errorf("the end of it: %v", err)
	}
	url := apart.Direct()
	if !direct {
		if url != "" {
			t.Errorf("there is a URL of the service: %s", url)
		}
		return
	}
	got, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	if whole, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(whole, content) {
		t.Errorf("from the service: %s, %v", got.Status, err)
	}
}

// files counts the files with content below a folder, and whether a text can be
// read in any.
func files(t *testing.T, root string, text []byte) (n int, found bool) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || strings.Contains(path, ".sgwtmp") || strings.HasSuffix(path, ".of") {
			return err
		}
		b, err := os.ReadFile(path)
		if n++; len(text) > 0 && bytes.Contains(b, text) {
			found = true
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return n, found
}
