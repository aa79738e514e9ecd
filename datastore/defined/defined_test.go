package defined_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/datastore/defined"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/terminology"
)

// A shelf is a store of some resources' text by Type/id, one number for each.
type shelf struct {
	store.Store
	texts map[string]string
	t     map[string]store.T
	now   store.T
	// finding is called by each look for a resource.
	finding func()
}

type shelfView struct {
	store.View
	*shelf
}

func (s *shelf) View(context.Context, store.T) (store.View, error) { return shelfView{shelf: s}, nil }
func (v shelfView) Close()                                         {}

func (v shelfView) Read(_ context.Context, resourceType, id string) (store.Version, error) {
	return v.version(resourceType + "/" + id)
}

func (s *shelf) version(name string) (store.Version, error) {
	if s.texts[name] == "" {
		return store.Version{}, store.ErrNotFound
	}
	resourceType, id, _ := strings.Cut(name, "/")
	return store.Version{Type: resourceType, ID: id, T: s.t[name], Op: store.OpUpdate}, nil
}

func (v shelfView) Search(_ context.Context, plan search.Plan, _ store.Page) (store.Result, error) {
	return store.Result{Matches: func(yield func(store.Version, error) bool) {
		for name := range v.texts {
			if found, err := v.version(name); found.Type == plan.Parts[0].Type && err == nil && !yield(found, nil) {
				return
			}
		}
	}}, nil
}

func (s *shelf) Commit(_ context.Context, ops []store.Op) ([]store.Version, error) { return nil, nil }

func (s *shelf) read(v store.Version) (*fhir.Tree, error) {
	return fhir.Parse(definition.R4().Schema, []byte(s.texts[v.Type+"/"+v.ID]), fhir.DefaultLimits)
}

// find is the resource with a URL, or of a name.
func (s *shelf) find(resourceType, canonical string) (store.Version, bool, error) {
	if s.finding != nil {
		s.finding()
	}
	url, _, _ := strings.Cut(canonical, "|")
	for name, text := range s.texts {
		if strings.HasPrefix(name, resourceType+"/") && (name == url || strings.Contains(text, `"url":"`+url+`"`)) {
			v, err := s.version(name)
			return v, err == nil, err
		}
	}
	return store.Version{}, false, nil
}

const base = "http://example.org/"

func structure(url, of string) string {
	return fmt.Sprintf(`{"resourceType":"StructureDefinition","url":%q,"version":"1","name":"P","status":"active","kind":"resource","abstract":false,"type":"Patient",
"baseDefinition":%q,"derivation":"constraint","differential":{"element":[{"id":"Patient.name","path":"Patient.name","min":1}]}}`, base+url, of)
}

func valueSet(url string) string {
	return fmt.Sprintf(`{"resourceType":"ValueSet","url":%q,"status":"active"}`, base+url)
}

const patient = "http://hl7.org/fhir/StructureDefinition/Patient"

