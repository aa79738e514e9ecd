package pebble

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/synth"
)

// growthQueries are asked of stores of different sizes: {} is a patient's id.
// What is bounded finds as much in a large store as in a small one, or stops
// after a page; of the others the total grows with the store.
var growthQueries = []struct {
	text    string
	bounded bool
	total   bool
}{
	{"Observation?patient={}", true, true},
	{"Observation?patient={}&_sort=-date", true, true},
	{"Observation?patient={}&date=ge2020-01-01", true, true},
	{"Observation?patient={}&category=laboratory", true, true},
	{"Encounter?patient={}&status=finished", true, true},
	{"Patient?_id={}", true, true},
	{"Observation?code=http://loinc.org|8867-4", true, false},
	{"Observation?code=http://loinc.org|8867-4&_sort=-date", true, false},
	{"Observation?_sort=-date", true, true},
	{"Patient?_sort=_id", true, true},
	{"Patient?_sort=family", true, true},
	{"Observation?patient.identifier=none", true, true},
	{"Observation?code=http://loinc.org|8867-4", false, true},
	{"Observation?date=ge2015-01-01", false, true},
	{"Observation?date=2019-06-03", false, true},
	{"Observation?value-quantity=gt60", false, true},
	{"Patient?name=a", false, true},
	{"Patient?birthdate=ge1960-01-01&gender=male", false, true},
	{"Observation?code=http://loinc.org|8867-4&date=ge2020-01-01", false, true},
	{"Encounter?class=AMB&date=ge2020-01-01", false, true},
	{"Patient?_has:Observation:patient:code=http://loinc.org|8867-4", false, true},
}

// BenchmarkGrowth measures searches in a store of TARN_GROWTH patients, of their
// Patients, Encounters and Observations: some 200 versions each. It loads the
// folder TARN_GROWTH_DIR where that is new, and leaves it.
func BenchmarkGrowth(b *testing.B) {
	patients, _ := strconv.Atoi(os.Getenv("TARN_GROWTH"))
	if patients == 0 {
		b.Skip("TARN_GROWTH is not set")
	}
	registry, err := search.New(definition.R4())
	if err != nil {
		b.Fatal(err)
	}
	dir := os.Getenv("TARN_GROWTH_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	s := growthStore(b, dir, registry)
	defer s.Close()
	ids := loadGrowth(b, s, registry, patients)
	b.Logf("%d versions, %d MB", s.Stats().T, s.Stats().DiskBytes>>20)
	for _, q := range growthQueries {
		b.Run(fmt.Sprintf("bounded=%v/total=%v/%s", q.bounded, q.total, q.text), func(b *testing.B) {
			growthQuery(b, s, registry, q.text, q.total, ids)
		})
	}
}

func growthStore(b *testing.B, dir string, registry *search.Registry) *Store {
	parse := func(json []byte) (*fhir.Tree, error) {
		return fhir.Parse(registry.Definitions.Schema, json, fhir.DefaultLimits)
	}
	s, err := Open(dir, Options{Parse: parse, Extract: func(v store.Version) ([]search.Entry, error) {
		tree, err := parse(v.Body.Append(nil, "1", v.LastUpdated))
		if err != nil {
			return nil, err
		}
		return registry.Extract(tree, v.ID, "http://example.org")
	}})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// loadGrowth loads what is not there yet, and returns the ids of the patients.
func loadGrowth(b *testing.B, s *Store, registry *search.Registry, patients int) (ids []string) {
	there := s.Stats().Live["Patient"]
	var ops []store.Op
	flush := func() error {
		_, err := s.Load(context.Background(), ops)
		ops = nil
		return err
	}
	err := synth.New(synth.Options{Patients: patients, Seed: 1}).Each(func(bundle synth.Bundle) error {
		for _, r := range bundle.Resources {
			if r.Type == "Patient" {
				ids = append(ids, r.ID)
			}
			if len(ids) <= there || r.Type != "Patient" && r.Type != "Encounter" && r.Type != "Observation" {
				continue
			}
			tree, err := fhir.Parse(registry.Definitions.Schema, slices.Clone(r.JSON), fhir.DefaultLimits)
			if err != nil {
				return err
			}
			op := store.Op{Kind: store.OpUpdate, Type: r.Type, ID: r.ID, Body: fhir.NewBody(tree.Root(), r.ID)}
			if op.Entries, err = registry.Extract(tree, op.ID, "http://example.org"); err != nil {
				return err
			}
			if ops = append(ops, op); len(ops) == 2000 {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		b.Fatal(err)
	}
	return ids
}

// growthQuery asks a query for many patients and reports the times' quantiles.
func growthQuery(b *testing.B, s *Store, registry *search.Registry, text string, total bool, ids []string) {
	rng := rand.New(rand.NewPCG(1, 2))
	var took []time.Duration
	found := 0
	for b.Loop() {
		query := benchQuery(b, registry, strings.ReplaceAll(text, "{}", ids[rng.IntN(len(ids))]))
		start := time.Now()
		v, err := s.View(context.Background(), 0)
		if err != nil {
			b.Fatal(err)
		}
		r, err := v.Search(context.Background(), query.Plan, store.Page{Limit: 20, Total: total})
		if err != nil {
			b.Fatal(err)
		}
		for _, err := range r.Matches {
			if err != nil {
				b.Fatal(err)
			}
		}
		found = max(r.Total, r.Len)
		v.Close()
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(found), "matches")
}
