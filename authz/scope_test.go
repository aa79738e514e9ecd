package authz_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/definition"
	_ "github.com/tarnhealth/tarn/internal/seeded"
	"github.com/tarnhealth/tarn/search"
)

var r4 = sync.OnceValue(func() *search.Registry {
	r, err := search.New(definition.R4())
	if err != nil {
		panic(err)
	}
	return r
})

// parse reads scopes that must all be understood.
func parse(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, text string) authz.Scopes {
	t.Helper()
	s, dropped := authz.ParseScopes(text, r4())
	if len(dropped) > 0 {
		t.Fatalf("ParseScopes(%q) drops %v", text, dropped)
	}
	return s
}

const laboratory = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"

func TestParseKeepsTheFormAskedFor(t *testing.T) {
	for _, text := range []string{
		"patient/*.read",
		"patient/*.*",
		"user/Observation.write patient/Observation.rs",
		"patient/Observation.cruds system/*.rs",
		"openid fhirUser launch launch/patient launch/encounter offline_access online_access profile email",
		"patient/Condition.r offline_access patient/Observation.s openid",
		laboratory,
		strings.ReplaceAll(laboratory, "|", "%7C"),
		"patient/Observation.rs?category=laboratory&code=http://loinc.org|1-8,http://loinc.org|2-8",
		"user/Observation.rs?date=ge2020&category:not=survey",
		"system/Patient.rs?_id=a",
	} {
		if got := parse(t, text).String(); got != text {
			t.Errorf("%q came back as %q", text, got)
		}
	}
}

