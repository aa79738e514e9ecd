package store_test

import (
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/store"
)

// A batch that is used again has nothing of the one before.
func TestBatch(t *testing.T) {
	schema := definition.R4().Schema
	for _, id := range []string{"a-long-id-that-is-written-over", "b"} {
		b := store.NewBatch(1, 0)
		if len(b.Ops) != 0 {
			t.Fatalf("there are %d ops at the start", len(b.Ops))
		}
		for _, op := range b.Ops[:cap(b.Ops)] {
			if op.Type != "" || op.Body.JSON != nil {
				t.Fatalf("an op of before is still there: %v", op)
			}
		}
		for range 3 {
			tree, err := b.Parse(schema, []byte(`{"resourceType":"Patient","id":"x","active":true}`))
			if err != nil {
				t.Fatal(err)
			}
			b.Ops = append(b.Ops, store.Op{Type: "Patient", ID: id, Body: b.Body(tree.Root(), id)})
		}
		for _, op := range b.Ops {
			if want := `{"resourceType":"Patient","id":"` + id + `","active":true}`; string(op.Body.JSON) != want {
				t.Errorf("the body is %s, want %s", op.Body.JSON, want)
			}
		}
		b.Release()
	}
}
