package rest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// advertised is what the test reads of a CapabilityStatement.
type advertised struct {
	Rest []struct {
		Resource []struct {
			Type        string
			Interaction []struct{ Code string }
			SearchParam []struct{ Name, Type, Documentation string }
			Operation   []struct{ Name string }
		}
		Operation   []struct{ Name string }
		SearchParam []struct{ Name string }
	}
}

// sampleResults are searches with each of the parameters that hold for all
// types.
var sampleResults = map[string]string{
	"_contained": "Patient?_contained=true", "_containedType": "Patient?_contained=both&_containedType=contained", "_count": "Patient?_count=0",
	"_elements": "Patient?_elements=name", "_explain": "Patient?_explain=true", "_filter": "Patient?_filter=name%20eq%20x",
	"_has": "Patient?_has:Observation:patient:code=x", "_include": "Patient?_include=*", "_list": "Patient?_list=x", "_maxresults": "Patient?_maxresults=1",
	"_revinclude": "Patient?_revinclude:iterate=*", "_sort": "Patient?_text=x&_sort=_score", "_summary": "Patient?_summary=data",
	"_total": "Patient?_total=estimate", "_type": "?_type=Patient",
}

// sampleValues are valid values of each type of search parameter.
var sampleValues = map[string]string{
	"number": "1", "date": "2020", "string": "a", "token": "a", "reference": "Patient/1", "quantity": "1",
	"uri": "http://example.org/x", "composite": "a$b", "special": "1|1|1",
}

// TestCapabilitiesAreOffered calls everything that /metadata advertises (R70):
// nothing of it may be answered as not supported or not known.
func TestCapabilitiesAreOffered(t *testing.T) {
	s := newServer(t)
	s.create(t, "walk")
	ask := func(method, path string) (int, string) {
		w := httptest.NewRecorder()
		req := httptest.NewRequest(method, "/datastore/walk/r4/"+path, nil)
		if method != http.MethodGet {
			req.Header.Set("Content-Type", "application/fhir+json")
		}
		s.handler.ServeHTTP(w, req)
		return w.Code, w.Body.String()
	}
	_, body := ask(http.MethodGet, "metadata")
	var statement advertised
	if err := json.Unmarshal([]byte(body), &statement); err != nil {
		t.Fatal(err)
	}
	params, operations := 0, 0
	call := func(at, code string) {
		operations++
		status, body := ask(http.MethodPost, at+"$"+code)
		if status == http.StatusMethodNotAllowed || strings.Contains(body, "not-supported") || status == http.StatusForbidden || strings.Contains(body, "is not offered on") || strings.Contains(body, "the operation $") {
			t.Errorf("POST %s$%s: %d %s", at, code, status, body)
		}
	}
	for _, o := range statement.Rest[0].Operation {
		call("", o.Name)
	}
	for _, p := range statement.Rest[0].SearchParam {
		if status, body := ask(http.MethodGet, sampleResults[p.Name]); status != http.StatusOK || !strings.Contains(body, p.Name) && p.Name != "_explain" {
			t.Errorf("%s: %d %s", p.Name, status, body)
		}
	}
	if len(statement.Rest[0].SearchParam) != len(sampleResults) {
		t.Errorf("%d parameters for all types are advertised, and %d are known here", len(statement.Rest[0].SearchParam), len(sampleResults))
	}
	for _, resource := range statement.Rest[0].Resource {
		for _, p := range resource.SearchParam {
			params++
			status, body := ask(http.MethodGet, resource.Type+"?_count=0&"+p.Name+"="+url.QueryEscape(sampleValues[p.Type]))
			refused := status != http.StatusOK && !(status == http.StatusBadRequest && p.Type == "composite")
			if refused || strings.Contains(body, "not-supported") {
				t.Errorf("%s?%s, a %s: %d %s", resource.Type, p.Name, p.Type, status, body)
			}
			if p.Documentation == "" {
				t.Errorf("%s?%s is not documented", resource.Type, p.Name)
			}
		}
		for _, i := range resource.Interaction {
			path := map[string]string{
				"read": "GET /1", "vread": "GET /1/_history/1", "update": "PUT /1", "patch": "PATCH /1", "delete": "DELETE /1",
				"history-instance": "GET /1/_history", "history-type": "GET /_history", "create": "POST ", "search-type": "GET ",
			}[i.Code]
			method, below, ok := strings.Cut(path, " ")
			if !ok {
				t.Errorf("%s has the interaction %q", resource.Type, i.Code)
				continue
			}
			if status, body := ask(method, resource.Type+below); status == http.StatusMethodNotAllowed || strings.Contains(body, "not-supported") {
				t.Errorf("%s of %s: %d %s", i.Code, resource.Type, status, body)
			}
		}
		if len(resource.Operation) == 0 {
			t.Errorf("%s has no operation", resource.Type)
		}
		for _, o := range resource.Operation {
			if erases := o.Name == "erase" || o.Name == "expunge"; erases && resource.Type == "AuditEvent" {
				t.Errorf("AuditEvents cannot be erased, and have $%s", o.Name)
			}
			call(resource.Type+"/1/", o.Name)
		}
	}
	if params < 1400 || operations < 500 {
		t.Errorf("%d parameters and %d operations are advertised", params, operations)
	}
}