func TestParseReads(t *testing.T) {
	s := parse(t, "launch/patient patient/Observation.rs?category=a%7Cb&status=final user/*.write  patient/Patient.read patient/Patient.read")
	type plain struct {
		Level   authz.Level
		Type    string
		Actions authz.Actions
		Query   []search.Pair
		V1      bool
	}
	var got []plain
	for _, r := range s.Resources {
		got = append(got, plain{r.Level, r.Type, r.Actions, r.Query, r.V1})
	}
	want := []plain{
		{authz.LevelPatient, "Observation", authz.ActionRead | authz.ActionSearch, []search.Pair{{Name: "category", Value: "a|b"}, {Name: "status", Value: "final"}}, false},
		{authz.LevelUser, "*", authz.ActionCreate | authz.ActionUpdate | authz.ActionDelete, nil, true},
		{authz.LevelPatient, "Patient", authz.ActionsRead, nil, true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !s.LaunchPatient || s.Launch || s.OpenID {
		t.Errorf("flags are %+v", s)
	}
}

func TestParseDrops(t *testing.T) {
	for text, reason := range map[string]string{
		"patient/Observation.dus":                      "in that order",
		"patient/Observation.rr":                       "in that order",
		"patient/Observation.":                         "in that order",
		"patient/Observation.READ":                     "in that order",
		"patient/Observation.reads":                    "in that order",
		"patient/Observation":                          "what may be done is missing",
		"patient/Nothing.rs":                           "not a resource type",
		"patient/observation.rs":                       "not a resource type",
		"patient/Resource.rs":                          "not a resource type",
		"patient/.rs":                                  "not a resource type",
		"Patient/Observation.rs":                       "not known here",
		"group/Observation.rs":                         "not known here",
		"openID":                                       "not known here",
		"launch/imagingstudy":                          "launch/patient and launch/encounter",
		"patient/*.rs?category=a":                      "not with *",
		"patient/Observation.read?category=a":          "conditions go with letters",
		"patient/Observation.rs?":                      "1 to 30 conditions",
		"patient/Observation.rs?category=":             "has no value",
		"patient/Observation.rs?nothing=a":             "not a search parameter",
		"patient/Observation.rs?subject.name=a":        "chains",
		"patient/Observation.rs?_has:Group:member=a":   "not a search parameter",
		"patient/Observation.rs?_filter=a":             "not a search parameter",
		"patient/Observation.rs?_include=*":            "not a search parameter",
		"patient/Observation.rs?_count=1":              "not a search parameter",
		"patient/Observation.rs?_sort=date":            "not a search parameter",
		"patient/Observation.rs?$type=a":               "not a search parameter",
		"patient/Observation.rs?code-value-string=a$b": "composite",
		"patient/Observation.rs?date=yesterday":        "date",
		"patient/Observation.rs?category=%ZZ":          "percent-encoded",
		"patient/Observation.rs?category=a\x00":        "printable ASCII",
		"patient/Observation.rs\x0bopenid":             "printable ASCII",
		"système/Observation.rs":                       "printable ASCII",
	} {
		s, dropped := authz.ParseScopes(text, r4())
		if !s.Empty() || len(dropped) != 1 || !strings.Contains(dropped[0].Reason, reason) {
			t.Errorf("ParseScopes(%q) = %q, dropped %v; want it dropped because of %q", text, s, dropped, reason)
		}
	}
}

func TestParseRefusesALongText(t *testing.T) {
	s, dropped := authz.ParseScopes(strings.Repeat("openid ", 100_000/7), r4())
	if !s.Empty() || len(dropped) != 1 {
		t.Errorf("%q, %d dropped", s, len(dropped))
	}
}

func TestStringOfScopesMadeByHand(t *testing.T) {
	s := authz.Scopes{OpenID: true, Resources: []authz.Scope{
		{Level: authz.LevelUser, Type: "Observation", Actions: authz.ActionRead, V1: true},
		{Level: authz.LevelPatient, Type: "Patient", Actions: authz.ActionsRead, Query: []search.Pair{{Name: "name", Value: `a b&"c%`}}},
	}}
	want := "openid user/Observation.r patient/Patient.rs?name=a%20b%26%22c%25"
	if got := s.String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := parse(t, want).Resources[1].Query; !slices.Equal(got, s.Resources[1].Query) {
		t.Errorf("read again: %v", got)
	}
}

func TestNarrow(t *testing.T) {
	for _, c := range []struct{ name, asked, allowed, want string }{
		{"same", "openid patient/*.read", "openid patient/*.read", "openid patient/*.read"},
		{"flag not allowed", "openid offline_access", "openid", "openid"},
		{"version 1 within letters", "patient/*.read", "patient/*.cruds", "patient/*.read"},
		{"letters within version 1", "patient/*.cruds", "patient/*.read", "patient/*.rs"},
		{"version 1 that cannot say it", "patient/*.read", "patient/*.r", "patient/*.r"},
		{"wildcard by type", "patient/*.read", "patient/Observation.rs patient/Patient.r", "patient/Observation.read patient/Patient.r"},
		{"type of a wildcard", "patient/Observation.rs", "patient/*.read", "patient/Observation.rs"},
		{"letters of several", "patient/Observation.rs", "patient/Observation.r patient/Observation.s", "patient/Observation.rs"},
		{"levels", "patient/*.rs system/*.rs", "user/*.rs system/*.r", "system/*.r"},
		{"granular in plain", "user/Observation.rs?category=a", "user/*.rs", "user/Observation.rs?category=a"},
		{"plain in granular", "user/Observation.read", "user/Observation.rs?category=a%7Cb user/Observation.rs?category=c", "user/Observation.rs?category=a%7Cb user/Observation.rs?category=c"},
		{"both granular", "user/Observation.rs?category=a", "user/Observation.rs?status=final", "user/Observation.rs?category=a&status=final"},
		{"the same condition", "user/Observation.rs?category=a", "user/Observation.rs?category=a&status=final", "user/Observation.rs?category=a&status=final"},
		{"granular beside plain", "user/Observation.rs?category=a", "user/Observation.rs user/Observation.rs?category=b", "user/Observation.rs?category=a"},
		{"nothing", "patient/Observation.rs", "patient/Condition.rs", ""},
		{"order", "patient/Condition.rs openid patient/Observation.rs", "openid patient/*.rs", "patient/Condition.rs openid patient/Observation.rs"},
	} {
		if got := parse(t, c.asked).Narrow(parse(t, c.allowed)).String(); got != c.want {
			t.Errorf("%s: %q narrowed to %q is %q, want %q", c.name, c.asked, c.allowed, got, c.want)
		}
	}
}

func TestWithout(t *testing.T) {
	s := parse(t, "openid patient/Observation.rs patient/Patient.rs")
	got := s.Without(func(s authz.Scope) bool { return s.Type == "Observation" })
	if got.String() != "openid patient/Patient.rs" || len(s.Resources) != 2 {
		t.Errorf("%q of %q", got, s)
	}
}

// genScopes makes scope texts of a few types and conditions, so that scopes
// meet.
func genScopes() *rapid.Generator[string] {
	one := rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 3).Draw(t, "flag") == 0 {
			return rapid.SampledFrom([]string{"openid", "fhirUser", "launch", "launch/patient", "offline_access"}).Draw(t, "word")
		}
		scope := rapid.SampledFrom([]string{"patient/", "user/", "system/"}).Draw(t, "level") +
			rapid.SampledFrom([]string{"*", "Observation", "Condition"}).Draw(t, "type") + "."
		if rapid.Bool().Draw(t, "v1") {
			return scope + rapid.SampledFrom([]string{"read", "write", "*"}).Draw(t, "word")
		}
		scope += authz.Actions(rapid.IntRange(1, 31).Draw(t, "letters")).String()
		if !strings.Contains(scope, "*") {
			scope += rapid.SampledFrom([]string{"", "?category=a", "?category=b", "?category=a&category=b", "?category=s%7Ca"}).Draw(t, "query")
		}
		return scope
	})
	return rapid.Map(rapid.SliceOfN(one, 0, 6), func(s []string) string { return strings.Join(s, " ") })
}

func TestStringReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := parse(t, genScopes().Draw(t, "scopes"))
		if text := s.String(); parse(t, text).String() != text {
			t.Fatalf("%q became %q", text, parse(t, text))
		}
	})
}

// A world is what a scope may be about: each letter, on a resource of a type
// with some categories.
type request struct {
	level      authz.Level
	letter     authz.Actions
	typ        string
	categories []string
}

func requests() []request {
	var all []request
	for level := authz.LevelPatient; level <= authz.LevelSystem; level++ {
		for letter := authz.ActionCreate; letter <= authz.ActionSearch; letter <<= 1 {
			for _, typ := range []string{"Observation", "Condition", "Patient"} {
				for _, categories := range [][]string{nil, {"a"}, {"b"}, {"a", "b"}, {"s|a"}} {
					all = append(all, request{level, letter, typ, categories})
				}
			}
		}
	}
	return all
}

// allows is what scopes mean, in the plainest way.
func allows(s authz.Scopes, r request) bool {
	return slices.ContainsFunc(s.Resources, func(s authz.Scope) bool {
		for _, p := range s.Query {
			if !slices.Contains(r.categories, p.Value) {
				return false
			}
		}
		return s.Level == r.level && s.Actions&r.letter != 0 && (s.Type == "*" || s.Type == r.typ)
	})
}

// TestNarrowIsTheIntersection checks every request: what is left is allowed by
// both, and what both allow is left.
func TestNarrowIsTheIntersection(t *testing.T) {
	all := requests()
	rapid.Check(t, func(t *rapid.T) {
		asked, allowed := parse(t, genScopes().Draw(t, "asked")), parse(t, genScopes().Draw(t, "allowed"))
		narrowed := asked.Narrow(allowed)
		for _, r := range all {
			if want := allows(asked, r) && allows(allowed, r); allows(narrowed, r) != want {
				t.Fatalf("%q narrowed to %q is %q: %+v should be %v", asked, allowed, narrowed, r, want)
			}
		}
		if again := narrowed.Narrow(allowed); again.String() != narrowed.String() {
			t.Fatalf("narrowed again, %q becomes %q", narrowed, again)
		}
		if text := narrowed.String(); parse(t, text).String() != text {
			t.Fatalf("%q reads as %q", text, parse(t, text))
		}
	})
}

func FuzzParseScopes(f *testing.F) {
	for _, seed := range []string{"", laboratory, "openid patient/*.read", "user/Observation.cruds?date=ge2020&code:text=a", "patient/Observation.rs?a=b%7Cc&&d", "launch/patient system/*.*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, dropped := authz.ParseScopes(text, r4())
		for _, d := range dropped {
			if d.Reason == "" || len(d.Scope) > 100 {
				t.Errorf("dropped %+v", d)
			}
		}
		out := s.String()
		again, lost := authz.ParseScopes(out, r4())
		if len(lost) > 0 || again.String() != out {
			t.Errorf("%q gave %q, which reads as %q less %v", text, out, again, lost)
		}
		for i, r := range s.Resources {
			if r.Actions == 0 || r.Actions > authz.ActionsAll || r.Level > authz.LevelSystem || !r.Covers(again.Resources[i]) {
				t.Errorf("%q gave %+v", text, r)
			}
		}
		if s.Narrow(s).String() == "" && out != "" {
			t.Errorf("%q narrowed to itself is empty", out)
		}
	})
}
