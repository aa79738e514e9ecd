package fhirpath

import (
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

const examples = "../../shared/data/examples/r4-official"

// searchExpressions are the compiled search parameters of a resource type.
func searchExpressions(t testing.TB, cache map[string][]*Expr, resourceType string) []*Expr {
	if list, ok := cache[resourceType]; ok {
		return list
	}
	var list []*Expr
	for _, p := range definition.R4().SearchParameters(resourceType) {
		if p.Expression == "" {
			continue
		}
		e, err := Compile(definition.R4().Schema, p.Expression, WithContext(resourceType))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	cache[resourceType] = list
	return list
}

// exampleTrees yields the official examples that the reader takes, by file.
func exampleTrees(t *testing.T) iter.Seq2[string, *fhir.Tree] {
	files, err := filepath.Glob(examples + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Skip(examples + " is absent")
	}
	return func(yield func(string, *fhir.Tree) bool) {
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tree, err := fhir.Parse(definition.R4().Schema, data, fhir.DefaultLimits)
			if err == nil && !yield(filepath.Base(file), tree) {
				return
			}
		}
	}
}

// TestDirect evaluates every search parameter on the official examples twice:
// straight over the tree and on the machine. Both must select the same nodes.
func TestDirect(t *testing.T) {
	cache := map[string][]*Expr{}
	compared, selected := 0, 0
	for file, tree := range exampleTrees(t) {
		for _, e := range searchExpressions(t, cache, tree.Root().Type().Name) {
			fast, err := e.Nodes(tree.Root())
			if err != nil {
				t.Fatalf("%s: %s: %v", file, e, err)
			}
			machine := &Expr{source: e.source}
			machine.compiled.Store(&program{root: e.program().root})
			slow, err := machine.Nodes(tree.Root())
			if err != nil || !slices.Equal(fast, slow) {
				t.Errorf("%s: %s: direct %d nodes, machine %d, error %v", file, e, len(fast), len(slow), err)
			}
			compared++
			selected += len(fast)
		}
	}
	if compared < 1000 || selected < 1000 {
		t.Errorf("only %d evaluations, %d nodes", compared, selected)
	}
	t.Logf("%d evaluations, %d nodes", compared, selected)
}

// TestAppendNodesAllocates checks that the paths of search parameters cost no
// allocation where the caller gives the space.
func TestAppendNodesAllocates(t *testing.T) {
	tree := benchTree(t)
	for _, expression := range benchExpressions {
		e, err := Compile(definition.R4().Schema, expression)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]fhir.Node, 0, 64)
		n := testing.AllocsPerRun(100, func() { buf, _ = e.AppendNodes(buf[:0], tree.Root()) })
		if n > 0 {
			t.Errorf("%s: %v allocations", expression, n)
		}
	}
}

var benchExpressions = []string{
	"Observation.subject",
	"Observation.code",
	"Observation.category",
	"Observation.value",
	"(Observation.value as Quantity) | (Observation.value as SampledData)",
	"Observation.component.value.as(CodeableConcept)",
	"Observation.subject.where(resolve() is Patient)",
	"Observation.identifier.where(system = 'urn:x').value",
	"Observation.code | Observation.component.code",
	"Resource.meta.lastUpdated",
	"Observation.extension('http://hl7.org/fhir/StructureDefinition/observation-geneticsGene').value",
}

const benchResource = `{"resourceType":"Observation","id":"o","meta":{"lastUpdated":"2020-01-01T00:00:00Z","profile":["http://p"]},
"identifier":[{"system":"urn:x","value":"1"},{"system":"urn:y","value":"2"}],"status":"final",
"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs","display":"vital-signs"}]}],
"code":{"coding":[{"system":"http://loinc.org","code":"85354-9","display":"Blood Pressure"}],"text":"Blood Pressure"},
"subject":{"reference":"Patient/8c95253e-8ee8-9ae8-6d40-021d702dc78e"},"encounter":{"reference":"Encounter/f2c5a9b2"},
"effectiveDateTime":"2014-05-02T10:00:00Z","issued":"2014-05-02T10:00:00.000Z",
"component":[{"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":82,"unit":"mm[Hg]"}},
{"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":124,"unit":"mm[Hg]"}}]}`

func benchTree(t testing.TB) *fhir.Tree {
	t.Helper()
	tree, err := fhir.Parse(definition.R4().Schema, []byte(benchResource), fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func BenchmarkAppendNodes(b *testing.B) {
	tree := benchTree(b)
	for _, expression := range benchExpressions {
		b.Run(expression, func(b *testing.B) {
			e, err := Compile(definition.R4().Schema, expression)
			if err != nil {
				b.Fatal(err)
			}
			buf := make([]fhir.Node, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = e.AppendNodes(buf[:0], tree.Root())
			}
		})
	}
}

// BenchmarkAllParameters runs every search parameter of Observation on one
// observation, as a write does.
func BenchmarkAllParameters(b *testing.B) {
	tree := benchTree(b)
	list := searchExpressions(b, map[string][]*Expr{}, "Observation")
	buf := make([]fhir.Node, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		for _, e := range list {
			buf, _ = e.AppendNodes(buf[:0], tree.Root())
		}
	}
	b.ReportMetric(float64(len(list)), "parameters")
}

func BenchmarkInvariant(b *testing.B) {
	tree := benchTree(b)
	for _, expression := range []string{
		"dataAbsentReason.empty() or value.empty()",
		"value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()",
		"contained.contained.empty()",
		"text.`div`.exists()",
	} {
		b.Run(expression, func(b *testing.B) {
			e, err := Compile(definition.R4().Schema, expression, WithContext("Observation"))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := e.Bool(tree.Root(), Env{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	schema := definition.R4().Schema
	for b.Loop() {
		if _, err := Compile(schema, "Observation.subject.where(resolve() is Patient)"); err != nil {
			b.Fatal(err)
		}
	}
}
