// Package explain owns the question why a request would be allowed or denied: what
// the request comes down to, and the answer, interaction by interaction.
//
// It leaves to others: the decision and its steps (authz, datastore), and who the
// caller is (server).
package explain

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
)

// A Question asks why a request would be allowed or denied. It is decided
// as for an access token with these claims.
type Question struct {
	// User is a user of the server, by name, e-mail address or id: who it is in
	// the data store, its patients and its roles are taken from there.
	User string `json:"user,omitempty"`
	// Client is the application; without Scope it has what the client may be
	// granted.
	Client string `json:"client,omitempty"`
	Scope  string `json:"scope,omitempty"`
	// Patient is the patient in context.
	Patient string `json:"patient,omitempty"`
	// FHIRUser, Patients and Roles replace those of User.
	FHIRUser string   `json:"fhirUser,omitempty"`
	Patients []string `json:"patients,omitempty"`
	Roles    []string `json:"roles,omitempty"`
	// Purpose is the purpose of use; Clearance and Labels are claims.
	Purpose   string   `json:"purpose,omitempty"`
	Clearance string   `json:"clearance,omitempty"`
	Labels    []string `json:"labels,omitempty"`
	// Method and URL are the request's; the URL is absolute, or relative to the
	// data store's base URL.
	Method string `json:"method"`
	URL    string `json:"url"`
	// Body is the resource of a create or update, nil for none.
	Body json.RawMessage `json:"body,omitempty"`
}

// An Answer is why.
type Answer struct {
	// Interactions are what the request comes down to: each must be allowed.
	Interactions []Part `json:"interactions"`
	// Allowed is set where all are.
	Allowed bool `json:"allowed"`
	// Status is what a caller gets where it is not: 403, or 404 where the
	// resource is hidden; 0 where it is allowed.
	Status int `json:"status,omitempty"`
}

// A Part is why one interaction is allowed or denied.
type Part struct {
	Interaction string `json:"interaction"`
	// Type and ID are what it is about; ID is "" for a type as a whole.
	Type string `json:"type"`
	ID   string `json:"id,omitempty"`
	// Of says which state of the resource: "stored" or "submitted".
	Of string `json:"of,omitempty"`
	// Exists is set where the resource exists, or is submitted.
	Exists  bool         `json:"exists"`
	Allowed bool         `json:"allowed"`
	Steps   []authz.Step `json:"steps"`
}

// Refused is the answer where the credential does not go together.
func Refused(asked []datastore.Asked, err error) Answer {
	return Answer{Status: http.StatusForbidden, Interactions: []Part{{
		Interaction: string(asked[0].Interaction), Type: asked[0].Type, Steps: []authz.Step{{By: "credential", Why: err.Error()}},
	}}}
}

// All explains each interaction for a caller.
func All(ctx context.Context, store *datastore.Store, access authz.Access, asked []datastore.Asked) (Answer, error) {
	answer := Answer{Allowed: true}
	for _, one := range asked {
		steps, exists, err := store.ExplainAccess(ctx, access, one)
		if err != nil {
			return answer, err
		}
		part := Part{Interaction: string(one.Interaction), Type: one.Type, ID: one.ID, Exists: exists, Steps: steps, Allowed: steps[len(steps)-1].Allows}
		if len(asked) > 1 {
			part.Of = "stored"
		}
		if one.Resource != nil {
			part.Of = "submitted"
		}
		if !part.Allowed && answer.Allowed {
			answer.Allowed, answer.Status = false, http.StatusForbidden
			if one.ID != "" && one.Resource == nil && access.Check(one.Interaction, one.Type) == nil && one.Interaction != authz.Update {
				answer.Status = http.StatusNotFound
			}
		}
		answer.Interactions = append(answer.Interactions, part)
	}
	return answer, nil
}

// Read is what a request comes down to: at least one interaction.
func Read(store *datastore.Store, q *Question) ([]datastore.Asked, error) {
	u, err := url.Parse(strings.TrimPrefix(q.URL, store.Base()))
	if err != nil {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q is not a URL", q.URL)
	}
	parts := strings.FieldsFunc(u.Path, func(r rune) bool { return r == '/' })
	one := datastore.Asked{}
	if len(parts) > 0 {
		one.Type = parts[0]
	}
	if store.Definitions().Schema.Resource(one.Type) == nil {
		return nil, fhir.Errorf(fhir.KindInvalid, "%q names no resource type; write a path such as Patient/123, Observation?code=x or Patient/123/_history", q.URL)
	}
	if len(parts) > 1 && fhir.ValidID(parts[1]) && parts[1][0] != '_' {
		one.ID = parts[1]
	}
	rest := strings.Join(parts[1:], "/")
	if one.ID != "" {
		rest = strings.Join(parts[2:], "/")
	}
	if one.Interaction, err = interactionOf(strings.ToUpper(q.Method), one.ID, rest); err != nil {
		return nil, err
	}
	return withBody(store, q, one, u.RawQuery != "")
}

// interactionOf is what a method does at a place in a type, or in a resource.
func interactionOf(method, id, rest string) (authz.Interaction, error) {
	history := rest == "_history" || strings.HasPrefix(rest, "_history/")
	switch {
	case method == http.MethodGet && id != "" && rest == "", strings.HasPrefix(rest, "$") && id != "":
		return authz.Read, nil
	case method == http.MethodGet && id != "" && rest == "_history":
		return authz.HistoryOfOne, nil
	case method == http.MethodGet && id != "" && history:
		return authz.VRead, nil
	case method == http.MethodGet && history:
		return authz.HistoryOfType, nil
	case method == http.MethodGet && rest == "", method == http.MethodPost && rest == "_search", strings.HasPrefix(rest, "$"):
		return authz.SearchType, nil
	case rest != "":
	case method == http.MethodPost && id == "":
		return authz.Create, nil
	case method == http.MethodPut:
		return authz.Update, nil
	case method == http.MethodPatch:
		return authz.Patch, nil
	case method == http.MethodDelete:
		return authz.Delete, nil
	}
	return "", fhir.Errorf(fhir.KindInvalid, "%s at this place is not explained; ask about single interactions on a type or a resource", method)
}

// withBody adds what else an interaction takes: reading what is patched, finding
// what criteria find, and the resource that is submitted.
func withBody(store *datastore.Store, q *Question, one datastore.Asked, query bool) ([]datastore.Asked, error) {
	all := []datastore.Asked{one}
	writes := slices.Contains([]authz.Interaction{authz.Create, authz.Update, authz.Patch, authz.Delete}, one.Interaction)
	if writes && query {
		all = append([]datastore.Asked{{Interaction: authz.SearchType, Type: one.Type}}, all...)
	}
	if one.Interaction == authz.Patch {
		all = append(all, datastore.Asked{Interaction: authz.Read, Type: one.Type, ID: one.ID})
	}
	if len(q.Body) == 0 {
		return all, nil
	}
	if one.Interaction != authz.Create && one.Interaction != authz.Update {
		return nil, fhir.Errorf(fhir.KindInvalid, "a body goes with a create or an update; what a patch makes of a resource is not explained")
	}
	tree, err := store.Parse(q.Body)
	if err != nil {
		return nil, err
	}
	if got := tree.Root().Type().Name; got != one.Type {
		return nil, fhir.Errorf(fhir.KindInvalid, "the body is a %s where the URL asks for a %s", got, one.Type)
	}
	one.Resource = tree
	if one.Interaction == authz.Create {
		return append(all[:len(all)-1], one), nil
	}
	return append(all, one), nil
}
