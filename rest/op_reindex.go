package rest

import (
	"net/http"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/rest/answer"
)

// reindexOperation is $reindex of the data store, or of one SearchParameter:
// it adds the entries that are missing, in the background.
func reindexOperation() operation {
	return operation{
		code: "reindex", on: []string{"SearchParameter"}, levels: []level{levelSystem, levelInstance}, affectsState: true,
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			what := datastore.Reindexing{ID: r.id, Types: in.texts("type"), Codes: in.texts("parameter")}
			names := []string{"type", "parameter"}
			if r.level == levelInstance {
				names = nil
			}
			if err := in.only(names...); err != nil {
				return err
			}
			n, err := r.store.Reindex(r.ctx, r.access, what)
			if err != nil {
				return err
			}
			w.Header().Set("Content-Location", r.url("$reindex-status"))
			return r.writeParameters(w, http.StatusAccepted, []parameter{{Name: "chosen", Integer: &n}})
		},
	}
}

// reindexStatusOperation is $reindex-status: how far the index of each defined
// parameter is, and of those that $reindex was asked for.
func reindexStatusOperation() operation {
	return operation{
		code: "reindex-status", levels: []level{levelSystem},
		serve: func(w http.ResponseWriter, r *request, in *arguments) error {
			if err := in.only(); err != nil {
				return err
			}
			states, err := r.store.ParamStates(r.access)
			if err != nil {
				return err
			}
			var all []parameter
			for i := range states {
				all = append(all, describeState(&states[i]))
			}
			return r.writeParameters(w, http.StatusOK, all)
		},
	}
}

func describeState(s *datastore.ParamState) parameter {
	p := parameter{Name: "searchParameter"}
	if s.ID != "" {
		p.Add(parameter{Name: "resource", Reference: &reference{Reference: "SearchParameter/" + s.ID}})
	}
	if s.URL != "" {
		p.Add(parameter{Name: "url", URI: s.URL})
	}
	if s.Code != "" {
		p.Add(parameter{Name: "code", String: s.Code})
	}
	for _, t := range s.Types {
		p.Add(parameter{Name: "type", Code: t})
	}
	for _, t := range s.Served {
		p.Add(parameter{Name: "served", Code: t})
	}
	p.Add(parameter{Name: "state", Code: string(s.State)}, parameter{Name: "usable", Boolean: &s.Usable})
	p.Add(parameter{Name: "done", Integer: &s.Done}, parameter{Name: "total", Integer: &s.Total})
	if !s.Started.IsZero() {
		p.Add(parameter{Name: "started", Instant: s.Started.UTC().Format(fhir.TimeLayout)})
	}
	if s.Error != "" {
		p.Add(parameter{Name: "error", String: s.Error})
	}
	return p
}

// A parameter is one of a Parameters resource in an answer.
type parameter = answer.Parameter

type reference = answer.Reference

// writeParameters answers with a Parameters resource.
func (r *request) writeParameters(w http.ResponseWriter, status int, all []parameter) error {
	buf := getBuffer()
	defer putBuffer(buf)
	*buf = answer.AppendParameters(*buf, all)
	return r.writeJSON(w, status, *buf)
}
