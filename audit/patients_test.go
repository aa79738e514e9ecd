package audit

import (
	"fmt"
	"strings"
	"testing"
)

func found(pieces ...string) string {
	var f PatientFinder
	for _, p := range pieces {
		f.Write([]byte(p))
	}
	return strings.Join(f.Patients(), " ")
}

func TestPatientFinder(t *testing.T) {
	for text, want := range map[string]string{
		`{"reference":"Patient/1"}`:                                  "1",
		`{"reference" : "Patient\/a-b.C"}`:                           "a-b.C",
		`"http://example.org/datastore/d/r4/Patient/1"`:              "1",
		`"http:\/\/example.org\/Patient\/1"`:                         "1",
		`"Patient/1/_history/2","Patient\/2\/_history\/2"`:           "1 2",
		`"Patient/1#name" "Patient/1?x=y" "Patient/1"`:               "1",
		`"Patient/1/Observation"`:                                    "",
		`"OutPatient/1" "Patients/1" "Patient/" "Patient" Patient/1`: "",
		`"Patient/` + strings.Repeat("a", 64) + `"`:                  strings.Repeat("a", 64),
		`"Patient/` + strings.Repeat("a", 65) + `"`:                  "",
		`"Patient/1`: "",
	} {
		if got := found(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
		padded := strings.Repeat(" ", 300) + text + strings.Repeat(" ", 300)
		for cut := range padded {
			if got := found(padded[:cut], padded[cut:]); got != want {
				t.Fatalf("%s cut at %d: %q, want %q", text, cut, got, want)
			}
		}
	}
}

func TestPatientFinderOfMany(t *testing.T) {
	var text, want strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, `"Patient/%d" "Patient/%d"`, i, i/2)
		fmt.Fprintf(&want, " %d", i)
	}
	if got := found(text.String()); " "+got != want.String() {
		t.Error(got)
	}
}

func FuzzPatientFinder(f *testing.F) {
	f.Add([]byte(`{"reference":"Patient/1"}`), uint(10))
	f.Fuzz(func(t *testing.T, src []byte, cut uint) {
		at := int(cut % uint(len(src)+1))
		whole, parts := found(string(src)), found(string(src[:at]), string(src[at:]))
		if whole != parts {
			t.Errorf("%q, cut at %d: %q", whole, at, parts)
		}
	})
}
