package server

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/server/admin"
	"github.com/tarnhealth/tarn/stack"
)

// planned reads a file, plans it with prune, and returns what is to change in
// words.
func planned(t *testing.T, a *admin.Admin, text string) (*stack.Plan, []string) {
	t.Helper()
	f, err := stack.Read([]byte(text))
	if err == nil {
		err = f.Locate(t.TempDir())
	}
	if err != nil {
		t.Fatal(err)
	}
	plan, err := stack.Make(context.Background(), a, f, true)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, c := range plan.Changes {
		words = append(words, string(c.Action)+" "+c.Kind+" "+c.Name)
	}
	if shown, err := json.Marshal(plan); err != nil || strings.Contains(string(shown), "swordfish") {
		t.Errorf("the plan tells secrets: %s, %v", shown, err)
	}
	return plan, words
}

func carryOut(t *testing.T, a *admin.Admin, plan *stack.Plan) {
	t.Helper()
	if err := plan.Apply(context.Background(), a, func(stack.Change, []stack.Secret) {}); err != nil {
		t.Fatal(err)
	}
}

// TestApplySubscriptions makes a Subscription as a file says, in the name of a
// client: it sends, with its header, and is not made again; a header with another
// value is another one, and what is exported keeps it.
func TestApplySubscriptions(t *testing.T) {
	sent := make(chan string, 100)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { sent <- r.Header.Get("Authorization") }))
	defer receiver.Close()
	c := testConfig(t.TempDir())
	c.Subscriptions.Endpoints, c.Subscriptions.PrivateNetworks = []string{receiver.URL}, []string{"127.0.0.0/8"}
	r := start(t, c)
	a := openTestAdmin(t, c.Data)
	file := func(subscriptions string) string {
		return `
clients:
- {id: feed, type: confidential-symmetric, name: Feed, grants: [client_credentials], dataStores: ["*"], scopes: system/Subscription.cruds system/Patient.rs}
dataStores:
- {id: default, name: default}
- id: clinic
  subscriptions: ` + subscriptions
	}
	one := file(`[{id: news, client: feed, criteria: "Patient?active=true", endpoint: "` + receiver.URL + `/in", payload: application/fhir+json, headers: {Authorization: {env: TEST_NEWS, prefix: "Bearer "}}}]`)
	t.Setenv("TEST_NEWS", "swordfish")
	plan, words := planned(t, a, one)
	if got := strings.Join(words, ", "); got != "create data store clinic, create client feed, create subscription clinic/news" {
		t.Fatal(got)
	}
	carryOut(t, a, plan)
	if _, words = planned(t, a, one); len(words) != 0 {
		t.Errorf("again: %v", words)
	}
	if status, body := r.do(http.MethodPut, "/datastore/clinic/r4/Patient/1", `{"resourceType":"Patient","id":"1","active":true}`); status != 201 {
		t.Fatal(status, body)
	}
	if got := <-sent; got != "Bearer swordfish" {
		t.Errorf("it is sent with %q", got)
	}
	r.want("/datastore/clinic/r4/Subscription/news", 200, `"Authorization: ********"`)

	exported, err := stack.Export(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	text, err := exported.YAML()
	if err != nil || strings.Contains(string(text), "swordfish") || !strings.Contains(string(text), "kept: true") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, words = planned(t, a, string(text)); len(words) != 0 {
		t.Errorf("what was exported: %v", words)
	}
	t.Setenv("TEST_NEWS", "swordfish-2")
	plan, words = planned(t, a, one)
	if len(words) != 1 || words[0] != "update subscription clinic/news" {
		t.Fatalf("with another secret: %v", words)
	}
	carryOut(t, a, plan)
	plan, words = planned(t, a, file("[]"))
	if len(words) != 1 || words[0] != "delete subscription clinic/news" {
		t.Fatalf("without it: %v", words)
	}
	carryOut(t, a, plan)
	r.want("/datastore/clinic/r4/Subscription/news", 410)
	if _, words = planned(t, a, file("[]")); len(words) != 0 {
		t.Errorf("again without it: %v", words)
	}
}
