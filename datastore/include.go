package datastore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// ErrIncludesCut is the last that Include yields where there is more to add
// than one page may have.
var ErrIncludesCut = errors.New("datastore: the matches include more resources than one page may have")

// Include yields what a query's _include and _revinclude add to a page's
// matches: each resource once, and none that is among the matches. What they
// add is followed as well by those with :iterate, until nothing new comes, or
// until there are Options.MaxIncludes. The order depends on the data alone.
// References to what is missing, deleted or not for this caller add nothing.
// http://hl7.org/fhir/R4/search.html#include
func (v *View) Include(ctx context.Context, q *search.Query, matches []store.Version) iter.Seq2[store.Version, error] {
	return func(yield func(store.Version, error) bool) {
		x := &includer{ctx: ctx, view: v, seen: make(map[search.Reference]bool, len(matches)), left: v.store.maxIncludes, yield: yield}
		for _, m := range matches {
			x.seen[search.Reference{Type: m.Type, ID: m.ID}] = true
		}
		x.run(q, matches)
	}
}

// An includer is one call of Include.
type includer struct {
	ctx   context.Context
	view  *View
	seen  map[search.Reference]bool // matches, and what was added or cannot be
	left  int                       // how many may still be added
	yield func(store.Version, error) bool
	// added is what the round has added, where the next will follow it.
	added   []store.Version
	iterate bool
}

// run follows the includes from the matches, then those that iterate from what
// the round before has added.
func (x *includer) run(q *search.Query, sources []store.Version) {
	includes, revIncludes := q.Includes, q.RevIncludes
	iterates := func(inc search.Include) bool { return inc.Iterate }
	x.iterate = slices.ContainsFunc(includes, iterates) || slices.ContainsFunc(revIncludes, iterates)
	for len(sources) > 0 {
		x.added = nil
		if !x.include(includes, sources) || !x.revInclude(revIncludes, sources) {
			return
		}
		sources = x.added
		includes, revIncludes = iterating(includes), iterating(revIncludes)
	}
}

func iterating(includes []search.Include) []search.Include {
	return slices.DeleteFunc(slices.Clone(includes), func(inc search.Include) bool { return !inc.Iterate })
}

// add yields a resource. Like the methods that follow it returns false where
// nothing may be yielded any more.
func (x *includer) add(v store.Version) bool {
	if x.left == 0 {
		return x.fail(ErrIncludesCut)
	}
	x.left--
	if x.iterate {
		x.added = append(x.added, v)
	}
	return x.yield(v, nil)
}

func (x *includer) fail(err error) bool {
	x.yield(store.Version{}, err)
	return false
}

func (x *includer) include(includes []search.Include, sources []store.Version) bool {
	for _, s := range sources {
		targets, err := x.view.referred(includes, s)
		if err != nil {
			return x.fail(err)
		}
		for _, target := range targets {
			if x.seen[target] {
				continue
			}
			x.seen[target] = true
			version, err := x.view.Read(x.ctx, target.Type, target.ID)
			switch fhir.KindOf(err) {
			case fhir.KindNotFound, fhir.KindGone, fhir.KindForbidden:
				continue
			}
			if err != nil {
				return x.fail(err)
			}
			if !x.add(version) {
				return false
			}
		}
	}
	return true
}

// referred lists what a resource refers to by those of the includes that apply
// to its type.
func (v *View) referred(includes []search.Include, s store.Version) ([]search.Reference, error) {
	var tree *fhir.Tree
	var targets []search.Reference
	for _, inc := range includes {
		if inc.Source != s.Type {
			continue
		}
		if tree == nil {
			var err error
			if tree, err = v.store.Parse(s.Body.Append(nil, strconv.FormatUint(s.Number, 10), s.LastUpdated)); err != nil {
				return nil, fmt.Errorf("stored version %s/%s/_history/%d: %w", s.Type, s.ID, s.Number, err)
			}
		}
		more, err := v.store.Registry().Included(inc, tree, v.store.base)
		if err != nil {
			return nil, err
		}
		targets = append(targets, more...)
	}
	return targets, nil
}

// revIncludePage is how many referring resources are read at a time.
const revIncludePage = 500

func (x *includer) revInclude(includes []search.Include, sources []store.Version) bool {
	if len(includes) == 0 {
		return true
	}
	byType := map[string][][]byte{}
	for _, s := range sources {
		byType[s.Type] = append(byType[s.Type], search.ReferenceKey(s.Type, s.ID))
	}
	for _, inc := range includes {
		var where search.Node
		switch any := referringTo(inc, byType); len(any) {
		case 0:
			continue
		case 1:
			where = any[0] // lists alone answer
		default:
			where = any
		}
		if !x.referring(inc.Source, where) {
			return false
		}
	}
	return true
}

// referringTo is the condition that a resource refers to one of those whose
// reference keys are given by their type; empty where the include does not
// lead to them.
func referringTo(inc search.Include, byType map[string][][]byte) (any search.Or) {
	for _, p := range inc.Params {
		var keys [][]byte
		for t, more := range byType {
			if (inc.Target == "" || inc.Target == t) && (len(p.Def.Target) == 0 || slices.Contains(p.Def.Target, t)) {
				keys = append(keys, more...)
			}
		}
		if len(keys) > 0 {
			any = append(any, search.Terms{Param: p, Spans: search.Exact(keys)})
		}
	}
	return any
}

// referring adds the resources of a type for which where holds.
func (x *includer) referring(resourceType string, where search.Node) bool {
	q := &search.Query{Plan: search.Plan{Parts: []search.Part{{Type: resourceType, Where: where}}}}
	page := store.Page{Limit: revIncludePage}
	for {
		r, err := x.view.Search(x.ctx, q, page)
		if fhir.KindOf(err) == fhir.KindForbidden {
			return true
		}
		if err != nil {
			return x.fail(err)
		}
		for version, err := range r.Matches {
			if err != nil {
				return x.fail(err)
			}
			key := search.Reference{Type: version.Type, ID: version.ID}
			if x.seen[key] {
				continue
			}
			x.seen[key] = true
			if !x.add(version) {
				return false
			}
		}
		if r.Next == nil {
			return true
		}
		page.After = r.Next
	}
}
