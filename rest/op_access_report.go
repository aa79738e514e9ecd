package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// accessReportOperation is Patient/[id]/$access-report: who saw or changed the
// patient's data, the newest first, as AuditEvents. It is for auditors and for
// the patient. 45 CFR 164.528 asks for such an account, six years back.
func accessReportOperation() operation {
	return operation{
		code: "access-report", on: []string{"Patient"}, levels: []level{levelInstance},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			var token string
			in.pairs, token = takePage(in.pairs)
			if err := in.only("start", "end", "_count"); err != nil {
				return err
			}
			shape, err := r.mayReport()
			if err != nil {
				return err
			}
			p := &searchPage{r: r, path: "Patient/" + r.id + "/$access-report", shape: shape}
			if p.query, err = r.reportQuery(in); err != nil {
				return err
			}
			if err := p.start(token); err != nil {
				return err
			}
			if r.h.Audit.Index != nil {
				if err := r.h.Audit.Index(r.ctx); err != nil {
					return err
				}
			}
			// That of a patient is decided by mayReport: who is not an auditor sees
			// no AuditEvents otherwise.
			access := r.access
			if shape != nil {
				access = authz.Unrestricted()
			}
			view, err := r.store.View(r.ctx, access, p.t)
			if err != nil {
				return err
			}
			defer view.Close()
			return p.write(w, view)
		},
	}
}

// mayReport refuses a report that the caller has no right to. shape is what the
// caller sees of each AuditEvent, nil for all of it.
func (r *request) mayReport() (*shape, error) {
	if !fhir.ValidID(r.id) {
		return nil, r.noSuchID()
	}
	auditor := r.access.Check(authz.SearchType, "AuditEvent") == nil
	if !auditor || r.access.Check(authz.Read, "Patient") == nil {
		view, done, err := r.openView(0)
		if err != nil {
			return nil, err
		}
		defer done()
		// Of a patient that was deleted, an auditor still sees who saw it.
		if _, err := view.Read(r.ctx, "Patient", r.id); err != nil && !(auditor && fhir.KindOf(err) == fhir.KindGone) {
			return nil, err
		}
	}
	if auditor {
		return nil, nil
	}
	who := fhir.ParseReference(r.access.Caller().FHIRUser, r.store.Base())
	if who.Kind != fhir.RefRelative || who.Type != "Patient" || who.ID != r.id {
		return nil, fhir.Errorf(fhir.KindForbidden, "the report on who saw a patient's data is for that patient and for auditors").
			With("WWW-Authenticate", `Bearer error="insufficient_scope"`)
	}
	return patientReport, nil
}

// patientReport leaves out what others searched for, which may name people, and
// where they were.
var patientReport = &shape{keep: func(e *fhir.Element) fhir.Keep {
	if e.Name == "query" || e.Name == "network" {
		return fhir.KeepNone
	}
	return fhir.KeepParts
}}

// reportQuery is the search that the report is made of.
func (r *request) reportQuery(in *arguments) (*search.Query, error) {
	pairs := []search.Pair{{Name: "patient", Value: "Patient/" + r.id}, {Name: "_sort", Value: "-date"}}
	for name, prefix := range map[string]string{"start": "ge", "end": "le"} {
		if text := in.text(name); text != "" {
			if _, err := parsePeriod(search.Pair{Name: name, Value: text}); err != nil {
				return nil, err
			}
			pairs = append(pairs, search.Pair{Name: "date", Value: prefix + text})
		}
	}
	count := in.text("_count")
	if count == "" {
		count = "100"
	}
	q, err := r.store.Query(r.ctx, authz.Unrestricted(), []string{"AuditEvent"}, append(pairs, search.Pair{Name: "_count", Value: count}), search.Options{})
	if err == nil {
		q.Self = without(in.pairs, pageParam)
	}
	return q, err
}
