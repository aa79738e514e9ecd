package access

import (
	"net/http"
	"net/url"
	"strings"
)

// farther is a request of the kinds that lead farthest: pages of histories,
// everything by its parameters, includes that iterate, connections, Binaries, and
// writes by criteria.
func (g *generator) farther(headers []string) (method, path, body string, _ []string) {
	switch g.IntN(8) {
	case 0:
		return "GET", g.pages(), "", headers
	case 1:
		return "GET", g.everything(), "", headers
	case 2:
		return "GET", g.iterated(), "", headers
	case 3:
		return "POST", "$graphql", g.connection(), append(headers, "Content-Type", "application/graphql")
	case 4:
		return g.binary(headers)
	case 5:
		return "POST", "", g.criteria(), headers
	case 6:
		return "POST", g.pick("$export", "Patient/$export", "Group/g1/$export"), g.exportBody(), append(headers, "Prefer", "respond-async")
	}
	return g.byCriteria(headers)
}

// pages are of histories, which are followed.
func (g *generator) pages() string {
	of := g.pick("", "", "Observation/", "Patient/", "Condition/", "Binary/", "Person/", "Observation/"+g.id()+"/", "Condition/swap-p1/", "Condition/swap-p2/", "Observation/turn-1/", "Observation/turn-2/", "Patient/p2/")
	return of + "_history?_count=" + g.pick("1", "2", "3", "7", "50") + g.pick("", "&_sort=_lastUpdated", "&_since="+g.minute(), "&_at="+g.minute(), "&_elements=subject", "&_summary=true", "&_total=accurate")
}

// everything is $everything with parameters.
func (g *generator) everything() string {
	of := g.pick("Patient/p1", "Patient/p1", "Patient/p2", "Patient/q1", "Patient", "Encounter/e-p1", "Encounter/e-p2", "Group/g1", "Group/only-p1", "Group/only-p2")
	q := url.Values{"_count": {g.pick("1", "2", "5", "100")}}
	for range g.IntN(3) {
		switch g.IntN(6) {
		case 0:
			q.Set("start", g.pick("2019-01-01", "2020-01-02", "2021-01-01", "2030"))
		case 1:
			q.Set("end", g.pick("2020-01-02", "2021-12-31", "2030-06"))
		case 2:
			q.Set("_since", g.minute())
		case 3:
			q.Set("_type", g.pick("Observation", "Observation,Patient", "Practitioner,Organization,Medication", "Binary,DocumentReference", "Group,List", "Provenance,AuditEvent,Person"))
		case 4:
			q.Set("_elements", g.pick("id", "subject"))
		default:
			q.Set("_summary", g.pick("true", "count", "text"))
		}
	}
	return of + "/$everything?" + q.Encode()
}

// iterated is a search whose includes lead on, and to what is sorted by.
func (g *generator) iterated() string {
	t := g.pick("Observation", "Encounter", "List", "Composition", "Provenance", "Procedure", "Person", "DiagnosticReport", "MedicationRequest")
	q := url.Values{"_count": {g.pick("1", "3", "100")}}
	roots := map[string][]string{"Observation": {"has-member", "encounter", "subject", "derived-from", "part-of"}, "Encounter": {"subject", "participant"}, "List": {"item", "subject"}, "Composition": {"entry", "author", "subject"},
		"Provenance": {"target", "entity", "agent"}, "Procedure": {"part-of", "subject"}, "Person": {"link", "patient", "relatedperson"}, "DiagnosticReport": {"result", "subject"}, "MedicationRequest": {"medication", "requester", "subject"}}[t]
	for range 1 + g.IntN(3) {
		q.Add(g.pick("_include", "_include", "_revinclude"), g.pick(t+":"+g.pick(roots...), "*", t+":*", "List:item", "Provenance:target", "Observation:has-member", "Person:link"))
		q.Add(g.pick("_include:iterate", "_revinclude:iterate"), g.pick("Observation:subject", "Observation:encounter", "Observation:has-member", "Observation:part-of", "Procedure:part-of", "Encounter:subject", "Patient:link", "Patient:general-practitioner", "RelatedPerson:patient", "Provenance:target", "List:item", "Group:member", "Basic:subject", "Person:link"))
	}
	if g.IntN(2) == 0 {
		q.Set("_sort", g.pick("patient.name", "subject", "-subject,_id", "encounter", "-_lastUpdated", "subject:Patient.birthdate", "patient", "code,-date"))
	}
	if g.IntN(3) == 0 {
		name, value := g.condition(t, 0)
		q.Add(name, value)
	}
	return t + "?" + q.Encode()
}

