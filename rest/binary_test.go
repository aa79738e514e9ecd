package rest_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// TestBinaryContent writes content of any media type, and reads it as content
// and as a resource.
func TestBinaryContent(t *testing.T) {
	c := newServer(t).newConversation(t, "binary")
	made := c.send(t, "POST /Binary\nContent-Type: text/plain; charset=utf-8\nX-Security-Context: Patient/p\nX-Request-Id: up\n\nGrüße")
	data := base64.StdEncoding.EncodeToString([]byte("Grüße"))
	for _, want := range []string{`"contentType":"text/plain; charset=utf-8"`, `"securityContext":{"reference":"Patient/p"}`, `"data":"` + data + `"`} {
		if made.status != 201 || !strings.Contains(string(made.body), want) {
			t.Fatalf("%d %s\nlacks %s", made.status, made.body, want)
		}
	}
	path := strings.TrimSuffix(strings.TrimPrefix(made.header.Get("Location"), c.base), "/_history/1")
	for _, k := range []struct {
		name, ask string
		status    int
		body      string // "{" for a resource
		headers   []string
	}{
		{"nothing asked for", "GET " + path, 200, "{", []string{"Content-Type: application/fhir+json;charset=utf-8"}},
		{"its type", "GET " + path + "\nAccept: text/plain", 200, "Grüße",
			[]string{"Content-Type: text/plain; charset=utf-8", "Content-Disposition: attachment", "X-Content-Type-Options: nosniff", `Etag: "1"`, "Content-Length: 7"}},
		{"its kind", "GET " + path + "/_history/1\nAccept: text/*", 200, "Grüße", nil},
		{"anything", "GET " + path + "\nAccept: */*\nAccept-Encoding: gzip", 200, "Grüße", []string{"Content-Encoding: "}},
		{"a browser", "GET " + path + "\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", 200, "Grüße", nil},
		{"FHIR before anything", "GET " + path + "\nAccept: application/fhir+json, */*;q=0.1", 200, "{", nil},
		{"FHIR, less liked than what it is not", "GET " + path + "\nAccept: image/png, application/fhir+json;q=0.5", 200, "{", nil},
		{"_format", "GET " + path + "?_format=json\nAccept: text/plain", 200, "{", nil},
		{"another type", "GET " + path + "\nAccept: image/png", 406, "{", nil},
		{"its type, refused", "GET " + path + "\nAccept: text/plain;q=0, image/*", 406, "{", nil},
		{"unchanged", "GET " + path + "\nAccept: text/plain\nIf-None-Match: \"1\"", 304, "", nil},
		{"a range", "GET " + path + "\nAccept: text/plain\nRange: bytes=0-1", 206, "Gr", []string{"Content-Range: bytes 0-1/7"}},
		{"a range of this version", "GET " + path + "\nAccept: text/plain\nRange: bytes=0-1\nIf-Range: \"1\"", 206, "Gr", nil},
		{"a range of another version", "GET " + path + "\nAccept: text/plain\nRange: bytes=0-1\nIf-Range: \"9\"", 200, "Grüße", nil},
		{"beyond the end", "GET " + path + "\nAccept: text/plain\nRange: bytes=100-", 416, "{", []string{"Content-Range: bytes */7", "Content-Type: application/fhir+json;charset=utf-8"}},
		{"a range in another unit", "GET " + path + "\nAccept: text/plain\nRange: lines=1-2", 200, "Grüße", nil},
		{"decided by nothing that is there", "POST /Binary\nContent-Type: text/plain\nX-Security-Context: the owner\n\nx", 400, "{", nil},
		{"HEAD", "HEAD " + path + "\nAccept: text/plain", 200, "", []string{"Content-Length: 7"}},
		{"none there", "GET /Binary/none\nAccept: text/plain", 404, "{", nil},
		{"other types are resources", "GET /Patient/none\nAccept: text/plain", 406, "{", nil},
		{"no media type", "POST /Binary\nContent-Type: nonsense\n\nx", 415, "{", nil},
		{"other types take resources", "POST /Patient\nContent-Type: text/plain\n\nx", 415, "{", nil},
		{"a resource is a resource", "POST /Binary\n\n{\"resourceType\":\"Binary\",\"contentType\":\"a/b\"}", 201, "{", nil},
		{"PUT", "PUT " + path + "\nContent-Type: image/svg+xml\n\n<svg/>", 200, "{", []string{`Etag: W/"2"`}},
		{"after PUT", "GET " + path + "\nAccept: image/*", 200, "<svg/>", []string{"Content-Type: image/svg+xml", "Content-Security-Policy: sandbox; default-src 'none'"}},
	} {
		got := c.send(t, k.ask)
		ok := got.status == k.status && (string(got.body) == k.body || k.body == "{" && bytes.HasPrefix(got.body, []byte("{")))
		for _, h := range k.headers {
			name, value, _ := strings.Cut(h, ": ")
			ok = ok && got.header.Get(name) == value
		}
		if !ok {
			t.Errorf("%s: %d %v %.300s", k.name, got.status, got.header, got.body)
		}
	}
}

// TestLargeBinary comes back byte for byte, and no further than the limit.
func TestLargeBinary(t *testing.T) {
	c := newServer(t).newConversation(t, "large-binary")
	content := bytes.Repeat([]byte{0, 1, 2, 0xff, '\n'}, 1<<20)
	put := func(size int) reply {
		req, err := http.NewRequest(http.MethodPut, c.url+strings.TrimPrefix(c.base, "http://example.org")+"/Binary/large", bytes.NewReader(content[:size]))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/octet-stream")
		return do(t, req)
	}
	if got := put(len(content)); got.status != 201 && got.status != 413 {
		t.Fatalf("%d %.200s", got.status, got.body)
	} else if got.status == 413 {
		if got := put(500_000); got.status != 201 {
			t.Fatalf("%d %.200s", got.status, got.body)
		}
		content = content[:500_000]
	}
	got := c.send(t, "GET /Binary/large\nAccept: application/octet-stream")
	if !bytes.Equal(got.body, content) || got.header.Get("Content-Length") != strconv.Itoa(len(content)) {
		t.Errorf("%d: %d bytes came back of %d", got.status, len(got.body), len(content))
	}
}
