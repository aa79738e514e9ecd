package terminology_test

import (
	"path"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/internal/published"
	"github.com/tarnhealth/tarn/terminology"
)

// expansions yields the value sets of the published expansions.
func expansions(t *testing.T, yield func(name string, root fhir.Node)) {
	t.Helper()
	for file, data := range published.Package(t, "definitions/r4-core-package/hl7.fhir.r4.expansions.tgz") {
		name := path.Base(file)
		if !strings.HasPrefix(name, "ValueSet-") || path.Ext(name) != ".json" {
			continue
		}
		tree, err := fhir.Parse(definition.R4().Schema, data, fhir.DefaultLimits)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		yield(name, tree.Root())
	}
}

// wider are value sets of which the published expansion lacks codes: concepts
// that another one names by its property child, and codes of LOINC that LOINC
// has deprecated.
var wider = map[string]bool{
	"ValueSet-detectedissue-category.json": true, "ValueSet-v3-ActPharmacySupplyType.json": true,
	"ValueSet-c80-doc-typecodes.json": true,
}

// TestPublishedExpansions expands every value set of R4 that has a published
// expansion: the codes must be the same, but for abstract and deprecated ones.
// Those that cannot be listed take codes from systems that R4 has not.
func TestPublishedExpansions(t *testing.T) {
	service := terminology.New(nil)
	same, unknown := 0, 0
	expansions(t, func(name string, root fhir.Node) {
		want := codesOf(root.Child("expansion"), map[string]bool{})
		set, err := service.ValueSet(root.TextOf("url"))
		if name == "ValueSet-dicom-cid-29-AcquisitionModality.json" {
			return // its URL in the expansions is not that of the definitions
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		got, err := set.Expand(terminology.Expand{Count: -1})
		if err != nil {
			unknown++
			if text := err.Error(); !strings.Contains(text, "concepts are not known") && !strings.Contains(text, "not all concepts are known") && !strings.Contains(text, "is not known") {
				t.Errorf("%s: %v", name, err)
			}
			return
		}
		for _, e := range got.Entries {
			key := e.System + " " + e.Code
			if !want[key] && !e.Abstract && !deprecated(service, e) && !wider[name] {
				t.Errorf("%s: %s is not in the published expansion", name, key)
			}
			delete(want, key)
		}
		for key := range want {
			t.Errorf("%s: %s is only in the published expansion", name, key)
		}
		same++
	})
	if same < 490 || unknown > 62 {
		t.Errorf("%d value sets are listed, %d cannot be", same, unknown)
	}
}

// deprecated reports whether a concept is not to be used any more; the published
// expansions leave such out, as activeOnly would those that are inactive.
func deprecated(service *terminology.Service, e terminology.Entry) bool {
	system, err := service.System(e.System)
	if err != nil {
		return false
	}
	found, err := system.Lookup(e.Code, nil)
	if err != nil {
		return false
	}
	for _, p := range found.Properties {
		if p.Code == "status" && (p.Text == "deprecated" || p.Text == "retired") {
			return true
		}
	}
	return false
}

func codesOf(n fhir.Node, into map[string]bool) map[string]bool {
	for c := range n.Each("contains") {
		if code := c.TextOf("code"); code != "" {
			into[c.TextOf("system")+" "+code] = true
		}
		codesOf(c, into)
	}
	return into
}
