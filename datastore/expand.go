package datastore

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/lookup"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/validate"
)

// An expansion is one attempt at a commit: what each op comes to, given what
// the store holds now.
type expansion struct {
	commit *commit
	view   store.View // open only while conditions are looked up
	steps  []step
	// params are the registries of the attempt.
	params *registries
}

// A step is one op, expanded.
type step struct {
	outcome Outcome
	// write says whether the step stores anything; op is what.
	write bool
	op    store.Op
	tree  *fhir.Tree
	// rewritten is set once tree no longer is what the client sent.
	rewritten bool
	// parts are the contents that are not in tree any more.
	parts *binary.Parts
	// keep is what is to be done before a Subscription is stored; nil for nothing.
	keep func(context.Context) error
}

// expand decides for every op which resource it is about.
func (x *expansion) expand(ctx context.Context) error {
	defer x.close()
	for i := range x.commit.ops {
		if err := x.expandOp(ctx, i); err != nil {
			return x.commit.locate(i, err)
		}
	}
	return nil
}

func (x *expansion) close() {
	if x.view != nil {
		x.view.Close()
		x.view = nil
	}
}

// at is the view that the attempt's conditions are looked up in.
func (x *expansion) at(ctx context.Context) (store.View, error) {
	if x.view == nil {
		v, err := x.commit.store.backend.View(ctx, 0)
		if err != nil {
			return nil, storeError(err)
		}
		x.view = v
	}
	return x.view, nil
}

func (x *expansion) expandOp(ctx context.Context, i int) error {
	op, st := &x.commit.ops[i], &x.steps[i]
	st.tree = op.Resource
	ifVersion, err := parseIfMatch(op)
	if err != nil {
		return err
	}
	st.write = true
	st.op = store.Op{Type: op.Type, ID: op.ID, IfVersion: ifVersion, IfAbsent: op.IfNoneMatch}
	switch op.Interaction {
	case authz.Create:
		st.op.Kind, st.op.ID = store.OpCreate, x.commit.ids[i]
		st.op.IfAbsent, st.op.Fresh = op.NewID != "", x.commit.fresh(op)
	case authz.Update, authz.Patch:
		st.op.Kind = store.OpUpdate
	case authz.Delete:
		st.op.Kind = store.OpDelete
	}
	if op.Key != "" {
		if replayed, err := x.replay(ctx, i); replayed || err != nil {
			return err
		}
	}
	switch {
	case op.Criteria != nil:
		err = x.expandConditional(ctx, i)
	case op.Interaction == authz.Patch:
		return x.patch(ctx, i)
	case op.Interaction != authz.Create:
		_, err = x.mayWriteNamed(ctx, i)
	}
	if err != nil {
		return err
	}
	return x.mustExist(ctx, i)
}

// expandConditional applies the match table of a conditional interaction.
// http://hl7.org/fhir/R4/http.html#ccreate, #cond-update, #patch and #3.1.0.7.1
func (x *expansion) expandConditional(ctx context.Context, i int) error {
	op, st := &x.commit.ops[i], &x.steps[i]
	if op.Interaction == authz.Create {
		if twin := x.twin(i); twin >= 0 {
			st.write = false
			st.outcome = Outcome{Status: http.StatusOK, Version: x.promised(twin)}
			return nil
		}
	}
	if op.Interaction == authz.Update && x.twin(i) >= 0 {
		return fhir.Errorf(fhir.KindInvalid, "another entry of the transaction updates by the same criteria %s; a transaction may write a resource only once", criteriaText(op.Criteria))
	}
	part, others, err := x.criteria(ctx, op.Type, op.Criteria)
	if err != nil {
		return err
	}
	matches, err := x.find(ctx, part)
	if err != nil {
		return err
	}
	if len(matches) > 1 {
		return fhir.Errorf(fhir.KindPrecondition, "the criteria %s match several %s resources; they must match at most one", criteriaText(op.Criteria), op.Type)
	}
	// Resources that the caller may not see count here too: another attempt
	// does no harm.
	st.op.Unchanged = []store.Condition{{Part: part, Types: others, T: x.view.T()}}
	if len(matches) == 1 && op.Interaction != authz.Create {
		if err := x.mayWriteMatch(ctx, i, &matches[0]); err != nil {
			return storeError(err)
		}
	}
	switch op.Interaction {
	case authz.Create:
		if len(matches) == 1 {
			st.write = false
			st.outcome = Outcome{Status: http.StatusOK, Version: matches[0]}
		}
	case authz.Update:
		return x.conditionalUpdate(i, matches)
	case authz.Patch:
		if len(matches) == 0 {
			return fhir.Errorf(fhir.KindNotFound, "the criteria %s match no %s; a patch needs a resource that exists", criteriaText(op.Criteria), op.Type)
		}
		st.op.ID = matches[0].ID
		return x.patchVersion(ctx, i, matches[0])
	case authz.Delete:
		x.conditionalDelete(i, matches)
	}
	return nil
}

