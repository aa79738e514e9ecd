package access

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
)

// retold is the story with other hidden facts: what is about p2 alone is told
// in another way, or not at all, and there is more of it.
func retold() []string {
	var lines []string
	for n, line := range story() {
		hidden := !strings.Contains(line, `"Patient/p1"`) && (strings.Contains(line, `"Patient/p2"`) || strings.Contains(line, `"resourceType":"Patient","id":"p2"`))
		switch {
		case !hidden || strings.Contains(line, `"to-p`):
		case n%2 == 0 || strings.Contains(line, `"gone-p2"`):
			line = ""
		default:
			line = strings.NewReplacer("laboratory", "imaging", "final", "amended", "lab\"", "xray\"").Replace(line)
		}
		if line != "" && line != "-Observation/gone-p2" {
			lines = append(lines, line)
		}
	}
	for n := range 9 {
		lines = append(lines, fmt.Sprintf(`{"resourceType":"Observation","id":"more%d","status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"lab"}]},"subject":{"reference":"Patient/p2","display":%q},"identifier":[{"system":"http://e.org/id","value":"p2-lab"}]}`, n, secret("p2")))
		lines = append(lines, fmt.Sprintf(`{"resourceType":"Patient","id":"q%d","name":[{"family":%q,"given":["Namep1","Namep2"]}],"link":[{"other":{"reference":"Patient/p1"},"type":"seealso"}]}`, n, secret("p2")))
		lines = append(lines, fmt.Sprintf(`{"resourceType":"Encounter","id":"more%d","status":"finished","class":{"code":"AMB"},"subject":{"reference":"Patient/q%[1]d"},"identifier":[{"system":"http://e.org/id","value":"p1-e"}]}`, n))
	}
	return lines
}

// TestNothingOfAnotherPatientComesBack sends random requests of p1's apps, and
// of p1's practitioner, to two data stores that differ only in what is about
// others. The answers must be the same: then nothing of the others is in them,
// no text, no count, and not whether they are there.
func TestNothingOfAnotherPatientComesBack(t *testing.T) {
	one, other := pin(t, tale(false), hiddenLine), pin(t, tale(true), hiddenLine, last)
	alike(t, one, other, confinedTo(one), confinedTo(other), 4000)
}

// TestNothingThatAConsentHidesComesBack is the same where scopes and roles reach
// everybody, and it is a Consent, or the want of one, or a label, that hides p2.
func TestNothingThatAConsentHidesComesBack(t *testing.T) {
	for _, c := range []struct {
		mode    authz.Decision
		consent string
	}{
		{authz.Permit, consentOf("all", "p2", denyAll)},
		{authz.Permit, consentOf("all", "p2", optedOut+`,"provision":{`+actor("Practitioner/d3")+`}`)},
		{authz.Deny, consentOf("all", "p1", optedIn)},
	} {
		worlds, callers := [2]*world{}, [2][]*caller{}
		for n, lines := range [][]string{tale(false), tale(true)} {
			// The patients that only retold has deny as well, before they are there.
			// A Group names its members to those who may read Groups.
			lines = slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, `"resourceType":"Group"`) })
			lines = append(lines, c.consent)
			for q := range 9 {
				if c.mode == authz.Permit {
					lines = append(lines, consentOf(fmt.Sprint("q", q), fmt.Sprint("q", q), denyAll))
				}
			}
			w := pin(t, lines, hiddenLine, []string{last}[:n]...)
			who := []*caller{{scopes: "user/*.rs", user: "Practitioner/d1"}, {scopes: "user/*.crus", user: "Practitioner/d1"}, {scopes: "user/Observation.rs user/Patient.r", user: "Practitioner/d2"}}
			w.decide(t, who, authz.Policy{Base: base, Practitioners: authz.Relations{All: true}, Consent: authz.ConsentPolicy{Default: c.mode}})
			w.callers = append(w.callers, who...)
			worlds[n], callers[n] = w, who
		}
		alike(t, worlds[0], worlds[1], callers[0], callers[1], 1500)
	}
}

