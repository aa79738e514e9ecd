package bulk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/binary"
	"github.com/tarnhealth/tarn/blob"
	"github.com/tarnhealth/tarn/bulk/glance"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/job"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// An exporter is one attempt at an export job.
type exporter struct {
	*Service
	lease *job.Lease
	spec  Export
	store *datastore.Store
	by    authz.Access
	view  *datastore.View
	plan  *exportPlan
	place blob.Place
	state exportState
	// done counts the resources that are written.
	done atomic.Int64
	// refs are what was referred to, of plan.referred; written are resources of
	// those types that are out already.
	refs, written map[string]bool
	// targets are the resources that were written, where their Provenances are
	// asked for.
	targets map[string]bool
	buf     []byte
	subset  []byte
	// fill puts large contents into what is written.
	fill binary.Filler
}

// runExport does an export job, or begins it anew at the same logical time.
func (s *Service) runExport(ctx context.Context, l *job.Lease) (any, error) {
	x := &exporter{Service: s, lease: l, refs: map[string]bool{}, written: map[string]bool{}}
	err := x.open(ctx)
	defer x.close()
	if err == nil {
		err = x.work(x.filling(ctx))
	}
	if stopped := ended(ctx); stopped != nil && !errors.Is(stopped, job.ErrCancelled) {
		return nil, stopped
	}
	return nil, x.end(ctx, err)
}

// filling is a context whose reads leave large contents to fill, where files are
// text.
func (x *exporter) filling(ctx context.Context) context.Context {
	if x.spec.Format == FormatParquet {
		return ctx
	}
	return binary.With(ctx, &x.fill)
}

func (x *exporter) open(ctx context.Context) error {
	j := x.lease.Job()
	if err := json.Unmarshal(j.Input, &x.spec); err != nil {
		return err
	}
	if j.Checkpoint != nil {
		if err := json.Unmarshal(j.Checkpoint, &x.state); err != nil {
			return err
		}
	}
	if x.state.Starts++; x.state.Starts > maxStarts {
		return fhir.Errorf(fhir.KindUnprocessable, "given up: the server stopped %d times at this place", maxStarts)
	}
	var err error
	if x.store, err = x.Service.store(x.spec.Store, j.Scope); err != nil {
		return err
	}
	if x.by, err = x.access(ctx, x.store, x.spec.By, x.spec.Grant); err != nil {
		return err
	}
	if err := x.openView(ctx); err != nil {
		return err
	}
	if x.plan, err = x.planExport(ctx, x.store, x.view, x.by, &x.spec); err != nil {
		return err
	}
	if err := x.openPlace(ctx); err != nil {
		return err
	}
	return x.begin(ctx)
}

// openView opens the data store as of the job's time, or decides it.
func (x *exporter) openView(ctx context.Context) (err error) {
	if x.view, err = x.store.View(ctx, x.by, store.T(x.state.T)); err != nil && fhir.KindOf(err) == fhir.KindGone {
		// Too long ago: nobody has seen anything of it yet.
		x.state.T = 0
		x.view, err = x.store.View(ctx, x.by, 0)
	}
	if err != nil {
		return err
	}
	if x.state.T != 0 {
		return nil
	}
	x.state = exportState{T: uint64(x.view.T()), Starts: x.state.Starts}
	x.state.Time, err = x.newest(ctx)
	return err
}

func (x *exporter) openPlace(ctx context.Context) error {
	folder := exportFolder(x.spec.Store, x.lease.Job().ID) + "/"
	if x.spec.Output == "" {
		x.place = blob.Place{Bucket: x.opt.Files, Prefix: folder}
		return nil
	}
	place, err := x.opt.Places.Open(ctx, x.spec.Output)
	if err != nil {
		return placeError(x.spec.Output, err)
	}
	x.place = place.Folder()
	x.place.Prefix += folder
	return nil
}

// begin notes what is to be done. What refers to other resources is looked at
// from the start again, for what it refers to is not noted.
func (x *exporter) begin(ctx context.Context) error {
	types := slices.Concat(x.plan.types, x.plan.referred)
	if !slices.Equal(types, x.state.Types) || len(x.plan.referred) > 0 || x.spec.Associated != nil || x.spec.OrganizeBy != "" {
		x.state = exportState{T: x.state.T, Time: x.state.Time, Starts: x.state.Starts, Types: types}
	}
	if x.spec.Associated != nil {
		x.targets = map[string]bool{}
	}
	x.done.Store(x.state.Resources)
	x.lease.Report(func() job.Progress { return job.Progress{Done: x.done.Load()} })
	return x.lease.Save(ctx, &x.state)
}

func (x *exporter) close() {
	if x.view != nil {
		x.view.Close()
	}
	x.place.Free()
}

// work writes type after type.
func (x *exporter) work(ctx context.Context) error {
	if err := x.writeAll(ctx); err != nil {
		return err
	}
	if err := x.writeReferred(ctx); err != nil {
		return err
	}
	if err := x.writeProvenances(ctx); err != nil {
		return err
	}
	if err := x.writeDeletions(ctx); err != nil {
		return err
	}
	return x.writeNotes(ctx)
}

