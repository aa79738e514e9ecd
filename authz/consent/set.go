package consent

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/search"
)

// A Set is the Consents of a data store at one time. It is immutable and safe
// for concurrent use. Patients whose Consents say the same are one group, so
// that a caller is held against each text once.
type Set struct {
	groups []*group
	// patients are those of whom there is a Consent, sorted.
	patients []string
	// naming are the groups with a rule that names an actor.
	naming map[actorKey][]*group

	mu        sync.Mutex
	strangers map[strangerKey]*stranger
}

// A group is the patients with the same Consents.
type group struct {
	consents []*Consent // of one of them, in the order of their keys
	patients []string   // sorted
	// about is set where some rule depends on the resource.
	about bool
	// byPatient are the ids of the Consents of each.
	byPatient map[string][]string
}

// NewSet makes a Set.
func NewSet(consents []*Consent) *Set {
	of := map[string][]*Consent{}
	s := &Set{naming: map[actorKey][]*group{}, strangers: map[strangerKey]*stranger{}}
	for _, c := range consents {
		of[c.Patient] = append(of[c.Patient], c)
	}
	s.patients = slices.Sorted(maps.Keys(of))
	byKey := map[string]*group{}
	for _, patient := range s.patients {
		list := of[patient]
		slices.SortFunc(list, func(a, b *Consent) int { return strings.Compare(a.key, b.key) })
		var key strings.Builder
		for _, c := range list {
			key.WriteString(c.key)
			key.WriteByte('\n')
		}
		g := byKey[key.String()]
		if g == nil {
			g = &group{byPatient: map[string][]string{}, consents: list, about: slices.ContainsFunc(list, func(c *Consent) bool { return c.root.about() })}
			byKey[key.String()] = g
			s.groups = append(s.groups, g)
			s.index(g)
		}
		g.patients = append(g.patients, patient)
		for _, c := range list {
			g.byPatient[patient] = append(g.byPatient[patient], c.ID)
		}
	}
	return s
}

// Empty reports whether there is no Consent.
func (s *Set) Empty() bool { return len(s.groups) == 0 }

// NamesActors reports whether some rule names a resource of one of some types
// as an actor.
func (s *Set) NamesActors(resourceTypes ...string) bool {
	for actor := range s.naming {
		resourceType, _, _ := strings.Cut(actor.ref, "/")
		if slices.Contains(resourceTypes, resourceType) {
			return true
		}
	}
	return false
}

// Until is when a rule begins or ends to count next after a time; zero where
// none does.
func (s *Set) Until(now time.Time) (next time.Time) {
	for _, g := range s.groups {
		for _, c := range g.consents {
			c.root.until(now, &next)
		}
	}
	return next
}

func (p *provision) until(now time.Time, next *time.Time) {
	for _, at := range []time.Time{p.start, p.end} {
		if at.After(now) && (next.IsZero() || at.Before(*next)) {
			*next = at
		}
	}
	for _, sub := range p.nested {
		sub.until(now, next)
	}
}

// Rules are the Set for one caller, at one time. They are an authz.Restriction.
type Rules struct {
	registry *search.Registry
	who      *Who
	now      time.Time
	fallback authz.Decision
	set      *Set
	parts    [actions]part
}

// A part is what is hidden for one action.
type part struct {
	// hidden are the patients of whom everything is, sorted; all is the same.
	hidden []string
	all    *authz.Patients
	// depends are the groups of whom it depends on the resource.
	depends []*group
}

// For is the Set for a caller. fallback is what is done with the data of
// patients of whom no rule fits. It costs what there are of rules that name the
// caller, once the Set was asked for somebody like it.
func (s *Set) For(registry *search.Registry, who *Who, fallback authz.Decision, now time.Time) *Rules {
	r := &Rules{registry: registry, who: who, now: now, fallback: fallback, set: s}
	r.parts = s.stranger(registry, who, fallback, now).parts
	named := s.named(who)
	if len(named)+len(who.Own) == 0 {
		return r
	}
	decided := map[string]bool{} // of whom the strangers' answer does not count
	for _, id := range who.Own {
		decided[id] = true
	}
	for g := range named {
		for _, id := range g.patients {
			decided[id] = true
		}
	}
	for a := range actions {
		hidden := slices.DeleteFunc(slices.Clone(r.parts[a].hidden), func(id string) bool { return decided[id] })
		for g := range named {
			if r.hides(a, "", g).ok {
				hidden = append(hidden, r.others(g.patients)...)
			}
		}
		slices.Sort(hidden)
		r.parts[a].hidden, r.parts[a].all = hidden, authz.NewPatients(hidden)
	}
	return r
}

// others are the patients who are not the caller's own.
func (r *Rules) others(patients []string) []string {
	if len(r.who.Own) == 0 {
		return patients
	}
	return slices.DeleteFunc(slices.Clone(patients), func(id string) bool { return slices.Contains(r.who.Own, id) })
}

// hides is when the data of a group's patients is hidden.
func (r *Rules) hides(a action, resourceType string, g *group) formula {
	q := &question{who: r.who, now: r.now, action: a, registry: r.registry, resourceType: resourceType}
	var all answer
	for _, c := range g.consents {
		got := c.answer(q)
		all.deny, all.permit = all.deny.or(got.deny), all.permit.or(got.permit)
	}
	if r.fallback == authz.Deny {
		return all.deny.or(all.permit.not())
	}
	return all.deny
}

// Hidden is the condition on resources of a type under which an interaction is
// denied by the Consent of a patient whose data they are; nil for none. A
// resource of several patients is hidden where one of them denies.
func (r *Rules) Hidden(i authz.Interaction, resourceType string) search.Node {
	a, ok := actionOf(i)
	if !ok {
		return nil
	}
	about := func(ids []string, others bool) formula {
		return when(authz.AboutPatients(r.registry, resourceType, ids, others))
	}
	hidden := when(r.parts[a].all.About(r.registry, resourceType))
	for _, g := range r.parts[a].depends {
		if ids := r.others(g.patients); len(ids) > 0 {
			hidden = hidden.or(about(ids, false).and(r.hides(a, resourceType, g)))
		}
	}
	if r.fallback == authz.Deny {
		known := append(slices.Clone(r.set.patients), r.who.Own...)
		slices.Sort(known)
		hidden = hidden.or(about(slices.Compact(known), true))
	}
	return hidden.node
}

// Of are the ids of the Consents of some patients.
func (s *Set) Of(patients []string) (ids []string) {
	for _, g := range s.groups {
		for _, patient := range patients {
			if _, ok := slices.BinarySearch(g.patients, patient); ok {
				ids = append(ids, g.byPatient[patient]...)
			}
		}
	}
	return ids
}
