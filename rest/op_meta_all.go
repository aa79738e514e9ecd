package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// metaOfAll answers $meta of a type or of the data store: every profile,
// security label and tag that a resource has now, each once.
// http://hl7.org/fhir/R4/resource-operation-meta.html
func (r *request) metaOfAll(w http.ResponseWriter) error {
	view, done, err := r.openView(0)
	if err != nil {
		return err
	}
	defer done()
	body := []byte(`{"resourceType":"Parameters","parameter":[{"name":"return","valueMeta":{`)
	lists := 0
	for _, name := range []string{"profile", "security", "tag"} {
		query, err := r.parseSearch(r.types(), []search.Pair{{Name: "_" + name + ":missing", Value: "false"}}, search.Options{})
		if err != nil {
			return err
		}
		var found []fhir.Node
		seen := map[string]bool{}
		err = r.eachMatch(view, query, func(_ store.Version, tree *fhir.Tree) error {
			for n := range tree.Root().Child("meta").Each(name) {
				if key := metaKey(n); !seen[key] {
					seen[key] = true
					found = append(found, n)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(found) == 0 {
			continue
		}
		if lists++; lists > 1 {
			body = append(body, ',')
		}
		body = append(body, `"`+name+`":`+listOf(found)...)
	}
	if lists == 0 { // an empty Meta is no value; then there is none
		return r.writeJSON(w, http.StatusOK, []byte(`{"resourceType":"Parameters"}`))
	}
	return r.writeJSON(w, http.StatusOK, append(body, "}}]}"...))
}
