package bulk

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// writeProvenances writes the Provenances of what was exported, where they are
// asked for and are not exported by themselves.
// https://hl7.org/fhir/uv/bulkdata/STU2/export.html#query-parameters
func (x *exporter) writeProvenances(ctx context.Context) error {
	if x.targets == nil || slices.Contains(x.plan.types, "Provenance") {
		return nil
	}
	var chosen map[string]bool
	if !slices.Contains(x.spec.Associated, relevantProvenance) {
		var err error
		if chosen, err = x.latest(ctx); err != nil {
			return err
		}
	}
	files, err := x.newFiles(ctx, "Provenance")
	if err != nil {
		return err
	}
	defer files.close()
	err = x.provenances(ctx, func(v *store.Version, targets []string, _ time.Time) error {
		if len(targets) == 0 || chosen != nil && !chosen[v.ID] {
			return nil
		}
		return x.write(files, v)
	})
	if err != nil {
		return err
	}
	return x.finish(ctx, files, "Provenance")
}

// provenances calls f for every Provenance, with those of its targets that
// were exported.
func (x *exporter) provenances(ctx context.Context, f func(v *store.Version, targets []string, recorded time.Time) error) error {
	versions, err := x.view.Bulk(ctx, datastore.BulkQuery{Parts: []search.Part{{Type: "Provenance"}}})
	if err != nil {
		return err
	}
	for v, err := range versions {
		if err != nil {
			return err
		}
		tree, err := x.store.Read(v)
		if err != nil {
			return err
		}
		var targets []string
		for t := range tree.Root().Each("target") {
			ref := fhir.ParseReference(t.TextOf("reference"), x.store.Base())
			if name := ref.Type + "/" + ref.ID; ref.Kind == fhir.RefRelative && x.targets[name] {
				targets = append(targets, name)
			}
		}
		recorded, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(tree.Root().TextOf("recorded")))
		if err != nil {
			recorded = v.LastUpdated
		}
		if err := f(&v, targets, recorded); err != nil {
			return err
		}
	}
	return nil
}

// latest are the ids of the Provenances that are the latest of one of their
// targets.
func (x *exporter) latest(ctx context.Context) (map[string]bool, error) {
	type last struct {
		id       string
		recorded time.Time
	}
	of := map[string]last{}
	err := x.provenances(ctx, func(v *store.Version, targets []string, recorded time.Time) error {
		for _, t := range targets {
			if l, ok := of[t]; !ok || !recorded.Before(l.recorded) {
				of[t] = last{v.ID, recorded}
			}
		}
		return nil
	})
	chosen := map[string]bool{}
	for _, l := range of {
		chosen[l.id] = true
	}
	return chosen, err
}