// alike sends the same random requests to two worlds, whose answers must be the
// same and hold nothing of p2.
func alike(t *testing.T, one, other *world, ofOne, ofOther []*caller, requests int) {
	t.Helper()
	seed := uint64(1)
	if n, err := strconv.Atoi(os.Getenv("TARN_RANDOM")); err == nil {
		requests, seed = n, rand.Uint64()
	}
	g := &generator{rand.New(rand.NewPCG(seed, 2))}
	callers := [][]*caller{ofOne, ofOther}
	statuses := map[int]int{}
	for n := range requests {
		who := g.IntN(len(callers[0]))
		method, path, body, headers := g.request()
		if method == "PUT" && strings.HasPrefix(path, "Observation/") && callers[0][who].access.ChoosesIDs("Observation") {
			continue // who chooses ids is told which are taken
		}
		a, b := one.ask(callers[0][who], method, path, body, headers...), other.ask(callers[1][who], method, path, body, headers...)
		statuses[a.status]++
		first, second := one.same(callers[0][who], a), other.same(callers[1][who], b)
		about := fmt.Sprintf("seed %d, request %d of %q: %s %s\n%s", seed, n, callers[0][who].name, method, path, body)
		if strings.Contains(first, secret("p2")) {
			t.Fatalf("%s\n%s", about, first)
		}
		if first != second {
			at := 0
			for at < min(len(first), len(second)) && first[at] == second[at] {
				at++
			}
			from := max(0, at-300)
			t.Fatalf("%s\nis answered differently where others differ, by what follows %q:\n%.500s\n\n%.500s", about, first[from:at], first[at:], second[at:])
		}
	}
	t.Log(statuses)
	if statuses[200] < requests/4 || len(statuses) < 6 {
		t.Errorf("the requests show too little: %v", statuses)
	}
}

// confinedTo are the callers who may see p1 alone.
func confinedTo(w *world) []*caller {
	var list []*caller
	for _, scopes := range []string{"patient/*.cruds", "patient/*.rs", "patient/*.read", "patient/Observation.rs", "patient/Observation.cruds?category=http://c|laboratory patient/Patient.rs", "patient/Observation.s patient/Encounter.rs"} {
		list = append(list, w.as("patient p1", scopes))
	}
	return append(list, w.as("user Patient/p1", "user/*.cruds"), w.as("user Practitioner/d1", "user/*.rs"), w.as("user Practitioner/d1", "user/*.cruds"))
}

// A generator makes random requests.
type generator struct{ *rand.Rand }

func (g *generator) pick(list ...string) string { return list[g.IntN(len(list))] }

var (
	idsOfAll   = []string{"p1", "p2", "lab-p1", "lab-p2", "vital-p1", "vital-p2", "e-p1", "e-p2", "c-p1", "c-p2", "l-p1", "l-p2", "ct-p1", "ct-p2", "b-p1", "b-p2", "to-p1", "to-p2", "gone-p1", "gone-p2", "doc-p1", "doc-p2", "more1", "q1", "g1", "d1", "m1", "nobody", "never", "dr-p1", "dr-p2", "holds-p1", "holds-p2", "mid-p2", "top-p1", "swap-p1", "swap-p2", "person-p1", "person-p2", "task-p2", "prov-p1", "prov-p2", "qr-p2", "basic1", "all", "of-mid"}
	typesOfAll = []string{"Patient", "Observation", "Observation", "Observation", "Encounter", "Condition", "List", "CareTeam", "Binary", "Composition", "MedicationRequest", "RelatedPerson", "Group", "Practitioner", "Organization", "Medication", "AuditEvent", "DocumentReference", "Procedure", "Person", "Task", "Provenance", "QuestionnaireResponse", "Basic", "Consent", "Device", "Appointment", "SearchParameter", "Condition"}
)

func (g *generator) id() string           { return g.pick(idsOfAll...) }
func (g *generator) resourceType() string { return g.pick(typesOfAll...) }

