package synth

import (
	"context"
	"iter"
	"math/rand/v2"
	"time"
)

// DefaultNow is the end of every record where Options.Now is not set: fixed,
// so that output does not change with the day.
var DefaultNow = time.Date(2026, time.July, 1, 12, 0, 0, 0, time.UTC)

// Options say which population to make.
type Options struct {
	// Patients is how many patients there are.
	Patients int
	// Seed chooses the people.
	Seed uint64
	// Now is when the records end; DefaultNow where it is zero.
	Now time.Time
}

// A Population is a number of synthetic patients and the organizations that
// care for them. It holds no records: they are made anew each time they are
// asked for. It is safe for concurrent use.
type Population struct {
	opts Options
}

// New makes a population.
func New(opts Options) *Population {
	if opts.Now.IsZero() {
		opts.Now = DefaultNow
	}
	return &Population{opts: opts}
}

// A Bundle is the resources that belong together: the infrastructure or one
// patient's record. It is valid until the function that received it returns.
type Bundle struct {
	// Patient numbers the patients from 0; it is -1 for the infrastructure.
	Patient int
	// Resources are in an order in which references mostly point backwards.
	Resources []Resource
}

// A Resource is one resource as JSON, with an id that follows from the seed.
// References are relative ("Patient/…").
type Resource struct {
	Type, ID string
	JSON     []byte
}

// Each calls f with the infrastructure and then with each patient's record,
// in order, until f returns an error, which Each returns.
func (p *Population) Each(f func(Bundle) error) error {
	rec := new(record)
	var resources []Resource
	for k := -1; k < p.opts.Patients; k++ {
		p.write(rec, k)
		resources = resources[:0]
		for _, s := range rec.spans {
			resources = append(resources, Resource{Type: s.typ, ID: s.id, JSON: rec.b[s.start:s.end:s.end]})
		}
		if err := f(Bundle{Patient: k, Resources: resources}); err != nil {
			return err
		}
	}
	return nil
}

// Bundles yields transaction Bundles as JSON: the infrastructure, whose
// resources are PUT under fixed ids so that loading it again changes nothing,
// and then one Bundle per patient, whose resources are POSTed and refer to one
// another by urn:uuid. A slice is valid until the next one is yielded. The
// sequence ends early when ctx is done.
func (p *Population) Bundles(ctx context.Context) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		rec := &record{builder: builder{urn: true}}
		for k := -1; k < p.opts.Patients && ctx.Err() == nil; k++ {
			p.write(rec, k)
			rec.transaction = rec.appendTransaction(rec.transaction[:0])
			if !yield(rec.transaction) {
				return
			}
		}
	}
}

// write makes the record of patient k, or the infrastructure for -1.
func (p *Population) write(rec *record, k int) {
	rec.reset()
	if k < 0 {
		shared().write(rec)
		return
	}
	newLife(rec, p.opts, k).write()
}

// appendTransaction appends the record as a transaction Bundle.
// http://hl7.org/fhir/R4/http.html#transaction
func (rec *record) appendTransaction(b []byte) []byte {
	w := builder{b: b, urn: true}
	w.open()
	w.str("resourceType", "Bundle")
	w.str("type", "transaction")
	w.arr("entry")
	for _, s := range rec.spans {
		w.open()
		if !s.shared {
			w.str("fullUrl", "urn:uuid:"+s.id)
		}
		w.key("resource")
		w.b = append(w.b, rec.b[s.start:s.end]...)
		w.obj("request")
		if s.shared {
			w.str("method", "PUT")
			w.str("url", s.typ+"/"+s.id)
		} else {
			w.str("method", "POST")
			w.str("url", s.typ)
		}
		w.end()
		w.end()
	}
	w.endArr()
	w.end()
	return append(w.b, '\n')
}

// streams are the random sources of patient k: one for the life, one for ids,
// so that ids stay apart from everything else that chance decides.
func streams(seed uint64, k int) (life, ids *rand.Rand) {
	const golden = 0x9E3779B97F4A7C15
	n := (uint64(k) + 1) * golden
	return rand.New(rand.NewPCG(seed, n)), rand.New(rand.NewPCG(seed^golden, n))
}

// uuid makes a random (version 4) UUID.
func uuid(rng *rand.Rand) string {
	const hex = "0123456789abcdef"
	hi, lo := rng.Uint64(), rng.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	b := make([]byte, 0, 36)
	for i := range 32 {
		switch i {
		case 8, 12, 16, 20:
			b = append(b, '-')
		}
		v := hi
		if i >= 16 {
			v = lo
		}
		b = append(b, hex[v>>(60-i%16*4)&15])
	}
	return string(b)
}
