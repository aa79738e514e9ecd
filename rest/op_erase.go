package rest

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// eraseOperation is $erase: it removes a resource with all its versions, or one
// past version, for good.
func eraseOperation() operation {
	return operation{
		code: "erase", levels: []level{levelInstance, levelVersion}, affectsState: true, erases: true,
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			if err := in.only(); err != nil {
				return err
			}
			e := store.Erasure{Type: r.resourceType, ID: r.id}
			if !fhir.ValidID(r.id) {
				return r.noSuchID()
			}
			if r.level == levelVersion {
				n, err := strconv.ParseUint(r.version, 10, 64)
				if err != nil || n == 0 {
					return fhir.Errorf(fhir.KindNotFound, "%s/%s/_history/%s does not exist: version ids are numbers from 1", r.resourceType, r.id, r.version)
				}
				e.Number = n
			}
			erased, err := r.store.Erase(r.ctx, r.access, r.erasing(), []store.Erasure{e})
			return r.writeErased(w, &erased, err)
		},
	}
}

// purgeOperation is Patient/[id]/$purge: it removes the patient and the
// patient's compartment for good.
func purgeOperation() operation {
	return operation{
		code: "purge", on: []string{"Patient"}, levels: []level{levelInstance}, affectsState: true,
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			if err := in.only("dryRun"); err != nil {
				return err
			}
			if !fhir.ValidID(r.id) {
				return r.noSuchID()
			}
			e, err := r.erasing(), error(nil)
			if e.DryRun, err = in.flag("dryRun"); err != nil {
				return err
			}
			erased, err := r.store.Purge(r.ctx, r.access, e, r.id)
			return r.writeErased(w, &erased, err)
		},
	}
}

// maxExpunge bounds the limit of $expunge, and is its default.
const maxExpunge = 100_000

// expungeOperation is $expunge of the data store or a type: it removes what is
// selected by criteria for good.
func expungeOperation() operation {
	return operation{
		code: "expunge", levels: []level{levelSystem, levelType}, affectsState: true, erases: true,
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			e, sel, err := r.selection(in)
			if err != nil {
				return err
			}
			erased, err := r.store.Expunge(r.ctx, r.access, e, sel)
			return r.writeErased(w, &erased, err)
		},
	}
}

// selection reads what $expunge is to erase. Its criteria are search
// parameters of the call, or query strings in the parameter criteria.
func (r *request) selection(in *arguments) (e datastore.Erasing, sel datastore.Selection, err error) {
	e = r.erasing()
	sel.Types = r.types()
	var errs [4]error
	e.DryRun, errs[0] = in.flag("dryRun")
	sel.Deleted, errs[1] = in.flag("deleted")
	sel.OlderVersions, errs[2] = in.flag("olderVersions")
	e.Limit, errs[3] = in.number("limit", maxExpunge, maxExpunge)
	for _, err := range errs {
		if err != nil {
			return e, sel, err
		}
	}
	sel.Criteria = without(in.pairs, "dryRun", "deleted", "olderVersions", "limit", "criteria", "_type")
	for _, text := range in.texts("criteria") {
		pairs, err := search.Pairs(text)
		if err != nil {
			return e, sel, err
		}
		sel.Criteria = append(sel.Criteria, pairs...)
	}
	if types := in.texts("_type"); len(types) > 0 && r.resourceType == "" {
		sel.Types = nil
		for _, t := range strings.Split(strings.Join(types, ","), ",") {
			if r.store.Definitions().Schema.Resource(t) == nil {
				return e, sel, r.unknownType(t)
			}
			sel.Types = append(sel.Types, t)
		}
	}
	return e, sel, nil
}

func (r *request) erasing() datastore.Erasing {
	e := datastore.Erasing{Operation: r.interaction, Record: r.recordErasure()}
	if r.attempt != nil {
		e.Progress = func(so datastore.Erased) {
			r.attempt.wrote.Store(true)
			r.attempt.done.Store(int64(so.Versions))
		}
	}
	return e
}

// writeErased answers with a Parameters resource: what is gone, the
// AuditEvents of it, and warnings.
func (r *request) writeErased(w http.ResponseWriter, e *datastore.Erased, err error) error {
	var known *fhir.Error
	if errors.As(err, &known) && e.Versions > 0 {
		before := fhir.Errorf(known.Kind, "%d versions were erased before that; repeat the request for the rest", e.Versions)
		return &fhir.Error{Kind: known.Kind, Cause: known.Cause, Issues: append(slices.Clip(known.Issues), before.Issues...)}
	}
	if err != nil {
		return err
	}
	var all []parameter
	for _, t := range slices.Sorted(maps.Keys(e.Resources)) {
		n := e.Resources[t]
		all = append(all, parameter{Name: "resources", Part: []parameter{{Name: "type", Code: t}, {Name: "count", Integer: &n}}})
	}
	if e.Single > 0 {
		all = append(all, parameter{Name: "singleVersions", Integer: &e.Single})
	}
	all = append(all, parameter{Name: "versions", Integer: &e.Versions})
	for _, id := range e.Audits {
		all = append(all, parameter{Name: "auditEvent", Reference: &reference{Reference: "AuditEvent/" + id}})
	}
	if issues := erasedWarnings(e); len(issues) > 0 {
		all = append(all, parameter{Name: "outcome", Resource: fhir.AppendOutcome(nil, issues)})
	}
	return r.writeParameters(w, http.StatusOK, all)
}

// erasedWarnings are what the caller may want to act on.
func erasedWarnings(e *datastore.Erased) (issues []fhir.Issue) {
	warn := func(code, format string, args ...any) {
		issues = append(issues, fhir.Issue{Severity: fhir.SeverityWarning, Code: code, Diagnostics: fmt.Sprintf(format, args...)})
	}
	if e.ReferringTotal > 0 {
		warn("informational", "%d resources still refer to what is erased: %s", e.ReferringTotal, listed(e.Referring, e.ReferringTotal))
	}
	if e.Keeping > 0 {
		warn("informational", "%d resources are in the compartments of other patients as well and were kept: %s", e.Keeping, listed(e.Kept, e.Keeping))
	}
	if e.More {
		warn("incomplete", "the limit is reached, and there is more; repeat the request")
	}
	return issues
}

func listed(names []string, total int) string {
	text := strings.Join(names, ", ")
	if total > len(names) {
		text += " …"
	}
	return text
}
