package subscription

import (
	"context"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A change is one version, as it is matched against many lines: what it takes to
// do so is made once.
type change struct {
	*batch
	version *store.Version
	// after and before are the version and the one before it, nil where they have
	// no content; made and looked are set once they are known.
	after, before *search.Candidate
	made, looked  bool
}

// first reports whether there was nothing before the version.
func (x *change) first() bool { return x.version.Created || x.version.Number < 2 }

// op is what made the version.
func (x *change) op() string {
	switch {
	case x.version.Deleted():
		return "delete"
	case x.first():
		return "create"
	}
	return "update"
}

// content is the number of the version that has what the change is about: of a
// deletion the one before.
func (x *change) content() uint64 {
	if x.version.Deleted() {
		return x.version.Number - 1
	}
	return x.version.Number
}

// meets reports whether the change is wanted.
func (x *change) meets(ctx context.Context, w *wants) (bool, error) {
	if !x.made && !x.version.Deleted() {
		var err error
		if x.after, err = x.ds.Candidate(*x.version); err != nil {
			return false, err
		}
		x.made = true
	}
	if x.version.Deleted() || w.past() {
		if err := x.look(ctx); err != nil {
			return false, err
		}
	}
	if x.version.Deleted() && x.before == nil {
		return false, nil // what was deleted is erased
	}
	return w.match(x.version.Type, step{op: x.op(), before: x.before, after: x.after}), nil
}

// look reads the version before.
func (x *change) look(ctx context.Context) error {
	if x.looked || x.first() && !x.version.Deleted() {
		return nil
	}
	view, err := x.ds.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		return err
	}
	defer view.Close()
	v, err := view.VRead(ctx, x.version.Type, x.version.ID, versionID(x.version.Number-1))
	if unseen(err) {
		x.looked = true
		return nil
	}
	if err != nil {
		return err
	}
	x.before, err = x.ds.Candidate(v)
	x.looked = err == nil
	return err
}
