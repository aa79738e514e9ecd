package subscription_test

import (
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// keyed creates a Subscription with an idempotency key.
func (w *world) keyed(access authz.Access, text string) (store.Version, error) {
	w.Helper()
	outcomes, err := w.ds.Commit(w.Context(), access, []datastore.Op{{
		Interaction: authz.Create, Type: "Subscription", Resource: w.parse(text), Key: "4f0c2d7e-53b1-4f6c-9a51-0d6a1c2b3e4f",
	}}, nil)
	if err != nil {
		return store.Version{}, err
	}
	return outcomes[0].Version, nil
}

// TestCreatedAgainByKey: a create with an idempotency key is answered again as it
// was, without the values of headers; other values are another request, and so is
// another caller.
func TestCreatedAgainByKey(t *testing.T) {
	w := newWorld(t)
	one := w.as("u1", "system/*.cruds", "")
	text := w.subscribe("", "Observation", "")
	first, err := w.keyed(one, text)
	if err != nil {
		t.Fatal(err)
	}
	again := func(when string) {
		t.Helper()
		second, err := w.keyed(one, text)
		if err != nil || second.ID != first.ID || second.Number != 1 || string(second.Body.JSON) != string(first.Body.JSON) {
			t.Errorf("%s: %s/%d %s, %v", when, second.ID, second.Number, second.Body.JSON, err)
		}
		if strings.Contains(string(second.Body.JSON), "secret") || !strings.Contains(string(second.Body.JSON), "Authorization: ********") {
			t.Errorf("%s: %s", when, second.Body.JSON)
		}
	}
	again("at once")
	w.became(first.ID, "active")
	again("active")
	for _, other := range []string{
		strings.Replace(text, "Bearer secret", "Bearer another", 1),
		strings.Replace(text, "Bearer secret", "********", 1),
		strings.Replace(text, `"Observation"`, `"Encounter"`, 1),
		strings.Replace(text, `,"header":["Authorization: Bearer secret"]`, "", 1),
	} {
		v, err := w.keyed(one, other)
		if err == nil || fhir.KindOf(err) != fhir.KindUnprocessable || !strings.Contains(err.Error(), "idempotency key") {
			t.Errorf("another one is answered: %s %s, %v", other, v.Body.JSON, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
	other, err := w.keyed(w.as("u2", "system/*.cruds", ""), text)
	if err != nil || other.ID == first.ID {
		t.Fatalf("another caller: %s, %v", other.ID, err)
	}
	w.became(other.ID, "active")
	w.put(observation("a", "final", "p1"))
	for range 2 { // one of each caller
		if r := w.got("POST /fhir"); r.Header.Get("Authorization") != "Bearer secret" {
			t.Errorf("%+v", r)
		}
	}
	w.delete("Subscription", first.ID)
	again("deleted")
}
