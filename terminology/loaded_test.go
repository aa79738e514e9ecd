package terminology_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/codebook"
	"github.com/tarnhealth/tarn/terminology/concept"
)

// clinical is a made-up system at SNOMED CT's URL.
func clinical(t testing.TB) *codebook.Book {
	t.Helper()
	b := codebook.NewBuilder(codebook.Meta{URL: "http://snomed.info/sct", Version: "http://snomed.info/sct/1/version/20300101", Name: "SNOMEDCT", Source: "snomed", CaseSensitive: true})
	add := func(code, display string, parents ...string) {
		b.Add(concept.Concept{Code: code, Display: display}, parents...)
	}
	add("1", "Thing")
	add("10", "Finding", "1")
	add("11", "Fever", "10")
	add("12", "High fever", "11")
	add("13", "Cough", "10")
	add("20", "Event", "1")
	b.Add(concept.Concept{Code: "21", Display: "Fall", Inactive: true, Designations: []concept.Designation{{Language: "en", Value: "Tumble"}}}, "20")
	b.AddTo("700", "11")
	b.AddTo("700", "20")
	return open(t, b)
}

func open(t testing.TB, b *codebook.Builder) *codebook.Book {
	t.Helper()
	path := filepath.Join(t.TempDir(), "book")
	if _, err := b.Write(path); err != nil {
		t.Fatal(err)
	}
	book, err := codebook.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// with is a service of loaded terminologies and stored resources.
func with(t testing.TB, books []*codebook.Book, resources ...string) *terminology.Service {
	t.Helper()
	stored := map[string]*fhir.Tree{}
	for _, src := range resources {
		tree, err := fhir.Parse(definition.R4().Schema, []byte(src), fhir.DefaultLimits)
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		stored[tree.Root().Type().Name+" "+tree.Root().TextOf("url")] = tree
	}
	return terminology.With(terminology.Options{
		Find: func(resourceType, canonical string) (terminology.Stored, error) {
			tree := stored[resourceType+" "+canonical]
			if tree == nil {
				return terminology.Stored{}, nil
			}
			return terminology.Stored{Key: resourceType + canonical, Tree: func() (*fhir.Tree, error) { return tree, nil }}, nil
		},
		Books: func(canonical string) *codebook.Book {
			for _, b := range books {
				if url, _, _ := strings.Cut(canonical, "|"); b.URL == url {
					return b
				}
			}
			return nil
		},
		Memory: terminology.NewMemory(),
	})
}

func listed(s *terminology.Service, url string, x terminology.Expand) string {
	set, err := s.ValueSet(url)
	if err != nil {
		return "error: " + err.Error()
	}
	found, err := set.Expand(x)
	if err != nil {
		return "error: " + err.Error()
	}
	var codes []string
	for _, e := range found.Entries {
		ok, err := set.Has(terminology.Coding{System: e.System, Code: e.Code})
		if !ok || err != nil {
			return fmt.Sprintf("%s is listed, and checked to be %v (%v)", e.Code, ok, err)
		}
		codes = append(codes, e.Code)
	}
	if found.Total != len(codes) {
		codes = append(codes, fmt.Sprintf("of %d", found.Total))
	}
	return strings.Join(codes, " ")
}

// TestImplicit lists the value sets that SNOMED CT and others define without a
// resource; each code of a list must be found in its set by itself too.
func TestImplicit(t *testing.T) {
	s := with(t, []*codebook.Book{clinical(t)})
	for what, want := range map[string]string{
		"":                                      "1 10 11 12 13 20 21",
		"=isa/10":                               "10 11 12 13",
		"=refset/700":                           "11 20",
		"=ecl/11":                               "11",
		"=ecl/< 11":                             "12",
		"=ecl/<<11 |Fever|":                     "11 12",
		"=ecl/<!10":                             "11 13",
		"=ecl/<<!10":                            "10 11 13",
		"=ecl/>12":                              "1 10 11",
		"=ecl/>>12":                             "1 10 11 12",
		"=ecl/>!12":                             "11",
		"=ecl/^700":                             "11 20",
		"=ecl/*":                                "1 10 11 12 13 20 21",
		"=ecl/<10 MINUS <<11":                   "13",
		"=ecl/<1 AND (<<11 or 20 |Event|)":      "11 12 20",
		"=ecl/<<10, ^700":                       "11",
		"=ecl/<10: 5=6":                         "error: the value set http://snomed.info/sct?fhir_vs=ecl/<10: 5=6 has the constraint \"<10: 5=6\", which is not one of the simple forms that are known here: refinements, attributes and filters are not",
		"=ecl/<10 OR 11 AND 12":                 "error: .* OR and AND need parentheses",
		"=ecl/(<10":                             "error: .* a parenthesis is not closed",
		"=ecl/99":                               `error: .* is about "99", which is not a code of http://snomed.info/sct`,
		"=ecl/^99":                              "error: .* reference set 99, which is not loaded",
		"=isa/99":                               `error: .* filters by "99", which is not a code`,
		"=other/1":                              "error: .* is not known",
		"=ecl/":                                 "error: .* is not known",
		"=ecl/" + strings.Repeat("(", 40) + "1": "error: .* more than 16 deep",
	} {
		got := listed(s, "http://snomed.info/sct?fhir_vs"+what, terminology.Expand{Count: -1})
		if text, ok := strings.CutPrefix(want, "error: .* "); ok {
			if !strings.HasPrefix(got, "error: ") || !strings.Contains(got, text) {
				t.Errorf("%s: got %q, want %q", what, got, want)
			}
		} else if got != want {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	if got := listed(s, "http://snomed.info/sct/1/version/20300101?fhir_vs=isa/11", terminology.Expand{Count: -1}); got != "11 12" {
		t.Errorf("of an edition: %q", got)
	}
}

// TestLoadedExpand filters and pages a loaded system, alone and with others.
func TestLoadedExpand(t *testing.T) {
	s := with(t, []*codebook.Book{clinical(t)},
		`{"resourceType":"ValueSet","url":"http://x.org/both","compose":{"include":[
			{"system":"http://snomed.info/sct","concept":[{"code":"13","display":"Hacking"},{"code":"99"}]},
			{"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"is-a","value":"10"}]},
			{"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"descendent-of","value":"1"}]}],
		 "exclude":[{"system":"http://snomed.info/sct","filter":[{"property":"concept","op":"is-a","value":"12"}]}]}}`,
		`{"resourceType":"ValueSet","url":"http://x.org/own","compose":{"include":[{"system":"http://x.org/nobody"}]},"expansion":{"total":2,"contains":[{"system":"http://x.org/nobody","code":"a"},{"system":"http://x.org/nobody","code":"b"}]}}`,
		`{"resourceType":"ValueSet","url":"http://x.org/part","compose":{"include":[{"system":"http://x.org/nobody"}]},"expansion":{"total":3,"contains":[{"system":"http://x.org/nobody","code":"a"}]}}`)
	all := "http://snomed.info/sct?fhir_vs"
	for _, test := range []struct {
		url  string
		x    terminology.Expand
		want string
	}{
		{all, terminology.Expand{Count: 2, Offset: 1}, "10 11 of 7"},
		{all, terminology.Expand{Count: -1, Filter: "fev"}, "11 12"},
		{all, terminology.Expand{Count: -1, Filter: "fev HI"}, "12"},
		{all, terminology.Expand{Count: -1, Filter: "tumb"}, "21"},
		{all, terminology.Expand{Count: -1, Filter: "2"}, "20 21"},
		{all, terminology.Expand{Count: 0}, "of 7"},
		{all, terminology.Expand{Count: -1, ActiveOnly: true}, "1 10 11 12 13 20"},
		{"http://x.org/both", terminology.Expand{Count: -1}, "13 99 10 11 20 21"},
		{"http://x.org/both", terminology.Expand{Count: -1, Filter: "hack"}, "13"},
		{"http://x.org/own", terminology.Expand{Count: -1}, "a b"},
		{"http://x.org/part", terminology.Expand{Count: -1}, "error: the code system http://x.org/nobody is not known; a CodeSystem resource with that url would make it known"},
	} {
		if got := listed(s, test.url, test.x); got != test.want {
			t.Errorf("%s %+v: got %q, want %q", test.url, test.x, got, test.want)
		}
	}
}

// TestSupplement merges what supplements say where they are asked for, by the
// caller or by a value set.
func TestSupplement(t *testing.T) {
	s := with(t, []*codebook.Book{clinical(t)},
		`{"resourceType":"CodeSystem","url":"http://x.org/de","language":"de","status":"active","content":"supplement","supplements":"http://snomed.info/sct",
		  "concept":[{"code":"11","display":"Fieber","property":[{"code":"rank","valueInteger":3}]}]}`,
		`{"resourceType":"ValueSet","url":"http://x.org/german","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/valueset-supplement","valueCanonical":"http://x.org/de"}],
		  "compose":{"include":[{"system":"http://snomed.info/sct","filter":[{"property":"rank","op":"=","value":"3"}]}]}}`)
	plain, err := s.System("http://snomed.info/sct")
	if err != nil {
		t.Fatal(err)
	}
	if d, err := plain.Lookup("11", nil); err != nil || len(d.Designations) != 0 {
		t.Errorf("without the supplement: %+v, %v", d, err)
	}
	merged, err := s.System("http://snomed.info/sct", "http://x.org/de")
	if err != nil {
		t.Fatal(err)
	}
	d, err := merged.Lookup("11", []string{"rank", "designation"})
	if err != nil || d.Concept.Display != "Fever" || len(d.Designations) != 1 || d.Designations[0].Value != "Fieber" || d.Designations[0].Language != "de" || len(d.Properties) != 1 || d.Properties[0].Text != "3" {
		t.Errorf("with the supplement: %+v, %v", d, err)
	}
	if got := listed(s, "http://x.org/german", terminology.Expand{Count: -1}); got != "11" {
		t.Errorf("a value set that asks for it: %q", got)
	}
	for url, want := range map[string]string{"http://x.org/none": "is not known", "http://hl7.org/fhir/administrative-gender": "is not known"} {
		if _, err := s.System("http://snomed.info/sct", url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("supplement %s: %v", url, err)
		}
	}
	if _, err := s.System("http://x.org/de"); err == nil || !strings.Contains(err.Error(), "is a supplement") {
		t.Errorf("a supplement by itself: %v", err)
	}
}

// TestUnits checks codes that a rule makes.
func TestUnits(t *testing.T) {
	s := with(t, nil)
	units, err := s.System("http://unitsofmeasure.org")
	if err != nil {
		t.Fatal(err)
	}
	for code, want := range map[string]bool{"mg/dL": true, "mmHg": false, "mm[Hg]": true} {
		if v, err := units.Validate([]terminology.Coding{{Code: code}}, terminology.Check{}); err != nil || v.Result != want {
			t.Errorf("%s: %+v, %v", code, v, err)
		}
	}
	if got := listed(s, "http://hl7.org/fhir/ValueSet/ucum-units", terminology.Expand{Count: -1}); !strings.Contains(got, "made by a rule") {
		t.Errorf("all units are listed: %q", got)
	}
	set, err := s.ValueSet("http://hl7.org/fhir/ValueSet/ucum-units")
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := set.Has(terminology.Coding{System: "http://unitsofmeasure.org", Code: "kg/m2"}); !ok || err != nil {
		t.Errorf("kg/m2 is in UCUM: %v, %v", ok, err)
	}
	if ok, err := set.Has(terminology.Coding{System: "http://unitsofmeasure.org", Code: "parsecs"}); ok || err == nil {
		t.Errorf("what is no unit that is known: %v, %v", ok, err)
	}
}

// TestWideExpand filters and pages a system of hundreds of thousands of
// concepts; what that takes does not grow with it.
func TestWideExpand(t *testing.T) {
	const n = 300_000
	b := codebook.NewBuilder(codebook.Meta{URL: "http://x.org/wide", Version: "1", CaseSensitive: true})
	for i := range n {
		b.Add(concept.Concept{Code: fmt.Sprintf("%06d", i), Display: fmt.Sprintf("concept of group %d", i%1000)}, fmt.Sprintf("%06d", i/4-1))
	}
	s := with(t, []*codebook.Book{open(t, b)})
	set, err := s.ValueSet("http://x.org/wide?fhir_vs")
	if err != nil {
		t.Fatal(err)
	}
	var found *terminology.Expansion
	size := testing.AllocsPerRun(1, func() {
		found, err = set.Expand(terminology.Expand{Filter: "conc 77", Offset: 100, Count: 10})
	})
	if err != nil || found.Total != 11*n/1000 || len(found.Entries) != 10 {
		t.Fatalf("found %+v, %v", found, err)
	}
	if size > 2000 {
		t.Errorf("a page of ten took %v pieces of memory", size)
	}
}
