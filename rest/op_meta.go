package rest

import (
	"net/http"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/patch"
	"github.com/tarnhealth/tarn/store"
)

// metaOperation is $meta: the meta of a resource or a version, and what all
// resources of a type or of the data store have of it.
// http://hl7.org/fhir/R4/resource-operation-meta.html
func metaOperation() operation {
	return operation{
		code: "meta", levels: []level{levelSystem, levelType, levelInstance, levelVersion},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			if err := in.only(); err != nil {
				return err
			}
			if r.level == levelSystem || r.level == levelType {
				return r.metaOfAll(w)
			}
			view, done, err := r.openView(0)
			if err != nil {
				return err
			}
			defer done()
			var v store.Version
			if r.level == levelVersion {
				v, err = view.VRead(r.ctx, r.resourceType, r.id, r.version)
			} else {
				v, err = view.Read(r.ctx, r.resourceType, r.id)
			}
			if err != nil {
				return err
			}
			return r.writeMeta(w, &v)
		},
	}
}

// metaAddOperation is $meta-add: it adds profiles, tags and security labels.
// http://hl7.org/fhir/R4/resource-operation-meta-add.html
func metaAddOperation() operation {
	return operation{
		code: "meta-add", levels: []level{levelInstance}, affectsState: true,
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			return r.changeMeta(w, in, func(old, given []fhir.Node) []fhir.Node {
				return append(old, subtract(given, old)...)
			})
		},
	}
}

// metaDeleteOperation is $meta-delete: it removes profiles, tags and security
// labels. http://hl7.org/fhir/R4/resource-operation-meta-delete.html
func metaDeleteOperation() operation {
	return operation{
		code: "meta-delete", levels: []level{levelInstance}, affectsState: true,
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			return r.changeMeta(w, in, subtract)
		},
	}
}

// changeMeta stores a resource with other lists in its meta. Versions never
// change, so that this makes a new one, unless nothing is to change.
func (r *request) changeMeta(w http.ResponseWriter, in *arguments, change func(old, given []fhir.Node) []fhir.Node) error {
	if err := in.only("meta"); err != nil {
		return err
	}
	given := in.node("meta").Child("value")
	if given.Type() == nil || given.Type().Name != "Meta" {
		return fhir.Errorf(fhir.KindInvalid, "%s needs the parameter meta with a valueMeta", r.interaction)
	}
	if !fhir.ValidID(r.id) {
		return r.noSuchID()
	}
	ifMatch, err := r.ifMatch()
	if err != nil {
		return err
	}
	op := datastore.Op{Interaction: authz.Patch, Type: r.resourceType, ID: r.id, IfMatch: ifMatch, Patch: func(current *fhir.Tree) ([]byte, error) {
		text := mergeOfMeta(current.Root().Child("meta"), given, change)
		if text == "" {
			return nil, nil
		}
		return patch.Merge(current.Root().Raw(), []byte(`{"meta":{`+text+`}}`))
	}}
	outcomes, err := r.store.Commit(r.ctx, r.access, []datastore.Op{op}, nil)
	if err != nil {
		return err
	}
	return r.writeMeta(w, &outcomes[0].Version)
}

// mergeOfMeta is a Merge Patch's members of meta, "" where nothing changes.
func mergeOfMeta(meta, given fhir.Node, change func(old, given []fhir.Node) []fhir.Node) string {
	var members []string
	for _, name := range []string{"profile", "security", "tag"} {
		old := children(meta, name)
		changed := change(old, children(given, name))
		if len(changed) == len(old) {
			continue
		}
		value := "null"
		if len(changed) > 0 {
			value = listOf(changed)
		}
		members = append(members, `"`+name+`":`+value)
	}
	return strings.Join(members, ",")
}

// listOf is a list of values in JSON.
func listOf(nodes []fhir.Node) string {
	texts := make([]string, len(nodes))
	for i, n := range nodes {
		texts[i] = string(n.Raw())
		if n.IsPrimitive() {
			texts[i] = `"` + texts[i] + `"`
		}
	}
	return "[" + strings.Join(texts, ",") + "]"
}

func children(n fhir.Node, name string) []fhir.Node {
	var all []fhir.Node
	for c := range n.Each(name) {
		all = append(all, c)
	}
	return all
}

// subtract is the items of a that are not among b: codings are the same where
// system and code are.
func subtract(a, b []fhir.Node) []fhir.Node {
	there := map[string]bool{}
	for _, n := range b {
		there[metaKey(n)] = true
	}
	var rest []fhir.Node
	for _, n := range a {
		if !there[metaKey(n)] {
			rest = append(rest, n)
		}
	}
	return rest
}

func metaKey(n fhir.Node) string {
	if n.IsPrimitive() {
		return n.Text()
	}
	return n.TextOf("system") + "|" + n.TextOf("code")
}

func (r *request) writeMeta(w http.ResponseWriter, v *store.Version) error {
	tree, err := r.store.Read(*v)
	if err != nil {
		return err
	}
	setVersionHeaders(w.Header(), v)
	body := append([]byte(`{"resourceType":"Parameters","parameter":[{"name":"return","valueMeta":`), tree.Root().Child("meta").Raw()...)
	return r.writeJSON(w, http.StatusOK, append(body, "}]}"...))
}