// condition is a search parameter.
func (g *generator) condition(resourceType string, depth int) (name, value string) {
	references := map[string][]string{
		"Observation": {"subject", "patient", "encounter", "performer", "has-member"}, "Encounter": {"subject", "patient", "participant"},
		"Condition": {"subject", "patient", "encounter"}, "List": {"subject", "item"}, "Composition": {"subject", "author", "entry"},
		"MedicationRequest": {"subject", "medication", "requester"}, "CareTeam": {"patient", "participant"}, "Patient": {"general-practitioner", "organization", "link"},
		"Group": {"member"}, "RelatedPerson": {"patient"}, "Person": {"link", "patient"}, "Provenance": {"target", "patient"},
		"Procedure": {"part-of", "subject"}, "Task": {"patient", "subject"}, "DocumentReference": {"subject", "patient"}, "Appointment": {"actor", "patient"},
	}[resourceType]
	switch n := g.IntN(10); {
	case n < 3 && len(references) > 0 && depth < 3:
		reference, target := g.pick(references...), g.pick("Patient", "Observation", "Encounter", "Practitioner", "Medication", "Group")
		inner, value := g.condition(target, depth+1)
		if g.IntN(2) == 0 {
			return reference + ":" + target + "." + inner, value
		}
		return reference + "." + inner, value
	case n < 5 && depth < 3:
		source := g.pick("Observation", "Encounter", "Condition", "List", "CareTeam", "Group", "Patient", "Composition")
		by := map[string][]string{"List": {"subject", "item"}, "Group": {"member"}, "Composition": {"subject", "entry"}, "Patient": {"link", "general-practitioner"}, "CareTeam": {"patient", "participant"}}[source]
		inner, value := g.condition(source, depth+1)
		return "_has:" + source + ":" + g.pick(append(by, "patient", "subject", "encounter")...) + ":" + inner, value
	case n < 6 && len(references) > 0:
		return g.pick(references...) + g.pick("", "", ":missing", ":not", ":Patient"), g.pick("Patient/p1", "Patient/p2", "Encounter/e-p2", "Observation/lab-p2", "p1", "p2", "true", "false", "Practitioner/d1", "Procedure/mid-p2")
	}
	return g.simple(resourceType)
}

func (g *generator) simple(resourceType string) (name, value string) {
	pairs := [][2]string{
		{"_id", g.id()}, {"_id:not", g.id()}, {"identifier", g.pick("p1-lab", "p2-lab", "i-p1", "i-p2", "p1-e", "p2-e", "http://e.org/id|")}, {"identifier:missing", g.pick("true", "false")},
		{"_lastUpdated", g.pick("gt2000-01-01", "lt2000-01-01")}, {"_tag", "x"}, {"_list", g.pick("l-p1", "l-p2")},
		{"_filter", g.pick("subject:Patient.given eq Namep2", "not (subject:Patient.given eq Namep2)", "_id eq "+g.id()+" or subject.name co secret", "identifier eq p2-lab")},
		{"_text", g.pick("secret", "alpha", "alpha beta", "SECRETP2")}, {"_content", g.pick("SECRETP2", "alpha", "delta or beta")}, {"_lastUpdated", g.pick("gt", "le", "eq", "sa") + g.minute()},
		{"_has:Provenance:target:agent", "Practitioner/d1"}, {"_has:AuditEvent:entity:_id", "seen-p2"}, {"_has:Person:link:_id", g.id()}, {"_id:in", "http://e.org/vs"},
	}
	switch resourceType {
	case "Patient":
		pairs = append(pairs, [2]string{"name", "secret"}, [2]string{"given", g.pick("Namep1", "Namep2")}, [2]string{"birthdate", "ge1970"}, [2]string{"family:contains", "ecret"})
	case "Observation":
		pairs = append(pairs, [2]string{"code", g.pick("lab", "vital", "http://loinc.org|lab", "xray")}, [2]string{"category", g.pick("laboratory", "vital-signs", "imaging")},
			[2]string{"code:not", "lab"}, [2]string{"date", "ge2020-01-02"}, [2]string{"status", g.pick("final", "amended")}, [2]string{"value-quantity", "gt1"}, [2]string{"date:missing", "true"},
			[2]string{"remark", "remark"}, [2]string{"remark:contains", "SECRETP2"}, [2]string{"whose.given", g.pick("Namep1", "Namep2")}, [2]string{"part-of:below", "Procedure/top-p1"}, [2]string{"part-of:above", "Procedure/mid-p2"})
	case "Encounter":
		pairs = append(pairs, [2]string{"status", "finished"}, [2]string{"class", "AMB"})
	}
	p := pairs[g.IntN(len(pairs))]
	return p[0], p[1]
}

