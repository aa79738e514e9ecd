package smart

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/login"
	"github.com/tarnhealth/tarn/page"
	"github.com/tarnhealth/tarn/recall"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/smart/client"
	"github.com/tarnhealth/tarn/smart/limit"
	"github.com/tarnhealth/tarn/token"
)

//go:embed pages messages
var files embed.FS

// Prefix is the path that the authorization server lies below. The issuer is
// the server's base URL and "/auth".
const Prefix = "/auth/"

// MetadataPath is where RFC 8414 puts the metadata of the issuer.
// https://www.rfc-editor.org/rfc/rfc8414#section-3.1
const MetadataPath = "/.well-known/oauth-authorization-server/auth"

// Config for New. The fields up to Access are required.
type Config struct {
	// DB keeps all state: clients, requests, codes, grants, tokens by hash.
	DB kv.DB
	// BaseURL is what clients call the server by, without a final slash.
	BaseURL string
	// Keys sign tokens; their issuer must be BaseURL and "/auth".
	Keys *token.Keys
	// Assertions checks private_key_jwt, Proofs checks DPoP.
	Assertions *token.Assertions
	Proofs     *token.Proofs
	// Login says who sits at the browser.
	Login Login
	// Stores finds the data stores.
	Stores *datastore.Catalog
	// Access is what a user may see of a data store, for the patient and
	// encounter pages: never more than the user would see with a token.
	Access func(ctx context.Context, user *login.User, store *datastore.Store) (authz.Access, error)

	// KeySets checks the JWKS URLs of clients that register themselves; nil
	// refuses them.
	KeySets *token.KeySets
	// Product is the name on the pages; "" is Tarn.
	Product string
	// Log gets what was granted and refused, without secrets and without data
	// of patients; nil is slog.Default.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Address is the network address of a caller, which limits count by; nil
	// takes it from the connection. Set it behind a reverse proxy.
	Address func(*http.Request) string
	// Event is told of grants, refusals and revocations for the audit log; nil
	// is nobody.
	Event func(context.Context, Event)
	// Limits bound how often callers may ask.
	Limits Limits
	// Lifetimes are how long things live.
	Lifetimes Lifetimes
	// Registration says whether apps may register themselves.
	Registration Registration
	// Certificates are those of clients; the zero value takes none.
	Certificates client.Certificates
	// Brands has the URL of the user-access brand bundle and the identifier of
	// this server's brand in it, for discovery; empty leaves them out.
	Brands Brands
}

// Login is how smart learns who sits at a browser. *login.Service is one.
type Login interface {
	// Session returns the session of a request's browser; nil where nobody is
	// signed in.
	Session(r *http.Request) (*login.Session, *login.User, error)
	// SignIn sends the browser to sign in and back.
	SignIn(w http.ResponseWriter, r *http.Request, ask login.SignInRequest)
	// SignOut ends the session of the request's browser.
	SignOut(ctx context.Context, w http.ResponseWriter, r *http.Request) error
	// SessionByID returns a session that has not ended; nil otherwise.
	SessionByID(ctx context.Context, id string) (*login.Session, error)
	// Directory is the users.
	Directory() *login.Directory
}

// Lifetimes are how long what the server issues is good. Zero fields take the
// defaults, which are given here.
type Lifetimes struct {
	Code    time.Duration // 1 minute
	Launch  time.Duration // 5 minutes
	Request time.Duration // of an authorization request until it is answered: 15 minutes
	Pushed  time.Duration // of a pushed request until it is used: 90 seconds
	Access  time.Duration // of access tokens: 1 hour
	Service time.Duration // of access tokens of client_credentials: 5 minutes
	Refresh time.Duration // of refresh tokens, from their last use: 180 days
	Consent time.Duration // of what a user told to remember: 1 year
	// Grace is how long a refresh token may be used again after its use, for
	// clients that lost the answer: 0, which is not at all.
	Grace time.Duration
}

func (l *Lifetimes) fill() {
	l.Code = cmp.Or(l.Code, time.Minute)
	l.Launch = cmp.Or(l.Launch, 5*time.Minute)
	l.Request = cmp.Or(l.Request, 15*time.Minute)
	l.Pushed = cmp.Or(l.Pushed, 90*time.Second)
	l.Access = cmp.Or(l.Access, time.Hour)
	l.Service = cmp.Or(l.Service, 5*time.Minute)
	l.Refresh = cmp.Or(l.Refresh, 180*24*time.Hour)
	l.Consent = cmp.Or(l.Consent, 366*24*time.Hour)
}

// Brands are the discovery fields of user-access brands.
// http://hl7.org/fhir/smart-app-launch/STU2.2/brands.html
type Brands struct {
	Bundle           string // URL of the Bundle
	IdentifierSystem string
	IdentifierValue  string
}

// An Event is something to audit.
type Event struct {
	// Kind is authorized, denied, token, token-refused, refreshed, replay,
	// revoked, minted, launch or registered.
	Kind      string
	ClientID  string
	UserID    string
	DataStore string
	Scope     string
	Patient   string
	Address   string
	// Reason is the OAuth error of a refusal.
	Reason string
	Time   time.Time
}

// A Service is the authorization server of a Tarn server. It serves /auth/… and
// MetadataPath. Safe for concurrent use, and by several processes on one
// database.
type Service struct {
	cfg    Config
	db     kv.DB
	keys   *token.Keys
	login  Login
	now    func() time.Time
	log    *slog.Logger
	pages  *page.Set
	limits *limit.Limiter
	// proven says until when a client is known at an address.
	proven   *recall.Cache[string, time.Time]
	registry *search.Registry
	clients  *client.Registry
	mux      *http.ServeMux
	issuer   string
	base     *url.URL
	verified *verified
}

