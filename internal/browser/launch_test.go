package browser

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A reply is what the token endpoint gave to an app.
type reply struct {
	Scope        string           `json:"scope"`
	Patient      string           `json:"patient"`
	Encounter    string           `json:"encounter"`
	Intent       string           `json:"intent"`
	Banner       *bool            `json:"need_patient_banner"`
	StyleURL     string           `json:"smart_style_url"`
	Tenant       string           `json:"tenant"`
	FHIRContext  []map[string]any `json:"fhirContext"`
	AccessToken  string           `json:"access_token"`
	RefreshToken string           `json:"refresh_token"`
	IDToken      string           `json:"id_token"`
}

// reply is what the app on the page got.
func (b *tab) reply() reply {
	b.t.Helper()
	return eval[reply](b, `client.state.tokenResponse`)
}

// fetch asks the data store through the app's library, and returns the
// resource or "Error: …".
func (b *tab) fetch(call string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`%s.then((x) => JSON.stringify(x), (e) => "Error: " + e.message)`, call))
}

// refresh lets the app get new tokens.
func (b *tab) refresh() {
	b.t.Helper()
	if text := b.fetch(`client.refresh()`); strings.HasPrefix(text, "Error: ") {
		b.t.Fatalf("refresh: %s", text)
	}
}

// gets wants a resource of a type and id.
func (b *tab) gets(call, reference string) {
	b.t.Helper()
	var resource struct{ ResourceType, ID string }
	text := b.fetch(call)
	if err := json.Unmarshal([]byte(text), &resource); err != nil || resource.ResourceType+"/"+resource.ID != reference {
		b.t.Errorf("%s: %s; want %s", call, text, reference)
	}
}

// finds wants a Bundle with just these resources.
func (b *tab) finds(call string, references ...string) {
	b.t.Helper()
	var bundle struct {
		Entry []struct {
			Resource struct{ ResourceType, ID string }
		}
	}
	text := b.fetch(call)
	if err := json.Unmarshal([]byte(text), &bundle); err != nil {
		b.t.Fatalf("%s: %s", call, text)
	}
	var found []string
	for _, e := range bundle.Entry {
		found = append(found, e.Resource.ResourceType+"/"+e.Resource.ID)
	}
	slices.Sort(found)
	if !slices.Equal(found, references) {
		b.t.Errorf("%s found %v, want %v", call, found, references)
	}
}

// fails wants an error that has a text.
func (b *tab) fails(call, why string) {
	b.t.Helper()
	if text := b.fetch(call); !strings.HasPrefix(text, "Error: ") || !strings.Contains(text, why) {
		b.t.Errorf("%s: %s; want an error with %q", call, text, why)
	}
}

// TestStandalonePatient launches an app for a patient, who has one record and
// is not asked which, and allows all but one thing. Clauses A7, A14, A15, A23,
// A34, A50, A52, A61, A82.
func TestStandalonePatient(t *testing.T) {
	needs(t, fhirClient)
	w, b := newWorld(t), newTab(t)
	b.open(w.standalone("growth"))
	b.signIn("ann")
	b.says("Growth Chart asks for access", "This is about the data of Ann Lee.", "It is published by Example Health Apps.")
	b.toggle("patient/Condition.rs")
	b.press("Allow")
	b.ready()

	got := b.reply()
	if got.Patient != "ann" || strings.Contains(got.Scope, "Condition") || !strings.Contains(got.Scope, "patient/Observation.rs") || got.RefreshToken == "" {
		t.Errorf("the app got %+v", got)
	}
	if user := eval[string](b, `client.user.fhirUser`); user != "Patient/ann" {
		t.Errorf("fhirUser is %s", user)
	}
	b.gets(`client.patient.read()`, "Patient/ann")
	b.finds(`client.request("Observation?_include=Observation:patient")`, "Observation/pulse", "Patient/ann")
	b.fails(`client.request("Condition")`, "403")
	b.fails(`client.request("Patient/bob")`, "404")

	b.refresh()
	again := b.reply()
	if again.AccessToken == got.AccessToken || again.RefreshToken == got.RefreshToken {
		t.Error("a refresh gave no new tokens")
	}
	b.gets(`client.patient.read()`, "Patient/ann")

	b.open(w.home + "/auth/apps")
	b.says("Growth Chart", "Observations and results")
	b.press("Revoke access of Growth Chart")
	b.says("The access was revoked.", "No app has access.")
	b.open(w.apps + "/growth/")
	b.ready()
	b.fails(`client.refresh()`, "")
	b.open(w.apps + "/growth/")
	b.until(`document.body.dataset.state == "failed" || document.body.dataset.state == "ready"`)
	b.fails(`fetch("`+w.base+`/Patient/ann", {headers: {Authorization: "Bearer `+again.AccessToken+`"}}).then((r) => { if (!r.ok) throw Error(r.status) })`, "401")
}

