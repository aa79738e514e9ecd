package rest

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/audit"
	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// An Audit records every request but those for /metadata and CORS preflights,
// and every entry of a Bundle, before its response is complete. Where it
// cannot, the request fails with KindUnavailable. AuditEvent resources are then
// the server's own: they cannot be written through the API.
type Audit struct {
	// Log takes the records. *audit.Log is one.
	Log audit.Recorder
	// Address is the network address of a caller; nil takes it from the
	// connection. Set it behind a reverse proxy.
	Address func(*http.Request) string
	// Index, where not nil, makes everything recorded so far searchable. It is
	// called before AuditEvents are read by somebody who may.
	Index func(context.Context) error
	// ReadsAlone is set where records of reads share no write with others, so
	// that nobody is told of them: see audit.Process.
	ReadsAlone bool
}

// A trail is what the record of a request is made of, beside the request.
type trail struct {
	agent    audit.Agent
	patients audit.PatientFinder
	// sent is the request's body.
	sent []byte
	// entries are those of a Bundle.
	entries []*entry
	// expecter is the log, where it was told of the request.
	expecter audit.Expecter
	expected audit.Expected
	// recorded is set once the records are made.
	recorded bool
	// own is the record of the request itself, and entity what it is about.
	own    [1]audit.Record
	entity [1]string
	// held keeps the response of an HTTP request back.
	held held
}

// follow begins the trail of a request, and holds its response.
func (h *handler) follow(r *request, res *response) {
	if h.Audit == nil {
		return
	}
	t := &trail{held: held{ResponseWriter: res.ResponseWriter, buf: getBuffer()}}
	r.trail, res.ResponseWriter, res.seen = t, &t.held, &t.patients
	if e, ok := h.Audit.Log.(audit.Expecter); ok && !(h.Audit.ReadsAlone && r.method == http.MethodGet) {
		t.expecter, t.expected = e, e.Expect()
	}
	if address := h.Audit.Address; address != nil {
		t.agent.Address = address(r.http)
	} else if host, _, err := net.SplitHostPort(r.http.RemoteAddr); err == nil {
		t.agent.Address = host
	} else {
		t.agent.Address = r.http.RemoteAddr
	}
	if ctx := audit.WithAgent(r.ctx, &t.agent); ctx != r.ctx {
		r.http = r.http.WithContext(ctx)
	}
}

// append makes the records durable, also where there are none, which an Expecter
// wants to know.
func (h *handler) append(t *trail, records []audit.Record) error {
	switch {
	case t.expecter != nil:
		return t.expecter.AppendExpected(t.expected, records...)
	case len(records) > 0:
		return h.Audit.Log.Append(records...)
	}
	return nil
}

// touched notes the patients that a resource of a write speaks of.
func (r *request) touched(resource []byte) {
	if r.trail != nil {
		_, _ = r.trail.patients.Write(resource) // never fails
	}
}

// settle records the request and, once that is durable, sends what is left of
// its response, which is whole or failed half-way.
func (h *handler) settle(r *request, res *response, whole bool) error {
	if r.trail == nil || r.trail.recorded {
		return nil
	}
	r.trail.recorded = true
	w := &r.trail.held
	var records []audit.Record
	if !r.unrecorded() {
		r.identify()
		records = r.records(res.status, res.Header())
	}
	if whole {
		w.prepare()
	}
	if err := h.append(r.trail, records); err != nil {
		h.logFailure(r, err)
		if !w.discard() {
			panic(http.ErrAbortHandler)
		}
		*res = response{ResponseWriter: w, head: res.head}
		writeOutcome(res, r, fhir.Errorf(fhir.KindUnavailable, "the request cannot be recorded in the audit log, so its response is withheld; what it was to write may be stored; the server's log has more under request id %s", r.requestID))
	}
	return w.release()
}

// identify finds out for the log who sent a request that was refused before that
// was asked: it names nothing that there is. The answer is what it was.
func (r *request) identify() {
	if r.asked || r.store == nil {
		return
	}
	r.asked = true
	r.access, _ = r.h.Authorize(r.http, r.store) // which notes who it is even where it refuses
}

// unrecorded reports whether the request is of a kind that is not recorded: it
// touches nobody's data and needs no right.
func (r *request) unrecorded() bool {
	return r.store != nil && (r.method == http.MethodOptions || r.level == levelMetadata && r.operation == "")
}

// records are those of the request and of its Bundle's entries.
func (r *request) records(status int, header http.Header) []audit.Record {
	t := r.trail
	t.agent = agentOf(r.access.Caller(), t.agent)
	all := t.own[:]
	if len(t.entries) > 0 {
		all = make([]audit.Record, 1, 1+len(t.entries))
	}
	all[0] = r.record(status, header)
	for _, e := range t.entries {
		all = append(all, e.record(&all[0], status))
	}
	return all
}

