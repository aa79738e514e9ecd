package datastore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/validate"
)

// An Op is one write that a caller asks for.
type Op struct {
	// Interaction is authz.Create, authz.Update, authz.Patch or authz.Delete.
	Interaction authz.Interaction
	Type        string
	// ID is the id of the request's URL; "" for create and for conditional
	// interactions.
	ID string
	// Criteria are the search of a conditional interaction: If-None-Exist for
	// create, the URL's query for update, patch and delete. Nil where unconditional;
	// empty and not nil where conditional without criteria, which is refused.
	Criteria []search.Pair
	// IfMatch is the version number of If-Match, "" for none, or AnyVersion.
	IfMatch string
	// IfNoneMatch is set for If-None-Match: *.
	IfNoneMatch bool
	// Resource is the submitted resource; nil for patch and delete.
	Resource *fhir.Tree
	// Patch makes the new resource, as JSON, of a patch from the current one,
	// which has its id and version in it; nil where nothing is to change. It
	// may be called several times.
	Patch func(current *fhir.Tree) ([]byte, error)
	// Key, where not "", makes a create idempotent: one with a key that was
	// used before stores nothing and comes to what the first one came to. The
	// same key with another resource is an error.
	Key string
	// NewID, where not "", is the id of the resource that the op makes, where it
	// makes one under an id of the server's choice. It must never have been
	// used. By it a caller can tell, after a crash too, whether the op was
	// carried out.
	NewID string
	// Contents are what was uploaded for Resource, which has their Texts; they
	// belong to the resource once it is committed, and the caller discards them in
	// any case.
	Contents []*binary.Upload
	// FullURL is the Bundle entry's, "" outside a transaction.
	FullURL string
	// Level says how strictly Resource is validated.
	Level validate.Level
}

// An Outcome is what one Op came to.
type Outcome struct {
	// Status is the HTTP status: 200, 201, 204.
	Status int
	// Version is the version that is current now. For a delete of something
	// that is not there it has no Type.
	Version store.Version
	// Issues are warnings of validation.
	Issues []fhir.Issue
}

// maxAttempts bounds how often a commit is expanded anew because other writers
// changed what its conditions found. After freeAttempts, those that go on
// retrying wait for one another.
const (
	maxAttempts  = 16
	freeAttempts = 2
)

// Commit carries out the ops of one interaction or one transaction, all or
// nothing. entries is nil for a single interaction. For a transaction it holds
// each op's place in the Bundle: references by FullURL and conditional
// references are resolved, and an error's issues are located by
// "Bundle.entry[i]".
func (s *Store) Commit(ctx context.Context, access authz.Access, ops []Op, entries []int) ([]Outcome, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	access, err := s.bound(ctx, access)
	if err != nil {
		return nil, err
	}
	c := &commit{store: s, access: access, ops: ops, entries: entries, ids: make([]string, len(ops))}
	defer func() { c.kept.Done(ctx, c.ending) }()
	for i := range ops {
		if err := c.check(i); err != nil {
			return nil, c.locate(i, err)
		}
	}
	if c.defines() {
		s.params.defining.Lock()
		defer s.params.defining.Unlock()
	}
	if c.subscribes() {
		s.subscribing.Lock()
		defer s.subscribing.Unlock()
	}
	for n := range maxAttempts {
		if n == freeAttempts {
			s.contended.Lock()
			defer s.contended.Unlock()
		}
		outcomes, err := c.attempt(apart(ctx))
		if err == nil || !errors.Is(err, errRetry) {
			s.wholeOutcomes(ctx, outcomes)
			return outcomes, err
		}
	}
	return nil, fhir.Errorf(fhir.KindConflict, "other writers kept changing the resources that this request depends on; try again")
}

// errRetry asks for another attempt.
var errRetry = errors.New("datastore: conditions changed")

// commit is one call of Commit.
type commit struct {
	store   *Store
	access  authz.Access
	ops     []Op
	entries []int
	// ids are the ids of created resources, the same in every attempt.
	ids []string
	// kept are the contents of what is committed; ending is what became of it.
	kept   *binary.Kept
	ending binary.Ending
}

// transaction reports whether references between entries are to be resolved.
func (c *commit) transaction() bool { return c.entries != nil }

