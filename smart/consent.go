package smart

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/page"
	"github.com/tarnhealth/tarn/smart/client"
	"github.com/tarnhealth/tarn/smart/opaque"
	"github.com/tarnhealth/tarn/smart/words"
)

// A consentRecord is what a user decided for an app and told to remember, by
// user, app, data store, and for those who act for patients the patient.
type consentRecord struct {
	Asked   []string  `json:"asked"`
	Granted []string  `json:"granted"`
	Created time.Time `json:"created"`
}

func consentsOf(userID string) kv.Table[consentRecord] {
	return kv.NewTable[consentRecord]("smart-consent-of/" + strings.ReplaceAll(userID, "\x00", ""))
}

// stepConsent wants the user to agree to what the app asks for.
// http://hl7.org/fhir/smart-app-launch/STU2.2/best-practices.html
func (s *Service) stepConsent(f *flow) (answer, error) {
	if f.a.ConsentDone {
		return nil, nil
	}
	if !f.a.prompts("consent") {
		granted, ok, err := s.decided(f)
		if err != nil {
			return nil, err
		}
		if ok {
			f.a.Granted, f.a.ConsentDone = granted, true
			return nil, nil
		}
	}
	if f.a.prompts("none") {
		return nil, refuse(codeConsentRequired, "the user must agree")
	}
	return func(w http.ResponseWriter) { s.pages.Redirect(w, stepURL("/auth/consent", f.a)) }, nil
}

// decided returns what was agreed to beforehand, where that covers the request.
func (s *Service) decided(f *flow) (granted string, ok bool, err error) {
	if f.client.Trusted {
		return f.a.Scope, true, nil
	}
	if !f.client.MayRemember(f.a.RedirectURI) {
		return "", false, nil
	}
	record, err := s.consent(f.r.Context(), f)
	if err != nil || record == nil || record.Created.Before(f.client.Created) {
		return "", false, err
	}
	var kept []string
	for scope := range strings.FieldsSeq(f.a.Scope) {
		if !slices.Contains(record.Asked, scope) {
			return "", false, nil
		}
		if slices.Contains(record.Granted, scope) {
			kept = append(kept, scope)
		}
	}
	return strings.Join(kept, " "), len(kept) > 0, nil
}

func (s *Service) consent(ctx context.Context, f *flow) (*consentRecord, error) {
	var record consentRecord
	err := s.db.View(ctx, func(tx kv.Tx) (err error) {
		record, err = consentsOf(f.user.ID).Get(tx, consentKey(f))
		return err
	})
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	return &record, err
}

func consentKey(f *flow) string {
	key := f.a.ClientID + "/" + f.a.DataStore
	if _, all := patientsOf(f.profile); !all {
		key += "/" + f.a.Context.Patient
	}
	return key
}

// consentPage is the data of the consent page.
type consentPage struct {
	Request, App, Publisher, Host string
	Logo                          template.URL
	PolicyURL, TermsURL           string
	Groups                        []words.Group
	Patient                       string
	Offline, Online               bool
	Remember                      bool
}

// showConsent is the page on which the user agrees, scope by scope.
func (s *Service) showConsent(w http.ResponseWriter, r *http.Request) {
	f := s.openPage(w, r, r.URL.Query().Get("request"))
	if f == nil {
		return
	}
	s.renderConsent(w, f)
}

