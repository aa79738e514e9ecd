package roles_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/healthlake"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble"
	"github.com/tarnhealth/tarn/server/roles"
)

var ctx = context.Background()

func records(t *testing.T) kv.DB {
	t.Helper()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Close() })
	return folder.Records()
}

func open(t *testing.T, db kv.DB, configured roles.Defined, needed ...string) *roles.Book {
	t.Helper()
	b, err := roles.Open(ctx, db, configured, needed)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var desk = roles.Role{
	Name: "desk", Clearance: "R", Operations: []string{"List*"},
	Rules: []roles.Rule{{Types: []string{"Observation"}, Interactions: []authz.Interaction{authz.Read}, Query: "category=vital-signs&status=final"}},
}

// TestLifeOfARole defines, changes and forgets a role; what is there is another
// value after each, and the same when the records are opened again.
func TestLifeOfARole(t *testing.T) {
	db := records(t)
	b := open(t, db, roles.Defined{}, "desk")
	if got := b.Undefined(); len(got) != 1 || got[0] != "desk" {
		t.Errorf("undefined are %v", got)
	}
	before := b.Now()
	if _, err := b.Put(ctx, desk); err != nil {
		t.Fatal(err)
	}
	for _, book := range []*roles.Book{b, open(t, db, roles.Defined{})} {
		now := book.Now()
		if now == before {
			t.Error("it is the same value")
		}
		rule := now.Access["desk"].Rules[0]
		if len(rule.Query) != 2 || rule.Query[1].Name != "status" || rule.Query[1].Value != "final" || !now.Control["desk"].Allows("ListFHIRDatastores") {
			t.Errorf("%+v", now)
		}
	}
	if len(b.Undefined()) != 0 {
		t.Error("it is not defined")
	}
	if _, err := b.Delete(ctx, "desk"); fhir.KindOf(err) != fhir.KindConflict || !strings.Contains(err.Error(), "access.consent") {
		t.Errorf("what the configuration speaks of: %v", err)
	}
	b = open(t, db, roles.Defined{})
	if _, err := b.Delete(ctx, "desk"); err != nil || len(b.Now().Known()) != 0 {
		t.Errorf("%v, %v", err, b.Now().Known())
	}
	if _, err := b.Delete(ctx, "desk"); fhir.KindOf(err) != fhir.KindNotFound {
		t.Error(err)
	}
}

// TestConfiguredRoles come before those of the records, and are not changed.
func TestConfiguredRoles(t *testing.T) {
	db := records(t)
	if _, err := open(t, db, roles.Defined{}).Put(ctx, desk); err != nil {
		t.Fatal(err)
	}
	b := open(t, db, roles.Defined{Control: map[string]healthlake.Role{"desk": {Operations: []string{"TagResource"}}}})
	if now := b.Now(); len(now.Access) != 0 || !now.Control["desk"].Allows("TagResource") {
		t.Errorf("%+v", now)
	}
	if _, err := b.Put(ctx, desk); fhir.KindOf(err) != fhir.KindConflict {
		t.Error(err)
	}
}

func TestRefusedRoles(t *testing.T) {
	b := open(t, records(t), roles.Defined{})
	rules := func(r ...roles.Rule) []roles.Rule { return r }
	for want, role := range map[string]roles.Role{
		"no name of a role":               {Name: "a b", Operations: []string{"List*"}},
		"neither rules":                   {Name: "a"},
		"to which unconfined":             {Name: "a", Operations: []string{"List*"}, Unconfined: true},
		"cannot be given another meaning": {Name: "admin", Rules: rules(roles.Rule{})},
		"define a role for each":          {Name: "a", Operations: []string{"List*"}, Rules: rules(roles.Rule{}), Tags: map[string]string{"team": "cardio"}},
		"none that a data store can have": {Name: "a", Operations: []string{"List*"}, Tags: map[string]string{"aws:team": "cardio"}},
		"which is no operation":           {Name: "a", Operations: []string{"Fly"}},
		"is not a search":                 {Name: "a", Rules: rules(roles.Rule{Types: []string{"Patient"}, Query: "name"})},
		"needs resource types":            {Name: "a", Rules: rules(roles.Rule{Query: "name=b"})},
		"is not an interaction":           {Name: "a", Rules: rules(roles.Rule{Interactions: []authz.Interaction{"fly"}})},
		"is not a resource type":          {Name: "a", Rules: rules(roles.Rule{Types: []string{"Fly"}})},
		"is no confidentiality":           {Name: "a", Rules: rules(roles.Rule{}), Clearance: "X"},
		"fly":                             {Name: "a", Rules: rules(roles.Rule{}), Labels: []string{"fly"}},
	} {
		if _, err := b.Put(ctx, role); fhir.KindOf(err) != fhir.KindInvalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if len(b.Now().Known()) != 0 {
		t.Errorf("%v", b.Now().Known())
	}
}
