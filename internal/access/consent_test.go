package access

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/search"
)

// rules are a policy of Consents and labels, with an evaluator of its own: it
// looks at each Consent that is stored, for each resource.
type rules struct {
	// mode is what is done with the data of patients who say nothing, "" where
	// Consents do not count.
	mode string
	// clearance is everybody's, "" where labels do not count.
	clearance string
}

const (
	confidential = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
	sensitive    = "http://terminology.hl7.org/CodeSystem/v3-ActCode|PSY"
	ladder       = "ULMNRV"
)

// policy is what the server is told.
func (r *rules) policy() authz.Policy {
	p := authz.Policy{
		Base: base, Practitioners: authz.Relations{GeneralPractitioner: true, CareTeam: true},
		Consent: authz.ConsentPolicy{Default: authz.Decision(r.mode), BreakGlass: []string{"emergency"}, Exempt: []string{"admin"}},
		Roles: map[string]authz.Role{
			"emergency": {Rules: []authz.Rule{{}}},
			"desk": {Rules: []authz.Rule{
				{Interactions: []authz.Interaction{authz.Read, authz.VRead, authz.SearchType, authz.SearchSystem, authz.HistoryOfOne, authz.HistoryOfType, authz.HistoryOfAll}, Types: []string{"Patient", "Encounter"}},
				{Interactions: []authz.Interaction{authz.Read, authz.VRead, authz.SearchType, authz.SearchSystem, authz.HistoryOfOne, authz.HistoryOfType, authz.HistoryOfAll}, Types: []string{"Observation"}, Query: []search.Pair{{Name: "category", Value: "vital-signs"}}},
			}},
			"psychiatry": {Rules: []authz.Rule{{}}, Clearance: "R", Labels: []string{sensitive}},
		},
	}
	if r.clearance != "" {
		p.Labels = authz.LabelPolicy{Clearance: r.clearance, Sensitive: []string{sensitive}}
	}
	return p
}

// labels reports whether a resource has a label that a caller is not cleared for.
func (r *rules) labels(c *caller, o object) bool {
	if r.clearance == "" {
		return false
	}
	cleared := r.clearance
	if c.clearance != "" {
		cleared = c.clearance
	}
	held := slices.Clone(c.labels)
	if slices.Contains(c.roles, "psychiatry") {
		cleared, held = "R", append(held, sensitive)
	}
	labels, _ := o["meta"].(object)
	list, _ := labels["security"].([]any)
	level := -1
	for _, one := range list {
		one := one.(object)
		if one["system"] == confidential {
			level = max(level, strings.Index(ladder, text(one["code"])))
		} else if name := text(one["system"]) + "|" + text(one["code"]); name == sensitive && !slices.Contains(held, name) {
			return true
		}
	}
	if level < 0 {
		level = strings.Index(ladder, "N")
	}
	return level > strings.Index(ladder, cleared)
}

// binds reports whether Consents bind a caller: there are some, or none are
// needed to deny.
func (r *rules) binds(w *world, c *caller) bool {
	if r.mode == "" || slices.Contains(c.roles, "admin") || c.purpose == "BTG" {
		return false
	}
	return r.mode == "deny" || slices.ContainsFunc(w.names, func(name string) bool { return r.counts(w.current(name)) })
}

// counts reports whether something is a Consent that is enforced.
func (r *rules) counts(o object) bool {
	return o != nil && o["resourceType"] == "Consent" && o["status"] == "active" && slices.Contains(at(o["scope"], "coding", "code"), "patient-privacy")
}

// denied reports whether the Consents of some patient whom a resource is about
// deny an interaction with it.
func (r *rules) denied(w *world, c *caller, interaction string, o object) bool {
	if !r.binds(w, c) || slices.Contains(append(sharedTypes, "Group"), text(o["resourceType"])) {
		return false
	}
	action := map[string]string{"create": "collect", "update": "correct", "patch": "correct", "delete": "correct"}[interaction]
	if action == "" {
		action = "access"
	}
	return slices.ContainsFunc(patientsOf(o), func(patient string) bool {
		if c.user == "Patient/"+patient || w.isSame(c.user, patient) {
			return false
		}
		denies, permits := false, false
		for _, name := range w.names {
			if consent := w.current(name); r.counts(consent) && at(consent["patient"], "reference")[0] == "Patient/"+patient {
				d, p := r.says(w, consent, c, action, o)
				denies, permits = denies || d, permits || p
			}
		}
		return denies || r.mode == "deny" && !permits
	})
}

