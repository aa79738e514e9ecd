package search_test

import (
	"testing"

	"github.com/tarnhealth/tarn/search"
)

// Entries that are cut from one block are those that have memory of their own,
// and stay so.
func TestBlock(t *testing.T) {
	r := r4(t)
	all := examples(t)
	var block search.Block
	cut := make([][]search.Entry, len(all))
	for i, c := range all {
		var err error
		if cut[i], err = r.ExtractTo(&block, c.Tree, c.ID, base); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range all {
		if len(cut[i]) != len(c.Entries) {
			t.Fatalf("%s/%s has %d entries, want %d", c.Type, c.ID, len(cut[i]), len(c.Entries))
		}
		for j, e := range cut[i] {
			if compareEntries(e, c.Entries[j]) != 0 {
				t.Errorf("%s/%s has the key %q of %s, want %q of %s", c.Type, c.ID, e.Key, e.Param.Key(), c.Entries[j].Key, c.Entries[j].Param.Key())
			}
		}
		_ = append(cut[i], search.Entry{}) // must not write over the next one's
	}
}