// query is a search's query.
func (g *generator) query(resourceType string) string {
	v := url.Values{}
	for range g.IntN(4) {
		name, value := g.condition(resourceType, 0)
		v.Add(name, value)
	}
	for range g.IntN(3) {
		switch g.IntN(10) {
		case 8:
			v.Set("_contained", g.pick("true", "both"))
			v.Set("_containedType", g.pick("container", "contained"))
		case 9:
			v.Set("_maxresults", g.pick("1", "3"))
		case 0:
			v.Set("_sort", g.pick("_id", "-_id", "-_lastUpdated", "date", "-date", "name", "patient", "identifier", "_score", "subject", "-patient,date", "remark", "-whose", "_lastUpdated,-_id"))
		case 1:
			v.Set("_count", g.pick("0", "1", "2", "100"))
		case 2:
			v.Add("_include", g.pick("*", resourceType+":*", "Observation:subject", "Observation:has-member", "List:item", "Composition:entry", "Encounter:patient", "Patient:link"))
		case 3:
			v.Add("_revinclude", g.pick("*", "Observation:subject", "Observation:encounter", "List:item", "Group:member", "Patient:link", "CareTeam:patient"))
		case 4:
			v.Add("_include:iterate", g.pick("Observation:encounter", "Encounter:participant", "Observation:subject", "Patient:link"))
		case 5:
			v.Add("_revinclude:iterate", g.pick("Observation:subject", "Encounter:patient", "List:item"))
		case 6:
			v.Set("_summary", g.pick("count", "true", "false", "data", "text"))
		default:
			v.Set("_total", g.pick("none", "accurate", "estimate"))
		}
	}
	return v.Encode()
}

// minute is an instant of a pinned world.
func (g *generator) minute() string {
	return beginning.Add(time.Duration(g.IntN(70)) * time.Minute).Format(time.RFC3339)
}

// request is any request.
func (g *generator) request() (method, path, body string, headers []string) {
	if g.IntN(5) == 0 {
		headers = append(headers, "Prefer", g.pick("handling=lenient", "return=representation", "return=OperationOutcome"))
	}
	t, id := g.resourceType(), g.id()
	switch n := g.IntN(28); {
	case n >= 22:
		return g.farther(headers)
	case n < 8:
		return g.search(t, headers)
	case n < 11:
		if g.IntN(3) == 0 {
			headers = append(headers, g.pick("If-None-Match", "If-None-Match", "If-Modified-Since", "If-Match"), g.pick(`W/"1"`, `W/"2"`, "*", beginning.Add(time.Duration(g.IntN(70))*time.Minute).Format(http.TimeFormat)))
		}
		return g.pick("GET", "GET", "HEAD"), t + "/" + id + g.pick("", "", "", "/_history", "/_history/1", "/_history/2", "/$meta", "/$diff", "/$validate", "/$validate?mode=delete", "/$everything", "/$document", "?_elements=subject", "?_summary=count", "/_history?_at="+g.minute()), "", headers
	case n < 13:
		return "GET", g.pick("_history", "Observation/_history", "Patient/_history", "Binary/_history", "Condition/_history", "Person/_history") + "?_count=" + g.pick("0", "1", "3", "100") + g.pick("", "&_sort=_lastUpdated", "&_since=2000-01-01", "&_since="+g.minute(), "&_at="+g.minute(), "&_at=2030"), "", headers
	case n < 16:
		return g.operation(headers)
	case n < 18:
		return "POST", "$graphql", g.graphql(), append(headers, "Content-Type", "application/graphql")
	}
	return g.write(t, id, headers)
}

// search is a request for a search.
func (g *generator) search(t string, headers []string) (method, path, body string, _ []string) {
	switch g.IntN(24) {
	case 0, 1, 2:
		path = "?_type=" + g.pick("Patient,Observation", "Observation,Group,Binary", "List,Encounter,Condition", "Basic,Person,AuditEvent") + "&" + g.query("Encounter")
	case 3, 4, 5:
		path = "Patient/" + g.pick("p1", "p2", "q1") + "/" + g.pick("*", "Observation", "Encounter") + "?" + g.query("Observation")
	case 6:
		return "POST", t + "/_search", g.query(t), append(headers, "Content-Type", "application/x-www-form-urlencoded")
	case 7:
		path = "Encounter/" + g.pick("e-p1", "e-p2", "more1") + "/" + g.pick("*", "Observation") + "?" + g.query("Observation")
	default:
		path = t + "?" + g.query(t)
	}
	switch g.IntN(20) {
	case 0, 1:
		headers = append(headers, "X-Explain", "true")
	case 2:
		headers = append(headers, "Prefer", "respond-async")
	}
	return "GET", path, "", headers
}

