package admin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/guide/shelf"
	"github.com/tarnhealth/tarn/server/guides"
)

// guideRoutes administer the implementation guides of a data store.
var guideRoutes = []route{
	{"GET /datastores/{id}/guides", func(f *Folder, r *http.Request) (any, error) {
		return f.Guides.List(r.Context(), r.PathValue("id"))
	}},
	{"POST /datastores/{id}/guides", addGuide},
	{"DELETE /datastores/{id}/guides/{name}", func(f *Folder, r *http.Request) (any, error) {
		return f.Guides.Remove(r.Context(), r.PathValue("id"), r.PathValue("name"))
	}},
	{"GET /datastores/{id}/guide-settings", func(f *Folder, r *http.Request) (any, error) {
		return f.Guides.Settings(r.Context(), r.PathValue("id"))
	}},
	{"PUT /datastores/{id}/guide-settings", func(f *Folder, r *http.Request) (any, error) {
		var asked conformance.Settings
		if err := readBody(r, &asked); err != nil {
			return nil, err
		}
		return f.Guides.Set(r.Context(), r.PathValue("id"), asked)
	}},
}

// packageType is the media type of a package; any other body names one.
const packageType = "application/gzip"

func addGuide(f *Folder, r *http.Request) (any, error) {
	id := r.PathValue("id")
	if r.Header.Get("Content-Type") == packageType {
		data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, guides.MaxPackage))
		if err != nil {
			return nil, fhir.Errorf(fhir.KindInvalid, "the package cannot be read: %v", err)
		}
		return f.Guides.Add(r.Context(), id, shelf.Addition{Packages: [][]byte{data}, Incomplete: r.URL.Query().Get("incomplete") == "true"})
	}
	var asked guides.Addition
	if err := readBody(r, &asked); err != nil {
		return nil, err
	}
	return f.Guides.Fetch(r.Context(), id, asked)
}

func guidesPath(id string) string { return "/datastores/" + url.PathEscape(id) + "/guides" }

// Guides lists the implementation guides of a data store.
func (a *Admin) Guides(ctx context.Context, id string) (list []shelf.Guide, err error) {
	err = a.call(ctx, http.MethodGet, guidesPath(id), nil, &list)
	return list, err
}

// AddGuide makes a data store use a package (.tgz). incomplete takes it although
// packages that it needs are missing.
func (a *Admin) AddGuide(ctx context.Context, id string, pack io.Reader, incomplete bool) (list []shelf.Guide, err error) {
	path := fmt.Sprintf("%s?incomplete=%v", guidesPath(id), incomplete)
	err = a.send(ctx, http.MethodPost, path, packageType, pack, &list)
	return list, err
}

// FetchGuide makes a data store use a package of a registry, with those that it
// needs.
func (a *Admin) FetchGuide(ctx context.Context, id string, asked guides.Addition) (list []shelf.Guide, err error) {
	err = a.call(ctx, http.MethodPost, guidesPath(id), asked, &list)
	return list, err
}

// RemoveGuide ends that a data store uses a package, named name@version, or name
// where it has one version.
func (a *Admin) RemoveGuide(ctx context.Context, id, name string) (list []shelf.Guide, err error) {
	err = a.call(ctx, http.MethodDelete, guidesPath(id)+"/"+url.PathEscape(name), nil, &list)
	return list, err
}

// GuideSettings are how a data store uses its guides.
func (a *Admin) GuideSettings(ctx context.Context, id string) (s conformance.Settings, err error) {
	err = a.call(ctx, http.MethodGet, "/datastores/"+url.PathEscape(id)+"/guide-settings", nil, &s)
	return s, err
}

// SetGuideSettings changes how a data store uses its guides.
func (a *Admin) SetGuideSettings(ctx context.Context, id string, s conformance.Settings) (conformance.Settings, error) {
	err := a.call(ctx, http.MethodPut, "/datastores/"+url.PathEscape(id)+"/guide-settings", s, &s)
	return s, err
}
