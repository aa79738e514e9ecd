package definition

import (
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/fhir"
)

func codesOf(s *CodeSystem, places []int) string {
	var codes []string
	for _, i := range places {
		codes = append(codes, s.Concepts[i].Code)
	}
	slices.Sort(codes)
	return strings.Join(codes, " ")
}

func TestPackedHierarchies(t *testing.T) {
	for _, test := range []struct{ url, code, above, below string }{
		{"http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMP", "IMP _ActCareProvisionCode _ActEncounterCode", "ACUTE IMP NONAC"},
		{"http://hl7.org/fhir/administrative-gender", "MALE", "", ""},
		{"http://hl7.org/fhir/administrative-gender", "male", "male", "male"},
		{"http://terminology.hl7.org/CodeSystem/v3-RoleCode", "MTH", "FAMMEMB MTH PRN _PersonalRelationshipRoleType", "ADOPTM MTH MTHFOST NMTH NMTHF STPMTH GESTM"},
	} {
		s := R4().CodeSystem(test.url)
		at := s.Find(test.code)
		if at < 0 {
			if test.above != "" {
				t.Errorf("%s has no %s", test.url, test.code)
			}
			continue
		}
		below := strings.Fields(test.below)
		slices.Sort(below)
		if got := codesOf(s, s.Above(at)); got != test.above {
			t.Errorf("above %s of %s is %q, want %q", test.code, test.url, got, test.above)
		}
		if got := codesOf(s, s.Below(at)); got != strings.Join(below, " ") {
			t.Errorf("below %s of %s is %q, want %q", test.code, test.url, got, test.below)
		}
	}
}

// A system may refer to codes that it lacks, and a hierarchy may have a cycle.
func TestReadCodeSystem(t *testing.T) {
	tree, err := fhir.Parse(R4().Schema, []byte(`{"resourceType":"CodeSystem","url":"u","caseSensitive":false,"content":"fragment","concept":[
		{"code":"a","property":[{"code":"parent","valueCode":"b"},{"code":"parent","valueCode":"nowhere"}]},
		{"code":"b","property":[{"code":"child","valueCode":"c"},{"code":"parent","valueCode":"a"}],"concept":[{"code":"c"}]}]}`), fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	s := ReadCodeSystem(tree.Root())
	if s.Complete || s.CaseSensitive || s.URL != "u" || len(s.Concepts) != 3 {
		t.Errorf("read as %+v", s)
	}
	if got := codesOf(s, s.Above(s.Find("C"))); got != "a b c" {
		t.Errorf("above c is %q", got)
	}
	if got := codesOf(s, s.Below(s.Find("a"))); got != "a b c" {
		t.Errorf("below a is %q", got)
	}

	grouped, err := fhir.Parse(R4().Schema, []byte(`{"resourceType":"CodeSystem","hierarchyMeaning":"part-of","concept":[{"code":"a","concept":[{"code":"b"}]}]}`), fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	if s := ReadCodeSystem(grouped.Root()); codesOf(s, s.Below(0)) != "a" || !s.CaseSensitive {
		t.Errorf("parts are read as %+v", s)
	}
}
