package datastore_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

var erasing = datastore.Erasing{Operation: "$erase"}

func erase(s *datastore.Store, erasures ...store.Erasure) (datastore.Erased, error) {
	return s.Erase(ctx, authz.Unrestricted(), erasing, erasures)
}

func expunge(s *datastore.Store, e datastore.Erasing, sel datastore.Selection) (datastore.Erased, error) {
	e.Operation = "$expunge"
	return s.Expunge(ctx, authz.Unrestricted(), e, sel)
}

// state tells how a resource is read: by its current version, or the kind of
// error.
func state(t *testing.T, s *datastore.Store, resourceType, id string) string {
	t.Helper()
	view, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	v, err := view.Read(ctx, resourceType, id)
	switch fhir.KindOf(err) {
	case fhir.KindNotFound:
		return "none"
	case fhir.KindGone:
		return "deleted"
	}
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(v.Number)
}

func remove(t *testing.T, s *datastore.Store, resourceType, id string) {
	t.Helper()
	if _, err := commit(s, datastore.Op{Interaction: authz.Delete, Type: resourceType, ID: id}); err != nil {
		t.Fatal(err)
	}
}

func observation(id, patient string) string {
	return fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/%s"}}`, id, patient)
}

func TestErase(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, patient, patient, patient, observation("o", "p"))

	_, err := erase(s, store.Erasure{Type: "Patient", ID: "p", Number: 3})
	wantKind(t, err, fhir.KindConflict, "current")
	_, err = erase(s, store.Erasure{Type: "Patient", ID: "p", Number: 9})
	wantKind(t, err, fhir.KindNotFound, "9")
	_, err = erase(s, store.Erasure{Type: "Patient", ID: "q"})
	wantKind(t, err, fhir.KindNotFound, "Patient/q")

	out, err := erase(s, store.Erasure{Type: "Patient", ID: "p", Number: 2})
	if err != nil || out.Versions != 1 || out.Single != 1 || len(out.Audits) != 1 {
		t.Fatalf("one version: %+v, %v", out, err)
	}
	view, err := s.View(ctx, authz.Unrestricted(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if _, err := view.VRead(ctx, "Patient", "p", "2"); fhir.KindOf(err) != fhir.KindNotFound {
		t.Errorf("the erased version: %v", err)
	}

	out, err = erase(s, store.Erasure{Type: "Patient", ID: "p"})
	if err != nil || out.Versions != 2 || out.Resources["Patient"] != 1 {
		t.Fatalf("the resource: %+v, %v", out, err)
	}
	if out.ReferringTotal != 1 || !slices.Equal(out.Referring, []string{"Observation/o"}) {
		t.Errorf("referring: %+v", out)
	}
	if got := state(t, s, "Patient", "p"); got != "none" {
		t.Errorf("the erased resource is %s", got)
	}
	if ids := find(t, s, "AuditEvent", "entity=Patient/p"); len(ids) != 2 || ids[1] != out.Audits[0] {
		t.Errorf("audited by %v, of which the last should be %v", ids, out.Audits)
	}
	if ids := find(t, s, "AuditEvent", "type=http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle|destroy&agent-name=not&outcome=0"); len(ids) != 2 {
		t.Errorf("found %v by the event's values", ids)
	}
}

func TestEraseIsGuarded(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, patient)
	if _, err := s.Erase(ctx, authz.Access{}, erasing, []store.Erasure{{Type: "Patient", ID: "p"}}); fhir.KindOf(err) != fhir.KindForbidden {
		t.Errorf("without rights: %v", err)
	}
	out, err := erase(s, store.Erasure{Type: "Patient", ID: "p"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = erase(s, store.Erasure{Type: "AuditEvent", ID: out.Audits[0]})
	wantKind(t, err, fhir.KindForbidden, "AuditEvent")
	_, err = expunge(s, datastore.Erasing{}, datastore.Selection{Types: []string{"AuditEvent"}, OlderVersions: true})
	wantKind(t, err, fhir.KindForbidden, "AuditEvent")
}

func TestErasedDefinition(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, patientWithEye("a", "blue"), eye("eye", "eye", "active", "Patient"))
	waitIndexed(t, s)
	if _, err := erase(s, store.Erasure{Type: "SearchParameter", ID: "eye"}); err != nil {
		t.Fatal(err)
	}
	_, err := ask(t, s, "Patient", "eye=blue")
	wantKind(t, err, fhir.KindInvalid, "eye")
	mustPut(t, s, eye("eye", "eye", "active", "Patient"))
	waitIndexed(t, s)
	wantFound(t, s, "Patient", "eye=blue", "a")
}

func TestExpunge(t *testing.T) {
	s := newStore(t)
	for i := range 6 {
		id := fmt.Sprintf("e%d", i)
		mustPut(t, s, patientWithEye(id, "blue"), strings.Replace(patientWithEye(id, "blue"), `"id"`, `"gender":"male","id"`, 1))
	}
	mustPut(t, s, observation("o", "e0"))
	remove(t, s, "Patient", "e4")
	remove(t, s, "Patient", "e5")
	remove(t, s, "Observation", "o")
	all := []string{"Observation", "Patient"}

	for _, sel := range []datastore.Selection{{Types: all}, {Types: all, Deleted: true, OlderVersions: true}, {Types: all, Deleted: true, Criteria: []search.Pair{{Name: "gender", Value: "male"}}}} {
		if _, err := expunge(s, datastore.Erasing{}, sel); err == nil {
			t.Errorf("%+v: no error", sel)
		}
	}
	out, err := expunge(s, datastore.Erasing{DryRun: true}, datastore.Selection{Types: all, Deleted: true})
	if err != nil || out.Resources["Patient"] != 2 || out.Resources["Observation"] != 1 || out.Versions != 0 || len(out.Audits) != 0 {
		t.Fatalf("dry run: %+v, %v", out, err)
	}
	if got := state(t, s, "Patient", "e4"); got != "deleted" {
		t.Errorf("after a dry run it is %s", got)
	}
	out, err = expunge(s, datastore.Erasing{}, datastore.Selection{Types: all, Deleted: true})
	if err != nil || out.Versions != 8 {
		t.Fatalf("deleted: %+v, %v", out, err)
	}
	if got := state(t, s, "Patient", "e4"); got != "none" {
		t.Errorf("an expunged resource is %s", got)
	}
	out, err = expunge(s, datastore.Erasing{Limit: 3}, datastore.Selection{Types: []string{"Patient"}, OlderVersions: true})
	if err != nil || out.Single != 3 || !out.More {
		t.Fatalf("older versions up to a limit: %+v, %v", out, err)
	}
	out, err = expunge(s, datastore.Erasing{Limit: 3}, datastore.Selection{Types: []string{"Patient"}, OlderVersions: true})
	if err != nil || out.Single != 1 || out.More {
		t.Fatalf("the rest: %+v, %v", out, err)
	}
	out, err = expunge(s, datastore.Erasing{}, datastore.Selection{Types: []string{"Patient"}, Criteria: []search.Pair{{Name: "_id", Value: "e0,e1"}}})
	if err != nil || out.Resources["Patient"] != 2 || out.Versions != 2 {
		t.Fatalf("criteria: %+v, %v", out, err)
	}
	if ids := find(t, s, "Patient", "gender=male"); !slices.Equal(ids, []string{"e2", "e3"}) {
		t.Errorf("left are %v", ids)
	}
}

func TestPurge(t *testing.T) {
	s := newStore(t)
	mustPut(t, s,
		`{"resourceType":"Patient","id":"a"}`, `{"resourceType":"Patient","id":"b","link":[{"other":{"reference":"Patient/a"},"type":"seealso"}]}`,
		observation("o1", "a"), observation("o1", "a"), observation("o2", "b"),
		observation("moved", "a"), observation("moved", "b"), observation("deleted", "a"),
		`{"resourceType":"Group","id":"g","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/a"}},{"entity":{"reference":"Patient/b"}}]}`,
		`{"resourceType":"List","id":"l","status":"current","mode":"working","subject":{"reference":"Patient/a"}}`,
	)
	remove(t, s, "Observation", "deleted")
	e := datastore.Erasing{Operation: "$purge"}
	e.DryRun = true
	dry, err := s.Purge(ctx, authz.Unrestricted(), e, "a")
	if err != nil {
		t.Fatal(err)
	}
	e.DryRun = false
	out, err := s.Purge(ctx, authz.Unrestricted(), e, "a")
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []datastore.Erased{dry, out} {
		if o.Resources["Patient"] != 1 || o.Resources["Observation"] != 2 || o.Resources["List"] != 1 || o.Single != 1 {
			t.Errorf("purged: %+v", o)
		}
	}
	if out.Versions != 1+2+2+1+1 {
		t.Errorf("%d versions are gone", out.Versions)
	}
	slices.Sort(out.Kept)
	if !slices.Equal(out.Kept, []string{"Group/g", "Patient/b"}) || out.Keeping != 2 {
		t.Errorf("kept %v", out.Kept)
	}
	for name, want := range map[string]string{
		"Patient/a": "none", "Patient/b": "1", "Observation/o1": "none", "Observation/o2": "1",
		"Observation/moved": "2", "Observation/deleted": "none", "Group/g": "1", "List/l": "none",
	} {
		resourceType, id, _ := strings.Cut(name, "/")
		if got := state(t, s, resourceType, id); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	slices.Sort(out.Referring)
	if !slices.Equal(out.Referring, []string{"Group/g", "Patient/b"}) {
		t.Errorf("referring: %v", out.Referring)
	}
	if ids := find(t, s, "AuditEvent", "entity=Observation/o1"); len(ids) != 1 {
		t.Errorf("Observation/o1 is audited by %v", ids)
	}
	if _, err := s.Purge(ctx, authz.Unrestricted(), e, "a"); !errors.As(err, new(*fhir.Error)) || fhir.KindOf(err) != fhir.KindNotFound {
		t.Errorf("once more: %v", err)
	}
}

// TestAuditNamesTheCaller: the AuditEvent has the user and the client.
func TestAuditNamesTheCaller(t *testing.T) {
	s := newStore(t)
	mustPut(t, s, patient)
	scopes, _ := authz.ParseScopes("user/*.cruds", s.Registry())
	access, err := authz.Decide(s.Registry(), authz.Caller{
		Subject: "ann", Client: "app", Scopes: scopes, FHIRUser: "Practitioner/ann", Roles: []string{authz.RoleAdmin},
	}, authz.Policy{Base: s.Base()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Erase(ctx, access, erasing, []store.Erasure{{Type: "Patient", ID: "p"}}); err != nil {
		t.Fatal(err)
	}
	if ids := find(t, s, "AuditEvent", "agent-name=ann&agent=Practitioner/ann"); len(ids) != 1 {
		t.Errorf("found %v by the user", ids)
	}
	if ids := find(t, s, "AuditEvent", "agent-name=app"); len(ids) != 1 {
		t.Errorf("found %v by the client", ids)
	}
}
