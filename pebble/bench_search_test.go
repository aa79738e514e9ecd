package pebble

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/synth"
)

// benchPatients make some 300 versions each: the first 65,536 are sealed, the
// others are not.
const benchPatients = 300

// benchPopulation is a synthetic population, ready to be stored.
var benchPopulation = sync.OnceValues(func() (*search.Registry, []store.Op) {
	registry, err := search.New(definition.R4())
	if err != nil {
		panic(err)
	}
	var ops []store.Op
	err = synth.New(synth.Options{Patients: benchPatients, Seed: 1}).Each(func(bundle synth.Bundle) error {
		for _, r := range bundle.Resources {
			tree, err := fhir.Parse(registry.Definitions.Schema, append([]byte(nil), r.JSON...), fhir.DefaultLimits)
			if err != nil {
				return err
			}
			op := store.Op{Kind: store.OpUpdate, Type: r.Type, ID: r.ID, Body: fhir.NewBody(tree.Root(), r.ID)}
			if op.Entries, err = registry.Extract(tree, op.ID, "http://example.org"); err != nil {
				return err
			}
			ops = append(ops, op)
		}
		return nil
	})
	if err != nil {
		panic(err)
	}
	return registry, ops
})

// benchPatient is a patient in the middle of the population.
func benchPatient(ops []store.Op) (id string) {
	n := 0
	for i := range ops {
		if ops[i].Type == "Patient" {
			if n++; n == benchPatients/2 {
				return ops[i].ID
			}
		}
	}
	return ""
}

// benchQueries are by what they cost: {} is a patient's id.
var benchQueries = []string{
	"Patient?family=Smith",
	"Patient?birthdate=ge1960-01-01&gender=male",
	"Observation?patient={}",
	"Observation?code=http://loinc.org|8867-4",
	"Observation?code=http://loinc.org|8867-4&date=ge2020-01-01",
	"Observation?date=ge2020-01-01&patient={}",
	"Observation?value-quantity=gt60&code=http://loinc.org|8867-4",
	"Observation?date=2019-06-03",
	"Encounter?class=AMB&date=ge2020-01-01",
	"MedicationRequest?patient={}&status=active,completed",
	"Observation?subject:Patient.gender=female&code=http://loinc.org|8867-4",
	"Patient?_has:Observation:patient:code=http://loinc.org|8867-4",
	"Observation?patient={}&_sort=-date",
	"Observation?code=http://loinc.org|8867-4&_sort=-date",
	"Observation?_sort=-date",
}

// BenchmarkSearch answers a page of twenty with its total, bodies read, in a
// store of which a segment is sealed and a part of one is not; and counts.
func BenchmarkSearch(b *testing.B) {
	registry, ops := benchPopulation()
	s := benchStore(b, registry)
	for i := 0; i < len(ops); i += 1000 {
		if _, err := s.Load(context.Background(), ops[i:min(i+1000, len(ops))]); err != nil {
			b.Fatal(err)
		}
	}
	patient := benchPatient(ops)
	for _, text := range benchQueries {
		query := benchQuery(b, registry, strings.ReplaceAll(text, "{}", patient))
		b.Run(text, func(b *testing.B) { benchEach(b, s, query, benchPage) })
		if strings.Count(text, "=") == 1 {
			b.Run("count/"+text, func(b *testing.B) { benchEach(b, s, query, benchCount) })
		}
	}
	b.Run("read", func(b *testing.B) {
		n := 0
		benchEach(b, s, nil, func(v store.View, _ *search.Query) (int, error) {
			n += 7919
			op := &ops[n%len(ops)]
			_, err := v.Read(context.Background(), op.Type, op.ID)
			return 1, err
		})
	})
}

func benchQuery(b *testing.B, registry *search.Registry, text string) *search.Query {
	resourceType, query, _ := strings.Cut(text, "?")
	var pairs []search.Pair
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		value, err := url.QueryUnescape(value)
		if err != nil {
			b.Fatal(err)
		}
		pairs = append(pairs, search.Pair{Name: name, Value: value})
	}
	parsed, err := registry.Parse([]string{resourceType}, pairs, search.Options{Base: "http://example.org"})
	if err != nil {
		b.Fatal(err)
	}
	return parsed
}

// benchEach asks with a view of its own each time, and reports the processor
// time, which other processes disturb least.
func benchEach(b *testing.B, s *Store, query *search.Query, ask func(store.View, *search.Query) (int, error)) {
	b.ReportAllocs()
	total, started := 0, processorTime(b)
	for b.Loop() {
		v, err := s.View(context.Background(), 0)
		if err != nil {
			b.Fatal(err)
		}
		if total, err = ask(v, query); err != nil {
			b.Fatal(err)
		}
		v.Close()
	}
	b.ReportMetric(float64((processorTime(b)-started).Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(total), "matches")
}

func benchPage(v store.View, query *search.Query) (int, error) {
	r, err := v.Search(context.Background(), query.Plan, store.Page{Limit: 20, Total: true})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, err := range r.Matches {
		if err != nil {
			return 0, err
		}
		n++
	}
	if n != r.Len {
		return 0, fmt.Errorf("%d matches of %d", n, r.Len)
	}
	return r.Total, nil
}

func benchCount(v store.View, query *search.Query) (int, error) {
	return v.Count(context.Background(), query.Plan)
}
