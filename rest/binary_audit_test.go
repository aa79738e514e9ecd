package rest_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/rest"
)

// TestSignedURLsAreRecorded checks that the log tells who had a URL, and what was
// done by it.
func TestSignedURLsAreRecorded(t *testing.T) {
	m := &memory{}
	c := newServer(t, func(o *rest.Options) { o.Audit = &rest.Audit{Log: m} }).newConversation(t, "recorded")
	offered := c.send(t, "PUT /Binary/b\nPrefer: presigned\nX-Request-Id: asked\n\n"+`{"resourceType":"Binary","id":"b","contentType":"image/png","securityContext":{"reference":"Patient/p"}}`)
	var answer struct{ PresignedPutURL, PresignedGetURL string }
	if err := json.Unmarshal(offered.body, &answer); err != nil || answer.PresignedPutURL == "" {
		t.Fatalf("%s, %v", offered.body, err)
	}
	if got := c.put(t, "PUT "+strings.TrimPrefix(answer.PresignedPutURL, c.base), "image/png", random(5000, 1)); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	asked := c.send(t, "GET /Binary/b\nPrefer: presigned\nX-Request-Id: asked-again")
	if err := json.Unmarshal(asked.body, &answer); err != nil {
		t.Fatal(err)
	}
	if got := c.send(t, "GET "+strings.TrimPrefix(answer.PresignedGetURL, c.base)); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := c.send(t, "GET "+strings.TrimPrefix(answer.PresignedGetURL, c.base)+"x"); got.status != 403 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	var said []string
	for _, r := range m.all {
		if slices.Contains(r.Entities, "Binary/b/_history/2") || r.Status == 403 {
			said = append(said, strings.Join([]string{r.Action, r.Detail, strings.Join(r.Patients, ",")}, "|"))
		}
	}
	for _, want := range []string{"upload-content|by the signed URL of request asked|p", "read||p", "download-content|by the signed URL of request asked-again|p"} {
		if !slices.Contains(said, want) {
			t.Errorf("there is no %q in %q", want, said)
		}
	}
	if len(said) != 4 {
		t.Errorf("there are %d records: %q", len(said), said)
	}
	if text, err := json.Marshal(m.all); err != nil || strings.Contains(string(text), "signature") {
		t.Errorf("a signature is in the log: %s, %v", text, err)
	}
}
