package defined

import (
	"context"
	"slices"
	"sync"

	"github.com/tarnhealth/tarn/guide/conformance"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/store"
	"github.com/tarnhealth/tarn/terminology"
)

// Profiles are those that stored StructureDefinitions define and that can be used.
type Profiles struct {
	of         *conformance.Guides
	structures uint64
	byType     map[string][]string
}

// Of are the profiles of a resource type, as url|version, in their order.
func (p *Profiles) Of(resourceType string) []string { return p.byType[resourceType] }

// A listing is the newest Profiles, and what is known of the resources.
type listing struct {
	mu       sync.Mutex
	newest   *Profiles
	versions map[string]listed
}

// listed is what one version of a StructureDefinition defines: nothing where of
// is "".
type listed struct {
	t             store.T
	of, canonical string
}

// Profiles are those that there are now beside the guides. The result is the same
// until a StructureDefinition is written.
func (d *Definitions) Profiles(of *conformance.Guides) (*Profiles, error) {
	d.list.mu.Lock()
	defer d.list.mu.Unlock()
	structures := d.structures.Load() // what is written from here on is listed later
	if known := d.list.newest; known != nil && known.of == of && known.structures == structures {
		return known, nil
	}
	versions, err := d.structuresNow()
	if err != nil {
		return nil, err
	}
	guides, err := d.Guides(of)
	if err != nil {
		return nil, err
	}
	p := &Profiles{of: of, structures: structures, byType: map[string][]string{}}
	for _, l := range versions {
		if l.of == "" || guides == nil {
			continue
		}
		if _, err := guides.Rules().Profile(l.canonical); err == nil {
			p.byType[l.of] = append(p.byType[l.of], l.canonical)
		}
	}
	for of, all := range p.byType {
		slices.Sort(all)
		p.byType[of] = slices.Compact(all)
	}
	d.list.newest, d.list.versions = p, versions
	return p, nil
}

// structuresNow are the StructureDefinitions by id. Those that are as they were
// are not read again. d.list.mu is held.
func (d *Definitions) structuresNow() (map[string]listed, error) {
	ctx := context.Background()
	view, err := d.store.View(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	all := map[string]listed{}
	plan := search.Plan{Parts: []search.Part{{Type: structure}}}
	for v, err := range store.All(ctx, view, plan, 100) {
		if err != nil {
			return nil, err
		}
		l, ok := d.list.versions[v.ID]
		if !ok || l.t != v.T {
			if l, err = d.listed(v); err != nil {
				return nil, err
			}
		}
		all[v.ID] = l
	}
	return all, nil
}

func (d *Definitions) listed(v store.Version) (listed, error) {
	tree, err := d.opt.Read(v)
	if err != nil {
		return listed{}, err
	}
	l, root := listed{t: v.T}, tree.Root()
	if conformance.IsProfile(root) && root.TextOf("kind") == "resource" {
		l.of, l.canonical = root.TextOf("type"), terminology.Canonical(root.TextOf("url"), root.TextOf("version"))
	}
	return l, nil
}
