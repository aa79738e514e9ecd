package terminology_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/terminology"
	"github.com/tarnhealth/tarn/terminology/codebook"
)

// TestFilterProperties filters by properties that a system defines, that its
// concepts have without a definition, that all systems have, and by such as
// there are none: those are refused, listing codes and checking one.
func TestFilterProperties(t *testing.T) {
	const animals = `{"resourceType":"CodeSystem","url":"http://x.org/animals","status":"active","content":"complete",
		"property":[{"code":"legs","type":"integer"},{"code":"wings","type":"integer"}],
		"concept":[{"code":"dog","property":[{"code":"legs","valueInteger":4},{"code":"tame","valueBoolean":true}]},{"code":"cod"}]}`
	const more = `{"resourceType":"CodeSystem","url":"http://x.org/more","status":"active","content":"supplement","supplements":"http://x.org/animals",
		"property":[{"code":"smell","type":"string"}],"concept":[{"code":"cod","property":[{"code":"fins","valueInteger":7}]}]}`
	for _, test := range []struct{ system, property, op, value, want string }{
		{"http://x.org/animals", "legs", "=", "4", "dog"},
		{"http://x.org/animals", "wings", "=", "2", ""},
		{"http://x.org/animals", "wings", "exists", "false", "dog cod"},
		{"http://x.org/animals", "tame", "=", "true", "dog"},
		{"http://x.org/animals", "smell", "exists", "false", "dog cod"},
		{"http://x.org/animals", "fins", "in", "6, 7", "cod"},
		{"http://x.org/animals", "status", "=", "retired", ""},
		{"http://x.org/animals", "notSelectable", "=", "true", ""},
		{"http://x.org/animals", "inactive", "=", "false", "dog cod"},
		{"http://x.org/animals", "code", "regex", "c.*", "cod"},
		{"http://x.org/animals", "leg", "=", "4", "error"},
		{"http://x.org/animals", "leg", "exists", "false", "error"},
		{"http://x.org/animals", "leg", "not-in", "4", "error"},
		{"http://snomed.info/sct", "20", "=", "10", ""},
		{"http://snomed.info/sct", "99", "=", "10", "error"},
	} {
		s := with(t, []*codebook.Book{clinical(t)}, animals, more, fmt.Sprintf(
			`{"resourceType":"ValueSet","url":"http://x.org/some","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/valueset-supplement","valueCanonical":"http://x.org/more"}],
			"compose":{"include":[{"system":%q,"filter":[{"property":%q,"op":%q,"value":%q}]}]}}`, test.system, test.property, test.op, test.value))
		got := listed(s, "http://x.org/some", terminology.Expand{Count: -1})
		if test.want != "error" {
			if got != test.want {
				t.Errorf("%s %s %s: %q, want %q", test.property, test.op, test.value, got, test.want)
			}
			continue
		}
		if !strings.Contains(got, fmt.Sprintf("property %q, which the code system %s neither defines nor uses", test.property, test.system)) {
			t.Errorf("%s %s %s: %q, want it refused", test.property, test.op, test.value, got)
		}
		refusesToCheck(t, s, terminology.Coding{System: test.system, Code: "dog"}, terminology.Coding{System: test.system, Code: "11"})
	}
}

// refusesToCheck checks codes of which one is of the system: whether it is in
// the value set cannot be told.
func refusesToCheck(t *testing.T, s *terminology.Service, codings ...terminology.Coding) {
	t.Helper()
	set, err := s.ValueSet("http://x.org/some")
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	for _, c := range codings {
		var e *fhir.Error
		ok, err := set.Has(c)
		if errors.As(err, &e) && e.Kind == fhir.KindUnprocessable {
			refused++
		} else if ok || err != nil {
			t.Errorf("%s: %v, %v", c.Code, ok, err)
		}
	}
	if refused != 1 {
		t.Errorf("%d codes were refused, want 1", refused)
	}
}
