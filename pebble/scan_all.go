package pebble

import (
	"context"
	"errors"
	"iter"

	"github.com/RoaringBitmap/roaring/v2"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// Scan implements store.View.
func (v *view) Scan(ctx context.Context, q store.Scan) iter.Seq2[store.Version, error] {
	return v.store.sequence(ctx, func(yield func(store.Version, error) bool) error {
		set, err := v.scanned(ctx, q)
		if err != nil {
			return err
		}
		docs := make([]doc, 0, readAhead)
		more := true
		for it := set.Iterator(); more && it.HasNext(); {
			for docs = docs[:0]; len(docs) < readAhead && it.HasNext(); {
				docs = append(docs, doc(it.Next()))
			}
			err = v.store.versions(docs, func(version store.Version, err error) bool {
				more = yield(version, err)
				return more
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// scanned are the docs of a scan.
func (v *view) scanned(ctx context.Context, q store.Scan) (set *roaring.Bitmap, err error) {
	e := v.evaluation(ctx)
	defer func() { err = errors.Join(err, e.close()) }()
	if q.Deleted {
		set, err = e.deletions(q.Parts)
	} else {
		set, err = e.plan(search.Plan{Parts: q.Parts})
	}
	if err != nil {
		return nil, err
	}
	first, last, err := v.bounds(q)
	if err == nil {
		set.RemoveRange(0, uint64(first))
		set.RemoveRange(uint64(last)+1, 1<<32)
	}
	return set, err
}

// bounds are the first and the last doc of a scan.
func (v *view) bounds(q store.Scan) (first, last doc, err error) {
	first, last = 1, v.at
	if !q.Since.IsZero() {
		if first, err = v.store.docsBefore(ceilMicros(q.Since), v.at); err != nil {
			return 0, 0, err
		}
		first++
	}
	if !q.Until.IsZero() {
		if last, err = v.store.docsBefore(ceilMicros(q.Until), v.at); err != nil {
			return 0, 0, err
		}
	}
	if q.After >= store.T(first) {
		first = doc(min(q.After, store.T(maxDoc))) + 1
	}
	if q.UpTo != 0 && q.UpTo < store.T(last) {
		last = doc(q.UpTo)
	}
	return first, last, nil
}

// deletions are the deletions of the parts' types that are visible.
func (e *evaluation) deletions(parts []search.Part) (*roaring.Bitmap, error) {
	set := roaring.New()
	for _, part := range parts {
		deleted, err := e.store.mark(e.terms, part.Type, markDeleted, nil)
		if err != nil {
			return nil, err
		}
		set.Or(deleted)
	}
	e.store.lives.Visible(set, e.at)
	return set, nil
}
