package datastore_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/validate"
)

const definedURL = "http://example.org/p"

// definedAs is a StructureDefinition resource by which Patients need an element.
func definedAs(id, version, required string) string {
	return fmt.Sprintf(`{"resourceType":"StructureDefinition","id":%q,"url":%q,"version":%q,"name":"P","status":"active","kind":"resource","abstract":false,"type":"Patient",
"baseDefinition":"http://hl7.org/fhir/StructureDefinition/Patient","derivation":"constraint","differential":{"element":[{"id":"Patient.%[4]s","path":"Patient.%[4]s","min":1}]}}`, id, definedURL, version, required)
}

// lacks are the elements that a Patient which declares a profile lacks.
func lacks(t *testing.T, s *datastore.Store, profile string) (all []string) {
	t.Helper()
	for _, i := range s.Validate(parse(t, s, `{"resourceType":"Patient","meta":{"profile":["`+profile+`"]}}`)) {
		all = append(all, string(i.Severity)+" "+i.Expression)
	}
	return all
}

// TestDefinedVersions: a version that is named counts, else the one that was
// written last; and all of it still does when the data store is opened again.
func TestDefinedVersions(t *testing.T) {
	fs := vfs.NewMem()
	c := openCatalog(t, fs)
	s, err := c.Create(ctx, "default", "")
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, s, definedAs("one", "1", "name"), definedAs("two", "2", "gender"))
	check := func(s *datastore.Store) {
		t.Helper()
		for profile, want := range map[string][]string{
			definedURL: {"error Patient.gender"}, definedURL + "|2": {"error Patient.gender"}, definedURL + "|1": {"error Patient.name"},
			definedURL + "|3": nil, "http://example.org/unknown": nil,
		} {
			if got := lacks(t, s, profile); !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", profile, got, want)
			}
		}
	}
	check(s)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openCatalog(t, fs)
	defer c.Close() //nolint:errcheck // nothing was written
	if s, err = c.Store("default"); err != nil {
		t.Fatal(err)
	}
	check(s)
}

// TestDefinedBesideGuides: what a guide has counts before what is stored, also as
// the base of that, and unknown profiles are told of where there are guides.
func TestDefinedBesideGuides(t *testing.T) {
	s := newStore(t)
	setGuides(t, s, guidetest.Package{Name: "g", Version: "1.0.0", Resources: []string{guidetest.Profile(definedURL, "1.0.0", "name")}})
	if got := lacks(t, s, definedURL); !slices.Equal(got, []string{"error Patient.name"}) {
		t.Errorf("the guide's profile: %q", got)
	}
	out, err := commit(s, put(t, s, definedAs("own", "2.0.0", "gender")))
	if err != nil || len(out[0].Issues) != 1 || out[0].Issues[0].Severity != fhir.SeverityWarning {
		t.Errorf("another version of the guide's profile: %+v, %v", out, err)
	}
	for profile, want := range map[string][]string{
		definedURL: {"error Patient.name"}, definedURL + "|2.0.0": {"error Patient.gender"}, definedURL + "|3.0.0": {"warning Patient.meta.profile[0]"},
	} {
		if got := lacks(t, s, profile); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", profile, got, want)
		}
	}
	setGuides(t, s)
	if got := lacks(t, s, definedURL); !slices.Equal(got, []string{"error Patient.gender"}) {
		t.Errorf("without the guide: %q", got)
	}
}

// TestDefinedForOthers: a profile holds for who may not read it, and is not known
// to them by name.
func TestDefinedForOthers(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, definedAs("one", "1", "name"))
	scopes, _ := authz.ParseScopes("system/Patient.cruds", s.Registry())
	access, err := authz.Decide(s.Registry(), authz.Caller{Client: "app", Scopes: scopes}, authz.Policy{Base: s.Base()})
	if err != nil {
		t.Fatal(err)
	}
	tree := parse(t, s, `{"resourceType":"Patient","id":"a","meta":{"profile":["`+definedURL+`"]}}`)
	_, err = s.Commit(ctx, access, []datastore.Op{{Interaction: authz.Update, Type: "Patient", ID: "a", Resource: tree}}, nil)
	wantKind(t, err, fhir.KindUnprocessable, "name must be there")
	_, err = s.ValidateAgainst(ctx, access, tree, definedURL)
	wantKind(t, err, fhir.KindNotSupported, "is not known to this data store")
	if issues, err := s.ValidateAgainst(ctx, authz.Unrestricted(), tree, definedURL); err != nil || len(issues) != 1 {
		t.Errorf("for who may read it: %+v, %v", issues, err)
	}
}

// TestDefinedLevels: a bad definition is refused at the level strict, and stored
// at the others, where nothing is checked against it.
func TestDefinedLevels(t *testing.T) {
	s := newStore(t)
	op := put(t, s, definedAs("bad", "1", "wings"))
	_, err := commit(s, op)
	wantKind(t, err, fhir.KindUnprocessable, "cannot be used as a profile")
	op.Level = validate.StructureOnly
	if _, err := commit(s, op); err != nil {
		t.Fatal(err)
	}
	if got := lacks(t, s, definedURL); !slices.Equal(got, []string{"warning Patient.meta.profile[0]"}) {
		t.Errorf("a profile that cannot be used: %q", got)
	}
}