// twin finds an earlier create or update of the same transaction, as the op is
// one, with the same criteria: both mean one resource.
func (x *expansion) twin(i int) int {
	op := &x.commit.ops[i]
	for j := range x.commit.ops[:i] {
		other := &x.commit.ops[j]
		if other.Interaction == op.Interaction && other.Type == op.Type && slices.Equal(other.Criteria, op.Criteria) {
			return j
		}
	}
	return -1
}

// promised names the resource that a step will have made or found.
func (x *expansion) promised(i int) store.Version {
	if !x.steps[i].write {
		return x.steps[i].outcome.Version
	}
	return store.Version{Type: x.steps[i].op.Type, ID: x.steps[i].op.ID, Number: 1}
}

func (x *expansion) conditionalUpdate(i int, matches []store.Version) error {
	op, st := &x.commit.ops[i], &x.steps[i]
	id := op.Resource.Root().TextOf("id")
	switch {
	case len(matches) == 1 && id != "" && id != matches[0].ID:
		return fhir.Errorf(fhir.KindInvalid, "the criteria match %s/%s but the body's id is %q; leave the id out, or make it the same", op.Type, matches[0].ID, id).At(op.Type + ".id")
	case len(matches) == 1:
		st.op.ID = matches[0].ID
		if st.op.IfVersion == 0 {
			st.op.IfVersion = matches[0].Number
		}
	case id != "" && !fhir.ValidID(id):
		return fhir.Errorf(fhir.KindInvalid, "%q is not a resource id: use 1 to 64 of A-Z, a-z, 0-9, '-' and '.'", id).At(op.Type + ".id")
	case id != "":
		return x.createNamed(i, id)
	default:
		st.op.Kind = store.OpCreate
		if x.commit.ids[i] == "" {
			x.commit.ids[i] = x.commit.idFor(op)
		}
		st.op.ID, st.op.IfAbsent, st.op.Fresh = x.commit.ids[i], op.NewID != "", x.commit.fresh(op)
	}
	return nil
}

// createNamed is a conditional update without a match and with an id in the
// body: that resource is made, unless it exists.
func (x *expansion) createNamed(i int, id string) error {
	op, st := &x.commit.ops[i], &x.steps[i]
	if !x.open(op) && !x.commit.access.ChoosesIDs(op.Type) {
		return fhir.Errorf(fhir.KindForbidden, "the criteria match nothing, and this caller does not choose the ids of resources; leave the id out").At(op.Type + ".id")
	}
	current, err := x.view.Read(context.Background(), op.Type, id)
	if err == nil && !x.open(op) {
		return notToUpdate(&Op{Type: op.Type, ID: id})
	}
	if err == nil && !current.Deleted() {
		return fhir.Errorf(fhir.KindConflict, "the criteria match nothing, but %s/%s, the body's id, exists", op.Type, id).At(op.Type + ".id")
	}
	st.op.ID, st.op.IfAbsent = id, true
	return nil
}

func (x *expansion) conditionalDelete(i int, matches []store.Version) {
	st := &x.steps[i]
	if len(matches) == 0 {
		st.write = false
		st.outcome = Outcome{Status: http.StatusNoContent}
		return
	}
	st.op.ID = matches[0].ID
	if st.op.IfVersion == 0 {
		st.op.IfVersion = matches[0].Number
	}
}

