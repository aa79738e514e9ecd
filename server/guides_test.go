package server

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/server/guides"
)

const aProfile = "http://example.org/StructureDefinition/p"

func aGuide(version, element string) guidetest.Package {
	return guidetest.Package{Name: "example", Version: version, Resources: []string{guidetest.Profile(aProfile, version, element)}}
}

// postPatient writes a Patient that declares a profile, and returns the status
// and the answer.
func postPatient(t *testing.T, r *running, store, profile, level string) (int, string) {
	t.Helper()
	body := `{"resourceType":"Patient","meta":{"profile":["` + profile + `"]},"gender":"male"}`
	req, err := http.NewRequest(http.MethodPost, "http://"+r.Addr()+"/datastore/"+store+"/r4/Patient", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/fhir+json")
	req.Header.Set("X-Amzn-Healthlake-Fhir-Validation-Level", level)
	status, answer, _ := r.send(req)
	return status, answer
}

// TestGuides adds guides while a server runs, and after it has stopped.
func TestGuides(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	r := start(t, testConfig(dir))
	a, err := OpenAdmin(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if status, _ := postPatient(t, r, "default", aProfile, ""); status != http.StatusCreated {
		t.Errorf("without guides: %d", status)
	}
	list, err := a.AddGuide(ctx, "default", bytes.NewReader(aGuide("1.0.0", "name").Archive(t)), false)
	if err != nil || len(list) != 1 || list[0].Holds["StructureDefinition"] != 1 {
		t.Fatalf("AddGuide = %+v, %v", list, err)
	}
	if _, err := a.Create(ctx, "other", "", nil); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		store, profile, level string
		status                int
		text                  string
	}{
		{"default", aProfile, "", http.StatusUnprocessableEntity, `"expression":["Patient.name"]`},
		{"default", aProfile, "strict", http.StatusUnprocessableEntity, `"expression":["Patient.name"]`},
		{"default", aProfile, "structure-only", http.StatusCreated, ""},
		{"default", aProfile, "minimal", http.StatusCreated, ""},
		{"default", aProfile + "|2.0.0", "strict", http.StatusCreated, ""}, // not known: a warning
		{"other", aProfile, "strict", http.StatusCreated, ""},
	} {
		if status, answer := postPatient(t, r, test.store, test.profile, test.level); status != test.status || !strings.Contains(answer, test.text) {
			t.Errorf("%+v: %d %s", test, status, answer)
		}
	}
	settings, err := a.GuideSettings(ctx, "default")
	if err != nil {
		t.Fatal(err)
	}
	settings.RefuseUnknown = true
	if _, err := a.SetGuideSettings(ctx, "default", settings); err != nil {
		t.Fatal(err)
	}
	if status, answer := postPatient(t, r, "default", aProfile+"|2.0.0", ""); status != http.StatusUnprocessableEntity || !strings.Contains(answer, "Patient.meta.profile") {
		t.Errorf("an unknown profile that is to be refused: %d %s", status, answer)
	}
	if list, err = a.RemoveGuide(ctx, "default", "example@1.0.0"); err != nil || len(list) != 0 {
		t.Errorf("RemoveGuide = %+v, %v", list, err)
	}
	if _, err := a.Guides(ctx, "nothing"); fhir.KindOf(err) != fhir.KindNotFound {
		t.Errorf("guides of no data store: %v", err)
	}
}

// TestGuidesOfRegistry fetches a guide by its name, from the registry of the
// configuration, and with the folder at rest.
func TestGuidesOfRegistry(t *testing.T) {
	ctx, dir := context.Background(), t.TempDir()
	mirror := guidetest.Registry(t, aGuide("1.0.0", "name"), guidetest.Package{Name: "user", Version: "3.0.0", Needs: map[string]string{"example": "1.0.0"}})
	cfg := testConfig(dir)
	cfg.Guides.Registry = mirror.URL
	r := start(t, cfg)
	a, err := OpenAdmin(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	list, err := a.FetchGuide(ctx, "default", guides.Addition{Package: "user@3.0.0"})
	if err != nil || len(list) != 2 {
		t.Errorf("FetchGuide = %+v, %v", list, err)
	}
	if status, _ := postPatient(t, r, "default", aProfile, ""); status != http.StatusUnprocessableEntity {
		t.Errorf("the profile of a dependency does not count: %d", status)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if err := r.wait(); err != nil {
		t.Fatal(err)
	}
	if a, err = OpenAdmin(ctx, dir); err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if list, err = a.Guides(ctx, "default"); err != nil || len(list) != 2 {
		t.Errorf("at rest: %+v, %v", list, err)
	}
	if _, err := a.FetchGuide(ctx, "default", guides.Addition{Package: "user"}); fhir.KindOf(err) != fhir.KindInvalid || !strings.Contains(err.Error(), "guides.registry") {
		t.Errorf("without a registry: %v", err)
	}
}

// TestGuidesOfConfiguration: guides.load gives guides to all data stores, also to
// those that are made later; what cannot be used keeps the server from starting.
func TestGuidesOfConfiguration(t *testing.T) {
	ctx, dir, folder := context.Background(), t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "a.tgz"), aGuide("1.0.0", "name").Archive(t), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(dir)
	cfg.Guides.Paths = []string{folder}
	r := start(t, cfg)
	a, err := OpenAdmin(ctx, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Create(ctx, "later", "", nil); err != nil {
		t.Fatal(err)
	}
	for _, store := range []string{"default", "later"} {
		if status, _ := postPatient(t, r, store, aProfile, ""); status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", store, status)
		}
	}
	bad := testConfig(t.TempDir())
	bad.Guides.Paths = []string{filepath.Join(folder, "nothing.tgz")}
	s, err := New(bad)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(ctx); err == nil || !strings.Contains(err.Error(), "nothing.tgz") {
		t.Errorf("a guide that is not there: %v", err)
	}
}