// locate puts an error of an op at its Bundle entry.
func (c *commit) locate(i int, err error) error {
	var e *fhir.Error
	if !c.transaction() || !errors.As(err, &e) {
		return err
	}
	at := fmt.Sprintf("Bundle.entry[%d]", c.entries[i])
	located := &fhir.Error{Kind: e.Kind, Headers: e.Headers, Cause: e.Cause, Issues: make([]fhir.Issue, len(e.Issues))}
	for j, issue := range e.Issues {
		switch {
		case strings.HasPrefix(issue.Expression, "Bundle.entry["):
		case strings.HasPrefix(issue.Expression, c.ops[i].Type+"."):
			issue.Expression = at + ".resource" + issue.Expression[len(c.ops[i].Type):]
		case issue.Expression == c.ops[i].Type && issue.Expression != "":
			issue.Expression = at + ".resource"
		default:
			issue.Expression = at
		}
		located.Issues[j] = issue
	}
	return located
}

// check refuses what cannot be done whatever the store holds.
func (c *commit) check(i int) error {
	op := &c.ops[i]
	for _, interaction := range op.needs() {
		if err := c.access.Check(interaction, op.Type); err != nil {
			return err
		}
	}
	if op.Resource != nil {
		if got := op.Resource.Root().Type().Name; got != op.Type {
			return fhir.Errorf(fhir.KindInvalid, "the body is a %s where the URL asks for a %s", got, op.Type)
		}
	}
	if op.Criteria != nil && len(op.Criteria) == 0 {
		return fhir.Errorf(fhir.KindPrecondition, "a conditional %s needs search criteria", op.Interaction)
	}
	switch op.Interaction {
	case authz.Create:
		if c.ids[i] = c.idFor(op); op.Key != "" {
			c.ids[i] = c.store.keyedID(c.access.Identity(), op.Type, op.Key)
		}
	case authz.Update:
		return checkUpdateID(op)
	}
	return nil
}

// idFor is the id of a resource that an op may make.
func (c *commit) idFor(op *Op) string {
	if op.NewID != "" {
		return op.NewID
	}
	return c.store.newID()
}

// fresh reports whether idFor makes an id that no resource has or had.
func (c *commit) fresh(op *Op) bool { return c.store.randomIDs && op.NewID == "" && op.Key == "" }

func checkUpdateID(op *Op) error {
	if op.Criteria != nil {
		return nil
	}
	if !fhir.ValidID(op.ID) {
		return fhir.Errorf(fhir.KindInvalid, "%q is not a resource id: use 1 to 64 of A-Z, a-z, 0-9, '-' and '.'", op.ID)
	}
	switch id := op.Resource.Root().TextOf("id"); id {
	case op.ID:
		return nil
	case "":
		return fhir.Errorf(fhir.KindInvalid, "the body has no id; an update needs the id of the URL, %q, in it", op.ID).At(op.Type + ".id")
	default:
		return fhir.Errorf(fhir.KindInvalid, "the body's id %q is not the URL's %q", id, op.ID).At(op.Type + ".id")
	}
}

// defines reports whether an op is on a SearchParameter.
func (c *commit) defines() bool {
	return slices.ContainsFunc(c.ops, func(op Op) bool { return op.Type == searchParameter })
}

// attempt expands the ops at a view of now, and commits.
func (c *commit) attempt(ctx context.Context) ([]Outcome, error) {
	outcomes, changes, err := c.attemptStored(ctx)
	if err != nil || len(changes) == 0 {
		return outcomes, err
	}
	versions := make([]store.Version, len(changes))
	for i, change := range changes {
		versions[i] = outcomes[change.op].Version
	}
	c.store.params.apply(ctx, changes, versions)
	return outcomes, nil
}

// attemptStored is an attempt until it is stored. The search parameters do not
// change meanwhile.
func (c *commit) attemptStored(ctx context.Context) ([]Outcome, []change, error) {
	c.store.params.epoch.RLock()
	defer c.store.params.epoch.RUnlock()
	x := &expansion{commit: c, steps: make([]step, len(c.ops)), params: c.store.params.now.Load()}
	changes, err := x.make(ctx)
	if err != nil {
		return nil, nil, err
	}
	outcomes, err := x.commitSteps(ctx)
	return outcomes, changes, err
}

// make makes everything that is to be stored.
func (x *expansion) make(ctx context.Context) ([]change, error) {
	if err := x.expand(ctx); err != nil {
		return nil, err
	}
	if err := x.resolve(ctx); err != nil {
		return nil, err
	}
	if err := x.admit(ctx); err != nil {
		return nil, err
	}
	if err := x.prepare(ctx); err != nil {
		return nil, err
	}
	if err := x.mayStore(ctx); err != nil {
		return nil, err
	}
	if err := x.keepAdmitted(ctx); err != nil {
		return nil, err
	}
	return x.changes()
}

