package rest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/guide"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/guide/guidetest"
)

// statement is what a CapabilityStatement says of guides.
type statement struct {
	ImplementationGuide []string
	Rest                []struct {
		Resource []struct {
			Type             string
			SupportedProfile []string
			SearchParam      []struct{ Name, Definition string }
		}
	}
}

func (s *server) statement(t *testing.T) statement {
	t.Helper()
	res, err := http.Get(s.url + "/datastore/default/r4/metadata")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var st statement
	if err := json.Unmarshal(body, &st); err != nil {
		t.Fatal(err)
	}
	return st
}

// TestGuidesInCapability: a CapabilityStatement names guides, their profiles and
// their search parameters while the data store has them.
func TestGuidesInCapability(t *testing.T) {
	s := newServer(t)
	store, err := s.catalog.Create(context.Background(), "default", "")
	if err != nil {
		t.Fatal(err)
	}
	use := func(packages ...*guide.Package) {
		t.Helper()
		set, err := guide.NewSet(packages...)
		if err != nil {
			t.Fatal(err)
		}
		g, err := conformance.New(set, conformance.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.SetGuides(context.Background(), g); err != nil {
			t.Fatal(err)
		}
		if err := store.WaitIndexed(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	eye := guidetest.Package{Name: "eyes", Version: "1.0.0", Resources: []string{
		guidetest.Profile("http://example.org/p", "1.0.0", "name"),
		`{"resourceType":"SearchParameter","url":"http://example.org/eye","name":"eye","status":"active","description":"Eye","code":"eye","base":["Patient"],"type":"string","expression":"Patient.name.text"}`,
	}}
	p, err := guide.Read(bytes.NewReader(eye.Archive(t)), guide.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	for _, there := range []bool{false, true, false} {
		use()
		if there {
			use(p)
		}
		st := s.statement(t)
		if got := slices.Contains(st.ImplementationGuide, "http://example.org/eyes/ImplementationGuide/eyes|1.0.0"); got != there {
			t.Errorf("implementationGuide %q, want it there: %v", st.ImplementationGuide, there)
		}
		for _, r := range st.Rest[0].Resource {
			if r.Type != "Patient" {
				if r.SupportedProfile != nil {
					t.Errorf("%s has profiles %q", r.Type, r.SupportedProfile)
				}
				continue
			}
			if got := slices.Contains(r.SupportedProfile, "http://example.org/p|1.0.0"); got != there {
				t.Errorf("supportedProfile %q, want it there: %v", r.SupportedProfile, there)
			}
			got := slices.Contains(r.SearchParam, struct{ Name, Definition string }{"eye", "http://example.org/eye"})
			if got != there {
				t.Errorf("the search parameter eye is there: %v, want %v", got, there)
			}
		}
	}
}

// TestStoredProfilesInCapability: the CapabilityStatement names the profiles that
// are stored and can be used, while they are.
func TestStoredProfilesInCapability(t *testing.T) {
	s := newServer(t)
	if _, err := s.catalog.Create(context.Background(), "default", ""); err != nil {
		t.Fatal(err)
	}
	send := func(method, id, body string) {
		t.Helper()
		req, err := http.NewRequest(method, s.url+"/datastore/default/r4/StructureDefinition/"+id, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/fhir+json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode >= 300 {
			t.Fatalf("%s %s: %s", method, id, res.Status)
		}
	}
	want := func(want ...string) {
		t.Helper()
		for _, r := range s.statement(t).Rest[0].Resource {
			if r.Type == "Patient" && !slices.Equal(r.SupportedProfile, want) {
				t.Errorf("supportedProfile %q, want %q", r.SupportedProfile, want)
			}
		}
	}
	profile := func(id, url, of string) string {
		return fmt.Sprintf(`{"resourceType":"StructureDefinition","id":%q,"url":%q,"version":"1","name":"P","status":"active","kind":"resource","abstract":false,"type":"Patient",
"baseDefinition":%q,"derivation":"constraint","differential":{"element":[{"id":"Patient.name","path":"Patient.name","min":1}]}}`, id, url, of)
	}
	want()
	send("PUT", "child", profile("child", "http://example.org/child", "http://example.org/parent"))
	want() // its base is not known yet
	send("PUT", "parent", profile("parent", "http://example.org/parent", "http://hl7.org/fhir/StructureDefinition/Patient"))
	want("http://example.org/child|1", "http://example.org/parent|1")
	send("DELETE", "child", "")
	want("http://example.org/parent|1")
}
