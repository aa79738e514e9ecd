package access

import "testing"

// BenchmarkCost compares what callers pay for being confined.
func BenchmarkCost(b *testing.B) {
	w := newWorld(b)
	callers := map[string]*caller{
		"unrestricted": w.callers[0], "patient": w.as("patient p1", "patient/*.rs"), "practitioner": w.as("user Practitioner/d1", "user/*.rs"),
	}
	for _, request := range []string{"Observation/lab-p1", "Observation?patient=p1", "Observation/lab-p1/_history"} {
		for name, c := range callers {
			b.Run(request+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if a := w.ask(c, "GET", request, ""); a.status != 200 {
						b.Fatal(a.status)
					}
				}
			})
		}
	}
}
