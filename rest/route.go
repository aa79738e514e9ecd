package rest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// A level is what kind of thing a URL names.
type level uint8

const (
	levelSystem            level = iota // [base]
	levelMetadata                       // [base]/metadata
	levelSystemSearch                   // [base]/_search
	levelSystemHistory                  // [base]/_history
	levelType                           // [base]/Patient
	levelTypeSearch                     // [base]/Patient/_search
	levelTypeHistory                    // [base]/Patient/_history
	levelInstance                       // [base]/Patient/1
	levelInstanceHistory                // [base]/Patient/1/_history
	levelVersion                        // [base]/Patient/1/_history/2
	levelCompartment                    // [base]/Patient/1/Observation, [base]/Patient/1/*
	levelCompartmentSearch              // [base]/Patient/1/Observation/_search
	levelAsync                          // [base]/$async/{id}
	levelBulk                           // [base]/export/{id}, [base]/import/{id}, and files below
	levelContent                        // [base]/content/{id}/{version}, by a signed URL
)

// A serveFunc answers a routed request.
type serveFunc func(w http.ResponseWriter, r *request) error

// A target is what the path below a data store's base URL names.
type target struct {
	level        level
	resourceType string
	id, version  string
	// within and withinID name the resource whose compartment it is in.
	within, withinID string
	// operation is the code of an operation that is called on it, without $.
	operation string
}

type interaction struct {
	name  string
	serve serveFunc
}

type routeKey struct {
	level  level
	method string
}

// routes is the whole API: what each method does at each level.
// http://hl7.org/fhir/R4/http.html#summary
func routes() map[routeKey]interaction {
	systemSearch := interaction{string(authz.SearchSystem), searchSystem}
	typeSearch := interaction{string(authz.SearchType), searchType}
	return map[routeKey]interaction{
		{levelMetadata, http.MethodGet}:        {"capabilities", readCapability},
		{levelSystem, http.MethodGet}:          systemSearch,
		{levelSystemSearch, http.MethodPost}:   systemSearch,
		{levelSystem, http.MethodPost}:         {"batch", processBundle}, // or "transaction", once the body is read
		{levelSystemHistory, http.MethodGet}:   {string(authz.HistoryOfAll), history},
		{levelType, http.MethodGet}:            typeSearch,
		{levelTypeSearch, http.MethodPost}:     typeSearch,
		{levelType, http.MethodPost}:           {string(authz.Create), create},
		{levelType, http.MethodPut}:            {string(authz.Update), update},
		{levelType, http.MethodPatch}:          {string(authz.Patch), patchResource},
		{levelType, http.MethodDelete}:         {string(authz.Delete), remove},
		{levelTypeHistory, http.MethodGet}:     {string(authz.HistoryOfType), history},
		{levelInstance, http.MethodGet}:        {string(authz.Read), read},
		{levelInstance, http.MethodPut}:        {string(authz.Update), update},
		{levelInstance, http.MethodPatch}:      {string(authz.Patch), patchResource},
		{levelInstance, http.MethodDelete}:     {string(authz.Delete), remove},
		{levelInstanceHistory, http.MethodGet}: {string(authz.HistoryOfOne), history},
		{levelVersion, http.MethodGet}:         {string(authz.VRead), vread},

		{levelCompartment, http.MethodGet}:        {string(authz.SearchType), searchCompartment},
		{levelCompartmentSearch, http.MethodPost}: {string(authz.SearchType), searchCompartment},

		{levelAsync, http.MethodGet}:    {"async-status", asyncStatus},
		{levelAsync, http.MethodDelete}: {"async-cancel", asyncCancel},

		{levelBulk, http.MethodGet}:    {"bulk", serveBulk},
		{levelBulk, http.MethodDelete}: {"bulk", serveBulk},

		{levelContent, http.MethodGet}: {"download-content", download},
		{levelContent, http.MethodPut}: {"upload-content", takeUpload},
	}
}

// allowed is the Allow header of the request's URL.
func (r *request) allowed() string {
	if r.operation == "" {
		return r.h.allowed(r.level)
	}
	if o, err := r.findOperation(); err == nil {
		return strings.Join(o.methods(), ", ")
	}
	return http.MethodOptions
}

func (h *handler) allowed(l level) string {
	var methods []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		if _, ok := h.routes[routeKey{l, m}]; ok {
			methods = append(methods, m)
			if m == http.MethodGet {
				methods = append(methods, http.MethodHead)
			}
		}
	}
	return strings.Join(append(methods, http.MethodOptions), ", ")
}

// splitPath splits an escaped path; empty segments (double slashes, a
// trailing one) count for nothing.
func splitPath(escaped string) ([]string, error) {
	parts := make([]string, 0, strings.Count(escaped, "/")+1)
	for part := range strings.SplitSeq(escaped, "/") {
		if part == "" {
			continue
		}
		plain, err := url.PathUnescape(part)
		if err != nil {
			return nil, fhir.Errorf(fhir.KindInvalid, "the URL part %q is not percent-encoded correctly", part)
		}
		parts = append(parts, plain)
	}
	return parts, nil
}