// says is whether a Consent denies, and whether it permits.
func (r *rules) says(w *world, consent object, c *caller, action string, o object) (denies, permits bool) {
	root, _ := consent["provision"].(object)
	rule := slices.Concat(at(consent["policyRule"], "coding", "code"), []string{""})[0]
	if period, ok := root["period"].(object); ok && !(text(period["start"]) <= "2024" && (period["end"] == nil || text(period["end"]) > "2090")) {
		return false, false
	}
	outer := map[string]string{"OPTIN": "permit", "OPTOUT": "deny"}[rule]
	if root != nil {
		typ := text(root["type"])
		if typ == "" && outer != "" && (root["actor"] != nil || root["class"] != nil || root["securityLabel"] != nil) {
			typ = map[string]string{"permit": "deny", "deny": "permit"}[outer]
		}
		denies, permits = r.provision(w, root, typ, outer, c, action, o)
	}
	switch {
	case denies || permits:
	case outer == "deny":
		return true, false
	case outer == "permit":
		return false, true
	}
	return denies, permits
}

// provision is what a rule says with those in it.
func (r *rules) provision(w *world, p object, typ, outer string, c *caller, action string, o object) (denies, permits bool) {
	yes, maybe := r.fits(w, p, typ, c, action, o)
	if !yes && !maybe {
		return false, false
	}
	if typ == "" {
		typ = outer
	}
	anyDeny, anyPermit := false, false
	list, _ := p["provision"].([]any)
	for _, sub := range list {
		sub := sub.(object)
		kind := text(sub["type"])
		if kind == "" {
			kind = map[string]string{"permit": "deny", "deny": "permit"}[typ]
		}
		d, ok := r.provision(w, sub, kind, typ, c, action, o)
		anyDeny, anyPermit = anyDeny || d, anyPermit || ok
	}
	if text(p["type"]) == "" && p["actor"] == nil && p["class"] == nil && p["securityLabel"] == nil {
		return anyDeny, yes && anyPermit && !anyDeny // it frames the others
	}
	if typ == "deny" {
		return anyDeny || !anyPermit, yes && anyPermit && !anyDeny
	}
	return anyDeny, yes && !anyDeny
}

// fits reports whether the conditions of a rule hold, or may hold.
func (r *rules) fits(w *world, p object, typ string, c *caller, action string, o object) (yes, maybe bool) {
	if actions := at(p["action"], "coding", "code"); len(actions) > 0 && !slices.Contains(actions, action) {
		return false, false
	}
	if classes := at(p["class"], "code"); len(classes) > 0 && !slices.Contains(classes, text(o["resourceType"])) {
		return false, false
	}
	if labels := at(p["securityLabel"], "code"); len(labels) > 0 {
		meta, _ := o["meta"].(object)
		level := -1
		for _, code := range at(meta["security"], "code") {
			level = max(level, strings.Index(ladder, code))
		}
		if level < 0 {
			level = strings.Index(ladder, "N")
		}
		asked := strings.Index(ladder, labels[0])
		if typ == "deny" && level < asked || typ != "deny" && level > asked {
			return false, false
		}
	}
	yes = true
	if purposes := at(p["purpose"], "code"); len(purposes) > 0 {
		switch {
		case c.purpose == "":
			yes, maybe = false, true
		case !slices.Contains(purposes, c.purpose):
			return false, false
		}
	}
	if actors := at(p["actor"], "reference", "reference"); len(actors) > 0 && !slices.ContainsFunc(actors, func(a string) bool { return w.is(c, a) }) {
		if c.user == "" && !strings.HasPrefix(c.scopes, "system/") {
			return false, true
		}
		return false, false
	}
	return yes, maybe
}

