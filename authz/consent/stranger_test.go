package consent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tarnhealth/tarn/authz"
)

// someRule is a random rule about actors, purposes, actions and time.
func someRule(g *rand.Rand, depth int) *provision {
	p := &provision{decision: []authz.Decision{authz.Permit, authz.Deny, authz.Deny}[g.IntN(3)], unknown: g.IntN(12) == 0}
	if g.IntN(4) == 0 {
		p.start = time.Unix(int64(g.IntN(8))*100, 0)
	}
	if g.IntN(4) == 0 {
		p.end = time.Unix(int64(g.IntN(8))*100, 0)
	}
	for range g.IntN(3) {
		switch g.IntN(4) {
		case 0:
			p.actors = append(p.actors, actor{identifier: fmt.Sprint("client", g.IntN(3))})
		case 1:
			p.actors = append(p.actors, actor{unknown: true})
		default:
			p.actors = append(p.actors, actor{ref: fmt.Sprint("Practitioner/d", g.IntN(4))})
		}
	}
	if g.IntN(4) == 0 {
		p.purposes = []string{[]string{"TREAT", "HRESCH"}[g.IntN(2)]}
	}
	if g.IntN(5) == 0 {
		p.actions = []string{"correct"}
	}
	for range g.IntN(3) {
		if depth > 0 {
			p.nested = append(p.nested, someRule(g, depth-1))
		}
	}
	return p
}

// TestStrangersAreAskedOnce compares what a Set says to a caller with what every
// Consent says to it, one by one, for many callers and times of one Set.
func TestStrangersAreAskedOnce(t *testing.T) {
	g := rand.New(rand.NewPCG(4, 2))
	shown, hiddenOnes := 0, 0
	for range 60 {
		var list []*Consent
		for n := range 1 + g.IntN(25) {
			c := &Consent{Patient: fmt.Sprint("p", g.IntN(9)), ID: fmt.Sprint("c", n), root: someRule(g, 2), base: []authz.Decision{"", "", authz.Permit, authz.Deny}[g.IntN(4)]}
			var b strings.Builder
			c.root.write(&b)
			c.key = string(c.base) + b.String()
			list = append(list, c)
		}
		set := NewSet(slices.Clone(list))
		for range 40 {
			who := &Who{Known: g.IntN(4) > 0, References: map[string]bool{}, Purpose: []string{"", "TREAT", "CLINTRL", "HRESCH"}[g.IntN(4)]}
			for n := range 4 {
				if g.IntN(4) == 0 {
					who.References[fmt.Sprint("Practitioner/d", n)] = true
				}
			}
			if g.IntN(3) == 0 {
				who.Identifiers = []string{fmt.Sprint("client", g.IntN(4))}
			}
			if g.IntN(3) == 0 {
				who.Own = []string{fmt.Sprint("p", g.IntN(9))}
			}
			now := time.Unix(int64(g.IntN(900)), 0)
			fallback := []authz.Decision{authz.Permit, authz.Deny}[g.IntN(2)]
			rules := set.For(nil, who, fallback, now)
			for a := range actions {
				var want []string
				for n := range 9 {
					id := fmt.Sprint("p", n)
					if hides(list, id, &question{who: who, now: now, action: a}, fallback) {
						want = append(want, id)
					}
				}
				if got := rules.parts[a].hidden; !slices.Equal(got, want) {
					t.Fatalf("%+v at %v: %v are hidden, want %v", who, now, got, want)
				}
				shown, hiddenOnes = shown+9-len(want), hiddenOnes+len(want)
			}
		}
	}
	if shown < 5_000 || hiddenOnes < 5_000 {
		t.Errorf("%d shown and %d hidden show too little", shown, hiddenOnes)
	}
}

// hides reports whether the Consents of a patient, if there are any, hide all of
// the patient's data.
func hides(list []*Consent, patient string, q *question, fallback authz.Decision) bool {
	if slices.Contains(q.who.Own, patient) {
		return false
	}
	any, denies, permits := false, false, false
	for _, c := range list {
		if c.Patient == patient {
			got := c.answer(q)
			any, denies, permits = true, denies || got.deny.ok, permits || got.permit.ok
		}
	}
	return any && (denies || fallback == authz.Deny && !permits)
}
