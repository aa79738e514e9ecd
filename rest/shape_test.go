package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// TestIncludesAreBounded asks for more includes than a page may have.
func TestIncludesAreBounded(t *testing.T) {
	const limit = 1000 // of datastore.Options.MaxIncludes
	s := newServer(t)
	c := s.newConversation(t, "many")
	entry := `{"resource":{"resourceType":"%s","id":"%d",%s},"request":{"method":"PUT","url":"%[1]s/%[2]d"}}`
	entries := []string{fmt.Sprintf(entry, "Patient", 1, `"gender":"male"`)}
	put := func() {
		t.Helper()
		bundle := `{"resourceType":"Bundle","type":"batch","entry":[` + strings.Join(entries, ",") + `]}`
		if res := c.post(t, "/", strings.NewReader(bundle)); res.status != http.StatusOK {
			t.Fatalf("%d %s", res.status, res.body)
		}
	}
	observation := `"status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"}`
	for i := range limit {
		entries = append(entries, fmt.Sprintf(entry, "Observation", i, observation))
	}
	put()
	count := func(query string) (included int, outcome fhir.Node) {
		t.Helper()
		res := c.send(t, "GET "+query)
		tree, err := c.parse(res.body)
		if err != nil || res.status != http.StatusOK {
			t.Fatalf("%d %.1000s %v", res.status, res.body, err)
		}
		for e := range tree.Root().Each("entry") {
			switch e.Child("search").TextOf("mode") {
			case "include":
				included++
			case "outcome":
				outcome = e.Child("resource")
			}
		}
		return included, outcome
	}
	const query = "/Patient?_revinclude=Observation:subject"
	if n, outcome := count(query); n != limit || outcome.Exists() {
		t.Errorf("%d included, want %d and no outcome", n, limit)
	}
	entries = []string{fmt.Sprintf(entry, "Observation", limit, observation)}
	put()
	for _, more := range []string{"", "&_include:iterate=*", "&colour=red"} {
		c.vars["more"] = more
		n, outcome := count(query + more + "\nPrefer: handling=lenient")
		issues := 0
		for issue := range outcome.Each("issue") {
			issues++
			if issue.TextOf("severity") != "warning" {
				t.Errorf("an issue of severity %s", issue.TextOf("severity"))
			}
		}
		if n != limit || issues == 0 || !strings.Contains(string(outcome.Raw()), "fewer matches on a page") {
			t.Errorf("%q: %d included, %s", more, n, outcome.Raw())
		}
	}
}

// TestCapabilityIsTrue parses what the statement says of searches.
func TestCapabilityIsTrue(t *testing.T) {
	s := newServer(t)
	c := s.newConversation(t, "capability")
	store, err := s.catalog.Store("capability")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.parse(c.send(t, "GET /metadata").body)
	if err != nil {
		t.Fatal(err)
	}
	parse := func(resourceType, name, value string) {
		t.Helper()
		_, err := store.Registry().Parse([]string{resourceType}, []search.Pair{{Name: name, Value: value}}, search.Options{Shaping: true, Iterate: true})
		if err != nil {
			t.Errorf("%s?%s=%s: %v", resourceType, name, value, err)
		}
	}
	checked := 0
	for r := range tree.Root().Child("rest").Each("resource") {
		for name, element := range map[string]string{"_include": "searchInclude", "_revinclude": "searchRevInclude"} {
			for inc := range r.Each(element) {
				parse(r.TextOf("type"), name, inc.Text())
				if strings.Contains(inc.Text(), ":") {
					parse(r.TextOf("type"), name+":iterate", inc.Text())
				}
				checked++
			}
		}
	}
	if checked < 3000 {
		t.Errorf("only %d includes are stated", checked)
	}
	values := map[string]string{
		"_count": "1", "_elements": "gender", "_include": "*", "_revinclude": "*", "_sort": "-birthdate", "_summary": "data", "_total": "none",
	}
	for p := range tree.Root().Child("rest").Each("searchParam") {
		if name := p.TextOf("name"); name != "_type" {
			parse("Patient", name, values[name])
		}
	}
}
