package datastore_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A held backend lets a test decide when indexing goes on, and what it comes to.
type held struct {
	datastore.Backend
	// began is told of each Index, which then waits for a verdict: an error to
	// fail with, or nil to do its work.
	began   chan struct{}
	verdict chan error
	// dropped is told of each Unindex.
	dropped chan []string
}

func (h *held) OpenStore(ctx context.Context, id string, registry *search.Registry, candidate func(store.Version) (*search.Candidate, error)) (store.Store, error) {
	s, err := h.Backend.OpenStore(ctx, id, registry, candidate)
	return &heldStore{s, h}, err
}

type heldStore struct {
	store.Store
	h *held
}

func (s *heldStore) Index(ctx context.Context, w store.Indexing) error {
	w.Progress(1, 4)
	s.h.began <- struct{}{}
	select {
	case err := <-s.h.verdict:
		if err != nil {
			return err
		}
		return s.Store.Index(ctx, w)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *heldStore) Unindex(ctx context.Context, keys []string) error {
	err := s.Store.Unindex(ctx, keys)
	s.h.dropped <- keys
	return err
}

func newHeld(t *testing.T) (*datastore.Store, *held) {
	t.Helper()
	h := &held{Backend: openFolder(t, vfs.NewMem()), began: make(chan struct{}), verdict: make(chan error), dropped: make(chan []string, 100)}
	return newStoreWith(t, datastore.Options{Backend: h, Retry: time.Nanosecond, Logger: slog.New(slog.DiscardHandler)}), h
}

func stateOf(t *testing.T, s *datastore.Store, id string) datastore.ParamState {
	t.Helper()
	states, err := s.ParamStates(authz.Unrestricted())
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range states {
		if st.ID == id {
			return st
		}
	}
	return datastore.ParamState{}
}

// TestUnreadyParameterIsRefused: until its entries are complete, a search by a
// parameter is refused by name and with the progress.
func TestUnreadyParameterIsRefused(t *testing.T) {
	s, h := newHeld(t)
	mustPut(t, s, patientWithEye("a", "blue"), eye("eye", "eye", "active", "Patient"))
	<-h.began
	_, err := ask(t, s, "Patient", "eye=blue")
	wantKind(t, err, fhir.KindInvalid, "eye of Patient is being indexed")
	wantKind(t, err, fhir.KindInvalid, "1 of 4 versions looked at")
	_, err = ask(t, s, "Observation", "subject:Patient.eye=blue")
	wantKind(t, err, fhir.KindInvalid, "1 of 4 versions looked at")
	pairs := []search.Pair{{Name: "eye", Value: "blue"}}
	q, err := s.Query(ctx, authz.Unrestricted(), []string{"Patient"}, pairs, search.Options{Lenient: true})
	if err != nil || len(q.Warnings) != 1 || !strings.Contains(q.Warnings[0].Diagnostics, "1 of 4") {
		t.Errorf("lenient: %+v, %v", q, err)
	}
	if s.Registry().Param("Patient", "eye") != nil {
		t.Error("the registry offers a parameter that is not ready")
	}
	if st := stateOf(t, s, "eye"); st.State != datastore.IndexBuilding || st.Usable || st.Done != 1 || st.Total != 4 {
		t.Errorf("state %+v", st)
	}
	h.verdict <- nil
	waitIndexed(t, s)
	wantFound(t, s, "Patient", "eye=blue", "a")
	if st := stateOf(t, s, "eye"); st.State != datastore.IndexReady || !st.Usable {
		t.Errorf("state %+v", st)
	}
}

// TestFailedIndexingIsRepeated: the error can be seen, and a healthy parameter
// does not wait for the one that fails.
func TestFailedIndexingIsRepeated(t *testing.T) {
	s, h := newHeld(t)
	mustPut(t, s, patientWithEye("a", "blue"), eye("eye", "eye", "active", "Patient"))
	<-h.began
	h.verdict <- errors.New("the disk is full")
	<-h.began
	if st := stateOf(t, s, "eye"); st.State != datastore.IndexFailed || !strings.Contains(st.Error, "disk is full") {
		t.Errorf("state %+v", st)
	}
	_, err := ask(t, s, "Patient", "eye=blue")
	wantKind(t, err, fhir.KindInvalid, "disk is full")
	h.verdict <- nil
	for stateOf(t, s, "eye").State != datastore.IndexReady {
		runtime.Gosched()
	}
	wantFound(t, s, "Patient", "eye=blue", "a")
}

// TestRemovedWhileIndexing: indexing is cut off, and what was made goes.
func TestRemovedWhileIndexing(t *testing.T) {
	s, h := newHeld(t)
	mustPut(t, s, patientWithEye("a", "blue"), eye("eye", "eye", "active", "Patient"))
	<-h.began
	remove(t, s, "SearchParameter", "eye")
	if keys := <-h.dropped; len(keys) != 1 || !strings.HasPrefix(keys[0], "Patient.eye@") {
		t.Errorf("dropped %v", keys)
	}
	_, err := ask(t, s, "Patient", "eye=blue")
	wantKind(t, err, fhir.KindInvalid, "eye")
	waitIndexed(t, s)
}

// TestRedefinedWhileIndexing: the old meaning is used until the new one is
// ready, and gone then; an open view is waited for.
func TestRedefinedWhileIndexing(t *testing.T) {
	s, h := newHeld(t)
	mustPut(t, s, patientWithEye("a", "blue"), eye("eye", "eye", "active", "Patient"))
	<-h.began
	h.verdict <- nil
	waitIndexed(t, s)
	mustPut(t, s, strings.Replace(eye("eye", "eye", "active", "Patient"), ".value", ".url", 1))
	<-h.began
	mustPut(t, s, patientWithEye("b", "blue"))
	wantFound(t, s, "Patient", "eye=blue", "a", "b")
	if st := stateOf(t, s, "eye"); st.State != datastore.IndexBuilding || !st.Usable {
		t.Errorf("state %+v", st)
	}
	old, err := s.Query(ctx, authz.Unrestricted(), []string{"Patient"}, []search.Pair{{Name: "eye", Value: "blue"}}, search.Options{})
	if err != nil {
		t.Fatal(err)
	}
	view, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	h.verdict <- nil
	for stateOf(t, s, "eye").State != datastore.IndexReady {
		select {
		case keys := <-h.dropped:
			t.Fatalf("dropped %v under an open view", keys)
		default:
			runtime.Gosched()
		}
	}
	wantFound(t, s, "Patient", "eye=http://example.org/eye", "a", "b")
	if r, err := view.Search(ctx, old, store.Page{Limit: 1, Total: true}); err != nil || r.Total != 2 {
		t.Errorf("by the meaning of before, in a view of before: %+v, %v", r, err)
	}
	view.Close()
	if keys := <-h.dropped; len(keys) != 1 {
		t.Errorf("dropped %v", keys)
	}
	if view, err = s.View(ctx, authz.Unrestricted(), 0); err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if _, err := view.Search(ctx, old, store.Page{Limit: 1}); fhir.KindOf(err) != fhir.KindUnavailable {
		t.Errorf("by the meaning of before, in a view of now: %v", err)
	}
	waitIndexed(t, s)
}

// TestClosedWhileIndexing: closing does not wait for the end of the work.
func TestClosedWhileIndexing(t *testing.T) {
	s, h := newHeld(t)
	mustPut(t, s, eye("eye", "eye", "active", "Patient"))
	<-h.began
}

// forgetful is a backend whose records of search parameters cannot be written.
type forgetful struct{ datastore.Backend }

func (f forgetful) Records() kv.DB { return forgetfulDB{f.Backend.Records()} }

type forgetfulDB struct{ kv.DB }

func (d forgetfulDB) Update(ctx context.Context, fn func(kv.Tx) error) error {
	return d.DB.Update(ctx, func(tx kv.Tx) error { return fn(forgetfulTx{tx}) })
}

type forgetfulTx struct{ kv.Tx }

var errForgetful = errors.New("cannot be written")

func (t forgetfulTx) Set(key, value []byte, expires time.Time) error {
	if strings.HasPrefix(string(key), "search-parameter/") {
		return errForgetful
	}
	return t.Tx.Set(key, value, expires)
}

func (t forgetfulTx) Delete(key []byte) error {
	if strings.HasPrefix(string(key), "search-parameter/") {
		return errForgetful
	}
	return t.Tx.Delete(key)
}

// TestUnrecordedDefinitions: a definition, a change and a deletion that were
// committed and not recorded take effect when the data store is opened again.
func TestUnrecordedDefinitions(t *testing.T) {
	fs := vfs.NewMem()
	open := func(wrap func(datastore.Backend) datastore.Backend) *datastore.Catalog {
		t.Helper()
		folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		c, err := datastore.Open(ctx, datastore.Options{Backend: wrap(folder), BaseURL: "http://example.org", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	same := func(b datastore.Backend) datastore.Backend { return b }
	forget := func(b datastore.Backend) datastore.Backend { return forgetful{b} }
	reopen := func(c *datastore.Catalog, wrap func(datastore.Backend) datastore.Backend) (*datastore.Catalog, *datastore.Store) {
		t.Helper()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		c = open(wrap)
		s, err := c.Store("default")
		if err != nil {
			t.Fatal(err)
		}
		return c, s
	}
	c := open(same)
	s, err := c.Create(ctx, "default", "")
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, patientWithEye("a", "blue"), eye("gone", "gone", "active", "Patient"), eye("changed", "changed", "active", "Patient"))
	waitIndexed(t, s)
	c, s = reopen(c, forget)
	mustPut(t, s, eye("new", "new", "active", "Patient"), strings.Replace(eye("changed", "changed", "active", "Patient"), ".value", ".url", 1))
	remove(t, s, "SearchParameter", "gone")
	mustPut(t, s, patientWithEye("b", "blue"))
	c, s = reopen(c, same)
	defer c.Close()
	waitIndexed(t, s)
	wantFound(t, s, "Patient", "new=blue", "a", "b")
	wantFound(t, s, "Patient", "changed=blue")
	wantFound(t, s, "Patient", "changed=http://example.org/eye", "a", "b")
	_, err = ask(t, s, "Patient", "gone=blue")
	wantKind(t, err, fhir.KindInvalid, "gone")
}

// unerasing is a backend that cannot erase.
type unerasing struct{ datastore.Backend }

func (u unerasing) OpenStore(ctx context.Context, id string, registry *search.Registry, candidate func(store.Version) (*search.Candidate, error)) (store.Store, error) {
	s, err := u.Backend.OpenStore(ctx, id, registry, candidate)
	return unerasingStore{s}, err
}

type unerasingStore struct{ store.Store }

func (unerasingStore) Erase(context.Context, []store.Erasure) (int, error) {
	return 0, errors.New("the disk is gone")
}

// TestFailedErasureIsRecorded: the record from before says that it was to be,
// a second one that it failed.
func TestFailedErasureIsRecorded(t *testing.T) {
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	c, err := datastore.Open(ctx, datastore.Options{Backend: unerasing{folder}, BaseURL: "http://example.org"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Create(ctx, "default", "")
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, patient)
	if _, err := erase(s, store.Erasure{Type: "Patient", ID: "p"}); err == nil || !strings.Contains(err.Error(), "disk is gone") {
		t.Errorf("error %v", err)
	}
	for _, outcome := range []string{"0", "8"} {
		if ids := find(t, s, "AuditEvent", "entity=Patient/p&outcome="+outcome); len(ids) != 1 {
			t.Errorf("outcome %s: %v", outcome, ids)
		}
	}
}
