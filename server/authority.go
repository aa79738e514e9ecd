package server

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/apikey"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bearer"
	"github.com/tarnhealth/tarn/crypt"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/rest"
	"github.com/tarnhealth/tarn/server/issuers"
	"github.com/tarnhealth/tarn/server/repeat"
	"github.com/tarnhealth/tarn/server/roles"
	"github.com/tarnhealth/tarn/server/upstream"
	"github.com/tarnhealth/tarn/server/vault"
	"github.com/tarnhealth/tarn/smart"
	"github.com/tarnhealth/tarn/token"
)

// masterKeyName is the file of the master key in a data folder.
const masterKeyName = vault.MasterKeyName

// An authority is everything that says who callers are: users, clients,
// signing keys, and the authorization server around them.
type authority struct {
	cfg    *Config
	box    *crypt.Box
	keys   *token.Keys
	proofs *token.Proofs
	login  *login.Service
	// providers are the upstream sign-in providers that are set up while it runs.
	providers *upstream.Book
	smart     *smart.Service
	// bearers turns credentials into access, by policies, and by issuers, which
	// know who verifies the tokens of a data store.
	bearers  *bearer.Authorizer
	policies policies
	issuers  issuers.Set
	// failures counts wrong credentials.
	failures *bearer.Failures
	// clientKeys are fetched from where clients say, the issuers' from where the
	// administrator does.
	clientKeys *token.KeySets
}

// lazyAuthority opens the authority of a folder when it is first asked for: a
// server without authorization does not need it, and its administration might.
func lazyAuthority(cfg *Config, f *folder, log *slog.Logger) func() (*authority, error) {
	return sync.OnceValues(func() (*authority, error) { return openAuthority(context.Background(), cfg, f, log) })
}

func openAuthority(ctx context.Context, cfg *Config, f *folder, log *slog.Logger) (*authority, error) {
	box, err := f.vault.Box(ctx)
	if err != nil {
		return nil, &Refusal{Text: err.Error(), Cause: err}
	}
	a := &authority{cfg: cfg, policies: policies{cfg: cfg, roles: f.roles}, box: box}
	db := f.storage.Records()
	if err := a.openTokens(ctx, db); err != nil {
		return nil, keyRefusal(cfg, f.dir, err)
	}
	if a.login, err = login.New(login.Config{
		DB: db, Box: a.box, BaseURL: cfg.BaseURL, Log: log, Idle: cfg.SessionIdle, Absolute: cfg.SessionAbsolute,
		Cost: cfg.PasswordCost, MinPassword: cfg.MinPassword, Providers: cfg.Providers, Address: cfg.address, Apps: "/auth/apps", Event: f.noteSignIn(log),
		Metadata: token.Guarded(true, cfg.local()),
	}); err != nil {
		return nil, err
	}
	a.providers, err = upstream.Open(ctx, upstream.Config{DB: db, Box: a.box, Configured: cfg.Providers, Serve: a.login.SetProviders})
	if err != nil {
		return nil, keyRefusal(cfg, f.dir, err)
	}
	return a, a.openSMART(f, db, log)
}

func (a *authority) openTokens(ctx context.Context, db kv.DB) (err error) {
	if a.keys, err = token.OpenKeys(ctx, token.KeysConfig{DB: db, Box: a.box, Issuer: a.cfg.BaseURL + "/auth"}); err != nil {
		return err
	}
	a.proofs, err = token.NewProofs(token.ProofsConfig{DB: db, Box: a.box, BaseURL: a.cfg.BaseURL})
	return err
}

func (a *authority) openSMART(f *folder, db kv.DB, log *slog.Logger) (err error) {
	sets := token.NewKeySets(token.KeySetsConfig{AllowLoopback: a.cfg.atHome()})
	a.issuers.KeySets, a.clientKeys = token.NewKeySets(token.KeySetsConfig{AllowLoopback: a.cfg.local()}), sets
	a.smart, err = smart.New(smart.Config{
		Certificates: f.certificates(a),
		DB:           db, BaseURL: a.cfg.BaseURL, Keys: a.keys, Proofs: a.proofs, KeySets: sets,
		Assertions: token.NewAssertions(token.AssertionsConfig{DB: db, KeySets: sets}),
		Login:      a.login, Stores: f.catalog, Access: a.pickerAccess, Log: log, Address: a.cfg.address, Event: f.noteGrant(log),
		Lifetimes: a.cfg.Tokens, Registration: a.cfg.Registration,
	})
	if err != nil {
		return err
	}
	a.issuers.Own, a.issuers.OwnIssuer, a.issuers.Lambda = a.smart, a.smart.Issuer(), a.cfg.Lambda.endpoint()
	a.issuers.Calls, a.failures = a.cfg.Calls, a.cfg.Wrong(a.cfg.address, nil)
	signatures, err := f.signatures(a)
	if err != nil {
		return err
	}
	a.bearers, err = bearer.New(bearer.Config{
		Verifier: func(ds *datastore.Store) token.Verifier { return a.issuers.Of(ds.Identity()) },
		Policy:   a.policies.of, Proofs: a.proofs, Signatures: signatures,
		APIKeys: f.checkKey, APIKeysAlways: a.cfg.APIKeysRequired, Failures: a.failures,
	})
	return err
}

