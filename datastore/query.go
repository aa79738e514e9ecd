package datastore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tarnhealth/tarn/authz"
	"github.com/tarnhealth/tarn/definition"
	"github.com/tarnhealth/tarn/fhir"
	"github.com/tarnhealth/tarn/search"
	"github.com/tarnhealth/tarn/search/terminology"
)

// Query parses a search as one caller may make it: opt.Base is set, value sets
// and code systems are looked up among the resources of the data store that
// the caller may read, and a search by a parameter that is still being indexed
// is refused with how far that has come.
func (s *Store) Query(ctx context.Context, access authz.Access, types []string, pairs []search.Pair, opt search.Options) (*search.Query, error) {
	opt.Expand = true
	return s.query(ctx, s.params.now.Load(), access, types, pairs, opt)
}

// Query parses a search as the view's caller may make it; see Store.Query.
func (v *View) Query(ctx context.Context, types []string, pairs []search.Pair, opt search.Options) (*search.Query, error) {
	return v.store.Query(ctx, v.access, types, pairs, opt)
}

func (s *Store) query(ctx context.Context, params *registries, access authz.Access, types []string, pairs []search.Pair, opt search.Options) (*search.Query, error) {
	access, err := s.bound(ctx, access)
	if err != nil {
		return nil, err
	}
	opt.Base = s.base
	t := &finder{ctx: ctx, store: s, access: access}
	defer t.close()
	known := &terminology.Source{Service: t.service()}
	opt.ValueSets, opt.Related = known.ValueSet, known.Related
	q, err := params.write.Parse(types, pairs, opt)
	var refused *fhir.Error
	switch {
	case err == nil:
		s.params.tellProgress(access, q.Warnings)
	case errors.As(err, &refused):
		s.params.tellProgress(access, refused.Issues)
	}
	return q, err
}

// tellProgress adds to the issues about parameters that are being indexed how
// far that has come, for callers who may know how much there is to index.
func (p *searchParams) tellProgress(access authz.Access, issues []fhir.Issue) {
	for i := range issues {
		if !strings.Contains(issues[i].Diagnostics, "is being indexed") || !access.All(authz.SearchType) {
			continue
		}
		p.mu.Lock()
		for _, c := range p.customs {
			if c.Ready == nil && c.Next != nil && names(issues[i].Diagnostics, c.Next.Def) {
				issues[i].Diagnostics += " (" + c.progress.text() + ")"
				break
			}
		}
		p.mu.Unlock()
	}
}

// names reports whether a refusal is about a parameter.
func names(text string, def *definition.SearchParameter) bool {
	for _, base := range def.Bases {
		if strings.Contains(text, " "+def.Code+" of "+base+" is being indexed") {
			return true
		}
	}
	return false
}

func (g *progress) text() string {
	switch {
	case g.Error != "":
		return "the last attempt failed and is repeated: " + g.Error
	case g.Started.IsZero():
		return "not begun"
	case g.Total == 0:
		return "just begun"
	}
	return fmt.Sprintf("%d of %d versions looked at", g.Looked, g.Total)
}
