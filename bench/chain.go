package main

import (
	"context"
	"strings"
)

// chains are the searches that look at more than one resource, at an order or
// at all of a large set; each is a row of its own. {common} is the code that
// most Observations have.
var chains = []struct {
	name  string
	query query
}{
	{"chained", "Observation?patient.family={family.Patient}&code={code.Observation}&_count=20"},
	{"chained-two", "MedicationRequest?encounter.patient.identifier={identifier.Patient}&_count=20"},
	{"has", "Patient?_has:Observation:patient:code={code.Observation}&_count=20"},
	{"has-rare", "Patient?_has:Condition:patient:code={code.Condition}&birthdate=ge{birthdate}&_count=20"},
	{"include", "MedicationRequest?patient={subject.MedicationRequest}&_include=MedicationRequest:encounter&_include=MedicationRequest:patient&_count=20"},
	{"revinclude", "Encounter?patient={subject.Encounter}&_revinclude=Observation:encounter&_revinclude=Condition:encounter&_count=20"},
	{"sort-patient", "Observation?patient={subject.Observation}&_sort=-date&_count=20"},
	{"sort-code", "Observation?code={common}&_sort=-date&_count=20"},
	{"sort-all", "Observation?_sort=-date&_count=20"},
	{"count-code", "Observation?code={common}&_summary=count"},
	{"count-all", "Observation?_summary=count"},
	{"total-code", "Observation?code={common}&_count=20&_total=accurate"},
}

func runChain(ctx context.Context, b *bench) error {
	in, err := b.filled(ctx)
	if err != nil {
		return err
	}
	for i := range chains {
		r, err := b.chain(ctx, "chain", in, i)
		if err != nil {
			return err
		}
		if err := b.report.print(r); err != nil {
			return err
		}
	}
	return nil
}

// chain measures one of the chains with 8 clients.
func (b *bench) chain(ctx context.Context, prefix string, in *instance, i int) (result, error) {
	c := chains[i]
	common := strings.NewReplacer("{common}", b.sample.commonest("code.Observation"))
	requests := query(common.Replace(string(c.query))).requests(b.sample, "", valuesEach)
	w := work{clients: b.opt.clientsOr(8)[0], length: b.seconds(.3), step: func(u *user) (answer, error) {
		status, body, err := u.send(requests[u.rng.IntN(len(requests))])
		return expect(0, 1, 200, status, body), err
	}}
	r, t, err := b.measure(ctx, prefix+"/"+c.name, "searches/s", in, w)
	if err != nil {
		return r, err
	}
	return r, b.answerLimit(ctx, &r, &t, kindBytes, 1)
}
