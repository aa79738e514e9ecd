package access

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tarnhealth/tarn/datastore"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/validate"
)

// bulk are the names of what a bulk read yields, each with its number for
// deletions.
func (r *reader) bulk(q datastore.BulkQuery) (names []string, refused bool) {
	r.Helper()
	view, err := r.ds.View(ctx, r.c.access, 0)
	if err != nil {
		r.Fatal(err)
	}
	defer view.Close()
	versions, err := view.Bulk(ctx, q)
	if fhir.KindOf(err) == fhir.KindForbidden && err != nil {
		return nil, true
	}
	if err != nil {
		r.Fatal(err)
	}
	for v, err := range versions {
		if err != nil {
			r.Fatal(err)
		}
		names = append(names, v.Type+"/"+v.ID)
	}
	slices.Sort(names)
	return names, false
}

// TestEveryBulkRead compares what exports read with the naive evaluator, for
// every caller: everything, one type, and deletions.
func TestEveryBulkRead(t *testing.T) {
	w := newWorld(t)
	n := &tally{}
	for _, c := range w.callers {
		r := &reader{w, t, c, n}
		for what, q := range map[string]struct {
			ask  datastore.BulkQuery
			want func(name string) bool
		}{
			"everything": {datastore.BulkQuery{}, r.found},
			"a type":     {datastore.BulkQuery{Parts: []search.Part{{Type: "Observation"}}}, func(name string) bool { return typeOf(name) == "Observation" && r.found(name) }},
			"deletions": {datastore.BulkQuery{Deleted: true}, func(name string) bool {
				return r.current(name) == nil && r.may(c, "search", r.decided(name, len(r.versions[name])))
			}},
		} {
			var want []string
			for _, name := range w.names {
				ok := q.want(name)
				if n.cell(ok); ok {
					want = append(want, name)
				}
			}
			if got, refused := r.bulk(q.ask); !slices.Equal(got, want) || refused && len(want) > 0 {
				r.wrong("bulk read of "+what, got, want)
			}
		}
	}
	t.Logf("%d cells, %d allowed", n.cells, n.allowed)
	if n.allowed < 500 {
		t.Error("they show too little")
	}
}

// TestEveryBulkWrite compares what an import takes with the naive evaluator: each
// resource of the world once more, as it is.
func TestEveryBulkWrite(t *testing.T) {
	for turn, mode := range []string{"", "permit"} {
		w := scene(t, rules{mode: mode}, []string{consentOf("all", "p2", denyAll)})
		n := &tally{}
		for _, c := range w.callers[1:] {
			for _, name := range w.names {
				o := w.current(name)
				if o == nil {
					continue
				}
				// It is what it was: so the next caller meets the same world.
				texts := [][]byte{[]byte(encode(o))}
				want := w.may(c, "update", o)
				outcomes, err := w.ds.BulkWriter(c.access, datastore.BulkOptions{Level: validate.Minimal}).Write(ctx, texts)
				if err != nil {
					t.Fatal(err)
				}
				if n.cell(want); want != (outcomes[0].Result != datastore.BulkRefused) {
					t.Errorf("in mode %q an import of %s by %s: %+v, want %v", mode, name, c.name, outcomes[0], want)
				}
			}
		}
		if t.Logf("%d cells, %d allowed", n.cells, n.allowed); n.allowed < 150 || n.allowed*10 > n.cells*9 {
			t.Errorf("turn %d shows too little", turn)
		}
	}
}

// TestBulkWritesTakeNothingOver has an import of a resource that stands under the
// id of somebody else's, and of one that is free.
func TestBulkWritesTakeNothingOver(t *testing.T) {
	w := newWorld(t)
	c := w.as("patient p1", "patient/*.cruds")
	own := func(id string) []byte {
		b, err := json.Marshal(with(w.current("Observation/lab-p1"), "id", id))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	outcomes, err := w.ds.BulkWriter(c.access, datastore.BulkOptions{Level: validate.Minimal}).Write(ctx, [][]byte{own("lab-p2"), own("free"), own("lab-p1")})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, false, true} {
		if ok := outcomes[i].Result != datastore.BulkRefused; ok != want {
			t.Errorf("%d: %+v", i, outcomes[i])
		}
	}
	if a, b := outcomes[0].Err.Error(), outcomes[1].Err.Error(); a != strings.ReplaceAll(b, "free", "lab-p2") {
		t.Errorf("what is taken and what is free are told apart: %s, %s", a, b)
	}
	assigned, err := w.ds.BulkWriter(c.access, datastore.BulkOptions{Level: validate.Minimal, AssignIDs: true}).Write(ctx, [][]byte{[]byte(encode(with(w.current("Observation/lab-p2"), "id", nil)))})
	if err != nil || assigned[0].Result != datastore.BulkRefused || fhir.KindOf(assigned[0].Err) != fhir.KindForbidden {
		t.Errorf("a new one of somebody else: %+v, %v", assigned, err)
	}
}
