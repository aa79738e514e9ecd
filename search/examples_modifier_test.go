package search_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
	"github.com/tarnhealth/tarn/search"
)

// Every parameter of every example is missing or not, and not missing where it
// has entries; each text that an example has is found by the modifiers that
// look at texts.
func TestExamplesModifiers(t *testing.T) {
	r := r4(t)
	queries := 0
	find := func(c *search.Candidate, name, value string) bool {
		queries++
		q, err := r.Parse([]string{c.Type}, []search.Pair{{Name: name, Value: value}}, search.Options{Base: base})
		if err != nil {
			t.Fatalf("%s?%s=%s: %v", c.Type, name, value, err)
		}
		return search.Match(q.Plan.Parts[0].Where, c, nil)
	}
	for _, c := range examples(t) {
		indexed := map[string]bool{}
		for _, e := range c.Entries {
			indexed[e.Param.Code] = true
		}
		for code, def := range r.Definitions.SearchParameters(c.Type) {
			p := r.Param(c.Type, code)
			if p == nil || code == "_id" || code == "_lastUpdated" {
				continue
			}
			missing := find(c, code+":missing", "true")
			if missing == find(c, code+":missing", "false") {
				t.Errorf("%s/%s: %s is both missing and not", c.Type, c.ID, code)
			}
			if missing && indexed[code] {
				t.Errorf("%s/%s: %s has entries but is missing", c.Type, c.ID, code)
			}
			for name, value := range textQueries(t, r, def, c.Tree.Root()) {
				if !find(c, name, value) {
					t.Errorf("%s/%s is not found by %s=%s", c.Type, c.ID, name, value)
				}
			}
		}
	}
	t.Logf("%d queries", queries)
}

// textQueries are a query for each modifier that looks at a text which the
// resource has.
func textQueries(t *testing.T, r *search.Registry, def *definition.SearchParameter, root fhir.Node) map[string]string {
	queries := map[string]string{}
	if def.Expression == "" || def.Type != definition.ParamString && def.Type != definition.ParamToken {
		return nil
	}
	expr, err := fhirpath.Compile(r.Definitions.Schema, def.Expression)
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := expr.Nodes(root)
	if err != nil {
		return nil // a computed boolean
	}
	for _, n := range nodes {
		switch {
		case def.Type == definition.ParamString && n.IsPrimitive() && len(strings.TrimSpace(n.Text())) > 3:
			text := n.Text()
			_, first := utf8.DecodeRuneInString(text)
			queries[def.Code+":exact"] = escaper.Replace(text)
			queries[def.Code+":contains"] = escaper.Replace(strings.ToUpper(text[first:]))
		case def.Type == definition.ParamToken && n.Type().Name == "CodeableConcept":
			text := n.TextOf("text")
			for coding := range n.Each("coding") {
				if text == "" {
					text = coding.TextOf("display")
				}
			}
			if text != "" {
				queries[def.Code+":text"] = escaper.Replace(strings.ToValidUTF8(text[:min(len(text), 100)], ""))
			}
		}
	}
	return queries
}
