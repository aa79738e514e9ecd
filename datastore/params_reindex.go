package datastore

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
)

// allParams stands for every parameter of a resource type in a rebuild.
const allParams = "*"

// A ParamState is how far the index of a search parameter is.
type ParamState struct {
	// ID is that of the SearchParameter resource; "" for parameters of guides, and
	// where the entries of the definitions' own parameters are made again.
	ID, URL string
	// Code is the parameter's; "*" for all of a resource type.
	Code  string
	Types []string
	// Served are types on which the definitions' own parameter means the same,
	// so that nothing is indexed for this one.
	Served []string
	State  IndexState
	// Usable is set while searches can use the parameter, as it was before
	// where it is being indexed anew.
	Usable bool
	// Done of Total versions are looked at, in what runs or ran last.
	Done, Total int
	// Started is zero where it did not begin yet.
	Started time.Time
	// Error is why the last attempt failed, "" where it did not.
	Error string
}

// IndexState is the state of a search parameter's index.
type IndexState string

// The states.
const (
	IndexReady    IndexState = "ready"
	IndexBuilding IndexState = "building" // or waiting for its turn
	IndexFailed   IndexState = "failed"   // it is tried again, unless the definition is the reason
)

// ParamStates lists the parameters that SearchParameter resources define, and
// what Reindex was asked for.
func (s *Store) ParamStates(access authz.Access) ([]ParamState, error) {
	access, err := s.bound(context.Background(), access)
	if err != nil {
		return nil, err
	}
	if err := mayAll(access, authz.Read, searchParameter); err != nil {
		return nil, err
	}
	p := s.params
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []ParamState
	for c := range p.inOrder() {
		if c.newest() != nil || c.Error != "" && !c.ofGuide() {
			all = append(all, c.state())
		}
	}
	for _, r := range p.rebuilds {
		all = append(all, r.state())
	}
	if !access.All(authz.SearchType) {
		for i := range all { // how many versions there are is not for this caller
			all[i].Done, all[i].Total = 0, 0
		}
	}
	slices.SortFunc(all, func(a, b ParamState) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), slices.Compare(a.Types, b.Types), cmp.Compare(a.Code, b.Code))
	})
	return all, nil
}

// mayAll refuses a caller that may do something to some resources of a type
// only.
func mayAll(access authz.Access, i authz.Interaction, resourceType string) error {
	if err := access.Check(i, resourceType); err != nil {
		return err
	}
	if g := (guard{access: access}); !g.open(i, resourceType) {
		return refusal(i, "every "+resourceType)
	}
	return nil
}

func (c *custom) state() ParamState {
	st := ParamState{ID: c.ID, State: IndexReady, Usable: c.Ready != nil}
	if c.ofGuide() {
		st.ID = ""
	}
	if m := c.newest(); m != nil {
		st.URL, st.Code, st.Types, st.Served = m.Def.URL, m.Def.Code, m.Def.Bases, m.Def.Served
	}
	if c.Next != nil {
		st.State = IndexBuilding
	}
	c.progress.fill(&st)
	if c.broken != "" {
		st.State, st.Usable, st.Error = IndexFailed, false, c.broken
	}
	return st
}

func (r *rebuild) state() ParamState {
	st := ParamState{Code: r.Code, Types: []string{r.Type}, State: IndexBuilding, Usable: true}
	if r.Finished {
		st.State = IndexReady
	}
	r.progress.fill(&st)
	return st
}

func (g *progress) fill(st *ParamState) {
	st.Done, st.Total, st.Started, st.Error = g.Looked, g.Total, g.Started, g.Error
	if g.Error != "" {
		st.State = IndexFailed
	}
}

// A Reindexing chooses what Reindex does. The zero Reindexing chooses every
// parameter that a SearchParameter resource defines.
type Reindexing struct {
	// ID chooses the parameter of one SearchParameter resource.
	ID string
	// Types and Codes choose parameters by resource type and code, those of the
	// definitions too. Without codes all of the types are chosen, without types
	// those of all types that have one of the codes.
	Types, Codes []string
}

