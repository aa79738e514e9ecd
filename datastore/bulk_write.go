package datastore

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/validate"
)

// BulkOptions say how resources are taken in bulk.
type BulkOptions struct {
	// Level says how strictly resources are validated.
	Level validate.Level
	// Type, where not "", is the type that resources must have.
	Type string
	// AssignIDs gives a resource without an id a new one. Otherwise it is
	// refused.
	AssignIDs bool
}

// A BulkOutcome is what one resource of bulk input came to.
type BulkOutcome struct {
	// Type and ID name the resource; Type is "" where it could not be read.
	Type, ID string
	// Result says what was done.
	Result BulkResult
	// Number and T are those of the version that is current now; 0 where the
	// resource was refused.
	Number uint64
	T      store.T
	// Err says why a resource was refused: a *fhir.Error with the issues.
	Err error
	// Warnings are issues of validation that are no reason to refuse.
	Warnings []fhir.Issue
}

// A BulkResult is what was done with one resource of bulk input.
type BulkResult uint8

// The results.
const (
	BulkRefused   BulkResult = iota // not stored, and Err says why
	BulkCreated                     // the resource was not there before
	BulkUpdated                     // it has a new version
	BulkUnchanged                   // it was there with the same content
)

// A BulkWriter takes resources as they stand in NDJSON, each by itself: what is
// wrong with one does not keep out the others. Each is an update by its id
// (PUT), so that the same input can come twice: what is there already is not
// written again.
//
// It is safe for concurrent use, which is what makes it quick: the calls of
// several goroutines, four for each processor with about 1 MB of input each,
// come to groups that share one sorted write, and while some wait for the disk
// others are prepared. What is on its way takes about four times the input's
// bytes in memory. Calls with fewer than 128 resources go through the log, as
// commits do.
type BulkWriter struct {
	store  *Store
	access authz.Access
	opt    BulkOptions
}

// BulkWriter returns a writer for one caller.
func (s *Store) BulkWriter(access authz.Access, opt BulkOptions) *BulkWriter {
	return &BulkWriter{store: s, access: access, opt: opt}
}

// Write stores resources, each of which is one resource in JSON, and returns
// an outcome for each, in their order. When it returns, what the outcomes say
// is durable and can be searched for; so a caller that notes afterwards how
// far its input is done can go on from there after a crash, and what it had
// not noted yet comes out as BulkUnchanged.
//
// Two resources of one call with one id are stored in their order. Between
// calls that run at the same time there is no order.
//
// The error is of the call as a whole: the data store is closing, its disk is
// full or broken, or ctx is done. What became of the resources is not known
// then, and the call is to be made again. The texts may be used again once
// Write has returned.
//
// A caller who may update every resource of a type is quick. For others, and
// for SearchParameters, each resource is a commit of its own, and makes a
// version also where nothing changes.
func (w *BulkWriter) Write(ctx context.Context, resources [][]byte) ([]BulkOutcome, error) {
	access, err := w.store.bound(ctx, w.access)
	if err != nil {
		return nil, err
	}
	bound := &BulkWriter{store: w.store, access: access, opt: w.opt}
	b := &bulkBatch{BulkWriter: bound, outcomes: make([]BulkOutcome, len(resources)), places: make([]int, 0, len(resources))}
	size := 0
	for i := range resources {
		size += len(resources[i])
	}
	b.Batch = store.NewBatch(len(resources), size)
	defer b.Release()
	if err := b.store(ctx, resources); err != nil {
		return nil, storeError(err)
	}
	for _, i := range b.alone {
		if err := b.commit(ctx, i, resources[i]); err != nil {
			return nil, err
		}
	}
	return b.outcomes, nil
}

// A bulkBatch is one call of Write.
type bulkBatch struct {
	*BulkWriter
	// Batch has what is stored together, places where it stands in the input.
	*store.Batch
	places   []int
	outcomes []BulkOutcome
	// parts are the contents that are not in the resources any more.
	parts []*binary.Parts
	// alone are the places of what is committed one by one, behind ops.
	alone []int
}

// store prepares the resources, and stores those that need nothing else.
func (b *bulkBatch) store(ctx context.Context, resources [][]byte) error {
	s := b.BulkWriter.store
	s.params.epoch.RLock()
	defer s.params.epoch.RUnlock()
	params := s.params.now.Load()
	for i, resource := range resources {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := b.prepareSafely(ctx, params, i, resource); err != nil {
			b.refuse(i, err)
		}
	}
	b.separate()
	return b.load(ctx)
}

func (b *bulkBatch) refuse(i int, err error) {
	o := &b.outcomes[i]
	o.Result, o.Err, o.Warnings = BulkRefused, err, nil
}

// prepareSafely keeps a panic over one resource to that resource.
func (b *bulkBatch) prepareSafely(ctx context.Context, params *registries, i int, resource []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("datastore: preparing a resource in bulk: panic: %v\n%s", p, debug.Stack())
		}
	}()
	return b.prepare(ctx, params, i, resource)
}

