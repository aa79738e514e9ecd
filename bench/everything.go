package main

import (
	"bytes"
	"context"
	"math/rand/v2"
)

// runEverything reads the whole record of random patients.
// http://hl7.org/fhir/R4/patient-operation-everything.html
func runEverything(ctx context.Context, b *bench) error {
	in, err := b.filled(ctx)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(4, 4))
	var requests [][]byte
	for range valuesEach {
		requests = append(requests, appendRequest(nil, "GET", base+"/Patient/"+b.sample.id(rng, "Patient")+"/$everything", nil))
	}
	entry := []byte(`"fullUrl"`)
	w := work{clients: b.opt.clientsOr(8)[0], length: b.seconds(1), step: func(u *user) (answer, error) {
		status, body, err := u.send(requests[u.rng.IntN(len(requests))])
		return expect(0, bytes.Count(body, entry), 200, status, body), err
	}}
	r, t, err := b.measure(ctx, "everything", "resources/s", in, w)
	if err != nil {
		return err
	}
	if err := b.answerLimit(ctx, &r, &t, kindBytes, per(float64(t.units), t.requests)); err != nil {
		return err
	}
	return b.report.print(r)
}
