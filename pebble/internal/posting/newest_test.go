package posting

import "testing"

// TestNewest writes more keys than are kept: what is not here was written no
// later than any doc that is covered.
func TestNewest(t *testing.T) {
	const last, end = 100, 100 + 6*NewestKeys
	var n Newest[int, Doc]
	n.Reset(last)
	if !n.Covers(last) || n.Covers(last-1) {
		t.Fatal("what is covered does not begin with the last doc")
	}
	for d := Doc(last + 1); d <= end; d++ {
		n.Add(int(d)/2, d, d)
	}
	covered := Doc(last)
	for !n.Covers(covered) {
		covered++
	}
	if covered == last || end-covered < NewestKeys {
		t.Errorf("docs behind %d of %d are covered", covered, end)
	}
	for d := covered + 1; d <= end; d++ {
		if got, ok := n.Get(int(d) / 2); !ok || got < d {
			t.Fatalf("doc %d: the newest is %d, %v", d, got, ok)
		}
	}
	if _, ok := n.Get((last + 1) / 2); ok {
		t.Error("the oldest key is kept")
	}
}
