package fhir

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// A Reader reads what Parse reads, whatever it read before, and refuses what
// Parse refuses. Bodies that share memory stay what they were.
func TestReader(t *testing.T) {
	var reader Reader
	var memory []byte
	var bodies, want []Body
	for seed := range uint64(500) {
		src := []byte(randomPatient(rand.New(rand.NewPCG(seed, 2))))
		if seed%7 == 0 {
			src = src[:len(src)/2]
		}
		tree, err := Parse(testSchema, src, DefaultLimits)
		read, readErr := reader.Parse(testSchema, src, DefaultLimits)
		if (err == nil) != (readErr == nil) {
			t.Fatalf("%s: Parse says %v, a Reader %v", src, err, readErr)
		}
		if err != nil {
			continue
		}
		if !slices.Equal(tree.nodes, read.nodes) {
			t.Fatalf("%s: a Reader reads something else", src)
		}
		want = append(want, NewBody(tree.Root(), "x"))
		var body Body
		body, memory = AppendBody(memory, read.Root(), "x")
		bodies = append(bodies, body)
		reader.Forget()
	}
	for i := range bodies {
		if got := &bodies[i]; !bytes.Equal(got.JSON, want[i].JSON) || got.At != want[i].At || got.Form != want[i].Form {
			t.Fatalf("the body is %s, want %s", got.JSON, want[i].JSON)
		}
		if cap(bodies[i].JSON) != len(bodies[i].JSON) {
			t.Fatal("a body can be appended to in the memory of the next one")
		}
	}
}
