package recall

import "testing"

// TestCacheIsBounded fills a cache far beyond its limit.
func TestCacheIsBounded(t *testing.T) {
	c := New[string, int](10)
	c.Put("kept", -1)
	for i := range 1000 {
		c.Put("x"+string(rune(i)), i)
		if v, ok := c.Get("kept"); !ok || v != -1 {
			t.Fatalf("what is looked up all the time is forgotten after %d others", i)
		}
	}
	if n := len(c.young) + len(c.old); n > 20 {
		t.Errorf("%d values are kept, want at most 20", n)
	}
	if _, ok := c.Get("x" + string(rune(1))); ok {
		t.Error("what was never looked up again is still there")
	}
}
