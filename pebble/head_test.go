package pebble

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
	h := newHead(1)
	h.add(1, []term{{param, []byte("all")}})
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
				list := h.param(param).get([]byte("all"))
				if reader == 1 {
					_ = h.param(param).scan(search.Exactly([]byte("all")), func(p posting) error {
						list = p.docs()
						return nil
					})
				}
				for i, d := range list {
					if d != doc(i+1) {
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
	for d := doc(2); d <= docs; d++ {
		h.add(d, []term{{param, []byte("all")}, {param, fmt.Appendf(nil, "only %d", d)}, {param, []byte("all")}})
	}
	close(done)
	wg.Wait()
	if n := len(h.param(param).get([]byte("all"))); n != docs {
		t.Errorf("%d docs, want %d: one for each, though some have the key twice", n, docs)
	}
	for d := doc(2); d <= docs; d++ {
		if list := h.param(param).get(fmt.Appendf(nil, "only %d", d)); len(list) != 1 || list[0] != d {
			t.Fatalf("the key of doc %d has %d", d, list)
		}
	}
}

// TestHeadTellsParamsApart adds the same key under many params, which share
// the places where keys are remembered.
func TestHeadTellsParamsApart(t *testing.T) {
	h := newHead(1)
	const params = 2 * metKeys
	for d := doc(1); d <= 3; d++ {
		for p := range uint16(params) {
			if (int(p)+int(d))%2 == 0 {
				h.add(d, []term{{p, []byte("key")}})
			}
		}
	}
	for p := range uint16(params) {
		want := []doc{1, 3}
		if p%2 == 0 {
			want = []doc{2}
		}
		if got := h.param(p).get([]byte("key")); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("param %d has %d, want %d", p, got, want)
		}
	}
}
