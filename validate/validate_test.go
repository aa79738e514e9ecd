package validate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
)

// show is an issue in one line: "line:column code expression: diagnostics".
func show(i fhir.Issue) string {
	return fmt.Sprintf("%d:%d %s %s: %s", i.Line, i.Column, i.Code, i.Expression, i.Diagnostics)
}

func TestIssues(t *testing.T) {
	v := New(definition.R4())
	for _, test := range []struct {
		name, resource string
		want           []string
	}{
		{"nothing wrong", `{"resourceType":"Patient"}`, nil},
		{
			"required elements",
			`{"resourceType":"Observation"}`,
			[]string{
				`1:1 required Observation.status: Observation must have "status" (code)`,
				`1:1 required Observation.code: Observation must have "code" (CodeableConcept)`,
			},
		},
		{
			"required inside",
			"{\"resourceType\":\"Patient\",\n \"link\":[{\"other\":{\"reference\":\"Patient/1\"}}]}",
			[]string{`2:10 required Patient.link[0].type: Patient.link must have "type" (code)`},
		},
		{
			"required choice",
			`{"resourceType":"MedicationAdministration","status":"completed","subject":{"reference":"Patient/1"},"medicationCodeableConcept":{"text":"x"}}`,
			[]string{`1:1 required MedicationAdministration.effective: MedicationAdministration must have "effective[x]" (dateTime, Period)`},
		},
		{
			"an extension stands for a required value",
			`{"resourceType":"Observation","code":{"text":"x"},"_status":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}}`,
			nil,
		},
		{
			"required in a recursive element",
			`{"resourceType":"Questionnaire","status":"draft","item":[{"linkId":"1","type":"group","item":[{"type":"string"}]}]}`,
			[]string{`1:95 required Questionnaire.item[0].item[0].linkId: Questionnaire.item must have "linkId" (string)`},
		},
		{
			"code",
			`{"resourceType":"Patient","gender":"f"}`,
			[]string{`1:36 code-invalid Patient.gender: "f" is not in the value set that is required here; use one of female, male, other, unknown of http://hl7.org/fhir/administrative-gender`},
		},
		{
			"code with the wrong case",
			`{"resourceType":"Patient","gender":"Female"}`,
			[]string{`1:36 code-invalid Patient.gender: "Female" is not in the value set that is required here; did you mean "female" of http://hl7.org/fhir/administrative-gender? Codes are case-sensitive`},
		},
		{
			"code of a large set",
			`{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"comparator":"~"},"subject":{"type":"Patient"},"meta":{"tag":[{"code":"x"}]},"component":[{"code":{"text":"x"},"valueString":"x"}],"note":[{"text":"x"}],"extension":[{"url":"u","valueMoney":{"currency":"EURO"}}]}`,
			[]string{
				`1:98 code-invalid Observation.value.comparator: "~" is not in the value set that is required here; use one of <, <=, >, >= of http://hl7.org/fhir/quantity-comparator`,
				`1:287 code-invalid Observation.extension[0].value.currency: "EURO" is not in the value set that is required here; see http://hl7.org/fhir/ValueSet/currencies`,
			},
		},
		{
			"code from several systems",
			`{"resourceType":"Task","status":"draft","intent":"wish"}`,
			[]string{`1:50 code-invalid Task.intent: "wish" is not in the value set that is required here; use one of filler-order, instance-order, option, order, original-order, plan, proposal, reflex-order, unknown of http://hl7.org/fhir/ValueSet/task-intent`},
		},
		{
			"MIME type",
			`{"resourceType":"Binary","contentType":"pdf"}`,
			[]string{`1:40 code-invalid Binary.contentType: "pdf" is not a MIME type; write type/subtype, such as "application/pdf"`},
		},
		{"good MIME type", `{"resourceType":"Binary","contentType":"text/plain; charset=utf-8"}`, nil},
		{
			"concept with a code outside the set",
			`{"resourceType":"Condition","subject":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"http://x","code":"active"}]}}`,
			[]string{`1:82 code-invalid Condition.clinicalStatus: none of the codings ("active" of http://x) is in the value set that is required here; use one of active, inactive, recurrence, relapse, remission, resolved of http://terminology.hl7.org/CodeSystem/condition-clinical`},
		},
		{
			"concept with text alone",
			`{"resourceType":"Condition","subject":{"reference":"Patient/1"},"clinicalStatus":{"text":"active"}}`,
			[]string{`1:82 code-invalid Condition.clinicalStatus: a coding is required here, text alone is not enough; use one of active, inactive, recurrence, relapse, remission, resolved of http://terminology.hl7.org/CodeSystem/condition-clinical`},
		},
		{
			"concept without a system",
			`{"resourceType":"Condition","subject":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"code":"active"}]}}`,
			[]string{`1:82 code-invalid Condition.clinicalStatus: none of the codings ("active" without a system) is in the value set that is required here; use one of active, inactive, recurrence, relapse, remission, resolved of http://terminology.hl7.org/CodeSystem/condition-clinical`},
		},
		{
			"concept with one good coding of two",
			`{"resourceType":"Condition","subject":{"reference":"Patient/1"},"clinicalStatus":{"coding":[{"system":"http://x","code":"y"},{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]}}`,
			nil,
		},
		{
			"concept that says why it is absent",
			`{"resourceType":"Condition","subject":{"reference":"Patient/1"},"clinicalStatus":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason","valueCode":"unknown"}]}}`,
			nil,
		},
		{
			"reference to the wrong type",
			`{"resourceType":"Patient","managingOrganization":{"reference":"Practitioner/1"}}`,
			[]string{`1:63 value Patient.managingOrganization.reference: "Practitioner/1" is of type Practitioner, which may not be referred to here; allowed: Organization`},
		},
		{
			"absolute, versioned and conditional references to the wrong type",
			`{"resourceType":"Patient","generalPractitioner":[{"reference":"https://a.example/fhir/Patient/1"},{"reference":"Patient/1/_history/2"},{"reference":"Patient?identifier=a/b"},{"reference":"#p"},{"reference":"#"}],"contained":[{"resourceType":"Location","id":"p"}]}`,
			[]string{
				`1:63 value Patient.generalPractitioner[0].reference: "https://a.example/fhir/Patient/1" is of type Patient, which may not be referred to here; allowed: Organization, Practitioner, PractitionerRole`,
				`1:112 value Patient.generalPractitioner[1].reference: "Patient/1/_history/2" is of type Patient, which may not be referred to here; allowed: Organization, Practitioner, PractitionerRole`,
				`1:149 value Patient.generalPractitioner[2].reference: "Patient?identifier=a/b" is of type Patient, which may not be referred to here; allowed: Organization, Practitioner, PractitionerRole`,
				`1:188 value Patient.generalPractitioner[3].reference: "#p" is of type Location, which may not be referred to here; allowed: Organization, Practitioner, PractitionerRole`,
				`1:207 value Patient.generalPractitioner[4].reference: "#" is of type Patient, which may not be referred to here; allowed: Organization, Practitioner, PractitionerRole`,
			},
		},
		{
			"good references",
			`{"resourceType":"Patient","generalPractitioner":[{"reference":"urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"},{"reference":"http://a.example/fhir/Practitioner/1"},{"reference":"http://a.example/thing/1"},{"reference":"#p"},{"display":"Dr X"},{"type":"Practitioner","identifier":{"value":"1"}}],"contained":[{"resourceType":"Practitioner","id":"p"}]}`,
			nil,
		},
		{
			"reference to no resource type",
			`{"resourceType":"Observation","status":"final","code":{"text":"x"},"focus":[{"reference":"patient/1"}]}`,
			[]string{`1:90 value Observation.focus[0].reference: "patient" is not a resource type of FHIR 4.0.1; write Type/id, such as Patient/123`},
		},
		{
			"reference type",
			`{"resourceType":"Patient","managingOrganization":{"type":"Location"},"generalPractitioner":[{"reference":"Organization/1","type":"Practitioner"}]}`,
			[]string{
				`1:58 value Patient.managingOrganization.type: "Location" is of type Location, which may not be referred to here; allowed: Organization`,
				`1:130 value Patient.generalPractitioner[0].type: the type is Practitioner, but "Organization/1" is of type Organization; make them agree`,
			},
		},
		{
			"contained resources are checked",
			`{"resourceType":"Patient","contained":[{"resourceType":"Practitioner","id":"p","gender":"x"}]}`,
			[]string{`1:89 code-invalid Patient.contained[0].gender: "x" is not in the value set that is required here; use one of female, male, other, unknown of http://hl7.org/fhir/administrative-gender`},
		},
		{
			"contained in contained",
			`{"resourceType":"Patient","contained":[{"resourceType":"Practitioner","id":"p","contained":[{"resourceType":"Location","id":"l"}]}]}`,
			[]string{`1:93 invariant Patient.contained[0].contained[0]: a contained resource may not contain another (dom-2); move this one out to the outer resource's contained`},
		},
		{
			"resources in a bundle stand for themselves",
			`{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Patient","contained":[{"resourceType":"Practitioner","id":"p"}],"generalPractitioner":[{"reference":"#p"}],"managingOrganization":{"reference":"#p"}}}]}`,
			[]string{`1:227 value Bundle.entry[0].resource.managingOrganization.reference: "#p" is of type Practitioner, which may not be referred to here; allowed: Organization`},
		},
		{
			"extension with value and extensions",
			`{"resourceType":"Patient","extension":[{"url":"u","valueString":"x","extension":[{"url":"v","valueString":"y"}]},{"url":"w"}]}`,
			[]string{
				`1:40 invariant Patient.extension[0]: the extension has both a value and extensions (ext-1); keep one of them`,
				`1:114 invariant Patient.extension[1]: the extension has neither a value nor extensions (ext-1); give it a value[x], such as valueString`,
			},
		},
		{
			"element with an id alone",
			`{"resourceType":"Patient","name":[{"id":"a"}],"_birthDate":{"id":"b"}}`,
			[]string{
				`1:35 invariant Patient.name[0]: the element is empty (ele-1); give it a value or children, or leave it out`,
				`1:60 invariant Patient.birthDate: the element is empty (ele-1); give it a value or children, or leave it out`,
			},
		},
		{"value with an id alone", `{"resourceType":"Patient","birthDate":"2020-01-02","_birthDate":{"id":"b"}}`, nil},
		{
			"extensions on repeating primitives",
			`{"resourceType":"Patient","name":[{"given":["a",null],"_given":[null,{"extension":[{"url":"u"}]}]}]}`,
			[]string{`1:84 invariant Patient.name[0].given[1].extension[0]: the extension has neither a value nor extensions (ext-1); give it a value[x], such as valueString`},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, issue := range v.Validate(parse(t, []byte(test.resource))) {
				if issue.Severity != fhir.SeverityError {
					t.Errorf("severity %q", issue.Severity)
				}
				got = append(got, show(issue))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("issues (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFormats(t *testing.T) {
	v := New(definition.R4())
	for _, test := range []struct{ resource, expression string }{
		{`{"resourceType":"Patient","id":"a_b"}`, "Patient.id"},
		{`{"resourceType":"Patient","birthDate":"2023-02-29"}`, "Patient.birthDate"},
		{`{"resourceType":"Patient","birthDate":"20230228"}`, "Patient.birthDate"},
		{`{"resourceType":"Patient","deceasedDateTime":"2023-02-28T10:00"}`, "Patient.deceased"},
		{`{"resourceType":"Patient","multipleBirthInteger":1.5}`, "Patient.multipleBirth"},
		{`{"resourceType":"Patient","meta":{"lastUpdated":"2023-02-28"}}`, "Patient.meta.lastUpdated"},
		{`{"resourceType":"Patient","telecom":[{"rank":0}]}`, "Patient.telecom[0].rank"},
		{`{"resourceType":"Patient","photo":[{"data":"a"}]}`, "Patient.photo[0].data"},
		{`{"resourceType":"Patient","photo":[{"size":-1}]}`, "Patient.photo[0].size"},
		{`{"resourceType":"Patient","language":"en US "}`, "Patient.language"},
		{`{"resourceType":"Patient","gender":" male"}`, "Patient.gender"},
		{`{"resourceType":"Patient","implicitRules":"a b"}`, "Patient.implicitRules"},
	} {
		issues := v.Validate(parse(t, []byte(test.resource)))
		if len(issues) != 1 || issues[0].Expression != test.expression || issues[0].Code != "value" || issues[0].Diagnostics == "" {
			t.Errorf("%s: issues %+v, want one of code value at %s", test.resource, issues, test.expression)
		}
	}
}

// A resource inside a larger source is checked by itself, with the places of
// its issues in the whole.
func TestDetached(t *testing.T) {
	tree := parse(t, []byte("{\"resourceType\":\"Bundle\",\"type\":\"batch\",\"entry\":[{\"resource\":\n"+
		`{"resourceType":"Patient","gender":"x","birthDate":"2020-01-02","managingOrganization":{"reference":"Patient/1"}}}]}`))
	entry := tree.Root().Child("entry").Child("resource").Detach()
	var got []string
	for _, issue := range New(definition.R4()).Validate(entry) {
		got = append(got, fmt.Sprintf("%d:%d %s", issue.Line, issue.Column, issue.Expression))
	}
	if diff := cmp.Diff([]string{"2:36 Patient.gender", "2:101 Patient.managingOrganization.reference"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestIssueLimit(t *testing.T) {
	names := strings.Repeat(`{"use":"x"},`, 10_000)
	tree := parse(t, []byte(`{"resourceType":"Patient","name":[`+strings.TrimSuffix(names, ",")+`]}`))
	if got := len(New(definition.R4()).Validate(tree)); got != issueLimit {
		t.Errorf("%d issues, want %d", got, issueLimit)
	}
}

type rule struct{ called int }

func (r *rule) Check(tree *fhir.Tree, report func(fhir.Issue)) {
	r.called++
	report(fhir.Issue{Severity: fhir.SeverityWarning, Code: "informational", Expression: tree.Root().Path()})
}

func TestRules(t *testing.T) {
	r := new(rule)
	got := New(definition.R4(), r).Validate(parse(t, []byte(`{"resourceType":"Patient","gender":"x"}`)))
	if r.called != 1 || len(got) != 2 || got[1].Severity != fhir.SeverityWarning {
		t.Errorf("the rule ran %d times; issues %+v", r.called, got)
	}
}

func TestMaxAndLength(t *testing.T) {
	v := New(definition.R4())
	tree := parse(t, []byte(`{"resourceType":"Patient","name":[{"given":["a","bcd"]}],"gender":"male"}`))
	name := v.schema.Type("HumanName").Property([]byte("given"))
	v.props[name.Index].max = 1
	v.props[name.Index].maxLength = 2
	var got []string
	for _, issue := range v.Validate(tree) {
		got = append(got, show(issue))
	}
	want := []string{
		`1:49 structure Patient.name[0].given[1]: given may occur 1 times at most`,
		`1:49 too-long Patient.name[0].given[1]: the value has 3 characters; at most 2 are allowed`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestValidResourcesCostNoAllocations(t *testing.T) {
	v := New(definition.R4())
	tree := parse(t, []byte(`{"resourceType":"Observation","id":"a","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/1"},"valueQuantity":{"value":1.0,"unit":"kg"},"effectiveDateTime":"2020-01-02"}`))
	// One is the copy of the source's text, one the walk's state.
	if n := testing.AllocsPerRun(100, func() {
		if issues := v.Validate(tree); len(issues) > 0 {
			t.Fatal(issues)
		}
	}); n > 2 {
		t.Errorf("%v allocations, want 2", n)
	}
}