// agentOf is a caller, where it was decided who that is, or who was noted.
func agentOf(c authz.Caller, noted audit.Agent) audit.Agent {
	if c.Subject == "" && c.Client == "" {
		return noted
	}
	a := datastore.AgentOf(c)
	a.Address = noted.Address
	return a
}

// record is the record of the request without its entries.
func (r *request) record(status int, header http.Header) audit.Record {
	rec := audit.Record{
		Time: r.h.Now().UTC(), Action: r.interaction, Request: r.requestID, Status: status, Agent: r.trail.agent,
	}
	if r.store != nil {
		rec.Store = r.store.Record().ID
	}
	r.describe(&rec, header.Get("Location"), header.Get("ETag"))
	rec.Patients = r.trail.patients.Patients()
	if len(r.trail.entries) > 0 {
		rec.Patients = nil // they are those of the entries
	}
	if r.asyncAccepted(status) {
		rec.Detail = "accepted, to be answered later"
	}
	if r.level == levelContent {
		rec.Detail = "by the signed URL of request " + r.granted.From
	}
	r.noteGlass(&rec)
	return rec
}

func (r *request) asyncAccepted(status int) bool {
	return status == http.StatusAccepted && r.prefer.async && r.level != levelAsync
}

// describe fills in what the request was about.
func (r *request) describe(rec *audit.Record, location, etag string) {
	if name := r.touchedName(rec.Status, location, etag); name != "" {
		r.trail.entity[0] = name
		rec.Entities = r.trail.entity[:]
	}
	for _, of := range []target{{resourceType: r.resourceType, id: r.id}, {resourceType: r.within, id: r.withinID}} {
		if of.resourceType == "Patient" && fhir.ValidID(of.id) {
			r.trail.patients.Add(of.id)
		}
	}
	if r.interaction == string(authz.Delete) && rec.Status < 300 && r.id != "" {
		r.touchDeleted(etag)
	}
	rec.Query = r.auditedQuery()
}

// touchDeleted notes the patients of a resource that was deleted, which only
// its version before tells.
func (r *request) touchDeleted(etag string) {
	number, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(etag, `W/"`), `"`), 10, 64)
	if err != nil || number < 2 {
		return
	}
	ctx := context.WithoutCancel(r.ctx)
	view, err := r.store.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return
	}
	defer view.Close()
	if v, err := view.VRead(ctx, r.resourceType, r.id, strconv.FormatUint(number-1, 10)); err == nil {
		r.touched(v.Body.JSON)
	}
}

// touchedName is the resource that the request was about, with its version
// where the response tells.
func (r *request) touchedName(status int, location, etag string) string {
	if location != "" && r.store != nil {
		return strings.TrimPrefix(location, r.store.Base()+"/")
	}
	if r.resourceType == "" || r.id == "" {
		return ""
	}
	name := r.resourceType + "/" + r.id
	number, ok := strings.CutPrefix(strings.TrimSuffix(etag, `"`), `W/"`)
	switch {
	case r.version != "":
		return name + "/_history/" + r.version
	case ok && status < 400:
		return name + "/_history/" + number
	}
	return name
}

// maxAudited bounds the bytes of a query in a record.
const maxAudited = 8 << 10

// auditedQuery is the query of a request that has one: what follows the base
// URL, and a form or a GraphQL query that was sent.
func (r *request) auditedQuery() string {
	if r.level == levelContent {
		return "" // a signed URL is a secret
	}
	form := ""
	if len(r.trail.sent) > 0 && (r.operation == "graphql" || isForm(r.header.Get("Content-Type"))) {
		form = "\n" + string(r.trail.sent)
	}
	if r.rawQuery == "" && form == "" && !searches[r.interaction] && r.operation == "" && r.interaction != "unknown" {
		return ""
	}
	path := strings.Join(r.segments, "/")
	if r.segments == nil && r.http != nil && r.http.URL != nil && r.interaction == "unknown" {
		path = r.http.URL.Path
	}
	q := path
	if r.rawQuery != "" {
		q += "?" + r.rawQuery
	}
	if q = withoutToken(q + form); len(q) > maxAudited {
		q = q[:maxAudited]
	}
	return strings.ToValidUTF8(q, "\uFFFD")
}

// withoutToken is a query without the access token that some clients send in it:
// that is not looked at, but it may be good elsewhere.
// https://www.rfc-editor.org/rfc/rfc6750#section-2.3
func withoutToken(query string) string {
	const name = "access_token="
	for from := 0; ; {
		i := strings.Index(query[from:], name)
		if i < 0 {
			return query
		}
		from += i + len(name)
		end := strings.IndexAny(query[from:], "&\n")
		if end < 0 {
			end = len(query) - from
		}
		query = query[:from] + query[from+end:]
	}
}

