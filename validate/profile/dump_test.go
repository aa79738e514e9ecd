package profile_test

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/guidetest"
	"github.com/tarnhealth/tarn/internal/published"
	"github.com/tarnhealth/tarn/validate/mutation"
)

func TestDump(t *testing.T) {
	out := os.Getenv("TARN_DUMP")
	if out == "" {
		t.Skip()
	}
	f, _ := os.Create(out)
	w := bufio.NewWriter(f)
	defer f.Close()
	defer w.Flush()
	for _, version := range published.USCoreVersions {
		v := validator(guidetest.USCore(t, version))
		examples := guidetest.USCoreExamples(t, version)
		show := func(name string, data []byte) {
			tree, err := fhir.Parse(definition.R4().Schema, data, fhir.DefaultLimits)
			if err != nil {
				return
			}
			var all []string
			for _, i := range v.Validate(tree) {
				all = append(all, fmt.Sprint(i))
			}
			slices.Sort(all)
			fmt.Fprintln(w, version, name, all)
		}
		for k, name := range slices.Sorted(maps.Keys(examples)) {
			show(name, examples[name])
			if len(examples[name]) > 30000 {
				continue
			}
			doc, err := mutation.New(definition.R4().Schema, examples[name])
			if err != nil {
				continue
			}
			n := 0
			mutation.Each(doc.Tree.Root(), func(x fhir.Node) {
				if n++; (n+k)%3 != 0 || x.Name() == "text" || x.Name() == "div" {
					return
				}
				path := x.Path()
				show(name+" without "+path, doc.WithoutOnly([]fhir.Node{x}))
				if x.HasValue() {
					show(name+" other "+path, doc.Set(x, "zzz"))
				}
			})
		}
	}
}
