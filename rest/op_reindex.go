package rest

import (
	"encoding/json"
	"net/http"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
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
		p.add(parameter{Name: "resource", Reference: &reference{"SearchParameter/" + s.ID}})
	}
	if s.URL != "" {
		p.add(parameter{Name: "url", URI: s.URL})
	}
	if s.Code != "" {
		p.add(parameter{Name: "code", String: s.Code})
	}
	for _, t := range s.Types {
		p.add(parameter{Name: "type", Code: t})
	}
	for _, t := range s.Served {
		p.add(parameter{Name: "served", Code: t})
	}
	p.add(parameter{Name: "state", Code: string(s.State)}, parameter{Name: "usable", Boolean: &s.Usable})
	p.add(parameter{Name: "done", Integer: &s.Done}, parameter{Name: "total", Integer: &s.Total})
	if !s.Started.IsZero() {
		p.add(parameter{Name: "started", Instant: s.Started.UTC().Format(fhir.TimeLayout)})
	}
	if s.Error != "" {
		p.add(parameter{Name: "error", String: s.Error})
	}
	return p
}

// A parameter is one of a Parameters resource in an answer.
// http://hl7.org/fhir/R4/parameters.html
type parameter struct {
	Name      string          `json:"name"`
	Boolean   *bool           `json:"valueBoolean,omitempty"`
	Coding    *coding         `json:"valueCoding,omitempty"`
	Code      string          `json:"valueCode,omitempty"`
	DateTime  string          `json:"valueDateTime,omitempty"`
	Instant   string          `json:"valueInstant,omitempty"`
	Integer   *int            `json:"valueInteger,omitempty"`
	Reference *reference      `json:"valueReference,omitempty"`
	String    string          `json:"valueString,omitempty"`
	URI       string          `json:"valueUri,omitempty"`
	Resource  json.RawMessage `json:"resource,omitempty"`
	Part      []parameter     `json:"part,omitempty"`
}

type reference struct {
	Reference string `json:"reference"`
}

func (p *parameter) add(parts ...parameter) { p.Part = append(p.Part, parts...) }

// writeParameters answers with a Parameters resource.
func (r *request) writeParameters(w http.ResponseWriter, status int, all []parameter) error {
	body, err := json.Marshal(struct {
		ResourceType string      `json:"resourceType"`
		Parameter    []parameter `json:"parameter,omitempty"`
	}{"Parameters", all})
	if err != nil {
		return err
	}
	return r.writeJSON(w, status, body)
}
