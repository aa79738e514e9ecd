package fhirpath_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

var noon = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

// TestScripts runs testdata/*.txtar. In each, "focus.json" is the resource and
// "expressions" has lines of
//
//	expression => item, item …
//	expression =! part of the error of Compile or Eval
//
// where a node shows as its path and a value as its literal. A line that
// starts with # is a comment. Where there is an "others.ndjson", resolve()
// finds its resources, and terminology and profiles are those of fixture_test.go.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, name := range scripts {
		t.Run(filepath.Base(name), func(t *testing.T) { runScript(t, name) })
	}
}

func runScript(t *testing.T, name string) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var focus fhir.Node
	env := fhirpath.Env{
		Now:       noon,
		Variables: map[string][]fhirpath.Item{"given": {fhirpath.String("Peter"), fhirpath.Integer(7)}},
	}
	for _, file := range archive.Files {
		if file.Name == "others.ndjson" {
			env = withServices(t, env, file.Data)
			continue
		}
		if strings.HasSuffix(file.Name, ".json") {
			focus = parseResource(t, file.Data)
			continue
		}
		for i, line := range strings.Split(string(file.Data), "\n") {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				runLine(t, focus, env, i+1, line)
			}
		}
	}
}

func runLine(t *testing.T, focus fhir.Node, env fhirpath.Env, number int, line string) {
	t.Helper()
	if expression, want, ok := strings.Cut(line, " =! "); ok {
		_, err := evaluate(focus, env, expression)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("line %d: %s\n got error %v\nwant error with %s", number, expression, err, want)
		}
		return
	}
	expression, want, ok := strings.Cut(line, " =>")
	if !ok {
		t.Fatalf("line %d: no => in %s", number, line)
	}
	got, err := evaluate(focus, env, expression)
	if err != nil {
		t.Errorf("line %d: %s: %v", number, expression, err)
		return
	}
	if want = strings.TrimSpace(want); got != want {
		t.Errorf("line %d: %s\n got %s\nwant %s", number, expression, got, want)
	}
}

func evaluate(focus fhir.Node, env fhirpath.Env, expression string) (string, error) {
	e, err := fhirpath.Compile(definition.R4().Schema, expression, fhirpath.WithVariables("given"))
	if err != nil {
		return "", err
	}
	items, err := e.Eval(focus, env)
	if err != nil {
		return "", err
	}
	var shown []string
	for _, item := range items {
		shown = append(shown, show(item))
	}
	return strings.Join(shown, ", "), nil
}

func show(item fhirpath.Item) string {
	switch item.Kind() {
	case fhirpath.KindNode:
		return item.Node().Path()
	case fhirpath.KindString:
		return "'" + item.Text() + "'"
	case fhirpath.KindDate, fhirpath.KindDateTime:
		return "@" + item.Text()
	case fhirpath.KindTime:
		return "@T" + item.Text()
	case fhirpath.KindReference:
		return "reference to " + item.TypeName()
	}
	return item.Text()
}

func parseResource(t testing.TB, data []byte) fhir.Node {
	t.Helper()
	tree, err := fhir.Parse(definition.R4().Schema, data, fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	return tree.Root()
}

// TestSearchParameters compiles every expression of R4's search parameters and
// components, as the search index needs.
func TestSearchParameters(t *testing.T) {
	set := definition.R4()
	compiled := 0
	check := func(p *definition.SearchParameter, expression string) {
		if expression == "" {
			return
		}
		if _, err := fhirpath.Compile(set.Schema, expression); err != nil {
			t.Errorf("%s.%s: %s: %v", p.Base, p.Code, expression, err)
		}
		compiled++
	}
	for _, typ := range set.Schema.Types {
		for _, p := range set.SearchParameters(typ.Name) {
			check(p, p.Expression)
			for _, c := range p.Component {
				check(p, c.Expression)
			}
		}
	}
	if compiled < 1400 {
		t.Errorf("only %d expressions compiled", compiled)
	}
}

// uncompilable are the invariants about an element that does not exist
// (ChargeItemDefinition has no name).
var uncompilable = map[string]bool{"cid-0": true}

// TestInvariants compiles every invariant of R4 on the type that has it.
func TestInvariants(t *testing.T) {
	schema := definition.R4().Schema
	compiled := 0
	check := func(context string, constraints []fhir.Constraint) {
		for _, k := range constraints {
			_, err := fhirpath.Compile(schema, k.Expression, fhirpath.WithContext(context))
			if err != nil && !uncompilable[k.Key] {
				t.Errorf("%s on %s: %v", k.Key, context, err)
			}
			compiled++
		}
	}
	for _, typ := range schema.Types {
		check(typ.Name, typ.Constraints)
		for _, e := range typ.Elements {
			if len(e.Types) == 1 {
				check(e.Types[0].Type.Name, e.Constraints)
			}
		}
	}
	if compiled == 0 {
		t.Error("no invariants in the schema")
	}
}
