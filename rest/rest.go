// Package rest is the FHIR R4 HTTP API of data stores: one file per
// interaction (read.go, create.go, search.go, transaction.go …), and what the
// interactions share: routing, content negotiation, preconditions, Bundles and
// OperationOutcomes. http://hl7.org/fhir/R4/http.html
//
// It serves /datastore/{id}/r4/… and nothing else. A handler is a function
// that returns an error; ServeHTTP alone turns errors and panics into
// OperationOutcomes.
//
// It leaves to others: what is stored and who may see it (datastore), what a
// search means (search), who the caller is (the Authorize option), listening,
// TLS and time limits (server). Mount it by path prefix, not on a mux that
// redirects double slashes.
package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/bulk"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/graphql"
)

// Prefix is the path that every data store lies below.
const Prefix = "/datastore/"

// Options for New. Only Stores and Authorize are required.
type Options struct {
	// Stores finds the data store of a request: KindNotFound for an unknown id.
	Stores interface {
		Store(id string) (*datastore.Store, error)
	}
	// Authorize decides what the caller of a request may do. It is not asked
	// for /metadata and CORS preflights, which are open to all.
	Authorize func(*http.Request, *datastore.Store) (authz.Access, error)
	// MaxBody is the greatest size of a request body in bytes, after
	// decompression. 0 means 50 MiB.
	MaxBody int64
	// MaxEntries is the greatest number of entries of a batch or transaction.
	// 0 means 100,000.
	MaxEntries int
	// Logger is nil for slog.Default.
	Logger *slog.Logger
	// Now is the clock; nil for time.Now.
	Now func() time.Time
	// Observe, if not nil, is told of every response: the FHIR interaction
	// ("read", "search-type", "transaction" …; "unknown" where the URL names
	// none), its HTTP status and how long it took.
	Observe func(interaction string, status int, d time.Duration)
	// Version is the software version that /metadata states.
	Version string
	// Async, if not nil, honours Prefer: respond-async.
	Async *Async
	// Origin says whether scripts of an origin may use the API; nil lets those
	// of every origin. /metadata is open to all.
	Origin func(ctx context.Context, origin string) bool
	// Security, if not nil, says how callers prove who they are, for /metadata;
	// nil where nobody has to. What it returns is not changed any more: a
	// change is another pointer.
	Security func(*datastore.Store) *Security
	// Limit, if not nil, lets a request in and returns what is to be called when
	// it has ended, or an error of KindThrottled.
	Limit func(*http.Request, authz.Caller) (leave func(), err error)
	// Charge, if not nil, counts a request that was let in as n more: the entries
	// of its Bundle, or the searches and reads of its GraphQL query.
	Charge func(r *http.Request, caller authz.Caller, n int)
	// Topics, if not nil, are the canonical URLs of the topics of a data store that
	// there may be Subscriptions to, for /metadata.
	Topics func(context.Context, *datastore.Store) ([]string, error)
	// GraphQL bounds what a GraphQL query may cost; the zero value stands for
	// graphql.DefaultLimits.
	GraphQL graphql.Limits
	// Audit, if not nil, records what is done.
	Audit *Audit
	// Tenants also serves data stores below TenantPrefix and the tenant that
	// they are bound to.
	Tenants bool
	// Bulk, if not nil, carries out $export and $import.
	Bulk *bulk.Service
	// Operations are more operations.
	Operations []Operation
}

// TenantPrefix is the path that the data stores of tenants lie below too:
// /tenant/{tenant}/datastore/{id}/r4.
const TenantPrefix = "/tenant/"

// CutTenant takes the tenant from the beginning of a path; it is "" where the
// path names none.
func CutTenant(path string) (tenant, rest string) {
	below, ok := strings.CutPrefix(path, TenantPrefix)
	if tenant, rest, found := strings.Cut(below, "/"); ok && found {
		return tenant, "/" + rest
	}
	return "", path
}

// New returns the handler of the FHIR API.
func New(opt Options) http.Handler {
	if opt.MaxBody == 0 {
		opt.MaxBody = 50 << 20
	}
	if opt.MaxEntries == 0 {
		opt.MaxEntries = 100_000
	}
	if opt.Logger == nil {
		opt.Logger = slog.Default()
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	h := &handler{Options: opt, started: opt.Now().UTC(), routes: routes(), operations: operations(), capabilities: map[*datastore.Store]*capability{}}
	if opt.Bulk != nil {
		h.operations = append(h.operations, bulkOperations()...)
	}
	for i := range opt.Operations {
		h.operations = append(h.operations, opt.Operations[i].operation())
	}
	if opt.Audit != nil {
		h.operations = append(h.operations, accessReportOperation())
	}
	h.startAsync()
	return h
}

type handler struct {
	Options
	started time.Time
	routes  map[routeKey]interaction
	// operations is the operation table.
	operations []operation

	mu           sync.Mutex
	capabilities map[*datastore.Store]*capability
}

// ServeHTTP answers one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	begin := h.Now()
	x := &struct {
		response
		request
	}{}
	res, r := &x.response, &x.request
	res.ResponseWriter = w
	*r = request{h: h, http: req, ctx: req.Context(), method: req.Method, header: req.Header, requestID: requestID(req), rawQuery: req.URL.RawQuery, interaction: "unknown"}
	if req.Method == http.MethodHead {
		r.method, res.head = http.MethodGet, true
	}
	h.follow(r, res)
	defer func() { h.finish(r, res, begin, recover()) }()
	r.setCommonHeaders(w.Header())
	h.allowOrigin(w.Header(), req)
	if err := h.serve(res, r); err != nil {
		h.fail(res, r, err)
	}
}