// connection is a connection of GraphQL, whose cursors are followed.
func (g *generator) connection() string {
	arguments := g.pick("_count: "+g.pick("1", "2", "100"), `_count: 1, _sort: "`+g.pick("-date", "date", "_id", "subject")+`"`, `_count: 2, subject: "Patient/`+g.pick("p1", "p2")+`"`, `_count: 1, category: "laboratory"`, `_count: 1, _filter: "subject:Patient.given eq Namep2 or code eq lab"`)
	return `{ObservationConnection(` + arguments + `) {count offset pagesize first previous next last edges {mode resource {id ` +
		g.pick("", "subject {display}", "subject {resource(optional: true) {... on Patient {id name {family}}}}", "hasMember {resource(optional: true) {... on Observation {id}}}", "ListList(_reference: item) {id}", "ProvenanceConnection(_reference: target, _count: 1) {count next edges {resource {id}}}") + `}}}}`
}

// binary is a request for a Binary: as a resource, or for its bytes.
func (g *generator) binary(headers []string) (method, path, body string, _ []string) {
	id := g.pick("b-p1", "b-p2", "b-none", "b-hush", "more1", "never", "b-of-hush")
	switch g.IntN(8) {
	case 0:
		return "PUT", "Binary/" + id, "text", append(headers, "Content-Type", "text/plain", "X-Security-Context", g.pick("Patient/p1", "Patient/p2", "Observation/hush-0"), g.pick("If-Match", "If-None-Match", "Prefer"), g.pick(`W/"1"`, "*"))
	case 1:
		return "POST", "Binary", "text", append(headers, "Content-Type", "text/plain", "X-Security-Context", g.pick("Patient/p1", "Patient/p2", "Patient/q1", "Observation/lab-p2", "Observation/hush-0", "Observation/hush-1", "Patient/never"))
	case 2:
		return "DELETE", "Binary/" + g.pick("b-p2", "b-hush", "never"), "", headers
	case 3:
		return "GET", "Binary" + g.pick("", "?_id="+id, "?_summary=count", "?contenttype=text/plain", "?_total=accurate&_count=0", "/_history", "?_has:DocumentReference:relatesto:_id="+id), "", headers
	case 4:
		return "GET", "DocumentReference?_include=*&_include:iterate=*&_id=" + g.pick("old-p1", "old-p2", "dr-p1"), "", headers
	}
	accept := g.pick("text/plain", "*/*", "application/fhir+json", "application/octet-stream")
	headers = append(headers, "Accept", accept)
	if g.IntN(3) == 0 {
		headers = append(headers, g.pick("Range", "If-None-Match", "If-Modified-Since"), g.pick("bytes=0-1", "bytes=99-", `W/"1"`, beginning.Format(http.TimeFormat)))
	}
	return g.pick("GET", "GET", "HEAD"), "Binary/" + id + g.pick("", "", "/_history/1", "/_history/2"), "", headers
}

// whom are criteria that hidden resources meet, and others.
func (g *generator) whom() string {
	return g.pick("identifier=p2-lab", "identifier=p1-lab", "identifier=p1-c", "identifier=p2-c", "subject=Patient/p2", "_id="+g.id(), "subject:Patient.identifier=i-p2", "_has:Provenance:target:_id=prov-p2", "encounter=Encounter/e-p2", "_text=secret", "_tag=hush", "_security=R", "code=hush", "_lastUpdated=gt"+g.minute())
}