// prepare makes the op of one resource.
func (b *bulkBatch) prepare(ctx context.Context, params *registries, i int, resource []byte) error {
	s, o := b.BulkWriter.store, &b.outcomes[i]
	tree, err := b.Parse(s.Definitions().Schema, resource)
	if err != nil {
		return err
	}
	root := tree.Root()
	o.Type, o.ID = root.Type().Name, root.TextOf("id")
	if b.opt.Type != "" && o.Type != b.opt.Type {
		return fhir.Errorf(fhir.KindInvalid, "this is a %s where only %s resources are expected", o.Type, b.opt.Type)
	}
	kind, err := b.name(o)
	if err != nil {
		return err
	}
	g := guard{access: b.access}
	if o.Type == searchParameter || o.Type == subscriptionType || !g.open(kind, o.Type) {
		b.alone = append(b.alone, i)
		return nil
	}
	issues := s.validate(tree, b.opt.Level)
	if b.opt.Level == validate.Minimal {
		warnOnly(issues)
	}
	if slices.ContainsFunc(issues, isError) {
		return &fhir.Error{Kind: fhir.KindUnprocessable, Issues: issues}
	}
	o.Warnings = issues
	tree, parts, err := s.contents.Part(ctx, tree, o.ID, nil)
	if err != nil {
		return err
	}
	op := store.Op{Kind: store.OpUpdate, Type: o.Type, ID: o.ID, Body: b.Body(tree.Root(), o.ID)}
	if op.Entries, err = params.extractTo(&b.Entries, tree, o.ID, s.base); err != nil {
		return err
	}
	b.Ops, b.places = append(b.Ops, op), append(b.places, i)
	if parts != nil {
		b.parts = append(b.parts, parts)
	}
	return nil
}

// name checks or makes the id of a resource, and says whether it is created or
// updated.
func (b *bulkBatch) name(o *BulkOutcome) (authz.Interaction, error) {
	switch {
	case o.ID == "" && b.opt.AssignIDs:
		o.ID = b.BulkWriter.store.newID()
		return authz.Create, nil
	case o.ID == "":
		return "", fhir.Errorf(fhir.KindInvalid, "the resource has no id; in bulk each resource needs one").At(o.Type + ".id")
	case !fhir.ValidID(o.ID):
		return "", fhir.Errorf(fhir.KindInvalid, "%q is not a resource id: use 1 to 64 of A-Z, a-z, 0-9, '-' and '.'", o.ID).At(o.Type + ".id")
	}
	return authz.Update, nil
}

// separate takes ops on a resource that an earlier op is on too out of what is
// stored together.
func (b *bulkBatch) separate() {
	type name struct{ resourceType, id string }
	seen := make(map[name]bool, len(b.Ops))
	kept := 0
	for n, op := range b.Ops {
		id := name{op.Type, op.ID}
		if seen[id] {
			b.alone = append(b.alone, b.places[n])
			continue
		}
		seen[id] = true
		b.Ops[kept], b.places[kept] = op, b.places[n]
		kept++
	}
	b.Ops, b.places = b.Ops[:kept], b.places[:kept]
	slices.Sort(b.alone)
}

// load stores the ops.
func (b *bulkBatch) load(ctx context.Context) error {
	if len(b.Ops) == 0 {
		return nil
	}
	backend := b.BulkWriter.store.backend
	view, err := backend.View(ctx, 0)
	if err != nil {
		return err
	}
	before := view.T()
	view.Close()
	kept, err := b.keepContents(ctx)
	if err != nil {
		return err
	}
	versions, err := backend.Load(ctx, b.Ops)
	kept.Done(ctx, endingOf(err))
	if err != nil {
		return err
	}
	for n := range versions {
		b.outcomes[b.places[n]].stored(&versions[n], before)
	}
	return nil
}

// stored notes the version that a resource has now. One of a T that was there
// before was not written.
func (o *BulkOutcome) stored(v *store.Version, before store.T) {
	o.Number, o.T = v.Number, v.T
	switch {
	case v.T <= before:
		o.Result = BulkUnchanged
	case v.Created:
		o.Result = BulkCreated
	default:
		o.Result = BulkUpdated
	}
}

// commit carries out the op of one resource by itself.
func (b *bulkBatch) commit(ctx context.Context, i int, resource []byte) error {
	s, o := b.BulkWriter.store, &b.outcomes[i]
	tree, err := s.Parse(resource)
	if err != nil {
		return err
	}
	op := Op{Interaction: authz.Update, Type: o.Type, ID: o.ID, Resource: tree, Level: b.opt.Level}
	if tree.Root().TextOf("id") == "" {
		op.Interaction, op.ID, op.NewID = authz.Create, "", o.ID
	}
	outcomes, err := s.Commit(ctx, b.access, []Op{op}, nil)
	var refused *fhir.Error
	switch {
	case errors.As(err, &refused) && refused.Kind != fhir.KindUnavailable:
		b.refuse(i, err)
		return nil
	case err != nil:
		return err
	}
	o.Warnings = outcomes[0].Issues
	o.stored(&outcomes[0].Version, 0)
	return nil
}