// New makes the service. It fails where the configuration is not complete.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Keys == nil || cfg.Assertions == nil || cfg.Proofs == nil || cfg.Login == nil || cfg.Stores == nil || cfg.Access == nil {
		return nil, errors.New("smart: the configuration lacks a required field")
	}
	cfg.BaseURL = strings.TrimSuffix(cfg.BaseURL, "/")
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	cfg.Limits.fill()
	cfg.Lifetimes.fill()
	s := &Service{
		cfg: cfg, db: cfg.DB, keys: cfg.Keys, login: cfg.Login, now: cfg.Now, log: cfg.Log,
		limits: limit.New(cfg.Now), proven: recall.New[string, time.Time](maxVerified), issuer: cfg.BaseURL + "/auth", verified: newVerified(cfg.DB),
	}
	if s.keys.Issuer() != s.issuer {
		return nil, fmt.Errorf("smart: the issuer of the keys is %q, and must be %q", s.keys.Issuer(), s.issuer)
	}
	var err error
	if s.base, err = url.Parse(cfg.BaseURL); err != nil {
		return nil, fmt.Errorf("smart: the base URL: %w", err)
	}
	if s.pages, err = page.New(page.Config{BaseURL: cfg.BaseURL, Product: cfg.Product, Log: cfg.Log}, files); err != nil {
		return nil, err
	}
	if s.registry, err = baseRegistry(); err != nil {
		return nil, err
	}
	if err := s.cfg.Registration.check(); err != nil {
		return nil, err
	}
	s.clients = s.newClients()
	s.routes()
	return s, nil
}

// baseRegistry is what scopes are read against where no data store is known: the
// resource types and parameters that all have. It is made once, for it is large.
var baseRegistry = sync.OnceValues(func() (*search.Registry, error) { return search.New(definition.R4()) })

// Issuer is the issuer of all tokens.
func (s *Service) Issuer() string { return s.issuer }

// ServeHTTP serves /auth/… and MetadataPath.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// routes is the table of endpoints: those of apps, those of browsers.
func (s *Service) routes() {
	m := http.NewServeMux()
	m.HandleFunc(MetadataPath, public(s.serverMetadata))
	m.HandleFunc("/auth/.well-known/openid-configuration", public(s.openIDMetadata))
	m.HandleFunc("/auth/jwks", public(s.jwks))
	m.HandleFunc(stylePath, public(s.showStyle))

	m.HandleFunc("/auth/par", s.shared("POST", answers(s, http.StatusCreated, s.push)))
	m.HandleFunc("/auth/token", s.shared("POST", answers(s, http.StatusOK, s.token)))
	m.HandleFunc("/auth/introspect", s.shared("POST", answers(s, http.StatusOK, s.introspect)))
	m.HandleFunc("/auth/revoke", s.shared("POST", s.revoke))
	m.HandleFunc("/auth/userinfo", s.shared("GET, POST", answers(s, http.StatusOK, s.userinfo)))
	m.HandleFunc("/auth/launch", s.shared("POST", answers(s, http.StatusCreated, s.launch)))
	m.HandleFunc("/auth/register", answers(s, http.StatusCreated, s.register))
	m.HandleFunc("/auth/register/{id}", s.manageRegistration)

	m.HandleFunc("/auth/authorize", s.authorize)
	m.HandleFunc("GET /auth/continue", s.proceed)
	m.HandleFunc("GET /auth/patients", s.showPatients)
	m.HandleFunc("POST /auth/patients", s.choosePatient)
	m.HandleFunc("GET /auth/encounters", s.showEncounters)
	m.HandleFunc("POST /auth/encounters", s.chooseEncounter)
	m.HandleFunc("GET /auth/consent", s.showConsent)
	m.HandleFunc("POST /auth/consent", s.decideConsent)
	m.HandleFunc("GET /auth/apps", s.showApps)
	m.HandleFunc("POST /auth/apps", s.revokeApp)
	m.HandleFunc("/auth/logout", s.endSession)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.pages.Error(w, r, http.StatusNotFound, page.Message{Key: "error.missing"})
	})
	s.mux = m
}

// event tells the audit log.
func (s *Service) event(r *http.Request, e Event) {
	e.Time, e.Address = s.now(), s.address(r)
	s.log.InfoContext(r.Context(), "smart", "event", e.Kind, "client", e.ClientID, "user", e.UserID, "dataStore", e.DataStore, "scope", printable(e.Scope))
	if s.cfg.Event != nil {
		s.cfg.Event(r.Context(), e)
	}
}

// storeOf finds the data store whose base URL is an audience, or its URL below
// its tenant; a final slash makes no difference.
func (s *Service) storeOf(audience string) (*datastore.Store, bool) {
	path, ok := strings.CutPrefix(strings.TrimSuffix(audience, "/"), s.cfg.BaseURL+"/")
	below, byTenant := strings.CutPrefix(path, "tenant/")
	tenant := ""
	if byTenant {
		tenant, path, _ = strings.Cut(below, "/")
	}
	id, named := strings.CutPrefix(path, "datastore/")
	id, complete := strings.CutSuffix(id, "/r4")
	if !ok || !named || !complete {
		return nil, false
	}
	store, err := s.store(id)
	return store, err == nil && (!byTenant || tenant != "" && store.Identity().TenantID() == tenant)
}

// store finds a data store by its id. One whose tokens others issue is as one
// that is not there: nobody would take this server's.
func (s *Service) store(id string) (*datastore.Store, error) {
	store, err := s.cfg.Stores.Store(id)
	if err == nil && !store.Identity().Own() {
		return nil, fhir.Errorf(fhir.KindNotFound, "the tokens of the data store %q are issued by others", id)
	}
	return store, err
}
