package rest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// TestSignedUploadsMeetTheirVersion has a Binary change while its content is on its
// way by a signed URL: that is for the version of before.
func TestSignedUploadsMeetTheirVersion(t *testing.T) {
	c := newServer(t).newConversation(t, "meanwhile")
	const size = 24 << 20 // more than lies in the buffers of a connection
	offered := c.send(t, "PUT /Binary/b\nPrefer: presigned; length="+strconv.Itoa(size)+"\n\n"+`{"resourceType":"Binary","id":"b","contentType":"image/png"}`)
	var answer struct{ PresignedPutUrl string }
	if err := json.Unmarshal(offered.body, &answer); err != nil || answer.PresignedPutUrl == "" {
		t.Fatalf("%d %v %.300s", offered.status, err, offered.body)
	}
	body, more := io.Pipe()
	req, err := http.NewRequest("PUT", c.url+strings.TrimPrefix(answer.PresignedPutUrl, "http://example.org"), body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = size
	req.Header.Set("Content-Type", "image/png")
	changed := make(chan reply, 1)
	go func() {
		_, _ = more.Write(make([]byte, size-1)) // the answer tells what comes of it
		changed <- c.put(t, "PUT /Binary/b", "text/plain", []byte("meanwhile"))
		_, _ = more.Write([]byte{1})
		_ = more.Close()
	}()
	got := do(t, req)
	if was := <-changed; was.status != 200 {
		t.Errorf("the change: %d %.300s", was.status, was.body)
	}
	if got.status != 410 {
		t.Errorf("the upload: %d %.300s", got.status, got.body)
	}
	if now := c.send(t, "GET /Binary/b\nAccept: text/plain"); string(now.body) != "meanwhile" {
		t.Errorf("it is %.100s", now.body)
	}
}
