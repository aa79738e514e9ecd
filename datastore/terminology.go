package datastore

import (
	"context"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// A finder looks up the value sets and code systems that a query names
// among the resources that the caller may read.
type finder struct {
	ctx    context.Context
	store  *Store
	access authz.Access
	view   *View // opened at the first look
}

func (f *finder) close() {
	if f.view != nil {
		f.view.Close()
	}
}

// version is found, where the caller may not search for resources of the type or
// read them an error of KindForbidden: but only where the data store has what is
// named. What is part of FHIR, or of a guide, is for everybody.
func (f *finder) version(resourceType, url string) (v store.Version, ok bool, err error) {
	if v, ok, err = f.found(resourceType, url); err == nil || fhir.KindOf(err) != fhir.KindForbidden {
		return v, ok, err
	}
	all := f.store.findAll()
	defer all.close()
	if _, there, wrong := all.found(resourceType, url); wrong != nil || !there {
		return store.Version{}, false, wrong
	}
	return store.Version{}, false, err
}

// found is the resource of a type that a URL, a URL with "|version" or a
// reference names; not ok where there is none. Of several with one URL it is the
// one that was written last, an active one before others.
func (f *finder) found(resourceType, url string) (v store.Version, ok bool, err error) {
	if f.view == nil {
		if f.view, err = f.store.View(f.ctx, f.access, 0); err != nil {
			return v, false, err
		}
	}
	if ref := fhir.ParseReference(url, f.store.base); ref.Kind == fhir.RefRelative && ref.Type == resourceType {
		v, err := f.view.Read(f.ctx, ref.Type, ref.ID)
		switch fhir.KindOf(err) {
		case fhir.KindNotFound, fhir.KindGone:
			return v, false, nil
		}
		return v, err == nil, err
	}
	if v, ok, err = f.newest(resourceType, url, search.Pair{Name: "status", Value: "active"}); ok || err != nil {
		return v, ok, err
	}
	return f.newest(resourceType, url)
}

// newest is the resource with a canonical URL that was written last, of those
// that more pairs let through.
func (f *finder) newest(resourceType, url string, more ...search.Pair) (v store.Version, ok bool, err error) {
	url, version, _ := strings.Cut(url, "|")
	pairs := append(more, search.Pair{Name: "url", Value: search.EscapeValue(url)}, search.Pair{Name: "_sort", Value: "-_lastUpdated"})
	if version != "" {
		pairs = append(pairs, search.Pair{Name: "version", Value: search.EscapeValue(version)})
	}
	q, err := f.store.params.base.Parse([]string{resourceType}, pairs, search.Options{Base: f.store.base})
	if err != nil {
		return v, false, err
	}
	r, err := f.view.Search(f.ctx, q, store.Page{Limit: 1})
	if err != nil {
		return v, false, err
	}
	for v, err := range r.Matches {
		if err != nil {
			return v, false, storeError(err)
		}
		return v, true, nil
	}
	return v, false, nil
}
