package access

import (
	"net/http"
	"strings"
	"testing"
)

// TestWhatIsInsideIsHiddenWithItsContainer searches for resources inside others:
// what decides is whether the container may be found.
func TestWhatIsInsideIsHiddenWithItsContainer(t *testing.T) {
	w := newWorld(t)
	for _, p := range []string{"p1", "p2"} {
		w.tell(`{"resourceType":"Observation","id":"holds-` + p + `","contained":[{"resourceType":"Patient","id":"in","name":[{"family":"` + secret(p) + `","given":["Inner"]}]}],"status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory"}]}],"code":{"text":"x"},"subject":{"reference":"Patient/` + p + `"},"performer":[{"reference":"#in"}]}`)
	}
	for scopes, want := range map[string][]string{
		"patient/*.rs": {"Observation/holds-p1"}, "patient/Patient.rs": nil, "patient/Patient.rs patient/Observation.r": nil,
		"patient/Patient.rs patient/Observation.rs?category=http://c|laboratory": {"Observation/holds-p1"},
		"patient/Patient.rs patient/Observation.rs?category=http://c|imaging":    nil,
	} {
		c := w.as("patient p1", scopes)
		for _, query := range []string{"Patient?_contained=true&given=Inner", "Patient?_contained=both&given=Inner", "Patient?_contained=true&given=Inner&_total=accurate&_count=1", "?_type=Patient,Encounter&_contained=true"} {
			a := w.ask(c, "GET", query, "")
			r := &reader{w, t, c, &tally{}}
			r.same(query, a, "match", append([]string(nil), want...))
			if strings.Contains(string(a.body), secret("p2")) {
				t.Errorf("%s of %s: %s", query, scopes, a.body)
			}
		}
		a := w.ask(c, "GET", "Patient?_contained=true&_containedType=contained&given=Inner", "")
		if strings.Contains(string(a.body), secret("p2")) || strings.Contains(string(a.body), secret("p1")) != (want != nil) {
			t.Errorf("alone, of %s: %d %s", scopes, a.status, a.body)
		}
	}
}

// TestCodesAreThoseThatAreSeen asks for the codes of hidden resources, after
// somebody who sees them did.
func TestCodesAreThoseThatAreSeen(t *testing.T) {
	w := newWorld(t)
	w.tell(`{"resourceType":"CodeSystem","id":"cs","url":"http://e.org/cs","status":"active","content":"complete","concept":[{"code":"hid","display":"SECRETCODE"}]}`)
	w.tell(`{"resourceType":"ValueSet","id":"hid","url":"http://e.org/hid","status":"active","compose":{"include":[{"system":"http://loinc.org","concept":[{"code":"lab","display":"SECRETCODE"}]}]}}`)
	w.tell(`{"resourceType":"ValueSet","id":"outer","url":"http://e.org/outer","status":"draft","compose":{"include":[{"valueSet":["http://e.org/hid"]}]}}`)
	w.tell(`{"resourceType":"ValueSet","id":"whole","url":"http://e.org/whole","status":"draft","compose":{"include":[{"system":"http://e.org/cs"}]}}`)
	w.tell(`{"resourceType":"ConceptMap","id":"cm","url":"http://e.org/cm","status":"active","group":[{"source":"http://loinc.org","target":"http://e.org/cs","element":[{"code":"lab","target":[{"code":"hid","display":"SECRETCODE","equivalence":"equal"}]}]}]}`)
	all := w.as("system", "system/*.rs")
	some := w.as("patient p1", "patient/Observation.cruds patient/ValueSet.rs?status=draft patient/CodeSystem.rs?status=draft patient/ConceptMap.rs?status=draft")
	none := w.as("patient p1", "patient/Observation.rs")
	inner := `{"resourceType":"Parameters","parameter":[{"name":"valueSet","resource":{"resourceType":"ValueSet","status":"active","compose":{"include":[{"valueSet":["http://e.org/hid"]}]}}}]}`
	for _, ask := range []struct{ method, path, body, shows string }{
		{"GET", "ValueSet/$expand?url=http://e.org/hid", "", "SECRETCODE"},
		{"GET", "ValueSet/hid/$expand", "", "SECRETCODE"},
		{"GET", "ValueSet/$expand?url=http://e.org/outer", "", "SECRETCODE"},
		{"GET", "ValueSet/$expand?url=http://e.org/whole", "", "SECRETCODE"},
		{"POST", "ValueSet/$expand", inner, "SECRETCODE"},
		{"GET", "ValueSet/$validate-code?url=http://e.org/hid&system=http://loinc.org&code=lab", "", `"valueBoolean":true`},
		{"GET", "ValueSet/$validate-code?url=http://e.org/outer&system=http://loinc.org&code=lab", "", `"valueBoolean":true`},
		{"GET", "CodeSystem/$lookup?system=http://e.org/cs&code=hid", "", "SECRETCODE"},
		{"GET", "CodeSystem/$validate-code?url=http://e.org/cs&code=hid", "", `"valueBoolean":true`},
		{"GET", "CodeSystem/$subsumes?system=http://e.org/cs&codeA=hid&codeB=hid", "", "equivalent"},
		{"GET", "ConceptMap/$translate?url=http://e.org/cm&system=http://loinc.org&code=lab", "", "SECRETCODE"},
		{"GET", "ConceptMap/cm/$translate?system=http://loinc.org&code=lab", "", "SECRETCODE"},
		{"GET", "Observation?code:in=http://e.org/outer", "", `"total":2`},
	} {
		expect(t, "first by who sees it: "+ask.path, w.ask(all, ask.method, ask.path, ask.body), http.StatusOK, ask.shows)
		for _, c := range []*caller{some, none} {
			if a := w.ask(c, ask.method, ask.path, ask.body); strings.Contains(string(a.body), ask.shows) || strings.Contains(string(a.body), "SECRETCODE") {
				t.Errorf("%s by %s: %d %s", ask.path, c.name, a.status, a.body)
			}
		}
	}
	// Expressions ask for codes as well.
	for _, vs := range []string{"http://e.org/hid", "http://e.org/outer"} {
		query := `{ObservationList(fhirpath: "code.memberOf('` + vs + `')") {id}}`
		if a := w.ask(some, "POST", "$graphql", query, "Content-Type", "application/graphql"); strings.Contains(string(a.body), "lab-p1") {
			t.Errorf("an expression of GraphQL: %s", a.body)
		}
		patch := `{"resourceType":"Parameters","parameter":[{"name":"operation","part":[{"name":"type","valueCode":"replace"},{"name":"path","valueString":"Observation.where(code.memberOf('` + vs + `')).status"},{"name":"value","valueCode":"amended"}]}]}`
		if a := w.ask(some, "PATCH", "Observation/lab-p1", patch); a.status == http.StatusOK {
			t.Errorf("an expression of a patch: %s", a.body)
		}
	}
}