// is reports whether a caller is somebody, or is of an organization or a team.
func (w *world) is(c *caller, actor string) bool {
	if c.user == actor {
		return true
	}
	o := w.current(actor)
	if c.user == "" || o == nil {
		return false
	}
	switch o["resourceType"] {
	case "CareTeam":
		return o["status"] == "active" && slices.Contains(at(o["participant"], "member", "reference"), c.user)
	case "Organization":
		return slices.ContainsFunc(w.names, func(name string) bool {
			role := w.current(name)
			return role != nil && role["resourceType"] == "PractitionerRole" && role["active"] != false &&
				slices.Contains(at(role["practitioner"], "reference"), c.user) && slices.Contains(at(role["organization"], "reference"), actor)
		})
	}
	return false
}

// consentOf is a Consent of a patient.
func consentOf(id, patient, rest string) string {
	return `{"resourceType":"Consent","id":"` + id + `","status":"active","scope":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}]},"category":[{"text":"x"}],"policy":[{"uri":"urn:x"}],"patient":{"reference":"Patient/` + patient + `"},` + rest + `}`
}

func actor(refs ...string) string {
	var list []string
	for _, ref := range refs {
		list = append(list, `{"role":{"coding":[{"code":"PRCP"}]},"reference":{"reference":"`+ref+`"}}`)
	}
	return `"actor":[` + strings.Join(list, ",") + `]`
}

const (
	denyAll  = `"provision":{"type":"deny"}`
	optedIn  = `"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTIN"}]}`
	optedOut = `"policyRule":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"OPTOUT"}]}`
)

// labelled are resources with labels, about both patients.
func labelled() (lines []string) {
	for _, p := range []string{"p1", "p2"} {
		for _, code := range []string{"L", "R", "V"} {
			lines = append(lines, `{"resourceType":"Observation","id":"conf-`+code+`-`+p+`","meta":{"security":[{"system":"`+confidential+`","code":"`+code+`"}]},"status":"final","category":[{"coding":[{"system":"http://c","code":"vital-signs"}]}],"code":{"text":"x"},"subject":{"reference":"Patient/`+p+`","display":"`+secret(p)+`"}}`)
		}
		lines = append(lines, `{"resourceType":"Condition","id":"psy-`+p+`","meta":{"security":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"PSY"},{"system":"`+confidential+`","code":"N"}]},"code":{"text":"x"},"subject":{"reference":"Patient/`+p+`","display":"`+secret(p)+`"}}`)
	}
	return append(lines, `{"resourceType":"Binary","id":"b-R","meta":{"security":[{"system":"`+confidential+`","code":"R"}]},"contentType":"text/plain","securityContext":{"reference":"Patient/p1"},"data":"c2VjcmV0"}`)
}

