package pairs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	_ "github.com/tarnhealth/tarn/internal/seeded"
	"github.com/tarnhealth/tarn/pebble/internal/pairs"
	"github.com/tarnhealth/tarn/search"
	"pgregory.net/rapid"
)

// observation draws an Observation with codings, some of them alike, and a
// value.
func observation() *rapid.Generator[map[string]any] {
	code := rapid.SampledFrom([]string{"a", "A", "b", "8867-4", "a b"})
	system := rapid.SampledFrom([]string{"", "http://loinc.org", "http://snomed.info/sct", "urn:x"})
	coding := rapid.Custom(func(t *rapid.T) map[string]any {
		c := map[string]any{}
		if s := system.Draw(t, "system"); s != "" {
			c["system"] = s
		}
		if rapid.IntRange(0, 5).Draw(t, "with code") > 0 {
			c["code"] = code.Draw(t, "code")
		}
		c["display"] = "text"
		return c
	})
	quantity := rapid.Custom(func(t *rapid.T) map[string]any {
		q := map[string]any{}
		if rapid.IntRange(0, 5).Draw(t, "with value") > 0 {
			q["value"] = json.Number(rapid.SampledFrom([]string{"5", "5.0", "-3", "0", "61.5", "1e2"}).Draw(t, "value"))
		} else {
			q["unit"] = "none"
		}
		switch rapid.IntRange(0, 2).Draw(t, "unit") {
		case 0:
			q["system"], q["code"] = "http://unitsofmeasure.org", "mg"
		case 1:
			q["unit"] = "Stück"
		}
		return q
	})
	return rapid.Custom(func(t *rapid.T) map[string]any {
		o := map[string]any{"resourceType": "Observation", "id": "o", "status": "final"}
		o["code"] = map[string]any{"text": "code", "coding": rapid.SliceOfN(coding, 1, 4).Draw(t, "codings")}
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			o["valueString"] = "5"
		case 1:
			o["valueRange"] = map[string]any{"low": map[string]any{"value": 5}}
		default:
			o["valueQuantity"] = quantity.Draw(t, "quantity")
		}
		return o
	})
}

const base = "http://example.org"

func r4(t *testing.T) *search.Registry {
	r, err := search.New(definition.R4())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type fataler interface{ Fatal(args ...any) }

func observed(t fataler, r *search.Registry, resource any) *search.Candidate {
	src, err := json.Marshal(resource)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := fhir.Parse(r.Definitions.Schema, src, fhir.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	c := &search.Candidate{Type: "Observation", ID: "o", Tree: tree}
	if c.Entries, err = r.Extract(tree, "o", base); err != nil {
		t.Fatal(err)
	}
	return c
}

// keysOf are a candidate's keys of a parameter that begin as asked for.
func keysOf(c *search.Candidate, code string, wanted func(key []byte) bool) (keys [][]byte) {
	for _, e := range c.Entries {
		if e.Param.Code == code && wanted(e.Key) {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// TestPairs: a composite that stands for two conditions has all pairs of their
// keys, and nothing else.
func TestPairs(t *testing.T) {
	r := r4(t)
	rapid.Check(t, func(t *rapid.T) {
		c := observed(t, r, observation().Draw(t, "observation"))
		var want [][]byte
		for _, code := range keysOf(c, "code", func(key []byte) bool { return key[0] != 0 }) {
			for _, number := range keysOf(c, "value-quantity", func(key []byte) bool { return key[0] == 0 }) {
				want = append(want, append(bytes.Clone(code), number...))
			}
		}
		slices.SortFunc(want, bytes.Compare)
		got := keysOf(c, "code-value-quantity", func([]byte) bool { return true })
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("the composite has\n%q\nthe pairs are\n%q", got, want)
		}
	})
}

// TestJoin: the condition on pairs holds where both conditions do.
func TestJoin(t *testing.T) {
	r := r4(t)
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.SampledFrom([]string{"http://loinc.org|a", "http://loinc.org|8867-4,urn:x|b", "|a", "urn:x|A"}).Draw(t, "code")
		value := rapid.SampledFrom([]string{"5", "gt4", "le5,61.5", "ne5", "lt-1", "gt4||mg", "5.0||Stück", "ap60", "4,gt99"}).Draw(t, "value")
		query := []search.Pair{{Name: "value-quantity", Value: value}, {Name: "status", Value: "final"}, {Name: "code", Value: code}}
		q, err := r.Parse([]string{"Observation"}, query, search.Options{Base: base})
		if err != nil {
			t.Fatal(err)
		}
		nodes := q.Plan.Parts[0].Where.(search.And)
		j, ok := pairs.Join(nodes)
		if !ok || len(j.Rest) != 1 {
			t.Fatalf("%s and %s are not joined; %d conditions are left", code, value, len(j.Rest))
		}
		c := observed(t, r, observation().Draw(t, "observation"))
		if got, want := search.Match(search.Terms{Param: r.Param("Observation", "code-value-quantity"), Spans: j.Spans, Test: j.Test}, c, nil), search.Match(nodes, c, nil); got != want {
			t.Fatalf("%s and %s: both hold: %t, their pairs: %t", code, value, want, got)
		}
	})
}

// Conditions on other forms of keys have no pairs.
func TestJoinNot(t *testing.T) {
	r := r4(t)
	for code, value := range map[string]string{
		"a": "gt5", "urn:x|": "gt5", "urn:x|a": "gt5|http://unitsofmeasure.org|mg", "urn:x|b": "5|urn:y|z",
	} {
		query := []search.Pair{{Name: "value-quantity", Value: value}, {Name: "code", Value: code}}
		q, err := r.Parse([]string{"Observation"}, query, search.Options{Base: base})
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := pairs.Join(q.Plan.Parts[0].Where.(search.And)); ok {
			t.Errorf("code=%s and value-quantity=%s are joined", code, value)
		}
	}
}

// TestCut: what has more pairs than are indexed says so, and nothing else does.
func TestCut(t *testing.T) {
	r := r4(t)
	for _, n := range []int{4096, 4097} {
		var codings []any
		for i := range n {
			codings = append(codings, map[string]any{"system": "urn:x", "code": fmt.Sprint("c", i)})
		}
		c := observed(t, r, map[string]any{"resourceType": "Observation", "status": "final", "code": map[string]any{"coding": codings}, "valueQuantity": map[string]any{"value": 5}})
		cut := keysOf(c, "code-value-quantity", func(key []byte) bool { return key[0] == 0 })
		if got, want := len(cut) > 0, n > 4096; got != want || pairs.IsCut(c.Entries) != want {
			t.Errorf("%d codings: cut %t and %t, want %t", n, got, pairs.IsCut(c.Entries), want)
		}
	}
}
