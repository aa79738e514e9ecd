package rest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/rest"
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
		Bucket: bucket, Records: k.records, Store: id, Key: key, Backend: backend, Inline: inline, Max: 1 << 30, Whole: 1 << 20,
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
		if err != nil || e.IsDir() || strings.HasSuffix(e.Name(), ".of") {
			return err // a label beside a blob
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

// TestSignedURLs uploads and downloads by URLs, which are good for what they are
// made for, once and for a while.
func TestSignedURLs(t *testing.T) {
	c := newServer(t).newConversation(t, "signed")
	content := random(50_000, 2)
	sum := sha256.Sum256(content)
	offer := func(ask, name string) (url, body string) {
		t.Helper()
		got := c.send(t, ask)
		var answer map[string]any
		if err := json.Unmarshal(got.body, &answer); err != nil || got.header.Get("Preference-Applied") != "presigned" {
			t.Fatalf("%s: %d %v %.500s", ask, got.status, err, got.body)
		}
		url, _ = answer[name].(string)
		if url == "" || answer["data"] != nil {
			t.Fatalf("%s: there is no %s in %.500s", ask, name, got.body)
		}
		return strings.TrimPrefix(url, c.base), string(got.body)
	}
	upload, _ := offer("PUT /Binary/b\nPrefer: presigned; length=50000; sha256=\""+base64.StdEncoding.EncodeToString(sum[:])+"\"\n\n"+`{"resourceType":"Binary","id":"b","contentType":"image/png","securityContext":{"reference":"Patient/p"}}`, "presignedPutUrl")
	if got := c.send(t, "GET /Binary/b\nPrefer: presigned"); got.status != 200 || strings.Contains(string(got.body), "presigned") {
		t.Errorf("before the upload: %d %s", got.status, got.body)
	}
	other := random(50_000, 3)
	for _, k := range []struct {
		name, path, contentType string
		content                 []byte
		headers                 []string
		status                  int
	}{
		{"another id", "PUT " + strings.Replace(upload, "/b/", "/c/", 1), "image/png", content, nil, 403},
		{"another version", "PUT " + strings.Replace(upload, "/b/1", "/b/2", 1), "image/png", content, nil, 403},
		{"a longer life", "PUT " + strings.Replace(upload, "expires=1", "expires=2", 1), "image/png", content, nil, 403},
		{"no hash", "PUT " + strings.Replace(upload, "sha256=", "x=", 1), "image/png", content, nil, 403},
		{"another method", "POST " + upload, "image/png", content, nil, 405},
		{"another media type", "PUT " + upload, "image/jpeg", content, nil, 415},
		{"another length", "PUT " + upload, "image/png", content[1:], nil, 400},
		{"another content", "PUT " + upload, "image/png", other, nil, 422},
		{"another digest", "PUT " + upload, "image/png", content, []string{"Content-Digest: sha-256=:" + base64.StdEncoding.EncodeToString(make([]byte, 32)) + ":"}, 422},
		{"no version", "PUT " + strings.Replace(upload, "/b/1", "/b/x", 1), "image/png", content, nil, 403},
		{"as it is to be", "PUT " + upload, "image/png", content, nil, 200},
		{"a second time", "PUT " + upload, "image/png", content, nil, 410},
	} {
		if got := c.put(t, k.path, k.contentType, k.content, k.headers...); got.status != k.status {
			t.Errorf("%s: %d %.300s", k.name, got.status, got.body)
		}
	}
	if got := c.send(t, "GET "+upload); got.status != 403 {
		t.Errorf("read by a URL to write: %d", got.status)
	}
	if n, _ := c.countBlobs(t); n != 1 {
		t.Errorf("there are %d blobs", n)
	}
	download, body := offer("GET /Binary/b\nPrefer: presigned", "presignedGetUrl")
	if !strings.Contains(body, `"versionId":"2"`) || !strings.Contains(body, `"securityContext":{"reference":"Patient/p"}`) {
		t.Errorf("after the upload: %s", body)
	}
	if got := c.send(t, "GET "+download); got.status != 200 || !bytes.Equal(got.body, content) || got.header.Get("Content-Type") != "image/png" {
		t.Errorf("download: %d %v", got.status, got.header)
	}
	if got := c.send(t, "GET "+download+"\nRange: bytes=10-19"); got.status != 206 || !bytes.Equal(got.body, content[10:20]) {
		t.Errorf("a range: %d %v", got.status, got.header)
	}
	if got := c.put(t, "PUT "+download, "image/png", content); got.status != 403 {
		t.Errorf("written by a URL to read: %d", got.status)
	}
	if got := c.send(t, "GET "+strings.Replace(download, "image%2Fpng", "text%2Fhtml", 1)); got.status != 403 {
		t.Errorf("another media type: %d", got.status)
	}
	late, _ := offer("POST /Binary\nPrefer: presigned\n\n"+`{"resourceType":"Binary","contentType":"image/png"}`, "presignedPutUrl")
	c.clock.advance(binary.DefaultLife)
	if got := c.put(t, "PUT "+late, "image/png", content); got.status != 410 {
		t.Errorf("too late: %d %s", got.status, got.body)
	}
	if got := c.send(t, "GET "+download); got.status != 410 {
		t.Errorf("a download too late: %d", got.status)
	}
	for _, ask := range []string{"Prefer: presigned; length=x", "Prefer: presigned; sha256=x", "Prefer: presigned\nAccept: application/fhir+xml"} {
		if got := c.send(t, "PUT /Binary/none\n"+ask+"\n\n"+`{"resourceType":"Binary","id":"none","contentType":"image/png"}`); got.status != 400 && got.status != 406 {
			t.Errorf("%s: %d", ask, got.status)
		}
	}
	if got := c.send(t, "GET /Binary/none"); got.status != 404 {
		t.Errorf("a Binary was made whose URL could not be: %d", got.status)
	}
}

// TestContentAccess keeps content from those who may not read what its
// securityContext refers to, and so the URLs of it.
func TestContentAccess(t *testing.T) {
	s := newServer(t, func(o *rest.Options) {
		o.Authorize = func(r *http.Request, ds *datastore.Store) (authz.Access, error) {
			patient := r.Header.Get("Patient")
			if patient == "" {
				return authz.Unrestricted(), nil
			}
			scopes, _ := authz.ParseScopes("patient/*.cruds", ds.Registry())
			return authz.Decide(ds.Registry(), authz.Caller{Subject: "u", Client: "app", Patient: patient, Scopes: scopes}, authz.Policy{Base: ds.Base()})
		}
	})
	c := s.newConversation(t, "access")
	content := random(5000, 7)
	c.send(t, "PUT /Patient/p1\n\n"+`{"resourceType":"Patient","id":"p1"}`)
	if got := c.put(t, "PUT /Binary/b", "image/png", content, "X-Security-Context: Patient/p1"); got.status != 201 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for _, k := range []struct {
		patient, ask string
		status       int
		has          string
	}{
		{"p1", "GET /Binary/b\nAccept: image/png", 200, string(content)},
		{"p1", "GET /Binary/b", 200, base64.StdEncoding.EncodeToString(content)},
		{"p1", "GET /Binary/b\nPrefer: presigned", 200, "presignedGetUrl"},
		{"p1", "GET /Binary/b/_history/1\nAccept: image/png", 200, string(content)},
		{"p2", "GET /Binary/b\nAccept: image/png", 404, ""},
		{"p2", "GET /Binary/b", 404, ""},
		{"p2", "GET /Binary/b\nPrefer: presigned", 404, ""},
		{"p2", "GET /Binary/b/_history/1\nAccept: image/png", 404, ""},
		{"p2", "GET /Binary/b/_history", 404, ""},
		{"p2", "POST /Binary\nPrefer: presigned\n\n" + `{"resourceType":"Binary","contentType":"image/png","securityContext":{"reference":"Patient/p1"}}`, 403, ""},
	} {
		got := c.send(t, strings.Replace(k.ask, "\n", "\nPatient: "+k.patient+"\n", 1))
		if !strings.Contains(k.ask, "\n") {
			got = c.send(t, k.ask+"\nPatient: "+k.patient)
		}
		if got.status != k.status || !strings.Contains(string(got.body), k.has) {
			t.Errorf("%s: %s: %d %.300s", k.patient, k.ask, got.status, got.body)
		}
	}
	if got := c.put(t, "PUT /Binary/b", "image/png", content, "Patient: p2", "X-Security-Context: Patient/p2"); got.status != 403 {
		t.Errorf("another's Binary was taken over: %d %s", got.status, got.body)
	}
	if n, _ := c.countBlobs(t); n != 1 {
		t.Errorf("there are %d blobs", n)
	}
}

// TestAttachmentsApart moves base64 of any resource, and gives it back in all
// that is made of resources.
func TestAttachmentsApart(t *testing.T) {
	c := newServer(t).newConversation(t, "attachments")
	data := base64.StdEncoding.EncodeToString(random(5000, 8))
	spelled := data[:400] + `\n` + data[400:]
	c.send(t, "PUT /Patient/p\n\n"+`{"resourceType":"Patient","id":"p","photo":[{"contentType":"image/png","data":"`+data+`"}]}`)
	bundle := `{"resourceType":"Bundle","type":"transaction","entry":[
{"fullUrl":"urn:uuid:0c8a5c5e-5a3f-4b63-9d6e-000000000001","request":{"method":"POST","url":"Binary"},"resource":{"resourceType":"Binary","contentType":"a/b","data":"` + data + `"}},
{"request":{"method":"PUT","url":"DocumentReference/d"},"resource":{"resourceType":"DocumentReference","id":"d","status":"current","subject":{"reference":"Patient/p"},"content":[{"attachment":{"url":"urn:uuid:0c8a5c5e-5a3f-4b63-9d6e-000000000001"}},{"attachment":{"contentType":"a/b","data":"` + spelled + `"}}]}},
{"request":{"method":"PUT","url":"Composition/c"},"resource":{"resourceType":"Composition","id":"c","status":"final","type":{"text":"x"},"date":"2026-01-01","title":"x","author":[{"reference":"Patient/p"}],"subject":{"reference":"Patient/p"},"section":[{"title":"x","entry":[{"reference":"DocumentReference/d"}]}]}}]}`
	if got := c.send(t, "POST /\nPrefer: return=representation\n\n"+bundle); got.status != 200 || strings.Count(string(got.body), data) != 1 || !strings.Contains(string(got.body), spelled) {
		t.Fatalf("%d %.300s", got.status, got.body)
	}
	if n, _ := c.countBlobs(t); n != 3 {
		t.Fatalf("there are %d blobs", n)
	}
	for _, k := range []struct{ ask, has string }{
		{"GET /DocumentReference/d", spelled},
		{"GET /DocumentReference/d?_format=xml", data[:400] + "&#xA;" + data[400:]},
		{"GET /DocumentReference?_include=DocumentReference:subject", data},
		{"GET /DocumentReference/$docref?patient=p&start=1900-01-01", ""},
		{"GET /Patient/p/$everything", spelled},
		{"GET /Composition/c/$document", data},
		{"POST /Composition/c/$document?persist=true", data},
		{"GET /Bundle", data},
		{"GET /_history", spelled},
		{"PATCH /DocumentReference/d\nContent-Type: application/json-patch+json\n\n" + `[{"op":"test","path":"/content/1/attachment/data","value":"` + spelled + `"},{"op":"replace","path":"/status","value":"superseded"}]`, spelled},
		{"GET /Patient?_content=" + data[:30], `"total":0`},
	} {
		got := c.send(t, k.ask)
		if got.status != 200 || !strings.Contains(string(got.body), k.has) || strings.Contains(string(got.body), "/tarn/content/") {
			t.Errorf("%s: %d %.600s", k.ask, got.status, got.body)
		}
	}
	// The stored document has contents of its own.
	if n, _ := c.countBlobs(t); n != 5 {
		t.Errorf("there are %d blobs", n)
	}
	got := c.send(t, "GET /Patient\nPrefer: respond-async")
	if got.status != 202 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	c.runJobs(t)
	if got := c.send(t, "GET "+strings.TrimPrefix(got.header.Get("Content-Location"), c.base)); !strings.Contains(string(got.body), data) {
		t.Errorf("answered later: %d %.300s", got.status, got.body)
	}
}

// TestUploadsRefused leaves nothing of what was not announced, or broke off.
func TestUploadsRefused(t *testing.T) {
	c := newServer(t).newConversation(t, "refused")
	content := random(50_000, 4)
	sum := sha256.Sum256(content)
	digest := "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write(content) // a buffer takes all
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		name    string
		content []byte
		headers []string
		status  int
	}{
		{"its digest", content, []string{"Content-Digest: " + digest}, 201},
		{"the digest of the representation, among others", content, []string{"Repr-Digest: md5=:AAAA:, " + digest}, 200},
		{"another digest", content[1:], []string{"Content-Digest: " + digest}, 422},
		{"another digest of little", content[:10], []string{"Content-Digest: " + digest}, 422},
		{"no digest", content, []string{"Content-Digest: sha-256=x"}, 400},
		{"compressed", zipped.Bytes(), []string{"Content-Encoding: gzip"}, 200},
		{"compressed, with a digest", zipped.Bytes(), []string{"Content-Encoding: gzip", "Content-Digest: " + digest}, 415},
		{"cut off when it was compressed", zipped.Bytes()[:40_000], []string{"Content-Encoding: gzip"}, 400},
		{"another version", content, []string{`If-Match: W/"77"`}, 412},
	} {
		if got := c.put(t, "PUT /Binary/b", "image/png", k.content, k.headers...); got.status != k.status {
			t.Errorf("%s: %d %.300s", k.name, got.status, got.body)
		}
	}
	// A client that is gone in the middle.
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "PUT %s/Binary/gone HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n\r\n%s", strings.TrimPrefix(c.base, "http://example.org"), content); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, conn) // until the server has answered
	conn.Close()
	if got := c.send(t, "GET /Binary/gone"); got.status != 404 {
		t.Errorf("what broke off is there: %d", got.status)
	}
	if n, size := c.countBlobs(t); n != 1 || size != int64(len(content)) {
		t.Errorf("there are %d blobs of %d bytes", n, size)
	}
}

