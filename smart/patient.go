package smart

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/page"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/smart/about"
	"github.com/tarnhealth/tarn/smart/client"
	"github.com/tarnhealth/tarn/store"
)

// Bounds of the patient page.
const (
	maxFound  = 20
	maxListed = 100
	maxRecent = 10
)

// recentTable has the ids of the patients that a user chose last, by user and
// data store.
var recentTable = kv.NewTable[[]string]("smart-recent")

// stepPatient wants a patient in context where the scopes need one, and one
// that the user may see.
func (s *Service) stepPatient(f *flow) (answer, error) {
	ids, all, err := s.actsFor(f.r.Context(), f.store, f.user, f.profile)
	if err != nil {
		return nil, err
	}
	if f.a.Context.Patient == "" && wantsPatient(f.scopes) {
		switch {
		case !all && len(ids) == 0:
			return nil, refuse(codeAccessDenied, "there is no patient that the user may act for")
		case !all && len(ids) == 1:
			f.a.Context.Patient = ids[0]
		case f.a.prompts("none"):
			return nil, refuse(codeInteractionRequired, "the user must choose a patient")
		default:
			return func(w http.ResponseWriter) { s.pages.Redirect(w, stepURL("/auth/patients", f.a)) }, nil
		}
	}
	if f.a.Context.Patient == "" {
		return nil, nil
	}
	return nil, s.checkPatient(f, ids, all)
}

// checkPatient refuses a patient in context whom the user may not see, in the
// same words as one that does not exist.
func (s *Service) checkPatient(f *flow, ids []string, all bool) error {
	refused := refuse(codeAccessDenied, "the patient in context is none that the user may see")
	if !all && !slices.Contains(ids, f.a.Context.Patient) {
		return refused
	}
	rows, err := s.readPatients(f, []string{f.a.Context.Patient})
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return refused
	}
	return nil
}

// view opens the data store with the user's own access.
func (s *Service) view(f *flow) (*datastore.View, error) {
	access, err := s.cfg.Access(f.r.Context(), f.user, f.store)
	if err != nil {
		return nil, err
	}
	return f.store.View(f.r.Context(), access, 0)
}