// locate finds what the path below the base URL names, and reads the query.
func (r *request) locate(parts []string) error {
	pairs, err := search.Pairs(r.rawQuery)
	if err != nil {
		return err
	}
	r.query, r.segments = pairs, parts
	if t, ok := asyncTarget(parts); ok {
		r.target = t
		return nil
	}
	if t, ok := r.bulkTarget(parts); ok {
		r.target = t
		return nil
	}
	if t, ok := r.signedTarget(parts); ok {
		r.target = t
		return nil
	}
	parts, code, err := cutOperation(parts)
	if err != nil {
		return err
	}
	r.target, err = r.parseTarget(parts)
	r.operation = code
	return err
}

// requery reads the query again where authorization took something out of it:
// the signature of a presigned URL.
func (r *request) requery() (err error) {
	if raw := r.http.URL.RawQuery; raw != r.rawQuery {
		r.rawQuery = raw
		r.query, err = search.Pairs(raw)
	}
	return err
}

func (r *request) parseTarget(parts []string) (target, error) {
	if len(parts) == 0 {
		return target{level: levelSystem}, nil
	}
	if len(parts) == 1 {
		switch parts[0] {
		case "metadata":
			return target{level: levelMetadata}, nil
		case "_search":
			return target{level: levelSystemSearch}, nil
		case "_history":
			return target{level: levelSystemHistory}, nil
		}
	}
	t := target{level: levelType, resourceType: parts[0]}
	if r.store.Definitions().Schema.Resource(t.resourceType) == nil {
		return target{}, r.unknownType(t.resourceType)
	}
	if c, ok := r.compartmentTarget(t, parts[1:]); ok {
		return c, nil
	}
	return t.below(parts[1:])
}

// compartmentTarget reads [id]/[type], [id]/* and these with /_search.
func (r *request) compartmentTarget(t target, parts []string) (target, bool) {
	if len(parts) < 2 || len(parts) > 3 || len(parts) == 3 && parts[2] != "_search" || r.store.Definitions().Compartment(t.resourceType) == nil {
		return t, false
	}
	if parts[1] != "*" && r.store.Definitions().Schema.Resource(parts[1]) == nil {
		return t, false
	}
	c := target{level: levelCompartment, within: t.resourceType, withinID: parts[0]}
	if len(parts) == 3 {
		c.level = levelCompartmentSearch
	}
	if parts[1] != "*" {
		c.resourceType = parts[1]
	}
	return c, true
}

// below refines a type's target by what follows the type.
func (t target) below(parts []string) (target, error) {
	switch {
	case len(parts) == 0:
		return t, nil
	case len(parts) == 1 && parts[0] == "_search":
		t.level = levelTypeSearch
		return t, nil
	case len(parts) == 1 && parts[0] == "_history":
		t.level = levelTypeHistory
		return t, nil
	}
	t.id = parts[0]
	switch {
	case len(parts) == 1:
		t.level = levelInstance
		return t, nil
	case len(parts) == 2 && parts[1] == "_history":
		t.level = levelInstanceHistory
		return t, nil
	case len(parts) == 3 && parts[1] == "_history":
		t.level, t.version = levelVersion, parts[2]
		return t, nil
	}
	return target{}, fhir.Errorf(fhir.KindNotFound, "nothing is at %s/%s; below a resource there are _history and _history/{version}", t.resourceType, strings.Join(parts, "/"))
}

// route finds the interaction of the request's level and method.
func (r *request) route() error {
	if err := r.noIfMatch(); err != nil {
		return err
	}
	if r.operation != "" {
		return r.routeOperation()
	}
	i, ok := r.h.routes[routeKey{r.level, r.method}]
	if ok {
		r.interaction, r.serve = i.name, i.serve
		return nil
	}
	hint := ""
	if r.method == http.MethodPost && r.level == levelInstance {
		hint = "; to create a resource, POST to [base]/" + r.resourceType + "; to update it, PUT"
	}
	return fhir.Errorf(fhir.KindMethodNotAllowed, "%s is not allowed here; allowed are %s%s", r.method, r.allowed(), hint)
}

// unknownType is the error for a URL that names no resource type.
func (r *request) unknownType(name string) error {
	var names []string
	for _, t := range r.store.Definitions().Schema.Types {
		if t.Kind == fhir.KindResource {
			names = append(names, t.Name)
		}
	}
	if near := fhir.Nearest(name, names); near != "" {
		return fhir.Errorf(fhir.KindNotFound, "%q is not an R4 resource type; did you mean %s?", name, near)
	}
	return fhir.Errorf(fhir.KindNotFound, "%q is not an R4 resource type; [base]/metadata lists them", name)
}