// byCriteria is a write of what criteria find.
func (g *generator) byCriteria(headers []string) (method, path, body string, _ []string) {
	t := g.pick("Observation", "Condition", "Encounter")
	content := map[string]string{
		"Observation": `{"resourceType":"Observation","status":"final","code":{"text":"by criteria"},"subject":{"reference":"Patient/p1"}}`,
		"Condition":   `{"resourceType":"Condition","code":{"text":"by criteria"},"subject":{"reference":"Patient/p1"}}`,
		"Encounter":   `{"resourceType":"Encounter","status":"planned","class":{"code":"AMB"},"subject":{"reference":"Patient/p1"}}`,
	}[t]
	switch g.IntN(5) {
	case 0:
		return "POST", t, content, append(headers, "If-None-Exist", g.whom())
	case 1:
		return "PUT", t + "?" + g.whom(), content, append(headers, g.pick("If-Match", "If-None-Match", "Prefer"), g.pick(`W/"1"`, "*"))
	case 2:
		return "PATCH", t + "?" + g.whom(), `[{"op":"` + g.pick("test", "replace") + `","path":"` + g.pick("/status", "/subject/reference", "/code/text") + `","value":"` + g.pick("final", "Patient/p1", "alpha") + `"}]`, append(headers, "Content-Type", "application/json-patch+json")
	case 3:
		return "DELETE", t + "?" + g.pick("identifier=p2-lab", "identifier=p2-c", "_has:Provenance:target:_id=prov-p2", "_tag=hush", "_security=R") + g.pick("", "&_count=1", "&_count=10"), "", headers
	}
	return "POST", t + g.pick("/$validate?mode=create", "/$validate"), strings.Replace(content, "Patient/p1", "Patient?identifier=i-"+g.pick("p1", "p2", "q1"), 1), headers
}

// criteria is a transaction whose entries and references find what they are about.
func (g *generator) criteria() string {
	patient := "Patient?identifier=i-" + g.pick("p1", "p1", "p2", "q1")
	entry := g.pick(
		`{"resource":{"resourceType":"Condition","subject":{"reference":"`+patient+`"},"encounter":{"reference":"Encounter?identifier=`+g.pick("p1-e", "p2-e")+`"}},"request":{"method":"POST","url":"Condition"}}`,
		`{"resource":{"resourceType":"Condition","subject":{"reference":"Patient/p1"}},"request":{"method":"PUT","url":"Condition?`+g.whom()+`"}}`,
		`{"request":{"method":"DELETE","url":"Condition?identifier=p2-c"}}`,
		`{"resource":{"resourceType":"Condition","subject":{"reference":"Patient/p1"}},"request":{"method":"POST","url":"Condition","ifNoneExist":"`+g.whom()+`"}}`,
		`{"request":{"method":"GET","url":"`+g.pick("Condition?"+g.whom(), "Patient/p2", "Binary/b-p2", "Patient/p1/$everything?_type=Observation", "Observation/_history?_count=2")+`","ifNoneMatch":"W/\"1\""}}`,
	)
	return `{"resourceType":"Bundle","type":"` + g.pick("transaction", "batch") + `","entry":[` + entry + `]}`
}

// exportBody are the parameters of an export that is asked for by POST.
func (g *generator) exportBody() string {
	parameters := []string{`{"name":"_type","valueString":"` + g.pick("Observation", "Patient,Observation", "Binary,DocumentReference", "Provenance,List,Person") + `"}`}
	parameters = append(parameters, g.pick(
		`{"name":"patient","valueReference":{"reference":"Patient/`+g.pick("p1", "p2", "q1", "never")+`"}}`, `{"name":"_since","valueInstant":"`+g.minute()+`"}`,
		`{"name":"_typeFilter","valueString":"Observation?`+g.pick("code=hush", "_security=R", "subject=Patient/p2")+`"}`, `{"name":"organizeOutputBy","valueString":"Patient"}`,
		`{"name":"includeAssociatedData","valueString":"RelevantProvenanceResources"}`, `{"name":"_security","valueString":"R"}`,
	))
	return `{"resourceType":"Parameters","parameter":[` + strings.Join(parameters, ",") + `]}`
}
