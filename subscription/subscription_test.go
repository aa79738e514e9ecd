package subscription_test

import (
	"strings"
	"testing"
)

// TestNotifies is the way of a notification: an empty one, and one with the
// resource.
func TestNotifies(t *testing.T) {
	w := newWorld(t)
	w.put(w.subscribe("empty", "Observation?status=final", ""))
	w.put(w.subscribe("full", "Patient?gender=female", "application/fhir+json"))
	stored := w.became("empty", "active")
	w.became("full", "active")
	if strings.Contains(stored, "secret") || !strings.Contains(stored, `"Authorization: ********"`) {
		t.Error(stored)
	}
	w.put(observation("o1", "preliminary", "p1"), observation("o1", "final", "p1"))
	r := w.got("POST /fhir")
	if r.Body != "" || r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("Content-Type") != "" || r.Header.Get("X-Request-Id") != "empty-1" {
		t.Errorf("%+v", r)
	}
	w.put(`{"resourceType":"Patient","id":"p1","gender":"female"}`)
	r = w.got("PUT /fhir/Patient/p1")
	if !strings.HasPrefix(r.Body, `{"resourceType":"Patient","id":"p1","meta":{"versionId":"1",`) || r.Header.Get("Content-Type") != "application/fhir+json" {
		t.Errorf("%+v", r)
	}
}