func (g *generator) operation(headers []string) (method, path, body string, _ []string) {
	patient := g.pick("p1", "p2", "q1")
	switch g.IntN(6) {
	case 0:
		return "POST", g.pick("Patient/$match", "Patient/$match?count=1"), g.someone(), headers
	case 1:
		return "GET", g.export(patient), "", append(headers, "Prefer", "respond-async")
	case 2:
		observation := `{"resourceType":"Observation","id":"` + g.id() + `","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/` + patient + `"},"hasMember":[{"reference":"Observation/` + g.id() + `"}]}`
		return "POST", g.pick("Observation/$validate", "Observation/$validate?mode=create", "Observation/$validate?mode=update", "Observation/lab-p2/$validate?mode=update", "Observation/never/$validate"), observation, headers
	case 3:
		id := g.id()
		return "POST", g.pick("Observation/"+id+"/$meta-add", "Observation/"+id+"/$meta-delete", "Group/g1/$member-add", "Group/only-p2/$member-remove", "Composition/doc-p2/$document?persist=true", "Observation/"+id+"/$erase", "Patient/"+patient+"/$purge?dryRun=true", "Observation/$expunge?subject=Patient/p2&dryRun=true", "$process-message", "Patient/"+patient+"/$graphql"),
			`{"resourceType":"Parameters","parameter":[{"name":"meta","valueMeta":{"tag":[{"code":"x"}]}}]}`, headers
	}
	return "GET", g.pick(
		"Patient/"+patient+"/$everything?_count="+g.pick("1", "2", "100"), "Patient/$everything?_count=100", "Group/g1/$everything", "Encounter/"+g.pick("e-p1", "e-p2")+"/$everything",
		"Patient/"+patient+"/$everything?_since="+g.minute()+"&_count=3", "Patient/"+patient+"/$everything?start=2021-01-01&end=2021-12-31&_type="+g.pick("Observation", "Procedure,Task,Basic", "AuditEvent"), "Group/only-"+patient+"/$everything",
		"Observation/$lastn?patient="+patient+"&category=laboratory&max=3", "Observation/$lastn?patient.given=Namep2&code=lab", "DocumentReference/$docref?patient="+patient, "DocumentReference/$docref?patient="+patient+"&start=2020-01-01&type="+url.QueryEscape("http://loinc.org|34133-9")+"&_count=1",
		"$meta", "Observation/$meta", "Patient/$meta", "metadata",
		"Observation/$stats?subject=Patient/"+patient+"&code=lab&system=http://loinc.org&statistic=count&statistic=average&include=true", "$reindex-status", "Composition/doc-"+patient+"/$document",
		"Patient/"+patient+"/$graphql?query="+url.QueryEscape(`{id name{family} ObservationList(_reference: patient) {id}}`)), "", headers
}

// export is the start of an export.
func (g *generator) export(patient string) string {
	return g.pick("$export", "Patient/$export", "Group/g1/$export", "Group/only-"+patient+"/$export") + "?" + g.pick("", "", "_type=Observation", "_type=Patient,Person,Provenance", "_type=Practitioner,Organization", "_type=AuditEvent") +
		g.pick("", "", "&_since="+g.minute(), "&_until="+g.minute(), "&_typeFilter="+url.QueryEscape("Observation?subject:Patient.given=Namep2"), "&_typeFilter="+url.QueryEscape("Observation?_has:List:item:subject=Patient/p2"), "&includeAssociatedData=LatestProvenanceResources", "&_elements=id")
}

// someone is a patient to be matched.
func (g *generator) someone() string {
	return `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":{"resourceType":"Patient"` + g.pick(`,"identifier":[{"system":"http://e.org/id","value":"i-`+g.pick("p1", "p2")+`"}]`, `,"name":[{"family":"`+secret(g.pick("p1", "p2"))+`","given":["`+g.pick("Namep1", "Namep2", "Nam")+`"]}]`) + g.pick("", `,"birthDate":"1980-01-01"`, `,"birthDate":"1970-01-01"`) + `}}]}`
}

func (g *generator) graphql() string {
	return g.pick(
		`{Observation(id: "`+g.id()+`") {id subject {reference resource(optional: true) {... on Patient {name {family}}}}}}`,
		`{ObservationList(_count: 100) {id subject {resource(optional: true) {... on Patient {id name {family}}}}}}`,
		`{PatientConnection(_count: 1) {count offset edges {resource {id ObservationList(_reference: subject) {id}}}}}`,
		`{ObservationConnection(code: "lab") {count edges {resource {id hasMember {resource(optional: true) {... on Observation {id}}}}}}}`,
		`{ListList {id entry {item {reference resource(optional: true, type: Observation) {... on Observation {id subject {display}}}}}}}`,
		`{EncounterList(patient: "Patient/p2") {id} CareTeamList {id participant {member {reference}}}}`,
		`{ObservationConnection(_count: 1, _sort: "-date") {count pagesize next first edges {resource {id}}}}`,
		`{ProcedureList(_has: "Observation:part-of:_id=of-mid") {id partOf {resource(optional: true) {... on Procedure {id PatientList(_reference: link) {id}}}}}}`,
		`{Provenance(id: "of-both") {target {resource(optional: true) {resourceType}} entity {what {reference resource(optional: true) {... on DocumentReference {id date}}}}}}`,
		`{PersonConnection {count edges {resource {id link {target {resource(optional: true) {... on Patient {id}}}}}}}}`,
		`{Patient(id: "`+g.pick("p1", "p2")+`") {id BasicList(_reference: subject) {id} ObservationConnection(_reference: subject) {count}}}`)
}