// start makes definitions of a shelf on which p is based on q, and asks for p and
// for r, which is not there.
func start(t *testing.T) (s *shelf, d *defined.Definitions, write func(name, text string), ask func() any) {
	t.Helper()
	s = &shelf{texts: map[string]string{}, t: map[string]store.T{}}
	d = defined.New(s, defined.Options{Find: s.find, Read: s.read, Codes: func() terminology.Options { return terminology.Options{} }})
	watched := d.Store()
	write = func(name, text string) {
		t.Helper()
		s.now++
		s.texts[name], s.t[name] = text, s.now
		resourceType, id, _ := strings.Cut(name, "/")
		if _, err := watched.Commit(t.Context(), []store.Op{{Type: resourceType, ID: id}}); err != nil {
			t.Fatal(err)
		}
	}
	ask = func() any {
		t.Helper()
		g, err := d.Guides(nil)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	write("StructureDefinition/p", structure("p", base+"q"))
	write("StructureDefinition/q", structure("q", patient))
	g, err := d.Guides(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Rules().Profile(base + "p"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{base + "r", "StructureDefinition/s", base + "StructureDefinition/u"} {
		if _, err := g.Rules().Profile(name); fhir.KindOf(err) != fhir.KindNotFound {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return s, d, write, ask
}

// TestKept: what is compiled is dropped by writes that may change it, and by no
// others.
func TestKept(t *testing.T) {
	for what, c := range map[string]struct {
		name, text string
		kept       bool
	}{
		"a value set":                     {"ValueSet/v", valueSet("v"), true},
		"a value set of a profile's URL":  {"ValueSet/v", valueSet("p"), true},
		"a value set called as a profile": {"ValueSet/p", valueSet("v"), true},
		"another profile":                 {"StructureDefinition/other", structure("other", patient), true},
		"a deletion of nothing":           {"StructureDefinition/other", "", true},
		"the profile":                     {"StructureDefinition/p", structure("p", patient), false},
		"its base":                        {"StructureDefinition/q", structure("q", patient), false},
		"the base under another URL":      {"StructureDefinition/q", structure("elsewhere", patient), false},
		"the base deleted":                {"StructureDefinition/q", "", false},
		"another of the base's URL":       {"StructureDefinition/q2", structure("q", patient), false},
		"what was not there":              {"StructureDefinition/new", structure("r", patient), false},
		"what was not there, by its id":   {"StructureDefinition/s", structure("z", patient), false},
		"what was not there, by its path": {"StructureDefinition/u", structure("z", patient), false},
	} {
		t.Run(what, func(t *testing.T) {
			_, _, write, ask := start(t)
			before := ask()
			write(c.name, c.text)
			if after := ask(); (after == before) != c.kept {
				t.Errorf("kept: %v, want %v", after == before, c.kept)
			}
		})
	}
}

// TestRaced: what was found while resources were written all the time is found
// again by the next request.
func TestRaced(t *testing.T) {
	s, d, write, ask := start(t)
	before := ask()
	g, err := d.Guides(nil)
	if err != nil {
		t.Fatal(err)
	}
	writes := 0
	s.finding = func() {
		writes++
		write("ValueSet/v", valueSet("v"))
	}
	if _, err := g.Rules().Profile(base + "t"); fhir.KindOf(err) != fhir.KindNotFound {
		t.Fatal(err)
	}
	s.finding = nil
	if writes < 2 {
		t.Errorf("it was looked for %d times while others were written", writes)
	}
	if ask() == before {
		t.Error("what may be old is kept")
	}
}

// TestMany: more writes than are looked at drop all.
func TestMany(t *testing.T) {
	_, _, write, ask := start(t)
	before := ask()
	for i := range 1001 {
		write(fmt.Sprint("ValueSet/v", i), valueSet("v"))
	}
	if ask() == before {
		t.Error("it was kept without a look at each")
	}
}

// TestProfiles lists what can be used, as it is after each write.
func TestProfiles(t *testing.T) {
	s, d, write, _ := start(t)
	want := func(want ...string) {
		t.Helper()
		p, err := d.Profiles(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Of("Patient"); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q, want %q", got, want)
		}
		if again, err := d.Profiles(nil); again != p || err != nil {
			t.Errorf("another list where nothing was written: %v", err)
		}
	}
	want(base+"p|1", base+"q|1")
	write("ValueSet/v", valueSet("v"))
	want(base+"p|1", base+"q|1")
	write("StructureDefinition/r", structure("r", base+"missing"))
	want(base+"p|1", base+"q|1")
	write("StructureDefinition/missing", structure("missing", patient))
	want(base+"missing|1", base+"p|1", base+"q|1", base+"r|1")
	write("StructureDefinition/q", "")
	want(base+"missing|1", base+"r|1")
	write("StructureDefinition/r", strings.Replace(s.texts["StructureDefinition/r"], "active", "retired", 1))
	want(base + "missing|1")
}
