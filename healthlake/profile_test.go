package healthlake_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/sigv4"
)

// profiles remembers the defaults of data stores; "unknown" is what no guide has.
type profiles map[string][]string

func (p profiles) Defaults(_ context.Context, id string) ([]string, error) { return p[id], nil }

func (p profiles) SetDefaults(_ context.Context, id string, defaults []string) error {
	if strings.Contains(strings.Join(defaults, " "), "unknown") {
		return fhir.Errorf(fhir.KindInvalid, "no guide here has it")
	}
	p[id] = defaults
	return nil
}

// TestDefaultProfiles: ProfileConfiguration is kept, described and changed, and
// refused where it would not be honoured.
func TestDefaultProfiles(t *testing.T) {
	known := profiles{}
	s := start(t, func(c *healthlake.Config) { c.Profiles = known })
	admin := s.caller(sigv4.Key{Role: sigv4.RoleAdmin})
	id := regexp.MustCompile(`"DatastoreId":"([^"]*)"`)
	want := func(a answer, status int, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if !strings.Contains(a.body, text) {
				t.Errorf("no %s in %s", text, a.body)
			}
		}
		if a.status != status {
			t.Errorf("%d %s, want %d", a.status, a.body, status)
		}
	}
	const configuration = `"ProfileConfiguration":{"DefaultProfiles":["hl7.fhir.us.core#6.1.0"]}`
	body := `{"DatastoreTypeVersion":"R4","ClientToken":"a",` + configuration + `}`
	made := admin.do("CreateFHIRDatastore", body)
	want(made, http.StatusOK)
	store := id.FindStringSubmatch(made.body)[1]
	want(admin.do("CreateFHIRDatastore", body), http.StatusOK, store)
	for other, defaults := range known {
		if other != store && defaults != nil {
			t.Errorf("a request that was answered before left %q", defaults)
		}
	}
	want(admin.do("DescribeFHIRDatastore", `{"DatastoreId":"`+store+`"}`), http.StatusOK, configuration)
	want(admin.do("ListFHIRDatastores", `{}`), http.StatusOK, configuration)
	want(admin.do("UpdateFHIRDatastore", `{"DatastoreId":"`+store+`","ProfileConfiguration":{"DefaultProfiles":["unknown#1"]}}`), http.StatusBadRequest, "no guide here has it")
	want(admin.do("UpdateFHIRDatastore", `{"DatastoreId":"`+store+`","ProfileConfiguration":{"DefaultProfiles":[1]}}`), http.StatusBadRequest, "list of strings")
	want(admin.do("CreateFHIRDatastore", `{"DatastoreTypeVersion":"R4","ProfileConfiguration":{"DefaultProfiles":["unknown#1"]}}`), http.StatusBadRequest, "no guide here has it")
	changed := admin.do("UpdateFHIRDatastore", `{"DatastoreId":"`+store+`","ProfileConfiguration":{}}`)
	want(changed, http.StatusOK)
	if strings.Contains(changed.body, "ProfileConfiguration") || len(known[store]) > 0 {
		t.Errorf("after an empty ProfileConfiguration there are %q: %s", known[store], changed.body)
	}
	none := start(t, nil)
	want(none.caller(sigv4.Key{Role: sigv4.RoleAdmin}).do("CreateFHIRDatastore", body), http.StatusBadRequest, "does not offer")
}
