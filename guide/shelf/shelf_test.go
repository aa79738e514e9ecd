package shelf_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/guide/shelf"
	"github.com/tarnhealth/tarn/kv"
	"github.com/tarnhealth/tarn/pebble"
)

var ctx = context.Background()

func clock() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

func records(t *testing.T) kv.DB {
	t.Helper()
	folder, err := pebble.OpenFolder("data", pebble.FolderOptions{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := folder.Close(); err != nil {
			t.Error(err)
		}
	})
	return folder.Records()
}

const profile = "http://example.org/p"

func of(name, version, element string) guidetest.Package {
	return guidetest.Package{Name: name, Version: version, Resources: []string{guidetest.Profile(profile, version, element)}}
}

func add(t *testing.T, s *shelf.Shelf, store string, packages ...guidetest.Package) *conformance.Guides {
	t.Helper()
	var a shelf.Addition
	for _, p := range packages {
		a.Packages = append(a.Packages, p.Archive(t))
	}
	g, err := s.Add(ctx, store, a)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// lacks is the elements that a Patient which declares a profile lacks.
func lacks(t *testing.T, g *conformance.Guides, declared string) string {
	t.Helper()
	tree, err := fhir.Parse(definition.R4().Schema, []byte(`{"resourceType":"Patient","meta":{"profile":["`+declared+`"]}}`), fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	g.Check(tree, func(i fhir.Issue) {
		text := i.Expression
		if i.Code == "not-found" {
			text = string(i.Severity)
		}
		all = append(all, text)
	})
	return strings.Join(all, " ")
}

func names(t *testing.T, s *shelf.Shelf, store string) string {
	t.Helper()
	list, err := s.List(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, g := range list {
		all = append(all, g.Name+"#"+g.Version)
	}
	return strings.Join(all, " ")
}

func wantError(t *testing.T, err error, kind fhir.Kind, text string) {
	t.Helper()
	if err == nil || fhir.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
		t.Errorf("error %v, want kind %v with %q", err, kind, text)
	}
}

// TestVersionsAndStores: guides are each data store's own, in versions beside
// each other, and are there after a restart.
func TestVersionsAndStores(t *testing.T) {
	db := records(t)
	s := shelf.New(db, clock)
	add(t, s, "one", of("a", "1.0.0", "name"))
	g := add(t, s, "one", of("a", "2.0.0", "gender"))
	for declared, want := range map[string]string{
		profile: "Patient.gender", profile + "|2.0.0": "Patient.gender", profile + "|1.0.0": "Patient.name", profile + "|3.0.0": "warning",
	} {
		if got := lacks(t, g, declared); got != want {
			t.Errorf("%s: %q, want %q", declared, got, want)
		}
	}
	if got := names(t, s, "two"); got != "" {
		t.Errorf("another data store has %s", got)
	}
	again := shelf.New(db, clock)
	if got := names(t, again, "one"); got != "a#2.0.0 a#1.0.0" {
		t.Errorf("after a restart there are %s", got)
	}
	g, err := again.Guides(ctx, "one")
	if err != nil || lacks(t, g, profile+"|1.0.0") != "Patient.name" {
		t.Errorf("after a restart: %v", err)
	}
}

// TestShared: data stores with the same guides share what they come to.
func TestShared(t *testing.T) {
	s := shelf.New(records(t), clock)
	a, b := add(t, s, "one", of("a", "1.0.0", "name")), add(t, s, "two", of("a", "1.0.0", "name"))
	if a != b {
		t.Error("two data stores with the same guide do not share it")
	}
	if c := add(t, s, "three", of("a", "1.0.0", "gender")); c == a {
		t.Error("a data store shares what it has with other content")
	}
}

func TestSettings(t *testing.T) {
	s := shelf.New(records(t), clock)
	add(t, s, "one", of("a", "1.0.0", "name"), of("a", "2.0.0", "gender"), of("b", "2.5.0", "photo"))
	for _, test := range []struct {
		defaults       []string
		declared, want string
	}{
		{nil, profile, "Patient.photo"},
		{[]string{"a#1.0.0"}, profile, "Patient.name"},
		{[]string{"http://example.org/a|2.0.0"}, profile, "Patient.gender"},
		{[]string{"a#1.0.0", profile + "|2.0.0"}, profile, "Patient.gender"},
		{[]string{"a#1.0.0"}, profile + "|2.0.0", "Patient.gender"},
	} {
		g, err := s.Set(ctx, "one", conformance.Settings{Defaults: test.defaults})
		if err != nil {
			t.Fatal(err)
		}
		if got := lacks(t, g, test.declared); got != test.want {
			t.Errorf("with %q, %s: %q, want %q", test.defaults, test.declared, got, test.want)
		}
	}
	g, err := s.Set(ctx, "one", conformance.Settings{RefuseUnknown: true, Demanded: []string{profile + "|1.0.0"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := lacks(t, g, "http://example.org/unknown"); got != "error Patient.name" {
		t.Errorf("strict: %q", got)
	}
	_, err = s.Set(ctx, "one", conformance.Settings{Defaults: []string{"a#9"}})
	wantError(t, err, fhir.KindInvalid, "no guide here has a#9; there are a#2.0.0")
	_, err = s.Set(ctx, "one", conformance.Settings{Demanded: []string{"http://example.org/unknown"}})
	wantError(t, err, fhir.KindInvalid, "cannot be demanded")
	_, err = s.Remove(ctx, "one", "a#1.0.0")
	wantError(t, err, fhir.KindConflict, "cannot be removed")
}

func TestRefused(t *testing.T) {
	needing := func(name string, needs ...string) guidetest.Package {
		p := guidetest.Package{Name: name, Version: "1.0.0", Needs: map[string]string{}}
		for i := 0; i < len(needs); i += 2 {
			p.Needs[needs[i]] = needs[i+1]
		}
		return p
	}
	s := shelf.New(records(t), clock)
	add(t, s, "one", needing("base"))
	for name, test := range map[string]struct {
		packages []guidetest.Package
		want     string
	}{
		"missing":       {[]guidetest.Package{needing("a", "nothing", "1.0.0")}, "nothing#1.0.0, which a#1.0.0 needs"},
		"wrong version": {[]guidetest.Package{needing("a", "base", "2.0.0")}, "needs base in version 2.0.0; there is 1.0.0"},
		"a circle":      {[]guidetest.Package{needing("a", "b", "1.0.0"), needing("b", "a", "1.0.0")}, "in a circle"},
	} {
		var a shelf.Addition
		for _, p := range test.packages {
			a.Packages = append(a.Packages, p.Archive(t))
		}
		_, err := s.Add(ctx, "one", a)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	_, err := s.Add(ctx, "one", shelf.Addition{Packages: [][]byte{guidetest.Archive(t, "package/../../x.json", "{}")}})
	wantError(t, err, fhir.KindUnprocessable, "leads out of it")
	_, err = s.Add(ctx, "one", shelf.Addition{Packages: [][]byte{of("base", "1.0.0", "name").Archive(t)}})
	wantError(t, err, fhir.KindConflict, "with other content")
	if got := names(t, s, "one"); got != "base#1.0.0" {
		t.Errorf("after refusals there are %s", got)
	}
	if _, err := s.Add(ctx, "one", shelf.Addition{Packages: [][]byte{needing("a", "base", "2.0.0", "nothing", "1.0.0").Archive(t)}, Incomplete: true}); err != nil {
		t.Errorf("incomplete: %v", err)
	}
	list, err := s.List(ctx, "one")
	if err != nil || strings.Join(list[0].Missing, " ") != "base#2.0.0 nothing#1.0.0" {
		t.Errorf("missing: %+v, %v", list, err)
	}
}

// TestRemove: a package goes with its last use, and not while another needs it.
func TestRemove(t *testing.T) {
	db := records(t)
	s := shelf.New(db, clock)
	base, user := of("base", "1.0.0", "name"), guidetest.Package{Name: "user", Version: "1.0.0", Needs: map[string]string{"base": "1.0.x"}}
	add(t, s, "one", base, user)
	add(t, s, "two", base)
	_, err := s.Remove(ctx, "one", "base")
	wantError(t, err, fhir.KindConflict, "base#1.0.0 is needed: without it, there would be missing base#1.0.x, which user#1.0.0 needs")
	_, err = s.Remove(ctx, "one", "nobody@1")
	wantError(t, err, fhir.KindNotFound, "nobody@1")
	for _, name := range []string{"user@1.0.0", "base"} {
		if _, err := s.Remove(ctx, "one", name); err != nil {
			t.Fatal(err)
		}
	}
	if names(t, s, "one") != "" || names(t, s, "two") != "base#1.0.0" {
		t.Errorf("there are %q and %q", names(t, s, "one"), names(t, s, "two"))
	}
	if g, err := shelf.New(db, clock).Guides(ctx, "two"); err != nil || lacks(t, g, profile) != "Patient.name" {
		t.Errorf("the guide that is in use cannot be used: %v", err)
	}
	if err := s.Forget(ctx, "two"); err != nil {
		t.Fatal(err)
	}
	err = db.View(ctx, func(tx kv.Tx) error {
		for r, err := range tx.Scan([]byte("guide"), []byte("guidf")) {
			t.Errorf("left over: %q %v", r.Key, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestShare: the configuration's guides are those of every data store, and are
// read once.
func TestShare(t *testing.T) {
	db := records(t)
	for range 2 {
		s := shelf.New(db, clock)
		if err := s.Share(ctx, [][]byte{of("a", "1.0.0", "name").Archive(t)}, false); err != nil {
			t.Fatal(err)
		}
		g, err := s.Guides(ctx, "one")
		if err != nil || lacks(t, g, profile) != "Patient.name" {
			t.Fatalf("a guide of all data stores cannot be used: %v", err)
		}
		_, err = s.Remove(ctx, "one", "a")
		wantError(t, err, fhir.KindConflict, "the setting guides")
	}
	err := shelf.New(db, clock).Share(ctx, [][]byte{guidetest.Package{Name: "b", Version: "1.0.0", Needs: map[string]string{"c": "1.0.0"}}.Archive(t)}, false)
	wantError(t, err, fhir.KindUnprocessable, "c#1.0.0, which b#1.0.0 needs")
}
