package fhir

import (
	"math/rand/v2"
	"testing"
)

// TestReadPlain compares readPlain with readAny, on what it reads and on what it
// leaves, for texts that are right and texts in which something is not.
func TestReadPlain(t *testing.T) {
	seeds := []string{
		"2020-01-31", "2019-02-28", "2020-02-29", "1900-02-29", "2020-12-31T23:59:59Z", "2020-01-31T09:30:00",
		"2020-01-31T09:30:00.5+01:00", "2020-01-31T09:30:00.123456789-14:00", "0001-01-01T00:00:00.000Z", "9999-12-31",
		"2020-01-31T09:30Z", "2020-01", "2020", "2020-01-31T09:30:00.Z", "2020-01-31T09:30:00+14:01", "2020-01-31T24:00:00Z",
	}
	random := rand.New(rand.NewPCG(3, 4))
	const letters = "0123456789-:.TZ+ x"
	read := 0
	for i := range 200_000 {
		text := []byte(seeds[i%len(seeds)])
		for range random.IntN(3) {
			text[random.IntN(len(text))] = letters[random.IntN(len(letters))]
		}
		plain, ok := readPlain(string(text))
		want, problem := readAny(string(text))
		switch {
		case ok && (problem != "" || plain != want):
			t.Fatalf("%q: %+v, want %+v %s", text, plain, want, problem)
		case ok:
			read++
		case i < len(seeds)-6 && problem == "" && string(text) == seeds[i]:
			t.Errorf("%q is left to readAny", text)
		}
	}
	if read < 10_000 {
		t.Errorf("only %d were read", read)
	}
}

func BenchmarkReadMoment(b *testing.B) {
	for _, text := range []string{"1972-08-31", "2012-03-04T05:06:07.123+01:00"} {
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				if _, problem := readMoment(text); problem != "" {
					b.Fatal(problem)
				}
			}
		})
		b.Run(text+"/any", func(b *testing.B) {
			for b.Loop() {
				if _, problem := readAny(text); problem != "" {
					b.Fatal(problem)
				}
			}
		})
	}
}
