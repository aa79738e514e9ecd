package release_test

import (
	"encoding/json"
	"testing"

	"github.com/tarnhealth/tarn/guide/release"
)

func TestTable(t *testing.T) {
	table := release.R4()
	urls := table.URLs()
	if len(urls) != 653 {
		t.Errorf("there are %d definitions, want 653", len(urls))
	}
	for _, url := range urls {
		src, err := table.Find(url)
		var d struct{ URL, ResourceType string }
		if err != nil || json.Unmarshal(src, &d) != nil || d.URL != url || d.ResourceType != "StructureDefinition" {
			t.Errorf("%s is not found: %v", url, err)
		}
	}
	const patient = "http://hl7.org/fhir/StructureDefinition/Patient"
	for canonical, there := range map[string]bool{patient: true, patient + "|4.0.1": true, patient + "|5.0.0": false, "http://nobody": false} {
		if src, err := table.Find(canonical); err != nil || (src != nil) != there {
			t.Errorf("%s: found %v, want %v (%v)", canonical, src != nil, there, err)
		}
	}
}