// TestStandaloneProvider launches an app for a practitioner, who searches for
// the patient and chooses a visit. Clauses A7, A14, A22, A34.
func TestStandaloneProvider(t *testing.T) {
	needs(t, fhirClient)
	w, b := newWorld(t), newTab(t)
	b.open(w.standalone("visits"))
	b.signIn("doc")
	b.at("/auth/patients")
	b.fill("name", "nobody of this name")
	b.press("Search")
	b.says("No patient was found.")
	b.fill("name", "lee")
	b.press("Search")
	b.says("Ann Lee", "Bob Lee", "MRN-1")
	b.lacks("Okafor")
	b.press("Choose Ann Lee")
	b.at("/auth/encounters")
	b.says("Inpatient encounter", "Ambulatory")
	b.press("Choose ambulatory 2026-01-05")
	b.says("Visit Notes asks for access", "This is about the data of Ann Lee.")
	b.press("Allow")
	b.ready()

	if got := b.reply(); got.Patient != "ann" || got.Encounter != "ann-1" {
		t.Errorf("the app got %+v", got)
	}
	b.gets(`client.patient.read()`, "Patient/ann")
	b.gets(`client.encounter.read()`, "Encounter/ann-1")
	b.gets(`client.user.read()`, "Practitioner/doc")
	b.finds(`client.patient.request("Observation")`, "Observation/pulse")
	b.finds(`client.request("Observation?_include=Observation:encounter&code=8867-4")`, "Encounter/ann-1", "Observation/pulse")
	if name := eval[string](b, `client.request("Patient/ann", {resolveReferences: ["generalPractitioner.0"]}).then((p) => p.generalPractitioner[0].name[0].family)`); name != "Roe" {
		t.Errorf("the general practitioner is %q", name)
	}
	b.fails(`client.request("Observation/bobs")`, "404")

	// Without a visit, and by the patient who was chosen last.
	b.open(w.standalone("visits"))
	b.at("/auth/patients")
	b.says("Chosen lately")
	b.press("Choose Ann Lee")
	b.press("Go on without a visit")
	b.press("Allow")
	b.ready()
	if got := b.reply(); got.Patient != "ann" || got.Encounter != "" {
		t.Errorf("the app got %+v", got)
	}
}

// TestStandaloneParent launches an app for a person who may act for two
// patients, and has to choose. Clauses A14, A33.
func TestStandaloneParent(t *testing.T) {
	needs(t, fhirClient)
	w, b := newWorld(t), newTab(t)
	b.open(w.standalone("growth"))
	b.signIn("parent")
	b.at("/auth/patients")
	b.says("Patients you may act for", "Ann Lee", "Bob Lee")
	b.lacks("Okafor")
	b.press("Choose Bob Lee")
	b.says("This is about the data of Bob Lee.")
	b.press("Allow")
	b.ready()
	b.gets(`client.patient.read()`, "Patient/bob")
	b.finds(`client.request("Observation")`, "Observation/bobs")
	b.fails(`client.request("Patient/ann")`, "404")

	b.open(w.standalone("growth"))
	b.at("/auth/patients")
	b.press("Cancel")
	if why := b.refused(); !strings.Contains(why, "access_denied") && !strings.Contains(why, "patient") {
		t.Errorf("the app was told %q", why)
	}
}

