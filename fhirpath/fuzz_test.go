package fhirpath_test

import (
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/fhirpath"
)

const fuzzResource = `{"resourceType":"Patient","id":"p","active":true,"birthDate":"1974-12",
"name":[{"family":"F","given":["A","B"],"period":{"start":"2002"}}],"multipleBirthInteger":3,
"contact":[{"name":{"text":"\u00e4"}}],"extension":[{"url":"u","valueDecimal":1.50}]}`

// FuzzExpression compiles and evaluates any text: it may fail, but neither
// panic nor run without bound.
func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		"Patient.name.where(given = 'A').family | name[0].given", "1 + 2 * -3.5 'mg' > @2014-01-25T14:30:14.559Z",
		"(1|2).aggregate($total + $this, 0)", "descendants().select($this is string)", "birthDate + 3 months",
		"iif(active, name.given.join('-').substring(1).replaceMatches('.', '$1'), {})", "%resource.`name` ~ name // x",
		"repeat(children()).type().name", "'\\u0041'.toChars().toInteger() mod 2 div 0", "@T14:30 + 1 hour",
		"name.given.matches('(a+)+$') implies 2.power(1000).power(1000) & ''",
		"active.elementDefinition().type.code | name.slice('http://x/p', 'a').given", "identifier.memberOf('x') and conformsTo('y')",
	} {
		f.Add(seed)
	}
	schema := definition.R4().Schema
	tree, err := fhir.Parse(schema, []byte(fuzzResource), fhir.DefaultLimits)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		e, err := fhirpath.Compile(schema, expression)
		if err != nil {
			return
		}
		items, err := e.Eval(tree.Root(), fhirpath.Env{Now: noon})
		if err != nil {
			return
		}
		for _, item := range items {
			_, _ = item.Text(), item.TypeName()
		}
		nodes, err := e.Nodes(tree.Root())
		if err == nil && len(nodes) > len(items) {
			t.Errorf("%q selects %d nodes among %d items", expression, len(nodes), len(items))
		}
	})
}

// TestDepth checks that deep and long expressions end in an error.
func TestDepth(t *testing.T) {
	schema := definition.R4().Schema
	for _, expression := range []string{
		strings.Repeat("(", 100_000),
		strings.Repeat("(", 30_000) + "1" + strings.Repeat(")", 30_000),
		strings.Repeat("-", 10_000) + "1",
		strings.Repeat("iif(", 5_000) + "1",
		"1" + strings.Repeat("[1", 10_000),
		strings.Repeat("x.", 60_000) + "x",
		strings.Repeat("1 implies ", 10_000) + "(",
	} {
		if _, err := fhirpath.Compile(schema, expression); err == nil {
			t.Errorf("%.20s… compiles", expression)
		}
	}
}

// TestCost checks that an expression that grows without bound ends in an error.
func TestCost(t *testing.T) {
	const twenty = "(1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20)"
	tree, err := fhir.Parse(definition.R4().Schema, []byte(fuzzResource), fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	for _, expression := range []string{
		strings.Repeat(twenty+".select(", 12) + "1" + strings.Repeat(")", 12),
		twenty + ".aggregate($total & $total & $total, 'abcdefgh')",
		twenty + ".aggregate($total * $total, 1234567.0)",
		"'ab'.replaceMatches('b*', " + twenty + ".aggregate($total & $total, 'abcdefgh')).length()",
	} {
		e, err := fhirpath.Compile(definition.R4().Schema, expression)
		if err != nil {
			t.Fatalf("%.40s…: %v", expression, err)
		}
		if _, err := e.Eval(tree.Root(), fhirpath.Env{}); fhir.KindOf(err) != fhir.KindTooCostly {
			t.Errorf("%.40s…: error %v", expression, err)
		}
	}
}