// scenarios are worlds with Consents and labels.
var scenarios = []struct {
	name  string
	rules rules
	lines []string
}{
	{"one denies all", rules{mode: "permit"}, []string{consentOf("all", "p2", denyAll)}},
	{"not to one, and to one alone", rules{mode: "permit"}, []string{
		consentOf("not-d1", "p1", `"provision":{"type":"deny",`+actor("Practitioner/d1")+`}`),
		consentOf("only-d2", "p2", `"provision":{"type":"deny","provision":[{"type":"permit",`+actor("Practitioner/d2")+`}]}`)}},
	{"by team and organization", rules{mode: "permit"}, []string{
		`{"resourceType":"PractitionerRole","id":"r1","active":true,"practitioner":{"reference":"Practitioner/d1"},"organization":{"reference":"Organization/o1"}}`,
		consentOf("not-o1", "p1", optedIn+`,"provision":{`+actor("Organization/o1")+`}`),
		consentOf("only-team", "p2", optedOut+`,"provision":{`+actor("CareTeam/ct-p2")+`}`)}},
	{"some data, some actions", rules{mode: "permit"}, append(labelled(),
		consentOf("no-obs", "p1", `"provision":{"type":"deny","class":[{"system":"http://hl7.org/fhir/resource-types","code":"Observation"}],"action":[{"coding":[{"code":"access"}]}]}`),
		consentOf("up-to-N", "p2", `"provision":{"type":"deny","securityLabel":[{"system":"`+confidential+`","code":"R"}]}`),
		consentOf("no-writes", "p2", `"provision":{"type":"deny","action":[{"coding":[{"code":"collect"}]},{"coding":[{"code":"correct"}]}],"class":[{"code":"Condition"}]}`))},
	{"purposes and periods", rules{mode: "permit"}, []string{
		consentOf("treat", "p1", `"provision":{"type":"deny","provision":[{"type":"permit","purpose":[{"code":"TREAT"}]}]}`),
		consentOf("over", "p2", `"provision":{"type":"deny","period":{"start":"2001","end":"2002"}}`),
		strings.Replace(consentOf("draft", "p2", denyAll), `"active"`, `"draft"`, 1),
		strings.Replace(consentOf("research", "p2", denyAll), `patient-privacy`, `research`, 1),
		consentOf("now", "p2", `"provision":{"type":"deny","period":{"start":"2001","end":"2099"},"purpose":[{"code":"HRESCH"}]}`)}},
	{"not to one, whom an unknown user may be", rules{mode: "permit"}, []string{consentOf("not-d1", "p2", `"provision":{"type":"deny",`+actor("Practitioner/d1")+`}`)}},
	{"silence denies", rules{mode: "deny"}, []string{consentOf("in", "p1", optedIn), consentOf("to-d2", "p2", `"provision":{"type":"permit",`+actor("Practitioner/d2")+`}`), consentOf("not-d1", "p1", `"provision":{"type":"deny","action":[{"coding":[{"code":"correct"}]}],`+actor("Practitioner/d1")+`}`)}},
	{"labels", rules{clearance: "N"}, labelled()},
	{"labels, cleared for little", rules{clearance: "L", mode: "permit"}, append(labelled(), consentOf("all", "p1", denyAll))},
}

// callersUnder are those that a scenario is played with.
func callersUnder() (all []*caller) {
	for _, one := range []caller{
		{scopes: "patient/*.cruds", patient: "p1", user: "Patient/p1"}, {scopes: "patient/*.rs", patient: "p2"},
		{scopes: "patient/*.cruds", patient: "p2", user: "Practitioner/d2"}, {scopes: "patient/Observation.rs patient/Patient.r", patient: "p1", user: "Practitioner/d1"},
		{scopes: "user/*.cruds", user: "Practitioner/d1"}, {scopes: "user/*.cruds", user: "Practitioner/d1", purpose: "TREAT"},
		{scopes: "user/*.cruds", user: "Practitioner/d2", purpose: "HRESCH"}, {scopes: "user/*.cruds", user: "Patient/p2"},
		{scopes: "user/Observation.cruds?category=http://c|laboratory user/Condition.crus", user: "Practitioner/d1"},
		{scopes: "system/*.cruds"}, {scopes: "system/*.rs", clearance: "V", labels: []string{sensitive}}, {scopes: "system/Observation.rs system/Binary.rs", purpose: "TREAT"},
		{scopes: "user/*.cruds", user: "Practitioner/d1", roles: []string{"emergency"}}, {scopes: "user/*.cruds", user: "Practitioner/d1", roles: []string{"emergency"}, purpose: "BTG"},
		{scopes: "user/Observation.rs", user: "Practitioner/d1", roles: []string{"emergency"}, purpose: "BTG"},
		{scopes: "user/*.cruds", user: "Practitioner/d1", roles: []string{"admin"}}, {scopes: "user/*.cruds", user: "Practitioner/d2", roles: []string{"desk"}},
		{scopes: "user/*.cruds", user: "Practitioner/d1", roles: []string{"psychiatry"}}, {scopes: "user/*.rs", user: "Practitioner/d2", clearance: "R"}, {scopes: "user/*.rs", user: "Practitioner/d2", clearance: "U", labels: []string{sensitive}},
	} {
		all = append(all, &one)
	}
	return all
}

