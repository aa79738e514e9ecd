package bulk

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// blocks is the folder of files that are organized by patient.
const blocks = "by-patient"

// writeOrganized writes what is in the compartments of patients in blocks, one
// for each patient, led by a header. A block is in one file. What lies in
// several compartments is in several blocks.
// https://hl7.org/fhir/uv/bulkdata/STU3/export.html#query-parameters
func (x *exporter) writeOrganized(ctx context.Context) error {
	patients, err := x.patients(ctx)
	if err != nil {
		return err
	}
	f, err := x.newTextFiles(ctx, blocks, "")
	if err != nil {
		return err
	}
	defer f.close()
	f.most = math.MaxInt64
	for _, id := range patients {
		if f.w != nil && f.now.Count >= int64(x.opt.Limits.FileLines) {
			if err := f.end(); err != nil {
				return outputError(err)
			}
		}
		if err := x.writeBlock(ctx, f, id); err != nil {
			return err
		}
	}
	all, err := f.commit()
	if err != nil {
		return outputError(err)
	}
	for _, file := range all {
		x.state.Files = append(x.state.Files, file)
		x.state.Bytes += file.Size
	}
	x.state.Resources, x.state.Done = x.done.Load(), slices.Clone(x.plan.types)
	return x.lease.Save(ctx, &x.state)
}

// patients are the ids of the patients that are exported.
func (x *exporter) patients(ctx context.Context) ([]string, error) {
	keys, err := patientKeys(ctx, x.store, x.view, &x.spec)
	if err != nil {
		return nil, err
	}
	where, ok := membership(x.store, &Export{Of: "Patient"}, "Patient", keys)
	if !ok {
		return nil, fhir.Errorf(fhir.KindNotSupported, "this data store has no compartments of patients")
	}
	versions, err := x.view.Bulk(ctx, datastore.BulkQuery{Parts: []search.Part{{Type: "Patient", Where: where}}})
	if err != nil {
		return nil, err
	}
	var ids []string
	for v, err := range versions {
		if err != nil {
			return nil, err
		}
		ids = append(ids, v.ID)
	}
	return ids, nil
}

// writeBlock writes one patient's block.
func (x *exporter) writeBlock(ctx context.Context, f *textFiles, id string) error {
	header := fmt.Appendf(nil, `{"resourceType":"Parameters","parameter":[{"name":"header","valueReference":{"reference":"Patient/%s"}}]}`, id)
	if err := f.write(header); err != nil {
		return outputError(err)
	}
	keys := search.Exact([][]byte{search.ReferenceKey("Patient", id)})
	var parts []search.Part
	for _, t := range x.plan.types {
		mark := x.store.Registry().Param(t, search.MarkCompartment+"Patient")
		if mark == nil {
			continue // the group itself
		}
		for _, part := range x.plan.parts[t] {
			part.Where = both(search.Terms{Param: mark, Spans: keys}, part.Where)
			parts = append(parts, part)
		}
	}
	if parts == nil {
		return nil
	}
	versions, err := x.view.Bulk(ctx, datastore.BulkQuery{Parts: parts, Since: x.spec.Since, Until: x.spec.Until})
	if err != nil {
		return err
	}
	for v, err := range versions {
		if err != nil {
			return err
		}
		if err := x.write(f, &v); err != nil {
			return err
		}
	}
	return nil
}