// Reindex adds, in the background, the entries that are missing of some
// parameters. Searches go on. It returns the number of parameters and resource
// types chosen once the request is durable.
func (s *Store) Reindex(ctx context.Context, access authz.Access, what Reindexing) (int, error) {
	if err := mayAll(access, authz.Update, searchParameter); err != nil {
		return 0, err
	}
	chosen, err := s.params.choose(&what)
	if err != nil {
		return 0, err
	}
	p := s.params
	p.mu.Lock()
	var fresh []rebuild
	for i := range chosen {
		r := &chosen[i]
		if old := p.rebuilds[r.key()]; old != nil && !old.Finished {
			old.due = time.Time{}
			continue
		}
		p.rebuilds[r.key()] = r
		fresh = append(fresh, *r)
	}
	waiting := 0
	for _, c := range p.customs {
		if c.Next != nil && what.takes(c) {
			c.due = time.Time{}
			waiting++
		}
	}
	p.mu.Unlock()
	p.nudge()
	return len(chosen) + waiting, p.records.save(ctx, nil, fresh)
}

// takes reports whether a resource's parameter is among those chosen.
func (w *Reindexing) takes(c *custom) bool {
	def := c.newest().Def
	switch {
	case w.ID != "":
		return w.ID == c.ID
	case len(w.Codes) > 0 && !slices.Contains(w.Codes, def.Code):
		return false
	}
	return len(w.Types) == 0 || slices.ContainsFunc(def.Bases, func(b string) bool { return slices.Contains(w.Types, b) })
}

// choose lists what is to be made again.
func (p *searchParams) choose(w *Reindexing) ([]rebuild, error) {
	if w.ID == "" && len(w.Types)+len(w.Codes) > 0 {
		return p.chooseNamed(w)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.ID != "" && (p.customs[w.ID] == nil || p.customs[w.ID].newest() == nil) {
		return nil, fhir.Errorf(fhir.KindNotFound, "SearchParameter/%s is not active, or does not exist: it defines no search parameter", w.ID)
	}
	var chosen []rebuild
	for c := range p.inOrder() {
		if c.Ready == nil || !w.takes(c) {
			continue
		}
		for _, base := range c.Ready.Def.Bases {
			chosen = append(chosen, rebuild{Type: base, Code: c.Ready.Def.Code})
		}
	}
	return chosen, nil
}

// chooseNamed lists what is named by type and code.
func (p *searchParams) chooseNamed(w *Reindexing) ([]rebuild, error) {
	registries := p.now.Load()
	var chosen []rebuild
	for _, t := range w.Types {
		if p.base.Definitions.Schema.Resource(t) == nil {
			return nil, fhir.Errorf(fhir.KindInvalid, "%q is not a resource type", t).At("http.type")
		}
		if len(w.Codes) == 0 {
			chosen = append(chosen, rebuild{Type: t, Code: allParams})
		}
	}
	for _, code := range w.Codes {
		found := false
		for _, param := range registries.write.Params {
			if !indexed(param) || param.Code != code || len(w.Types) > 0 && !slices.Contains(w.Types, param.Type) {
				continue
			}
			found = true
			if registries.query.Param(param.Type, code) != nil {
				chosen = append(chosen, rebuild{Type: param.Type, Code: code})
			}
		}
		if !found {
			return nil, fhir.Errorf(fhir.KindInvalid, "%q is not a search parameter of these resource types that has an index", code).At("http.parameter")
		}
	}
	return chosen, nil
}

// indexed reports whether a parameter has entries.
func indexed(p *search.Param) bool {
	return p.Def != nil && p.Code != "_id" && p.Code != "_lastUpdated"
}

// WaitIndexed waits until no search parameter is being indexed or removed any
// more. It fails where an attempt to do so has failed.
func (s *Store) WaitIndexed(ctx context.Context) error {
	for {
		done, rested, err := s.params.settled()
		if done || err != nil {
			return err
		}
		select {
		case <-rested:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settled reports whether there is nothing to do; otherwise rested tells when
// to look again.
func (p *searchParams) settled() (done bool, rested <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	done = true
	for _, c := range p.customs {
		done = done && (c.Next == nil || c.broken != "") && len(c.Drop) == 0
		if c.Error != "" && (c.newest() != nil || !c.ofGuide()) {
			err = fmt.Errorf("SearchParameter/%s: %s", c.ID, c.Error)
		}
	}
	for key, r := range p.rebuilds {
		done = done && r.Finished
		if r.Error != "" {
			err = fmt.Errorf("%s: %s", key, r.Error)
		}
	}
	return done, p.rested, err
}
