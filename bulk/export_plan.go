package bulk

import (
	"context"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// supporting are the resource types that lie in no patient's compartment and
// are needed to read one: an export of patients has those that its resources
// refer to.
var supporting = []string{
	"Device", "DeviceDefinition", "Endpoint", "HealthcareService", "Location", "Medication", "MedicationKnowledge",
	"Organization", "Practitioner", "PractitionerRole", "Substance",
}

// An exportPlan is what an export reads, type by type.
type exportPlan struct {
	// types are what is read by a scan, in order; parts are their conditions.
	types []string
	parts map[string][]search.Part
	// referred are the types of which that is written which others refer to.
	referred []string
	// elements are those to keep, by type; "" for all types. nil for all.
	elements map[string][]string
	// deletions are the types of which deletions are told.
	deletions []string
}

// planExport makes the plan as of a view. access is the view's.
func (s *Service) planExport(ctx context.Context, store *datastore.Store, view *datastore.View, access authz.Access, in *Export) (*exportPlan, error) {
	p := &exportPlan{parts: map[string][]search.Part{}}
	var err error
	if p.elements, err = elementsOf(store, in.Elements); err != nil {
		return nil, err
	}
	if err := checkTypes(store, access, in.Types); err != nil {
		return nil, err
	}
	keys, err := patientKeys(ctx, store, view, in)
	if err != nil {
		return nil, err
	}
	filters, err := filtersOf(ctx, store, view, in)
	if err != nil {
		return nil, err
	}
	for _, t := range s.typesOf(store, access, in) {
		where, ok := membership(store, in, t, keys)
		if !ok {
			if in.Of != "" && slices.Contains(supporting, t) {
				p.referred = append(p.referred, t)
			}
			continue
		}
		parts, err := filters.parts(ctx, t, where)
		if err == nil {
			err = view.MayBulk(parts)
		}
		if err != nil {
			return nil, err
		}
		p.types, p.parts[t] = append(p.types, t), parts
		if !in.Since.IsZero() && in.Of != "Group" && in.Patients == nil {
			p.deletions = append(p.deletions, t)
		}
	}
	if len(p.types)+len(p.referred) == 0 {
		return nil, fhir.Errorf(fhir.KindForbidden, "this caller may search for resources of none of the types that are asked for").
			With("WWW-Authenticate", `Bearer error="insufficient_scope"`)
	}
	return p, nil
}

// checkTypes refuses types that are not there, and that the caller may not
// search for.
func checkTypes(store *datastore.Store, access authz.Access, types []string) error {
	for _, t := range types {
		if store.Definitions().Schema.Resource(t) == nil {
			return fhir.Errorf(fhir.KindInvalid, "%.100q is not a resource type of R4", t).At("http._type")
		}
		if err := access.Check(authz.SearchType, t); err != nil {
			return err
		}
	}
	return nil
}

// typesOf are the types that are asked for and that the caller may search. The
// server's own record is exported where it is asked for by name, and so would be
// what the caller may only read by its id, which is refused then.
func (s *Service) typesOf(store *datastore.Store, access authz.Access, in *Export) []string {
	var types []string
	for _, t := range store.Definitions().Schema.Types {
		switch {
		case t.Kind != fhir.KindResource || access.Check(authz.SearchType, t.Name) != nil:
		case in.Types == nil && !slices.Contains(s.opt.ReadOnly, t.Name) && !access.BySecurityContext(authz.SearchType, t.Name), slices.Contains(in.Types, t.Name):
			types = append(types, t.Name)
		}
	}
	return types
}

// membership is the condition of being in what is exported; ok is false for
// types that never are.
func membership(store *datastore.Store, in *Export, resourceType string, keys [][]byte) (where search.Node, ok bool) {
	if in.Of == "" {
		return nil, true
	}
	if in.Of == "Group" && resourceType == "Group" {
		return search.IDs{IDs: []string{in.Group}}, true
	}
	mark := store.Registry().Param(resourceType, search.MarkCompartment+"Patient")
	if mark == nil {
		return nil, false
	}
	terms := search.Terms{Param: mark, Spans: []search.Span{{From: []byte{}}}}
	if keys != nil {
		terms.Spans = search.Exact(keys)
	}
	return terms, true
}

// patientKeys are the patients whose compartments are exported; nil for all.
func patientKeys(ctx context.Context, store *datastore.Store, view *datastore.View, in *Export) ([][]byte, error) {
	var members map[string]bool
	if in.Of == "Group" {
		var err error
		if members, err = groupMembers(ctx, store, view, in.Group); err != nil {
			return nil, err
		}
	}
	if in.Of == "" || in.Of == "Patient" && in.Patients == nil {
		return nil, nil
	}
	keys := [][]byte{}
	for _, id := range in.Patients {
		if members != nil && !members[id] {
			return nil, fhir.Errorf(fhir.KindInvalid, "Patient/%s is not a member of Group/%s", id, in.Group).At("http.patient")
		}
		if _, err := view.Read(ctx, "Patient", id); err != nil {
			return nil, fhir.Errorf(fhir.KindInvalid, "Patient/%.64s does not exist", id).At("http.patient")
		}
		keys = append(keys, search.ReferenceKey("Patient", id))
	}
	if in.Patients == nil {
		for id := range members {
			keys = append(keys, search.ReferenceKey("Patient", id))
		}
	}
	return keys, nil
}

// groupMembers are the patients that are active members of a group.
func groupMembers(ctx context.Context, store *datastore.Store, view *datastore.View, id string) (map[string]bool, error) {
	v, err := view.Read(ctx, "Group", id)
	if err != nil {
		return nil, err
	}
	tree, err := store.Read(v)
	if err != nil {
		return nil, err
	}
	members := map[string]bool{}
	for m := range tree.Root().Each("member") {
		ref := fhir.ParseReference(m.Child("entity").TextOf("reference"), store.Base())
		if ref.Kind == fhir.RefRelative && ref.Type == "Patient" && m.TextOf("inactive") != "true" {
			members[ref.ID] = true
		}
	}
	return members, nil
}

// filters are the conditions of _typeFilter, _tag and _security.
type filters struct {
	view   *datastore.View
	byType map[string][][]search.Pair
	all    []search.Pair
}

// resultParameters shape a page of results and are no conditions.
var resultParameters = []string{
	"_sort", "_count", "_include", "_revinclude", "_summary", "_elements", "_total", "_contained", "_containedType", "_maxresults", "_score", "_format", "_pretty",
}

func filtersOf(ctx context.Context, store *datastore.Store, view *datastore.View, in *Export) (*filters, error) {
	f := &filters{view: view, byType: map[string][][]search.Pair{}}
	for _, tag := range in.Tags {
		f.all = append(f.all, search.Pair{Name: "_tag", Value: tag})
	}
	for _, label := range in.Security {
		f.all = append(f.all, search.Pair{Name: "_security", Value: label})
	}
	for _, text := range in.Filters {
		resourceType, query, ok := strings.Cut(text, "?")
		if !ok || store.Definitions().Schema.Resource(resourceType) == nil {
			return nil, fhir.Errorf(fhir.KindInvalid, "%.200q is no search: write Type?parameter=value", text).At("http._typeFilter")
		}
		if !wants(in.Types, resourceType) {
			return nil, fhir.Errorf(fhir.KindInvalid, "%.200q is for a type that _type leaves out", text).At("http._typeFilter")
		}
		pairs, err := search.Pairs(query)
		if err != nil {
			return nil, err
		}
		for _, p := range pairs {
			if slices.Contains(resultParameters, strings.SplitN(p.Name, ":", 2)[0]) {
				return nil, fhir.Errorf(fhir.KindInvalid, "%s is no condition, and cannot be in a _typeFilter", p.Name).At("http._typeFilter")
			}
		}
		if _, err := f.where(ctx, resourceType, pairs); err != nil {
			return nil, err
		}
		f.byType[resourceType] = append(f.byType[resourceType], pairs)
	}
	return f, nil
}

// parts are those of a type: one for each of its filters.
func (f *filters) parts(ctx context.Context, resourceType string, where search.Node) ([]search.Part, error) {
	queries := f.byType[resourceType]
	if queries == nil {
		queries = [][]search.Pair{nil}
	}
	var parts []search.Part
	for _, pairs := range queries {
		node, err := f.where(ctx, resourceType, append(slices.Clone(pairs), f.all...))
		if err != nil {
			return nil, err
		}
		parts = append(parts, search.Part{Type: resourceType, Where: both(where, node)})
	}
	return parts, nil
}

func (f *filters) where(ctx context.Context, resourceType string, pairs []search.Pair) (search.Node, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	query, err := f.view.Query(ctx, []string{resourceType}, pairs, search.Options{})
	if err != nil {
		return nil, err
	}
	return query.Plan.Parts[0].Where, nil
}

func both(a, b search.Node) search.Node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return search.And{a, b}
}

