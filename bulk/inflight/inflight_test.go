package inflight_test

import (
	"slices"
	"testing"

	"github.com/tarnhealth/tarn/bulk/inflight"
)

func TestSet(t *testing.T) {
	s := inflight.New[string]()
	p1, p2, o1 := s.Key("Patient", "1"), s.Key("Patient", "2"), s.Key("Observation", "1")
	if p1 != s.Key("Patient", "1") || p1 == p2 || p1 == o1 {
		t.Error("keys do not tell resources apart")
	}
	if before := s.Add("a", []uint64{p1, p2, p1}); before != nil {
		t.Errorf("before the first: %v", before)
	}
	if before := s.Add("b", []uint64{p2, o1}); !slices.Equal(before, []string{"a"}) {
		t.Errorf("before b: %v", before)
	}
	s.Remove("a", []uint64{p1, p2, p1})
	if before := s.Add("c", []uint64{p1, p2}); !slices.Equal(before, []string{"b"}) {
		t.Errorf("before c, when a is stored: %v", before)
	}
	s.Remove("b", []uint64{p2, o1})
	if before := s.Add("d", []uint64{o1}); before != nil {
		t.Errorf("before d: %v", before)
	}
}