// writeAll writes what is read by scans.
func (x *exporter) writeAll(ctx context.Context) error {
	if x.spec.OrganizeBy != "" {
		return x.writeOrganized(ctx)
	}
	for _, t := range x.plan.types {
		if slices.Contains(x.state.Done, t) {
			continue
		}
		if err := x.writeType(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// writeType writes the resources of one type.
func (x *exporter) writeType(ctx context.Context, resourceType string) error {
	versions, err := x.view.Bulk(ctx, datastore.BulkQuery{Parts: x.plan.parts[resourceType], Since: x.spec.Since, Until: x.spec.Until})
	if err != nil {
		return err
	}
	files, err := x.newFiles(ctx, resourceType)
	if err != nil {
		return err
	}
	defer files.close()
	for v, err := range versions {
		if err != nil {
			return err
		}
		if err := x.write(files, &v); err != nil {
			return err
		}
	}
	return x.finish(ctx, files, resourceType)
}

// finish completes the files of a type, and notes that they are.
func (x *exporter) finish(ctx context.Context, files files, resourceType string) error {
	all, err := files.commit()
	if err != nil {
		return outputError(err)
	}
	for _, f := range all {
		x.state.Files = append(x.state.Files, f)
		x.state.Resources += f.Count
		x.state.Bytes += f.Size
	}
	x.state.Done = append(x.state.Done, resourceType)
	x.state.Starts = 1
	return x.lease.Save(ctx, &x.state)
}

// write writes one resource.
func (x *exporter) write(files files, v *store.Version) error {
	x.buf = v.Body.Append(x.buf[:0], strconv.FormatUint(v.Number, 10), v.LastUpdated)
	line := x.buf
	if len(x.plan.referred) > 0 {
		x.note(v, line)
	}
	if x.targets != nil {
		x.targets[v.Type+"/"+v.ID] = true
	}
	if keep := x.plan.keep(v.Type); keep != nil {
		var err error
		if x.subset, err = fhir.AppendSubset(x.subset[:0], line, x.store.Definitions().Schema.Type(v.Type), keep); err != nil {
			return err
		}
		line = x.subset
	}
	if bytes.IndexByte(line, '\n') >= 0 || bytes.IndexByte(line, '\r') >= 0 {
		var compact bytes.Buffer
		if err := json.Compact(&compact, line); err != nil {
			return err
		}
		line = compact.Bytes()
	}
	x.done.Add(1)
	err := files.write(line)
	x.fill.Reset()
	if err != nil {
		return outputError(err)
	}
	return nil
}

// note keeps what a resource refers to, as far as that is exported for it.
func (x *exporter) note(v *store.Version, text []byte) {
	if slices.Contains(supporting, v.Type) {
		x.written[v.Type+"/"+v.ID] = true
	}
	for value := range glance.References(text) {
		ref := fhir.ParseReference(value, x.store.Base())
		if ref.Kind == fhir.RefRelative && (slices.Contains(x.plan.referred, ref.Type) || slices.Contains(supporting, ref.Type) && slices.Contains(x.plan.types, ref.Type)) {
			x.refs[ref.Type+"/"+ref.ID] = true
		}
	}
}

// writeReferred writes what the resources of patients refer to, and what that
// refers to.
func (x *exporter) writeReferred(ctx context.Context) error {
	if len(x.plan.referred) == 0 {
		return nil
	}
	open := map[string]files{}
	defer func() {
		for _, f := range open {
			f.close()
		}
	}()
	for len(x.refs) > 0 {
		round := make([]string, 0, len(x.refs))
		for name := range x.refs {
			round = append(round, name)
		}
		clear(x.refs)
		slices.Sort(round)
		for _, name := range round {
			if x.written[name] {
				continue
			}
			x.written[name] = true
			if err := x.writeOne(ctx, open, name); err != nil {
				return err
			}
		}
	}
	for _, t := range slices.Sorted(mapKeys(open)) {
		if err := x.finish(ctx, open[t], t); err != nil {
			return err
		}
	}
	return nil
}

// writeOne writes a resource by its name, where it is there, and the caller may
// see it.
func (x *exporter) writeOne(ctx context.Context, open map[string]files, name string) error {
	resourceType, id, _ := bytes.Cut([]byte(name), []byte("/"))
	t := string(resourceType)
	if !slices.Contains(x.plan.referred, t) && open[t] == nil && !slices.Contains(x.plan.types, t) {
		return nil
	}
	v, err := x.view.Read(ctx, t, string(id))
	switch fhir.KindOf(err) {
	case fhir.KindNotFound, fhir.KindGone, fhir.KindForbidden:
		if err != nil {
			return nil
		}
	}
	if err != nil {
		return err
	}
	if !x.spec.Since.IsZero() && v.LastUpdated.Before(x.spec.Since) || !x.spec.Until.IsZero() && !v.LastUpdated.Before(x.spec.Until) {
		return nil
	}
	if ok, err := x.meets(ctx, &v); err != nil || !ok {
		return err
	}
	if open[t] == nil {
		files, err := x.newFiles(ctx, t)
		if err != nil {
			return err
		}
		open[t] = files
	}
	return x.write(open[t], &v)
}

// meets reports whether a resource that is referred to meets the filters of its
// type.
func (x *exporter) meets(ctx context.Context, v *store.Version) (bool, error) {
	filters, err := filtersOf(ctx, x.store, x.view, &x.spec)
	if err != nil {
		return false, err
	}
	if filters.byType[v.Type] == nil && filters.all == nil {
		return true, nil
	}
	parts, err := filters.parts(ctx, v.Type, search.IDs{IDs: []string{v.ID}})
	if err != nil {
		return false, err
	}
	for _, part := range parts {
		n, err := x.view.Count(ctx, &search.Query{Plan: search.Plan{Parts: []search.Part{part}}})
		if err != nil || n > 0 {
			return n > 0, err
		}
	}
	return false, nil
}

// deletionsInBundle is how many deletions one Bundle of a deleted file has.
const deletionsInBundle = 500

// writeDeletions writes what was deleted since, as Bundles of DELETEs.
// https://hl7.org/fhir/uv/bulkdata/STU2/export.html#response---complete-status
func (x *exporter) writeDeletions(ctx context.Context) error {
	x.state.Deleted = nil
	if len(x.plan.deletions) == 0 || x.spec.Format != FormatNDJSON {
		return nil
	}
	parts := make([]search.Part, 0, len(x.plan.deletions))
	for _, t := range x.plan.deletions {
		parts = append(parts, search.Part{Type: t})
	}
	versions, err := x.view.Bulk(ctx, datastore.BulkQuery{Parts: parts, Since: x.spec.Since, Until: x.spec.Until, Deleted: true})
	if err != nil {
		return err
	}
	files, err := x.newTextFiles(ctx, "deleted", "Bundle")
	if err != nil {
		return err
	}
	defer files.close()
	bundle, entries := []byte(nil), 0
	flush := func() error {
		if entries == 0 {
			return nil
		}
		err := files.write(append(bundle, `]}`...))
		bundle, entries = bundle[:0], 0
		return err
	}
	for v, err := range versions {
		if err != nil {
			return err
		}
		if entries == 0 {
			bundle = append(bundle[:0], `{"resourceType":"Bundle","type":"transaction","entry":[`...)
		} else {
			bundle = append(bundle, ',')
		}
		bundle = fmt.Appendf(bundle, `{"request":{"method":"DELETE","url":"%s/%s"}}`, v.Type, v.ID)
		if entries++; entries == deletionsInBundle {
			if err := flush(); err != nil {
				return outputError(err)
			}
		}
	}
	if err := flush(); err != nil {
		return outputError(err)
	}
	if x.state.Deleted, err = files.commit(); err != nil {
		return outputError(err)
	}
	return nil
}

// writeNotes writes the error file of what was not followed.
func (x *exporter) writeNotes(ctx context.Context) error {
	x.state.Errors = nil
	if len(x.spec.Notes) == 0 {
		return nil
	}
	files, err := x.newTextFiles(ctx, "error", "OperationOutcome")
	if err != nil {
		return err
	}
	defer files.close()
	for _, note := range x.spec.Notes {
		issue := fhir.Issue{Severity: fhir.SeverityWarning, Code: "not-supported", Diagnostics: note}
		if err := files.write(fhir.AppendOutcome(nil, []fhir.Issue{issue})); err != nil {
			return outputError(err)
		}
	}
	if x.state.Errors, err = files.commit(); err != nil {
		return outputError(err)
	}
	return nil
}

// end writes the manifest of a job with an output of its own, and records how
// the job came out.
func (x *exporter) end(ctx context.Context, failure error) error {
	cancelled := errors.Is(context.Cause(ctx), job.ErrCancelled) || errors.Is(failure, job.ErrCancelled)
	late := context.WithoutCancel(ctx)
	status := 200
	switch {
	case cancelled:
		status, x.state.Message = 499, "cancelled"
	case failure != nil:
		status, x.state.Message = statusOf(failure), public(failure)
	}
	j := x.lease.Job()
	if failure == nil && x.spec.Output != "" {
		if err := x.writeManifest(late); err != nil {
			failure, status, x.state.Message = err, statusOf(err), public(err)
		}
	}
	var err error
	if cancelled || failure != nil {
		err = x.removeFiles(late, &j)
	}
	detail := fmt.Sprintf("%d resources in %d files", x.state.Resources, len(x.state.Files))
	if x.state.Message != "" {
		detail += "; " + x.state.Message
	}
	err = errors.Join(err, x.record(late, Event{
		Action: "export", Job: j.ID, Store: x.spec.Store, Caller: x.by.Caller(), By: x.spec.By, Status: status, Detail: detail,
	}))
	if !cancelled {
		err = errors.Join(err, x.lease.Save(late, &x.state))
	}
	return errors.Join(failure, err)
}
