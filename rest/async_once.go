package rest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// A Bundle that is a job is carried out at most once, although its process may
// die at any point. Before anything is written the data store's time is kept
// as the job's checkpoint, and each resource that the Bundle makes gets an id
// that follows from the job's. Who takes the job over reads from the data
// store what was done: a resource with such an id is there or not, and so is a
// version after that time. What cannot be told is not repeated, and the answer
// says so.
//
// One process never runs a job twice at a time. Where several share a
// database, one that slept through its lease may still write; the ids keep it
// from making anything again.

// onceCheckpoint is a Bundle's checkpoint.
type onceCheckpoint struct{ T store.T }

// A verdict is what became of an entry when the process died.
type verdict uint8

const (
	// nothing to tell: doing it again has the effect of doing it once.
	repeatable verdict = iota
	// notDone says that its effect is not there.
	notDone
	// seemsDone says that its effect is there, whoever made it.
	seemsDone
	// done says that this very entry made it.
	done
	// unclear says that its resource was written, but not by whom.
	unclear
)

// begin prepares the entries of a Bundle for an attempt. before is the
// checkpoint of one that was made earlier and may have written; nil for none.
func (a *attempt) begin(r *request, entries []*entry) (before *onceCheckpoint, err error) {
	a.total.Store(int64(len(entries)))
	id := a.lease.Job().ID
	writes := false
	for _, e := range entries {
		if e.err != nil {
			continue
		}
		e.req.attempt = a
		if e.req.method == http.MethodGet {
			continue
		}
		writes = true
		e.op.NewID = onceID(id, e.index)
		// Once begun, a write is not given up half-way: whether it was made
		// would not be known.
		e.req.ctx = context.WithoutCancel(a.ctx)
	}
	if !writes {
		return nil, nil
	}
	if text := a.lease.Job().Checkpoint; len(text) > 0 {
		before = new(onceCheckpoint)
		a.wrote.Store(true)
		return before, json.Unmarshal(text, before)
	}
	view, err := r.store.View(a.ctx, authz.Unrestricted(), 0)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	if err := a.lease.Save(a.ctx, onceCheckpoint{T: view.T()}); err != nil {
		return nil, err
	}
	a.wrote.Store(true)
	return nil, nil
}

