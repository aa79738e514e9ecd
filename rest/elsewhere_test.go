package rest_test

import (
	"net/http"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/rest"
)

// TestAnswersOfOtherDataStores: the answer to a request is at its data store, and
// at no other of the same server, for the same caller too.
func TestAnswersOfOtherDataStores(t *testing.T) {
	s := newServer(t)
	here, there := s.newConversation(t, "here"), s.newConversation(t, "there")
	path := here.later(t, "GET /Patient\n")
	s.runJobs(t)
	for _, method := range []string{"GET", "DELETE"} {
		there.wantOutcome(t, there.send(t, method+" "+path+"\n\n"), http.StatusNotFound, "there is no answer")
	}
	if a := here.answer(t, path); a.Response.Status != "200 OK" {
		t.Errorf("at its own: %s", a.Response.Status)
	}
}

// TestClosureNeedsCodeSystems: who may not read CodeSystems learns nothing of how
// their codes are related.
func TestClosureNeedsCodeSystems(t *testing.T) {
	scopes := ""
	s := newServer(t, func(o *rest.Options) {
		o.Authorize = func(_ *http.Request, store *datastore.Store) (authz.Access, error) {
			parsed, _ := authz.ParseScopes(scopes, store.Registry())
			return authz.Decide(store.Registry(), authz.Caller{Subject: "s", Client: "s", Scopes: parsed}, authz.Policy{Base: store.Base()})
		}
	})
	c := s.newConversation(t, "closure")
	const ask = "POST /$closure\n\n" + `{"resourceType":"Parameters","parameter":[{"name":"name","valueString":"mine"}]}`
	scopes = "system/Patient.cruds system/ConceptMap.cruds"
	c.wantOutcome(t, c.send(t, ask), http.StatusForbidden, "CodeSystem")
	scopes = "system/CodeSystem.rs"
	if got := c.send(t, ask); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
}
