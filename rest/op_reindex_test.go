package rest_test

import (
	"bytes"
	"testing"
)

// TestDefinedSearchParameter walks a SearchParameter from its creation to its
// end.
func TestDefinedSearchParameter(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "defined")
	ready := func() {
		t.Helper()
		store, err := s.catalog.Store("defined")
		if err != nil {
			t.Fatal(err)
		}
		if err := store.WaitIndexed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const sponsor = `{"resourceType":"SearchParameter","id":"sponsor","url":"http://example.org/sponsor","name":"sponsor","status":"active","description":"Who pays","code":"sponsor","base":["Patient"],"type":"reference","target":["Organization"],"expression":"Patient.extension('http://example.org/sponsor').value"}`
	c.step(t, "a patient", "PUT /Patient/p\n\n"+`{"resourceType":"Patient","id":"p","extension":[{"url":"http://example.org/sponsor","valueReference":{"reference":"Organization/o"}}]}`, "201")
	c.step(t, "an organization", "PUT /Organization/o\n\n"+`{"resourceType":"Organization","id":"o","name":"Acme"}`, "201")
	c.step(t, "not known", "GET /Patient?sponsor=Organization/o", "400\n\n"+`{"issue":[{"diagnostics":"...sponsor..."}]}`)
	c.step(t, "wrong", "POST /SearchParameter\n\n"+`{"resourceType":"SearchParameter","url":"http://example.org/x","name":"x","status":"active","description":"x","code":"x","base":["Patient"],"type":"date","expression":"Patient.name"}`,
		"422\n\n"+`{"issue":[{"expression":["SearchParameter.expression"],"diagnostics":"...a date parameter cannot index that"}]}`)
	c.step(t, "defined", "PUT /SearchParameter/sponsor\n\n"+sponsor, "201")
	ready()
	c.step(t, "found", "GET /Patient?sponsor=Organization/o&_include=Patient:sponsor", "200\n\n"+`{"total":1,"entry":[{"resource":{"id":"p"},"search":{"mode":"match"}},{"resource":{"id":"o"},"search":{"mode":"include"}}]}`)
	c.step(t, "chained", "GET /Patient?sponsor.name=acme", "200\n\n"+`{"total":1}`)
	c.step(t, "reverse chained", "GET /Organization?_has:Patient:sponsor:_id=p", "200\n\n"+`{"total":1}`)
	c.step(t, "reverse included", "GET /Organization?_revinclude=Patient:sponsor", "200\n\n"+`{"total":1,"entry":[{},{"resource":{"id":"p"},"search":{"mode":"include"}}]}`)
	c.step(t, "in GraphQL", "GET /$graphql?query={PatientList(sponsor:\"Organization/o\"){id}}", "200\n\n"+`{"data":{"PatientList":[{"id":"p"}]}}`)
	listed := func() bool {
		return bytes.Contains(c.send(t, "GET /metadata").body, []byte(`"name":"sponsor","definition":"http://example.org/sponsor","type":"reference","documentation":"Who pays"`))
	}
	if !listed() {
		t.Error("the capabilities do not list the parameter")
	}
	c.step(t, "taken", "PUT /SearchParameter/other\n\n"+`{"resourceType":"SearchParameter","id":"other","url":"http://example.org/other","name":"x","status":"active","description":"x","code":"sponsor","base":["Patient"],"type":"string","expression":"Patient.name.family"}`,
		"409\n\n"+`{"issue":[{"diagnostics":"SearchParameter/sponsor, which is active, defines the search parameter sponsor of Patient already..."}]}`)
	c.step(t, "state", "GET /$reindex-status", "200\n\n"+`{"resourceType":"Parameters","parameter":[{"name":"searchParameter","part":[{"name":"resource","valueReference":{"reference":"SearchParameter/sponsor"}},{"name":"url"},{"name":"code","valueString":"sponsor"},{"name":"type","valueCode":"Patient"},{"name":"state","valueCode":"ready"},{"name":"usable","valueBoolean":true},{"name":"done"},{"name":"total"},{"name":"started"}]}]}`)
	c.step(t, "again", "POST /SearchParameter/sponsor/$reindex", "202\nContent-Location: {{base}}/$reindex-status\n\n"+`{"parameter":[{"name":"chosen","valueInteger":1}]}`)
	ready()
	c.step(t, "a type of the definitions", "POST /$reindex\n\n"+`{"resourceType":"Parameters","parameter":[{"name":"type","valueCode":"Organization"}]}`, "202")
	ready()
	c.step(t, "no such parameter", "POST /$reindex?parameter=nonsense", "400\n\n"+`{"issue":[{"diagnostics":"\"nonsense\" is not a search parameter..."}]}`)
	c.step(t, "no such resource", "POST /SearchParameter/none/$reindex", "404")
	c.step(t, "one of R4's own, published again", "PUT /SearchParameter/birthdate\n\n"+`{"resourceType":"SearchParameter","id":"birthdate","url":"http://example.org/birthdate","name":"x","status":"active","description":"x","code":"birthdate","base":["Patient","Person"],"type":"date","expression":"(Patient.birthDate)|Person.birthDate","comparator":["eq"]}`, "201")
	c.step(t, "served by R4's own", "GET /$reindex-status", "200\n\n"+`{"parameter":["...","...",{"part":[{"valueReference":{"reference":"SearchParameter/birthdate"}},{"name":"url","valueUri":"http://example.org/birthdate"},{"name":"code","valueString":"birthdate"},{"name":"served","valueCode":"Patient"},{"name":"served","valueCode":"Person"},{"name":"state","valueCode":"ready"},{"name":"usable","valueBoolean":true},{"name":"done"},{"name":"total"}]},"..."]}`)
	c.step(t, "with nothing to index", "POST /SearchParameter/birthdate/$reindex", "202\n\n"+`{"parameter":[{"name":"chosen","valueInteger":0}]}`)
	c.step(t, "and works as before", "GET /Patient?birthdate=lt2000", "200\n\n"+`{"total":0}`)
	c.step(t, "with another meaning", "PUT /SearchParameter/birthdate\n\n"+`{"resourceType":"SearchParameter","id":"birthdate","url":"http://example.org/birthdate","name":"x","status":"active","description":"x","code":"birthdate","base":["Patient"],"type":"date","expression":"Patient.deceased as dateTime"}`,
		"422\n\n"+`{"issue":[{"expression":["SearchParameter.code"],"diagnostics":"Patient has a search parameter birthdate already, which http://hl7.org/fhir/SearchParameter/individual-birthdate defines, by the expression Patient.birthDate"}]}`)
	c.step(t, "changed to one that is new", "PUT /SearchParameter/birthdate\n\n"+`{"resourceType":"SearchParameter","id":"birthdate","url":"http://example.org/birthdate","name":"x","status":"active","description":"x","code":"born","base":["Patient"],"type":"date","expression":"Patient.birthDate"}`, "200")
	ready()
	c.step(t, "which is searched by", "GET /Patient?born=lt2000", "200")
	c.step(t, "and back", "PUT /SearchParameter/birthdate\n\n"+`{"resourceType":"SearchParameter","id":"birthdate","url":"http://example.org/birthdate","name":"x","status":"active","description":"x","code":"birthdate","base":["Patient"],"type":"date","expression":"Patient.birthDate"}`, "200")
	c.step(t, "which is gone", "GET /Patient?born=lt2000", "400")
	c.step(t, "retired", "DELETE /SearchParameter/birthdate", "204")
	c.step(t, "is R4's own for good", "GET /Patient?birthdate=lt2000", "200")
	ready()
	c.step(t, "deleted", "DELETE /SearchParameter/sponsor", "204")
	c.step(t, "not known any more", "GET /Patient?sponsor=Organization/o", "400")
	if listed() {
		t.Error("the capabilities list a parameter that is gone")
	}
	ready()
}
