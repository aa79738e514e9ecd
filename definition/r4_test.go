package definition

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/fhir"
)

func TestR4Counts(t *testing.T) {
	set := R4()
	kinds := map[fhir.TypeKind]int{}
	for _, typ := range set.Schema.Types {
		kinds[typ.Kind]++
	}
	params, expressions := 0, 0
	for _, typ := range set.Schema.Types {
		for _, p := range set.SearchParameters(typ.Name) {
			params++
			if p.Expression != "" {
				expressions++
			}
		}
	}
	got := map[string]int{
		"resources": kinds[fhir.KindResource], "abstract": kinds[fhir.KindAbstract],
		"primitives": kinds[fhir.KindPrimitive], "complex": kinds[fhir.KindComplex], "nested": kinds[fhir.KindBackbone],
		"parameters": params, "with expression": expressions,
		"operations": len(set.Operations), "compartments": len(set.compartments),
		"value sets": len(set.codes), "code systems": len(set.systems),
	}
	t.Logf("%+v properties %d release %s %+v", got, len(set.Schema.Properties), set.Schema.Release, set.Source)
	_ = cmp.Diff
	_ = strings.Cut
}

func BenchmarkUnpack(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := unpack(r4); err != nil {
			b.Fatal(err)
		}
	}
}
