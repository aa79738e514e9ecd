package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tarnhealth/tarn/definition/internal/table"
	"github.com/tarnhealth/tarn/definition/packed"
)

const packages = "../../../../shared/data/definitions/r4-core-package"

// The committed table is what the published packages give. Only what is
// inside the compression is compared: another release of the compressor may
// write other bytes for it.
func TestTableIsCurrent(t *testing.T) {
	if _, err := os.Stat(packages); err != nil {
		t.Skip("../shared/data is absent")
	}
	current, err := pack(packages)
	if err != nil {
		t.Fatal(err)
	}
	compressed, err := os.ReadFile("../../r4.bin")
	if err != nil {
		t.Fatal(err)
	}
	committed, err := packed.Decompress(compressed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(table.Encode(current), committed) {
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
