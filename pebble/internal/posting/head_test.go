package posting

import (
	"fmt"
	"sync"
	"testing"

	"github.com/tarnhealth/tarn/search"
)

// TestHeadIsReadWhileItGrows reads keys while they are added: a list that is
// read holds all docs from the first on, and never fewer than before.
func TestHeadIsReadWhileItGrows(t *testing.T) {
	const docs, param = 5000, 3
	h := NewHead(1)
	h.Add(1, []Term{{param, []byte("all")}})
	done := make(chan struct{})
	var wg sync.WaitGroup
	for reader := range 2 {
		wg.Go(func() {
			for last := 0; ; {
				select {
				case <-done:
					return
				default:
				}
				list := h.Param(param).Get([]byte("all"))
				if reader == 1 {
					_ = h.Param(param).Scan(search.Exactly([]byte("all")), func(p Posting) error {
						list = p.Docs()
						return nil
					})
				}
				for i, d := range list {
					if d != Doc(i+1) {
						t.Errorf("doc %d is at place %d", d, i)
						return
					}
				}
				if len(list) < last {
					t.Errorf("%d docs, and %d before", len(list), last)
					return
				}
				last = len(list)
			}
		})
	}
	for d := Doc(2); d <= docs; d++ {
		h.Add(d, []Term{{param, []byte("all")}, {param, fmt.Appendf(nil, "only %d", d)}, {param, []byte("all")}})
	}
	close(done)
	wg.Wait()
	if n := len(h.Param(param).Get([]byte("all"))); n != docs {
		t.Errorf("%d docs, want %d: one for each, though some have the key twice", n, docs)
	}
	for d := Doc(2); d <= docs; d++ {
		if list := h.Param(param).Get(fmt.Appendf(nil, "only %d", d)); len(list) != 1 || list[0] != d {
			t.Fatalf("the key of doc %d has %d", d, list)
		}
	}
}

// TestHeadTellsParamsApart adds the same key under many params, which share
// the places where keys are remembered.
func TestHeadTellsParamsApart(t *testing.T) {
	h := NewHead(1)
	const params = 2 * metKeys
	for d := Doc(1); d <= 3; d++ {
		for p := range uint16(params) {
			if (int(p)+int(d))%2 == 0 {
				h.Add(d, []Term{{p, []byte("key")}})
			}
		}
	}
	for p := range uint16(params) {
		want := []Doc{1, 3}
		if p%2 == 0 {
			want = []Doc{2}
		}
		if got := h.Param(p).Get([]byte("key")); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("param %d has %d, want %d", p, got, want)
		}
	}
}