// criteria parses the search of a condition. Result parameters (_count,
// _sort, _include …) have no place in it. Hierarchies are what they are in the
// attempt's view; others are the types that they are made of.
func (x *expansion) criteria(ctx context.Context, resourceType string, pairs []search.Pair) (part search.Part, others []string, err error) {
	q, err := x.commit.store.query(ctx, x.params, x.commit.access, []string{resourceType}, pairs, search.Options{Criteria: true, Expand: true})
	if err != nil {
		return search.Part{}, nil, err
	}
	if q.Plan.Parts[0].Where == nil {
		return search.Part{}, nil, fhir.Errorf(fhir.KindPrecondition, "the condition %s has no search criteria", criteriaText(pairs))
	}
	if others = lookup.Hierarchies(q.Plan.Parts[0].Where); len(others) > 0 {
		g, err := x.guard(ctx)
		if err != nil {
			return search.Part{}, nil, err
		}
		walk := &View{guard: *g, registry: x.commit.store.Registry()}
		if q.Plan, err = lookup.Expand(q.Plan, walk.Finder(ctx)); err != nil {
			return search.Part{}, nil, err
		}
	}
	return q.Plan.Parts[0], others, nil
}

// find returns up to two matches of a condition that the caller may see, as of
// the attempt's view.
func (x *expansion) find(ctx context.Context, part search.Part) ([]store.Version, error) {
	g, err := x.guard(ctx)
	if err != nil {
		return nil, err
	}
	plan, err := g.confine(search.Plan{Parts: []search.Part{part}})
	if err != nil {
		return nil, err
	}
	r, err := g.view.Search(ctx, plan.plan, store.Page{Limit: 2})
	if err != nil {
		return nil, storeError(err)
	}
	var matches []store.Version
	for v, err := range r.Matches {
		if err != nil {
			return nil, storeError(err)
		}
		matches = append(matches, v)
	}
	return matches, nil
}

func criteriaText(pairs []search.Pair) string {
	text := ""
	for i, p := range pairs {
		if i > 0 {
			text += "&"
		}
		text += p.Name + "=" + p.Value
	}
	return `"` + text + `"`
}

// prepare validates every resource to be written and makes its body and
// entries, several at a time.
func (x *expansion) prepare(ctx context.Context) error {
	if len(x.steps) == 1 {
		return x.commit.locate(0, x.prepareStep(ctx, 0))
	}
	errs := make([]error, len(x.steps))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	const run = 32
	for from := 0; from < len(x.steps); from += run {
		group.Go(func() error {
			for i := from; i < min(from+run, len(x.steps)); i++ {
				errs[i] = x.prepareSafely(ctx, i)
			}
			return nil
		})
	}
	_ = group.Wait() // the functions return no error: errs has them
	for i, err := range errs {
		if err != nil {
			return x.commit.locate(i, err)
		}
	}
	return nil
}

// prepareSafely keeps a panic over one resource from ending the server: on a
// goroutine of its own nobody else would catch it.
func (x *expansion) prepareSafely(ctx context.Context, i int) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("datastore: preparing %s: panic: %v\n%s", x.commit.ops[i].Type, p, debug.Stack())
		}
	}()
	return x.prepareStep(ctx, i)
}

func (x *expansion) prepareStep(ctx context.Context, i int) error {
	st := &x.steps[i]
	if !st.write || st.op.Kind == store.OpDelete {
		return nil
	}
	s := x.commit.store
	issues := s.validate(st.tree, x.commit.ops[i].Level)
	if st.rewritten {
		for j := range issues {
			issues[j].Line, issues[j].Column = 0, 0 // of a text that nobody has seen
		}
	}
	if x.commit.ops[i].Level == validate.Minimal {
		warnOnly(issues)
	}
	if slices.ContainsFunc(issues, isError) {
		return &fhir.Error{Kind: fhir.KindUnprocessable, Issues: issues}
	}
	st.outcome.Issues = issues
	var err error
	if st.tree, st.parts, err = s.contents.Part(ctx, st.tree, st.op.ID, x.commit.ops[i].Contents); err != nil {
		return err
	}
	st.op.Body = fhir.NewBody(st.tree.Root(), st.op.ID)
	st.op.Entries, err = x.params.extract(st.tree, st.op.ID, s.base)
	return err
}

// warnOnly makes every issue a warning.
func warnOnly(issues []fhir.Issue) {
	for i := range issues {
		issues[i].Severity = fhir.SeverityWarning
	}
}

func isError(issue fhir.Issue) bool {
	return issue.Severity == fhir.SeverityError || issue.Severity == fhir.SeverityFatal
}
