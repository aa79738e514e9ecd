package graphql

import (
	"slices"
	"strconv"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/store"
)

func itoa(n int) string { return strconv.Itoa(n) }

// readKey names a resource as a view has it.
type readKey struct {
	t                         store.T
	resourceType, id, version string
}

type readResult struct {
	tree *fhir.Tree
	err  error
}

// resource reads a resource, each once. version is "" for the current one.
func (x *execution) resource(view *datastore.View, resourceType, id, version string) (element, error) {
	key := readKey{view.T(), resourceType, id, version}
	known, ok := x.reads[key]
	if !ok {
		if err := x.request(); err != nil {
			return element{}, err
		}
		known.tree, known.err = x.readTree(view, key)
		x.reads[key] = known
	}
	root := known.tree.Root()
	return element{node: root, resource: root, view: view, id: id}, known.err
}

func (x *execution) readTree(view *datastore.View, key readKey) (*fhir.Tree, error) {
	var v store.Version
	var err error
	if key.version == "" {
		v, err = view.Read(x.ctx, key.resourceType, key.id)
	} else {
		v, err = view.VRead(x.ctx, key.resourceType, key.id, key.version)
	}
	if err != nil {
		return nil, err
	}
	return x.ds.Read(v)
}

// readByID answers Patient(id: …).
func (x *execution) readByID(u *use) ([]item, error) {
	e, err := x.resource(x.view, u.resource.Name, u.args["id"].text(), "")
	return []item{{thing: e, typ: u.resource.Name}}, err
}

// resolve answers Reference.resource. A resource that is not of the type asked
// for is left out; one that cannot be had is an error unless it is optional.
// http://hl7.org/fhir/R4/graphql.html#references
func (x *execution) resolve(e element, u *use) ([]item, error) {
	text := e.node.TextOf("reference")
	ref := fhir.ParseReference(text, x.ds.Base())
	types := u.args[argumentType].texts
	wanted := func(name string) bool { return len(types) == 0 || slices.Contains(types, name) }
	var found element
	var err error
	switch ref.Kind {
	case fhir.RefRelative:
		if !wanted(ref.Type) {
			return nil, nil
		}
		found, err = x.resource(e.view, ref.Type, ref.ID, ref.Version)
	case fhir.RefContained:
		found, err = contained(e, ref)
	case fhir.RefInvalid:
		err = fhir.Errorf(fhir.KindNotFound, "the reference names no resource that could be read")
	default:
		err = fhir.Errorf(fhir.KindNotFound, "the reference %s leads out of this data store, which does not follow it", text)
	}
	switch {
	case err == nil && wanted(found.node.Type().Name):
		return []item{{thing: found, typ: found.node.Type().Name}}, nil
	case err == nil || u.args[argumentOptional].text() == "true" && unresolved(err):
		return nil, nil
	}
	return nil, err
}

// unresolved reports whether an error says that there is no such resource, or
// not for this caller.
func unresolved(err error) bool {
	switch fhir.KindOf(err) {
	case fhir.KindNotFound, fhir.KindGone, fhir.KindForbidden, fhir.KindInvalid:
		return true
	}
	return false
}

func contained(e element, ref fhir.Ref) (element, error) {
	found := element{resource: e.resource, view: e.view}
	if ref.ID == "" {
		found.node = e.resource
		return found, nil
	}
	for c := range e.resource.Each("contained") {
		if c.TextOf("id") == ref.ID {
			found.node = c
			return found, nil
		}
	}
	return found, fhir.Errorf(fhir.KindNotFound, "the resource contains nothing with the id %s", ref.ID)
}