// readPatients reads those of the patients that are there and that the user may
// see.
func (s *Service) readPatients(f *flow, ids []string) ([]about.Patient, error) {
	v, err := s.view(f)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	var rows []about.Patient
	for _, id := range ids[:min(len(ids), maxListed)] {
		version, err := v.Read(f.r.Context(), "Patient", id)
		switch fhir.KindOf(err) {
		case fhir.KindNotFound, fhir.KindGone, fhir.KindForbidden:
			continue
		}
		if err != nil {
			return nil, err
		}
		var row about.Patient
		if err := json.Unmarshal(version.Body.JSON, &row); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// search finds resources of a type with the user's own access, and decodes each
// into the value that next returns.
func (s *Service) search(f *flow, resourceType string, pairs []search.Pair, limit int, next func() any) error {
	q, err := f.store.Registry().Parse([]string{resourceType}, pairs, search.Options{Base: f.store.Base(), Now: s.now})
	if err != nil {
		return err
	}
	v, err := s.view(f)
	if err != nil {
		return err
	}
	defer v.Close()
	result, err := v.Search(f.r.Context(), q, store.Page{Limit: limit})
	if fhir.KindOf(err) == fhir.KindForbidden && err != nil {
		return nil // the user may see none
	}
	if err != nil {
		return err
	}
	for version, err := range result.Matches {
		if err != nil {
			return err
		}
		if err := json.Unmarshal(version.Body.JSON, next()); err != nil {
			return err
		}
	}
	return nil
}

// patientsPage is the data of the patient page.
type patientsPage struct {
	Request, App                string
	Search                      bool // whether the user may search
	Name, BirthDate, Identifier string
	Asked                       bool // whether they did
	Rows                        []about.Patient
	More                        bool
}

// showPatients is the page on which a user chooses the patient in context.
func (s *Service) showPatients(w http.ResponseWriter, r *http.Request) {
	if f := s.openPage(w, r, r.URL.Query().Get("request")); f != nil {
		s.renderPatients(w, f)
	}
}

// renderPatients shows the patients that the posted form looks for, which is
// posted to keep names and dates of birth out of URLs.
func (s *Service) renderPatients(w http.ResponseWriter, f *flow) {
	r := f.r
	ids, all, err := s.actsFor(r.Context(), f.store, f.user, f.profile)
	if err != nil {
		s.finishWith(w, r, f.a, err)
		return
	}
	data := &patientsPage{
		Request: f.a.ID, App: f.client.Name, Search: all,
		Name: r.PostForm.Get("name"), BirthDate: r.PostForm.Get("birthdate"), Identifier: r.PostForm.Get("identifier"),
	}
	err = s.fillPatients(f, data, ids)
	options := []page.Option{page.Person(nameOf(f.user)), page.FormAction(client.FormTarget(f.a.RedirectURI))}
	var refused *oauthError
	var invalid *fhir.Error
	switch {
	case errors.As(err, &refused) && refused.retry > 0:
		s.refusePage(w, r, http.StatusTooManyRequests, "error.busy", err)
		return
	case errors.As(err, &invalid) && invalid.Kind == fhir.KindInvalid:
		options = append(options, page.Problems(page.Problem{Field: "birthdate", Message: page.Message{Key: "patients.wrong"}}))
	case err != nil:
		s.finishWith(w, r, f.a, err)
		return
	}
	s.pages.Render(w, r, http.StatusOK, "patients", data, options...)
}

func (s *Service) fillPatients(f *flow, data *patientsPage, ids []string) (err error) {
	if !data.Search {
		data.Rows, err = s.readPatients(f, ids)
		return err
	}
	pairs := []search.Pair{{Name: "_sort", Value: "family,given"}}
	for name, value := range map[string]string{"name": data.Name, "birthdate": data.BirthDate, "identifier": data.Identifier} {
		if value = strings.TrimSpace(value); value != "" {
			pairs = append(pairs, search.Pair{Name: name, Value: search.EscapeValue(value)})
		}
	}
	data.Asked = len(pairs) > 1
	if !data.Asked {
		recent, err := s.recent(f.r.Context(), f)
		if err != nil {
			return err
		}
		data.Rows, err = s.readPatients(f, recent)
		return err
	}
	if err := s.takeRequest("patients", f.user.ID); err != nil {
		return err
	}
	err = s.search(f, "Patient", pairs, maxFound+1, func() any {
		data.Rows = append(data.Rows, about.Patient{})
		return &data.Rows[len(data.Rows)-1]
	})
	if len(data.Rows) > maxFound {
		data.Rows, data.More = data.Rows[:maxFound], true
	}
	return err
}

// choosePatient looks for patients, or takes the choice and goes back to the dispatcher, which checks
// it.
func (s *Service) choosePatient(w http.ResponseWriter, r *http.Request) {
	f := s.openPosted(w, r)
	if f == nil {
		return
	}
	if r.PostForm.Get("cancel") != "" {
		s.finishWith(w, r, f.a, refuse(codeAccessDenied, "the user chose no patient"))
		return
	}
	if r.PostForm.Get("find") != "" {
		s.renderPatients(w, f)
		return
	}
	id := r.PostForm.Get("patient")
	if f.a.Context.Patient == "" && about.ValidID(id) {
		f.a.Context.Patient, f.a.PatientDone = id, true
		if err := s.putRequest(r.Context(), f.a); err != nil {
			s.finishWith(w, r, f.a, err)
			return
		}
	}
	s.pages.Redirect(w, stepURL("/auth/continue", f.a))
}

func recentKey(f *flow) string { return f.user.ID + "/" + f.a.DataStore }

func (s *Service) recent(ctx context.Context, f *flow) (ids []string, err error) {
	err = s.db.View(ctx, func(tx kv.Tx) (err error) {
		ids, err = recentTable.Get(tx, recentKey(f))
		if errors.Is(err, kv.ErrNotFound) {
			return nil
		}
		return err
	})
	return ids, err
}

// keepRecent remembers a patient that the user chose from all.
func (s *Service) keepRecent(tx kv.Tx, f *flow) error {
	if _, all := patientsOf(f.profile); !all || !f.a.PatientDone || f.a.Context.Patient == "" {
		return nil
	}
	ids, err := recentTable.Get(tx, recentKey(f))
	if err != nil && !errors.Is(err, kv.ErrNotFound) {
		return err
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == f.a.Context.Patient })
	ids = slices.Insert(ids, 0, f.a.Context.Patient)
	return recentTable.Put(tx, recentKey(f), ids[:min(len(ids), maxRecent)], s.now().Add(s.cfg.Lifetimes.Consent))
}
