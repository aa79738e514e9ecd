package rest

import (
	"net/http"
	"strconv"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// remove answers DELETE [base]/[type]/[id] and the conditional
// DELETE [base]/[type]?criteria, which deletes one resource at most, unless
// _count allows more. http://hl7.org/fhir/R4/http.html#delete
func remove(w http.ResponseWriter, r *request) error {
	if _, ok := valueOf(r.query, "_count"); ok && r.level == levelType {
		return r.removeMany(w)
	}
	return r.write(w, deleteOp)
}

func deleteOp(r *request) (op datastore.Op, err error) {
	op = datastore.Op{Interaction: authz.Delete, Type: r.resourceType, ID: r.id}
	if r.level == levelType {
		if op.Criteria, err = r.deleteCriteria(); err != nil {
			return op, err
		}
		if _, ok := valueOf(op.Criteria, "_count"); ok {
			return op, fhir.Errorf(fhir.KindNotSupported, "in a Bundle a conditional delete deletes one resource at most; send DELETE [base]/%s?…&_count=… by itself", r.resourceType)
		}
	} else if !fhir.ValidID(r.id) {
		return op, fhir.Errorf(fhir.KindInvalid, "%q is not a resource id: use 1 to 64 of A-Z, a-z, 0-9, '-' and '.'", r.id)
	} else if err := r.onlyShaping(); err != nil {
		return op, err
	}
	if err := r.noIfNoneMatch(); err != nil {
		return op, err
	}
	op.IfMatch, err = r.ifMatch()
	return op, err
}

func (r *request) deleteCriteria() ([]search.Pair, error) {
	criteria := r.criteria()
	if len(without(criteria, "_count")) == 0 {
		return nil, fhir.Errorf(fhir.KindPrecondition, "a delete needs an id (DELETE [base]/%s/[id]) or search criteria (DELETE [base]/%[1]s?identifier=…); all of a type is never deleted at once", r.resourceType)
	}
	return criteria, nil
}

// valueOf is the value of the first parameter with a name.
func valueOf(pairs []search.Pair, name string) (value string, ok bool) {
	for _, p := range pairs {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// removeMany deletes up to _count matches, each by itself and only if it still
// is what matched, and answers with a batch-response. While there are more
// matches it has a next link, to be followed with DELETE.
func (r *request) removeMany(w http.ResponseWriter) error {
	matches, more, err := r.toRemove()
	if err != nil {
		return err
	}
	entries := make([]*entry, len(matches))
	for i := range matches {
		v := &matches[i]
		e := &entry{index: i, req: &request{
			h: r.h, ctx: r.ctx, requestID: r.requestID, store: r.store, access: r.access, method: http.MethodDelete, prefer: r.prefer,
			target: target{level: levelInstance, resourceType: v.Type, id: v.ID},
		}}
		e.op = datastore.Op{Interaction: authz.Delete, Type: v.Type, ID: v.ID, IfMatch: versionID(v)}
		entries[i] = e
	}
	r.runPhase(http.MethodDelete, entries)
	for i, e := range entries {
		if e.err != nil {
			e.fail(r, e.err)
		}
		e.reply.fullURL = r.url(matches[i].Type + "/" + matches[i].ID)
	}
	links := []bundleLink{{"self", r.link(r.resourceType, r.query)}}
	if more {
		links = append(links, bundleLink{"next", r.link(r.resourceType, r.query)})
	}
	return r.writeReplies(w, "batch-response", entries, links...)
}

// toRemove finds what a conditional delete with _count is to delete now, and
// whether there is more.
func (r *request) toRemove() (matches []store.Version, more bool, err error) {
	criteria, err := r.deleteCriteria()
	if err != nil {
		return nil, false, err
	}
	text, _ := valueOf(criteria, "_count")
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > search.MaxCount {
		return nil, false, invalidParameter("_count", "%q is not the greatest number of resources to delete, from 1 to %d", text, search.MaxCount)
	}
	if r.header.Get("If-Match") != "" {
		return nil, false, fhir.Errorf(fhir.KindInvalid, "If-Match has no meaning for a delete of several resources").At("http.If-Match")
	}
	query, err := r.parseSearch([]string{r.resourceType}, without(criteria, "_count"), search.Options{Criteria: true})
	if err != nil {
		return nil, false, err
	}
	if query.Plan.Parts[0].Where == nil {
		return nil, false, fhir.Errorf(fhir.KindPrecondition, "a conditional delete needs search criteria")
	}
	return r.matches(query, limit)
}

// matches reads the first matches of a query.
func (r *request) matches(query *search.Query, limit int) (matches []store.Version, more bool, err error) {
	view, done, err := r.openView(0)
	if err != nil {
		return nil, false, err
	}
	defer done()
	result, err := view.Search(r.ctx, query, store.Page{Limit: limit})
	if err != nil {
		return nil, false, err
	}
	for v, err := range result.Matches {
		if err != nil {
			return nil, false, err
		}
		matches = append(matches, v)
	}
	return matches, result.Next != nil, nil
}