// scene is a world with a scenario.
func scene(t testing.TB, rules rules, lines []string) *world {
	w := tellWorld(t, append(story(), lines...))
	w.rules = &rules
	callers := callersUnder()
	w.decide(t, callers, rules.policy())
	w.callers = append(w.callers[:1:1], callers...)
	return w
}

// TestEveryWayUnderConsentsAndLabels is the whole matrix for each scenario.
func TestEveryWayUnderConsentsAndLabels(t *testing.T) {
	for turn, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := scene(t, s.rules, s.lines)
			n := &tally{}
			for _, c := range w.callers[1:] {
				r := &reader{w, t, c, n}
				for _, way := range []func(){r.reads, r.histories, r.searches, r.includes, r.chains, r.everything, r.graphql, r.batch} {
					if way(); t.Failed() {
						return
					}
				}
			}
			for at, c := range w.callers[1:] {
				r := &writer{w, t, c, n}
				if (at+turn)%2 == 0 { // each caller writes in half of the scenarios
					continue
				}
				if r.all(); t.Failed() {
					return
				}
			}
			if t.Logf("%d cells, %d allowed", n.cells, n.allowed); n.cells < 20_000 || n.allowed < 1000 {
				t.Error("this shows too little")
			}
		})
	}
}

// TestAConsentCountsAtOnce: for the next request after the write, whoever wrote
// it and how.
func TestAConsentCountsAtOnce(t *testing.T) {
	w := scene(t, rules{mode: "permit"}, nil)
	doctor := w.callers[5]
	seen := func() bool { return w.ask(doctor, "GET", "Patient/p1", "").status == 200 }
	for n := range 3 {
		if !seen() {
			t.Fatalf("%d: not seen without a Consent", n)
		}
		if a := w.ask(w.callers[1], "PUT", "Consent/own", consentOf("own", "p1", denyAll)); n > 0 && a.status != 200 && a.status != 201 {
			t.Fatalf("the patient's own Consent: %d %s", a.status, a.body)
		} else if n == 0 {
			w.tell(consentOf("own", "p1", denyAll))
		}
		if seen() {
			t.Fatalf("%d: seen after the Consent", n)
		}
		switch n {
		case 0:
			w.tell("-Consent/own")
		case 1:
			w.tell(strings.Replace(consentOf("own", "p1", denyAll), `"active"`, `"inactive"`, 1))
		}
		if n == 2 {
			expect(t, "the patient deletes it", w.ask(w.callers[1], "DELETE", "Consent/own", ""), 204, "")
			if !seen() {
				t.Error("not seen after the Consent is gone")
			}
		}
	}
}

// TestTeamsCountAtOnce: who belongs to an actor is looked up anew as well.
func TestTeamsCountAtOnce(t *testing.T) {
	w := scene(t, rules{mode: "permit"}, []string{consentOf("team", "p1", `"provision":{"type":"deny","provision":[{"type":"permit",`+actor("CareTeam/new")+`}]}`)})
	doctor := w.callers[5]
	expect(t, "no team", w.ask(doctor, "GET", "Patient/p1", ""), 404, "")
	w.tell(`{"resourceType":"CareTeam","id":"new","status":"active","participant":[{"member":{"reference":"Practitioner/d1"}}]}`)
	expect(t, "a team", w.ask(doctor, "GET", "Patient/p1", ""), 200, "")
	w.tell("-CareTeam/new")
	expect(t, "no team again", w.ask(doctor, "GET", "Patient/p1", ""), 404, "")
}

// TestPagesHonourAConsentOfMeanwhile: a page link shows no more than is allowed
// when it is followed.
func TestPagesHonourAConsentOfMeanwhile(t *testing.T) {
	w := scene(t, rules{mode: "permit"}, nil)
	service := w.callers[10]
	next := link(t, w.ask(service, "GET", "Observation?subject=Patient/p2&_count=1&_sort=_id", ""), "next")
	w.tell(consentOf("late", "p2", denyAll))
	a := w.ask(service, "GET", next, "")
	if names, _ := entries(t, a, "match"); len(names) > 0 {
		t.Errorf("a page shows %v after the denial", names)
	}
}

