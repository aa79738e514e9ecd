package server

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/smart"
)

// A guard is what stands before the data stores: who may call, from which
// origins, and the pages and endpoints where callers get their tokens.
type guard struct {
	authorize func(*http.Request, *datastore.Store) (authz.Access, error)
	origin    func(context.Context, string) bool
	security  func(*datastore.Store) *rest.Security
	// keep and restore are those of rest.Async.
	keep    func(*http.Request, *datastore.Store) (string, []byte, error)
	restore func(context.Context, *datastore.Store, []byte) (authz.Access, error)
	// charge counts a request as so many more for its API key.
	charge func(*http.Request, int)
	pages  http.Handler
	tend   func(context.Context, *slog.Logger)
	// authority is nil without authorization.
	authority *authority
}

// guard makes the guard that the configuration asks for.
func (s *Server) guard(f *folder) (*guard, error) {
	if s.cfg.Auth == AuthNone {
		return openGuard(), nil
	}
	a, err := f.authority()
	if err != nil {
		return nil, err
	}
	g := &guard{
		authority: a, authorize: a.authorize, origin: a.allowsOrigin, security: a.securities().of,
		keep: a.keep, restore: a.bearers.Restore, pages: a.routes(f.catalog), charge: f.charge,
	}
	g.tend = func(ctx context.Context, log *slog.Logger) {
		var counting sync.WaitGroup
		defer counting.Wait()
		counting.Go(func() { count(ctx, f.apiKeys, log) })
		a.tend(ctx, log)
		<-ctx.Done()
	}
	return g, nil
}

// openGuard lets everybody do everything, on loopback addresses only.
func openGuard() *guard {
	return &guard{
		authorize: func(*http.Request, *datastore.Store) (authz.Access, error) { return authz.Unrestricted(), nil },
		keep:      func(*http.Request, *datastore.Store) (string, []byte, error) { return "", nil, nil },
		restore: func(context.Context, *datastore.Store, []byte) (authz.Access, error) {
			return authz.Unrestricted(), nil
		},
		charge: func(*http.Request, int) {},
		pages:  http.NotFoundHandler(),
		tend:   func(context.Context, *slog.Logger) {},
	}
}

// isPage reports whether a path belongs to the authorization server.
func isPage(path string) bool {
	for _, own := range []string{"/login", "/logout", "/account", "/auth", demoPrefix} {
		if rest, ok := strings.CutPrefix(path, own); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	_, discovery := discovered(path)
	return path == smart.MetadataPath || discovery
}

// discovered is the data store whose smart-configuration is at a path.
func discovered(path string) (id string, ok bool) {
	_, path = rest.CutTenant(path)
	rest, ok := strings.CutPrefix(path, rest.Prefix)
	if !ok {
		return "", false
	}
	if id, rest, ok = strings.Cut(rest, "/"); !ok {
		return "", false
	}
	return id, strings.EqualFold(rest, "r4/.well-known/smart-configuration")
}

// discovery serves the smart-configuration of data stores: the server's own, or
// that of a data store's external authorization server.
func (a *authority) discovery(stores *datastore.Catalog) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, _ := discovered(r.URL.Path)
		store, err := stores.Store(id)
		if tenant, _ := rest.CutTenant(r.URL.Path); tenant != "" && err == nil && (!a.cfg.TenantURLs || tenant != store.Identity().TenantID()) {
			outcome(w, fhir.Errorf(fhir.KindForbidden, "the data store %q is not of the tenant %q", id, tenant))
			return
		}
		if err != nil || len(store.Identity().MetadataText()) == 0 && store.Identity().Tokens() {
			a.smart.ServeDiscovery(w, r, id)
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		if !store.Identity().Tokens() {
			outcome(w, fhir.Errorf(fhir.KindNotFound, "this data store takes signed requests and no tokens: it has no smart-configuration"))
			return
		}
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(store.Identity().Metadata)
	}
}

// securities are what CapabilityStatements say of authorization, one for each
// identity provider, as rest knows by the pointer whether it changed.
type securities struct {
	smart *smart.Service

	mu    sync.Mutex
	known map[*datastore.IdentityProvider]*rest.Security
}

func (a *authority) securities() *securities {
	return &securities{smart: a.smart, known: map[*datastore.IdentityProvider]*rest.Security{}}
}

func (s *securities) of(store *datastore.Store) *rest.Security {
	p := store.Identity()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[p] == nil {
		s.known[p] = s.describe(p)
	}
	return s.known[p]
}

func (s *securities) describe(p *datastore.IdentityProvider) *rest.Security {
	const metadata = " Metadata is at [base]/.well-known/smart-configuration."
	described := &rest.Security{SMART: p.Tokens()}
	var ways []string
	switch {
	case !p.Tokens():
	case len(p.MetadataText()) > 0:
		described.OAuthURIs = oauthURIs(p.Metadata)
		ways = append(ways, "SMART on FHIR, by another authorization server."+metadata)
	case p.Version1():
		described.OAuthURIs = s.smart.OAuthURIs()
		ways = append(ways, "SMART App Launch with scopes of version 1, and SMART Backend Services."+metadata)
	default:
		described.OAuthURIs = s.smart.OAuthURIs()
		ways = append(ways, "SMART App Launch 2.2 and 1.0, and SMART Backend Services."+metadata)
	}
	if p.TakesSigned() {
		ways = append(ways, "Requests signed with an access key: AWS Signature Version 4, service healthlake.")
	}
	if p.NeedsAPIKey() {
		ways = append(ways, "An API key in the header X-Api-Key of every request.")
	}
	described.Description = strings.Join(ways, " ")
	return described
}

// oauthURIs are the endpoints that a smart-configuration names.
func oauthURIs(metadata json.RawMessage) map[string]string {
	var all map[string]any
	_ = json.Unmarshal(metadata, &all) // was checked
	uris := map[string]string{}
	for name, key := range map[string]string{
		"authorize": "authorization_endpoint", "token": "token_endpoint", "introspect": "introspection_endpoint",
		"revoke": "revocation_endpoint", "manage": "management_endpoint", "register": "registration_endpoint",
	} {
		if uri, ok := all[key].(string); ok {
			uris[name] = uri
		}
	}
	return uris
}
