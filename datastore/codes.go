package datastore

import (
	"context"

	"github.com/tarnhealth/tarn/terminology"
)

// Terminology answers what codes mean, from the CodeSystem, ValueSet and
// ConceptMap resources that the view's caller may read, as of the view, and
// from those of FHIR R4 itself. It must not be used after the view is closed.
func (v *View) Terminology(ctx context.Context) *terminology.Service {
	f := &finder{ctx: ctx, store: v.store, access: v.access, view: v}
	return terminology.New(f.find)
}
