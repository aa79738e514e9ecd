package datastore

import (
	"context"
	"iter"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// Include yields what a query's _include and _revinclude add to a page's
// matches: each resource once, and none that is among the matches. References
// to what is missing, deleted or not for this caller add nothing.
// http://hl7.org/fhir/R4/search.html#include
func (v *View) Include(ctx context.Context, q *search.Query, matches []store.Version) iter.Seq2[store.Version, error] {
	return func(yield func(store.Version, error) bool) {
		seen := make(map[resourceKey]bool, len(matches))
		for _, m := range matches {
			seen[resourceKey{m.Type, m.ID}] = true
		}
		if !v.include(ctx, q.Includes, matches, seen, yield) {
			return
		}
		for _, inc := range q.RevIncludes {
			if !v.revInclude(ctx, inc, matches, seen, yield) {
				return
			}
		}
	}
}

type resourceKey struct{ Type, ID string }

func (v *View) include(ctx context.Context, includes []search.Include, matches []store.Version, seen map[resourceKey]bool, yield func(store.Version, error) bool) bool {
	if len(includes) == 0 {
		return true
	}
	for _, m := range matches {
		targets, err := v.referred(includes, m)
		if err != nil {
			yield(store.Version{}, err)
			return false
		}
		for _, key := range targets {
			if seen[key] {
				continue
			}
			seen[key] = true
			version, err := v.Read(ctx, key.Type, key.ID)
			if err != nil {
				switch fhir.KindOf(err) {
				case fhir.KindNotFound, fhir.KindGone, fhir.KindForbidden:
					continue
				}
				yield(store.Version{}, err)
				return false
			}
			if !yield(version, nil) {
				return false
			}
		}
	}
	return true
}

// referred lists what a match refers to by the parameters of the includes
// that apply to its type.
func (v *View) referred(includes []search.Include, m store.Version) ([]resourceKey, error) {
	c, err := candidate(v.store.registry, v.store.base, m)
	if err != nil {
		return nil, err
	}
	var keys []resourceKey
	for _, inc := range includes {
		if inc.Source != m.Type {
			continue
		}
		for _, e := range c.Entries {
			if !follows(inc, e.Param) {
				continue
			}
			t, id, ok := search.ParseReferenceKey(e.Key)
			if ok && (inc.Target == "" || inc.Target == t) {
				keys = append(keys, resourceKey{t, id})
			}
		}
	}
	return keys, nil
}

func follows(inc search.Include, p *search.Param) bool {
	for _, q := range inc.Params {
		if p == q {
			return true
		}
	}
	return false
}

// revIncludePage is how many referring resources are read at a time.
const revIncludePage = 500

func (v *View) revInclude(ctx context.Context, inc search.Include, matches []store.Version, seen map[resourceKey]bool, yield func(store.Version, error) bool) bool {
	where := referringTo(inc, matches)
	if where == nil {
		return true
	}
	q := &search.Query{Plan: search.Plan{Parts: []search.Part{{Type: inc.Source, Where: where}}}}
	page := store.Page{Limit: revIncludePage}
	for {
		r, err := v.Search(ctx, q, page)
		if err != nil {
			if fhir.KindOf(err) == fhir.KindForbidden {
				return true
			}
			yield(store.Version{}, err)
			return false
		}
		for version, err := range r.Matches {
			key := resourceKey{version.Type, version.ID}
			if err == nil && seen[key] {
				continue
			}
			seen[key] = true
			if !yield(version, err) || err != nil {
				return false
			}
		}
		if r.Next == nil {
			return true
		}
		page.After = r.Next
	}
}

// referringTo is the condition that a resource refers to one of the matches;
// nil where no match can be referred to.
func referringTo(inc search.Include, matches []store.Version) search.Node {
	var keys [][]byte
	for _, m := range matches {
		if inc.Target == "" || inc.Target == m.Type {
			keys = append(keys, search.ReferenceKey(m.Type, m.ID))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	var any search.Or
	for _, p := range inc.Params {
		any = append(any, search.Terms{Param: p, Spans: search.Exact(keys)})
	}
	return any
}