// TestEHRLaunchPatient launches an app from a portal where the patient is
// signed in; scopes are those of SMART 1.0. A second time the patient denies.
// Clauses A7, A13, A32.
func TestEHRLaunchPatient(t *testing.T) {
	needs(t, fhirClient)
	w, b := newWorld(t), newTab(t)
	ask := map[string]any{"client_id": "journal", "data_store": "default", "user": "Patient/ann", "patient": "ann"}
	b.open(w.home + "/login")
	b.signIn("ann")
	b.says("Your account")
	b.open(w.ehrLaunch(t, ask))
	b.says("Health Journal asks for access", "This is about the data of Ann Lee.")
	b.press("Allow")
	b.ready()
	if got := b.reply(); got.Patient != "ann" || got.Scope != "openid fhirUser launch patient/Patient.read patient/Observation.read" || got.RefreshToken != "" {
		t.Errorf("the app got %+v", got)
	}
	b.gets(`client.patient.read()`, "Patient/ann")
	b.finds(`client.patient.request("Observation")`, "Observation/pulse")

	b.open(w.ehrLaunch(t, ask))
	b.says("Health Journal asks for access")
	b.press("Deny")
	if why := b.refused(); !strings.Contains(why, "denied") {
		t.Errorf("the app was told %q", why)
	}
}

// TestEHRLaunchProvider launches an app from an EHR with all that a launch may
// carry. Its access lasts as long as the practitioner is signed in. Clauses A7,
// A13, A22, A25, A27, A50.
func TestEHRLaunchProvider(t *testing.T) {
	needs(t, fhirClient)
	w, b := newWorld(t), newTab(t)
	launch := w.ehrLaunch(t, map[string]any{
		"client_id": "chart", "data_store": "default", "user": "doc", "patient": "ann", "encounter": "ann-1",
		"intent": "reconcile-medications", "need_patient_banner": false, "tenant": "north",
		"fhirContext": []map[string]any{{"reference": "Condition/asthma"}},
	})
	b.open(launch)
	b.signIn("doc")
	b.says("Chart Review asks for access", "keep its access for as long as you are signed in")
	b.press("Allow")
	b.ready()
	got := b.reply()
	if got.Patient != "ann" || got.Encounter != "ann-1" || got.Intent != "reconcile-medications" || got.Banner == nil || *got.Banner ||
		got.Tenant != "north" || len(got.FHIRContext) == 0 || got.FHIRContext[0]["reference"] != "Condition/asthma" {
		t.Errorf("the app got %+v", got)
	}
	b.gets(`client.patient.read()`, "Patient/ann")
	b.gets(`client.user.read()`, "Practitioner/doc")
	b.finds(`client.request("Patient?family=lee")`, "Patient/ann", "Patient/bob")
	if style := eval[string](b, `fetch(client.state.tokenResponse.smart_style_url).then((r) => r.json()).then((s) => s.color_background)`); style == "" {
		t.Error("the style has no background")
	}
	b.refresh()
	refreshed := b.reply()
	if refreshed.AccessToken == got.AccessToken {
		t.Error("a refresh gave no new token")
	}

	b.open(launch) // once more
	if why := b.refused(); !strings.Contains(why, "launch") {
		t.Errorf("the app was told %q", why)
	}

	// The app signs the person out, which ends its access.
	b.open(w.home + "/auth/logout?id_token_hint=" + got.IDToken + "&post_logout_redirect_uri=" + w.apps + "/chart/bye&state=s1")
	b.until(`document.body.dataset.state == "bye" || location.pathname == "/auth/logout"`)
	if eval[string](b, `location.pathname`) == "/auth/logout" {
		b.press("Sign out")
	}
	b.until(`document.body.dataset.state == "bye" && location.search == "?state=s1"`)
	if status := eval[int](b, fmt.Sprintf(`fetch(%q, {method: "POST", body: new URLSearchParams({grant_type: "refresh_token", client_id: "chart", refresh_token: %q})}).then((r) => r.status)`,
		w.home+"/auth/token", refreshed.RefreshToken)); status != 400 {
		t.Errorf("a refresh after the sign-out: %d", status)
	}
}

// TestOtherOrigins checks that scripts of origins that no app has registered
// get nothing. Clause A80.
func TestOtherOrigins(t *testing.T) {
	needs(t, fhirClient)
	w, b := newWorld(t), newTab(t)
	other := strings.Replace(w.apps, "127.0.0.1", "localhost", 1)
	b.open(other + "/growth/bye")
	b.fails(`fetch("`+w.base+`/Patient").then((r) => r.status)`, "Failed to fetch")
	b.fails(`fetch("`+w.home+`/auth/token", {method: "POST", body: new URLSearchParams({grant_type: "refresh_token"})}).then((r) => r.status)`, "Failed to fetch")
	// Discovery is open to all.
	if status := eval[int](b, `fetch("`+w.base+`/.well-known/smart-configuration").then((r) => r.status)`); status != 200 {
		t.Errorf("discovery: %d", status)
	}
}