func (s *Service) renderConsent(w http.ResponseWriter, f *flow, problems ...page.Problem) {
	data := &consentPage{
		Request: f.a.ID, App: f.client.Name, Publisher: f.client.Publisher,
		PolicyURL: f.client.PolicyURL, TermsURL: f.client.TermsURL,
		Groups: groupsOf(f), Offline: f.scopes.Offline, Online: f.scopes.Online,
		Remember: f.client.MayRemember(f.a.RedirectURI),
	}
	if f.client.ShowsLogo() {
		data.Logo = template.URL(f.client.LogoURL)
	}
	if u, err := url.Parse(f.a.RedirectURI); err == nil {
		data.Host = u.Host
	}
	if f.a.Context.Patient != "" {
		rows, err := s.readPatients(f, []string{f.a.Context.Patient})
		if err != nil {
			s.finishWith(w, f.r, f.a, err)
			return
		}
		for _, row := range rows {
			data.Patient = row.Display()
		}
	}
	s.pages.Render(w, f.r, http.StatusOK, "consent", data,
		page.Person(nameOf(f.user)), page.FormAction(client.FormTarget(f.a.RedirectURI)), page.Problems(problems...))
}

// decideConsent takes the user's decision and goes back to the dispatcher.
func (s *Service) decideConsent(w http.ResponseWriter, r *http.Request) {
	f := s.openPosted(w, r)
	if f == nil {
		return
	}
	if r.PostForm.Get("decision") != "allow" {
		s.finishWith(w, r, f.a, refuse(codeAccessDenied, "the user denied the request"))
		return
	}
	granted := ticked(f, r.PostForm["scope"], r.PostForm["part"])
	if !givesData(granted) {
		s.finishWith(w, r, f.a, refuse(codeAccessDenied, "the user agreed to nothing"))
		return
	}
	f.a.Granted, f.a.ConsentDone = withLaunch(f, granted.String()), true
	remember := r.PostForm.Get("remember") != "" && f.client.MayRemember(f.a.RedirectURI)
	if err := s.keepConsent(f, remember); err != nil {
		s.finishWith(w, r, f.a, err)
		return
	}
	s.pages.Redirect(w, stepURL("/auth/continue", f.a))
}

// groupsOf are the scopes in words. A data store that knows scopes of version 1
// knows no parts of them.
func groupsOf(f *flow) []words.Group {
	groups := words.Groups(f.scopes)
	if f.store.Identity().Version1() {
		for _, group := range groups {
			for i := range group.Items {
				group.Items[i].Parts = nil
			}
		}
	}
	return groups
}

// ticked are the scopes that the user left ticked, and of those with parts the
// parts, where some were ticked.
func ticked(f *flow, scopes, chosen []string) authz.Scopes {
	var kept []string
	for _, group := range groupsOf(f) {
		for _, item := range group.Items {
			if !slices.Contains(scopes, item.Scope) {
				continue
			}
			before := len(kept)
			for _, part := range item.Parts {
				if slices.Contains(chosen, part.Scope) {
					kept = append(kept, part.Scope)
				}
			}
			if len(kept) == before {
				kept = append(kept, item.Scope)
			}
		}
	}
	granted, _ := authz.ParseScopes(strings.Join(kept, " "), f.store.Registry())
	return granted
}

// withLaunch adds the scopes that only say how the app was launched: there is
// nothing to decide about them. The rest keeps the order in which it was asked.
func withLaunch(f *flow, granted string) string {
	keep := strings.Fields(granted)
	var all []string
	for scope := range strings.FieldsSeq(f.a.Scope) {
		if slices.Contains(keep, scope) || scope == "launch" || strings.HasPrefix(scope, "launch/") {
			all = append(all, scope)
		}
	}
	for _, part := range keep {
		if !slices.Contains(all, part) {
			all = append(all, part)
		}
	}
	return strings.Join(all, " ")
}

func (s *Service) keepConsent(f *flow, remember bool) error {
	a := f.a
	return s.db.Update(f.r.Context(), func(tx kv.Tx) error {
		err := requestTable.Put(tx, opaque.Key(a.ID), *a, a.Created.Add(s.cfg.Lifetimes.Request))
		if err != nil || !remember {
			return err
		}
		record := consentRecord{Asked: strings.Fields(a.Scope), Granted: strings.Fields(a.Granted), Created: s.now().UTC()}
		return consentsOf(f.user.ID).Put(tx, consentKey(f), record, s.now().Add(s.cfg.Lifetimes.Consent))
	})
}