// write is a request that may change something, of p1 alone if at all.
func (g *generator) write(t, id string, headers []string) (method, path, body string, _ []string) {
	p := g.pick("p1", "p2", "q1", "never")
	observation := func(id string) string {
		return `{"resourceType":"Observation"` + id + `,"status":"final","category":[{"coding":[{"system":"http://c","code":"laboratory"}]}],"code":{"text":"written"},"subject":{"reference":"Patient/` + p + `"}}`
	}
	criteria := g.pick("identifier=p2-lab", "identifier=p1-lab", "_id="+id, "subject:Patient.given=Namep2", "code=lab&subject=Patient/p2", "_has:List:item:subject=Patient/p2")
	switch g.IntN(12) {
	case 9:
		return "PUT", "Observation/" + id, observation(`,"id":"` + id + `"`), append(headers, g.pick("If-Match", "If-None-Match"), g.pick(`W/"1"`, `W/"2"`, "*"))
	case 10:
		return "DELETE", t + "/" + g.pick("lab-p2", "swap-p2", "q1", "g1", "never"), "", append(headers, "If-Match", `W/"1"`)
	case 11:
		return "PATCH", t + "/" + id, `{"language":"` + g.pick("en", "de") + `"}`, append(headers, "Content-Type", "application/merge-patch+json", "If-Match", g.pick(`W/"1"`, `W/"9"`))
	case 0:
		return "POST", "Observation", observation(""), headers
	case 1:
		return "POST", "Observation", observation(""), append(headers, "If-None-Exist", criteria)
	case 2:
		return "PUT", "Observation/" + id, observation(`,"id":"` + id + `"`), headers
	case 3:
		return "PUT", "Observation?" + criteria, observation(""), headers
	case 4:
		return "PATCH", "Observation/" + id, `[{"op":"test","path":"/status","value":"` + g.pick("final", "amended") + `"}]`, append(headers, "Content-Type", "application/json-patch+json")
	case 5:
		return "PATCH", "Observation?" + criteria, `{"language":"` + g.pick("en", "de") + `"}`, append(headers, "Content-Type", "application/merge-patch+json")
	case 6:
		return "DELETE", "Observation/" + g.pick("lab-p2", "to-p2", "gone-p2", "more1", "never", "gone-p1"), "", headers
	case 7:
		return "DELETE", "Observation?" + g.pick("identifier=p2-lab", "subject=Patient/p2", "_id=lab-p2") + g.pick("", "&_count=3"), "", headers
	}
	return "POST", "", g.bundle(observation), headers
}

func (g *generator) bundle(observation func(string) string) string {
	var list []string
	for range 1 + g.IntN(3) {
		t := g.resourceType()
		list = append(list, g.pick(
			`{"request":{"method":"GET","url":"`+t+"/"+g.id()+`"}}`,
			`{"request":{"method":"GET","url":"`+t+"?"+g.query(t)+`"}}`,
			`{"resource":`+observation("")+`,"request":{"method":"POST","url":"Observation","ifNoneExist":"identifier=p2-lab"}}`,
			`{"resource":`+strings.Replace(observation(""), `"Patient/`, `"Patient?identifier=i-`, 1)+`,"request":{"method":"POST","url":"Observation"}}`,
			`{"request":{"method":"DELETE","url":"Observation/lab-p2"}}`,
		))
	}
	slices.Sort(list)
	kind := g.pick("batch", "transaction")
	writes := func(entry string) bool { return !strings.Contains(entry, `"method":"GET"`) }
	if at := slices.IndexFunc(list, writes); kind == "batch" && at >= 0 {
		list = list[at : at+1] // in a batch what is read and written goes in no order
	}
	return `{"resourceType":"Bundle","type":"` + kind + `","entry":[` + strings.Join(slices.Compact(list), ",") + `]}`
}