// TestContentUnreadable gives typed errors where the blobs are gone.
func TestContentUnreadable(t *testing.T) {
	c := newServer(t).newConversation(t, "unreadable")
	if got := c.put(t, "PUT /Binary/b", "image/png", random(50_000, 5)); got.status != 201 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if err := os.RemoveAll(filepath.Join(c.blobs, "unreadable")); err != nil {
		t.Fatal(err)
	}
	if got := c.send(t, "GET /Binary/b\nAccept: image/png"); got.status != 503 {
		t.Errorf("%d %.300s", got.status, got.body)
	}
	if got := c.put(t, "PUT /Binary/b", "image/png", random(50_000, 6)); got.status != 503 {
		t.Errorf("%d %.300s", got.status, got.body)
	}
	if got := c.send(t, "GET /Binary/b/_history/2"); got.status != 404 {
		t.Errorf("a version without its content: %d", got.status)
	}
}

// TestContentInConstantMemory streams much through the server.
func TestContentInConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it moves half a gigabyte")
	}
	c := newServer(t).newConversation(t, "memory")
	const size, most = 256 << 20, 48 << 20
	before := heap()
	seen := &heapGauge{}
	req, err := http.NewRequest(http.MethodPut, c.url+strings.TrimPrefix(c.base, "http://example.org")+"/Binary/b", io.TeeReader(io.LimitReader(pattern{}, size), seen))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Prefer", "return=minimal")
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != 201 {
		t.Fatal(res, err)
	}
	res.Body.Close()
	for accept, want := range map[string]int64{"application/octet-stream": size, "application/fhir+json": size / 3 * 4} {
		req, err := http.NewRequest(http.MethodGet, req.URL.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		req.Header.Set("Accept-Encoding", "identity")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.MultiWriter(io.Discard, seen), res.Body)
		if res.Body.Close(); err != nil || res.StatusCode != 200 || n < want || n != res.ContentLength {
			t.Errorf("%s: %d, %d bytes of %d announced, %v", accept, res.StatusCode, n, res.ContentLength, err)
		}
	}
	if grown := int64(seen.most) - int64(before); grown > most {
		t.Errorf("the heap grew by %d MB while %d MB were moved", grown>>20, size>>20)
	}
}

// heap is how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A heapGauge measures the heap from time to time.
type heapGauge struct {
	passed int64
	most   uint64
}

func (g *heapGauge) Write(b []byte) (int, error) {
	if g.passed += int64(len(b)); g.passed >= 32<<20 {
		g.passed, g.most = 0, max(g.most, heap())
	}
	return len(b), nil
}

// A pattern never ends.
type pattern struct{}

func (pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(i)
	}
	return len(b), nil
}
