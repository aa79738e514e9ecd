package access

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/authz"
)

// A plot is how two worlds differ, and who may not notice.
type plot struct {
	// lines are what is told in one world, or the other.
	lines func(other bool) []string
	// late is what is told in one of them long after the rest.
	late string
	// hidden says which lines those are that callers do not see.
	hidden   func(line string) bool
	callers  func() []*caller
	policy   authz.Policy
	requests int
}

// play tells both worlds and compares them.
func (p *plot) play(t *testing.T) {
	t.Helper()
	worlds, callers := [2]*world{}, [2][]*caller{}
	for n := range worlds {
		w := pin(t, p.lines(n == 1), p.hidden, []string{p.late}[:n]...)
		callers[n] = p.callers()
		w.decide(t, callers[n], p.policy)
		w.callers = append(w.callers, callers[n]...)
		worlds[n] = w
	}
	alike(t, worlds[0], worlds[1], callers[0], callers[1], p.requests)
}

// hush are resources about p1 that are labelled as too confidential for callers,
// and two that are so in one of their versions. They differ in the other world,
// where half of them are not.
func hush(other bool) []string {
	code, display := "hush", secret("p2")
	if other {
		code, display = "other", "other "+secret("p2")
	}
	restricted := `"meta":{"security":[{"system":"` + confidential + `","code":"R"}],"tag":[{"code":"hush"}]}`
	observation := func(id, meta, code string) string {
		return fmt.Sprintf(`{"resourceType":"Observation","id":%q,%s,"identifier":[{"system":"http://e.org/id","value":"p1-lab"}],"status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":%q}]},"subject":{"reference":"Patient/p1","display":%q},"effectiveDateTime":"2021-02-03","partOf":[{"reference":"Procedure/top-p1"}],"note":[{"text":"remark"}]}`, id, meta, code, display)
	}
	about := func(resourceType, id, rest string) string {
		return fmt.Sprintf(`{"resourceType":%q,"id":%q,%s,%s}`, resourceType, id, restricted, strings.ReplaceAll(rest, "SECRET", display))
	}
	subject := `"subject":{"reference":"Patient/p1","display":"SECRET"}`
	all := []string{
		observation("hush-0", restricted, code), observation("hush-1", restricted, code), observation("hush-2", restricted, "lab"), observation("hush-3", restricted, "lab"),
		about("Condition", "hush-4", `"code":{"text":"`+code+`"},`+subject), about("Condition", "hush-5", `"code":{"text":"alpha"},`+subject),
		about("Encounter", "hush-6", `"status":"finished","class":{"code":"AMB"},`+subject), about("Encounter", "hush-7", `"status":"finished","class":{"code":"`+code+`"},`+subject),
		about("List", "hush-8", `"status":"current","mode":"working","entry":[{"item":{"reference":"Observation/lab-p1"}}],`+subject), about("List", "hush-9", `"status":"current","mode":"working","title":"SECRET","entry":[{"item":{"reference":"Observation/vital-p1"}}],`+subject),
		about("Provenance", "hush-10", `"recorded":"2021-02-03T00:00:00Z","target":[{"reference":"Observation/lab-p1","display":"SECRET"}],"agent":[{"who":{"reference":"Practitioner/d1"}}]`),
		about("Provenance", "hush-11", `"recorded":"2021-02-04T00:00:00Z","target":[{"reference":"Patient/p1","display":"SECRET"}],"agent":[{"who":{"reference":"Practitioner/d1"}}]`),
		about("Procedure", "hush-12", `"status":"completed","partOf":[{"reference":"Procedure/top-p1"}],`+subject), about("Binary", "b-hush", `"contentType":"text/plain","securityContext":{"reference":"Patient/p1","display":"SECRET"},"data":"c2VjcmV0"`),
		about("CareTeam", "hush-14", `"status":"active","participant":[{"member":{"reference":"Practitioner/d2"}}],`+subject), about("ValueSet", "hush-15", `"url":"http://e.org/vs","status":"active","title":"SECRET","compose":{"include":[{"system":"http://loinc.org","concept":[{"code":"`+code+`"}]}]}`),
		fmt.Sprintf(`{"resourceType":"Binary","id":"b-of-hush","contentType":"text/plain","securityContext":{"reference":"Observation/hush-1","display":%q},"data":"c2VjcmV0"}`, display),
	}
	lines := []string{
		observation("turn-1", restricted, code), plainly("turn-1"),
		plainly("turn-2"), observation("turn-2", restricted, code),
	}
	for n, line := range all {
		if !other || n%2 == 1 {
			lines = append(lines, line)
		}
	}
	return append(lines, `{"resourceType":"Observation","id":"part-of-hush","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/p1"},"partOf":[{"reference":"Procedure/hush-12"}],"encounter":{"reference":"Encounter/hush-6"},"derivedFrom":[{"reference":"Observation/hush-0"}]}`)
}

