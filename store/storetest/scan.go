package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

// testScan compares scans at several times with the model: of all types, by
// conditions, of deletions, in stretches of T and of time, and cut off.
func testScan(t *testing.T, disk Disk) {
	c := newClock()
	s := open(t, disk, c)
	defer func() { closeStore(t, s) }()
	var m model
	random := rand.New(rand.NewPCG(7, 7))
	for i := range 60 {
		c.Pass(time.Millisecond)
		m.add(commit(t, s, create(patient(fmt.Sprint("p", i), scribeWords[i%len(scribeWords)]))))
		m.add(commit(t, s, create(observation(fmt.Sprint("o", i), fmt.Sprint("p", i), uint64(i)))))
		switch id := fmt.Sprint("p", random.IntN(i+1)); random.IntN(3) {
		case 0:
			m.add(commit(t, s, update(patient(id, "changed"))))
		case 1:
			if !m.current("Patient", id, m.now()).Deleted() {
				m.add(commit(t, s, remove("Patient", id)))
			}
		}
	}
	for _, at := range []store.T{1, m.now() / 2, m.now()} {
		checkScans(t, &m, viewAt(t, s, at), random)
	}
	closeStore(t, s)
	s = open(t, disk, c)
	checkScans(t, &m, viewAt(t, s, 0), random)
}

func checkScans(t *testing.T, m *model, v store.View, random *rand.Rand) {
	t.Helper()
	changed := search.Terms{Param: patientName, Spans: []search.Span{search.Exactly(word("changed"))}}
	all := []search.Part{{Type: "Patient"}, {Type: "Observation"}}
	at := store.T(random.Uint64N(uint64(v.T()))) + 1
	when := m.versions[at-1].LastUpdated
	for name, q := range map[string]store.Scan{
		"everything":           {Parts: all},
		"one type":             {Parts: all[1:]},
		"another type":         {Parts: []search.Part{{Type: "Encounter"}}},
		"a condition":          {Parts: []search.Part{{Type: "Patient", Where: changed}}},
		"either":               {Parts: []search.Part{{Type: "Patient", Where: changed}, {Type: "Patient"}}},
		"behind a T":           {Parts: all, After: at},
		"up to a T":            {Parts: all, UpTo: at},
		"behind everything":    {Parts: all, After: 1 << 50},
		"since":                {Parts: all, Since: when},
		"until":                {Parts: all, Until: when},
		"a stretch of time":    {Parts: all, Since: when.Add(-10 * time.Millisecond), Until: when.Add(time.Millisecond), After: 3},
		"deletions":            {Parts: all, Deleted: true},
		"deletions up to a T":  {Parts: all, Deleted: true, UpTo: at},
		"deletions of no type": {Deleted: true},
	} {
		want := m.scan(t, q, v.T())
		wantVersions(t, name, want, collectScan(v, q, t))
		if len(want) == 0 {
			continue
		}
		cut := want[random.IntN(len(want))].T
		q.After = max(q.After, cut)
		rest := slices.DeleteFunc(want, func(v store.Version) bool { return v.T <= cut })
		wantVersions(t, name+", continued", rest, collectScan(v, q, t))
	}
}

// collectScan copies what a scan yields: it is valid for a step.
func collectScan(v store.View, q store.Scan, t *testing.T) (list []store.Version) {
	t.Helper()
	for version, err := range v.Scan(ctx, q) {
		if err != nil {
			t.Fatalf("Scan: %v", err)
		}
		version.Body.JSON = slices.Clone(version.Body.JSON)
		list = append(list, version)
	}
	return list
}

// scan answers a Scan.
func (m *model) scan(t *testing.T, q store.Scan, at store.T) (found []store.Version) {
	var list []store.Version
	if q.Deleted {
		for i := range m.versions {
			v := &m.versions[i]
			if v.T <= at && v.Deleted() && m.current(v.Type, v.ID, at) == v &&
				slices.ContainsFunc(q.Parts, func(p search.Part) bool { return p.Type == v.Type }) {
				list = append(list, *v)
			}
		}
	} else {
		seen := map[store.T]bool{}
		for _, part := range q.Parts {
			for _, v := range m.search(t, search.Plan{Parts: []search.Part{part}}, at) {
				if !seen[v.T] {
					list = append(list, v)
				}
				seen[v.T] = true
			}
		}
		slices.SortFunc(list, func(a, b store.Version) int { return int(a.T) - int(b.T) })
	}
	for _, v := range list {
		if v.T > q.After && (q.UpTo == 0 || v.T <= q.UpTo) && !v.LastUpdated.Before(q.Since) && (q.Until.IsZero() || v.LastUpdated.Before(q.Until)) {
			found = append(found, v)
		}
	}
	return found
}
