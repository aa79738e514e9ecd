package definition

import (
	"slices"
	"strings"
	"testing"
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