// pickerAccess is what a user may see on the pages that choose a patient: what
// the scope user/*.read would show them.
func (a *authority) pickerAccess(_ context.Context, user *login.User, store *datastore.Store) (authz.Access, error) {
	profile, _ := user.Profile(store.Record().ID)
	return authz.Decide(store.Registry(), bearer.CallerOf(store, &token.Claims{
		Subject: user.ID, Scope: "user/*.read", FHIRUser: profile.FHIRUser, Patients: profile.Patients, Roles: user.Roles,
		Tenant: store.Identity().TenantID(),
	}), *a.policies.of(store))
}

// policies are what the configuration says about access, one for each data store
// as it is now: a change of it is another pointer.
type policies struct {
	cfg   *Config
	roles *roles.Book

	mu    sync.Mutex
	known map[policyKey]*authz.Policy
	// by are the roles that they were made with.
	by *roles.Defined
}

type policyKey struct {
	base, tenant string
	scopesOnly   bool
}

func (p *policies) of(store *datastore.Store) *authz.Policy {
	identity := store.Identity()
	key := policyKey{store.Base(), identity.TenantID(), identity != nil && !identity.FineGrained}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := p.roles.Now(); p.by != now {
		p.known, p.by = map[policyKey]*authz.Policy{}, now
	}
	if p.known[key] == nil {
		p.known[key] = &authz.Policy{
			Base: key.base, Tenant: key.tenant, ScopesOnly: key.scopesOnly,
			Practitioners: p.cfg.Practitioners, Links: p.cfg.Links, Persons: p.cfg.Persons, Roles: p.by.Access,
			Consent: p.cfg.consentOf(store.Record().ID), Labels: p.cfg.Labels, ChooseIDs: p.cfg.ChooseIDs,
		}
	}
	return p.known[key]
}

// routes are the pages and endpoints of the authority.
func (a *authority) routes(stores *datastore.Catalog) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle(smart.Prefix, a.smart)
	mux.Handle(smart.MetadataPath, a.smart)
	mux.Handle(rest.Prefix, a.discovery(stores))
	mux.Handle(rest.TenantPrefix, a.discovery(stores))
	if a.cfg.Demo {
		mountDemo(mux, a.cfg.BaseURL)
	}
	for _, path := range []string{"/login", "/login/", "/logout", "/account", "/account/"} {
		mux.Handle(path, a.login)
	}
	return mux
}

// allowsOrigin reports whether scripts of an origin may use the FHIR API: those
// of registered apps, and those of the configuration.
func (a *authority) allowsOrigin(ctx context.Context, origin string) bool {
	for _, allowed := range a.cfg.Origins {
		if allowed == "*" || allowed == origin {
			return true
		}
	}
	known, err := a.smart.AllowsOrigin(ctx, origin)
	return err == nil && known
}

// usageStored is how often the use of API keys is stored.
const usageStored = 5 * time.Second

// count stores the use of API keys now and then, until ctx ends.
func count(ctx context.Context, keys *apikey.Keys, log *slog.Logger) {
	repeat.Every(ctx, usageStored, func() {
		if err := keys.Flush(ctx); err != nil && ctx.Err() == nil {
			log.Error("the use of API keys was not stored", "error", err)
		}
	})
}

// keysChecked is how often the age of the signing keys is looked at.
const keysChecked = time.Hour

// tend replaces signing keys that are too old, until ctx ends.
func (a *authority) tend(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(keysChecked)
	defer tick.Stop()
	for a.cfg.RotateKeys > 0 {
		rotated, err := a.keys.RotateIfOlder(ctx, a.cfg.RotateKeys)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			log.Error("signing keys were not replaced", "error", err)
		case rotated:
			log.Info("signing keys were replaced", "older than", a.cfg.RotateKeys)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