// searches are the interactions that are a query whatever their URL.
var searches = map[string]bool{
	string(authz.SearchType): true, string(authz.SearchSystem): true,
	string(authz.HistoryOfOne): true, string(authz.HistoryOfType): true, string(authz.HistoryOfAll): true,
}

// record is the record of a Bundle's entry; status is that of the whole
// Bundle, which counts where the entry has no response.
func (e *entry) record(of *audit.Record, status int) audit.Record {
	rec := audit.Record{
		Time: of.Time, Action: "unknown", Store: of.Store, Request: of.Request, Agent: of.Agent,
		Entry: e.index + 1, Status: e.reply.status,
	}
	if e.req != nil {
		e.req.noteGlass(&rec)
	}
	if rec.Status == 0 {
		rec.Status = status
	}
	if e.req == nil {
		return rec
	}
	if e.req.interaction != "" {
		rec.Action = e.req.interaction
	}
	if e.req.trail == nil {
		e.req.trail = &trail{}
	}
	e.req.touched(e.reply.resource)
	e.req.describe(&rec, e.reply.location, e.reply.etag)
	rec.Patients = e.req.trail.patients.Patients()
	return rec
}

// follows makes the entries part of the request's record.
func (r *request) follows(entries []*entry) {
	if r.trail == nil {
		return
	}
	r.trail.entries = entries
	for _, e := range entries {
		if e.req != nil && e.req.trail == nil {
			e.req.trail = &trail{}
		}
	}
}

// auditEvents refuses to change what was recorded, and brings what is read up
// to date.
func (r *request) auditEvents() error {
	if r.h.Audit == nil {
		return nil
	}
	if r.resourceType == "AuditEvent" && r.changes() {
		return fhir.Errorf(fhir.KindMethodNotAllowed, "AuditEvent resources are this server's own record of what was done; they can be read and searched by auditors, and nobody can create, change or delete them through the API").With("Allow", "GET, HEAD, OPTIONS")
	}
	if !r.mayFindEvents() {
		return nil
	}
	return r.bringEvents()
}

// bringEvents brings AuditEvents up to date for those who may see them.
func (r *request) bringEvents() error {
	if r.h.Audit == nil || r.h.Audit.Index == nil || r.method == http.MethodOptions || r.access.Check(authz.SearchType, "AuditEvent") != nil {
		return nil
	}
	return r.h.Audit.Index(r.ctx)
}

// bringAsked brings AuditEvents up to date where what a body asks for names them.
func (r *request) bringAsked(asked ...search.Pair) error {
	if r.mayFindEvents() || !namesEvents(asked) {
		return nil
	}
	return r.bringEvents()
}

// namesEvents reports whether parameters ask for AuditEvents, or for whatever
// refers to something.
func namesEvents(asked []search.Pair) bool {
	return slices.ContainsFunc(asked, func(p search.Pair) bool {
		return strings.Contains(p.Name, "AuditEvent") || strings.Contains(p.Value, "AuditEvent") || strings.HasPrefix(p.Name, "_revinclude") && p.Value == "*"
	})
}

// changes reports whether the request is to change resources.
func (r *request) changes() bool {
	if r.operation != "" {
		o, err := r.findOperation()
		return err == nil && o.affectsState
	}
	return slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, r.method) &&
		r.level != levelTypeSearch && r.level != levelCompartmentSearch
}

// mayFindEvents reports whether AuditEvents may be in the answer: where they are
// asked for, and where all resources are.
func (r *request) mayFindEvents() bool {
	switch {
	case r.resourceType == "AuditEvent", namesEvents(r.query),
		r.operation == "everything", r.operation == "export", r.level == levelSystemSearch, r.level == levelSystemHistory:
		return true
	}
	return r.operation == "" && r.method == http.MethodGet && (r.level == levelSystem || r.level == levelCompartment && r.resourceType == "")
}

// recordErasure keeps records of erasures in the audit log; nil where there is
// none.
func (r *request) recordErasure() func(audit.Record) (string, error) {
	if r.h.Audit == nil {
		return nil
	}
	log, ok := r.h.Audit.Log.(audit.Numberer)
	if !ok {
		return nil
	}
	return func(rec audit.Record) (string, error) {
		rec.Request = r.requestID
		if r.trail != nil {
			rec.Agent.Address = r.trail.agent.Address
		}
		number, err := log.AppendOne(rec)
		return audit.EventID(number), err
	}
}

// settleJob records a request that was carried out as a job, before its answer
// is kept.
func (h *handler) settleJob(r *request, status int, header http.Header) error {
	if h.Audit == nil {
		return nil
	}
	if r.trail == nil {
		r.trail = &trail{}
	}
	r.trail.agent = agentOf(r.access.Caller(), audit.Agent{})
	rec := r.records(status, header)
	rec[0].Detail = "carried out later"
	return h.Audit.Log.Append(rec...)
}
