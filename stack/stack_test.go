package stack

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const whole = `
dataStores:
- id: clinic
  name: Clinic
  kmsKey: alias/clinic
  identity:
    authorizationStrategy: SMART_ON_FHIR_V1
    fineGrainedAuthorizationEnabled: true
    external: {issuer: "https://idp.example.org"}
    metadata: {token_endpoint: "https://idp.example.org/token"}
roles:
- {name: cardio, operations: ["*"], tags: {team: cardio}}
identityProviders:
- {id: okta, issuer: "https://hospital.okta.com", clientId: tarn, clientSecret: {env: OKTA}, claims: {roles: groups, roleOf: {Doctors: practitioner}}}
users:
- {username: ana, name: Ana, noPassword: true, profiles: [{dataStore: "*", fhirUser: Practitioner/1}]}
clients:
- {id: app, type: public, name: App, scopes: patient/*.rs, grants: [authorization_code], redirectUris: ["https://a.example/cb"], dataStores: ["*"], accessLifetime: 90m}
accessKeys: []
`

// TestFilesComeBack writes what was read, and reads it again.
func TestFilesComeBack(t *testing.T) {
	f, err := Read([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if f.AccessKeys == nil || f.APIKeys != nil {
		t.Error("an empty list and none are the same")
	}
	if got := f.Clients[0].wanted().AccessLifetime.Minutes(); got != 90 {
		t.Errorf("a lifetime of %v minutes", got)
	}
	text, err := f.YAML()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Read(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	again.AccessKeys = f.AccessKeys // an empty list is not written
	if diff := cmp.Diff(members(f), members(again)); diff != "" {
		t.Error(diff)
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "no sections",
		"a":                                     "no sections",
		"users: {}":                             "users is no list",
		"users: [{}]":                           "no name to know it by",
		"users: [{username: a}, 7]":             "users, item 2",
		"rules: []":                             "rules is no section",
		"clients: [{id: a, created: x}]":        "what the server says",
		"clients: [{id: a, accessLifetime: 5}]": "write one with its unit",
		"clients: [{id: a, accessLifetime: -5s}]": "write one with its unit",
		"dataStores: [{id: a}, {id: a}]":          "a is there twice",
		"dataStores: [{id: a, identity: {authorizationStrategy: SMART_ON_FHIR, external: {issuer: https://i}}}]": "data store a, identity: metadata must be",
		"roles: [{name: a}]": "neither rules",
		"roles: [{name: a, tags: {team: b}, rules: [{}], operations: [List*]}]": "define a role for each",
		"identityProviders: [{id: a, issuer: x, clientId: b}]":                  "https address",
		"identityProviders: [{id: a, secret: x}]":                               "unknown field",
		"a: [": "cannot be read",
	} {
		if _, err := Read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(whole))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Read(text)
		if err != nil {
			return
		}
		if _, err := file.YAML(); err != nil {
			t.Error(err)
		}
	})
}

// TestDifferences are of what is not empty, whatever the order of members.
func TestDifferences(t *testing.T) {
	from := User{Username: "a", Name: "A", Roles: []string{"x"}}
	if got := differences(from, User{Username: "a", Name: "A", Roles: []string{"x"}, Profiles: nil, Email: ""}, nil); len(got) != 0 {
		t.Errorf("%v", got)
	}
	got := differences(from, User{Username: "a", Name: "B", NoPassword: true}, []string{"noPassword"})
	if len(got) != 2 || got["name"] != `"A" → "B"` || got["roles"] != `["x"] → nothing` {
		t.Errorf("%v", got)
	}
}
