package server

import (
	"context"
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bearer"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/server/wire"
	"github.com/tarnhealth/tarn/token"
)

// named lets an authorization know which operation it is for, where a
// token-check function asks.
func named(r *http.Request, store *datastore.Store) *http.Request {
	if p := store.Identity(); p == nil || p.Function == "" {
		return r
	}
	return r.WithContext(token.WithOperation(r.Context(), operationName(r.Method, r.URL.Path)))
}

func (a *authority) authorize(r *http.Request, store *datastore.Store) (authz.Access, error) {
	v, _ := r.Context().Value(visitKey{}).(*visit)
	if v == nil {
		return a.bearers.Authorize(named(r, store), store)
	}
	access, err := a.bearers.AuthorizeAgain(named(r, store), store, v.known())
	if err == nil {
		v.store, v.access = store, access
	}
	return access, err
}

// keep is for a request that was authorized: to do that again would take its
// proof or signature for one that is used a second time.
func (a *authority) keep(r *http.Request, store *datastore.Store) (string, []byte, error) {
	if v, ok := r.Context().Value(visitKey{}).(*visit); ok && v.store == store {
		return bearer.Kept(v.access)
	}
	return a.bearers.Keep(named(r, store), store)
}

// A visit is a request to a data store while it is served, and the access that it
// was given there.
type visit struct {
	store  *datastore.Store
	access authz.Access
	// credentials are those that its connection sends again and again; nil for
	// none.
	credentials *wire.Credentials
	// apiKey is the one that it was counted for; ID is "" for none.
	apiKey apikey.Key
}

// checkKey is the Check of API keys, which a visit remembers.
func (f *folder) checkKey(ctx context.Context, values []string, client, store string) (apikey.Key, error) {
	key, err := f.apiKeys.Check(ctx, values, client, store)
	if v, ok := ctx.Value(visitKey{}).(*visit); ok && err == nil {
		v.apiKey = key
	}
	return key, err
}

// charge counts a request as n more for the API key that it was let in by.
func (f *folder) charge(r *http.Request, n int) {
	if v, ok := r.Context().Value(visitKey{}).(*visit); ok && v.apiKey.ID != "" {
		_ = f.apiKeys.Charge(r.Context(), v.apiKey, n) // a request that was let in does not fail by it
	}
}

type visitKey struct{}

// visited is a request with a visit in its context.
func visited(r *http.Request) *http.Request {
	v := &visit{credentials: wire.CredentialsOf(r)}
	if wire.Attach(r, visitKey{}, v) {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
}

// known is what is known of the credentials.
func (v *visit) known() *bearer.Known {
	if v.credentials == nil {
		return nil
	}
	known, _ := v.credentials.Kept.(*bearer.Known)
	if known == nil {
		known = new(bearer.Known)
		v.credentials.Kept = known
	}
	return known
}

// operationName names a FHIR request in HealthLake's words. Operations that it
// has no word for are their FHIR name, such as $lastn.
func operationName(method, path string) string {
	_, path = rest.CutTenant(path)
	parts := strings.FieldsFunc(strings.TrimPrefix(path, rest.Prefix), func(r rune) bool { return r == '/' })
	parts = parts[min(2, len(parts)):] // the data store's id, and r4
	last := ""
	if len(parts) > 0 {
		last = parts[len(parts)-1]
	}
	switch {
	case strings.HasPrefix(last, "$"):
		return operationWord(method, last)
	case last == "_search" && len(parts) > 1:
		return "SearchWithPost"
	case last == "_search" || len(parts) == 0 && method == http.MethodGet:
		return "SearchAll"
	case last == "metadata":
		return "GetCapabilities"
	case last == "_history":
		return "GetHistoryByResourceId"
	case len(parts) == 4 && parts[2] == "_history":
		return "VersionReadResource"
	case len(parts) == 0:
		return "ProcessBundle"
	}
	return interactionWord(method, len(parts))
}

func operationWord(method, name string) string {
	switch name {
	case "$everything":
		return "SearchEverything"
	case "$validate":
		return "ValidateResource"
	case "$export":
		if method == http.MethodGet {
			return "StartFHIRExportJobWithGet"
		}
		return "StartFHIRExportJobWithPost"
	}
	return name
}

// interactionWord is of a request for a resource, or with one part for a type.
func interactionWord(method string, parts int) string {
	switch {
	case method == http.MethodPost:
		return "CreateResource"
	case method == http.MethodPut || method == http.MethodPatch:
		return "UpdateResource"
	case method == http.MethodDelete:
		return "DeleteResource"
	case parts == 2:
		return "ReadResource"
	}
	return "SearchWithGet" // of a type, or of a compartment
}
