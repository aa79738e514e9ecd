package datastore

import (
	"context"
	"errors"
	"iter"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/store"
)

// maxHidden is how many versions a page of a history looks at, of which the caller
// may see none in between, before it is cut off. Those that the index leaves out
// do not count.
const maxHidden = 10_000

// ErrHistoryCut is the last that HistoryPage yields where there may be more than
// it has looked at.
var ErrHistoryCut = errors.New("datastore: the history goes on")

// History yields versions, newest first. KindNotFound for an instance that
// never existed.
func (v *View) History(ctx context.Context, q store.History) (iter.Seq2[store.Version, error], error) {
	return v.history(ctx, q, 0)
}

// HistoryPage is History for one page of it: where many versions in a row are not
// for the caller, it ends with ErrHistoryCut and a version of which T alone is
// set, before which the next page goes on.
func (v *View) HistoryPage(ctx context.Context, q store.History) (iter.Seq2[store.Version, error], error) {
	return v.history(ctx, q, maxHidden)
}

// history yields versions; with a limit, it is cut after so many hidden ones.
func (v *View) history(ctx context.Context, q store.History, limit int) (iter.Seq2[store.Version, error], error) {
	interaction := authz.HistoryOfAll
	switch {
	case q.ID != "":
		interaction = authz.HistoryOfOne
	case q.Type != "":
		interaction = authz.HistoryOfType
	}
	if err := v.access.Check(interaction, q.Type); err != nil {
		return nil, err
	}
	if q.ID != "" {
		if err := v.hasHistory(ctx, interaction, q.Type, q.ID); err != nil {
			return nil, err
		}
		return v.shown(ctx, interaction, v.view.History(ctx, q), 0), nil
	}
	q.Parts = v.historyParts(interaction, q.Type)
	return v.shown(ctx, interaction, v.view.History(ctx, q), limit), nil
}

// hasHistory is an error where there is no version of a resource that the
// caller may see.
func (v *View) hasHistory(ctx context.Context, i authz.Interaction, resourceType, id string) error {
	if v.open(i, resourceType) {
		_, err := v.view.Read(ctx, resourceType, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return notThere(resourceType + "/" + id)
		case err != nil:
			return storeError(err)
		}
		return nil
	}
	for _, err := range v.shown(ctx, i, v.view.History(ctx, store.History{Type: resourceType, ID: id}), 0) {
		return err
	}
	return notThere(resourceType + "/" + id)
}

// shown leaves out the versions that the caller may not see. With a limit, it is
// cut after so many of them in a row.
func (v *View) shown(ctx context.Context, i authz.Interaction, versions iter.Seq2[store.Version, error], limit int) iter.Seq2[store.Version, error] {
	return func(yield func(store.Version, error) bool) {
		hidden := 0
		for version, err := range versions {
			shown := false
			if err == nil {
				shown, err = v.shows(ctx, i, &version)
			}
			switch {
			case err != nil:
				yield(store.Version{}, storeError(err))
				return
			case shown:
				hidden = 0
				err := v.store.contents.Restore(ctx, &version)
				if !yield(version, err) || err != nil {
					return
				}
			default:
				if hidden++; hidden == limit {
					yield(store.Version{T: version.T}, ErrHistoryCut)
					return
				}
			}
		}
	}
}