// elementsOf reads _elements: "name" for all types, "Type.name" for one.
func elementsOf(store *datastore.Store, list []string) (map[string][]string, error) {
	if list == nil {
		return nil, nil
	}
	schema := store.Definitions().Schema
	byType := map[string][]string{}
	for _, text := range list {
		resourceType, name, ok := strings.Cut(text, ".")
		if !ok {
			resourceType, name = "", text
		}
		known := false
		for _, t := range schema.Types {
			if t.Kind == fhir.KindResource && (resourceType == "" || t.Name == resourceType) {
				known = known || t.Element(name) != nil
			}
		}
		if !known || strings.Contains(name, ".") {
			return nil, fhir.Errorf(fhir.KindInvalid, "%.100q is no element at the top of a resource: write name or Type.name", text).At("http._elements")
		}
		byType[resourceType] = append(byType[resourceType], name)
	}
	return byType, nil
}

// keep is what is kept of resources of a type; nil for all.
func (p *exportPlan) keep(resourceType string) func(*fhir.Element) fhir.Keep {
	names := slices.Concat(p.elements[""], p.elements[resourceType])
	if len(names) == 0 {
		return nil
	}
	return func(e *fhir.Element) fhir.Keep {
		if e.Min > 0 || e.Modifier || slices.Contains(names, e.Name) {
			return fhir.KeepWhole
		}
		return fhir.KeepNone
	}
}
