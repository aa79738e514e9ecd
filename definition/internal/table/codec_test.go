package table

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() *Table {
	return &Table{
		Release:         "4.0.1",
		Package:         Source{"core", "4.0.1", "ab"},
		Expansions:      Source{"expansions", "4.0.1", "cd"},
		Constraints:     []Constraint{{Key: "ele-1", Human: "h", Expression: "true", Error: true}},
		ConstraintLists: [][]int{nil, {0}},
		TargetLists:     [][]string{nil, {"Patient", "Group"}},
		Bindings:        []Binding{{}, {Strength: 4, ValueSet: "http://x/vs|1"}},
		Types: []Type{{Name: "T", Base: "B", Kind: 2, JSON: 1, Constraints: 1, Elements: []Element{{
			Name: "value", Path: "T.value[x]", Min: 1, Max: 300, Choice: true, Modifier: true,
			Types:   []TypeRef{{Type: "string", JSON: "valueString"}, {Type: "Reference", JSON: "valueReference", Targets: 1}},
			Binding: 1, Constraints: 1, MaxLength: 70000, Fixed: `"a"`, Pattern: `{"b":1}`,
		}}}},
		Params: []Param{{
			Code: "c", Base: "T", URL: "u", Type: 6, Expression: "T", Targets: 1,
			Components: []Component{{Param: 0, Expression: "x"}}, Description: "é",
		}},
		Compartments: []Compartment{{Code: "Patient", Members: []Member{{Type: "T", Params: []string{"c"}}}}},
		Operations:   []Operation{{Code: "o", URL: "u", System: true, Instance: true, Resource: []string{"T"}}},
		ValueSets:    []ValueSet{{URL: "v", Systems: []System{{URL: "s", Codes: []string{"a", "b"}}}, Open: []string{"o"}}},
		CodeSystems:  []CodeSystem{{URL: "s", CaseSensitive: true}},
		Definitions:  3,
	}
}

func TestRoundTrip(t *testing.T) {
	want := sample()
	got, err := Decode(Encode(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded table differs (-want +got):\n%s", diff)
	}
}

// Damage anywhere is an error, never a panic or a huge allocation.
func TestDamage(t *testing.T) {
	data := Encode(sample())
	for n := range data {
		if _, err := Decode(data[:n]); err == nil {
			t.Errorf("the first %d of %d bytes decode without an error", n, len(data))
		}
	}
	if _, err := Decode(append(data[:len(data):len(data)], 0)); err == nil {
		t.Error("a byte too many is not noticed")
	}
	for n := range data {
		broken := append([]byte(nil), data...)
		broken[n] ^= 0xff
		_, _ = Decode(broken) // may decode to other facts; must return
	}
}
