package load

import (
	"slices"
	"testing"
)

// TestTransactionsBeforeBatches sends a batch only where a transaction was
// refused.
func TestTransactionsBeforeBatches(t *testing.T) {
	f := newFake(t)
	f.refuse = func(e fakeEntry) string {
		if e.Resource.ID == "p007" {
			return "sevens are not allowed"
		}
		return ""
	}
	s := f.mustLoad(Options{Paths: []string{files(t, map[string]string{"a.ndjson": lines("p", 40)})}, Lines: 20, Parallel: 1})
	if s.Total != (Counts{Created: 39, Rejected: 1}) || len(f.names()) != 39 || s.Rejections[0].Line != 8 {
		t.Errorf("%+v, %d stored, rejected %v", s.Total, len(f.names()), s.Rejections)
	}
	if want := []string{"transaction", "batch", "transaction"}; !slices.Equal(f.kinds, want) {
		t.Errorf("sent as %q, want %q", f.kinds, want)
	}
}
