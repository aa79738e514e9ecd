package datastore

import (
	"context"
	"errors"
	"net/http"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A write needs the caller's right to the resource as it is stored and as it
// is submitted: by the first alone a resource could be moved to somebody else,
// by the second alone somebody else's could be taken over. What was looked at
// is a precondition of the write.
//
// A caller that may not write every resource of a type does not choose ids,
// unless the policy lets it: to tell it that an id is free would tell it which
// are not.

// needs are the interactions that an op takes the right to: a patch tells what
// it meets. Criteria are a search, and checked as one; see expansion.find.
func (op *Op) needs() []authz.Interaction {
	all := []authz.Interaction{op.Interaction}
	if op.Interaction == authz.Patch {
		all = append(all, authz.Read)
	}
	return all
}

// guard is that of the attempt's conditions.
func (x *expansion) guard(ctx context.Context) (*guard, error) {
	view, err := x.at(ctx)
	return &guard{store: x.commit.store, access: x.commit.access, view: view}, err
}

// open reports whether the caller may do what an op asks for to every resource
// of the type.
func (x *expansion) open(op *Op) bool {
	g := guard{access: x.commit.access}
	return g.open(op.Interaction, op.Type) && (op.Interaction != authz.Patch || g.open(authz.Read, op.Type))
}

// mayWriteNamed checks the stored resource of an update or a delete by id. It is
// false, without an error, where there is nothing to do.
func (x *expansion) mayWriteNamed(ctx context.Context, i int) (bool, error) {
	op, st := &x.commit.ops[i], &x.steps[i]
	if x.open(op) {
		return true, nil
	}
	g, err := x.guard(ctx)
	if err != nil {
		return false, err
	}
	current, err := g.view.Read(ctx, op.Type, op.ID)
	seen := false
	if err == nil {
		seen, err = x.mayWrite(ctx, i, &current)
	}
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return false, storeError(err)
	case seen:
		return true, nil
	case op.Interaction == authz.Update && errors.Is(err, store.ErrNotFound) && x.commit.access.ChoosesIDs(op.Type):
		st.op.IfAbsent = true
		return true, nil
	case op.Interaction == authz.Update:
		return false, notToUpdate(op)
	case op.IfMatch != "":
		return false, versionMismatch(op, st.op.ID)
	}
	st.write = false
	st.outcome = Outcome{Status: http.StatusNoContent}
	return false, nil
}

// mayWrite checks a stored version that an op is to change. It is false where
// the caller may not know of it, and an error where it may, but may not do this
// to it. From then on the version must still be the current one.
func (x *expansion) mayWrite(ctx context.Context, i int, v *store.Version) (seen bool, err error) {
	op, st := &x.commit.ops[i], &x.steps[i]
	if x.open(op) {
		return true, nil
	}
	g, err := x.guard(ctx)
	if err != nil {
		return false, err
	}
	readable, err := g.shows(ctx, authz.Read, v)
	if err != nil {
		return false, err
	}
	allowed, err := g.shows(ctx, op.Interaction, v)
	switch {
	case err != nil:
		return false, err
	case op.Interaction == authz.Patch && !readable:
		return false, nil
	case !allowed && !readable:
		return false, nil
	case !allowed:
		return true, refusal(op.Interaction, v.Type+"/"+v.ID)
	case st.op.IfVersion != 0 && st.op.IfVersion != v.Number:
		return true, versionMismatch(op, v.ID)
	}
	st.op.IfVersion = v.Number
	return true, nil
}

// mayWriteMatch is mayWrite for a match of the op's criteria, which the caller
// knows of.
func (x *expansion) mayWriteMatch(ctx context.Context, i int, v *store.Version) error {
	seen, err := x.mayWrite(ctx, i, v)
	if err == nil && !seen {
		return refusal(x.commit.ops[i].Interaction, v.Type+"/"+v.ID)
	}
	return err
}

// maxPasses is how often the entries of a transaction are looked at again, as
// others turn out to be allowed: how long a chain of rights may be in one.
const maxPasses = 5

// mayStore checks what is to be stored, as it will be. In a transaction the right
// to an entry may come from another one, such as the patient that it makes. So
// entries are allowed one after the other: each by the storage as it is with
// those in it that are allowed already, and no entry by itself.
func (x *expansion) mayStore(ctx context.Context) error {
	defer x.close()
	left := x.undecided()
	if len(left) == 0 {
		return nil
	}
	g, err := x.guard(ctx)
	if err != nil {
		return err
	}
	if len(x.steps) > 1 {
		g.after = x.changed(left)
	}
	for range maxPasses {
		refused, err := x.pass(ctx, g, left)
		if err != nil {
			return storeError(err)
		}
		if len(refused) == 0 {
			return nil
		}
		if len(refused) == len(left) || len(x.steps) == 1 {
			left = refused
			break
		}
		left = refused
	}
	return x.commit.locate(left[0], notToStore(&x.commit.ops[left[0]], len(x.steps) > 1))
}

// undecided are the steps that store something which is not allowed whatever it
// is.
func (x *expansion) undecided() (left []int) {
	for i := range x.steps {
		if st := &x.steps[i]; st.write && st.op.Kind != store.OpDelete && !x.open(&x.commit.ops[i]) {
			left = append(left, i)
		}
	}
	return left
}

// pass tries the steps that are left, and makes those that are allowed part of
// the guard's state. It returns the others.
func (x *expansion) pass(ctx context.Context, g *guard, left []int) (refused []int, err error) {
	for _, i := range left {
		c := x.candidate(i)
		allowed, err := g.allows(ctx, x.commit.ops[i].Interaction, c)
		switch {
		case err != nil:
			return nil, err
		case !allowed:
			refused = append(refused, i)
		case g.after != nil:
			g.after[search.Reference{Type: c.Type, ID: c.ID}] = c
		}
	}
	return refused, nil
}

// candidate is what a step stores.
func (x *expansion) candidate(i int) *search.Candidate {
	st := &x.steps[i]
	return &search.Candidate{Type: st.op.Type, ID: st.op.ID, LastUpdated: x.commit.store.now(), Entries: st.op.Entries, Tree: st.tree}
}

// notToUpdate is the error of an update by id of what the caller may not see, and
// of what does not exist: to tell them apart would tell which ids are taken.
func notToUpdate(op *Op) error {
	return fhir.Errorf(fhir.KindForbidden, "%s/%s is not among the resources that this caller may update, and the caller does not choose the ids of new ones; to make one, POST it", op.Type, op.ID).
		With("WWW-Authenticate", `Bearer error="insufficient_scope"`)
}

// notToStore is the error of what the caller may not write as it is; together is
// set where it is an entry of a transaction.
func notToStore(op *Op, together bool) error {
	more := ""
	if together {
		more = ", neither as the data store is nor with those other entries of the transaction that it may write. No entry gives a right to itself: what gives the right to this one (the patient that it is about, who treats them) must be there already, or be another entry to which the caller has a right without this one"
	}
	return fhir.Errorf(fhir.KindForbidden, "this caller may not %s this %s: it is not among the resources that the caller may write%s", op.Interaction, op.Type, more).
		With("WWW-Authenticate", `Bearer error="insufficient_scope"`)
}