// commitSteps hands the steps that write to the backend.
func (x *expansion) commitSteps(ctx context.Context) ([]Outcome, error) {
	var writes []store.Op
	var places []int
	for i := range x.steps {
		if x.steps[i].write {
			writes = append(writes, x.steps[i].op)
			places = append(places, i)
		}
	}
	if err := x.keepContents(ctx); err != nil {
		return nil, err
	}
	versions, err := x.commit.store.backend.Commit(ctx, writes)
	x.commit.ending = endingOf(err)
	if err != nil {
		return nil, x.refused(places, err)
	}
	for j, i := range places {
		x.steps[i].outcome.Version = versions[j]
		x.steps[i].outcome.Status = statusOf(x.steps[i].op.Kind, &versions[j])
	}
	outcomes := make([]Outcome, len(x.steps))
	for i := range x.steps {
		outcomes[i] = x.steps[i].outcome
	}
	return outcomes, nil
}

func statusOf(kind store.OpKind, v *store.Version) int {
	switch {
	case kind == store.OpDelete:
		return http.StatusNoContent
	case v.Created:
		return http.StatusCreated
	}
	return http.StatusOK
}

// refused turns a failed precondition into the caller's error, or into
// errRetry where the precondition was not the caller's own.
func (x *expansion) refused(places []int, err error) error {
	var failed *store.OpError
	if !errors.As(err, &failed) {
		return storeError(err)
	}
	i := places[failed.Index]
	op := &x.commit.ops[i]
	switch {
	case errors.Is(err, store.ErrDuplicate):
		return x.commit.locate(i, fhir.Errorf(fhir.KindInvalid, "a transaction may write %s/%s only once", x.steps[i].op.Type, x.steps[i].op.ID))
	case errors.Is(err, store.ErrVersion) && op.IfMatch != "" && op.IfMatch != AnyVersion:
		return x.commit.locate(i, versionMismatch(op, x.steps[i].op.ID))
	case errors.Is(err, store.ErrExists) && op.NewID != "" && x.steps[i].op.ID == op.NewID:
		return x.commit.locate(i, fhir.Errorf(fhir.KindConflict, "%s/%s was made already: this request was carried out before", op.Type, op.NewID))
	case errors.Is(err, store.ErrExists) && op.IfNoneMatch:
		return x.commit.locate(i, fhir.Errorf(fhir.KindPrecondition, "%s/%s exists, and If-None-Match: * asks that it does not", op.Type, x.steps[i].op.ID))
	}
	return errRetry
}

// versionMismatch is the error where op.IfMatch is not the version of a
// resource. id is "" where criteria name the resource, and were not looked up.
func versionMismatch(op *Op, id string) error {
	if op.IfMatch == AnyVersion {
		return fhir.Errorf(fhir.KindPrecondition, "there is no %s, and If-Match: * asks that it exists", strings.TrimSuffix(op.Type+"/"+id, "/"))
	}
	if id == "" {
		return fhir.Errorf(fhir.KindPrecondition, "no version of any %s is %q, which If-Match asks for; versions are numbers from 1", op.Type, op.IfMatch)
	}
	return fhir.Errorf(fhir.KindPrecondition, "the current version of %s/%s is not %q, which If-Match asks for; read it again", op.Type, id, op.IfMatch)
}

// AnyVersion is If-Match: *, which asks that the resource exists.
// https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1
const AnyVersion = "*"

// mustExist is the precondition AnyVersion of an update or a delete. A patch is
// of what exists anyway.
func (x *expansion) mustExist(ctx context.Context, i int) error {
	op, st := &x.commit.ops[i], &x.steps[i]
	if op.IfMatch != AnyVersion || op.Interaction == authz.Patch {
		return nil
	}
	if op.Criteria != nil && (!st.write || st.op.Kind == store.OpCreate) {
		return fhir.Errorf(fhir.KindPrecondition, "the criteria %s match no %s, and If-Match: * asks that it exists", criteriaText(op.Criteria), op.Type)
	}
	view, err := x.at(ctx)
	if err != nil {
		return err
	}
	current, err := view.Read(ctx, op.Type, st.op.ID)
	if errors.Is(err, store.ErrNotFound) || err == nil && current.Deleted() {
		return versionMismatch(op, st.op.ID)
	}
	if err == nil && st.op.IfVersion == 0 {
		st.op.IfVersion = current.Number
	}
	return storeError(err)
}

// parseIfMatch is the version number of op.IfMatch.
func parseIfMatch(op *Op) (uint64, error) {
	if op.IfMatch == "" || op.IfMatch == AnyVersion {
		return 0, nil
	}
	n, ok := versionNumber(op.IfMatch)
	if !ok {
		return 0, versionMismatch(op, op.ID)
	}
	return n, nil
}
