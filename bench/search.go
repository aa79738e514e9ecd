package main

import (
	"context"
	"math/rand/v2"
	"net/url"
	"strings"
)

// A query is one search of a mix. In its text, {name} is a value of the
// sample's of that name, {name:3} the first three letters of one, {name,3} a
// list of three, and {name/0} the part of one before the first '|'.
type query string

// mix is the 24 searches of the search scenario: string, date, token,
// quantity, composite and reference on five types, with misses, prefixes and
// lists.
var mix = []query{
	"Patient?family={family.Patient}",
	"Patient?name={given.Patient:3}",
	"Patient?family:exact={family.Patient}&gender=female",
	"Patient?family=Zzyzx",
	"Patient?birthdate={birthdate}",
	"Patient?birthdate=ge{birthdate}&gender=male",
	"Patient?identifier={identifier.Patient}",
	"Patient?address-city={city.Patient,3}",
	"Observation?patient={subject.Observation}",
	"Observation?subject=Patient/{subject.Observation}&category=laboratory",
	"Observation?code={code.Observation}",
	"Observation?code={code.Observation,3}&date=ge{day}",
	"Observation?code=http://loinc.org|0-0",
	"Observation?date={day}",
	"Observation?date=ge{day}&date=lt2030&patient={subject.Observation}",
	"Observation?value-quantity={quantity}",
	"Observation?value-quantity=gt{quantity/0}&code={code.Observation}",
	"Observation?code-value-quantity={code-value}",
	"Encounter?patient={subject.Encounter}&status=finished",
	"Encounter?class={class}&date={start}",
	"Organization?name={name.Organization:4}",
	"Organization?address-city={city.Organization}",
	"MedicationRequest?patient={subject.MedicationRequest}&status=active,completed",
	"MedicationRequest?code={medication}&authoredon=ge{authored}",
}

// page is behind every search of the mix.
const page = "&_count=20&_total=accurate"

// bounded are searches of which a page costs the same however much there is,
// where nobody asks for the total.
var bounded = []query{
	"Patient?identifier={identifier.Patient}",
	"Patient?family=Zzyzx",
	"Patient?_id={subject.Observation}",
	"Observation?patient={subject.Observation}",
	"Observation?patient={subject.Observation}&_sort=-date",
	"Observation?subject=Patient/{subject.Observation}&category=laboratory",
	"Observation?code={code.Observation}",
	"Observation?code={code.Observation,3}&date=ge{day}",
	"Observation?code={code.Observation}&_sort=-date",
	"Observation?_sort=-date",
	"Observation?date=ge{day}&date=lt2030&patient={subject.Observation}",
	"Observation?value-quantity=gt{quantity/0}&code={code.Observation}",
	"Encounter?patient={subject.Encounter}&status=finished",
	"MedicationRequest?patient={subject.MedicationRequest}&status=active,completed",
}

// onePage is behind every bounded search.
const onePage = "&_count=20&_total=none"

// valuesEach is how many requests are prepared of each query, with other
// values.
const valuesEach = 100

func runSearch(ctx context.Context, b *bench) error {
	in, err := b.filled(ctx)
	if err != nil {
		return err
	}
	for _, clients := range b.opt.clientsOr(32) {
		r, err := b.searches(ctx, "search", in, clients, mix, page)
		if err != nil {
			return err
		}
		if err := b.report.print(r); err != nil {
			return err
		}
	}
	return nil
}

// searches measures some searches in turn, with what is behind every one.
func (b *bench) searches(ctx context.Context, name string, in *instance, clients int, list []query, behind string) (result, error) {
	requests := make([][][]byte, len(list))
	parts := make([]string, len(list))
	for i, q := range list {
		requests[i] = q.requests(b.sample, behind, valuesEach)
		parts[i] = string(q)
	}
	w := work{clients: clients, length: b.seconds(1), parts: parts, step: func(u *user) (answer, error) {
		// Clients begin at different places, so that no query is asked by all
		// at once.
		i := (u.i + u.index*5) % len(list)
		status, body, err := u.send(requests[i][u.rng.IntN(len(requests[i]))])
		return expect(i, 1, 200, status, body), err
	}}
	r, t, err := b.measure(ctx, name, "searches/s", in, w)
	if err != nil {
		return r, err
	}
	return r, b.answerLimit(ctx, &r, &t, kindBytes, 1)
}

// requests prepares n requests of the query with values of the sample.
func (q query) requests(s *sample, more string, n int) [][]byte {
	rng := rand.New(rand.NewPCG(uint64(len(q)), 5))
	var list [][]byte
	for range n {
		list = append(list, appendRequest(nil, "GET", base+"/"+q.path(s, rng)+more, nil))
	}
	return list
}

// path is the query with values in it.
func (q query) path(s *sample, rng *rand.Rand) string {
	var b strings.Builder
	rest := string(q)
	for {
		before, after, found := strings.Cut(rest, "{")
		b.WriteString(escape(before))
		if !found {
			return b.String()
		}
		name, behind, _ := strings.Cut(after, "}")
		b.WriteString(url.QueryEscape(value(s, rng, name)))
		rest = behind
	}
}

// escape escapes what a URL may not hold of a query's own text.
func escape(text string) string {
	return strings.NewReplacer("|", "%7C", "$", "%24", " ", "%20").Replace(text)
}

// value is what stands for {name}.
func value(s *sample, rng *rand.Rand, name string) string {
	if name, length, found := strings.Cut(name, ":"); found {
		letters := []rune(s.pick(rng, name))
		return string(letters[:min(len(letters), number([]byte(length)))])
	}
	if name, count, found := strings.Cut(name, ","); found {
		var list []string
		for range number([]byte(count)) {
			list = append(list, s.pick(rng, name))
		}
		return strings.Join(list, ",")
	}
	if name, _, found := strings.Cut(name, "/"); found {
		before, _, _ := strings.Cut(s.pick(rng, name), "|")
		return before
	}
	return s.pick(rng, name)
}
