package rest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/store"
)

// inline is how much content stays in a resource in tests.
const inline = 1000

// A keeper keeps large contents in a folder.
type keeper struct {
	dir     string
	records kv.DB
	clock   *clock
}

func (k *keeper) OpenContents(ctx context.Context, id string, backend store.Store, key []byte) (*binary.Contents, error) {
	dir := filepath.Join(k.dir, id)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	bucket, err := blob.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	return binary.Open(ctx, binary.Options{
		Bucket: bucket, Records: k.records, Store: id, Key: key, Backend: backend, Inline: inline, Max: 8 << 20, Whole: 1 << 20,
		Logger: slog.New(slog.DiscardHandler), Now: k.clock.Now, Release: bucket.Close,
	})
}

func (k *keeper) RemoveContents(ctx context.Context, id string) error {
	if err := binary.Remove(ctx, k.records, id, nil, ""); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(k.dir, id))
}

// blobs counts the blobs of a data store, and their bytes.
func (c *conversation) countBlobs(t *testing.T) (n int, size int64) {
	t.Helper()
	id := strings.TrimSuffix(strings.TrimPrefix(c.base, "http://example.org/datastore/"), "/r4")
	err := filepath.WalkDir(filepath.Join(c.blobs, id), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n, size = n+1, size+info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n, size
}

// random is content of a size, the same for one seed.
func random(size int, seed uint64) []byte {
	b := make([]byte, size)
	from := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = from.Read(b) // never fails
	return b
}

func (c *conversation) put(t *testing.T, path, contentType string, content []byte, headers ...string) reply {
	t.Helper()
	method, path, _ := strings.Cut(path, " ")
	req, err := http.NewRequest(method, c.url+strings.TrimPrefix(c.base, "http://example.org")+path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	return do(t, req)
}

// TestContentApart writes content that does not stay in the resource, and reads
// it in all ways.
func TestContentApart(t *testing.T) {
	c := newServer(t).newConversation(t, "apart")
	content := random(700_001, 1)
	data := base64.StdEncoding.EncodeToString(content)
	if got := c.put(t, "PUT /Binary/b", "application/pdf", content); got.status != 201 || !strings.Contains(string(got.body), data) {
		t.Fatalf("%d %.300s", got.status, got.body)
	}
	if n, size := c.countBlobs(t); n != 1 || size != int64(len(content)) {
		t.Fatalf("there are %d blobs of %d bytes", n, size)
	}
	want := fmt.Sprintf(`"contentType":"application/pdf","data":"%s"}`, data)
	for _, k := range []struct {
		ask    string
		status int
		body   string // a part of it
	}{
		{"GET /Binary/b\nAccept: application/pdf", 200, string(content)},
		{"GET /Binary/b\nAccept: application/pdf\nRange: bytes=1000-1999", 206, string(content[1000:2000])},
		{"GET /Binary/b\nAccept: application/pdf\nRange: bytes=-5", 206, string(content[len(content)-5:])},
		{"GET /Binary/b\nAccept: application/pdf\nIf-None-Match: \"1\"", 304, ""},
		{"HEAD /Binary/b\nAccept: application/pdf", 200, ""},
		{"GET /Binary/b", 200, want},
		{"GET /Binary/b\nAccept-Encoding: gzip", 200, want},
		{"GET /Binary/b?_pretty=true", 200, `"data": "` + data + `"`},
		{"GET /Binary/b?_format=xml", 200, `<data value="` + data + `"`},
		{"GET /Binary/b?_elements=data", 200, `"data":"` + data + `"`},
		{"GET /Binary/b/_history/1", 200, want},
		{"GET /Binary/b/_history", 200, want},
		{"GET /Binary", 200, want},
		{"POST /\n\n" + `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Binary/b"}}]}`, 200, want},
		{"POST /\n\n" + `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Binary"}},{"request":{"method":"GET","url":"Binary/b/_history"}}]}`, 200, want},
		{"POST /$graphql\nContent-Type: application/graphql\n\n{ Binary(id: \"b\") { data } }", 200, `"data":"` + data + `"`},
	} {
		got := c.send(t, k.ask)
		if got.status != k.status || !strings.Contains(string(got.body), k.body) || strings.Contains(string(got.body), "/tarn/content/") {
			t.Errorf("%s: %d %.300s", k.ask, got.status, got.body)
		}
		if n := got.header.Get("Content-Length"); n != "" && got.method != http.MethodHead && got.header.Get("Content-Encoding") == "" && n != fmt.Sprint(len(got.body)) {
			t.Errorf("%s: %s bytes announced, %d sent", k.ask, n, len(got.body))
		}
	}
}

var _ = sha256.New
var _ = json.Valid
