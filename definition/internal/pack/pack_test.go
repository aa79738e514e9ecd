package main

import (
	"bytes"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/tarnhealth/tarn/definition/internal/table"
)

const packages = "../../../../shared/data/definitions/r4-core-package"

// The committed table is what the published packages give. Only what is
// inside the compression is compared: another release of the compressor may
// write other bytes for it.
func TestTableIsCurrent(t *testing.T) {
	if _, err := os.Stat(packages); err != nil {
		t.Skip("../shared/data is absent")
	}
	packed, err := pack(packages)
	if err != nil {
		t.Fatal(err)
	}
	compressed, err := os.ReadFile("../../r4.bin")
	if err != nil {
		t.Fatal(err)
	}
	r, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	committed, err := r.DecodeAll(compressed, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(table.Encode(packed), committed) {
		t.Error("definition/r4.bin differs from what the packages give: run go generate ./definition")
	}
	decoded, err := table.Decode(committed)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := decoded.Definitions, 1397; got != want { // 1,400 less three examples
		t.Errorf("%d SearchParameter definitions, want %d", got, want)
	}
}

func TestSplitUnion(t *testing.T) {
	for _, test := range []struct {
		expression string
		want       []string
	}{
		{"", nil},
		{"Patient.name", []string{"Patient.name"}},
		{"A.x | (B.y as date)|C.z", []string{"A.x", "(B.y as date)", "C.z"}},
		{"(A.x | A.y).z | B.x", []string{"(A.x | A.y).z", "B.x"}},
		{"A.where(x='a|b') | B.x", []string{"A.where(x='a|b')", "B.x"}},
	} {
		if got := splitUnion(test.expression); !slices.Equal(got, test.want) {
			t.Errorf("splitUnion(%q) = %q, want %q", test.expression, got, test.want)
		}
	}
}

func TestApplies(t *testing.T) {
	p := &packer{resources: []string{"Observation", "Patient", "PatientX"}}
	for _, test := range []struct {
		part string
		want bool
	}{
		{"Patient.name", true},
		{"(Patient.deceased as dateTime)", true},
		{"Resource.id", true},
		{"DomainResource.text", true},
		{"name", true},
		{"PatientX.name", false},
		{"(Observation.value as Quantity)", false},
	} {
		if got := p.applies(test.part, "Patient"); got != test.want {
			t.Errorf("applies(%q, Patient) = %v, want %v", test.part, got, test.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	shared := "Multiple Resources: \n\n* [Patient](patient.html): The birth date\n* [Person](person.html): A person's [birth](x.html) date\n"
	for _, test := range []struct{ in, base, want string }{
		{"A name\nmore", "Patient", "A name"},
		{shared, "Patient", "The birth date"},
		{shared, "Person", "A person's birth date"},
	} {
		if got := describe(test.in, test.base); got != test.want {
			t.Errorf("describe(%s) = %q, want %q", test.base, got, test.want)
		}
	}
}

func TestFixedAndPattern(t *testing.T) {
	var got elementDefinition
	if err := got.UnmarshalJSON([]byte(`{"path":"X.code","fixedCode":"a","patternCoding":{"code":"b"}}`)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`"a"`, `{"code":"b"}`}, []string{got.fixed, got.pattern}); diff != "" {
		t.Error(diff)
	}
}

func TestCollectLeavesAbstractCodesOut(t *testing.T) {
	codes := map[string][]string{}
	collect([]concept{
		{System: "s", Code: "group", Abstract: true, Contains: []concept{{System: "s", Code: "a"}, {System: "u", Code: "b"}}},
		{System: "s", Code: "a"},
	}, codes)
	if diff := cmp.Diff(map[string][]string{"s": {"a"}, "u": {"b"}}, codes); diff != "" {
		t.Error(diff)
	}
}
