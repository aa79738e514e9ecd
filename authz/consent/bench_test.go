package consent_test

import (
	"fmt"
	"testing"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/authz/consent"
)

// BenchmarkRules is what a caller costs, once after each change of a Consent: for
// patients who deny everybody, and who each deny a practitioner of their own.
func BenchmarkRules(b *testing.B) {
	for name, text := range map[string]func(n int) string{
		"everybody": func(n int) string { return of(fmt.Sprint("p", n), rule(deny)) },
		"somebody": func(n int) string {
			return of(fmt.Sprint("p", n), rule(deny, actorIs(fmt.Sprint("Practitioner/d", n))))
		},
	} {
		var list []*consent.Consent
		for n := range 10_000 {
			c, _ := consent.Read(parse(b, text(n)), base)
			list = append(list, c)
		}
		set := consent.NewSet(list)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if set.For(registry(), doctor("d1"), authz.Permit, noon).Hidden(authz.SearchType, "Observation") == nil {
					b.Fatal("nothing is hidden")
				}
			}
		})
	}
}
