package subscription_test

import (
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
)

const patientScopes = "patient/*.rs patient/Subscription.cruds"

// TestOnlyWhatTheSubscriberMaySee: criteria that match everybody's data tell a
// patient of its own alone, also when data moves to somebody else.
func TestOnlyWhatTheSubscriberMaySee(t *testing.T) {
	w := newWorld(t)
	w.put(`{"resourceType":"Patient","id":"p1"}`, `{"resourceType":"Patient","id":"p2"}`)
	id := w.post(w.as("u1", patientScopes, "p1"), w.subscribe("", "Observation", "application/fhir+json"))
	w.became(id, "active")
	w.put(
		observation("of-p2", "final", "p2"),
		observation("of-p1", "final", "p1"),
		observation("moved", "final", "p2"),
		observation("moved", "final", "p1"),
		observation("moved", "amended", "p2"),
		`{"resourceType":"Observation","id":"of-nobody","status":"final","code":{"text":"x"}}`,
		observation("last", "final", "p1"),
	)
	for _, want := range []string{"of-p1", "moved", "last"} {
		if r := w.got("PUT /fhir/Observation/" + want); !strings.Contains(r.Body, `"Patient/p1"`) {
			t.Error(r.Body)
		}
	}
}

// TestSubscriptionsAreTheirOwners: who is confined to a patient's data has its own
// Subscriptions, and does not see those of others.
func TestSubscriptionsAreTheirOwners(t *testing.T) {
	w := newWorld(t)
	w.put(`{"resourceType":"Patient","id":"p1"}`)
	one, other := w.as("u1", patientScopes, "p1"), w.as("u2", patientScopes, "p1")
	forged := `"meta":{"tag":[{"system":"urn:tarn:subscriber","code":"` + other.Caller().Identity() + `"},{"system":"http://e.org","code":"x"}]}`
	id := w.post(one, w.subscribe("", "Observation", "", forged))
	text := w.became(id, "active")
	if strings.Contains(text, other.Caller().Identity()) || !strings.Contains(text, one.Caller().Identity()) || !strings.Contains(text, "http://e.org") {
		t.Error(text)
	}
	for access, want := range map[authz.Access]fhir.Kind{one: 0, other: fhir.KindNotFound} {
		view := must(w.ds.View(t.Context(), access, 0))
		_, err := view.Read(t.Context(), "Subscription", id)
		view.Close()
		if (err == nil) != (want == 0) || err != nil && fhir.KindOf(err) != want {
			t.Errorf("%s: %v", access.Caller().Subject, err)
		}
		_, err = w.try(access, strings.Replace(text, `"active"`, `"off"`, 1))
		if (err == nil) != (want == 0) || err != nil && fhir.KindOf(err) != fhir.KindForbidden {
			t.Errorf("%s: %v", access.Caller().Subject, err)
		}
	}
}

// TestScopesOfTheSubscriber: a Subscription needs the right to find and read what
// it is about.
func TestScopesOfTheSubscriber(t *testing.T) {
	w := newWorld(t)
	for _, scopes := range []string{"system/Subscription.cruds", "system/Subscription.cruds system/Observation.r", "system/Subscription.cruds system/Observation.cuds"} {
		if _, err := w.try(w.as("s", scopes, ""), w.subscribe("s", "Observation", "")); fhir.KindOf(err) != fhir.KindForbidden || err == nil {
			t.Errorf("%s: %v", scopes, err)
		}
	}
	if _, err := w.try(w.as("s", "system/Subscription.cruds system/Observation.rs", ""), w.subscribe("s", "Observation", "")); err != nil {
		t.Error(err)
	}
}

// TestGranularScope: a scope with a condition narrows what is told.
func TestGranularScope(t *testing.T) {
	w := newWorld(t)
	id := w.post(w.as("s", "system/Observation.rs?status=final system/Subscription.cruds", ""), w.subscribe("", "Observation", "application/fhir+json"))
	w.became(id, "active")
	w.put(observation("a", "preliminary", "p1"), observation("b", "final", "p1"))
	w.got("PUT /fhir/Observation/b")
}

// TestRevoked: a Subscription ends when who asked for it has no access any more,
// before it is told of anything else.
func TestRevoked(t *testing.T) {
	w := newWorld(t)
	id := w.post(w.as("u1", "system/*.cruds", ""), w.subscribe("", "Observation", ""))
	w.became(id, "active")
	w.put(observation("a", "final", "p1"))
	w.got("POST /fhir")
	w.mu.Lock()
	w.revoked["u1"] = true
	w.mu.Unlock()
	w.put(observation("b", "final", "p1"))
	if text := w.became(id, "off"); !strings.Contains(text, "the user u1 is gone") {
		t.Error(text)
	}
	if len(w.received) > 0 {
		t.Errorf("the endpoint got %+v", <-w.received)
	}
}

// TestSecretsAreNotForOthers: the values of headers are nowhere, stay when a
// Subscription is written as it is read, and do not go to another endpoint.
func TestSecretsAreNotForOthers(t *testing.T) {
	w := newWorld(t)
	w.put(w.subscribe("s", "Observation", ""))
	active := w.became("s", "active")
	for v, err := range w.ds.Changes(t.Context(), authz.Unrestricted(), 0) {
		if err != nil || strings.Contains(string(v.Body.JSON), "secret") {
			t.Errorf("%s %v", v.Body.JSON, err)
		}
	}
	w.put(strings.Replace(active, `"active"`, `"requested"`, 1))
	w.became("s", "active")
	w.put(observation("a", "final", "p1"))
	if r := w.got("POST /fhir"); r.Header.Get("Authorization") != "Bearer secret" {
		t.Errorf("%+v", r)
	}
	elsewhere := strings.Replace(strings.Replace(active, `"active"`, `"requested"`, 1), "/fhir", "/stolen", 1)
	if _, err := w.try(authz.Unrestricted(), elsewhere); fhir.KindOf(err) != fhir.KindUnprocessable || !strings.Contains(err.Error(), "hides a value") {
		t.Errorf("the secret goes elsewhere: %v", err)
	}
}
