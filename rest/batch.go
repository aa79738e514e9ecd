package rest

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
)

// batchWriters is how many writes of one batch run at a time: enough that
// they share commits, few enough that one batch does not take the server.
const batchWriters = 16

// batch carries out entries each by itself, in FHIR's order of phases.
func (r *request) batch(w http.ResponseWriter, entries []*entry) error {
	r.interaction = "batch"
	refuseDependent(entries)
	r.follows(entries)
	if r.attempt != nil {
		before, err := r.attempt.begin(r, entries)
		if err == nil && before != nil {
			err = r.resumeBatch(entries, before.T)
		}
		if err != nil {
			return err
		}
	}
	for _, method := range phases {
		r.runPhase(method, entries)
	}
	for _, e := range entries {
		if e.err != nil {
			e.fail(r, e.err)
		}
	}
	return r.writeReplies(w, "batch-response", entries)
}

// runPhase runs the entries of one method. Entries on one resource run in
// their order; the others at once.
func (r *request) runPhase(method string, entries []*entry) {
	var lanes [][]*entry
	byResource := map[string]int{}
	for _, e := range entries {
		if e.err != nil || e.recalled || e.req.method != method {
			continue
		}
		key := e.lane()
		if at, ok := byResource[key]; ok && key != "" {
			lanes[at] = append(lanes[at], e)
			continue
		}
		byResource[key] = len(lanes)
		lanes = append(lanes, []*entry{e})
	}
	work := make(chan []*entry)
	var workers sync.WaitGroup
	for range min(batchWriters, len(lanes)) {
		workers.Go(func() {
			for lane := range work {
				for _, e := range lane {
					e.run()
					e.req.attempt.count(1)
				}
			}
		})
	}
	for _, lane := range lanes {
		work <- lane
	}
	close(work)
	workers.Wait()
}

// lane names what an entry writes, "" where it can meet no other entry.
func (e *entry) lane() string {
	switch {
	case e.req.method == http.MethodGet:
		return ""
	case e.req.id != "":
		return e.req.resourceType + "/" + e.req.id
	case e.op.Criteria != nil:
		return e.req.resourceType + "?" + encodeQuery(e.op.Criteria)
	}
	return ""
}

// run carries out one entry of a batch.
func (e *entry) run() {
	defer func() {
		if p := recover(); p != nil {
			e.err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if e.err = e.req.attempt.left(); e.err != nil {
		return
	}
	if e.req.method == http.MethodGet || e.req.operation != "" {
		e.read()
		return
	}
	outcomes, err := e.req.store.Commit(e.req.ctx, e.req.access, []datastore.Op{e.op}, nil)
	if err != nil {
		e.err = err
		return
	}
	e.wrote(&outcomes[0])
}

// read answers a GET entry by the handler that a request by itself would have.
func (e *entry) read() {
	rec := &recorder{header: http.Header{}}
	if err := e.req.serve(rec, e.req); err != nil {
		e.fail(e.req, err)
		return
	}
	e.reply = reply{status: rec.status, resource: rec.body, etag: rec.header.Get("ETag")}
	if e.head {
		e.reply.resource = nil
	}
	if t, err := http.ParseTime(rec.header.Get("Last-Modified")); err == nil {
		e.reply.modified = t.UTC().Format(time.RFC3339)
	}
}

// fail makes an error the entry's response.
func (e *entry) fail(r *request, err error) {
	r.h.logFailure(r, err)
	public := r.h.publicError(r, err)
	located := public
	if errors.As(atEntry(public, e.index), &located) {
		public = located
	}
	e.reply = reply{status: public.Kind.Status(), outcome: fhir.AppendOutcome(nil, outcomeIssues(public))}
}

// recorder is the http.ResponseWriter of a Bundle entry.
type recorder struct {
	header http.Header
	status int
	body   []byte
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, b...)
	return len(b), nil
}

// writeReplies writes the response Bundle, in the order of the request.
func (r *request) writeReplies(w http.ResponseWriter, bundleType string, entries []*entry, links ...bundleLink) error {
	b := r.newBundle(w, bundleType)
	defer b.free()
	if len(links) > 0 {
		b.links(links...)
	}
	for _, e := range entries {
		if err := b.replyEntry(&e.reply); err != nil {
			return err
		}
	}
	b.endEntries()
	return b.close()
}

func (b *bundleWriter) replyEntry(p *reply) error {
	b.beginEntry()
	if p.fullURL != "" {
		b.buf = append(b.buf, `"fullUrl":`...)
		b.buf = append(fhir.AppendString(b.buf, p.fullURL), ',')
	}
	if len(p.resource) > 0 {
		b.buf = append(b.buf, `"resource":`...)
		b.buf = append(b.buf, p.resource...)
		b.buf = append(b.buf, ',')
	}
	b.replyResponse(p)
	return b.endEntry()
}

// replyResponse writes the member response.
func (b *bundleWriter) replyResponse(p *reply) {
	b.buf = append(b.buf, `"response":{"status":"`...)
	b.buf = append(b.buf, statusLine(p.status)...)
	b.buf = append(b.buf, '"')
	b.replyMember("location", p.location)
	b.replyMember("etag", p.etag)
	b.replyMember("lastModified", p.modified)
	if len(p.outcome) > 0 {
		b.buf = append(b.buf, `,"outcome":`...)
		b.buf = append(b.buf, p.outcome...)
	}
	b.buf = append(b.buf, '}')
}

func (b *bundleWriter) replyMember(name, value string) {
	if value != "" {
		b.buf = append(b.buf, `,"`...)
		b.buf = append(b.buf, name...)
		b.buf = append(b.buf, `":`...)
		b.buf = fhir.AppendString(b.buf, value)
	}
}

// entryIndex is the number in a location that begins "Bundle.entry[3]".
func entryIndex(expression string) (index int, rest string, ok bool) {
	text, ok := strings.CutPrefix(expression, "Bundle.entry[")
	if !ok {
		return 0, "", false
	}
	number, rest, ok := strings.Cut(text, "]")
	index, err := strconv.Atoi(number)
	return index, rest, ok && err == nil
}
