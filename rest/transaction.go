package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// processBundle answers POST [base] with a batch or a transaction.
// http://hl7.org/fhir/R4/http.html#transaction
func processBundle(w http.ResponseWriter, r *request) error {
	if err := r.refuseKey(); err != nil {
		return err
	}
	if err := r.onlyParameters(); err != nil {
		return err
	}
	src, err := r.readFHIR()
	if err != nil {
		return err
	}
	tree, err := r.parse(src)
	if err != nil {
		if entries := r.splitBatch(src); entries != nil {
			r.charge(len(entries))
			return r.batch(w, entries)
		}
		return err
	}
	bundle := tree.Root()
	if name := bundle.Type().Name; name != "Bundle" {
		return fhir.Errorf(fhir.KindInvalid, "the body is of type %s; [base] takes a Bundle, and a %[1]s goes to [base]/%[1]s", name)
	}
	bundleType := bundle.TextOf("type")
	if bundleType != "batch" && bundleType != "transaction" {
		return fhir.Errorf(fhir.KindInvalid, "a Bundle of type %q cannot be processed; send a batch or a transaction, or store the Bundle as it is with POST [base]/Bundle", bundleType).At("Bundle.type")
	}
	entries, err := r.readEntries(bundle)
	if err != nil {
		return err
	}
	r.charge(len(entries))
	r.interaction = bundleType
	if bundleType == "batch" {
		return r.batch(w, entries)
	}
	return r.transaction(w, entries)
}

// transaction carries out the writes all together or not at all, and then the
// reads, which see what was written. A read that finds nothing says so in its
// entry; the writes stand.
func (r *request) transaction(w http.ResponseWriter, entries []*entry) error {
	r.follows(entries)
	for _, e := range entries {
		if e.err != nil {
			return atEntry(e.err, e.index)
		}
		if e.req.operation != "" && e.req.method != http.MethodGet {
			return atEntry(fhir.Errorf(fhir.KindNotSupported, "$%s by POST cannot be part of a transaction; call it by itself, or in a batch", e.req.operation), e.index)
		}
	}
	ordered := inPhases(entries)
	writes := slices.IndexFunc(ordered, func(e *entry) bool { return e.req.method == http.MethodGet })
	if writes < 0 {
		writes = len(ordered)
	}
	if err := r.commitOnce(ordered[:writes]); err != nil {
		return err
	}
	if err := r.readTogether(ordered[writes:]); err != nil {
		return err
	}
	return r.writeReplies(w, "transaction-response", entries)
}

// inPhases is the entries in the order of processing.
func inPhases(entries []*entry) []*entry {
	ordered := make([]*entry, 0, len(entries))
	for _, method := range phases {
		for _, e := range entries {
			if e.req != nil && e.req.method == method {
				ordered = append(ordered, e)
			}
		}
	}
	return ordered
}

// commitOnce is commit, in a job at most once.
func (r *request) commitOnce(entries []*entry) error {
	if r.attempt == nil {
		return r.commit(entries)
	}
	before, err := r.attempt.begin(r, entries)
	if err != nil {
		return err
	}
	if before != nil {
		if carriedOut, err := r.resumeTransaction(entries, before.T); carriedOut || err != nil {
			return err
		}
	}
	// Cancelling comes too late from here on.
	r.ctx = context.WithoutCancel(r.ctx)
	return r.commit(entries)
}

func (r *request) commit(entries []*entry) error {
	if len(entries) == 0 {
		return nil
	}
	ops := make([]datastore.Op, len(entries))
	places := make([]int, len(entries))
	for i, e := range entries {
		ops[i], places[i] = e.op, e.index
	}
	outcomes, err := r.store.Commit(r.ctx, r.access, ops, places)
	if err != nil {
		return err
	}
	for i, e := range entries {
		e.wrote(&outcomes[i])
	}
	return nil
}

// readTogether answers the reads of a transaction from one view.
func (r *request) readTogether(entries []*entry) error {
	if len(entries) == 0 {
		return nil
	}
	view, done, err := r.openView(0)
	if err != nil {
		return err
	}
	defer done()
	for _, e := range entries {
		e.req.view = view
		e.read()
	}
	return nil
}

// wrote records what a write came to.
func (e *entry) wrote(o *datastore.Outcome) {
	v := &o.Version
	e.req.touched(v.Body.JSON)
	e.reply = reply{status: o.Status}
	if v.Type != "" {
		e.reply.etag = etag(v)
		if !v.LastUpdated.IsZero() {
			e.reply.modified = v.LastUpdated.UTC().Format(fhir.TimeLayout)
		}
		if o.Status != http.StatusNoContent {
			e.reply.location = versionPath(v)
		}
	}
	if e.req.prefer.give == returnRepresentation && len(v.Body.JSON) > 0 {
		e.reply.resource = representation(v)
	}
	if len(o.Issues) > 0 || e.req.prefer.give == returnOutcome {
		e.reply.outcome = fhir.AppendOutcome(nil, issuesOr(o.Issues, allOK))
	}
}

func representation(v *store.Version) []byte {
	return v.Body.Append(nil, versionID(v), v.LastUpdated)
}

// entryPath is the location of a Bundle entry.
func entryPath(index int) string { return fmt.Sprintf("Bundle.entry[%d]", index) }

// atEntry locates an error at a Bundle entry.
func atEntry(err error, index int) error {
	var e *fhir.Error
	if !errors.As(err, &e) {
		return err
	}
	at := entryPath(index)
	located := &fhir.Error{Kind: e.Kind, Headers: e.Headers, Cause: e.Cause, Issues: slices.Clone(outcomeIssues(e))}
	for i := range located.Issues {
		x := &located.Issues[i].Expression
		switch {
		case *x == "request" || *x == "resource" || strings.HasPrefix(*x, "request."):
			*x = at + "." + *x
		case strings.HasPrefix(*x, "Bundle.entry["):
		case *x == "" || strings.HasPrefix(*x, "http."):
			*x = at + ".request"
		default: // an element of the entry's resource: "Patient.name[0]"
			_, below, _ := strings.Cut(*x, ".")
			*x = strings.TrimSuffix(at+".resource."+below, ".")
		}
	}
	return located
}
