package datastore

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

// patch makes the new resource of a patch from the one that is current in the
// attempt's view.
func (x *expansion) patch(ctx context.Context, i int) error {
	view, err := x.at(ctx)
	if err != nil {
		return err
	}
	op := &x.commit.ops[i]
	current, err := view.Read(ctx, op.Type, op.ID)
	seen := false
	if err == nil {
		seen, err = x.mayWrite(ctx, i, &current)
	}
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && !seen:
		return fhir.Errorf(fhir.KindNotFound, "%s/%s does not exist; a patch needs a resource that does", op.Type, op.ID)
	case err != nil:
		return storeError(err)
	case current.Deleted():
		return fhir.Errorf(fhir.KindGone, "%s/%s was deleted", op.Type, op.ID)
	}
	return x.patchVersion(ctx, i, current)
}

// patchVersion applies the patch to a version that the caller may read and
// patch. That it still is the current
// one when the result is stored is a precondition, so that no write is lost.
func (x *expansion) patchVersion(ctx context.Context, i int, current store.Version) error {
	op, st := &x.commit.ops[i], &x.steps[i]
	if st.op.IfVersion != 0 && st.op.IfVersion != current.Number {
		return versionMismatch(op, current.ID)
	}
	st.op.IfVersion = current.Number
	whole, err := x.commit.store.patchable(ctx, current)
	if err != nil {
		return err
	}
	before, err := x.commit.store.Read(whole)
	if err != nil {
		return err
	}
	src, err := op.Patch(before)
	if err != nil {
		return err
	}
	if src == nil {
		st.write = false
		st.outcome = Outcome{Status: http.StatusOK, Version: current}
		return nil
	}
	after, err := x.commit.store.Parse(src)
	if err != nil {
		return patchedWrong(err)
	}
	root := after.Root()
	if got := root.Type().Name; got != op.Type {
		return fhir.Errorf(fhir.KindUnprocessable, "the patch makes the %s a %s; a resource keeps its type", op.Type, got)
	}
	if id := root.TextOf("id"); id != current.ID {
		return fhir.Errorf(fhir.KindUnprocessable, "the patch makes the id %q; a resource keeps its id, %q", id, current.ID).At(op.Type + ".id")
	}
	st.tree, st.rewritten = after, true
	return nil
}

// patchedWrong is the error of a result that is not FHIR: the positions in it
// are of a text that the client has not seen.
func patchedWrong(err error) error {
	var e *fhir.Error
	if !errors.As(err, &e) {
		return err
	}
	wrong := &fhir.Error{Kind: e.Kind, Cause: e.Cause}
	if e.Kind == fhir.KindInvalid {
		wrong.Kind = fhir.KindUnprocessable
	}
	for _, issue := range e.Issues {
		issue.Line, issue.Column = 0, 0
		issue.Diagnostics = "after the patch: " + issue.Diagnostics
		wrong.Issues = append(wrong.Issues, issue)
	}
	return wrong
}

// Read parses a stored version, which must not be a deletion.
func (s *Store) Read(v store.Version) (*fhir.Tree, error) {
	return s.Parse(v.Body.Append(nil, strconv.FormatUint(v.Number, 10), v.LastUpdated))
}