// serve routes a request and calls its handler.
func (h *handler) serve(res *response, r *request) error {
	refused := r.negotiate()
	res.accept(r)
	segments, err := h.pathSegments(r.http)
	if err != nil {
		return err
	}
	if refused != nil && !(h.Bulk != nil && servesFile(segments.rest)) && !servesBinary(r.method, segments.rest) {
		r.store, _ = h.Stores.Store(segments.store) // for the audit log
		return refused
	}
	if r.store, err = h.Stores.Store(segments.store); err != nil {
		return err
	}
	if segments.tenant != "" && segments.tenant != r.store.Identity().TenantID() {
		return fhir.Errorf(fhir.KindForbidden, "the data store %q is not of the tenant %q", segments.store, segments.tenant)
	}
	res.schema = r.store.Definitions().Schema
	r.fillContents(res)
	if err := r.locate(segments.rest); err != nil {
		return err
	}
	if r.method == http.MethodOptions {
		return options(res, r)
	}
	if err := r.route(); err != nil {
		if fhir.KindOf(err) == fhir.KindMethodNotAllowed {
			res.Header().Set("Allow", r.allowed())
		}
		return err
	}
	if r.level == levelContent {
		r.asked = true // the URL is the credential
		if err := r.admitSigned(); err != nil {
			return err
		}
	} else if r.level != levelMetadata || r.operation != "" {
		r.asked = true
		if r.access, err = h.Authorize(r.http, r.store); err != nil {
			return err
		}
		h.tellGlass(r)
		if err := r.requery(); err != nil {
			return err
		}
	}
	if h.Limit != nil && (r.level != levelMetadata || r.operation != "") {
		leave, err := h.Limit(r.http, r.access.Caller())
		if err != nil {
			return err
		}
		defer leave()
	}
	if err := r.auditEvents(); err != nil {
		return err
	}
	if r.asyncWanted() {
		return r.answerLater(res)
	}
	return r.serve(res, r)
}

// finish ends a response, after a panic too, and reports it.
func (h *handler) finish(r *request, res *response, begin time.Time, panicked any) {
	if panicked != nil {
		if panicked == http.ErrAbortHandler {
			panic(panicked)
		}
		h.fail(res, r, fmt.Errorf("panic: %v\n%s", panicked, debug.Stack()))
	}
	if err := res.close(); err != nil {
		h.fail(res, r, err)
	}
	err := h.settle(r, res, true)
	took := h.Now().Sub(begin)
	if h.Observe != nil {
		h.Observe(r.interaction, res.status, took)
	}
	if !h.Logger.Enabled(r.ctx, slog.LevelDebug) {
		return
	}
	h.Logger.LogAttrs(r.ctx, slog.LevelDebug, "request", slog.String("id", r.requestID),
		slog.String("interaction", r.interaction), slog.String("type", r.resourceType),
		slog.Int("status", res.status), slog.Duration("took", took), slog.Any("error", err))
}

// fail renders an error. Once a part of the response is on its way the only
// honest answer is to cut the connection.
func (h *handler) fail(res *response, r *request, err error) {
	gone := errors.Is(err, errClientGone) || errors.Is(r.ctx.Err(), context.Canceled)
	if !gone {
		h.logFailure(r, err)
	}
	if res.status != 0 {
		if h.Observe != nil {
			h.Observe(r.interaction, res.status, 0)
		}
		_ = h.settle(r, res, false)
		panic(http.ErrAbortHandler)
	}
	if res.schema == nil { // no data store was looked for yet, or found
		res.schema = definition.R4().Schema
	}
	writeOutcome(res, r, h.publicError(r, err))
}

// logFailure logs the causes that the caller is not shown.
func (h *handler) logFailure(r *request, err error) {
	var known *fhir.Error
	if errors.As(err, &known) && known.Kind != fhir.KindInternal && known.Cause == nil {
		return
	}
	h.Logger.LogAttrs(r.ctx, slog.LevelError, "request failed", slog.String("id", r.requestID),
		slog.String("interaction", r.interaction), slog.String("error", err.Error()))
}

// storePath is a request path, taken apart.
type storePath struct {
	// tenant is that of a path below TenantPrefix.
	tenant, store string
	rest          []string // below …/r4, unescaped
}

// maxURL bounds a request's URL; longer searches go by POST.
const maxURL = 32 << 10

func (h *handler) pathSegments(req *http.Request) (storePath, error) {
	if len(req.RequestURI) > maxURL {
		return storePath{}, fhir.Errorf(fhir.KindURITooLong, "the URL has %d bytes, and at most %d are read; send a long search as POST [type]/_search with a form body", len(req.RequestURI), maxURL)
	}
	parts, err := splitPath(req.URL.EscapedPath())
	if err != nil {
		return storePath{}, err
	}
	tenant := ""
	if h.Tenants && len(parts) > 1 && "/"+parts[0]+"/" == TenantPrefix {
		tenant, parts = parts[1], parts[2:]
	}
	if len(parts) < 3 || "/"+parts[0]+"/" != Prefix || !strings.EqualFold(parts[2], "r4") {
		return storePath{}, fhir.Errorf(fhir.KindNotFound, "nothing is at this path; FHIR data stores are at %s{id}/r4", Prefix)
	}
	return storePath{tenant: tenant, store: parts[1], rest: parts[3:]}, nil
}
