package search

import (
	"slices"

	"github.com/tarnhealth/tarn/fhir"
)

// A Reference names a resource of the data store.
type Reference struct{ Type, ID string }

// Included returns the resources of the data store that an _include adds for
// a match: those that the tree, a resource of type inc.Source, refers to by
// the include's parameters. They may not exist. For a match of another type
// there are none.
func (r *Registry) Included(inc Include, tree *fhir.Tree, base string) ([]Reference, error) {
	root := tree.Root()
	if root.Type().Name != inc.Source {
		return nil, nil
	}
	x := &indexer{registry: r}
	x.reset(base)
	for _, p := range inc.Params {
		x.param = p
		x.values(p.expr, p.kind, root)
	}
	if x.err != nil {
		return nil, x.err
	}
	var refs []Reference
	for _, s := range x.spans {
		t, id, ok := ParseReferenceKey(x.key(s))
		ref := Reference{t, id}
		if ok && (inc.Target == "" || inc.Target == t) && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	return refs, nil
}
