package datastore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/store"
)

// guidePrefix begins the ids of parameters that guides define; no resource has
// such an id. The rest is the parameter's URL.
const guidePrefix = "guide:"

func (c *custom) ofGuide() bool { return strings.HasPrefix(c.ID, guidePrefix) }

// guideParams makes the search parameters of guides those of the data store, and
// ends those of guides that are gone. What cannot be used is noted.
func (s *Store) guideParams(ctx context.Context, g *conformance.Guides) {
	p := s.params
	p.defining.Lock()
	defer p.defining.Unlock()
	wanted := map[string]string{}
	if g != nil {
		wanted = g.SearchParameters()
	}
	p.mu.Lock()
	var gone []change
	for id, c := range p.customs {
		url, of := strings.CutPrefix(id, guidePrefix)
		switch {
		case !of:
		case wanted[url] == "":
			c.Error = ""
			gone = append(gone, change{id: id})
		case wanted[url] == c.From:
			delete(wanted, url)
		}
	}
	p.mu.Unlock()
	p.applyGuide(ctx, gone)
	// Composites come last: they are made of others.
	for _, composite := range []bool{false, true} {
		var changes []change
		for url := range wanted {
			tree, err := g.Find(searchParameter, url)
			if err == nil && tree.Root().Child("component").Exists() == composite {
				changes = append(changes, p.guideChange(tree, url, wanted[url]))
			}
		}
		slices.SortFunc(changes, func(a, b change) int { return strings.Compare(a.id, b.id) })
		p.applyGuide(ctx, p.admitEach(changes))
	}
}

// guideChange reads one definition of a guide; without a meaning where it cannot
// be used.
func (p *searchParams) guideChange(tree *fhir.Tree, url, from string) change {
	c := change{id: guidePrefix + url}
	def, err := p.read(tree, []string{c.id})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.customs[c.id] == nil {
		p.customs[c.id] = &custom{ID: c.id}
	}
	p.customs[c.id].From, p.customs[c.id].Error = from, ""
	if err != nil {
		p.refuseGuide(c.id, err)
		return c
	}
	c.def = def
	return c
}

// admitEach takes the meaning of what cannot be beside what there is.
func (p *searchParams) admitEach(changes []change) []change {
	usable := slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return c.def == nil })
	if len(usable) == 0 {
		return changes
	}
	if _, err := p.admit(usable); err == nil {
		return changes
	}
	var kept []change
	for i := range changes {
		c := &changes[i]
		if c.def == nil {
			continue
		}
		if _, err := p.admit(append(slices.Clip(kept), *c)); err != nil {
			p.mu.Lock()
			p.refuseGuide(c.id, err)
			p.mu.Unlock()
			c.def = nil
			continue
		}
		kept = append(kept, *c)
	}
	return changes
}

// refuseGuide notes why a definition is not in use. The caller holds mu.
func (p *searchParams) refuseGuide(id string, err error) {
	c := p.customs[id]
	c.Error = err.Error()
	p.log.Info("a search parameter of a guide is not used", "url", strings.TrimPrefix(id, guidePrefix), "package", c.From, "reason", err)
}

// applyGuide makes changes take effect.
func (p *searchParams) applyGuide(ctx context.Context, changes []change) {
	if len(changes) == 0 {
		return
	}
	// No generation comes twice, so that no entries of what went are taken for
	// those of what came.
	p.guideGeneration = max(p.guideGeneration+1, p.clock().UnixNano())
	versions := make([]store.Version, len(changes))
	reasons := map[string]string{}
	p.mu.Lock()
	for i, c := range changes {
		versions[i].T = store.T(p.guideGeneration)
		if r := p.customs[c.id]; c.def == nil && r != nil {
			reasons[c.id] = r.Error
		}
	}
	p.mu.Unlock()
	p.apply(ctx, changes, versions)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range changes {
		if r := p.customs[c.id]; r != nil && c.def == nil {
			r.Error = reasons[c.id] // which is of what is not used, and not of work on it
		}
		if r := p.customs[c.id]; r != nil && r.newest() == nil && len(r.Drop) == 0 && r.Error == "" {
			delete(p.customs, c.id)
		}
	}
}

// UnusedGuideParams say which search parameters of the guides are not used, and
// why, by the package that they are defined in (conformance.SearchParameters).
func (s *Store) UnusedGuideParams() map[string][]string {
	p := s.params
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string][]string{}
	for _, c := range p.customs {
		if c.ofGuide() && c.newest() == nil && c.Error != "" {
			all[c.From] = append(all[c.From], fmt.Sprintf("%s: %s", strings.TrimPrefix(c.ID, guidePrefix), c.Error))
		}
	}
	for _, list := range all {
		slices.Sort(list)
	}
	return all
}
