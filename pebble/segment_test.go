package pebble

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
)

var testRank = &search.Param{Type: "Patient", Code: "rank", Ordinal: 1}

// rankOp is a patient that knows its number: its name is one of seven, its
// rank one of a kind.
func rankOp(i, rank int) store.Op {
	body, _ := json.Marshal([2]int{i, rank})
	return store.Op{
		Kind: store.OpUpdate, Type: "Patient", ID: fmt.Sprint(i),
		Body: fhir.Body{JSON: body}, Entries: rankEntries(i, rank),
	}
}

func rankEntries(i, rank int) []search.Entry {
	return []search.Entry{
		{Param: testName, Key: []byte{byte('a' + i%7), 0}},
		{Param: testRank, Key: binary.BigEndian.AppendUint32(nil, uint32(rank))},
	}
}

func rankExtract(v store.Version) ([]search.Entry, error) {
	var n [2]int
	err := json.Unmarshal(v.Body.JSON, &n)
	return rankEntries(n[0], n[1]), err
}

// TestSegments works with more versions than a segment holds.
func TestSegments(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	fs := vfs.NewMem()
	reopen := func(s *Store) *Store {
		if s != nil {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open("store", Options{FS: fs, Extract: rankExtract})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := reopen(nil)
	ranks := make([]int, 140_000)
	load := func(ops []store.Op) {
		t.Helper()
		for batch := range slices.Chunk(ops, 5000) {
			if _, err := s.Load(context.Background(), batch); err != nil {
				t.Fatal(err)
			}
		}
	}
	var ops []store.Op
	for i := range ranks {
		ranks[i] = i * 7919 % len(ranks) // 7919 is prime to the length
		ops = append(ops, rankOp(i, ranks[i]))
	}
	load(ops)
	before := slices.Clone(ranks)
	old, err := s.View(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	checkRanks(t, old, before)
	s.seals.mu.Lock()
	heads := len(s.index.Load().heads)
	s.seals.mu.Unlock()
	if heads > 2 {
		t.Errorf("%d heads are in memory", heads)
	}
	// Move every tenth to the end, and delete some of all segments.
	ops = nil
	for i := 0; i < len(ranks); i += 10 {
		ranks[i] += len(ranks)
		ops = append(ops, rankOp(i, ranks[i]))
	}
	for i := 5; i < len(ranks); i += 1000 {
		ranks[i] = -1
		ops = append(ops, store.Op{Kind: store.OpDelete, Type: "Patient", ID: fmt.Sprint(i)})
	}
	load(ops)
	checkRanks(t, old, before)
	at := old.T()
	old.Close()
	for range 2 {
		for when, ranks := range map[store.T][]int{0: ranks, at: before} {
			v, err := s.View(context.Background(), when)
			if err != nil {
				t.Fatal(err)
			}
			checkRanks(t, v, ranks)
			v.Close()
		}
		s = reopen(s)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkRanks compares searches with patients by number; -1 is a deleted one.
func checkRanks(t *testing.T, v store.View, ranks []int) {
	t.Helper()
	count := func(n search.Node) int {
		t.Helper()
		got, err := v.Count(context.Background(), search.Plan{Parts: []search.Part{{Type: "Patient", Where: n}}})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := func(holds func(i, rank int) bool) (n int) {
		for i, rank := range ranks {
			if rank >= 0 && holds(i, rank) {
				n++
			}
		}
		return n
	}
	name := search.Terms{Param: testName, Spans: []search.Span{search.Exactly([]byte{'c', 0})}}
	low := search.Terms{Param: testRank, Spans: []search.Span{{To: binary.BigEndian.AppendUint32(nil, 50_000)}}}
	for what, c := range map[string]struct {
		node  search.Node
		holds func(i, rank int) bool
	}{
		"all":       {nil, func(i, rank int) bool { return true }},
		"name":      {name, func(i, rank int) bool { return i%7 == 2 }},
		"low":       {low, func(i, rank int) bool { return rank < 50_000 }},
		"and":       {search.And{low, name}, func(i, rank int) bool { return i%7 == 2 && rank < 50_000 }},
		"not":       {search.And{low, search.Not{Node: name}}, func(i, rank int) bool { return i%7 != 2 && rank < 50_000 }},
		"id":        {search.And{name, search.IDs{IDs: []string{"130002", "2", "3", "9"}}}, func(i, _ int) bool { return i == 2 || i == 9 }},
		"only late": {search.And{search.IDs{IDs: []string{"139995"}}, low}, func(i, rank int) bool { return i == 139995 && rank < 50_000 }},
	} {
		if got, want := count(c.node), want(c.holds); got != want {
			t.Errorf("at %d, %s: %d, want %d", v.T(), what, got, want)
		}
	}
	checkOrder(t, v, name, ranks)
}

// checkOrder reads all pages of the patients of a name by rank, downwards.
func checkOrder(t *testing.T, v store.View, name search.Node, ranks []int) {
	t.Helper()
	var want []int
	for i, rank := range ranks {
		if i%7 == 2 && rank >= 0 {
			want = append(want, i)
		}
	}
	slices.SortFunc(want, func(a, b int) int { return ranks[b] - ranks[a] })
	plan := search.Plan{
		Parts: []search.Part{{Type: "Patient", Where: name}},
		Sort:  []search.SortKey{{Params: []*search.Param{testRank}, Desc: true}},
	}
	page := store.Page{Limit: 9000}
	for n := 0; ; {
		r, err := v.Search(context.Background(), plan, page)
		if err != nil {
			t.Fatal(err)
		}
		for m, err := range r.Matches {
			if err != nil {
				t.Fatal(err)
			}
			if n >= len(want) || m.ID != fmt.Sprint(want[n]) {
				t.Fatalf("at %d, place %d is %s", v.T(), n, m.ID)
			}
			n++
		}
		if page.After = r.Next; page.After == nil {
			if n != len(want) {
				t.Errorf("at %d, %d are sorted, want %d", v.T(), n, len(want))
			}
			return
		}
	}
}
