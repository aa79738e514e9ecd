package define_test

import (
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/published"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/define"
)

// notDefinable are the published definitions that could not be used if a data
// store had them as its own, with a part of what is said of them.
var notDefinable = map[string]string{
	"http://hl7.org/fhir/SearchParameter/Location-near": "parameters of type special cannot be defined",
	// Its expression is of DomainResource's extensions, its base Patient.
	"http://hl7.org/fhir/SearchParameter/example-extension": "no part of it selects anything of Patient",
	// It is published with its components' expressions exchanged.
	"http://hl7.org/fhir/SearchParameter/DocumentReference-relationship": "selects values of type code, and relatesto cannot index that",
}

// TestPublishedDefinitions reads every SearchParameter of R4 as if it were a
// data store's own (Q27): the result must be what the packed table has.
func TestPublishedDefinitions(t *testing.T) {
	set := definition.R4()
	registry, err := search.New(set)
	if err != nil {
		t.Fatal(err)
	}
	published := parameters(t)
	scope := scopeOf(registry, set)
	read := 0
	for name, src := range published {
		tree, err := fhir.Parse(set.Schema, src, fhir.DefaultLimits)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		def, err := define.Read(scope, tree.Root())
		if err != nil {
			checkRefusal(t, tree.Root(), err)
			continue
		}
		read++
		checkSame(t, set, scope, def)
	}
	t.Logf("%d of %d definitions can be defined", read, len(published))
	if read < 1300 {
		t.Errorf("%d definitions were read, want at least 1,300", read)
	}
}

func scopeOf(registry *search.Registry, set *definition.Set) *define.Scope {
	s := &define.Scope{Schema: set.Schema, Fits: search.Fits}
	for _, t := range set.Schema.Types {
		if t.Kind == fhir.KindResource {
			s.Types = append(s.Types, t.Name)
		}
	}
	s.Param = func(string, string) *definition.SearchParameter { return nil }
	s.ByURL = func(resourceType, url string) *definition.SearchParameter {
		for _, p := range set.SearchParameters(resourceType) {
			if p.URL == url {
				return p
			}
		}
		return nil
	}
	return s
}

func checkRefusal(t *testing.T, root fhir.Node, err error) {
	t.Helper()
	url := root.TextOf("url")
	want, known := notDefinable[url]
	switch {
	case known && strings.Contains(err.Error(), want):
	case !known && (root.TextOf("expression") == "" || strings.HasPrefix(root.TextOf("code"), "_")):
	default:
		var e *fhir.Error
		errors.As(err, &e)
		t.Errorf("%s: %s: %v", url, e.Issues[0].Expression, err)
	}
}

func checkSame(t *testing.T, set *definition.Set, scope *define.Scope, def *definition.SearchParameter) {
	t.Helper()
	for _, base := range def.Bases {
		want := set.SearchParameter(base, def.Code)
		if want == nil || want.URL != def.URL {
			continue // an example of the package, which defines nothing
		}
		if want.Type != def.Type || want.Expression != define.For(def.Expression, base, scope.Types) || len(want.Component) != len(def.Component) {
			t.Errorf("%s of %s is read as %+v, but packed as %+v", def.URL, base, def, want)
		}
		if len(want.Target) > 0 && !slices.Equal(want.Target, def.Target) {
			t.Errorf("%s refers to %v, but %v is packed", def.URL, def.Target, want.Target)
		}
	}
}

// parameters are the SearchParameters of R4's package, by file name.
func parameters(t *testing.T) map[string][]byte { return parametersIn(t, published.R4Core) }

// parametersIn are the SearchParameters of a package, by file name.
func parametersIn(t *testing.T, name string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for file, data := range published.Package(t, name) {
		if base := path.Base(file); strings.HasPrefix(base, "SearchParameter-") {
			files[base] = data
		}
	}
	return files
}
