package smart

import (
	"net/http"

	"github.com/tarnhealth/tarn/page"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/smart/about"
	"github.com/tarnhealth/tarn/smart/client"
)

// stepEncounter wants an encounter of the patient in context where
// launch/encounter asks for one and there is one.
func (s *Service) stepEncounter(f *flow) (answer, error) {
	if f.a.Context.Encounter != "" {
		return nil, s.checkEncounter(f)
	}
	if !f.scopes.LaunchEncounter || f.a.EncounterDone {
		return nil, nil
	}
	rows, err := s.encounters(f, 2)
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0:
		f.a.EncounterDone = true
		return nil, nil
	case len(rows) == 1:
		f.a.Context.Encounter, f.a.EncounterDone = rows[0].ID, true
		return nil, nil
	case f.a.prompts("none"):
		return nil, refuse(codeInteractionRequired, "the user must choose an encounter")
	}
	return func(w http.ResponseWriter) { s.pages.Redirect(w, stepURL("/auth/encounters", f.a)) }, nil
}

// checkEncounter refuses an encounter in context that is not the patient's, or
// that the user may not see.
func (s *Service) checkEncounter(f *flow) error {
	pairs := []search.Pair{{Name: "_id", Value: f.a.Context.Encounter}}
	if f.a.Context.Patient != "" {
		pairs = append(pairs, search.Pair{Name: "patient", Value: "Patient/" + f.a.Context.Patient})
	}
	found := 0
	err := s.search(f, "Encounter", pairs, 1, func() any { found++; return &about.Encounter{} })
	if err == nil && found == 0 {
		return refuse(codeAccessDenied, "the encounter in context is none of the patient that the user may see")
	}
	return err
}

// encounters are the newest encounters of the patient in context.
func (s *Service) encounters(f *flow, limit int) (rows []about.Encounter, err error) {
	if f.a.Context.Patient == "" {
		return nil, nil
	}
	pairs := []search.Pair{{Name: "patient", Value: "Patient/" + f.a.Context.Patient}, {Name: "_sort", Value: "-date"}}
	err = s.search(f, "Encounter", pairs, limit, func() any {
		rows = append(rows, about.Encounter{})
		return &rows[len(rows)-1]
	})
	return rows, err
}

type encountersPage struct {
	Request, App string
	Rows         []about.Encounter
}

// showEncounters is the page on which a user chooses the encounter in context.
func (s *Service) showEncounters(w http.ResponseWriter, r *http.Request) {
	f := s.openPage(w, r, r.URL.Query().Get("request"))
	if f == nil {
		return
	}
	rows, err := s.encounters(f, maxListed)
	if err != nil {
		s.finishWith(w, r, f.a, err)
		return
	}
	s.pages.Render(w, r, http.StatusOK, "encounters", &encountersPage{f.a.ID, f.client.Name, rows},
		page.Person(nameOf(f.user)), page.FormAction(client.FormTarget(f.a.RedirectURI)))
}

// chooseEncounter takes the choice, or none, and goes back to the dispatcher.
func (s *Service) chooseEncounter(w http.ResponseWriter, r *http.Request) {
	f := s.openPosted(w, r)
	if f == nil {
		return
	}
	if f.a.Context.Encounter == "" {
		if id := r.PostForm.Get("encounter"); about.ValidID(id) {
			f.a.Context.Encounter = id
		}
		f.a.EncounterDone = true
		if err := s.putRequest(r.Context(), f.a); err != nil {
			s.finishWith(w, r, f.a, err)
			return
		}
	}
	s.pages.Redirect(w, stepURL("/auth/continue", f.a))
}
