package datastore_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// addGiven is a patch that adds a given name to a patient's only name.
func addGiven(name string) func(*fhir.Tree) ([]byte, error) {
	return func(current *fhir.Tree) ([]byte, error) {
		given := current.Root().Child("name")
		var last fhir.Node
		for n := range given.Each("given") {
			last = n
		}
		_, end := last.Span()
		return fhir.Splice(current.Source, []fhir.Edit{{Start: end + 1, End: end + 1, Text: `,"` + name + `"`}}), nil
	}
}

// TestConcurrentPatches has 16 writers patch one resource, by id and by
// criteria: every patch must show in the end.
func TestConcurrentPatches(t *testing.T) {
	s := newStore(t)
	if _, err := commit(s, put(t, s, `{"resourceType":"Patient","id":"p","name":[{"given":["first"]}]}`)); err != nil {
		t.Fatal(err)
	}
	const writers, each = 16, 8
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range each {
				op := datastore.Op{Interaction: authz.Patch, Type: "Patient", ID: "p", Patch: addGiven(fmt.Sprintf("w%d-%d", w, i))}
				if w%2 == 1 {
					op.ID, op.Criteria = "", []search.Pair{{Name: "_id", Value: "p"}}
				}
				if _, err := commit(s, op); err != nil {
					t.Errorf("writer %d, patch %d: %v", w, i, err)
				}
			}
		})
	}
	group.Wait()
	v, err := read(s, "Patient", "p")
	if err != nil {
		t.Fatal(err)
	}
	var patient struct{ Name []struct{ Given []string } }
	if err := json.Unmarshal(v.Body.JSON, &patient); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, name := range patient.Name[0].Given {
		seen[name] = true
	}
	if len(seen) != 1+writers*each || len(patient.Name[0].Given) != len(seen) || v.Number != 1+writers*each {
		t.Errorf("%d names of %d patches at version %d", len(seen)-1, writers*each, v.Number)
	}
}

// read reads a resource as it is now.
func read(s *datastore.Store, resourceType, id string) (store.Version, error) {
	view, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return store.Version{}, err
	}
	defer view.Close()
	return view.Read(ctx, resourceType, id)
}

// TestConcurrentCreatesOfOneKey has 16 writers create with one key: one
// resource comes of it, and every writer gets its first version.
func TestConcurrentCreatesOfOneKey(t *testing.T) {
	s := newStore(t)
	ids := make([]string, 16)
	var group sync.WaitGroup
	for w := range ids {
		op := post(t, s, `{"resourceType":"Patient","active":true}`)
		op.Key = "k"
		group.Go(func() {
			outcomes, err := commit(s, op)
			if err != nil || outcomes[0].Status != 201 || outcomes[0].Version.Number != 1 {
				t.Errorf("writer %d: %+v, %v", w, outcomes, err)
				return
			}
			ids[w] = outcomes[0].Version.ID
		})
	}
	group.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("two ids: %s and %s", ids[0], id)
		}
	}
}
