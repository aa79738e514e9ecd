package store

import (
	"sync"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// A Batch is memory to make the ops of a Load in, which the next one uses
// again. It is for one goroutine.
type Batch struct {
	Ops []Op
	// Entries is what the ops' entries are cut from. It is not used again.
	Entries search.Block

	reader fhir.Reader
	bodies []byte
}

// What a Batch that is kept has at most.
const (
	keptOps    = 4096
	keptBodies = 4 << 20
)

var batches = sync.Pool{New: func() any { return new(Batch) }}

// NewBatch is memory for about n ops whose bodies have about size bytes.
func NewBatch(n, size int) *Batch {
	b := batches.Get().(*Batch)
	if cap(b.Ops) < n {
		b.Ops = make([]Op, 0, n)
	}
	if cap(b.bodies) < size {
		b.bodies = make([]byte, 0, size)
	}
	return b
}

// Release gives the memory back: ops and bodies must not be used any more.
func (b *Batch) Release() {
	b.reader.Forget()
	clear(b.Ops[:cap(b.Ops)])
	b.Ops, b.bodies, b.Entries = b.Ops[:0], b.bodies[:0], search.Block{}
	if cap(b.Ops) <= keptOps && cap(b.bodies) <= keptBodies {
		batches.Put(b)
	}
}

// Parse is fhir.Parse of a tree that is good until the next call.
func (b *Batch) Parse(schema *fhir.Schema, src []byte) (*fhir.Tree, error) {
	return b.reader.Parse(schema, src, fhir.DefaultLimits)
}

// Body is fhir.NewBody in the batch's memory.
func (b *Batch) Body(resource fhir.Node, id string) (body fhir.Body) {
	body, b.bodies = fhir.AppendBody(b.bodies, resource, id)
	return body
}
