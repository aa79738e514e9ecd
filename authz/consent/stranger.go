package consent

import (
	"slices"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/search"
)

// A stranger is what is common to callers whom no rule names: most Consents say
// the same to all of them, so that a caller is held only against those that name
// it.
type stranger struct {
	// from and until are when it holds; a zero until is for good.
	from, until time.Time
	parts       [actions]part
}

// strangerKey is what an answer depends on beside whom a rule names.
type strangerKey struct {
	known    bool
	purpose  string
	fallback authz.Decision
}

// maxStrangers bounds how many kinds are remembered.
const maxStrangers = 100

// stranger is what the Set is to callers like one, whom no rule names.
func (s *Set) stranger(registry *search.Registry, who *Who, fallback authz.Decision, now time.Time) *stranger {
	key := strangerKey{who.Known, who.Purpose, fallback}
	s.mu.Lock()
	defer s.mu.Unlock()
	if x := s.strangers[key]; x != nil && !now.Before(x.from) && (x.until.IsZero() || now.Before(x.until)) {
		return x
	}
	if len(s.strangers) >= maxStrangers {
		clear(s.strangers)
	}
	nobody := &Rules{registry: registry, who: &Who{Known: who.Known, Purpose: who.Purpose}, now: now, fallback: fallback, set: s}
	x := &stranger{from: now, until: s.Until(now)}
	for a := range actions {
		for _, g := range s.groups {
			switch {
			case g.about:
				x.parts[a].depends = append(x.parts[a].depends, g)
			case nobody.hides(a, "", g).ok:
				x.parts[a].hidden = append(x.parts[a].hidden, g.patients...)
			}
		}
		slices.Sort(x.parts[a].hidden)
		x.parts[a].all = authz.NewPatients(x.parts[a].hidden)
	}
	s.strangers[key] = x
	return x
}

// named are the groups with a rule that names the caller as an actor, and whose
// rules do not depend on the resource.
func (s *Set) named(who *Who) map[*group]bool {
	found := map[*group]bool{}
	add := func(groups []*group) {
		for _, g := range groups {
			if !g.about {
				found[g] = true
			}
		}
	}
	for ref := range who.References {
		add(s.naming[actorKey{ref: ref}])
	}
	for _, id := range who.Identifiers {
		add(s.naming[actorKey{identifier: id}])
	}
	return found
}

// An actorKey is an actor as a rule names it: by reference or by identifier.
type actorKey struct{ ref, identifier string }

// keysTo adds the actors of a rule, and of those in it.
func (p *provision) keysTo(all map[actorKey]bool) {
	for _, a := range p.actors {
		if a.ref != "" {
			all[actorKey{ref: a.ref}] = true
		}
		if a.identifier != "" {
			all[actorKey{identifier: a.identifier}] = true
		}
	}
	for _, sub := range p.nested {
		sub.keysTo(all)
	}
}

// index notes whom a group names.
func (s *Set) index(g *group) {
	keys := map[actorKey]bool{}
	for _, c := range g.consents {
		c.root.keysTo(keys)
	}
	for key := range keys {
		s.naming[key] = append(s.naming[key], g)
	}
}