// onceID is the id of a resource that an entry of a job's Bundle makes: a UUID
// of version 8 (RFC 9562 section 5.8).
func onceID(jobID string, index int) string {
	b := sha256.Sum256(fmt.Appendf(nil, "%s %d", jobID, index))
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	h := hex.EncodeToString(b[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// A looking finds out what became of the entries of an attempt that began at
// since.
type looking struct {
	ctx   context.Context
	store *datastore.Store
	view  *datastore.View
	since store.T
}

func (r *request) look(since store.T) (*looking, error) {
	// What Tarn itself has to know does not depend on what the caller may see.
	view, err := r.store.View(r.ctx, authz.Unrestricted(), 0)
	if err != nil {
		return nil, err
	}
	return &looking{ctx: binary.Whole(r.ctx), store: r.store, view: view, since: since}, nil
}

// verdict finds out what became of an entry that writes. The version is the
// one that it made, where that is known.
func (l *looking) verdict(e *entry) (verdict, store.Version, error) {
	if e.req.operation != "" {
		return operationVerdict(e.req), store.Version{}, nil
	}
	made, err := l.view.VRead(l.ctx, e.req.resourceType, e.op.NewID, "1")
	switch {
	case err == nil:
		return done, made, nil
	case fhir.KindOf(err) != fhir.KindNotFound:
		return unclear, made, err
	case e.op.Interaction == authz.Create && e.op.Criteria == nil:
		return notDone, made, nil
	case e.op.Interaction == authz.Create:
		return repeatable, made, nil
	case e.op.Criteria != nil:
		return l.conditional(e)
	}
	return l.named(e)
}

// operationVerdict judges the call of an operation.
func operationVerdict(r *request) verdict {
	if o, err := r.findOperation(); err == nil && o.affectsState {
		return unclear
	}
	return repeatable
}

// conditional judges an entry whose resource only its criteria name.
func (l *looking) conditional(e *entry) (verdict, store.Version, error) {
	versions, err := l.written(e.req.resourceType, "")
	switch {
	case err != nil || len(versions) > 0:
		return unclear, store.Version{}, err
	case e.op.Interaction == authz.Update:
		return notDone, store.Version{}, nil
	}
	return repeatable, store.Version{}, nil // perhaps there was nothing to do
}

// named judges an entry on the resource of its URL.
func (l *looking) named(e *entry) (verdict, store.Version, error) {
	versions, err := l.written(e.req.resourceType, e.req.id)
	if err != nil {
		return unclear, store.Version{}, err
	}
	if len(versions) == 0 {
		return l.untouched(e)
	}
	for _, v := range versions {
		if l.isResult(e, &v) {
			return seemsDone, v, nil
		}
	}
	return unclear, store.Version{}, nil
}

// untouched judges an entry whose resource was not written since.
func (l *looking) untouched(e *entry) (verdict, store.Version, error) {
	if e.op.Interaction == authz.Update {
		return notDone, store.Version{}, nil
	}
	_, err := l.view.Read(l.ctx, e.req.resourceType, e.req.id)
	switch {
	case err != nil: // nothing to delete or patch
		return repeatable, store.Version{}, nil
	case e.op.Interaction == authz.Delete:
		return notDone, store.Version{}, nil
	}
	return repeatable, store.Version{}, nil // a patch may change nothing
}

// isResult reports whether a version is what the entry would have made.
func (l *looking) isResult(e *entry, v *store.Version) bool {
	switch e.op.Interaction {
	case authz.Delete:
		return v.Deleted()
	case authz.Update:
		return !v.Deleted() && bytes.Equal(v.Body.JSON, fhir.NewBody(e.op.Resource.Root(), e.req.id).JSON)
	}
	return false
}

// written lists the versions of a resource since the attempt began, and of a
// type at least one of them where there is any.
func (l *looking) written(resourceType, id string) ([]store.Version, error) {
	versions, err := l.view.History(l.ctx, store.History{Type: resourceType, ID: id})
	if fhir.KindOf(err) == fhir.KindNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []store.Version
	for v, err := range versions {
		if err != nil {
			return nil, err
		}
		if v.T <= l.since {
			break
		}
		if found = append(found, v); id == "" {
			break
		}
	}
	return found, nil
}

// resumeTransaction finds out whether a transaction was carried out by an
// attempt before, and then makes its replies.
func (r *request) resumeTransaction(writes []*entry, since store.T) (carriedOut bool, err error) {
	l, err := r.look(since)
	if err != nil {
		return false, err
	}
	defer l.view.Close()
	count := map[verdict]int{}
	versions := make([]store.Version, len(writes))
	for i, e := range writes {
		var was verdict
		if was, versions[i], err = l.verdict(e); err != nil {
			return false, err
		}
		count[was]++
	}
	switch {
	case count[done] > 0: // then all of it was
	case count[notDone] > 0: // then nothing was
		return false, nil
	case count[unclear] > 0:
		return false, interrupted("the transaction")
	case count[seemsDone] == 0:
		return false, nil
	}
	for i, e := range writes {
		e.recall(&versions[i])
	}
	return true, nil
}

// recall makes the reply of an entry that an attempt before carried out.
func (e *entry) recall(v *store.Version) {
	switch {
	case v.Type == "":
		e.reply = reply{status: http.StatusOK, outcome: fhir.AppendOutcome(nil, []fhir.Issue{{
			Severity: fhir.SeverityInformation, Code: "informational",
			Diagnostics: "this entry was carried out; the server stopped before its answer was kept, so that the version is not known",
		}})}
	case v.Deleted() && e.req.method == http.MethodDelete:
		e.wrote(&datastore.Outcome{Status: http.StatusNoContent, Version: *v})
	case v.Created:
		e.wrote(&datastore.Outcome{Status: http.StatusCreated, Version: *v})
	default:
		e.wrote(&datastore.Outcome{Status: http.StatusOK, Version: *v})
	}
}

// resumeBatch finds out which entries of a batch an attempt before carried
// out, and makes their replies; the others are left to be carried out.
func (r *request) resumeBatch(entries []*entry, since store.T) error {
	l, err := r.look(since)
	if err != nil {
		return err
	}
	defer l.view.Close()
	for _, e := range entries {
		if e.err != nil || e.req.method == http.MethodGet {
			continue
		}
		was, version, err := l.verdict(e)
		switch {
		case err != nil:
			return err
		case was == done || was == seemsDone:
			e.recall(&version)
			e.recalled = true
		case was == unclear:
			e.err = interrupted("this entry")
		}
	}
	return nil
}
