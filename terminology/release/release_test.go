package release_test

import (
	"testing"

	"github.com/tarnhealth/tarn/terminology/release"
)

func TestTable(t *testing.T) {
	table := release.R4()
	for of, count := range map[string]int{"CodeSystem": 1062, "ValueSet": 1316, "ConceptMap": 80} {
		urls := table.URLs(of)
		if len(urls) != count {
			t.Errorf("there are %d resources of type %s, want %d", len(urls), of, count)
		}
		for _, url := range urls {
			tree, err := table.Find(of, url)
			if err != nil || tree == nil || tree.Root().TextOf("url") != url || tree.Root().Type().Name != of {
				t.Errorf("%s %s is not found: %v", of, url, err)
			}
		}
	}
	gender := "http://hl7.org/fhir/administrative-gender"
	for canonical, there := range map[string]bool{gender: true, gender + "|4.0.1": true, gender + "|5.0.0": false, "http://nobody": false} {
		if tree, err := table.Find("CodeSystem", canonical); err != nil || (tree != nil) != there {
			t.Errorf("%s: found %v, want %v (%v)", canonical, tree != nil, there, err)
		}
	}
}
