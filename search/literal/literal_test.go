package literal

import (
	"fmt"
	"strings"
	"testing"
)

// Q14: the forms of a literal reference.
func TestParse(t *testing.T) {
	const base = "http://example.org/r4"
	for text, want := range map[string]string{
		"":                              "",
		"#p1":                           "",
		"Patient/1":                     "type=Patient id=1",
		base + "/Patient/1":             "type=Patient id=1",
		"Patient/1/_history/2":          "type=Patient id=1 version=2",
		base + "/Patient/1/_history/2":  "type=Patient id=1 version=2",
		"Patient/1#part":                "type=Patient id=1",
		"http://other.org/r4/Patient/1": "url=http://other.org/r4/Patient/1",
		base + "x/Patient/1":            "url=" + base + "x/Patient/1",
		"patient/1":                     "url=patient/1",
		"Patient/a_b":                   "url=Patient/a_b",
		"urn:uuid:7":                    "url=urn:uuid:7",
		"http://a.org/v|1.0":            "url=http://a.org/v canonical=http://a.org/v|1.0",
		"http://a.org/v|1.0#x":          "url=http://a.org/v canonical=http://a.org/v|1.0",
	} {
		r := Parse([]byte(text), base)
		var got []string
		for _, part := range []struct {
			name  string
			value []byte
		}{{"type", r.Type}, {"id", r.ID}, {"url", r.URL}, {"canonical", r.Canonical}, {"version", r.Version}} {
			if len(part.value) > 0 {
				got = append(got, fmt.Sprintf("%s=%s", part.name, part.value))
			}
		}
		if joined := strings.Join(got, " "); joined != want {
			t.Errorf("%q: %s; want %s", text, joined, want)
		}
		if r.None() != (want == "") {
			t.Errorf("%q: None is %v", text, r.None())
		}
	}
}

func TestIsID(t *testing.T) {
	long := strings.Repeat("x", 64)
	for id, want := range map[string]bool{"": false, "a": true, "A-1.b": true, "a_b": false, "a/b": false, long: true, long + "x": false} {
		if IsID([]byte(id)) != want {
			t.Errorf("IsID(%q) is %v", id, !want)
		}
	}
}

func TestKeys(t *testing.T) {
	resourceType, id, ok := ParseKey(AppendKey(nil, []byte("Patient"), []byte("a.b-1")))
	if resourceType != "Patient" || id != "a.b-1" || !ok {
		t.Errorf("%s %s %v", resourceType, id, ok)
	}
	for _, key := range []string{"", "Patient", "Patient/\x00", "http://a.b/Patient/1\x00", "Patient/1", "urn:uuid:1\x00", "patient/1\x00", "a/b/c\x00"} {
		if resourceType, id, ok := ParseKey([]byte(key)); ok {
			t.Errorf("%q is %s/%s", key, resourceType, id)
		}
	}
}
