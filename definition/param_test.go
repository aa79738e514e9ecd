package definition

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSearchParameters(t *testing.T) {
	for _, test := range []struct {
		base, code string
		want       SearchParameter
	}{
		{"Patient", "birthdate", SearchParameter{
			URL: "http://hl7.org/fhir/SearchParameter/individual-birthdate", Type: ParamDate,
			Expression: "Patient.birthDate", Description: "The patient's date of birth",
		}},
		{"RiskAssessment", "date", SearchParameter{
			URL: "http://hl7.org/fhir/SearchParameter/clinical-date", Type: ParamDate,
			Expression: "(RiskAssessment.occurrence as dateTime)", Description: "When was assessment made?",
		}},
		{"Basic", "_id", SearchParameter{
			URL: "http://hl7.org/fhir/SearchParameter/Resource-id", Type: ParamToken,
			Expression: "Resource.id", Description: "Logical id of this artifact",
		}},
		{"Basic", "_text", SearchParameter{
			URL: "http://hl7.org/fhir/SearchParameter/DomainResource-text", Type: ParamString,
			Description: "Search on the narrative of the resource",
		}},
		{"Account", "owner", SearchParameter{
			URL: "http://hl7.org/fhir/SearchParameter/Account-owner", Type: ParamReference,
			Expression: "Account.owner", Target: []string{"Organization"}, Description: "Entity managing the Account",
		}},
		{"InsurancePlan", "name", SearchParameter{
			URL: "http://hl7.org/fhir/SearchParameter/InsurancePlan-name", Type: ParamString,
			Expression: "name | alias", Description: "A portion of the organization's name or alias",
		}},
	} {
		got := *R4().SearchParameter(test.base, test.code)
		test.want.Base, test.want.Code, test.want.Ordinal = test.base, test.code, got.Ordinal
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", test.base, test.code, diff)
		}
	}
	if p := R4().SearchParameter("Bundle", "_text"); p != nil {
		t.Error("Bundle is no DomainResource but has _text")
	}
}

func TestOrdinalsAreDense(t *testing.T) {
	set := R4()
	var seen []int
	for _, typ := range set.Schema.Types {
		for code, p := range set.SearchParameters(typ.Name) {
			if p.Code != code || p.Base != typ.Name {
				t.Errorf("%s %s is filed under %s %s", p.Base, p.Code, typ.Name, code)
			}
			seen = append(seen, p.Ordinal)
		}
	}
	slices.Sort(seen)
	for i, n := range seen {
		if i != n {
			t.Fatalf("ordinal %d at place %d", n, i)
		}
	}
}

func TestComponentsResolve(t *testing.T) {
	set := R4()
	for _, typ := range set.Schema.Types {
		for _, p := range set.SearchParameters(typ.Name) {
			if (p.Type == ParamComposite) != (len(p.Component) >= 2) {
				t.Errorf("%s %s has %d components", p.Base, p.Code, len(p.Component))
			}
			for _, c := range p.Component {
				if c.Param.Base != p.Base || c.Expression == "" || c.Param.Type == ParamComposite {
					t.Errorf("%s %s: component %+v", p.Base, p.Code, c)
				}
			}
		}
	}
	p := set.SearchParameter("Observation", "code-value-quantity")
	if got := p.Component[0].Param; got != set.SearchParameter("Observation", "code") {
		t.Errorf("the first part of code-value-quantity is %+v", got)
	}
}

func TestCompartments(t *testing.T) {
	set := R4()
	for _, code := range []string{"Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"} {
		c := set.Compartment(code)
		if c == nil || c.Code != code {
			t.Fatalf("%s: %+v", code, c)
		}
		if !slices.Contains(c.Params[code], "{def}") {
			t.Errorf("%s is not in its own compartment: %v", code, c.Params[code])
		}
		for typ, params := range c.Params {
			for _, param := range params {
				if p := set.SearchParameter(typ, param); param != "{def}" && (p == nil || p.Type != ParamReference) {
					t.Errorf("%s compartment, %s: %q is no reference parameter", code, typ, param)
				}
			}
		}
	}
	if diff := cmp.Diff([]string{"subject", "performer"}, set.Compartment("Patient").Params["Observation"]); diff != "" {
		t.Error(diff)
	}
	if _, in := set.Compartment("Patient").Params["Organization"]; in {
		t.Error("Organization is in the Patient compartment")
	}
}

func TestOperations(t *testing.T) {
	ops := R4().Operations
	if !slices.IsSortedFunc(ops, func(a, b *Operation) int {
		if a.Code == b.Code {
			return 0
		}
		if a.Code < b.Code {
			return -1
		}
		return 1
	}) {
		t.Error("operations are not in order of code")
	}
	at := slices.IndexFunc(ops, func(o *Operation) bool { return o.URL == "http://hl7.org/fhir/OperationDefinition/Patient-everything" })
	want := &Operation{
		Code: "everything", URL: "http://hl7.org/fhir/OperationDefinition/Patient-everything",
		Type: true, Instance: true, Resource: []string{"Patient"},
	}
	if diff := cmp.Diff(want, ops[at]); diff != "" {
		t.Error(diff)
	}
}

func TestUnpackRefusesOtherData(t *testing.T) {
	if _, err := unpack([]byte("not a table")); err == nil {
		t.Error("unpack takes anything")
	}
	if _, err := unpack(r4[:len(r4)/2]); err == nil {
		t.Error("unpack takes half a table")
	}
}
