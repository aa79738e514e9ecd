package main

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/s2"
)

func TestGenerateIsReproducible(t *testing.T) {
	const size = 12 << 10
	first, err := generate(3, size)
	if err != nil {
		t.Fatal(err)
	}
	again, err := generate(3, size)
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("two runs differ, %v", err)
	}
	if s2.NewDict(first) == nil || len(first) > size+4 {
		t.Errorf("%d bytes are no dictionary of %d", len(first), size)
	}
}

func TestBuildPrefersWhatIsShared(t *testing.T) {
	shared := []byte(`"system":"http://example.org/shared-by-all-samples"`)
	var samples []sample
	for i := range 20 {
		own := bytes.Repeat([]byte{byte('a' + i)}, 60)
		samples = append(samples, sample{append(own, shared...), 1})
	}
	got := build(nil, samples, 2*piece)
	if !bytes.Contains(got, shared) {
		t.Errorf("%q lacks what all samples share", got)
	}
	if got := build(shared, samples, len(shared)+piece); !bytes.HasPrefix(got, shared) || bytes.Count(got, shared) != 1 {
		t.Errorf("%q repeats what is fixed", got)
	}
}
