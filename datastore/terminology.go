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

// find is the resource of a type that a URL, a URL with "|version" or a
// reference names; nil where there is none. Of several with one URL it is the
// one that was written last, an active one before others.
func (f *finder) find(resourceType, url string) (*fhir.Tree, error) {
	if f.view == nil {
		view, err := f.store.View(f.ctx, f.access, 0)
		if err != nil {
			return nil, err
		}
		f.view = view
	}
	if ref := fhir.ParseReference(url, f.store.base); ref.Kind == fhir.RefRelative && ref.Type == resourceType {
		v, err := f.view.Read(f.ctx, ref.Type, ref.ID)
		switch fhir.KindOf(err) {
		case fhir.KindNotFound, fhir.KindGone:
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return f.store.Read(v)
	}
	return f.byURL(resourceType, url)
}

// maxSameURL is how many resources with one canonical URL are looked at.
const maxSameURL = 100

func (f *finder) byURL(resourceType, url string) (*fhir.Tree, error) {
	url, version, _ := strings.Cut(url, "|")
	pairs := []search.Pair{{Name: "url", Value: escapeValue(url)}, {Name: "_sort", Value: "-_lastUpdated"}}
	if version != "" {
		pairs = append(pairs, search.Pair{Name: "version", Value: escapeValue(version)})
	}
	q, err := f.store.params.base.Parse([]string{resourceType}, pairs, search.Options{Base: f.store.base})
	if err != nil {
		return nil, err
	}
	r, err := f.view.Search(f.ctx, q, store.Page{Limit: maxSameURL})
	if err != nil {
		return nil, err
	}
	var found *fhir.Tree
	for v, err := range r.Matches {
		if err != nil {
			return nil, storeError(err)
		}
		tree, err := f.store.Read(v)
		if err != nil {
			return nil, err
		}
		if tree.Root().TextOf("status") == "active" {
			return tree, nil
		}
		if found == nil {
			found = tree
		}
	}
	return found, nil
}

// escapeValue makes a text one search value.
func escapeValue(text string) string {
	return strings.NewReplacer(`\`, `\\`, `,`, `\,`, `|`, `\|`, `$`, `\$`).Replace(text)
}
