package glance_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/bulk/glance"
)

func TestName(t *testing.T) {
	for src, want := range map[string]string{
		`{"resourceType":"Patient","id":"1"}`:                                   "Patient/1",
		` { "id" : "1" , "resourceType" : "Patient" } `:                         "Patient/1",
		`{"a":{"id":"x","b":["]",{}]},"c":[{"id":"y"}],"id":"1","x":true}`:      "/1",
		`{"resourceType":"Patient","n":-1.5e3,"t":true,"z":null,"id":"1"}`:      "Patient/1",
		`{"text":"\"id\":\"x\" \\","id":"1","resourceType":"Patient"}`:          "Patient/1",
		`{"id":7,"resourceType":"Patient"}`:                                     "Patient/",
		`{"resourceType":"Patient","contained":[{"id":"x"}],"name":[{"id":1}]}`: "Patient/",
		`[{"id":"1"}]`: "/", ``: "/", `{`: "/", `{"id"`: "/", `{"id":`: "/", `{"id":"`: "/", `{"a":[`: "/", `null`: "/",
	} {
		if resourceType, id := glance.Name([]byte(src)); resourceType+"/"+id != want {
			t.Errorf("%s: %s/%s, want %s", src, resourceType, id, want)
		}
	}
}

func TestReferences(t *testing.T) {
	src := `{"subject":{"reference":"Patient/1"},"x":"\"reference\":\"no\"","list":[{"reference" : "Organization/2"},{"reference":7},{"reference":"`
	if got := slices.Collect(glance.References([]byte(src))); strings.Join(got, " ") != "Patient/1 Organization/2" {
		t.Errorf("%q", got)
	}
}

// FuzzName compares with a whole reading.
func FuzzName(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"}"}],"id":"1","resourceType":"Patient"}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		_, id := glance.Name(src)
		for range glance.References(src) {
		}
		var whole map[string]json.RawMessage
		if json.Unmarshal(src, &whole) != nil || strings.Count(string(src), `"id"`) > 1 || strings.Contains(string(src), `\`) {
			return
		}
		if raw, ok := whole["id"]; ok && len(raw) > 0 && raw[0] == '"' && string(raw) != `"`+id+`"` {
			t.Errorf("%s: id %q", src, id)
		}
	})
}