// plainly is a version of a resource that everybody sees.
func plainly(id string) string {
	return fmt.Sprintf(`{"resourceType":"Observation","id":%q,"status":"final","code":{"text":"plain"},"subject":{"reference":"Patient/p1"}}`, id)
}

// whispered reports whether a line is what labels hide.
func whispered(line string) bool {
	return hiddenLine(line) || strings.Contains(line, secret("p2")) || strings.Contains(line, `"code":"R"`) || strings.Contains(line, `"b-of-hush"`)
}

// whisper labels what is about p2, too, as too confidential.
func whisper(lines []string) []string {
	var out []string
	for _, line := range lines {
		if whispered(line) && !strings.HasPrefix(line, "-") && !strings.Contains(line, `"code":"R"`) {
			at := strings.Index(line, `,"id":`)
			line = line[:at] + `,"meta":{"security":[{"system":"` + confidential + `","code":"R"}]}` + line[at:]
		}
		out = append(out, line)
	}
	return out
}

// TestNothingThatALabelHidesComesBack has what is hidden by its label alone: of
// another patient, and of the caller's own.
func TestNothingThatALabelHidesComesBack(t *testing.T) {
	p := plot{
		lines:  func(other bool) []string { return whisper(append(tale(other), hush(other)...)) },
		late:   whisper([]string{last})[0],
		hidden: whispered,
		callers: func() []*caller {
			return []*caller{
				{scopes: "patient/*.cruds", patient: "p1"}, {scopes: "patient/*.rs", patient: "p1", user: "Practitioner/d1"}, {scopes: "user/*.cruds", user: "Patient/p1"},
				{scopes: "user/*.rs", user: "Practitioner/d1"}, {scopes: "system/*.rs"}, {scopes: "system/*.rus"}, {scopes: "system/Observation.rs system/Patient.rs system/Provenance.rs"}, {scopes: "system/*.rs", clearance: "L"},
			}
		},
		policy:   authz.Policy{Base: base, Practitioners: authz.Relations{All: true}, Labels: authz.LabelPolicy{Clearance: "N"}},
		requests: 2000,
	}
	p.play(t)
}

// relatives are Persons and links of which no Person leads to p2 surely enough,
// and those of others.
func relatives(other bool) []string {
	lines := []string{
		personOf("fam", ``, "Patient/p1 level4", "Patient/p2 level1", "RelatedPerson/rp-p1 level4"),
		personOf("left", `,"active":false`, "Patient/p1 level4", "Patient/p2 level4"),
		personOf("none", ``, "Person/fam level4", "Practitioner/d1 level4"),
		personOf("before", ``, "Patient/p1 level4", "Patient/p2 level4"), personOf("before", ``, "Patient/p1 level4"),
		`{"resourceType":"RelatedPerson","id":"gone","active":false,"patient":{"reference":"Patient/p2","display":"` + secret("p2") + `"}}`,
	}
	if other {
		return append(lines, personOf("x-p2", ``, "Patient/p2 level4", "RelatedPerson/rp-p2 level4"), personOf("y-p2", ``, "Patient/q1 level4", "Person/fam level4"))
	}
	return append(lines, personOf("x-p2", `,"active":false`, "Patient/p2 level4"))
}

// TestNothingBesideThePersonsOfAUserComesBack has users who are led by Persons to
// p1, and not to p2.
func TestNothingBesideThePersonsOfAUserComesBack(t *testing.T) {
	p := plot{
		lines: func(other bool) []string { return append(tale(other), relatives(other)...) },
		late:  last,
		hidden: func(line string) bool {
			return hiddenLine(line) && !strings.Contains(line, `"id":"fam"`) && !strings.Contains(line, `"id":"before"`)
		},
		callers: func() []*caller {
			return []*caller{
				{scopes: "user/*.cruds", user: "Person/fam"}, {scopes: "user/*.rs", user: "Patient/p1"}, {scopes: "user/*.cruds", user: "RelatedPerson/rp-p1"}, {scopes: "user/*.rs", user: "Person/before"},
				{scopes: "user/*.rs", user: "Person/none"}, {scopes: "user/*.rs", user: "Person/left"}, {scopes: "patient/*.cruds", patient: "p1", user: "Person/fam"}, {scopes: "user/Observation.rs user/Person.cruds user/Patient.rs", user: "Person/fam"},
			}
		},
		policy:   authz.Policy{Base: base, Persons: 3},
		requests: 2000,
	}
	p.play(t)
}
