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
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	h := &held{Backend: folder, began: make(chan struct{}), verdict: make(chan error), dropped: make(chan []string, 100)}
	c, err := datastore.Open(ctx, datastore.Options{
		Backend: h, BaseURL: "http://example.org", Retry: time.Nanosecond, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := c.Create(ctx, "default", "")
	if err != nil {
		t.Fatal(err)
	}
	return s, h
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
	if _, err := view.Search(ctx, old, store.Page{Limit: 1}); fhir.KindOf(err) != fhir.KindUnavailable {
		t.Errorf("a search by the meaning of before: %v", err)
	}
	view.Close()
	if keys := <-h.dropped; len(keys) != 1 {
		t.Errorf("dropped %v", keys)
	}
	waitIndexed(t, s)
}

// TestClosedWhileIndexing: closing does not wait for the end of the work.
func TestClosedWhileIndexing(t *testing.T) {
	s, h := newHeld(t)
	mustPut(t, s, eye("eye", "eye", "active", "Patient"))
	<-h.began
}