// TestBreakingTheGlass lifts Consents for those who may, and nothing else.
func TestBreakingTheGlass(t *testing.T) {
	w := scene(t, rules{mode: "permit"}, []string{consentOf("all", "p1", denyAll)})
	asked := authz.Caller{Subject: "x", FHIRUser: "Practitioner/d1", Purpose: "BTG"}
	asked.Scopes, _ = authz.ParseScopes("user/*.rs", w.ds.Registry())
	if _, err := authz.Decide(w.ds.Registry(), asked, w.rules.policy()); err == nil || !strings.Contains(err.Error(), "may not break the glass") {
		t.Errorf("breaking the glass without the role: %v", err)
	}
	if _, err := authz.Decide(w.ds.Registry(), asked, authz.Policy{Base: base}); err != nil {
		t.Errorf("where Consents do not count: %v", err)
	}
	asked.Roles = []string{"emergency"}
	access, err := authz.Decide(w.ds.Registry(), asked, w.rules.policy())
	if err != nil || !access.BreaksGlass() {
		t.Errorf("with the role: %v, %v", access.BreaksGlass(), err)
	}
	glass := w.callers[14]
	expect(t, "a patient of theirs", w.ask(glass, "GET", "Patient/p1", ""), 200, "")
	expect(t, "a patient of others", w.ask(glass, "GET", "Patient/p2", ""), 404, "")
	expect(t, "a type without a scope", w.ask(w.callers[15], "GET", "Condition/c-p1", ""), 403, "the scopes of the token")
}

// TestPeriodsBeginAndEnd by the clock, without a write.
func TestPeriodsBeginAndEnd(t *testing.T) {
	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }
	w := scene(t, rules{mode: "permit"}, []string{consentOf("soon", "p1", `"provision":{"type":"deny","period":{"start":"`+day(10)+`","end":"`+day(20)+`"}}`)})
	for days, want := range []int{0: 200, 5: 200, 12: 404, 19: 404, 22: 200, 30: 200} {
		if want != 0 {
			w.ahead = time.Duration(days) * 24 * time.Hour
			expect(t, fmt.Sprint("in ", days, " days"), w.ask(w.callers[5], "GET", "Patient/p1", ""), want, "")
		}
	}
}

// TestConsentsLeaveBinariesToBeReadByID has callers who saw all Binaries before
// there was a Consent: they are told what they cannot search for.
func TestConsentsLeaveBinariesToBeReadByID(t *testing.T) {
	w := scene(t, rules{mode: "permit"}, nil)
	service := w.callers[slices.IndexFunc(w.callers, func(c *caller) bool { return c.scopes == "system/*.cruds" && c.name != "everybody" })]
	expect(t, "without a Consent", w.ask(service, "GET", "Binary?_summary=count", ""), http.StatusOK, `"total":3`)
	w.tell(consentOf("all", "p2", denyAll))
	for _, path := range []string{"Binary", "Binary?_id=b-p1", "Binary?_summary=count", "?_type=Binary"} {
		expect(t, path, w.ask(service, "GET", path, ""), http.StatusForbidden, "cannot search for Binary resources; it may read one by its id")
	}
	expect(t, "of several types", w.ask(service, "GET", "?_type=Binary,Patient", ""), http.StatusOK, "left out: Binary, which this caller may not search for")
	expect(t, "by id", w.ask(service, "GET", "Binary/b-p1", ""), http.StatusOK, "c2VjcmV0")
	expect(t, "by id, of who denies", w.ask(service, "GET", "Binary/b-p2", ""), http.StatusNotFound, "does not exist")
	expect(t, "graphql", w.ask(service, "POST", "$graphql", "{BinaryList {id}}", "Content-Type", "application/graphql"), http.StatusForbidden, "cannot search for Binary")
	criteria := w.ask(service, "DELETE", "Binary?_id=b-p1", "")
	expect(t, "criteria", criteria, http.StatusForbidden, "cannot search for Binary")
}
